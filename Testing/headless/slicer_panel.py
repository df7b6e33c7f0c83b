"""The module's panel on the stand-in for Slicer, with real clicks (no tests here; the fixtures are in conftest)."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from conftest import REPOSITORY
from slicer_host import process_events, wait_until

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
        settle()

    def choose(self, name: str, words: str) -> None:
        """Chooses an entry of a combo box by its words."""
        box = getattr(self.ui, name)
        index = box.findText(words)
        assert index >= 0, f"{name} has no {words!r}"
        box.setCurrentIndex(index)
        process_events(0)

    def click_cell(self, name: str, row: int, column: int) -> None:
        """Clicks into a table with the mouse."""
        from PySide6 import QtCore, QtTest

        from slicer_host.pythonqt import backing_of

        table = backing_of(getattr(self.ui, name))
        place = table.visualItemRect(table.item(row, column)).center()
        QtTest.QTest.mouseClick(table.viewport(), QtCore.Qt.MouseButton.LeftButton, pos=place)
        process_events(0)

    def take(self, path: Path) -> None:
        """Types the path of an X-ray."""
        self.ui.xrayPathEdit.setCurrentPath(str(path))
        process_events(0)

    def wait_for(self, condition: Callable[[], bool], seconds: float = 60) -> None:
        wait_until(condition, seconds)

    def wait_until_idle(self) -> None:
        wait_until(lambda: not self.widget.logic.is_busy, 60)
        settle()

    def generate(self, path: Path) -> None:
        self.take(path)
        self.click("applyButton")
        self.wait_until_idle()

    def requests(self, job: str) -> list[dict]:
        """What the worker was asked for."""
        log = self.made / "requests.jsonl"
        lines = log.read_text().splitlines() if log.exists() else []
        return [request for request in map(json.loads, lines) if request["job"] == job]


def settle() -> None:
    """Lets what goes on in turns of the event loop come to its end: so many turns, however long they take."""
    for _ in range(20):
        process_events(0)
