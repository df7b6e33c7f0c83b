"""The section Follow-up: two results beside each other, linked, with the change."""

from typing import Any

import slicer

from XrayToCTLib.errors import XrayToCTError
from XrayToCTLib.follow_up import Change, add_change
from XrayToCTLib.layouts import FOLLOW_UP_LAYOUT, show_follow_up
from XrayToCTLib.panel.context import PanelContext
from XrayToCTLib.panel.parameters import XrayToCTParameterNode
from XrayToCTLib.panel.result_tip import ResultTip
from XrayToCTLib.panel.results import result_of
from XrayToCTLib.panel.texts import say
from XrayToCTLib.panel.views import in_turns, show_layout
from XrayToCTLib.scene import SceneNodes


def change_words(change: Change) -> str:
    """A change in words, with what to keep in mind."""
    size, word = f"{abs(change.mean_hu):.0f} HU", "denser" if change.mean_hu > 0 else "less dense"
    how = "as dense as the earlier one" if size == "0 HU" else f"{size} {word}"
    lines = [
        f"The later synthetic CT is {how} on average; voxels of the body changed by "
        f"{change.mean_absolute_hu:.0f} HU on average.",
    ]
    if change.beyond_error is not None:
        lines.append(f"{change.beyond_error:.0%} of them changed by more than twice the expected error.")
    return "\n".join([*lines, *change.warnings])


class FollowUpSection:
    """The section Follow-up."""

    def __init__(self, context: PanelContext) -> None:
        self._context = context
        self._ui = context.ui
        self._tips = ResultTip(context.ui.earlierSelector), ResultTip(context.ui.laterSelector)
        context.ui.followUpButton.connect("clicked()", self._show)

    def refresh(self, parameters: XrayToCTParameterNode) -> None:
        """Shows what can be done."""
        earlier, later = parameters.earlier, parameters.later
        for tip, ct in zip(self._tips, (earlier, later), strict=True):
            tip.show(ct)
        self._ui.followUpButton.setEnabled(earlier is not None and later is not None and earlier is not later)

    def close(self) -> None:
        """Nothing is held."""

    def _show(self) -> None:
        parameters = self._context.parameters
        if parameters is None:
            return
        earlier, later = result_of(parameters.earlier), result_of(parameters.later)
        if earlier is None or later is None:
            say(self._ui.followUpText, "Choose two results of this module; generate a CT of each X-ray first.")
            return
        try:
            change = add_change(earlier, later)
        except XrayToCTError as error:
            say(self._ui.followUpText, str(error))
            return
        in_turns([lambda: show_layout(FOLLOW_UP_LAYOUT), lambda: self._fill_views(earlier, later, change.node)])
        say(self._ui.followUpText, change_words(change))

    @staticmethod
    def _fill_views(earlier: SceneNodes, later: SceneNodes, change: Any) -> None:
        shown = (earlier.ct, later.ct, change)
        if all(slicer.mrmlScene.IsNodePresent(volume) for volume in shown):  # they may be gone by now
            show_follow_up(earlier, later, change)
