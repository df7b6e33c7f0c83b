"""How often the checks of anatomy are wrong: false alarms on good chests, and planted faults that they find."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np

from XrayToCTLib.ct_reading import read_ct
from XrayToCTLib.errors import UnsuitableInput
from XrayToCTLib.hounsfield import HU_OFFSET, HU_RANGE
from XrayToCTLib.plausibility import Check, check_volume
from XrayToCTLib.volume import network_from_ct
from XrayToCTTraining.data.cohort import Case, Cohort
from XrayToCTTraining.data.ct_preparation import prepared_ct
from XrayToCTTraining.planted_faults import Subject, faults
from XrayToCTTraining.simulation.atlas import load_atlas, warp_atlas

SIZE, SIDE_MM = 128, 320.0

_FIRST_WARP = 1_000_000  # seeds that no simulated cohort is likely to use


@dataclass
class Tally:
    """What the checks said of one group of volumes.

    Attributes:
        volumes: how many there are. alarmed: how many of them failed any check. alarms: how many failed each check.
        rightly: how many failed only that the body is cut off, and by their truth are.
        planted: how often each fault could be planted. found: how often one of the fault's own checks then failed.
        noticed: how often any check did.
    """

    volumes: int = 0
    alarmed: int = 0
    rightly: int = 0
    alarms: Counter[str] = field(default_factory=Counter)
    planted: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    noticed: Counter[str] = field(default_factory=Counter)


def failing(volume: np.ndarray, side_mm: float) -> list[Check]:
    return [check for check in check_volume(volume, (side_mm,) * 3) if not check.passed]


def tally(subjects: Iterable[Subject], with_faults: int, say: Callable[[str], None] = lambda text: None) -> Tally:
    """Checks every subject as it is, and the first ``with_faults`` with each fault in turn."""
    result = Tally()
    for number, subject in enumerate(subjects):
        side_mm = subject.volume.shape[0] * subject.voxel_mm
        failed = {check.name for check in failing(subject.volume, side_mm)}
        result.volumes += 1
        result.alarmed += bool(failed)
        result.alarms.update(failed)
        result.rightly += failed == {"body not cut off"} and is_cut_off(subject)
        if number < with_faults and subject.lungs.any():
            _plant(subject, side_mm, number, result)
        say(f"volume {number + 1}: {', '.join(sorted(failed)) or 'passed'}")
    return result


def is_cut_off(subject: Subject) -> bool:
    """Whether the body, by its truth, covers over 30 % of a side of the volume, or over 5 % of its front or back."""
    body = subject.body
    return max(body[:, :, 0].mean(), body[:, :, -1].mean()) > 0.3 or max(body[0].mean(), body[-1].mean()) > 0.05


def _plant(subject: Subject, side_mm: float, number: int, result: Tally) -> None:
    for name, fault in faults().items():
        rng = np.random.default_rng([number, crc32(name.encode())])
        volume = fault.plant(subject, rng)
        if volume is None:
            continue
        failed = {check.name for check in failing(volume, side_mm)}
        result.planted[name] += 1
        result.found[name] += bool(failed & set(fault.found_by))
        result.noticed[name] += bool(failed)


def patients(cohort: Cohort, healthy: bool, count: int) -> Iterator[Subject]:
    """The first healthy, or diseased, patients of a cohort that have a CT.

    Raises:
        UnsuitableInput: there is none.
    """
    cases = [case for case in cohort.cases if case.has_ct and case.label and (case.label == "healthy") == healthy]
    if not cases:
        kind = "healthy" if healthy else "diseased"
        raise UnsuitableInput(f"{cohort.folder} has no {kind} case with a CT; simulate some.")
    return (_patient(cohort, case) for case in cases[:count])


def _patient(cohort: Cohort, case: Case) -> Subject:
    hu, structures = cohort.hu(case), cohort.structures(case)
    nothing = np.zeros(hu.shape, bool)
    return Subject(
        _network(hu), structures.get("lungs", nothing), structures.get("body", nothing), case.side_mm / len(hu)
    )


def warps(path: Path, count: int) -> Iterator[Subject]:
    """Healthy patients that are warps of a real CT."""
    atlas = load_atlas(path, SIZE, SIDE_MM)
    for seed in range(_FIRST_WARP, _FIRST_WARP + count):
        patient = warp_atlas(atlas, seed, SIZE, SIDE_MM)
        yield Subject(_network(patient.hu), patient.masks["lungs"], patient.masks["body"], SIDE_MM / SIZE)


def _network(hu: np.ndarray) -> np.ndarray:
    return np.clip((hu.astype(np.float32) + HU_OFFSET) / HU_RANGE, 0, 1)


@dataclass(frozen=True)
class RealCT:
    """The checks that a CT from a file fails: whole, as it is, and as a generator's truth would be prepared from it."""

    name: str
    as_it_is: list[Check]
    prepared: list[Check]


def checked_ct(path: Path) -> RealCT:
    """Raises ``UnsuitableInput`` where the file cannot be read."""
    image = read_ct(path)
    side_mm = max(count * step for count, step in zip(image.GetSize(), image.GetSpacing(), strict=True))
    as_it_is = failing(network_from_ct(image, SIZE, side_mm), side_mm)
    return RealCT(path.name, as_it_is, failing(_network(prepared_ct(image, SIZE, round(SIDE_MM))), SIDE_MM))


def ct_rows(cts: Sequence[RealCT]) -> list[dict[str, str]]:
    """A row for each CT: the names of the checks that it fails."""
    return [{"": ct.name, "as it is": _names(ct.as_it_is), "prepared": _names(ct.prepared)} for ct in cts]


def _names(checks: Sequence[Check]) -> str:
    return ", ".join(check.name for check in checks) or "passes all"


def alarm_rows(tallies: Mapping[str, Tally]) -> list[dict[str, Any]]:
    """A row for each group: how many volumes failed any check, and each of those checks that some failed."""
    names = [check for check in _check_names() if any(one.alarms[check] for one in tallies.values())]
    rows = []
    for group, one in tallies.items():
        row: dict[str, str | int] = {"": group, "volumes": one.volumes, "any check": one.alarmed}
        rows.append(row | {"but really cut off": one.rightly} | {name: one.alarms[name] for name in names})
    return rows


def _check_names() -> list[str]:
    return [check.name for check in check_volume(np.zeros((8, 8, 8), np.float32), (SIDE_MM,) * 3)]


def fault_rows(tallies: Mapping[str, Tally]) -> list[dict[str, str]]:
    """A row for each fault that was planted: found of planted in each group, and the share found in all."""
    rows = []
    for name, fault in faults().items():
        groups = {group: f"{one.found[name]} of {one.planted[name]}" for group, one in tallies.items() if one.planted}
        planted, found, noticed = (
            sum(one[name] for one in counts)
            for counts in zip(*((t.planted, t.found, t.noticed) for t in tallies.values()), strict=True)
        )
        if planted:
            shares = {"found": f"{found / planted:.0%}", "any check fails": f"{noticed / planted:.0%}"}
            rows.append({"fault": name, **groups, **shares, "by": ", ".join(fault.found_by)})
    return rows


def flat_rows(tallies: Mapping[str, Tally], cts: Sequence[RealCT] = ()) -> list[dict[str, str | int]]:
    """For programs: a row for each group and check, group and fault, or real CT and check."""
    rows: list[dict[str, str | int]] = []
    for group, one in tallies.items():
        for name in _check_names():
            rows.append({"group": group, "kind": "false alarms", "name": name, "count": one.alarms[name]})
            rows[-1] |= {"of": one.volumes, "noticed": one.alarms[name]}
        for name in one.planted:
            rows.append({"group": group, "kind": "planted", "name": name, "count": one.found[name]})
            rows[-1] |= {"of": one.planted[name], "noticed": one.noticed[name]}
    for ct in cts:
        for kind, failed in (("real CT", ct.as_it_is), ("real CT, prepared", ct.prepared)):
            names = {check.name for check in failed}
            for name in _check_names():
                rows.append({"group": ct.name, "kind": kind, "name": name, "count": int(name in names)})
                rows[-1] |= {"of": 1, "noticed": int(name in names)}
    return rows


def sentences(checks: Sequence[Check]) -> str:
    return "".join(f"- {check.name}: {check.message}\n" for check in checks) or "- passes every check\n"
