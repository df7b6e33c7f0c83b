"""Packages that Slicer does not ship: which are missing, and how they are installed once the user has agreed.

Nothing is imported or installed when this module is. torch comes through the PyTorch extension, which picks the build
for the computer's GPU; all else through pip under constraints that keep what Slicer ships as it is.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from XrayToCTLib.errors import XrayToCTError

# pip must never replace these: Slicer's own libraries were built against them.
_KEPT = ("numpy", "scipy", "SimpleITK", "vtk", "pydicom", "pillow", "requests")


@dataclass(frozen=True)
class Package:
    """A package: the name to import, and what pip is asked for."""

    name: str
    requirement: str


PACKAGES = (
    Package("torch", "torch>=2.12"),
    Package("safetensors", "safetensors>=0.4"),
    Package("pydicom", "pydicom>=3"),
    Package("PIL", "pillow"),
)


def missing_packages() -> tuple[Package, ...]:
    """The packages that this Python does not find. None is imported."""
    importlib.invalidate_caches()
    return tuple(package for package in PACKAGES if importlib.util.find_spec(package.name) is None)


def constraints_text() -> str:
    """A constraints file of pip that keeps what Slicer ships at the versions that are here."""
    lines = []
    for name in _KEPT:
        try:
            lines.append(f"{name}=={importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    return "\n".join(lines) + "\n"


def install(packages: Sequence[Package], wheels: Path | None = None) -> None:
    """Installs packages into Slicer's Python. Ask the user first: this neither asks nor can be cancelled.

    Args:
        packages: what `missing_packages` named.
        wheels: a folder of wheel files; where it is given, nothing is fetched from the network.

    Raises:
        XrayToCTError: the installation failed.
    """
    names = ", ".join(package.name for package in packages)
    with tempfile.TemporaryDirectory(prefix="XrayToCT-") as folder:
        constraints = Path(folder) / "constraints.txt"
        constraints.write_text(constraints_text(), encoding="utf-8")
        try:
            if wheels is not None:
                offline = ["--no-index", "--find-links", str(wheels)]
                _pip_install([*offline, *(package.requirement for package in packages)], constraints)
                return
            for package in packages:
                if package.name == "torch":
                    _install_torch()
                else:
                    _ensure(package.requirement, constraints)
        except XrayToCTError:
            raise
        except Exception as error:  # pip, the PyTorch extension and Slicer each raise their own kinds
            raise XrayToCTError(
                f"{names} could not be installed ({' '.join(str(error).split())[:200]}); check the network, or install "
                "from a folder of wheels as the user guide says."
            ) from error


def _install_torch() -> None:
    try:
        from PyTorchUtils import PyTorchUtilsLogic
    except ImportError as error:
        raise XrayToCTError(
            "The PyTorch extension is not installed; install it with Slicer's Extensions Manager, or install from a "
            "folder of wheels."
        ) from error
    # The panel has asked already, so the extension must not ask again.
    if PyTorchUtilsLogic().installTorch(askConfirmation=False, torchVersionRequirement=">=2.12") is None:
        raise XrayToCTError("PyTorch was not installed; see Slicer's log, or install from a folder of wheels.")


def _ensure(requirement: str, constraints: Path) -> None:
    """Through slicer.packaging, which Slicer has from 5.12 on, else through slicer.util."""
    try:
        packaging = importlib.import_module("slicer.packaging")
    except ImportError:
        _pip_install([requirement], constraints)
        return
    packaging.pip_ensure([requirement], constraints=str(constraints), prompt_install=False, requester="XrayToCT")


def _pip_install(arguments: list[str], constraints: Path) -> None:
    import slicer

    slicer.util.pip_install(["--constraint", str(constraints), *arguments])
