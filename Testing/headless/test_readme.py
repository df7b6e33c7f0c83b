"""Every command in the README works: they are run as they stand, with training shortened to minutes."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from conftest import REPOSITORY

BLOCKS = re.findall(r"```bash\n(.*?)```", (REPOSITORY / "README.md").read_text(), re.DOTALL)
COMMANDS = [line for block in BLOCKS for line in block.splitlines() if line.strip()]
SHORTER = {
    "--patients 400": "--patients 12 --size 32",
    "--atlas chest.nii.gz": "",  # scans that are not shipped
    "--ct ct-64.nrrd": "",
    "--steps 1350": "--steps 4 --config test --validate-every 2",
    "fit ct-classifier": "fit ct-classifier --config test --batch 4",
    "--epochs 40": "--epochs 1",
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


def environment() -> dict[str, str]:
    """The virtual environment of this Python, active."""
    return {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


def test_the_readme_shows_the_two_commands():
    assert COMMANDS[:2] == ["make demo", "make test"]


@pytest.mark.parametrize("command", COMMANDS[2:])
def test_each_command_of_the_readme_succeeds(folder, command):
    for long, short in SHORTER.items():
        command = command.replace(long, short)
    done = subprocess.run(shlex.split(command), cwd=folder, env=environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


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
