"""The picture of docs/reader-study.md: ``python Testing/headless/study_picture.py docs/reader-study.png``.

A study of simulated patients, which stand for real ones, and of what the shipped model makes of their radiographs; on
the stand-in for Slicer's application layer, with Slicer's real slice views.
"""

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).parents[1]))

from slicer_host import process_events, screenshot, start
from XrayToCTLib.grayscale import normalise
from XrayToCTLib.layouts import STUDY_VIEWS
from XrayToCTLib.marking import Provenance
from XrayToCTLib.pipeline import generate, load_models
from XrayToCTLib.projection import Geometry, network_from_hu, radiograph_from_ct
from XrayToCTLib.reader_study.blinding import Blinding, ListedCase, make_study
from XrayToCTLib.volume import ct_from_network, write_nrrd
from XrayToCTTraining.simulation.phantom import simulate_chest

SIZE, SIDE_MM, SEED = 128, 320.0, 7  # with this seed R1 sees a generated case first


def simulated_cases(folder: Path, patients: int) -> list[ListedCase]:
    """The CT of each simulated patient, and the one that the shipped model makes of its radiograph."""
    import numpy as np

    loaded = load_models(None, "cpu")
    marks = Provenance("simulated", "1", "0" * 64, "Simulated patient.").marks()
    cases = []
    for patient in range(patients):
        volume = network_from_hu(torch.from_numpy(simulate_chest(patient, size=SIZE).hu))
        geometry = Geometry(detector_pixels=(256, 256))
        picture = normalise(radiograph_from_ct(volume[None, None], geometry)[0, 0].numpy())
        np.save(folder / "x.npy", picture[::2, ::2].astype(np.float32))
        made = generate(folder / "x.npy", loaded, is_network_input=True, uncertainty_samples=0).volume
        for arm, values in (("real", volume.numpy()), ("compact", made)):
            path = folder / f"{arm}-{patient}.nrrd"
            write_nrrd(ct_from_network(values, SIDE_MM), path, marks)
            cases.append(ListedCase(path, arm, "", str(patient)))
    return cases


def small_study(folder: Path, name: str) -> None:
    """A study of two readers and two simulated patients, in the folder of this name."""
    cases = simulated_cases(folder, 2)
    blinding = Blinding(SIZE, SIDE_MM)
    make_study(cases, ["R1", "R2"], folder / name, folder / "key.json", "Chest CTs", 0, SEED, blinding)


def answer_a_case(ui: Any, path: str) -> None:
    """Opens a study and answers its first case, with a mark in the axial slice, but does not save it.

    ui: the widgets of the section Reader study by name.
    """
    import slicer

    ui.studyPathEdit.setCurrentPath(path)
    ui.startButton.click()
    process_events(50)
    manager = slicer.app.layoutManager()
    views = [manager.sliceWidget(name) for name in manager.sliceViewNames() if name in STUDY_VIEWS]
    for view in views:
        view.sliceLogic().FitSliceToAll()
        view.sliceView().forceRender()  # a mark's number is placed in a window that has its size already
    ui.artefactBox.setCurrentText("other")
    ui.noteEdit.setText("smeared ribs")
    ui.markButton.click()
    columns, rows = views[0].mrmlSliceNode().GetDimensions()[:2]
    interactor = views[0].sliceView().interactor()
    interactor.SetEventInformation(round(0.667 * columns), round(0.637 * rows), 0, 0)
    interactor.InvokeEvent("LeftButtonPressEvent")
    for name in ("realism2", "sickClass", "confidence3"):
        getattr(ui, name).click()
    for view in views:
        view.sliceView().forceRender()


def main(target: Path) -> None:
    """Write the picture."""
    start()
    import qt
    import slicer

    from slicer_host.modules import dock
    from slicer_host.pythonqt import backing_of
    from XrayToCTLib.panel.study_section import StudySection

    with tempfile.TemporaryDirectory() as temporary:
        small_study(Path(temporary), "chest-study")
        panel = qt.QWidget()
        panel.setLayout(qt.QVBoxLayout())
        section = StudySection(panel)
        window = slicer.app.mainWindow()
        dock(backing_of(window), backing_of(panel))
        window.resize(1400, 760)
        window.show()
        os.chdir(temporary)  # so that the picture shows a short path
        answer_a_case(section._ui, "chest-study")
        screenshot(window, target)
        section.close()
        os.chdir(target.parent)


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute())
