"""Every command in the README and in the tutorial works: they run as they stand, with training shortened to minutes."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from PIL import Image

from asymmetric_body import asymmetric_body
from conftest import REPOSITORY
from test_prepare import write_series
from XrayToCTLib.volume import ct_from_network


def commands(page: str) -> list[str]:
    """The lines of the page's bash blocks."""
    blocks = re.findall(r"```bash\n(.*?)```", (REPOSITORY / page).read_text(), re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line.strip()]


README, TUTORIAL = commands("README.md"), commands("docs/training.md")
SHORTER = {
    "--patients 40 --size 64": "--patients 20 --size 32",
    "--preset paper": "--preset test",
    "--preset compact": "--preset test --induction_epochs 0",
    "fit cyclegan": "fit cyclegan --preset test",
    "fit ct-classifier": "fit ct-classifier --preset test",
    "fit xray-classifier": "fit xray-classifier --preset test",
    "fit joint-classifier": "fit joint-classifier --preset test",
    "fit input-check": "fit input-check --preset test",
    # so few patients that no healthy one falls to the test split
    "evaluate fidelity": "evaluate fidelity --split training --limit 1 --count 1",
    "--scale small": "--scale tiny --seeds 1",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory, chest_dicom, chest_png) -> Path:
    """A working directory with the files that the README's commands name."""
    folder = tmp_path_factory.mktemp("readme")
    shutil.copy(chest_dicom, folder / "chest.dcm")
    (folder / "radiographs").mkdir()
    shutil.copy(chest_png, folder / "radiographs" / "a.png")
    Image.open(chest_png).save(folder / "radiographs" / "b.jpg")
    return folder


@pytest.fixture(scope="module")
def downloads(tmp_path_factory, chest, chest_png) -> Path:
    """A working directory with a CT, and small LIDC-IDRI and TBX11K folders as they are unpacked."""
    folder = tmp_path_factory.mktemp("tutorial")
    sitk.WriteImage(ct_from_network(chest, 320.0), str(folder / "chest.nii.gz"))
    coarse = asymmetric_body((32, 32, 32), (10, 10, 10))
    write_series(folder / "downloads" / "LIDC-IDRI" / "LIDC-IDRI-0001" / "1" / "2", "LIDC-IDRI-0001", coarse)
    tbx = folder / "downloads" / "TBX11K"
    (tbx / "lists").mkdir(parents=True)
    for split, numbers in (("train", "12"), ("val", "34")):
        names = [f"{label}/{label[0]}{number}.png" for label in ("health", "sick", "tb") for number in numbers]
        for name in names:
            (tbx / "imgs" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(chest_png, tbx / "imgs" / name)
        (tbx / "lists" / f"TBX11K_{split}.txt").write_text("\n".join(names))
    return folder


def run(command: str, folder: Path) -> None:
    """In the virtual environment of this Python, shortened."""
    for long, short in SHORTER.items():
        command = command.replace(long, short)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        shlex.split(command), cwd=folder, env={**os.environ, "PATH": path}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_the_readme_shows_the_two_commands():
    assert README[:2] == ["make demo", "make test"]


@pytest.mark.parametrize("command", README[2:])
def test_each_command_of_the_readme_succeeds(folder, command):
    run(command, folder)


@pytest.mark.parametrize("command", [line for line in TUTORIAL if not line.startswith("tensorboard")])
def test_each_command_of_the_training_tutorial_succeeds(downloads, command):
    run(command, downloads)


def test_the_presets_that_the_tutorial_replaces_exist_and_differ():
    from importlib import resources

    folder = resources.files("XrayToCTTraining") / "configs"
    texts = [(folder / f"reconstruction-{name}.yaml").read_text() for name in ("paper", "x2ct", "compact", "test")]
    assert len(np.unique(texts)) == 4


def test_make_demo_writes_everything_that_it_promises(tmp_path):
    if not (REPOSITORY / ".venv" / "installed").exists():
        pytest.skip("the virtual environment was not made by make")
    out = tmp_path / "demo"
    done = subprocess.run(["make", "-C", REPOSITORY, "demo", f"DEMO={out}"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert {"ct.nrrd", "dicom", "scene.mrb", "slices.png", "comparison.png", "projection.png", "report.html"} <= {
        path.name for path in out.iterdir()
    }
    assert "seconds: read" in done.stdout
    assert str(out / "report.html") in done.stdout
