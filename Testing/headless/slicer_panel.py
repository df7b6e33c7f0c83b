"""The module's panel on the stand-in for Slicer, with real clicks (no tests here; a fixture and helpers)."""

import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conftest import REPOSITORY

pytest.importorskip("PySide6", reason="PySide6-Essentials is not installed")
pytest.importorskip("slicer", reason="slicer-core is not installed")

from slicer_host import load_module, process_events, recorded, start, unload_module, wait_until

MODULE = REPOSITORY / "XrayToCT" / "XrayToCT.py"


class PanelDriver:
    """What a user does with the panel, and what is in the scene.

    widget: the module's `XrayToCTWidget`. ui: the panel's widgets by name. made: the scripted worker's folder.
    """

    def __init__(self, widget: Any, made: Path) -> None:
        self.widget, self.ui, self.made = widget, widget.ui, made

    @property
    def parameters(self) -> Any:
        return self.widget._panel._context.parameters

    def click(self, name: str) -> None:
        button = getattr(self.ui, name)
        assert button.enabled, f"{name} is disabled"
        button.click()
        process_events(0)

    def choose(self, name: str, words: str) -> None:
        """Chooses an entry of a combo box by its words."""
        box = getattr(self.ui, name)
        index = box.findText(words)
        assert index >= 0, f"{name} has no {words!r}"
        box.setCurrentIndex(index)
        process_events(0)

    def take(self, path: Path) -> None:
        """Types the path of an X-ray."""
        self.ui.xrayPathEdit.setCurrentPath(str(path))
        process_events(0)

    def wait_for(self, condition: Callable[[], bool], seconds: float = 60) -> None:
        wait_until(condition, seconds)

    def wait_until_idle(self) -> None:
        wait_until(lambda: not self.widget.logic.is_busy, 60)
        process_events(0)

    def generate(self, path: Path) -> None:
        self.take(path)
        self.click("applyButton")
        self.wait_until_idle()

    def requests(self, job: str) -> list[dict]:
        """What the worker was asked for."""
        log = self.made / "requests.jsonl"
        lines = log.read_text().splitlines() if log.exists() else []
        return [request for request in map(json.loads, lines) if request["job"] == job]


@pytest.fixture(scope="session")
def made_result(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the worker writes of an X-ray, made without a network."""
    from made_results import write_results
    from XrayToCTLib.pictures import write_png

    folder = write_results(tmp_path_factory.mktemp("made"))
    write_png(folder / "xray.png", np.zeros((128, 128), np.uint8), synthetic=False)
    return folder


@pytest.fixture(scope="session")
def module_widget() -> Any:
    """The module's widget, as Slicer makes it: once."""
    start()
    return load_module(MODULE)


@pytest.fixture
def panel(module_widget: Any, made_result: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PanelDriver]:
    """The panel over an empty scene, with a scripted worker."""
    import slicer

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


def longest_gap(work: Callable[[], None]) -> float:
    """Seconds of this thread's own computing time for which the event loop stood still at most while ``work`` ran it.

    Computing time, since a busy machine would fail any other clock.
    """
    import qt

    ticks = [time.thread_time()]
    timer = qt.QTimer()
    timer.setInterval(1)
    timer.connect("timeout()", lambda: ticks.append(time.thread_time()))
    timer.start()
    work()
    timer.stop()
    return max(np.diff([*ticks, time.thread_time()]))


__all__ = ["MODULE", "PanelDriver", "longest_gap", "made_result", "module_widget", "panel", "unload_module"]
