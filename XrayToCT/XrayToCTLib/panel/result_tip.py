"""What a list of results cannot show of the chosen one, for want of room: its whole name, and how it was made."""

from typing import Any

from XrayToCTLib.panel.results import result_of, summary_of


class ResultTip:
    """The tool tip of a qMRMLNodeComboBox of results: what the box is for, and what is chosen in it."""

    def __init__(self, selector: Any) -> None:
        self._selector = selector
        self._purpose = selector.toolTip
        self._shown = ""

    def show(self, ct: Any) -> None:
        """Tells of a CT, None for none."""
        made = "" if ct is None else summary_of(result_of(ct)).made
        chosen = "" if ct is None else ct.GetName() + (f": {made}" if made else "")
        if chosen != self._shown:
            self._shown = chosen
            self._selector.setToolTip("\n".join(line for line in (self._purpose, chosen) if line))
