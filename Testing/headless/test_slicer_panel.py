"""The sections of the module's panel, one after the other, with real clicks."""

import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from slicer_host import process_events, recorded
from XrayToCTLib.layouts import COMPARING_LAYOUT, COMPARING_VIEWS, FOLLOW_UP_LAYOUT, FOLLOW_UP_VIEWS, READING_LAYOUT
from XrayToCTLib.marking import SYNTHETIC_NOTICE, TB_NOTICE
from XrayToCTLib.results_folder import read_stored
from XrayToCTLib.scene_results import results_of

slicer = pytest.importorskip("slicer", reason="slicer-core is not installed")
pytestmark = pytest.mark.usefixtures("host")

CONTROLS = (
    "QPushButton",
    "QComboBox",
    "QCheckBox",
    "QSpinBox",
    "QTableWidget",
    "ctkPathLineEdit",
    "ctkRangeWidget",
    "ctkSliderWidget",
    "ctkCollapsibleButton",
    "qMRMLNodeComboBox",
)


@pytest.fixture
def done(panel, xray):
    """The panel with a result."""
    panel.generate(xray)
    return panel


def composite(view: str):
    return slicer.mrmlScene.GetSingletonNode(view, "vtkMRMLSliceCompositeNode")


def title(view: str) -> str:
    """What the bar above a view says."""
    return slicer.app.layoutManager().sliceWidget(view).sliceViewLabel


def test_every_control_says_what_it_does_and_the_panel_says_what_its_volumes_are(panel) -> None:
    controls = [widget for widget in vars(panel.ui).values() if widget.className() in CONTROLS]
    assert len(controls) > 50
    silent = [
        widget.objectName
        for widget in controls
        if widget.parent().className() != "ctkSliderWidget" and not widget.toolTip
    ]
    assert not silent
    assert SYNTHETIC_NOTICE in panel.ui.noticeLabel.text
    assert TB_NOTICE in panel.ui.noticeLabel.text


def is_all_in_view(view: str) -> bool:
    """Whether nothing of a coronal view's background lies outside of the view."""
    node = slicer.mrmlScene.GetSingletonNode(view, "vtkMRMLSliceNode")
    bounds = [0.0] * 6
    slicer.mrmlScene.GetNodeByID(composite(view).GetBackgroundVolumeID()).GetRASBounds(bounds)
    width, height, _ = node.GetFieldOfView()
    return width >= bounds[1] - bounds[0] - 1 and height >= bounds[5] - bounds[4] - 1


@pytest.mark.parametrize("count", [1, 12, 50])
def test_every_sentence_of_the_panel_has_its_room(panel, count) -> None:
    from slicer_host.pythonqt import backing_of
    from XrayToCTLib.panel.texts import say

    labels = [one for one in vars(panel.ui).values() if one.className() == "QLabel" and one.wordWrap]
    assert len(labels) > 10
    before = [label.text for label in labels]
    for section in (one for name, one in vars(panel.ui).items() if name.endswith("Section")):
        section.collapsed = False
    for label in labels:
        say(label, "some words " * count)
    process_events(0)
    natives = {label.objectName: backing_of(label) for label in labels}

    def cut_off() -> list[str]:
        return [name for name, label in natives.items() if label.height() < label.heightForWidth(label.width())]

    try:
        panel.wait_for(lambda: not cut_off(), 5)
    finally:
        for label, text in zip(labels, before, strict=True):
            say(label, text)


def test_the_tab_key_goes_down_the_panel(panel) -> None:
    import qt

    for section in ("xraySection", "modelSection", "generateSection", "compareSection", "readSection", "exportSection"):
        getattr(panel.ui, section).collapsed = False
    process_events(0)
    order = ["xraySection", "sourceBox", "sampleButton", "xrayPathEdit", "viewBox", "polarityBox", "flipCheckBox"]
    order += ["modelSection", "modelBox", "deviceBox", "generateSection", "refineSpinBox", "applyButton"]
    order += ["compareSection", "resultSelector", "compareModeBox", "readSection", "overlayBox", "exportSection"]
    order += ["dicomCheckBox", "anonymiseCheckBox", "exportPathEdit", "exportButton", "batchButton"]
    chain, widget = [], panel.ui.parameterSetSelector
    for _ in range(1000):
        widget = widget.nextInFocusChain()
        if widget.focusPolicy & qt.Qt.TabFocus or widget.objectName in order:
            chain.append(widget.objectName)
        if widget.objectName == "followUpSection":
            break
    places = [chain.index(name) for name in order]
    assert places == sorted(places)


def test_the_preview_shows_what_the_network_sees_and_follows_the_settings(panel, xray) -> None:
    panel.take(xray)
    panel.click("previewButton")
    panel.wait_until_idle()
    assert panel.ui.previewLabel.pixmap.width() == 256
    assert "View PA, 285 x 285 mm" in panel.ui.previewText.text
    assert "Sizes are nominal." in panel.ui.previewText.text
    panel.choose("viewBox", "AP")
    panel.ui.flipCheckBox.click()
    panel.ui.cropRowsRange.setValues(10, 90)
    panel.wait_for(lambda: len(panel.requests("preview")) == 2)
    panel.wait_until_idle()
    asked = panel.requests("preview")[-1]
    assert (asked["view"], asked["flip"], asked["crop"]) == ("AP", True, [0.1, 0.9, 0.0, 1.0])


def test_an_emptied_path_is_no_chosen_xray(panel, xray) -> None:
    panel.take(xray)
    assert panel.ui.applyButton.enabled
    panel.ui.xrayPathEdit.setCurrentPath("")
    panel.widget._panel.refresh()
    assert (panel.ui.xrayPathEdit.currentPath, panel.parameters.xray_path) == ("", "")
    assert not panel.ui.applyButton.enabled


def test_a_folder_offers_its_files(panel, xray) -> None:
    (xray.parent / "second.png").touch()
    panel.take(xray.parent)
    assert panel.ui.folderFileBox.visible
    panel.choose("folderFileBox", "second.png")
    panel.click("applyButton")
    panel.wait_until_idle()
    assert panel.requests("generate")[-1]["xray"] == str(xray.parent / "second.png")


def test_a_folder_offers_the_files_of_its_subfolders_too_as_far_as_they_are_searched(
    panel, tmp_path, monkeypatch
) -> None:
    from XrayToCTLib import xray_folder

    for name in (
        "DICOM/PA/ST/SE/IM1",
        "DICOM/PA/ST/SE/IM2",
        "DICOM/PA/ST/SE/deeper/IM3",
        "DICOM/.hidden/IM4",
        "README",
    ):
        (tmp_path / "media" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "media" / name).touch()
    panel.take(tmp_path / "media")
    box = panel.ui.folderFileBox
    assert [box.itemText(row) for row in range(box.count)] == ["README", "DICOM/PA/ST/SE/IM1", "DICOM/PA/ST/SE/IM2"]
    assert "Only 3 files are offered" in panel.ui.previewText.text
    panel.choose("folderFileBox", "DICOM/PA/ST/SE/IM2")
    panel.click("applyButton")
    panel.wait_until_idle()
    assert panel.requests("generate")[-1]["xray"] == str(tmp_path / "media/DICOM/PA/ST/SE/IM2")
    for name, least in (("MOST_FILES", ["README", "DICOM/PA/ST/SE/IM1"]), ("MOST_FOLDERS", ["README"])):
        with monkeypatch.context() as patch:
            patch.setattr(xray_folder, name, 2)
            assert xray_folder.files_below(tmp_path / "media") == (least, False)
    assert xray_folder.files_below(tmp_path / "media/DICOM/PA/ST/SE/deeper") == (["IM3"], True)


def test_a_folder_is_chosen_by_a_button_of_its_own(panel, xray, tmp_path) -> None:
    recorded.file_answers.append("")  # cancelled
    panel.click("xrayFolderButton")
    assert panel.parameters.xray_path == ""
    recorded.file_answers.append(str(xray.parent))
    panel.click("xrayFolderButton")
    assert [request.function for request in recorded.file_requests] == ["getExistingDirectory"] * 2
    assert panel.parameters.xray_path == panel.ui.xrayPathEdit.currentPath == str(xray.parent)
    assert panel.ui.folderFileBox.currentText == "chest.png"
    (tmp_path / "empty").mkdir()
    recorded.file_answers.append(str(tmp_path / "empty"))
    panel.click("xrayFolderButton")
    assert not panel.ui.applyButton.enabled
    assert "holds no files" in panel.ui.previewText.text
    panel.choose("sourceBox", "Volume in the scene")
    assert not panel.ui.xrayFolderButton.visible


def test_a_volume_of_the_scene_is_written_for_the_worker(panel) -> None:
    volume = slicer.util.addVolumeFromArray(np.arange(100 * 80, dtype=np.uint16).reshape(1, 100, 80), None, "film")
    panel.choose("sourceBox", "Volume in the scene")
    assert not panel.ui.applyButton.enabled
    panel.ui.xrayNodeSelector.setCurrentNode(volume)
    process_events(0)
    panel.click("applyButton")
    panel.wait_until_idle()
    assert Path(panel.requests("generate")[-1]["xray"]).name == "xray.nrrd"
    assert panel.parameters.result is not None


class Database:
    """What is used of a ctkDICOMDatabase, with one X-ray and one CT."""

    isOpen = True

    def __init__(self, file: Path) -> None:
        self.file = str(file)

    def patients(self) -> tuple:
        return ("1",)

    def studiesForPatient(self, patient: str) -> tuple:
        return ("1.2",)

    def seriesForStudy(self, study: str) -> tuple:
        return ("1.2.3", "1.2.4")

    def filesForSeries(self, series: str) -> tuple:
        return (self.file,) if series == "1.2.3" else ("/ct.dcm",)

    def fileValue(self, file: str, tag: str) -> str:
        return {"0008,0060": "DX" if file == self.file else "CT", "0008,0021": "20260102"}[tag]

    def nameForPatient(self, patient: str) -> str:
        return "Doe, Jane"

    def descriptionForSeries(self, series: str) -> str:
        return "Chest PA"

    def fileForInstance(self, instance: str) -> str:
        return self.file


def test_the_dicom_database_offers_its_xrays_only(panel, xray, monkeypatch) -> None:
    monkeypatch.setattr(slicer, "dicomDatabase", Database(xray), raising=False)
    panel.choose("sourceBox", "DICOM database")
    panel.click("dicomRefreshButton")
    assert panel.ui.dicomBox.count == 1
    assert panel.ui.dicomBox.currentText == "Doe, Jane, 20260102, Chest PA"
    panel.click("applyButton")
    panel.wait_until_idle()
    assert panel.requests("generate")[-1]["xray"] == str(xray)


def test_a_volume_from_dicom_leads_back_to_its_file(panel, xray, monkeypatch) -> None:
    monkeypatch.setattr(slicer, "dicomDatabase", Database(xray), raising=False)
    volume = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "film")
    volume.SetAttribute("DICOM.instanceUIDs", "1.2.3.4")
    panel.choose("sourceBox", "Volume in the scene")
    panel.ui.xrayNodeSelector.setCurrentNode(volume)
    process_events(0)
    panel.click("applyButton")
    panel.wait_until_idle()
    assert panel.requests("generate")[-1]["xray"] == str(xray)


def test_the_models_are_listed_with_their_purpose_memory_and_card(panel, xray) -> None:
    panel.ui.modelSection.collapsed = True
    panel.ui.modelSection.collapsed = False
    panel.wait_for(lambda: panel.ui.modelBox.findText("tiny") > 0)
    panel.choose("modelBox", "other")
    assert "420 MB" in panel.ui.modelDescription.text
    panel.click("modelCardButton")
    assert panel.ui.modelCard.visible
    assert "A model card." in panel.ui.modelCard.plainText
    panel.click("modelCardButton")
    panel.generate(xray)
    assert panel.requests("generate")[-1]["model"] == "other"


def test_a_model_is_imported_by_the_worker(panel, tmp_path) -> None:
    recorded.file_answers.append(str(tmp_path / "net.pth"))
    panel.ui.modelSection.collapsed = False
    panel.click("importModelButton")
    panel.wait_until_idle()
    assert panel.requests("import")[-1]["file"] == str(tmp_path / "net.pth")


def test_imported_models_are_removed_after_a_question_and_nothing_else(panel, tmp_path, monkeypatch) -> None:
    import qt

    monkeypatch.setenv("XRAYTOCT_CACHE", str(tmp_path))
    for name in ("mine.safetensors", "mine.md", "SHA256SUMS", "notes.txt"):
        (tmp_path / name).write_text("x")
    panel.choose("viewBox", "AP")  # the panel looks again
    recorded.button_answers.append(qt.QMessageBox.Cancel)
    panel.click("removeModelsButton")
    assert (tmp_path / "mine.safetensors").exists()
    recorded.button_answers.append(qt.QMessageBox.Ok)
    panel.click("removeModelsButton")
    panel.wait_until_idle()
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_classes_stand_as_bars_beside_what_is_known_of_tb(done) -> None:
    import qt

    bars = done.ui.classBars.findChildren(qt.QProgressBar)
    assert [bar.value for bar in bars[:3]] == [25, 62, 12]
    assert done.ui.classNotice.text == TB_NOTICE


def test_a_click_on_a_check_shows_its_place(panel, xray, made_result) -> None:
    result = json.loads((made_result / "result.json").read_text())
    kept = (made_result / "result.json").read_text()
    result["checks"][1]["place_mm"] = [30.0, -20.0, 10.0]
    (made_result / "result.json").write_text(json.dumps(result))
    try:
        panel.generate(xray)
    finally:
        (made_result / "result.json").write_text(kept)
    panel.ui.checksSection.collapsed = False
    table = panel.ui.checksTable
    assert [table.item(row, 1).text() for row in range(table.rowCount)] == ["FAILED", "passed"]
    assert "1 of 2 checks" in panel.ui.checksSummary.text
    panel.click_cell("checksTable", 0, 0)
    process_events(0)
    assert panel.ui.checkMessage.text == "There is one lung."
    place = (-30.0, 20.0, 10.0)  # in RAS; in the file LPS from the middle, which is the origin
    for view in ("Red", "Green", "Yellow"):
        plane = slicer.mrmlScene.GetSingletonNode(view, "vtkMRMLSliceNode").GetSliceToRAS()
        away = [(place[row] - plane.GetElement(row, 3)) * plane.GetElement(row, 2) for row in range(3)]
        assert sum(away) == pytest.approx(0.0, abs=1e-6)


def test_windows_and_overlays_change_what_the_slices_show(done) -> None:
    ct = done.parameters.result
    done.ui.readSection.collapsed = False
    done.click("mediastinumWindowButton")
    assert (ct.GetDisplayNode().GetWindow(), ct.GetDisplayNode().GetLevel()) == (400, 40)
    done.choose("overlayBox", "Expected error")
    done.ui.overlayOpacitySlider.setValue(30)
    process_events(0)
    shown = composite("Red")
    assert shown.GetForegroundVolumeID() == results_of(slicer.mrmlScene)[0].uncertainty.GetID()
    assert shown.GetForegroundOpacity() == pytest.approx(0.3)
    done.choose("overlayBox", "None")
    assert not shown.GetForegroundVolumeID()


def test_the_layouts_show_the_result(done) -> None:
    result = results_of(slicer.mrmlScene)[0]
    manager = slicer.app.layoutManager()
    assert manager.layout == READING_LAYOUT
    for view, orientation in (("Red", "Axial"), ("Green", "Coronal"), ("Yellow", "Sagittal")):
        assert composite(view).GetBackgroundVolumeID() == result.ct.GetID()
        assert manager.sliceWidget(view).mrmlSliceNode().GetOrientation() == orientation
    done.ui.compareSection.collapsed = False
    done.click("compareLayoutButton")
    assert manager.layout == COMPARING_LAYOUT
    assert composite("XrayToCTXray").GetBackgroundVolumeID() == result.radiograph.GetID()
    assert composite("XrayToCTProjection").GetBackgroundVolumeID() == result.projection.GetID()
    assert all(is_all_in_view(view) for view in COMPARING_VIEWS)


@pytest.mark.parametrize("words", ["Blend", "Checkerboard", "Swipe", "Flicker", "Difference"])
def test_the_xray_and_the_projection_meet_in_one_picture(done, words) -> None:
    done.ui.compareSection.collapsed = False
    done.click("compareLayoutButton")
    done.choose("compareModeBox", words)
    done.ui.compareSlider.setValue(25)
    process_events(0)
    result = results_of(slicer.mrmlScene)[0]
    shown = lambda: composite("XrayToCTDifference").GetBackgroundVolumeID()  # noqa: E731
    if words == "Flicker":
        done.wait_for(lambda: shown() == result.projection.GetID(), 5)
        assert title("XrayToCTDifference") == "Flicker: Projection"
        done.wait_for(lambda: shown() == result.radiograph.GetID(), 5)
        assert title("XrayToCTDifference") == "Flicker: X-ray"
        done.choose("compareModeBox", words := "Blend")
    role = slicer.mrmlScene.GetNodeByID(shown()).GetAttribute("XrayToCT.Role")
    assert role == "comparison"
    assert title("XrayToCTDifference") == words
    done.choose("compareModeBox", "Side by side")
    assert [title(view) for view in COMPARING_VIEWS] == ["X-ray", "Projection", "Difference"]


def test_the_agreement_is_told_for_the_xray_and_for_another_ct(done) -> None:
    done.ui.compareSection.collapsed = False
    assert "SSIM" in done.ui.metricsLabel.text
    assert "PA. Source to axis 541 mm" in done.ui.geometryLabel.text
    done.choose("projectionBox", "Mean along parallel rays")
    done.wait_until_idle()
    assert done.requests("project")[-1]["kind"] == "mean"
    assert "SSIM" in done.ui.metricsLabel.text
    other = slicer.util.addVolumeFromArray(np.zeros((16, 16, 16), np.int16), None, "real CT")
    done.click("compareLayoutButton")
    done.ui.referenceSelector.setCurrentNode(other)
    process_events(0)
    done.wait_until_idle()
    assert title("XrayToCTXray") == "Reference"
    assert len(done.requests("project")) == 2
    assert "SSIM" in done.ui.metricsLabel.text


def test_an_export_writes_the_result_of_the_scene_in_what_is_ticked(panel, xray, tmp_path) -> None:
    panel.ui.exportSection.collapsed = False
    panel.ui.exportPathEdit.setCurrentPath(str(tmp_path / "out"))
    assert panel.ui.exportResultLabel.text == "None yet"
    assert not panel.ui.exportButton.enabled  # an X-ray that is chosen is no result
    panel.generate(xray)
    nodes = results_of(slicer.mrmlScene)[0]
    assert panel.ui.exportResultLabel.text == nodes.ct.GetName()
    nodes.ct.GetImageData().GetPointData().GetScalars().SetTuple1(0, 321)  # somebody has worked on it
    panel.take(xray.with_name("another.png"))
    panel.ui.refineSpinBox.setValue(12)
    panel.ui.niftiCheckBox.click()
    panel.ui.anonymiseCheckBox.click()
    panel.click("exportButton")
    panel.wait_until_idle()
    assert len(panel.requests("generate")) == 1  # nothing was made again
    (asked,) = panel.requests("export")
    assert (asked["formats"], asked["anonymise"], asked["xray"]) == (["dicom", "nifti", "pdf"], True, None)
    stored = read_stored(tmp_path / "out")  # the scripted worker copies what it was given
    np.testing.assert_array_equal(sitk.GetArrayFromImage(stored.ct), slicer.util.arrayFromVolume(nodes.ct))
    assert stored.result == json.loads(nodes.provenance.GetText())
    assert not Path(asked["result"]).exists()
    assert str(tmp_path / "out") in panel.ui.exportStatus.text
    assert panel.ui.exportButton.text == "Export the result"


def test_an_export_gives_the_xray_where_its_header_is_needed(panel, xray, tmp_path, made_result) -> None:
    kept = (made_result / "result.json").read_text()
    result = json.loads(kept)
    result["xray"]["sop_instance_uid"] = "1.2.3.4"
    (made_result / "result.json").write_text(json.dumps(result))
    try:
        panel.generate(xray)
    finally:
        (made_result / "result.json").write_text(kept)
    panel.take(xray.with_name("another.png"))
    panel.ui.exportSection.collapsed = False
    panel.ui.exportPathEdit.setCurrentPath(str(tmp_path / "out"))
    panel.click("exportButton")
    panel.wait_until_idle()
    assert panel.requests("export")[-1]["xray"] == str(xray)


def test_an_export_of_a_result_that_lacks_its_xray_is_told(done, tmp_path) -> None:
    done.ui.exportSection.collapsed = False
    done.ui.exportPathEdit.setCurrentPath(str(tmp_path / "out"))
    slicer.mrmlScene.RemoveNode(results_of(slicer.mrmlScene)[0].radiograph)
    done.click("exportButton")
    assert "X-ray was deleted from the scene" in done.ui.exportStatus.text
    assert not done.requests("export")
    assert not done.widget.logic.is_busy


def test_two_results_are_compared_side_by_side(done, xray) -> None:
    second = xray.with_name("second.png")
    second.touch()
    done.generate(second)
    first, later = (result.ct for result in results_of(slicer.mrmlScene))
    done.ui.followUpSection.collapsed = False
    done.ui.earlierSelector.setCurrentNode(first)
    done.ui.laterSelector.setCurrentNode(later)
    process_events(0)
    done.click("followUpButton")
    assert slicer.app.layoutManager().layout == FOLLOW_UP_LAYOUT
    assert "not matched" in done.ui.followUpText.text
    assert composite("XrayToCTChange").GetBackgroundVolumeID()
    assert all(is_all_in_view(view) for view in FOLLOW_UP_VIEWS)


def test_results_of_one_xray_are_told_apart_in_the_panels_lists(done, xray) -> None:
    done.generate(xray)
    names = [result.ct.GetName() for result in results_of(slicer.mrmlScene)]
    assert names == [f"chest - {SYNTHETIC_NOTICE}", f"chest_1 - {SYNTHETIC_NOTICE}"]
    assert names[1] in done.ui.resultSelector.toolTip
    assert "model chest-64, uncertainty of 8 volumes" in done.ui.resultSelector.toolTip
    done.ui.followUpSection.collapsed = False
    done.ui.earlierSelector.setCurrentNode(results_of(slicer.mrmlScene)[0].ct)
    process_events(0)
    assert names[0] in done.ui.earlierSelector.toolTip


def test_the_sample_is_in_slicers_sample_data(panel, monkeypatch) -> None:
    from XrayToCTLib.panel.sample_data import SAMPLE, SAMPLE_NAME, register_sample

    recorded.sample_data_sources.clear()
    register_sample()
    (source,) = recorded.sample_data_sources
    assert (source["category"], source["sampleName"]) == ("XrayToCT", SAMPLE_NAME)
    # slicer-core's own reader of volumes reads no PNG, Slicer's does
    monkeypatch.setattr(slicer.util, "loadVolume", lambda path, properties: (path, properties["name"]))
    assert source["customDownloader"](source) == [(str(SAMPLE), SAMPLE_NAME)]
