"""Where models lie. Free of torch, so that the Slicer module can name and empty the user's folder."""

from __future__ import annotations

import os
import sys
from pathlib import Path

PACKAGE_WEIGHTS = Path(__file__).resolve().parent / "weights"


def user_folder() -> Path:
    """The user's own folder of models: $XRAYTOCT_CACHE, else the platform's cache folder."""
    if chosen := os.environ.get("XRAYTOCT_CACHE"):
        return Path(chosen).expanduser()
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "xray-to-ct" / "models"


def search_path() -> list[Path]:
    """Folders in the order of search: those of $XRAYTOCT_MODELS, the user's folder, the package's weights."""
    chosen = [Path(part).expanduser() for part in os.environ.get("XRAYTOCT_MODELS", "").split(os.pathsep) if part]
    return [*chosen, user_folder(), PACKAGE_WEIGHTS]


def imported_files() -> list[Path]:
    """What the user's folder holds: models, their cards and checksums; nothing of any other kind."""
    try:
        entries = [Path(entry.path) for entry in os.scandir(user_folder()) if entry.is_file(follow_symlinks=False)]
    except OSError:
        return []
    models = [path for path in entries if path.suffix == ".safetensors"]
    belonging = {path.with_suffix(".md") for path in models} | {user_folder() / "SHA256SUMS"}
    return sorted([*models, *(path for path in entries if models and path in belonging)])


def remove_imported_files() -> int:
    """Deletes `imported_files` and returns how many bytes that freed.

    Raises:
        OSError: a file could not be deleted.
    """
    freed = 0
    for path in imported_files():
        size = path.stat().st_size
        path.unlink()
        freed += size
    return freed
