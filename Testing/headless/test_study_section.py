"""The reader study's section of the panel, on the stand-in for Slicer, with clicks: blinding, marks, the whole way."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import SimpleITK as sitk

from asymmetric_body import LANDMARKS
from conftest import REPOSITORY
from made_study import ARMS, CONDITIONS, PATIENTS, READERS, REPEATS, made_study
from slicer_host import process_events, recorded
from XrayToCTLib.marking import STUDY_NOTICE
from XrayToCTLib.reader_study.answers import Answer, read_answers

pytestmark = pytest.mark.usefixtures("host")

CASES = len(ARMS) * len(PATIENTS) + REPEATS
VIEWS = {plane: f"XrayToCTStudy{plane.capitalize()}" for plane in ("axial", "coronal", "sagittal")}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return made_study(tmp_path_factory.mktemp("made"))


@pytest.fixture
def study_folder(made, tmp_path) -> Path:
    folder = tmp_path / "study"
    shutil.copytree(made[0], folder)
    return folder


@pytest.fixture
def section(host):
    """The section in a window of its own, and Slicer's main window with its views."""
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
    yield opened
    opened.close()
    widget.delete()
    slicer.mrmlScene.Clear(0)
    process_events()
    assert not recorded.messages, "a popup stood in the reader's way"
    assert not recorded.loader_warnings


@pytest.fixture
def ui(section):
    return section._ui


def click(button) -> None:
    """A press of the left mouse button on a widget that shows and is enabled."""
    from PySide6.QtCore import QPoint, Qt
    from PySide6.QtTest import QTest

    from slicer_host.pythonqt import backing_of

    native = backing_of(button)
    assert native.isVisible()
    place = QPoint(8, native.height() // 2)  # a radio button's or check box's own box
    QTest.mouseClick(native, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, place)
    process_events()


def begin(ui, folder: Path, reader: str = "R1") -> None:
    ui.studyPathEdit.setCurrentPath(str(folder))
    ui.readerBox.setCurrentText(reader)
    click(ui.startButton)


def rate(ui, realism: int = 3, condition: str = "sick", confidence: int = 2) -> None:
    for button in (f"realism{realism}", f"{condition}Class", f"confidence{confidence}"):
        click(getattr(ui, button))


def slice_widget(plane: str):
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


def answers_of(folder: Path, study, reader: str = "R1") -> dict[str, Answer]:
    return read_answers(folder, study, reader)


def marks_listed(ui) -> list[str]:
    return [ui.marksList.item(row).text() for row in range(ui.marksList.count)]


# --- a reader's way


def test_a_reader_goes_through_the_whole_study_by_clicks(ui, made, study_folder):
    study = made[2]
    begin(ui, study_folder, "R2")
    assert [ui.readerBox.itemText(number) for number in range(ui.readerBox.count)] == READERS
    given = {}
    for place, code in enumerate(study.reader("R2").order):
        assert ui.studyStatus.text == f"Case {place + 1} of {CASES}."
        realism, confidence, condition = place % 5 + 1, (place + 2) % 5 + 1, CONDITIONS[place % 3]
        rate(ui, realism, condition, confidence)
        click(ui.noArtefactBox)
        ui.commentEdit.setText(f"number {place}")
        click(ui.nextButton)
        given[code] = (realism, confidence, condition, f"number {place}")
    assert ui.studyStatus.text.startswith("You have read all cases.")
    assert not ui.nextButton.enabled
    assert ui.studyProgress.value == CASES
    found = answers_of(study_folder, study, "R2")
    assert {c: (a.realism, a.confidence, a.condition, a.comment) for c, a in found.items()} == given
    click(ui.backButton)
    assert ui.studyStatus.text == f"Case {CASES} of {CASES}."
    assert ui.commentEdit.text == f"number {CASES - 1}"


def test_nothing_is_suggested_and_nothing_can_be_left_out(ui, made, study_folder):
    begin(ui, study_folder)
    radios = [button for name, button in vars(ui).items() if button.className() == "QRadioButton"]
    assert len(radios) == 13
    for steps, complaint in (
        ((), "No artefact seen"),
        ((ui.noArtefactBox,), "realism"),
        ((ui.realism4,), "confidence"),
        ((ui.confidence1,), "class"),
    ):
        for step in steps:
            click(step)
        click(ui.nextButton)
        assert complaint in ui.studyStatus.text
        assert answers_of(study_folder, made[2]) == {}
    click(ui.tbClass)
    click(ui.nextButton)
    assert len(answers_of(study_folder, made[2])) == 1
    assert not any(button.checked for button in radios)
    assert not ui.noArtefactBox.checked


def test_leaving_and_starting_again_goes_on_with_the_first_open_case(ui, study_folder):
    import slicer

    manager = slicer.app.layoutManager()
    before = manager.layout
    assert not ui.studyProgress.visible
    begin(ui, study_folder)
    assert ui.studyProgress.visible
    assert manager.layout != before
    rate(ui)
    click(ui.noArtefactBox)
    click(ui.nextButton)
    click(ui.startButton)
    assert manager.layout == before
    assert not ui.caseBox.enabled
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode") == 0
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLMarkupsFiducialNode") == 0
    click(ui.startButton)
    assert ui.studyStatus.text == f"Case 2 of {CASES}."


def test_going_back_shows_marks_and_ratings_as_they_were(ui, made, study_folder):
    begin(ui, study_folder)
    click(ui.markButton)
    click_slice("axial")
    rate(ui, 5, "healthy", 1)
    click(ui.nextButton)
    assert marks_listed(ui) == []
    click(ui.backButton)
    assert marks_listed(ui) == ["1  missing chest wall, axial"]
    assert (ui.realism5.checked, ui.healthyClass.checked, ui.confidence1.checked) == (True, True, True)
    assert not ui.backButton.enabled
    click(ui.realism2)
    click(ui.nextButton)
    (answer,) = answers_of(study_folder, made[2]).values()
    assert (answer.realism, len(answer.marks)) == (2, 1)


def test_the_panel_holds_the_section_and_makes_it_when_it_is_opened(panel, study_folder) -> None:
    import slicer

    place = panel.ui.readerStudySection
    assert place.collapsed
    assert len(place.findChildren("QRadioButton")) == 0
    place.collapsed = False
    process_events()
    opened = slicer.util.childWidgetVariables(place)
    begin(opened, study_folder)
    assert opened.studyStatus.text == f"Case 1 of {CASES}."
    place.collapsed = True
    place.collapsed = False
    process_events()
    assert len(place.findChildren("QRadioButton")) == 13
    click(opened.startButton)
    assert "left the study" in opened.studyStatus.text


# --- marks


@pytest.mark.parametrize("landmark", ["left", "right", "front", "back", "head", "foot"])
@pytest.mark.parametrize("plane", ["axial", "coronal", "sagittal"])
def test_a_click_on_a_landmark_marks_the_landmark_in_the_cases_file(ui, made, study_folder, plane, landmark):
    begin(ui, study_folder)
    x, y, z = LANDMARKS[landmark][0]
    # The slice through the landmark, looked at 20 mm beside it; a reader sees the patient's right, and
    # in the sagittal slices anterior, on the left.
    beside = {"axial": (x - 20, y, z), "coronal": (x - 20, y, z), "sagittal": (x, y - 20, z)}[plane]
    centre_slices(beside)
    click(ui.markButton)
    click_slice(plane, right_mm=20.0)
    rate(ui)
    click(ui.nextButton)
    ((code, answer),) = answers_of(study_folder, made[2]).items()
    (mark,) = answer.marks
    assert mark.plane == plane
    assert mark.point_mm == pytest.approx((x, y, z), abs=1.5)
    image = sitk.ReadImage(str(study_folder / "cases" / f"{code}.nrrd"))
    assert image[image.TransformPhysicalPointToIndex(mark.point_mm)] > 150


def test_a_click_marks_once_and_does_not_change_the_window(ui, study_folder):
    begin(ui, study_folder)
    reached = []
    interactor = slice_widget("coronal").sliceView().interactor()
    tag = interactor.AddObserver("LeftButtonPressEvent", lambda *_: reached.append(True), -1.0)
    click_slice("coronal")
    assert marks_listed(ui) == []
    assert len(reached) == 1
    click(ui.markButton)
    click_slice("coronal")
    assert len(marks_listed(ui)) == 1
    assert len(reached) == 1, "Slicer saw the click, too"
    click_slice("coronal")
    assert len(marks_listed(ui)) == 1
    interactor.RemoveObserver(tag)


def test_a_click_beside_the_case_marks_nothing_and_waits_for_another(ui, study_folder):
    begin(ui, study_folder)
    click(ui.markButton)
    click_slice("axial", up_mm=165.0)
    assert marks_listed(ui) == []
    assert ui.markButton.checked
    click_slice("axial", up_mm=100.0)
    assert len(marks_listed(ui)) == 1


def test_another_artefact_needs_a_note(ui, made, study_folder):
    begin(ui, study_folder)
    ui.artefactBox.setCurrentText("other")
    click(ui.markButton)
    click_slice("axial")
    assert "needs a note" in ui.studyStatus.text
    assert marks_listed(ui) == []
    ui.noteEdit.setText("two hearts")
    click(ui.markButton)
    click_slice("axial")
    assert marks_listed(ui) == ["1  other, axial: two hearts"]
    assert ui.noteEdit.text == ""


def test_a_mark_is_shown_in_the_views_gone_to_and_removed(ui, study_folder):
    import slicer

    begin(ui, study_folder)
    for place, kind in ((20.0, "third lung"), (-30.0, "pleural gap")):
        centre_slices((0.0, 0.0, place))
        ui.artefactBox.setCurrentText(kind)
        click(ui.markButton)
        click_slice("axial")
    points = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLMarkupsFiducialNode")
    assert [points.GetNthControlPointLabel(number) for number in range(2)] == ["1", "2"]
    ui.marksList.setCurrentRow(0)
    process_events()
    assert slice_widget("axial").sliceLogic().GetSliceOffset() == pytest.approx(20.0, abs=0.1)
    assert not ui.noArtefactBox.enabled
    click(ui.removeMarkButton)
    assert marks_listed(ui) == ["1  pleural gap, axial"]
    assert points.GetNumberOfControlPoints() == 1
    assert not ui.removeMarkButton.enabled


# --- blinding


def told_by_the_screen() -> str:
    """Everything that a widget of the application shows or could show, and everything in the scene."""
    import slicer
    from PySide6.QtWidgets import QApplication

    texts = []
    for widget in QApplication.allWidgets():
        names = ("windowTitle", "text", "toolTip", "title", "statusTip", "objectName", "windowFilePath")
        texts += [str(widget.property(name)) for name in names]
    scene = slicer.mrmlScene
    texts += [str(scene.GetNthNode(number)) for number in range(scene.GetNumberOfNodes())]
    return "\n".join(texts)


def test_neither_screen_nor_scene_tells_what_a_case_is(ui, made, tmp_path):
    # A folder whose own name tells nothing, as the reader would get it: the test's folder has the test's name.
    folder = tmp_path / "s"
    shutil.copytree(made[0], folder)
    begin(ui, folder)
    for _ in range(CASES):
        told = told_by_the_screen().lower()
        assert f"case {ui.studyProgress.value + 1} of {CASES}" in told  # it was looked at the right place
        for word in (*ARMS[1:], *PATIENTS, "/sources", ".nrrd"):
            assert word.lower() not in told, word
        rate(ui)
        click(ui.noArtefactBox)
        click(ui.nextButton)


def test_only_the_case_differs_between_the_nodes_of_two_cases(ui, study_folder):
    import slicer

    seen = []
    begin(ui, study_folder)
    for _ in range(2):
        volume = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLScalarVolumeNode")
        attributes = {name: volume.GetAttribute(name) for name in volume.GetAttributeNames()}
        display = volume.GetScalarVolumeDisplayNode()
        seen.append((attributes, display.GetWindow(), display.GetLevel(), volume.GetSpacing(), volume.GetOrigin()))
        assert volume.GetStorageNode().GetFileName() is None
        assert not volume.GetSaveWithScene()
        rate(ui)
        click(ui.noArtefactBox)
        click(ui.nextButton)
    assert seen[0] == seen[1]
    assert seen[0][0]["XrayToCT.Notice"] == STUDY_NOTICE


def test_the_views_bear_the_studys_notice_whoever_asks_for_another(ui, study_folder):
    from XrayToCTLib.notice import keep_notice, notice_of

    begin(ui, study_folder)
    for plane in VIEWS:
        window = slice_widget(plane).sliceView().renderWindow()
        keep_notice(window)  # as the panel does for all views after a change of the layout
        window.InvokeEvent("StartEvent")
        assert notice_of(window.GetRenderers().GetFirstRenderer()).GetInput() == STUDY_NOTICE


# --- what goes wrong


def test_what_is_no_study_is_said_and_cannot_be_started(ui, tmp_path, study_folder):
    ui.studyPathEdit.setCurrentPath(str(tmp_path / "nowhere"))
    assert ui.studyStatus.text == "There is no study in this folder."
    (study_folder / "study.json").write_text("{")
    ui.studyPathEdit.setCurrentPath(str(study_folder))
    assert "damaged" in ui.studyStatus.text
    assert not ui.startButton.enabled


def test_a_case_that_was_changed_is_said_and_the_study_is_left(ui, made, study_folder):
    import slicer

    before = slicer.app.layoutManager().layout
    first = made[2].reader("R1").order[0]
    (study_folder / "cases" / f"{first}.nrrd").write_bytes(b"NRRD0004\n\n")
    begin(ui, study_folder)
    assert "was changed" in ui.studyStatus.text
    assert slicer.app.layoutManager().layout == before
    assert not ui.caseBox.enabled


def test_an_answer_that_cannot_be_written_is_said_and_the_form_stays(ui, study_folder):
    begin(ui, study_folder)
    (study_folder / "answers").write_text("a file in the way")
    rate(ui)
    click(ui.noArtefactBox)
    click(ui.nextButton)
    assert "could not be written" in ui.studyStatus.text
    assert ui.realism3.checked
    (study_folder / "answers").unlink()
    click(ui.nextButton)
    assert ui.studyStatus.text == f"Case 2 of {CASES}."


def test_closing_the_scene_leaves_the_study_and_keeps_what_was_saved(ui, made, study_folder):
    import slicer

    begin(ui, study_folder)
    rate(ui)
    click(ui.noArtefactBox)
    click(ui.nextButton)
    slicer.mrmlScene.Clear(0)
    process_events()
    assert "scene was closed" in ui.studyStatus.text
    assert not ui.caseBox.enabled
    assert len(answers_of(study_folder, made[2])) == 1
    click(ui.startButton)
    assert ui.studyStatus.text == f"Case 2 of {CASES}."


def test_deleting_the_nodes_of_a_case_breaks_nothing(ui, study_folder):
    import slicer

    begin(ui, study_folder)
    for kind in ("vtkMRMLScalarVolumeNode", "vtkMRMLMarkupsFiducialNode"):
        slicer.mrmlScene.RemoveNode(slicer.mrmlScene.GetFirstNodeByClass(kind))
    click(ui.boneButton)
    click(ui.markButton)
    click_slice("axial")
    assert marks_listed(ui) == []
    rate(ui)
    click(ui.noArtefactBox)
    click(ui.nextButton)
    assert slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLScalarVolumeNode") is not None


# --- the form


def test_every_control_says_what_it_is_for_and_is_reached_by_the_keyboard_in_reading_order(ui):
    from PySide6.QtCore import Qt

    from slicer_host.pythonqt import backing_of

    kinds = ("QPushButton", "QRadioButton", "QCheckBox", "QComboBox", "QLineEdit", "QListWidget", "ctkPathLineEdit")
    controls = [
        widget for widget in vars(ui).values() if widget.className() in kinds and "qt_" not in widget.objectName
    ]
    assert len(controls) >= 28
    for control in controls:
        assert control.toolTip, control.objectName
        assert backing_of(control).focusPolicy() != Qt.FocusPolicy.NoFocus or control.className() == "ctkPathLineEdit"
    widget, order = backing_of(ui.studyPathEdit), []
    for _ in range(200):
        widget = widget.nextInFocusChain()
        order.append(widget.objectName())
    wanted = [
        "readerBox",
        "startButton",
        "lungButton",
        "artefactBox",
        "markButton",
        "realism1",
        "tbClass",
        "nextButton",
    ]
    assert sorted(wanted, key=order.index) == wanted


@pytest.mark.parametrize(
    ("name", "level", "width"), [("lung", -600, 1500), ("mediastinum", 40, 400), ("bone", 400, 1800)]
)
def test_the_windows_are_those_of_a_radiologist(ui, study_folder, name, level, width):
    import slicer

    begin(ui, study_folder)
    click(getattr(ui, f"{name}Button"))
    display = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLScalarVolumeNode").GetScalarVolumeDisplayNode()
    assert (display.GetLevel(), display.GetWindow()) == (level, width)


def test_the_section_loads_where_there_is_no_torch():
    program = """
import sys
sys.modules["torch"] = None
from slicer_host import start
start()
import qt
from XrayToCTLib.panel.study_section import StudySection
widget = qt.QWidget()
widget.setLayout(qt.QVBoxLayout())
StudySection(widget)
print("loaded")
"""
    path = os.pathsep.join([str(REPOSITORY / "XrayToCT"), str(REPOSITORY / "Testing")])
    done = subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True
    )
    assert done.stdout.split()[-1:] == ["loaded"], done.stderr
