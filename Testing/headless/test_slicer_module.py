"""The Slicer module as a user meets it: from Apply to the nodes in the scene, and what may go wrong on the way."""

import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from conftest import REPOSITORY, write_dicom
from slicer_host import process_events, recorded
from slicer_panel import settle
from worker_helpers import is_alive
from XrayToCTLib import scene_results
from XrayToCTLib.errors import Cancelled, UnsuitableInput
from XrayToCTLib.layouts import READING_LAYOUT, STUDY_VIEWS
from XrayToCTLib.notice import notice_of
from XrayToCTLib.options import ResultFiles
from XrayToCTLib.scene_results import results_of
from XrayToCTLib.worker_requests import Listener

slicer = pytest.importorskip("slicer", reason="slicer-core is not installed")
pytestmark = pytest.mark.usefixtures("host")

MODULE = REPOSITORY / "XrayToCT" / "XrayToCT.py"

LOADING = """
import sys
from pathlib import Path
from slicer_host import load_module, start
start()
load_module(Path(sys.argv[1]))
print(*sorted({name.partition(".")[0] for name in sys.modules}))
"""

OPENING = """
import sys
from pathlib import Path
from slicer_host import load_module, start
start()
import slicer
slicer.util.loadScene(sys.argv[2])
print(load_module(Path(sys.argv[1])).ui.checksSummary.text)
"""


def volumes() -> list:
    return slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")


def named(xray: Path, name: str) -> Path:
    path = xray.with_name(name)
    path.touch()
    return path


def test_loading_imports_nothing_that_slicer_lacks() -> None:
    """How long it takes, Testing/Benchmarks/bench_module_load.py says."""
    path = os.pathsep.join(str(REPOSITORY / name) for name in ("XrayToCT", "Testing"))
    run = [sys.executable, "-c", LOADING, str(MODULE)]
    done = subprocess.run(run, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path})
    assert done.returncode == 0, done.stderr
    assert not {"torch", "monai", "lightning", "highdicom", "safetensors"} & set(done.stdout.split())


def test_the_sample_goes_from_one_click_to_all_nodes_in_the_scene(panel) -> None:
    panel.click("sampleButton")
    assert Path(panel.parameters.xray_path).is_file()
    panel.click("applyButton")
    assert panel.ui.applyButton.text == "Cancel"
    assert panel.ui.progressBar.visible
    panel.wait_for(lambda: "s left" in panel.ui.stageLabel.text)
    panel.wait_until_idle()
    assert panel.ui.applyButton.text == "Apply"
    (result,) = results_of(slicer.mrmlScene)
    assert None not in (result.ct, result.radiograph, result.projection, result.difference, result.table)
    assert panel.parameters.result is result.ct
    assert "not for diagnostic use" in panel.ui.stageLabel.text
    assert "Sizes are nominal." in panel.ui.stageLabel.text  # a warning of the result


def test_the_preview_of_an_xray_that_tells_no_size_tells_none(panel, xray) -> None:
    panel.take(named(xray, "unsized.png"))
    panel.click("previewButton")
    panel.wait_until_idle()
    assert panel.ui.previewText.text.splitlines() == ["View PA", "Sizes are nominal."]


def test_cancel_ends_the_worker_within_a_second_and_leaves_no_node(panel, xray) -> None:
    before = slicer.mrmlScene.GetNumberOfNodes()
    panel.take(named(xray, "slow.png"))
    panel.click("applyButton")
    panel.wait_for(lambda: "Making the volume" in panel.ui.stageLabel.text)
    worker = panel.requests("generate")[-1]["pid"]
    began = time.monotonic()
    panel.click("applyButton")
    panel.wait_for(lambda: not is_alive(worker), 10)
    assert time.monotonic() - began < 1.0
    assert panel.ui.applyButton.text == "Apply"
    assert "Cancelled" in panel.ui.stageLabel.text
    assert slicer.mrmlScene.GetNumberOfNodes() == before
    panel.generate(xray)  # a fresh worker starts
    assert panel.parameters.result is not None


def test_cancel_waits_for_no_file_that_is_being_read(panel, xray, monkeypatch) -> None:
    go_on, folders = threading.Event(), []

    def read(folder: Path) -> None:
        folders.append(folder)
        go_on.wait(10)
        raise UnsuitableInput("It is gone; make it again.")

    monkeypatch.setattr(scene_results, "read_results", read)
    before = slicer.mrmlScene.GetNumberOfNodes()
    panel.take(xray)
    panel.click("applyButton")
    panel.wait_for(lambda: bool(folders))
    panel.click("applyButton")
    assert panel.ui.applyButton.text == "Apply"
    assert "Cancelled" in panel.ui.stageLabel.text
    go_on.set()
    panel.wait_for(lambda: not folders[0].exists())
    settle()
    assert "Cancelled" in panel.ui.stageLabel.text  # the reader's own complaint is dropped
    assert slicer.mrmlScene.GetNumberOfNodes() == before


def test_a_worker_that_dies_is_told_in_a_sentence_and_the_next_run_works(panel, xray) -> None:
    panel.generate(named(xray, "crash.png"))
    assert "The worker ended" in panel.ui.stageLabel.text
    assert not volumes()
    panel.generate(xray)
    assert panel.parameters.result is not None


def test_a_file_that_cannot_be_used_is_named_with_the_remedy(panel, xray) -> None:
    panel.generate(named(xray, "bad.png"))
    assert "bad.png" in panel.ui.stageLabel.text
    assert "give DICOM" in panel.ui.stageLabel.text
    assert not recorded.messages  # no popup


def test_a_scene_that_closes_while_the_worker_runs_ends_the_run(panel, xray) -> None:
    panel.take(named(xray, "slow.png"))
    panel.click("applyButton")
    panel.wait_for(lambda: bool(panel.requests("generate")))
    slicer.mrmlScene.Clear(False)
    process_events(20)
    assert not panel.widget.logic.is_busy
    assert panel.ui.applyButton.text == "Apply"
    assert not volumes()
    panel.generate(xray)
    assert panel.parameters.result is not None


def test_any_node_of_a_result_may_be_deleted(panel, xray) -> None:
    panel.generate(xray)
    for section in ("compareSection", "readSection", "checksSection", "followUpSection"):
        getattr(panel.ui, section).collapsed = False
    for node in results_of(slicer.mrmlScene)[0].nodes[::-1]:
        slicer.mrmlScene.RemoveNode(node)
        process_events(0)
        panel.parameters.compare_mode = "blend"
        panel.parameters.overlay = "uncertainty"
        process_events(0)
    assert panel.parameters.result is None
    assert not panel.ui.readLayoutButton.enabled


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{", '{"classes": {"tb": "high"}, "checks": ["x", {"place_mm": ["a"], "value": true}], "warnings": 3}'],
)
def test_what_somebody_wrote_into_a_scene_never_breaks_the_panel(panel, xray, text) -> None:
    panel.generate(xray)
    (result,) = results_of(slicer.mrmlScene)
    result.provenance.SetText(text)
    panel.ui.resultSelector.setCurrentNode(None)
    process_events(0)
    panel.ui.resultSelector.setCurrentNode(result.ct)
    process_events(0)
    assert panel.ui.checksTable.rowCount == ('"checks"' in text)
    if '"checks"' in text:
        panel.ui.checksSection.collapsed = False
        panel.click_cell("checksTable", 0, 0)


def test_two_sets_of_settings_are_kept_apart(panel, xray) -> None:
    first = panel.ui.parameterSetSelector.currentNode()
    panel.take(xray)
    panel.ui.refineSpinBox.setValue(12)
    panel.choose("deviceBox", "CPU")
    second = panel.ui.parameterSetSelector.addNode()
    process_events(0)
    assert panel.ui.parameterSetSelector.currentNode() is second
    assert (panel.ui.refineSpinBox.value, panel.parameters.device, panel.parameters.xray_path) == (0, "auto", "")
    panel.ui.refineSpinBox.setValue(3)
    panel.ui.parameterSetSelector.setCurrentNode(first)
    process_events(0)
    assert (panel.ui.refineSpinBox.value, panel.parameters.device) == (12, "cpu")
    assert panel.ui.xrayPathEdit.currentPath == str(xray)


def test_a_set_of_settings_may_be_deleted_even_the_last_one(panel, xray) -> None:
    first = panel.ui.parameterSetSelector.currentNode()
    second = panel.ui.parameterSetSelector.addNode()
    process_events(0)
    slicer.mrmlScene.RemoveNode(second)
    process_events(0)
    assert panel.ui.parameterSetSelector.currentNode() is first
    slicer.mrmlScene.RemoveNode(first)
    process_events(0)
    panel.generate(xray)
    assert panel.ui.parameterSetSelector.currentNode().GetAttribute("ModuleName") == "XrayToCT"
    assert panel.parameters.result is not None


def test_a_scene_with_a_result_may_be_opened_before_the_module(panel, xray, tmp_path) -> None:
    panel.generate(xray)
    slicer.util.saveScene(str(tmp_path / "scene.mrb"))
    run = [sys.executable, "-c", OPENING, str(MODULE), str(tmp_path / "scene.mrb")]
    path = os.pathsep.join(str(REPOSITORY / name) for name in ("XrayToCT", "Testing"))
    done = subprocess.run(run, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path})
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "1 of 2 checks of the synthetic CT passed."


def test_a_saved_scene_brings_back_settings_results_and_layout(panel, xray, tmp_path) -> None:
    panel.ui.uncertaintySpinBox.setValue(4)
    panel.choose("viewBox", "AP")
    panel.generate(xray)
    passed = panel.ui.checksSummary.text
    layout = slicer.app.layoutManager().layout
    slicer.util.saveScene(str(tmp_path / "scene.mrb"))
    slicer.mrmlScene.Clear(False)
    process_events(0)
    assert panel.parameters.view == "recorded"
    assert panel.parameters.result is None
    slicer.util.loadScene(str(tmp_path / "scene.mrb"))
    process_events(0)
    assert (panel.parameters.view, panel.ui.uncertaintySpinBox.value) == ("AP", 4)
    assert panel.parameters.result is results_of(slicer.mrmlScene)[0].ct
    assert panel.ui.checksSummary.text == passed
    assert slicer.app.layoutManager().layout == layout


def test_the_notice_is_in_every_view_as_long_as_something_synthetic_is_in_the_scene(panel, xray) -> None:
    panel.generate(xray)
    manager = slicer.app.layoutManager()
    # Those of a reader study, if one was read before, keep the study's own notice.
    names = [name for name in manager.sliceViewNames() if name not in STUDY_VIEWS]
    views = [manager.sliceWidget(name).sliceView() for name in names]
    views += [manager.threeDWidget(number).threeDView() for number in range(manager.threeDViewCount)]
    assert len(views) >= 4
    assert all(has_notice(view) for view in views)
    slicer.mrmlScene.Clear(False)  # what is shown next may be real
    assert not any(has_notice(view) for view in views)


def test_a_script_waits_for_the_nodes_or_gets_the_error(panel, xray) -> None:
    import XrayToCT

    logic = XrayToCT.XrayToCTLogic()
    stages = []
    listener = Listener(progress=lambda progress: stages.append(progress.stage))
    nodes = logic.process(xray, listener=listener)
    assert nodes.ct is results_of(slicer.mrmlScene)[0].ct
    assert stages[0] == "load"
    assert stages[-1] == "scene"
    with pytest.raises(UnsuitableInput, match=r"bad\.png"):
        logic.process(named(xray, "bad.png"))
    stages.clear()
    slow = named(xray, "slow.png")
    with pytest.raises(Cancelled):
        logic.process(slow, listener=listener, is_cancelled=lambda: "generate" in stages)
    logic.close()


def test_a_script_that_does_not_wait_is_told_at_the_end(panel, xray) -> None:
    import XrayToCT

    logic = XrayToCT.XrayToCTLogic()
    ends: list = []
    assert logic.process(xray, listener=Listener(ends.append), wait=False) is None
    panel.wait_for(lambda: bool(ends))
    assert ends[0].ct is not None
    logic.close()


def test_a_batch_of_twenty_names_the_one_that_failed(panel, tmp_path) -> None:
    folder = tmp_path / "films"
    folder.mkdir()
    for number in range(20):
        (folder / f"{'bad' if number == 7 else 'film'}-{number:02}.png").touch()
    panel.ui.batchPathEdit.setCurrentPath(str(folder))
    panel.ui.exportPathEdit.setCurrentPath(str(tmp_path / "results"))
    panel.click("batchButton")
    assert panel.ui.batchButton.text == "Cancel"
    panel.wait_for(lambda: "X-ray 3 of 20" in panel.ui.exportStatus.text)
    panel.wait_until_idle()
    assert "19 written, 1 could not be used" in panel.ui.exportStatus.text
    assert "bad-07.png" in panel.ui.exportStatus.text
    assert len(list((tmp_path / "results").iterdir())) == 19
    assert not volumes()


def test_an_anonymised_batch_gives_a_patient_one_pseudonym(panel, tmp_path) -> None:
    import XrayToCT

    pixels = np.zeros((64, 64), np.uint16)
    films = {
        "a-1": {"PatientID": "P-1"},
        "a-2": {"PatientID": "P-1"},
        "b": {"PatientID": "P-2"},
        "elsewhere": {"PatientID": "P-1", "IssuerOfPatientID": "ANOTHER"},
        "nameless-1": {"PatientID": "", "StudyInstanceUID": "1.2.3"},
        "nameless-2": {"PatientID": "", "StudyInstanceUID": "1.2.3"},
    }
    folder = tmp_path / "films"
    folder.mkdir()
    for name, header in films.items():
        write_dicom(folder / f"{name}.dcm", pixels, **header)
    for name in ("picture-1.png", "picture-2.png"):
        (folder / name).touch()
    logic = XrayToCT.XrayToCTLogic()
    report = logic.batch(folder, ResultFiles(tmp_path / "out", anonymise=True))
    logic.close()
    asked = panel.requests("generate")
    names = {Path(request["xray"]).stem: request["pseudonym"] for request in asked}
    assert names["a-1"] == names["a-2"]
    assert names["nameless-1"] == names["nameless-2"]
    assert len(set(names.values())) == 6
    studies = {Path(request["xray"]).stem: request["study_uid"] for request in asked}
    assert studies["nameless-1"] == studies["nameless-2"] != studies["b"]
    assert studies["picture-1"] == ""
    assert all(re.fullmatch(r"ANON-[0-9a-f]{8}", name) for name in names.values())
    assert Path(asked[1]["output"]).name == f"{names['a-1']}-2"
    assert [path.name for path in report.written] == [Path(request["output"]).name for request in asked]
    again = logic.batch(folder, ResultFiles(tmp_path / "again", anonymise=True))
    logic.close()
    assert not {path.name for path in report.written} & {path.name for path in again.written}  # kept nowhere


def test_the_modules_own_test_passes(panel) -> None:
    slicer.selfTests["XrayToCT"]()


def has_notice(view) -> bool:
    """In the next frame."""
    view.renderWindow().InvokeEvent("StartEvent")
    return notice_of(view.renderWindow().GetRenderers().GetFirstRenderer()) is not None


def test_a_module_that_comes_after_slicers_start_has_its_layouts_too(panel) -> None:
    layout_node = slicer.app.layoutManager().layoutLogic().GetLayoutNode()
    expected = layout_node.GetLayoutDescription(READING_LAYOUT)
    layout_node.SetLayoutDescription(READING_LAYOUT, "<layout/>")
    slicer.modules.xraytoct.createNewWidgetRepresentation()
    assert layout_node.GetLayoutDescription(READING_LAYOUT) == expected
