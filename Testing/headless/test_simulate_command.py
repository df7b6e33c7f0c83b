"""``simulate`` through the real command line."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from XrayToCTTraining.data.cohort import open_cohort


def simulate(*arguments: object, check: bool = True) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "XrayToCTTraining", "simulate", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=check)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("simulated") / "cohort"
    simulate(folder, "--patients", 12, "--size", 32, "--seed", 3)
    return folder


def test_a_cohort_has_every_class_and_every_split(cohort):
    cases = open_cohort(cohort).cases
    assert {case.label for case in cases} == {"healthy", "sick", "tb"}
    assert {case.split for case in cases} == {"training", "validation", "test"}
    structures = open_cohort(cohort).structures(cases[0])
    assert structures["lungs"].any()
    assert not (structures["lungs"] & ~structures["body"]).any()


def test_simulating_again_changes_nothing_and_other_settings_are_refused(cohort):
    before = {path.name: path.read_bytes() for path in cohort.glob("*.npy")}
    simulate(cohort, "--patients", 12, "--size", 32, "--seed", 3)
    assert {path.name: path.read_bytes() for path in cohort.glob("*.npy")} == before
    refused = simulate(cohort, "--patients", 12, "--size", 32, "--seed", 4, check=False)
    assert refused.returncode == 3
    assert str(cohort) in refused.stderr


def test_another_domain_changes_the_radiographs_and_the_spectrum_and_not_the_anatomy(cohort, tmp_path):
    simulate(tmp_path / "film", "--patients", 12, "--size", 32, "--seed", 3, "--domain", "real-a")
    clean, film = open_cohort(cohort), open_cohort(tmp_path / "film")
    assert {case.domain for case in film.cases} == {"real-a"}
    assert [sum(c.label == "healthy" for c in cases) for cases in (clean.cases, film.cases)] == [4, 6]
    both_healthy = [
        (one, other)
        for one, other in zip(clean.cases, film.cases, strict=True)
        if one.label == other.label == "healthy"
    ]
    assert both_healthy
    for one, other in both_healthy:
        np.testing.assert_array_equal(clean.hu(one), film.hu(other))
        difference = film.radiograph(other).astype(float) - clean.radiograph(one)
        assert np.abs(difference).mean() > 5
        assert np.corrcoef(film.radiograph(other).ravel(), clean.radiograph(one).ravel())[0, 1] > 0.5


def test_a_streamed_cohort_is_a_list_and_a_card(tmp_path):
    simulate(tmp_path / "stream", "--patients", 1000, "--size", 32, "--stream")
    assert {path.name for path in (tmp_path / "stream").iterdir()} == {"cohort.json", "manifest.csv", "DATA_CARD.md"}
    stream = open_cohort(tmp_path / "stream")
    assert len(stream.cases) == 1000
    assert stream.hu(stream.cases[700]).shape == (32, 32, 32)


def test_a_manifest_that_names_files_outside_its_folder_is_refused(cohort, tmp_path):
    from XrayToCTLib.errors import UnsuitableInput

    text = (cohort / "manifest.csv").read_text().replace("00003,", "../00003,", 1)
    (tmp_path / "manifest.csv").write_text(text)
    with pytest.raises(UnsuitableInput, match="outside its folder"):
        open_cohort(tmp_path)
