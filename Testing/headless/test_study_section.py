"""The reader study's section of the panel, on the stand-in for Slicer, with clicks: the whole way, what goes wrong."""

import os
import subprocess
import sys

import pytest

from conftest import REPOSITORY
from made_study import CASES, CONDITIONS, READERS
from slicer_host import process_events
from study_section_clicks import begin, click, click_slice, marks_listed, rate
from XrayToCTLib.reader_study.answers import read_answers

pytestmark = pytest.mark.usefixtures("host")


def test_a_reader_goes_through_the_whole_study_by_clicks(form, study_files, study_folder):
    study = study_files[2]
    begin(form, study_folder, "R2")
    assert [form.readerBox.itemText(number) for number in range(form.readerBox.count)] == READERS
    given = {}
    for place, code in enumerate(study.reader("R2").order):
        assert form.studyStatus.text == f"Case {place + 1} of {CASES}."
        realism, confidence, condition = place % 5 + 1, (place + 2) % 5 + 1, CONDITIONS[place % 3]
        rate(form, realism, condition, confidence)
        click(form.noArtefactBox)
        form.commentEdit.setText(f"number {place}")
        click(form.nextButton)
        given[code] = (realism, confidence, condition, f"number {place}")
    assert form.studyStatus.text.startswith("You have read all cases.")
    assert not form.nextButton.enabled
    assert form.studyProgress.value == CASES
    found = read_answers(study_folder, study, "R2")
    assert {c: (a.realism, a.confidence, a.condition, a.comment) for c, a in found.items()} == given
    click(form.backButton)
    assert form.studyStatus.text == f"Case {CASES} of {CASES}."
    assert form.commentEdit.text == f"number {CASES - 1}"


def test_nothing_is_suggested_and_nothing_can_be_left_out(form, study_files, study_folder):
    begin(form, study_folder)
    radios = [button for name, button in vars(form).items() if button.className() == "QRadioButton"]
    assert len(radios) == 13
    for steps, complaint in (
        ((), "No artefact seen"),
        ((form.noArtefactBox,), "realism"),
        ((form.realism4,), "confidence"),
        ((form.confidence1,), "class"),
    ):
        for step in steps:
            click(step)
        click(form.nextButton)
        assert complaint in form.studyStatus.text
        assert read_answers(study_folder, study_files[2], "R1") == {}
    click(form.tbClass)
    click(form.nextButton)
    assert len(read_answers(study_folder, study_files[2], "R1")) == 1
    assert not any(button.checked for button in radios)
    assert not form.noArtefactBox.checked


def test_leaving_and_starting_again_goes_on_with_the_first_open_case(form, study_folder):
    import slicer

    manager = slicer.app.layoutManager()
    before = manager.layout
    assert not form.studyProgress.visible
    begin(form, study_folder)
    assert form.studyProgress.visible
    assert manager.layout != before
    rate(form)
    click(form.noArtefactBox)
    click(form.nextButton)
    click(form.startButton)
    assert manager.layout == before
    assert not form.caseBox.enabled
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode") == 0
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLMarkupsFiducialNode") == 0
    click(form.startButton)
    assert form.studyStatus.text == f"Case 2 of {CASES}."


def test_going_back_shows_marks_and_ratings_as_they_were(form, study_files, study_folder):
    begin(form, study_folder)
    click(form.markButton)
    click_slice("axial")
    rate(form, 5, "healthy", 1)
    click(form.nextButton)
    assert marks_listed(form) == []
    click(form.backButton)
    assert marks_listed(form) == ["1  missing chest wall, axial"]
    assert (form.realism5.checked, form.healthyClass.checked, form.confidence1.checked) == (
        True,
        True,
        True,
    )
    assert not form.backButton.enabled
    click(form.realism2)
    click(form.nextButton)
    (answer,) = read_answers(study_folder, study_files[2], "R1").values()
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


def test_what_is_no_study_is_said_and_cannot_be_started(form, tmp_path, study_folder):
    form.studyPathEdit.setCurrentPath(str(tmp_path / "nowhere"))
    assert form.studyStatus.text == "There is no study in this folder."
    (study_folder / "study.json").write_text("{")
    form.studyPathEdit.setCurrentPath(str(study_folder))
    assert "damaged" in form.studyStatus.text
    assert not form.startButton.enabled


def test_a_case_that_was_changed_is_said_and_the_study_is_left(form, study_files, study_folder):
    import slicer

    before = slicer.app.layoutManager().layout
    first = study_files[2].reader("R1").order[0]
    (study_folder / "cases" / f"{first}.nrrd").write_bytes(b"NRRD0004\n\n")
    begin(form, study_folder)
    assert "was changed" in form.studyStatus.text
    assert slicer.app.layoutManager().layout == before
    assert not form.caseBox.enabled


def test_an_answer_that_cannot_be_written_is_said_and_the_form_stays(form, study_folder):
    begin(form, study_folder)
    (study_folder / "answers").write_text("a file in the way")
    rate(form)
    click(form.noArtefactBox)
    click(form.nextButton)
    assert "could not be written" in form.studyStatus.text
    assert form.realism3.checked
    (study_folder / "answers").unlink()
    click(form.nextButton)
    assert form.studyStatus.text == f"Case 2 of {CASES}."


def test_closing_the_scene_leaves_the_study_and_keeps_what_was_saved(form, study_files, study_folder):
    import slicer

    begin(form, study_folder)
    rate(form)
    click(form.noArtefactBox)
    click(form.nextButton)
    slicer.mrmlScene.Clear(0)
    process_events()
    assert "scene was closed" in form.studyStatus.text
    assert not form.caseBox.enabled
    assert len(read_answers(study_folder, study_files[2], "R1")) == 1
    click(form.startButton)
    assert form.studyStatus.text == f"Case 2 of {CASES}."


def test_deleting_the_nodes_of_a_case_breaks_nothing(form, study_folder):
    import slicer

    begin(form, study_folder)
    for kind in ("vtkMRMLScalarVolumeNode", "vtkMRMLMarkupsFiducialNode"):
        slicer.mrmlScene.RemoveNode(slicer.mrmlScene.GetFirstNodeByClass(kind))
    click(form.boneButton)
    click(form.markButton)
    click_slice("axial")
    assert marks_listed(form) == []
    rate(form)
    click(form.noArtefactBox)
    click(form.nextButton)
    assert slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLScalarVolumeNode") is not None


def test_every_control_says_what_it_is_for_and_is_reached_by_the_keyboard_in_reading_order(form):
    from PySide6.QtCore import Qt

    from slicer_host.pythonqt import backing_of

    kinds = ("QPushButton", "QRadioButton", "QCheckBox", "QComboBox", "QLineEdit", "QListWidget", "ctkPathLineEdit")
    controls = [
        widget for widget in vars(form).values() if widget.className() in kinds and "qt_" not in widget.objectName
    ]
    assert len(controls) >= 28
    for control in controls:
        assert control.toolTip, control.objectName
        assert backing_of(control).focusPolicy() != Qt.FocusPolicy.NoFocus or control.className() == "ctkPathLineEdit"
    widget, order = backing_of(form.studyPathEdit), []
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
def test_the_windows_are_those_of_a_radiologist(form, study_folder, name, level, width):
    import slicer

    begin(form, study_folder)
    click(getattr(form, f"{name}Button"))
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
