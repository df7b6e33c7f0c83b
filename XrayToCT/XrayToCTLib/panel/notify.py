"""A signal in plain Python: Qt's own are not safe to define in scripted modules."""

from collections.abc import Callable


class Signal:
    """Calls every connected function, in the order of their connection."""

    def __init__(self) -> None:
        self._functions: list[Callable[[], None]] = []

    def connect(self, function: Callable[[], None]) -> None:
        self._functions.append(function)

    def emit(self) -> None:
        for function in tuple(self._functions):
            function()
