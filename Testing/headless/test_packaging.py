"""The packaged extension: what CMake lists, where Slicer's macros put it, and the command lines run from there alone.

Slicer itself is not at hand: ``slicer_cmake`` says what stands for its CMake, and this interpreter stands for
PythonSlicer.
"""

import json
import os
import re
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path

import cmake
import pytest

from conftest import REPOSITORY

SLICER_CMAKE = Path(__file__).parent / "slicer_cmake"
# The folder with a CMakeLists.txt, and the package in it.
PACKAGED = {"XrayToCT": "XrayToCT/XrayToCTLib", "XrayToCTTraining": "XrayToCTTraining"}
MODULES = "lib/Slicer-5.10/qt-scripted-modules"

Run = Callable[..., subprocess.CompletedProcess[str]]


def files_in(folder: Path) -> set[Path]:
    """Files that belong to the package: caches and hidden files do not, nor does the list itself."""
    return {
        path.relative_to(folder)
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.name != "CMakeLists.txt" and path.name[0] != "."
    }


def listed(folder: str, variable: str) -> list[str]:
    """The files of one list in a folder's CMakeLists.txt."""
    text = (REPOSITORY / folder / "CMakeLists.txt").read_text(encoding="utf-8")
    found = re.search(rf"set\({variable}\n(.*?)\n\s*\)", text, re.DOTALL)
    assert found, f"no list {variable}"
    return found[1].split()


def run_cmake(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Runs the CMake of PyPI's wheel."""
    program = Path(cmake.CMAKE_BIN_DIR) / "cmake"
    return subprocess.run([program, *map(str, arguments)], capture_output=True, text=True)


def configure(source: Path, build: Path, *more: str) -> subprocess.CompletedProcess[str]:
    """Configures with the stand-in. CMake looks for compilers, but compiles nothing: any program passes for one."""
    definitions = [f"-DSlicer_DIR={SLICER_CMAKE}"]
    for compiler in ("CMAKE_C_COMPILER", "CMAKE_CXX_COMPILER"):
        definitions += [f"-D{compiler}={sys.executable}", f"-D{compiler}_FORCED=ON", f"-D{compiler}_ID_RUN=ON"]
    return run_cmake("-S", source, "-B", build, "-G", "Unix Makefiles", *definitions, *more)


@pytest.fixture(scope="module")
def packaged_tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of scripted modules of an installed extension."""
    root = tmp_path_factory.mktemp("extension")
    for step in (
        configure(REPOSITORY, root / "build"),
        run_cmake("--build", root / "build"),
        run_cmake("--install", root / "build", "--prefix", root / "installed"),
    ):
        assert step.returncode == 0, step.stdout + step.stderr
    return root / "installed" / MODULES


@pytest.fixture(scope="module")
def run_packaged(packaged_tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Runs Python in an empty folder with the packaged tree on its path, as PythonSlicer has it.

    ``-S`` keeps .pth files from being read, so that the editable installation of this checkout is out of reach even
    for a module that the tree lacks; the folders of the other packages, which PythonSlicer has by itself, are named.
    """
    folder = tmp_path_factory.mktemp("elsewhere")
    packages = dict.fromkeys(sysconfig.get_path(name) for name in ("purelib", "platlib"))
    path = os.pathsep.join([str(packaged_tree), *packages])
    environment = {**os.environ, "PYTHONPATH": path, "XRAYTOCT_MODELS": "", "XRAYTOCT_CACHE": os.devnull}

    def call(*arguments: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-S", *map(str, arguments)]
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done

    return call


@pytest.mark.parametrize("folder", PACKAGED)
def test_cmake_lists_every_file_of_the_package_once_and_no_other(folder: str) -> None:
    scripts, resources = (listed(folder, f"MODULE_PYTHON_{kind}") for kind in ("SCRIPTS", "RESOURCES"))
    present = {path.as_posix() for path in files_in(REPOSITORY / folder)}
    names = {*scripts, *resources}
    assert not present - names, f"not in {folder}/CMakeLists.txt: {sorted(present - names)}"
    assert not names - present, f"in {folder}/CMakeLists.txt, but not in the folder: {sorted(names - present)}"
    assert len(names) == len(scripts) + len(resources)
    assert {Path(name).suffix for name in scripts} == {".py"}
    assert ".py" not in {Path(name).suffix for name in resources}


def test_pip_installs_the_same_packages_as_cmake() -> None:
    text = (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")  # tomllib is in Python 3.11 only
    named = re.search(r"^packages = (\[.*?\])", text[text.index("[tool.setuptools]") :], re.DOTALL | re.MULTILINE)
    assert named
    roots = [REPOSITORY / folder for folder in PACKAGED.values()]
    present = {init.parent.relative_to(root.parent) for root in roots for init in root.rglob("__init__.py")}
    assert sorted(json.loads(named[1])) == sorted(".".join(path.parts) for path in present)


def test_pip_installs_the_same_resources_as_cmake() -> None:
    text = (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")
    section = text[text.index("[tool.setuptools.package-data]") :].split("\n[", 2)[0]
    patterns = dict(re.findall(r"^(\w+) = (\[.*\])$", section, re.MULTILINE))
    for folder, package in PACKAGED.items():
        root = REPOSITORY / package
        found = {path for pattern in json.loads(patterns[root.name]) for path in root.glob(pattern)}
        resources = {REPOSITORY / folder / name for name in listed(folder, "MODULE_PYTHON_RESOURCES")}
        assert found == {path for path in resources if path.is_relative_to(root)}


def test_slicer_is_given_the_tests_that_run_inside_it(tmp_path: Path) -> None:
    done = configure(REPOSITORY, tmp_path / "build", "-DBUILD_TESTING=ON")
    assert done.returncode == 0, done.stderr
    names = {path.stem for path in (REPOSITORY / "Testing" / "Python").glob("test_*.py")}
    registered = (tmp_path / "build" / "Testing" / "Python" / "CTestTestfile.cmake").read_text()
    assert names
    assert all(f"py_{name}" in registered for name in names)


@pytest.mark.parametrize(
    ("call", "complaint"),
    [
        ("WITH_FOLDER NAME A SCRIPTS a.py", "unknown keywords"),
        ("SCRIPTS a.py", "NAME is mandatory"),
        ("NAME A SCRIPTS a.py RESOURCES absent.yaml", "nonexistent file 'absent.yaml'"),
    ],
)
def test_the_stand_in_refuses_what_slicer_refuses(call: str, complaint: str, tmp_path: Path) -> None:
    (tmp_path / "a.py").touch()
    (tmp_path / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.20.6)\nproject(A NONE)\nfind_package(Slicer REQUIRED)\n"
        f"include(${{Slicer_USE_FILE}})\nslicerMacroBuildScriptedModule({call})\n"
    )
    done = configure(tmp_path, tmp_path / "build")
    assert done.returncode != 0
    assert complaint in " ".join(done.stderr.split())


def test_both_packages_lie_side_by_side_in_slicers_folder_with_every_byte(packaged_tree: Path) -> None:
    names = {"XrayToCT.py", "Resources", "XrayToCTLib", "XrayToCTTraining"}
    assert {path.name for path in packaged_tree.iterdir()} == names
    assert (packaged_tree / "XrayToCT.py").read_bytes() == (REPOSITORY / "XrayToCT" / "XrayToCT.py").read_bytes()
    for package in map(Path, ("XrayToCT/Resources", *PACKAGED.values())):
        source, target = REPOSITORY / package, packaged_tree / package.name
        assert files_in(target) == files_in(source)
        for name in files_in(source):
            assert (target / name).read_bytes() == (source / name).read_bytes(), name


def test_every_packaged_module_imports_from_the_packaged_tree_alone(packaged_tree: Path, run_packaged: Run) -> None:
    program = """
import importlib, pkgutil, sys
for name in ("XrayToCTLib", "XrayToCTTraining"):
    for module in pkgutil.walk_packages(importlib.import_module(name).__path__, name + "."):
        if not module.name.startswith("XrayToCTLib.panel."):
            importlib.import_module(module.name)
print(*(module.__file__ for name, module in sys.modules.items() if name.startswith("XrayToCT")), sep="\\n")
"""
    origins = [Path(line) for line in run_packaged("-c", program).stdout.splitlines()]
    scripts = [name for folder in PACKAGED for name in listed(folder, "MODULE_PYTHON_SCRIPTS")]
    slicers = [name for name in scripts if name == "XrayToCT.py" or name.startswith("XrayToCTLib/panel/")]
    assert len(origins) == len(scripts) - len(slicers) + 1  # the panel's __init__ imports nothing
    assert all(origin.is_relative_to(packaged_tree) for origin in origins)


def test_the_runtime_command_line_finds_the_packaged_weights(packaged_tree: Path, run_packaged: Run) -> None:
    listing = run_packaged("-m", "XrayToCTLib", "models", "list").stdout
    for weights in (packaged_tree / "XrayToCTLib" / "weights").glob("*.safetensors"):
        assert str(weights) in listing


def test_the_training_command_line_runs_packaged(run_packaged: Run, tmp_path: Path) -> None:
    assert "simulate" in run_packaged("-m", "XrayToCTTraining", "--help").stdout
    pairs = tmp_path / "pairs"
    run_packaged("-m", "XrayToCTTraining", "simulate", pairs, "--patients", 2, "--size", 32, "--seed", 1)
    assert (pairs / "manifest.csv").is_file()
    # the preset is a packaged YAML file
    run = tmp_path / "run"
    fit = ["fit", "reconstruction", "--preset", "test", "--induction_epochs", 0, "--pairs", pairs, "--run", run]
    run_packaged("-m", "XrayToCTTraining", *fit)
    assert (run / "checkpoint.pt").is_file()
