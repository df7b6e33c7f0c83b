"""Planted faults are what they are called, the checks find them, and ``evaluate checks`` counts right."""

import csv
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from scipy import ndimage

from simulated_chests import SIDE_MM, SIZE, chest
from XrayToCTLib.plausibility import check_volume
from XrayToCTLib.volume import ct_from_network
from XrayToCTTraining import check_evaluation
from XrayToCTTraining.check_evaluation import Tally, alarm_rows, fault_rows, tally
from XrayToCTTraining.cli import main
from XrayToCTTraining.planted_faults import AIR, Subject, faults

VOXEL_MM = SIDE_MM / SIZE


def subject(seed: int) -> Subject:
    patient = chest(seed)
    volume = np.clip((patient.hu + 1024) / 2500, 0, 1).astype(np.float32)
    return Subject(volume, patient.masks["lungs"], patient.masks["body"], VOXEL_MM)


def planted(name: str, seed: int) -> np.ndarray:
    volume = faults()[name].plant(subject(seed), np.random.default_rng(seed))
    assert volume is not None
    return volume


@lru_cache
def verdicts_before() -> dict[str, bool]:
    return {check.name: check.passed for check in check_volume(subject(1).volume, (SIDE_MM,) * 3)}


@pytest.mark.parametrize("name", faults())
def test_a_planted_fault_is_found_by_its_own_check_and_the_good_chest_passes_that(name: str) -> None:
    after = {check.name: check.passed for check in check_volume(planted(name, 1), (SIDE_MM,) * 3)}
    own = faults()[name].found_by
    assert all(verdicts_before()[check] for check in own)
    assert not all(after[check] for check in own)


@pytest.mark.parametrize("name", faults())
def test_planting_leaves_the_subject_alone_and_can_be_repeated(name: str) -> None:
    before = subject(2).volume.copy()
    assert np.array_equal(planted(name, 2), planted(name, 2))
    assert np.array_equal(subject(2).volume, before)
    assert not np.array_equal(planted(name, 2), before)


@pytest.mark.parametrize("diameter", [15, 25, 40])
def test_a_hole_has_its_width_and_joins_a_lung_with_the_air_outside(diameter: int) -> None:
    changed = planted(f"hole of {diameter} mm in the wall", 0) != subject(0).volume
    section = min(changed.any(axis=axis).sum() for axis in (0, 2)) * VOXEL_MM**2
    assert section == pytest.approx(np.pi * diameter**2 / 4, rel=0.3)
    empty = planted(f"hole of {diameter} mm in the wall", 0) < (-500 + 1024) / 2500
    joined, _ = ndimage.label(empty)
    outside = joined[0, 0, 0]
    assert (joined[subject(0).lungs] == outside).mean() > 0.3


@pytest.mark.parametrize("seed", [0, 1])
def test_a_third_lung_lies_apart_or_touches_as_it_is_called(seed: int) -> None:
    for name, touches in (("third lung, apart", False), ("third lung, touching another", True)):
        changed = np.abs(planted(name, seed) - subject(seed).volume) > 0.05
        away = ndimage.distance_transform_edt(~subject(seed).lungs, sampling=VOXEL_MM)[changed].min()
        assert (away <= VOXEL_MM) == touches
        assert subject(seed).body[changed].all()


def test_what_is_cut_off_is_gone() -> None:
    moved = planted("cut off at the left", 0)
    body = subject(0).body
    assert (moved > AIR + 0.2).sum() < 0.95 * (subject(0).volume > AIR + 0.2).sum()
    assert body.any()
    cut = planted("lungs cut off at the top", 0)
    rows = np.flatnonzero(subject(0).lungs.any(axis=(0, 2)))
    assert any(np.array_equal(cut[:, 0], subject(0).volume[:, row]) for row in range(rows[0] + 1, rows[-1]))


def test_a_tally_counts_alarms_and_faults() -> None:
    good = subject(0)
    inverted = Subject(1 - good.volume, np.zeros_like(good.lungs), good.body, VOXEL_MM)
    counted = tally([good, inverted], 0)
    assert (counted.volumes, counted.alarmed) == (2, 1)
    assert counted.alarms["air outside"] == 1
    assert not counted.planted
    rows = alarm_rows({"group": counted})
    assert rows[0]["volumes"] == 2
    assert rows[0]["any check"] == 1
    one, other = Tally(), Tally()
    one.planted["mirrored"], one.found["mirrored"], one.noticed["mirrored"] = 4, 3, 4
    other.planted["mirrored"], other.found["mirrored"], other.noticed["mirrored"] = 4, 1, 2
    (row,) = fault_rows({"one": one, "other": other, "none": Tally()})
    assert (row["one"], row["other"], row["found"], row["any check fails"]) == ("3 of 4", "1 of 4", "50%", "75%")
    assert "none" not in row


def test_the_command_writes_its_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    few = {name: fault for name, fault in faults().items() if name in ("mirrored", "upside down")}
    monkeypatch.setattr(check_evaluation, "faults", lambda: few)
    assert main(["simulate", str(tmp_path / "cohort"), "--patients", "6", "--size", "32", "--seed", "3"]) == 0
    for name, volume in (("a", subject(1).volume), ("b", subject(1).volume[:, :, ::-1])):
        sitk.WriteImage(ct_from_network(np.ascontiguousarray(volume), SIDE_MM), str(tmp_path / f"{name}.nrrd"))
    out = tmp_path / "out"
    words = ["evaluate", "checks", "--cohort", str(tmp_path / "cohort"), "--count", "2", "--planted", "1"]
    words += ["--ct", str(tmp_path / "a.nrrd"), "--ct", str(tmp_path / "b.nrrd")]
    assert main([*words, "--out", str(out)]) == 0
    text = (out / "summary.md").read_text()
    assert text in capsys.readouterr().out
    assert "| simulated, healthy | 2 |" in text
    assert "| mirrored | " in text
    with (out / "checks.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["group"] for row in rows} == {"simulated, healthy", "simulated, diseased", "a.nrrd", "b.nrrd"}
    of_cts = {(row["group"], row["kind"], row["name"]): row["count"] for row in rows if row["kind"].startswith("real")}
    assert of_cts["a.nrrd", "real CT", "handedness"] == of_cts["a.nrrd", "real CT, prepared", "handedness"] == "0"
    assert of_cts["b.nrrd", "real CT", "handedness"] == of_cts["b.nrrd", "real CT, prepared", "handedness"] == "1"
    assert "b.nrrd as it is:\n\n- handedness: " in text
    assert "| b.nrrd | handedness" in text
    assert {row["name"] for row in rows if row["kind"] == "planted"} == set(few)
