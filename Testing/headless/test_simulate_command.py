"""``simulate`` through the real command line."""

import csv
import subprocess
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from PIL import Image

from training_command import training
from XrayToCTLib.errors import UnsuitableInput
from XrayToCTLib.orientation import network_to_lps
from XrayToCTTraining.cohort_sheet import varied_cases
from XrayToCTTraining.data.cohort import open_cohort
from XrayToCTTraining.simulation.hospital import CohortRequest, case_of
from XrayToCTTraining.simulation.phantom import simulate_chest
from XrayToCTTraining.simulation.stored_lesions import read_lesions
from XrayToCTTraining.tissue_histograms import tissue_histograms


def simulate(*arguments: object, check: bool = True) -> subprocess.CompletedProcess[str]:
    return training("simulate", *arguments, check=check)


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


def test_atlas_patients_may_outnumber_procedural_ones_in_every_class():
    request = CohortRequest(36, 5, 32, atlases=("any.nrrd",), atlas_weight=3)
    counts = Counter((case.source, case.label) for case in (case_of(request, i) for i in range(36)))
    assert counts == {(s, c): n for s, n in (("procedural", 3), ("atlas", 9)) for c in ("healthy", "sick", "tb")}


def test_a_streamed_cohort_is_a_list_and_a_card(tmp_path):
    simulate(tmp_path / "stream", "--patients", 1000, "--size", 32, "--stream")
    assert {path.name for path in (tmp_path / "stream").iterdir()} == {"cohort.json", "manifest.csv", "DATA_CARD.md"}
    stream = open_cohort(tmp_path / "stream")
    assert len(stream.cases) == 1000
    assert stream.hu(stream.cases[700]).shape == (32, 32, 32)


def test_a_manifest_that_names_files_outside_its_folder_is_refused(cohort, tmp_path):
    text = (cohort / "manifest.csv").read_text().replace("00003,", "../00003,", 1)
    (tmp_path / "manifest.csv").write_text(text)
    with pytest.raises(UnsuitableInput, match="outside its folder"):
        open_cohort(tmp_path)


def test_every_lesion_is_kept_with_its_kind_its_size_and_its_own_voxels(cohort):
    opened = open_cohort(cohort)
    for case in opened.cases:
        numbers, lesions = read_lesions(cohort, case.name)
        assert np.array_equal(numbers > 0, opened.structures(case)["lesion"])
        assert "+".join(sorted({lesion.kind for lesion in lesions})) == case.findings
        assert numbers.max() <= len(lesions)
        assert all(1 < lesion.size_mm < 250 for lesion in lesions)
    with pytest.raises(UnsuitableInput, match="nobody-lesions"):
        read_lesions(cohort, "nobody")


def write_reference(path: Path, shift_hu: float) -> Path:
    """A patient as a CT file, with all its Hounsfield units shifted."""
    hu = np.where(simulate_chest(3, 64).hu > -950, simulate_chest(3, 64).hu + shift_hu, -1000).astype(np.float32)
    image = sitk.GetImageFromArray(np.ascontiguousarray(network_to_lps(hu)))
    image.SetSpacing([5.0] * 3)
    sitk.WriteImage(image, str(path))
    return path


def test_a_cohort_is_shown_beside_a_ct_and_a_ct_of_other_densities_overlaps_less(cohort, tmp_path):
    overlaps = []
    for shift_hu in (0, 40):
        reference = write_reference(tmp_path / f"{shift_hu}.nii.gz", shift_hu)
        out = tmp_path / str(shift_hu)
        training("evaluate", "cohort", "--cohort", cohort, "--reference", reference, "--count", 3, "--out", out)
        with (out / "hounsfield.csv").open() as file:
            rows = {row["tissue"]: row for row in csv.DictReader(file)}
        assert list(rows) == ["lung", "fat", "soft tissue", "bone"]
        assert -920 < float(rows["lung"]["cohort mean HU"]) < -700
        overlaps.append(float(rows["soft tissue"]["overlap"]))
        assert Image.open(out / "patients.png").size[0] == 1606
        assert (out / "hounsfield.png").is_file()
        assert "| bone |" in (out / "summary.md").read_text()
    assert 0 < overlaps[1] < overlaps[0] <= 1


def test_showing_no_case_is_refused_in_a_sentence(cohort, tmp_path):
    done = training("evaluate", "cohort", "--cohort", cohort, "--count", 0, "--out", tmp_path, check=False)
    assert done.returncode == 2
    assert "positive whole number" in done.stderr


def test_histograms_measure_a_volume_of_known_tissues():
    hu = np.full((40, 40, 40), -1000.0)
    hu[5:35, :, 5:35] = 40
    hu[12:28, :, 8:18] = -850
    hu[12:28, 5:35, 22:32] = -100
    hu[6:11, 5:35, 10:30] = 600
    histograms = tissue_histograms(((np.clip(hu, -1024, 1476) + 1024) / 2500).astype(np.float32))
    means = {name: histogram.mean for name, histogram in histograms.items()}
    assert means == pytest.approx({"lung": -850, "fat": -100, "soft tissue": 40, "bone": 600}, abs=1)
    assert all(histogram.deviation < 1 for histogram in histograms.values())
    assert histograms["fat"].overlap(histograms["fat"]) == pytest.approx(1)
    assert histograms["fat"].overlap(histograms["bone"]) == 0


def test_cases_are_shown_from_every_class_in_turn(cohort):
    labels = [case.label for case in varied_cases(open_cohort(cohort).cases, 6)]
    assert sorted(labels[:3]) == sorted(labels[3:]) == ["healthy", "sick", "tb"]
