"""The pictures of docs/tutorial.md: ``python Testing/headless/tutorial_pictures.py docs/tutorial``, in minutes.

The module on the stand-in for Slicer's application layer, with the shipped model and a real radiograph, RG1_UNCR.dcm of
pydicom-data; the follow-up and the reader study with simulated patients.
"""

import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from pydicom.data import get_testdata_file

from panel_views import SECONDS, open_sections, picture_of_panel, picture_of_window, press, wait_until_done
from sample_xray import write_sample
from slicer_host import load_module, wait_until
from slicer_panel import MODULE, PanelDriver, settle
from study_picture import answer_a_case, small_study

WINDOW = (1280, 800)  # pixels
VOXELS = 128  # of the simulated patient of the follow-up: faster than the sample's own


def take_xray(widget: Any, folder: Path) -> None:
    open_sections(widget.ui, "xraySection")
    radiograph = Path(get_testdata_file("RG1_UNCR.dcm", download=False))
    shutil.copy(radiograph, radiograph.name)
    widget.ui.xrayPathEdit.setCurrentPath(radiograph.name)
    settle()
    press(widget, "previewButton")
    picture_of_panel(widget, folder / "xray.png")


def look_at_model(widget: Any, folder: Path) -> None:
    open_sections(widget.ui, "modelSection")
    wait_until_done(widget)  # with the list of models
    picture_of_panel(widget, folder / "model.png")


def generate(widget: Any, folder: Path) -> None:
    ui = widget.ui
    open_sections(ui, "generateSection")
    ui.applyButton.click()
    wait_until(lambda: ui.progressBar.value > 30 and "left" in ui.stageLabel.text, SECONDS)
    settle()
    picture_of_panel(widget, folder / "generate.png")
    wait_until_done(widget)
    picture_of_window(folder / "result.png")


def compare(widget: Any, folder: Path) -> None:
    open_sections(widget.ui, "compareSection")
    press(widget, "compareLayoutButton")
    PanelDriver(widget, folder).choose("compareModeBox", "Checkerboard")
    widget.ui.compareSlider.value = 20
    settle()
    picture_of_window(folder / "compare.png")


def read(widget: Any, folder: Path) -> None:
    open_sections(widget.ui, "readSection")
    press(widget, "readLayoutButton")
    PanelDriver(widget, folder).choose("overlayBox", "Expected error")
    widget.ui.volumeRenderingCheckBox.click()
    settle()
    picture_of_window(folder / "read.png")
    widget.ui.volumeRenderingCheckBox.click()
    PanelDriver(widget, folder).choose("overlayBox", "None")


def check(widget: Any, folder: Path) -> None:
    open_sections(widget.ui, "checksSection")
    press(widget, "mediastinumWindowButton")
    table = widget.ui.checksTable
    row = next(row for row in range(table.rowCount) if table.item(row, 0).text() == "lungs of similar size")
    table.scrollToItem(table.item(row, 0))
    PanelDriver(widget, folder).click_cell("checksTable", row, 0)
    settle()
    picture_of_window(folder / "checks.png")


def export(widget: Any, folder: Path, temporary: Path) -> None:
    open_sections(widget.ui, "exportSection")
    widget.ui.nrrdCheckBox.click()
    results = Path(tempfile.gettempdir(), "results")  # a short path, the same each time, for the picture shows it whole
    results.mkdir()  # fails where somebody has such a folder
    try:
        widget.ui.exportPathEdit.setCurrentPath(str(results))
        press(widget, "exportButton")
        picture_of_panel(widget, folder / "export.png")
    finally:
        shutil.rmtree(results)


def follow_up(widget: Any, folder: Path, temporary: Path) -> None:
    ui = widget.ui
    ui.uncertaintySpinBox.setValue(0)  # the picture does not show it
    results = []
    for name, label in (("earlier.png", "healthy"), ("later.png", "sick")):
        ui.xrayPathEdit.setCurrentPath(str(write_sample(temporary / name, label, VOXELS)))
        settle()
        press(widget, "applyButton")
        results.append(ui.resultSelector.currentNode())
    press(widget, "lungWindowButton")  # in which the later X-ray's disease is seen
    open_sections(ui, "followUpSection")
    ui.earlierSelector.setCurrentNode(results[0])
    ui.laterSelector.setCurrentNode(results[1])
    settle()
    press(widget, "followUpButton")
    picture_of_window(folder / "follow-up.png")


def read_study(widget: Any, folder: Path, temporary: Path) -> None:
    import slicer

    open_sections(widget.ui, "readerStudySection")
    ui = slicer.util.childWidgetVariables(widget.ui.readerStudySection)
    small_study(temporary, "chest-study")
    answer_a_case(ui, "chest-study")
    open_sections(widget.ui, "readerStudySection")
    picture_of_window(folder / "reader-study.png")


def main(folder: Path) -> None:
    """Write the pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    before = Path.cwd()
    widget = load_module(MODULE)
    import slicer

    slicer.util.mainWindow().resize(*WINDOW)
    with tempfile.TemporaryDirectory(prefix="XrayToCT-") as temporary:
        os.chdir(temporary)  # so that pictures show short paths
        for step in (take_xray, look_at_model, generate, compare, read, check):
            step(widget, folder)
            print(step.__name__, flush=True)
        for late_step in (export, follow_up, read_study):
            late_step(widget, folder, Path(temporary))
            print(late_step.__name__, flush=True)
        os.chdir(before)
        widget.logic.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute())
