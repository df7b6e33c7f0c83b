"""A line for a path, also when it is emptied."""

from collections.abc import Callable
from typing import Any


def follow_path(line: Any, on_change: Callable[[str], None]) -> None:
    """Calls a function with each new path of a ctkPathLineEdit.

    The line tells of no empty path, since that is no valid one: only that its input has become invalid.
    """
    line.connect("currentPathChanged(QString)", on_change)
    line.connect("validInputChanged(bool)", lambda is_valid: None if is_valid else on_change(line.currentPath))
