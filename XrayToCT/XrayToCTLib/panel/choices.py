"""A combo box whose entries have a key beside the words that are shown."""

from collections.abc import Callable, Sequence


class ChoiceBox:
    """A QComboBox of (key, words) entries.

    Args:
        on_change: called with the key when the user chooses; not by `fill` and `select`.
    """

    def __init__(self, box, choices: Sequence[tuple[str, str]], on_change: Callable[[str], None]) -> None:
        self._box = box
        self._keys: list[str] = []
        self._on_change = on_change
        self.fill(choices)
        box.connect("currentIndexChanged(int)", self._changed)

    @property
    def key(self) -> str:
        """The key of the chosen entry; empty without entries."""
        index = self._box.currentIndex
        return self._keys[index] if 0 <= index < len(self._keys) else ""

    @property
    def keys(self) -> tuple[str, ...]:
        return tuple(self._keys)

    def fill(self, choices: Sequence[tuple[str, str]]) -> None:
        """Replaces the entries; the chosen key stays chosen where it is still there."""
        chosen = self.key
        was_blocked = self._box.blockSignals(True)
        self._box.clear()
        self._keys = [key for key, _ in choices]
        for _, words in choices:
            self._box.addItem(words)
        self._box.blockSignals(was_blocked)
        self.select(chosen)

    def select(self, key: str) -> None:
        """Shows an entry; the first where there is none with the key."""
        was_blocked = self._box.blockSignals(True)
        self._box.setCurrentIndex(self._keys.index(key) if key in self._keys else min(0, len(self._keys) - 1))
        self._box.blockSignals(was_blocked)

    def _changed(self, index: int) -> None:
        if 0 <= index < len(self._keys):
            self._on_change(self._keys[index])
