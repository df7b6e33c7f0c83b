"""What the host puts where Python programs look for Slicer's modules, and takes away again."""

from __future__ import annotations

import os
import sys
from types import ModuleType
from typing import Any

_ABSENT = object()


class Installation:
    """Entries of sys.modules, attributes of modules and variables of the environment, taken back as one."""

    def __init__(self) -> None:
        self._entries: list[tuple[Any, str, Any]] = []
        self._before: list[Any] = []

    def module(self, name: str, module: ModuleType) -> None:
        """Make a module importable, as an attribute of its package too."""
        self._put(sys.modules, name, module)
        package, _, last = name.rpartition(".")
        if package:
            self.attribute(sys.modules[package], last, module)

    def attribute(self, owner: ModuleType, name: str, value: Any) -> None:
        self._put(vars(owner), name, value)

    def variable(self, name: str, value: str) -> None:
        self._put(os.environ, name, value)

    def _put(self, where: Any, name: str, value: Any) -> None:
        self._entries.append((where, name, value))
        self._before.append(where.get(name, _ABSENT))
        where[name] = value

    def remove(self) -> None:
        """Everything as it was before."""
        for (where, name, _), before in zip(reversed(self._entries), reversed(self._before), strict=True):
            if before is _ABSENT:
                where.pop(name, None)
            else:
                where[name] = before

    def restore(self) -> None:
        """Everything in place again, the same objects."""
        entries, self._entries, self._before = self._entries, [], []
        for entry in entries:
            self._put(*entry)
