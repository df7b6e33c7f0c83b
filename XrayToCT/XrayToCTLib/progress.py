"""How far a job is and how long it will take: from what its stages usually take, and what they took last time."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from XrayToCTLib.options import GenerateOptions

#: Seconds a unit of each stage takes on one core with the compact model. Only their proportions matter until a job has
#: been timed. "step" and "sample" are units of the stages "generate" and "uncertainty", "format" of "write".
USUAL: Mapping[str, float] = MappingProxyType(
    {
        "load": 1.2,
        "read": 0.4,
        "generate": 0.3,
        "step": 2.0,
        "sample": 0.35,
        "project": 0.05,
        "classify": 0.05,
        "check": 0.55,
        "write": 0.3,
        "format": 0.3,
    }
)
_TELLING = 0.05  # the fraction from which a job's own time tells more than a guess


@dataclass(frozen=True)
class Progress:
    """Where a job is: its stage, the fraction of the whole in [0, 1], and seconds left (None: cannot be told yet)."""

    stage: str
    fraction: float
    seconds_left: float | None


def expected_seconds(
    options: GenerateOptions, pace: Mapping[str, float] = USUAL, loaded: bool = False
) -> dict[str, float]:
    """Seconds by stage, in the order of the stages, at a pace as :data:`USUAL`; none to load what is ``loaded``."""
    return {
        "load": 0.0 if loaded else pace["load"],
        "read": pace["read"],
        "generate": pace["generate"] + options.refine_steps * pace["step"],
        "uncertainty": options.uncertainty_samples * pace["sample"],
        "project": pace["project"],
        "classify": pace["classify"],
        "check": pace["check"],
        "write": pace["write"] + len(options.files.formats) * pace["format"],
    }


def learned(pace: Mapping[str, float], options: GenerateOptions, seconds: Mapping[str, float]) -> dict[str, float]:
    """The pace after a job with ``options`` took ``seconds`` by stage: what it did not do keeps its proportion.

    A stage of several units is scaled as a whole, since one time cannot tell them apart.
    """
    expected = expected_seconds(options, pace)
    factors = {stage: seconds[stage] / expected[stage] for stage in seconds if expected.get(stage)}
    stages = {"step": "generate", "sample": "uncertainty", "format": "write"}
    overall = sum(seconds.get(stage, 0.0) for stage in factors) / (sum(expected[stage] for stage in factors) or 1.0)
    return {unit: value * factors.get(stages.get(unit, unit), overall) for unit, value in pace.items()}


class Timeline:
    """Turns a stage and the fraction of it that is done into a :class:`Progress` of the whole job.

    Args:
        expected: seconds by stage, in their order. timed: whether they were measured on this machine.
        clock: seconds from any start.
    """

    def __init__(
        self, expected: Mapping[str, float], timed: bool = False, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._expected, self._timed, self._clock = dict(expected), timed, clock
        self._total = sum(self._expected.values())
        self._started, self._reached = clock(), 0.0

    def at(self, stage: str, part: float) -> Progress:
        """Where the job is when ``part`` of ``stage`` is done; a stage that is not expected counts as the end."""
        before = 0.0
        for name, seconds in self._expected.items():
            if name == stage:
                before += part * seconds
                break
            before += seconds
        if before < self._reached:  # the job began again, on another device
            self._started = self._clock()
        self._reached = before
        fraction = min(1.0, before / self._total)
        elapsed = self._clock() - self._started
        pace = elapsed / before if fraction >= _TELLING else 1.0 if self._timed else None
        return Progress(stage, fraction, None if pace is None else pace * (self._total - before))
