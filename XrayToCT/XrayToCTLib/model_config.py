"""A network's configuration from a model file that nobody vouches for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar

from XrayToCTLib.errors import ModelError

# Bounds on a configuration read from a file, so that building the network cannot take unbounded time or memory.
_MAX_SIZE = 4096
_MAX_VOLUME_SIDE = 512
_MAX_ENTRIES = 16
_MAX_ENTRY = 1024
_MAX_TEXT = 80

Config = TypeVar("Config")


def config_from_dict(cls: type[Config], values: Mapping[str, Any]) -> Config:
    """A network's configuration from the JSON object in a file that nobody vouches for.

    Every field of the dataclass must have a default, whose type the value must have. Missing fields keep their default.
    Raises ModelError where a field is unknown, of another type, or so large that building the network is unreasonable.
    """
    known = {field.name: field.default for field in fields(cls)}  # type: ignore[arg-type]
    for name, value in values.items():
        if name not in known or not _reasonable(value, known[name], _MAX_VOLUME_SIDE if name == "size" else _MAX_SIZE):
            raise ModelError(
                f"The model's configuration has an unusable {printable(name)!r}; get or import the model again."
            )
    try:
        return cls(**{name: tuple(value) if isinstance(value, list) else value for name, value in values.items()})
    except (TypeError, ValueError) as error:
        raise ModelError(f"The model's configuration is unusable ({error}); get or import the model again.") from error


def printable(value: Any) -> str:
    """One line of text of a value from a file, without control characters."""
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    return "".join(character if character.isprintable() else " " for character in text)[:200]


def _reasonable(value: Any, default: Any, largest: int) -> bool:
    """Whether a value from a file has the type of a configuration's default and a size worth building."""
    if isinstance(default, tuple):
        fewest, entry_default = (1, default[0]) if default else (0, "")  # what may be left out is a list of names
        entries = isinstance(value, (list, tuple)) and fewest <= len(value) <= _MAX_ENTRIES
        return entries and all(_reasonable(entry, entry_default, _MAX_ENTRY) for entry in value)
    if isinstance(default, str):
        return isinstance(value, str) and len(value) <= _MAX_TEXT
    if isinstance(default, int) and not isinstance(default, bool):
        return type(value) is int and 0 <= value <= largest
    return type(value) in (int, float, bool) and 0 <= value <= 1
