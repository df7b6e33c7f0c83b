"""Dialogs that would wait for a user: they are noted and answered at once (see `recorded`)."""

from __future__ import annotations

from typing import Any

from PySide6 import QtCore, QtGui, QtWidgets

from slicer_host.conversion import from_native
from slicer_host.recorded import FileRequest, Message, recorded


def _answer(dialog: QtWidgets.QDialog, default: int) -> int:
    """The next answer that a test has given, else the default."""
    answer: Any = recorded.button_answers.popleft() if recorded.button_answers else default
    return int(answer(from_native(dialog)) if callable(answer) else answer)


def _labels(dialog: QtWidgets.QDialog) -> str:
    return "\n".join(label.text() for label in dialog.findChildren(QtWidgets.QLabel))


class QDialog(QtWidgets.QDialog):
    """Shown, noted, answered (rejected unless a test says otherwise) and closed."""

    def exec(self) -> int:
        self.show()
        recorded.messages.append(Message(type(self).__name__, self.windowTitle(), _labels(self), 0))
        self.done(_answer(self, QtWidgets.QDialog.DialogCode.Rejected.value))
        return self.result()


class QMessageBox(QtWidgets.QMessageBox):
    """Noted, and answered with its default or first button."""

    def exec(self) -> int:
        buttons = self.standardButtons()
        recorded.messages.append(Message(type(self).__name__, self.windowTitle(), self.text(), buttons.value))
        default = self.standardButton(self.defaultButton()) if self.defaultButton() else _first(buttons)
        return _answer(self, default.value)

    @staticmethod
    def _ask(parent: Any, title: str, text: str, buttons: Any = None, default: Any = None) -> Any:
        box = QMessageBox()
        box.setWindowTitle(title)
        box.setText(text)
        box.setStandardButtons(buttons or QtWidgets.QMessageBox.StandardButton.Ok)
        if default is not None:
            box.setDefaultButton(default)
        return QtWidgets.QMessageBox.StandardButton(box.exec())

    information = warning = critical = question = _ask


def _first(buttons: QtWidgets.QMessageBox.StandardButton) -> QtWidgets.QMessageBox.StandardButton:
    """The button that the return key presses in a box without a default button."""
    order = ("Ok", "Yes", "Save", "Open", "Retry", "Close", "Cancel")
    named = [getattr(QtWidgets.QMessageBox.StandardButton, name) for name in order]
    return next((button for button in named if button in buttons), QtWidgets.QMessageBox.StandardButton.Ok)


class QFileDialog(QtWidgets.QFileDialog):
    """Its static functions return what a test has put into `recorded.file_answers`: strings, as PythonQt does."""

    def exec(self) -> int:
        recorded.file_requests.append(FileRequest("exec_", (self.windowTitle(),)))
        if not recorded.file_answers:
            return 0
        self.selectFile(str(recorded.file_answers.popleft()))
        return 1

    @staticmethod
    def getOpenFileName(*arguments: Any) -> str:
        return _file_answer("getOpenFileName", arguments)

    @staticmethod
    def getSaveFileName(*arguments: Any) -> str:
        return _file_answer("getSaveFileName", arguments)

    @staticmethod
    def getExistingDirectory(*arguments: Any) -> str:
        return _file_answer("getExistingDirectory", arguments)

    @staticmethod
    def getOpenFileNames(*arguments: Any) -> tuple[str, ...]:
        return tuple(_file_answer("getOpenFileNames", arguments) or ())


def _file_answer(function: str, arguments: tuple) -> Any:
    recorded.file_requests.append(FileRequest(function, tuple(arguments)))
    return recorded.file_answers.popleft() if recorded.file_answers else ""


class QInputDialog(QtWidgets.QInputDialog):
    """Returns the next of `recorded.button_answers`, which is text here, or "" as PythonQt does for Cancel."""

    @staticmethod
    def getText(parent: Any, title: str, label: str, *more: Any) -> str:
        recorded.messages.append(Message("QInputDialog", title, label, 0))
        return str(recorded.button_answers.popleft()) if recorded.button_answers else ""


class QMenu(QtWidgets.QMenu):
    """Never waits: as closed without a choice."""

    def exec(self, *_: Any) -> None:
        recorded.messages.append(Message("QMenu", self.title(), "", 0))


class QDesktopServices(QtGui.QDesktopServices):
    """Opens nothing."""

    @staticmethod
    def openUrl(url: QtCore.QUrl) -> bool:
        recorded.opened_urls.append(url.toString())
        return True


DIALOGS = {cls.__name__: cls for cls in (QDialog, QMessageBox, QFileDialog, QInputDialog, QMenu, QDesktopServices)}
