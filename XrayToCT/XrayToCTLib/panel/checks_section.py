"""The section Checks: a traffic light for each check of anatomy; a click shows the place."""

from pathlib import Path
from typing import Any

import qt

from XrayToCTLib.orientation import lps_and_ras
from XrayToCTLib.panel.context import PanelContext
from XrayToCTLib.panel.parameters import XrayToCTParameterNode
from XrayToCTLib.panel.results import result_of, summary_of
from XrayToCTLib.panel.texts import say
from XrayToCTLib.panel.views import look_at
from XrayToCTLib.volume_nodes import image_of

# A disc, a square and a triangle: colours alone are lost on the colour-blind.
_ICONS = Path(__file__).resolve().parents[2] / "Resources" / "Icons"
_LIGHTS = {"passed": "passed", "FAILED": "failed", "not measured": "not-measured"}


def verdict(check: dict[str, Any]) -> str:
    """The word for a check: a key of the lights."""
    if check.get("passed"):
        return "passed"
    return "not measured" if check.get("value") is None else "FAILED"


class ChecksSection:
    """The section Checks."""

    def __init__(self, context: PanelContext) -> None:
        self._context = context
        ui = self._ui = context.ui
        self._shown: str | None = None  # the result that the table shows
        self._checks: list[dict[str, Any]] = []
        self._lights = {word: _light(name) for word, name in _LIGHTS.items()}
        header = ui.checksTable.horizontalHeader()
        header.setSectionResizeMode(0, qt.QHeaderView.Stretch)
        header.setSectionResizeMode(1, qt.QHeaderView.ResizeToContents)
        ui.checksTable.connect("cellClicked(int,int)", self._clicked)
        ui.checksTable.connect("cellActivated(int,int)", self._clicked)

    def refresh(self, parameters: XrayToCTParameterNode) -> None:
        """Shows the checks of the chosen result."""
        nodes = result_of(parameters.result)
        name = None if nodes is None else nodes.result
        if name == self._shown and name is not None:
            return
        self._shown = name
        checks = summary_of(nodes).get("checks")
        self._checks = checks if isinstance(checks, list) else []
        table = self._ui.checksTable
        table.setRowCount(len(self._checks))
        for row, check in enumerate(self._checks):
            word = verdict(check)
            for column, text in enumerate((str(check.get("name")), word)):
                item = qt.QTableWidgetItem(text)
                item.setToolTip(str(check.get("message")))
                if column == 1:
                    item.setIcon(self._lights[word])
                table.setItem(row, column, item)
        passed = sum(verdict(check) == "passed" for check in self._checks)
        words = f"{passed} of {len(self._checks)} checks of the synthetic CT passed." if self._checks else ""
        say(self._ui.checksSummary, words or "There is no result yet.")
        say(self._ui.checkMessage, "")

    def close(self) -> None:
        """Nothing is held."""

    def _clicked(self, row: int, column: int) -> None:
        parameters = self._context.parameters
        if parameters is None or not 0 <= row < len(self._checks):
            return
        check = self._checks[row]
        say(self._ui.checkMessage, str(check.get("message")))
        place, ct = check.get("place_mm"), parameters.result
        if place is not None and ct is not None:
            look_at(_in_world(ct, place))


def _in_world(ct: Any, place: list[float]) -> tuple[float, float, float]:
    """A place in LPS mm from the CT's centre, in the scene's world."""
    image = image_of(ct)
    middle = image.TransformContinuousIndexToPhysicalPoint([(size - 1) / 2 for size in image.GetSize()])
    world = [0.0, 0.0, 0.0]
    ct.TransformPointToWorld(list(lps_and_ras([m + p for m, p in zip(middle, place, strict=True)])), world)
    return world[0], world[1], world[2]


def _light(name: str) -> Any:
    picture = qt.QPixmap(str(_ICONS / f"XrayToCT-{name}.png"))
    icon = qt.QIcon(picture)
    icon.addPixmap(picture, qt.QIcon.Selected)  # else the selection's colour is laid over it
    return icon
