"""The timer that listens to the worker while there is work."""

from typing import Any

import qt

from XrayToCTLib.panel.notify import Signal

POLL_MILLISECONDS = 50


class Pump:
    """Calls ``poll`` of a `slicer_logic.SlicerLogic` until it is not busy any more; then ``idle`` is emitted."""

    def __init__(self, logic: Any) -> None:
        self.idle = Signal()
        self._logic = logic
        self._timer = qt.QTimer()
        self._timer.setInterval(POLL_MILLISECONDS)
        self._timer.connect("timeout()", self.poll)

    def start(self) -> None:
        self._timer.start()

    def stop(self) -> None:
        self._timer.stop()

    def poll(self) -> None:
        """What the timer does."""
        try:
            self._logic.poll()
        finally:
            if not self._logic.is_busy:
                self._timer.stop()
                self.idle.emit()
