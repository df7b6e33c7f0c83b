"""The reader study's section of the panel: marks by clicks into the slices, and what the screen must not tell."""

import shutil

import pytest
import SimpleITK as sitk

from asymmetric_body import LANDMARKS
from made_study import ARMS, CASES, PATIENTS
from slicer_host import process_events
from study_section_clicks import VIEWS, begin, centre_slices, click, click_slice, marks_listed, rate, slice_widget
from XrayToCTLib.marking import STUDY_NOTICE
from XrayToCTLib.reader_study.answers import read_answers

pytestmark = pytest.mark.usefixtures("host")


@pytest.mark.parametrize("landmark", ["left", "right", "front", "back", "head", "foot"])
@pytest.mark.parametrize("plane", ["axial", "coronal", "sagittal"])
def test_a_click_on_a_landmark_marks_the_landmark_in_the_cases_file(form, study_files, study_folder, plane, landmark):
    begin(form, study_folder)
    x, y, z = LANDMARKS[landmark][0]
    # The slice through the landmark, looked at 20 mm beside it; a reader sees the patient's right, and
    # in the sagittal slices anterior, on the left.
    beside = {"axial": (x - 20, y, z), "coronal": (x - 20, y, z), "sagittal": (x, y - 20, z)}[plane]
    centre_slices(beside)
    click(form.markButton)
    click_slice(plane, right_mm=20.0)
    rate(form)
    click(form.nextButton)
    ((code, answer),) = read_answers(study_folder, study_files[2], "R1").items()
    (mark,) = answer.marks
    assert mark.plane == plane
    assert mark.point_mm == pytest.approx((x, y, z), abs=1.5)
    image = sitk.ReadImage(str(study_folder / "cases" / f"{code}.nrrd"))
    assert image[image.TransformPhysicalPointToIndex(mark.point_mm)] > 150


def test_a_click_marks_once_and_does_not_change_the_window(form, study_folder):
    begin(form, study_folder)
    reached = []
    interactor = slice_widget("coronal").sliceView().interactor()
    tag = interactor.AddObserver("LeftButtonPressEvent", lambda *_: reached.append(True), -1.0)
    click_slice("coronal")
    assert marks_listed(form) == []
    assert len(reached) == 1
    click(form.markButton)
    click_slice("coronal")
    assert len(marks_listed(form)) == 1
    assert len(reached) == 1, "Slicer saw the click, too"
    click_slice("coronal")
    assert len(marks_listed(form)) == 1
    interactor.RemoveObserver(tag)


def test_a_click_beside_the_case_marks_nothing_and_waits_for_another(form, study_folder):
    begin(form, study_folder)
    click(form.markButton)
    click_slice("axial", up_mm=165.0)
    assert marks_listed(form) == []
    assert form.markButton.checked
    click_slice("axial", up_mm=100.0)
    assert len(marks_listed(form)) == 1


def test_another_artefact_needs_a_note(form, study_files, study_folder):
    begin(form, study_folder)
    form.artefactBox.setCurrentText("other")
    click(form.markButton)
    click_slice("axial")
    assert "needs a note" in form.studyStatus.text
    assert marks_listed(form) == []
    form.noteEdit.setText("two hearts")
    click(form.markButton)
    click_slice("axial")
    assert marks_listed(form) == ["1  other, axial: two hearts"]
    assert form.noteEdit.text == ""


def test_a_mark_is_shown_in_the_views_gone_to_and_removed(form, study_folder):
    import slicer

    begin(form, study_folder)
    for place, kind in ((20.0, "third lung"), (-30.0, "pleural gap")):
        centre_slices((0.0, 0.0, place))
        form.artefactBox.setCurrentText(kind)
        click(form.markButton)
        click_slice("axial")
    points = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLMarkupsFiducialNode")
    assert [points.GetNthControlPointLabel(number) for number in range(2)] == ["1", "2"]
    form.marksList.setCurrentRow(0)
    process_events()
    assert slice_widget("axial").sliceLogic().GetSliceOffset() == pytest.approx(20.0, abs=0.1)
    assert not form.noArtefactBox.enabled
    click(form.removeMarkButton)
    assert marks_listed(form) == ["1  pleural gap, axial"]
    assert points.GetNumberOfControlPoints() == 1
    assert not form.removeMarkButton.enabled


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


def test_neither_screen_nor_scene_tells_what_a_case_is(form, study_files, tmp_path):
    # A folder whose own name tells nothing, as the reader would get it: the test's folder has the test's name.
    folder = tmp_path / "s"
    shutil.copytree(study_files[0], folder)
    begin(form, folder)
    for _ in range(CASES):
        told = told_by_the_screen().lower()
        assert f"case {form.studyProgress.value + 1} of {CASES}" in told  # it was looked at the right place
        for word in (*ARMS[1:], *PATIENTS, "/sources", ".nrrd"):
            assert word.lower() not in told, word
        rate(form)
        click(form.noArtefactBox)
        click(form.nextButton)


def test_only_the_case_differs_between_the_nodes_of_two_cases(form, study_folder):
    import slicer

    seen = []
    begin(form, study_folder)
    for _ in range(2):
        volume = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLScalarVolumeNode")
        attributes = {name: volume.GetAttribute(name) for name in volume.GetAttributeNames()}
        display = volume.GetScalarVolumeDisplayNode()
        seen.append((attributes, display.GetWindow(), display.GetLevel(), volume.GetSpacing(), volume.GetOrigin()))
        assert volume.GetStorageNode().GetFileName() is None
        assert not volume.GetSaveWithScene()
        rate(form)
        click(form.noArtefactBox)
        click(form.nextButton)
    assert seen[0] == seen[1]
    assert seen[0][0]["XrayToCT.Notice"] == STUDY_NOTICE


def test_the_views_bear_the_studys_notice_whoever_asks_for_another(form, study_folder):
    from XrayToCTLib.notice import keep_notice, notice_of

    begin(form, study_folder)
    for plane in VIEWS:
        window = slice_widget(plane).sliceView().renderWindow()
        keep_notice(window)  # as the panel does for all views after a change of the layout
        window.InvokeEvent("StartEvent")
        assert notice_of(window.GetRenderers().GetFirstRenderer()).GetInput() == STUDY_NOTICE
