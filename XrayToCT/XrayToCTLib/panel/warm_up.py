"""Imports ahead of time what the panel will need when a result arrives, so that it does not stand still then."""

import importlib
import threading

_NEEDED = ("XrayToCTLib.dicom_reading", "scipy.ndimage")
_done = threading.Event()


def warm_up() -> None:
    """Begins once, beside what else is going on; called when work starts, never when the module is loaded."""
    if not _done.is_set():
        _done.set()
        threading.Thread(target=_import_all, daemon=True).start()


def _import_all() -> None:
    for name in _NEEDED:
        importlib.import_module(name)
