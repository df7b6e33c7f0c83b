"""The section Reader study: a reader's way through blinded cases."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import qt
import slicer
from slicer.util import VTKObservationMixin

from XrayToCTLib.errors import UnsuitableInput
from XrayToCTLib.panel.path_line import follow_path
from XrayToCTLib.panel.study_views import StudyViews
from XrayToCTLib.reader_study.answers import Mark
from XrayToCTLib.reader_study.session import ReadingSession
from XrayToCTLib.reader_study.study import ARTEFACTS, CONDITIONS, STUDY_FILE, read_study

_UI_FILE = Path(__file__).parents[2] / "Resources" / "UI" / "ReaderStudy.ui"
_WINDOWS = ("lung", "mediastinum", "bone")


class StudySection(VTKObservationMixin):
    """Everything of a study that a reader sees in the panel.

    Args:
        widget: where the section is put: a widget with a layout.
    """

    def __init__(self, widget: Any) -> None:
        super().__init__()
        root = slicer.util.loadUI(str(_UI_FILE))
        widget.layout().addWidget(root)
        self._ui = ui = slicer.util.childWidgetVariables(root)
        self._session: ReadingSession | None = None
        self._views: StudyViews | None = None
        self._marks: list[Mark] = []
        ui.artefactBox.addItems(list(ARTEFACTS))
        for number, text in enumerate(ARTEFACTS.values()):
            ui.artefactBox.setItemData(number, text, qt.Qt.ToolTipRole)
        self._realism = [getattr(ui, f"realism{number}") for number in range(1, 6)]
        self._confidence = [getattr(ui, f"confidence{number}") for number in range(1, 6)]
        self._classes = [getattr(ui, f"{condition}Class") for condition in CONDITIONS]
        follow_path(ui.studyPathEdit, self._show_readers)
        for button, action in (
            (ui.startButton, self._start_or_leave),
            (ui.nextButton, self._save),
            (ui.backButton, self._back),
            (ui.removeMarkButton, self._remove_mark),
        ):
            button.connect("clicked()", self._reporting(action))
        for name in _WINDOWS:
            getattr(ui, f"{name}Button").connect("clicked()", self._window_chooser(name))
        ui.markButton.connect("toggled(bool)", self._set_marking)
        ui.noArtefactBox.connect("toggled(bool)", lambda checked: self._update_buttons())
        ui.marksList.connect("currentRowChanged(int)", self._go_to_mark)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartCloseEvent, self._scene_closes)
        self._update_buttons()

    def close(self) -> None:
        """Leaves the study and lets go of the scene; answers that were saved stay."""
        self._leave()
        self.removeObservers()

    # Choosing

    def _show_readers(self, path: str) -> None:
        ui = self._ui
        ui.readerBox.clear()
        ui.startButton.setEnabled(False)
        folder = Path(path)
        if not path or not (folder / STUDY_FILE).is_file():
            ui.studyStatus.setText("Choose the folder of a study." if not path else "There is no study in this folder.")
            return
        try:
            study = read_study(folder)
        except UnsuitableInput as error:
            ui.studyStatus.setText(str(error))
            return
        ui.readerBox.addItems([reader.name for reader in study.readers])
        ui.startButton.setEnabled(True)
        ui.studyStatus.setText(f"{study.title}: {len(study.cases)} cases. Choose your name.")

    def _start_or_leave(self) -> None:
        if self._session is not None:
            self._leave()
            self._ui.studyStatus.setText("You have left the study; go on at any time.")
            return
        session = ReadingSession(Path(self._ui.studyPathEdit.currentPath), self._ui.readerBox.currentText)
        self._session, self._views = session, StudyViews(self._add_mark)
        try:
            self._show_case()
        except UnsuitableInput:
            self._leave()
            raise

    def _leave(self) -> None:
        if self._views is not None:
            self._views.close()
        self._session = self._views = None
        self._marks = []
        self._fill_in()
        self._update_buttons()

    def _scene_closes(self, caller: Any, event: str) -> None:
        if self._session is not None:
            self._leave()
            self._ui.studyStatus.setText("The scene was closed; start again to go on with the case that was shown.")

    # A case

    def _show_case(self) -> None:
        """Shows where the session is; the last thing that can fail comes first."""
        session, views = self._in_study()
        if session.is_finished:
            views.clear()
        else:
            views.show(session.case_file(), session.position, session.total)
        earlier = session.earlier_answer
        self._marks = list(earlier.marks) if earlier is not None else []
        self._fill_in()
        self._show_marks()
        self._update_buttons()
        self._ui.studyStatus.setText(
            "You have read all cases. Thank you. Leave the study, or go back to change an answer."
            if session.is_finished
            else f"Case {session.position} of {session.total}."
        )

    def _fill_in(self) -> None:
        """The form as it was answered before, or empty: nothing is suggested."""
        ui, answer = self._ui, self._session.earlier_answer if self._session is not None else None
        _check_only(self._realism, answer.realism - 1 if answer is not None else None)
        _check_only(self._confidence, answer.confidence - 1 if answer is not None else None)
        _check_only(self._classes, CONDITIONS.index(answer.condition) if answer is not None else None)
        ui.noArtefactBox.setChecked(answer is not None and not answer.marks)
        ui.commentEdit.setText(answer.comment if answer is not None else "")
        ui.noteEdit.setText("")
        ui.markButton.setChecked(False)
        ui.marksList.clear()

    def _save(self) -> None:
        session, _ = self._in_study()
        if not self._marks and not self._ui.noArtefactBox.checked:
            raise UnsuitableInput("Mark the artefacts that you see, or tick 'No artefact seen'.")
        condition = _checked(self._classes)
        session.submit(
            realism=_checked(self._realism) + 1,
            confidence=_checked(self._confidence) + 1,
            condition=CONDITIONS[condition] if condition >= 0 else "",
            marks=tuple(self._marks),
            comment=self._ui.commentEdit.text,
        )
        self._show_case()

    def _back(self) -> None:
        self._in_study()[0].back()
        self._show_case()

    def _in_study(self) -> tuple[ReadingSession, StudyViews]:
        if self._session is None or self._views is None:
            raise UnsuitableInput("No study is open; start one.")
        return self._session, self._views

    # Marks

    def _set_marking(self, is_on: bool) -> None:
        if self._views is not None:
            self._views.is_marking = is_on
            if is_on:
                self._ui.studyStatus.setText("Click on the artefact in a slice.")

    def _add_mark(self, plane: str, point_mm: tuple[float, float, float]) -> None:
        self._ui.markButton.setChecked(False)
        try:
            mark = Mark(self._ui.artefactBox.currentText, plane, point_mm, self._ui.noteEdit.text)
        except UnsuitableInput as error:
            self._ui.studyStatus.setText(str(error))
            return
        self._marks.append(mark)
        self._ui.noteEdit.setText("")
        self._ui.noArtefactBox.setChecked(False)
        self._ui.studyStatus.setText(f"Mark {len(self._marks)}: {mark.kind}.")
        self._show_marks()

    def _remove_mark(self) -> None:
        row = self._ui.marksList.currentRow
        if 0 <= row < len(self._marks):
            del self._marks[row]
            self._show_marks()

    def _go_to_mark(self, row: int) -> None:
        if self._views is not None and 0 <= row < len(self._marks):
            self._views.go_to(self._marks[row])
        self._update_buttons()

    def _show_marks(self) -> None:
        ui = self._ui
        ui.marksList.clear()
        for number, mark in enumerate(self._marks, start=1):
            ui.marksList.addItem(f"{number}  {mark.kind}, {mark.plane}" + (f": {mark.note}" if mark.note else ""))
        if self._views is not None:
            self._views.show_marks(self._marks)
        self._update_buttons()

    # The rest

    def _window_chooser(self, name: str) -> Callable[[], None]:
        def choose() -> None:
            if self._views is not None:
                self._views.use_window(name)

        return choose

    def _reporting(self, action: Callable[[], None]) -> Callable[[], None]:
        """The action, with what goes wrong said in the panel: no popup stands in a reader's way."""

        def run() -> None:
            try:
                action()
            except UnsuitableInput as error:
                self._ui.studyStatus.setText(str(error))

        return run

    def _update_buttons(self) -> None:
        ui, session = self._ui, self._session
        is_reading = session is not None
        ui.caseBox.setEnabled(is_reading)
        ui.nextButton.setEnabled(session is not None and not session.is_finished)
        for chooser in (ui.studyPathEdit, ui.readerBox):
            chooser.setEnabled(not is_reading)
        ui.startButton.setText("Leave the study" if is_reading else "Start or go on")
        ui.backButton.setEnabled(session is not None and session.position > 1)
        ui.removeMarkButton.setEnabled(is_reading and ui.marksList.currentRow >= 0)
        ui.noArtefactBox.setEnabled(not self._marks)
        ui.studyProgress.setVisible(is_reading)
        ui.studyProgress.setMaximum(session.total if session is not None else 1)
        ui.studyProgress.setValue(session.answered if session is not None else 0)


def _check_only(buttons: list[Any], chosen: int | None) -> None:
    """Checks one of a group of radio buttons, or none, which Qt grants only to buttons that stand alone."""
    for number, button in enumerate(buttons):
        button.setAutoExclusive(False)
        button.setChecked(number == chosen)
    for button in buttons:
        button.setAutoExclusive(True)


def _checked(buttons: list[Any]) -> int:
    """The number of the checked button, or -1."""
    return next((number for number, button in enumerate(buttons) if button.checked), -1)
