"""What a reader does in the section Reader study, with clicks (no tests here; the fixtures are in conftest)."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from slicer_host import process_events, recorded

VIEWS = {plane: f"XrayToCTStudy{plane.capitalize()}" for plane in ("axial", "coronal", "sagittal")}


@contextmanager
def opened_section() -> Iterator[Any]:
    """The section's widgets by name, in a window of its own beside Slicer's main window with its views."""
    import qt
    import slicer

    from XrayToCTLib.panel.study_section import StudySection

    recorded.clear()
    widget = qt.QWidget()
    widget.setLayout(qt.QVBoxLayout())
    opened = StudySection(widget)
    widget.resize(460, 700)
    widget.show()
    slicer.app.mainWindow().show()
    process_events()
    yield opened._ui
    opened.close()
    widget.delete()
    slicer.mrmlScene.Clear(0)
    process_events()
    assert not recorded.messages, "a popup stood in the reader's way"
    assert not recorded.loader_warnings


def click(button: Any) -> None:
    """A press of the left mouse button on a widget that shows and is enabled."""
    from PySide6.QtCore import QPoint, Qt
    from PySide6.QtTest import QTest

    from slicer_host.pythonqt import backing_of

    native = backing_of(button)
    assert native.isVisible()
    place = QPoint(8, native.height() // 2)  # a radio button's or check box's own box
    QTest.mouseClick(native, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, place)
    process_events()


def begin(ui: Any, folder: Path, reader: str = "R1") -> None:
    """Chooses a study and a reader, and starts."""
    ui.studyPathEdit.setCurrentPath(str(folder))
    ui.readerBox.setCurrentText(reader)
    click(ui.startButton)


def rate(ui: Any, realism: int = 3, condition: str = "sick", confidence: int = 2) -> None:
    """Answers a case but for its artefacts."""
    for button in (f"realism{realism}", f"{condition}Class", f"confidence{confidence}"):
        click(getattr(ui, button))


def slice_widget(plane: str) -> Any:
    import slicer

    return slicer.app.layoutManager().sliceWidget(VIEWS[plane])


def click_slice(plane: str, right_mm: float = 0.0, up_mm: float = 0.0) -> None:
    """A click so many mm to the right of and above the middle of a slice view, as seen on the screen."""
    widget = slice_widget(plane)
    node, view = widget.mrmlSliceNode(), widget.sliceView()
    columns, rows = node.GetDimensions()[:2]
    mm = node.GetFieldOfView()[0] / columns
    interactor = view.interactor()
    interactor.SetEventInformation(round(columns / 2 + right_mm / mm), round(rows / 2 + up_mm / mm), 0, 0)
    interactor.InvokeEvent("LeftButtonPressEvent")
    interactor.InvokeEvent("LeftButtonReleaseEvent")
    process_events()


def centre_slices(lps: tuple[float, float, float]) -> None:
    for plane in VIEWS:
        slice_widget(plane).mrmlSliceNode().JumpSliceByCentering(-lps[0], -lps[1], lps[2])


def marks_listed(ui: Any) -> list[str]:
    return [ui.marksList.item(row).text() for row in range(ui.marksList.count)]
