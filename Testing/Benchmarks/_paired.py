"""Times pieces of work against each other in one run."""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple


class PairedTimes(NamedTuple):
    """Median seconds of each, and the median over the pairs of second / first (how much faster the first is)."""

    first: float
    second: float
    ratio: float


def paired_times(first: Callable[[], object], second: Callable[[], object], runs: int) -> PairedTimes:
    """Run two callables alternately, so that the machine's other load meets both alike, after one unmeasured pair.

    Each pair runs in the opposite order of the pair before it. On a GPU the callables have to synchronise.

    Raises:
        ValueError: `runs` is less than 1.
    """
    if runs < 1:
        raise ValueError(f"need at least one run, got {runs}")
    seconds: tuple[list[float], list[float]] = ([], [])
    for run in range(-1, runs):
        for which in (0, 1) if run % 2 else (1, 0):
            started = time.perf_counter()
            (first, second)[which]()
            if run >= 0:
                seconds[which].append(time.perf_counter() - started)
    ratios = [slow / fast for fast, slow in zip(*seconds, strict=True)]
    return PairedTimes(statistics.median(seconds[0]), statistics.median(seconds[1]), statistics.median(ratios))


def print_ratios(label: str, name: str, results: Mapping[str, Sequence[Mapping[str, float]]], peer: str) -> None:
    """A line for seconds and one for MiB: medians of a network and of its peer, and the median of the paired ratios."""
    for unit in ("seconds", "MiB"):
        ratios = [p[unit] / o[unit] for o, p in zip(results[name], results[peer], strict=True)]
        ours, theirs = (statistics.median(row[unit] for row in results[which]) for which in (name, peer))
        print(f"{label} {unit:7s}: ours {ours:8.2f}, {peer} {theirs:8.2f}, {peer}/ours {statistics.median(ratios):.2f}")
