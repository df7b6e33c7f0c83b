"""Labels that take no room while they say nothing."""

from typing import Any


def say(label: Any, text: str) -> None:
    """Shows a sentence; without one the label goes away."""
    label.setText(text)
    label.setVisible(bool(text))
