"""Radiographs and helpers that several test files share."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
import torch
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from XrayToCTLib.generators import GENERATORS, build_generator
from XrayToCTLib.grayscale import normalise
from XrayToCTLib.models import save_model
from XrayToCTLib.projection import Geometry, network_from_hu, radiograph_from_ct

REPOSITORY = Path(__file__).parents[2]
DATA = REPOSITORY.parent / "shared" / "data"


@pytest.fixture(scope="module")
def host() -> Iterator[Any]:
    """Slicer's application layer (see Testing/slicer_host), taken away again after the last test of a file."""
    pytest.importorskip("slicer", reason="slicer-core is not installed")
    reason = "PySide6-Essentials is not installed, or a library that Qt needs (such as libEGL)"
    pytest.importorskip("PySide6.QtWidgets", reason=reason, exc_type=ImportError)
    import slicer_host

    slicer_host.start()
    yield slicer_host
    slicer_host.stop()


@pytest.fixture
def nothing_left_over(host: Any) -> Iterator[None]:
    """Empties the scene and forgets what was recorded, after each test of the host itself."""
    yield
    import slicer

    host.process_events(0)
    slicer.mrmlScene.Clear(0)
    host.recorded.clear()


@pytest.fixture(scope="session")
def chest() -> np.ndarray:
    """A simulated chest: network values (64, 64, 64)."""
    from XrayToCTTraining.simulation.phantom import simulate_chest

    return network_from_hu(torch.from_numpy(simulate_chest(7, size=64).hu)).numpy()


@pytest.fixture(scope="session")
def radiograph_pixels(chest: np.ndarray) -> np.ndarray:
    """Its radiograph, (256, 256) in [0, 1]."""
    geometry = Geometry(detector_pixels=(256, 256))
    return normalise(radiograph_from_ct(torch.from_numpy(chest)[None, None], geometry)[0, 0].numpy())


@pytest.fixture(scope="session")
def chest_png(radiograph_pixels: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("radiograph") / "chest.png"
    Image.fromarray(np.rint(radiograph_pixels * 255).astype(np.uint8)).save(path)
    return path


@pytest.fixture(scope="session")
def chest_dicom(radiograph_pixels: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A PA DX radiograph with patient, study, calibrated spacing and distances."""
    path = tmp_path_factory.mktemp("radiograph") / "chest.dcm"
    write_dicom(path, np.rint(radiograph_pixels * 4095).astype(np.uint16))
    return path


@pytest.fixture(scope="session")
def tiny(tmp_path_factory) -> str:
    """An untrained generator that takes milliseconds."""
    config = GENERATORS["test"]
    path = tmp_path_factory.mktemp("models") / "tiny.safetensors"
    torch.manual_seed(0)
    geometry = Geometry(detector_pixels=(config.size, config.size))
    return str(save_model(path, build_generator(config), "generator", config, geometry, {}).path)


def write_dicom(path: Path, pixels: np.ndarray, **attributes: object) -> Path:
    """A radiograph in DICOM, MONOCHROME2; ``attributes`` replace or add."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.1.1"
    meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    values: dict[str, object] = {
        "SOPClassUID": meta.MediaStorageSOPClassUID,
        "SOPInstanceUID": meta.MediaStorageSOPInstanceUID,
        "Modality": "DX",
        "PatientID": "P-17",
        "PatientName": "Doe^Jane",
        "StudyInstanceUID": generate_uid(),
        "SeriesInstanceUID": generate_uid(),
        "ViewPosition": "PA",
        "PatientOrientation": ["L", "F"],
        "ImagerPixelSpacing": [1.4, 1.4],
        "DistanceSourceToDetector": 1800,
        "DistanceSourceToPatient": 1600,
        "PhotometricInterpretation": "MONOCHROME2",
        "SamplesPerPixel": 1,
        "Rows": pixels.shape[-2],
        "Columns": pixels.shape[-1],
        "BitsAllocated": 8 * pixels.itemsize,
        "BitsStored": 8 * pixels.itemsize,
        "HighBit": 8 * pixels.itemsize - 1,
        "PixelRepresentation": 0,
    }
    for name, value in {**values, **attributes}.items():
        setattr(dataset, name, value)
    dataset.PixelData = pixels.tobytes()
    pydicom.dcmwrite(path, dataset)
    return path


@pytest.fixture(scope="session")
def run() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs ``xray-to-ct`` with arguments in a process of its own, with nothing of the user's models in sight."""

    def call(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "XrayToCTLib", *map(str, arguments)]
        clean = {"XRAYTOCT_CACHE": os.devnull, "XRAYTOCT_MODELS": ""}
        return subprocess.run(command, capture_output=True, text=True, env={**os.environ, **clean, **environment})

    return call


@pytest.fixture(scope="session")
def run_json(run: Callable[..., subprocess.CompletedProcess[str]]) -> Callable[..., dict]:
    """The same, with success required, and the one JSON object that it printed."""

    def call(*arguments: object, **environment: str) -> dict:
        done = run(*arguments, "--json", **environment)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return call


@pytest.fixture(scope="session")
def made_result(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the worker writes of an X-ray, made without a network."""
    from made_results import write_results
    from XrayToCTLib.pictures import write_png

    folder = write_results(tmp_path_factory.mktemp("made"))
    write_png(folder / "xray.png", np.zeros((128, 128), np.uint8), synthetic=False)
    return folder


@pytest.fixture(scope="module")
def module_widget(host: Any) -> Any:
    """The module's widget, as Slicer makes it: once, until the host is taken away."""
    return host.load_module(REPOSITORY / "XrayToCT" / "XrayToCT.py")


@pytest.fixture
def panel(module_widget: Any, made_result: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The module's panel (`slicer_panel.PanelDriver`) over an empty scene, with a scripted worker."""
    import slicer

    from slicer_host import process_events, recorded
    from slicer_panel import PanelDriver
    from XrayToCTLib import worker_client

    command = [sys.executable, "-S", str(Path(__file__).with_name("scripted_worker.py")), str(made_result)]
    monkeypatch.setattr(worker_client, "worker_command", lambda: command)
    monkeypatch.setenv("XRAYTOCT_CACHE", str(made_result / "no-models"))
    (made_result / "requests.jsonl").unlink(missing_ok=True)
    recorded.clear()
    slicer.mrmlScene.Clear(False)
    process_events(0)
    yield PanelDriver(module_widget, made_result)
    module_widget.logic.cancel()
    module_widget.logic.close()
    process_events(0)


@pytest.fixture
def xray(tmp_path: Path) -> Path:
    """Any file: the scripted worker goes by its name."""
    path = tmp_path / "chest.png"
    path.touch()
    return path


@pytest.fixture(scope="session")
def study_files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Any]:
    """A reader study: the readers' folder, the key's path, the study. No test changes these files."""
    from made_study import made_study

    return made_study(tmp_path_factory.mktemp("study"))


@pytest.fixture
def study_folder(study_files: tuple[Path, Path, Any], tmp_path: Path) -> Path:
    """A copy of its readers' folder, of the test's own."""
    return Path(shutil.copytree(study_files[0], tmp_path / "study"))


@pytest.fixture
def form(host: Any) -> Iterator[Any]:
    """The widgets of the section Reader study (`study_section_clicks`) in a window of its own."""
    from study_section_clicks import opened_section

    with opened_section() as widgets:
        yield widgets
