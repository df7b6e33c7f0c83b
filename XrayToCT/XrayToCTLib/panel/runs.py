"""Whose work is going on."""

from XrayToCTLib.panel.notify import Signal
from XrayToCTLib.panel.pump import Pump
from XrayToCTLib.slicer_logic import SlicerLogic


class Runs:
    """At most one run of the panel at a time, of an owner such as "generate"; short requests need no owner.

    ``changed`` is emitted when a run begins or ends.
    """

    def __init__(self, logic: SlicerLogic, pump: Pump) -> None:
        self.changed = Signal()
        self.owner = ""
        self._logic, self._pump = logic, pump
        pump.idle.connect(self._ended)

    def begin(self, owner: str) -> None:
        """To be called once the owner's work was submitted."""
        self.owner = owner
        self.changed.emit()

    def cancel(self) -> None:
        """Ends everything that is going on, short requests too."""
        self._logic.cancel()
        self._pump.poll()

    def _ended(self) -> None:
        if self.owner:
            self.owner = ""
            self.changed.emit()
