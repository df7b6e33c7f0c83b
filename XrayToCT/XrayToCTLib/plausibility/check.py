"""One result of a check of anatomy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Check:
    """One check of a volume.

    Attributes:
        name: what is checked; unique among the checks of a volume.
        passed: the verdict; False also where nothing could be measured.
        value: what was measured, None where it could not be.
        message: one sentence with the value, its unit and what was expected.
        limits: lowest and highest ``value`` that passes, both allowed; None where that end is open.
        place_mm: where to look, LPS in mm from the volume's centre; None where no place is meant.
    """

    name: str
    passed: bool
    value: float | None
    message: str
    limits: tuple[float | None, float | None] = (None, None)
    place_mm: tuple[float, float, float] | None = None

    def around(self, centre_mm: tuple[float, float, float]) -> Check:
        """The same check of a volume whose centre lies there (LPS, in mm): places are in the patient's space then."""
        if self.place_mm is None:
            return self
        x, y, z = (place + centre for place, centre in zip(self.place_mm, centre_mm, strict=True))
        return replace(self, place_mm=(x, y, z))


@dataclass(frozen=True)
class Limits:
    """Values that pass, both ends allowed; an end that is None is open."""

    low: float | None = None
    high: float | None = None

    def hold(self, value: float) -> bool:
        return (self.low is None or value >= self.low) and (self.high is None or value <= self.high)


def judged(
    name: str, value: float, limits: Limits, message: str, place_mm: Sequence[float] | None = None, also: bool = True
) -> Check:
    """The check of a measured value: passed within the limits, if what the value does not tell is right ``also``."""
    place = None if place_mm is None else (float(place_mm[0]), float(place_mm[1]), float(place_mm[2]))
    return Check(name, bool(limits.hold(value) and also), float(value), message, (limits.low, limits.high), place)


def unmeasured(name: str, limits: Limits, message: str) -> Check:
    """The check of what could not be measured: failed, without a value."""
    return Check(name, False, None, message, (limits.low, limits.high))
