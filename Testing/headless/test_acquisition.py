"""Acquisition: physical facts of the simulated devices, the domains, cohorts and their data cards."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import ndimage

from training_command import training
from XrayToCTLib.errors import UnsuitableInput
from XrayToCTLib.projection import Geometry, attenuation_from_hu, cone_beam_projection, network_from_hu
from XrayToCTTraining.data.cohort import open_cohort
from XrayToCTTraining.data.poses import posed
from XrayToCTTraining.data.samples import acquired, volume_of
from XrayToCTTraining.simulation import worn_objects
from XrayToCTTraining.simulation.acquisition import CLEAN, Placement, Style, acquire, develop, project
from XrayToCTTraining.simulation.cohort import SPECTRA, assign, burden, choose, make_patient
from XrayToCTTraining.simulation.devices import DOMAINS, device, random_style
from XrayToCTTraining.simulation.hospital import CohortRequest, patient_of
from XrayToCTTraining.simulation.worn_objects import _written, burn_in_letters, worn_thickness
from XrayToCTTraining.simulation.write_cohort import write_cohort

GEOMETRY = Geometry(detector_pixels=(64, 64))
PLAIN = Style(window=(0.0, 99.9))  # not CLEAN, and without any single effect


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.fixture(scope="module")
def chest() -> torch.Tensor:
    """(1, 1, 64, 64, 64) HU."""
    return torch.from_numpy(make_patient(1, 64).hu)[None, None]


@pytest.fixture(scope="module")
def line(chest) -> torch.Tensor:
    return project(chest, GEOMETRY)


def water_block(bone_hu: float | None = None) -> torch.Tensor:
    """A slab of water, with a rod of bone in its middle where that is asked for."""
    hu = torch.full((1, 1, 64, 64, 64), -1000.0)
    hu[..., 16:48, :, :] = 0
    if bone_hu is not None:
        hu[..., 28:36, :, 30:34] = bone_hu
    return hu


def test_the_clean_domain_is_the_projection_over_its_maximum(chest):
    style, placement = device("drr", generator())
    expected = cone_beam_projection(attenuation_from_hu(chest), GEOMETRY)
    torch.testing.assert_close(
        acquire(chest, GEOMETRY, style, generator(), placement), expected / expected.max(), rtol=0, atol=0
    )


def test_an_unknown_domain_has_no_device():
    with pytest.raises(KeyError):
        device("real-c", generator())


def test_the_same_seed_gives_the_same_picture_and_another_seed_another(line):
    for seed in range(20):
        style = random_style(generator(seed))
        assert style == random_style(generator(seed))
        one, again, other = (develop(line, style, generator(s)) for s in (1, 1, 2))
        torch.testing.assert_close(one, again, rtol=0, atol=0)
        if style != CLEAN:
            assert not torch.equal(one, other)


def test_every_device_gives_finite_grey_values_between_0_and_1(line):
    for seed in range(150):
        grey = develop(line, random_style(generator(seed)), generator(seed))
        assert torch.isfinite(grey).all()
        assert grey.min() >= 0
        assert grey.max() <= 1
        assert grey.std() > 0.03


def test_noise_falls_with_the_root_of_the_exposure_and_rises_behind_more_tissue():
    def spread(quanta: float, depth: float) -> float:
        flat = torch.full((1, 1, 128, 128), depth)
        flat[..., :2, :] = 0  # the window needs something beside it
        flat[..., 2:4, :] = 12
        style = replace(PLAIN, window=(0.5, 99.0), quanta=quanta)
        return float(develop(flat, style, generator())[..., 10:, :].std())

    assert spread(1e6, 4) / spread(4e6, 4) == pytest.approx(2, rel=0.05)
    # exp(2) fewer quanta
    assert spread(1e6, 6) / spread(1e6, 4) == pytest.approx(np.e, rel=0.05)


def test_a_harder_beam_lowers_the_contrast_of_bone_and_leaves_water_alone():
    block = water_block(1200)
    soft, hard = (project(block, GEOMETRY, bone) for bone in (1.2, 0.6))
    rod, water = np.s_[0, 0, 32, 32], np.s_[0, 0, 32, 10]
    torch.testing.assert_close(soft[water], hard[water])
    assert soft[rod] - soft[water] > 1.5 * (hard[rod] - hard[water])


def test_scatter_lowers_the_contrast_of_what_is_dense():
    """A rod twice as dense as the tissue around it, beside the open beam: grey 1 against 1/2 without scatter."""
    flat = torch.full((1, 1, 64, 64), 3.0)
    flat[..., :4] = 0
    flat[..., 30:34, 30:34] = 6

    def contrast(scatter: float) -> float:
        grey = develop(flat, replace(PLAIN, scatter=scatter, window=(0.0, 100.0)), generator())[0, 0]
        return float(grey[32, 32] - grey[32, 45])

    assert contrast(0) == pytest.approx(0.5, abs=0.01)
    assert contrast(1) < 0.3


def test_blur_takes_away_and_multi_scale_processing_adds_fine_detail(line):
    def fine(style: Style) -> float:
        grey = develop(line, style, generator())[0, 0].numpy()
        return float((grey - ndimage.gaussian_filter(grey, 1)).std() / grey.std())

    plain = fine(PLAIN)
    assert fine(replace(PLAIN, blur=0.02)) < 0.7 * plain
    assert fine(replace(PLAIN, detail=2.0)) > 1.5 * plain


def test_equalising_lowers_the_share_of_the_coarsest_structures(line):
    def coarse(style: Style) -> float:
        grey = develop(line, style, generator())[0, 0].numpy()
        return float(ndimage.gaussian_filter(grey, 8).std() / grey.std())

    assert coarse(replace(PLAIN, equalising=2.0)) < 0.9 * coarse(PLAIN)


def test_an_s_shaped_curve_spreads_the_middle_and_compresses_the_ends():
    ramp = torch.linspace(0, 8, 64).expand(1, 1, 64, 64)
    grey = develop(ramp, replace(PLAIN, window=(0.0, 100.0), film=6.0), generator())[0, 0, 0]
    slope = torch.diff(grey)
    assert (slope > 0).all()
    assert slope[31] > 3 * slope[0]
    assert slope[31] > 3 * slope[-1]
    torch.testing.assert_close(grey[[0, -1]], torch.tensor([0.0, 1.0]))


def test_uneven_exposure_brightens_the_side_where_the_beam_is_weak():
    flat = torch.full((1, 1, 64, 64), 4.0)
    grey = develop(flat, replace(PLAIN, heel=0.5), generator())[0, 0]
    assert (torch.diff(grey, dim=1) >= 0).all()
    assert grey[:, -1].mean() > grey[:, 0].mean() + 0.5
    turned = develop(flat, replace(PLAIN, heel=0.5, heel_degrees=90.0), generator())[0, 0]
    torch.testing.assert_close(turned, grey.T, rtol=0, atol=1e-4)


def test_fog_compresses_what_transmits_least(line):
    def dense(style: Style) -> float:
        grey = develop(line, style, generator())[0, 0]
        return float(grey.quantile(0.98) - grey.quantile(0.7))

    assert dense(replace(PLAIN, fog=0.01)) < dense(PLAIN)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_the_collimators_margin_is_one_grey_value_and_leaves_the_rest_alone(line, value):
    framed = develop(line, replace(PLAIN, margins=(0.1, 0.0, 0.05, 0.1), margin_grey=value), generator())[0, 0]
    plain = develop(line, PLAIN, generator())[0, 0]
    for margin in (framed[:6], framed[:, :3], framed[:, -6:]):
        assert (margin == value).all()
    torch.testing.assert_close(framed[6:, 3:-6], plain[6:, 3:-6])


def test_a_vignette_darkens_corners_and_coarse_pixels_take_away_detail(line):
    plain = develop(line, PLAIN, generator())
    dark = develop(line, replace(PLAIN, vignette=0.5), generator())
    torch.testing.assert_close(dark[0, 0, 31, 31], plain[0, 0, 31, 31], rtol=0, atol=1e-2)
    torch.testing.assert_close(dark[0, 0, 0, 0], plain[0, 0, 0, 0] * 0.5)
    coarse = develop(line, replace(PLAIN, coarseness=0.04), generator())
    assert torch.diff(coarse).abs().mean() < 0.9 * torch.diff(plain).abs().mean()


def test_a_tilt_turns_the_picture_clockwise_by_its_angle():
    hu = torch.full((1, 1, 64, 64, 64), -1000.0)
    hu[..., 30:34, 14:18, 30:34] = 1000  # above the centre
    upright, tilted = (project(hu, GEOMETRY, placement=Placement(tilt_degrees=a))[0, 0].numpy() for a in (0, 20))

    def angle(picture: np.ndarray) -> float:
        row, column = ndimage.center_of_mass(picture)
        return float(np.rad2deg(np.arctan2(column - 31.5, 31.5 - row)))

    assert angle(upright) == pytest.approx(0, abs=0.1)
    assert angle(tilted) == pytest.approx(20, abs=0.3)


def test_corners_are_moved_to_where_they_are_said_to_be():
    picture = torch.zeros(1, 1, 64, 64, 64) - 1000
    picture[..., 30:34, 12:52, 12:52] = 500
    corners = ((0.05, 0.1), (0.0, 0.0), (0.0, 0.0), (0.0, 0.0))
    plain, pulled = (
        project(picture, GEOMETRY, placement=Placement(corners=c))[0, 0] for c in (((0.0, 0.0),) * 4, corners)
    )
    seen = [np.argwhere(p.numpy() > 0.5 * float(plain[32, 32])) for p in (plain, pulled)]
    first, moved = (points[points.sum(1).argmin()] for points in seen)
    assert moved[0] > first[0]
    assert moved[1] > first[1]
    np.testing.assert_allclose(seen[0].max(0), seen[1].max(0), atol=2)


def test_a_source_off_the_axis_shifts_a_structure_by_its_depth():
    hu = torch.full((1, 1, 64, 64, 64), -1000.0)
    depth, offset = 50, 100.0
    hu[..., depth, 32, 32] = 1000
    central, shifted = (
        project(hu, GEOMETRY, placement=Placement(source_offset_mm=(0.0, o)))[0, 0].numpy() for o in (0.0, offset)
    )
    from_source = GEOMETRY.source_to_axis_mm - (depth - 31.5) * 5
    expected_mm = offset * (1 - GEOMETRY.source_to_detector_mm / from_source)  # similar triangles
    moved = ndimage.center_of_mass(shifted)[1] - ndimage.center_of_mass(central)[1]
    assert moved * 500 / 64 == pytest.approx(expected_mm, abs=3)


def test_a_farther_source_shows_the_same_field_at_the_isocentre_with_less_magnification_behind():
    hu = torch.full((1, 1, 64, 64, 64), -1000.0)
    hu[..., 50, 31:33, 50:52] = 1000  # far from the detector in PA
    near, far = (
        ndimage.center_of_mass(project(hu, GEOMETRY, placement=Placement(distance=d))[0, 0].numpy()) for d in (1, 3)
    )
    assert near[1] > far[1] + 1


def test_markers_stand_on_their_side_and_only_brighten(monkeypatch):
    words = []

    def written(word, height):
        words.append(word)
        return _written(word, height)

    monkeypatch.setattr(worn_objects, "_written", written)
    for seed in range(30):
        marked = burn_in_letters(torch.full((1, 1, 128, 128), 0.2), 1, generator(seed))[0, 0] - 0.2
        assert marked.min() >= 0
        assert 0 < float((marked > 0.02).float().mean()) < 0.05
        column = ndimage.center_of_mass(marked.numpy())[1]
        if words[-1] in "RL":
            assert (column < 64) == (words[-1] == "R")  # the patient's right is displayed on the left
    assert {"R", "L"} < set(words)


def test_things_worn_attenuate_and_never_amplify():
    for seed in range(30):
        worn = worn_thickness((128, 128), 2, generator(seed))
        assert worn.shape == (128, 128)
        assert worn.min() >= 0
        assert worn.max() > 0.1


def test_styles_change_grey_values_and_no_positions(line):
    """Training pairs rely on it: the edges of the picture lie where those of the projection lie."""
    body = ndimage.gaussian_filter(line[0, 0].numpy(), 1)
    shifts = []
    for seed in range(60):
        style = replace(random_style(generator(seed)), letters=0, objects=0, margins=(0.0,) * 4, heel=0.0, glare=0.0)
        grey = ndimage.gaussian_filter(develop(line, style, generator(seed))[0, 0].numpy(), 1)
        gradients = [np.hypot(*np.gradient(picture)) for picture in (body, grey)]
        spectrum = np.fft.fft2(gradients[0]) * np.conj(np.fft.fft2(gradients[1]))
        peak = np.unravel_index(np.argmax(np.fft.ifft2(spectrum).real), body.shape)
        shifts.append([min(int(p), 64 - int(p)) for p in peak])
    assert np.max(shifts) <= 1


def test_a_posed_volume_and_its_radiograph_stay_a_pair(chest):
    volume = network_from_hu(chest[0])
    for seed in range(5):
        moved = posed(volume, generator(seed))
        assert moved.shape == volume.shape
        assert moved.min() >= 0
        assert moved.max() <= 1
        assert (moved - volume).abs().mean() > 0.01
        picture = acquired(moved, GEOMETRY, generator(3))
        assert picture.shape == (1, 64, 64)
        expected = project(moved[None] * 2500 - 1024, GEOMETRY)[0, 0]
        assert np.corrcoef(picture.ravel(), expected.ravel())[0, 1] > 0.7


@pytest.mark.parametrize("domain", DOMAINS)
def test_within_a_domain_every_class_comes_from_every_source_in_the_same_share(domain):
    labels = SPECTRA[domain].labels
    who = [assign(i, 4, ("procedural", "atlas"), labels) for i in range(2 * len(labels) * 20)]
    counts = Counter((a.source, a.label) for a in who)
    for label in ("healthy", "sick", "tb"):
        assert counts["procedural", label] == counts["atlas", label] == 20 * labels.count(label) > 0


def test_the_spectra_of_the_domains_differ_as_declared():
    shares = {domain: Counter(SPECTRA[domain].labels) for domain in DOMAINS}
    assert shares["drr"]["healthy"] == shares["drr"]["sick"] == shares["drr"]["tb"]
    assert shares["real-a"]["healthy"] / len(SPECTRA["real-a"].labels) == 0.5
    assert shares["real-b"]["tb"] / len(SPECTRA["real-b"].labels) == 0.4
    sick = {
        domain: [
            patient_of(CohortRequest(60, 2, 32, domain=domain), i)
            for i in range(15)
            if assign(i, 2, ("procedural",), SPECTRA[domain].labels).label != "healthy"
        ]
        for domain in ("real-a", "real-b")
    }
    mild, severe = (np.median([burden(patient) for patient in sick[domain]]) for domain in ("real-a", "real-b"))
    assert severe > 2 * mild
    for domain, patients in sick.items():
        kinds = Counter(lesion.kind for patient in patients for lesion in patient.lesions)
        other = "real-b" if domain == "real-a" else "real-a"
        assert sum(kinds[k] for k in SPECTRA[domain].rare) < sum(kinds[k] for k in SPECTRA[other].rare)


def test_where_no_candidate_is_wanted_the_least_unwanted_comes():
    candidates = [make_patient(seed, 32, label="sick") for seed in range(4)]
    nobody = replace(SPECTRA["drr"], burden=(2.0, 3.0))
    assert choose(candidates, nobody) is max(candidates, key=burden)
    assert choose(candidates, SPECTRA["drr"]) is candidates[0]
    with pytest.raises(ValueError, match="candidates"):
        choose([], nobody)


@pytest.fixture(scope="module")
def stored(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("cohorts") / "stored"
    write_cohort(folder, CohortRequest(20, 5, 32, domain="real-b"))
    return folder


@pytest.fixture(scope="module")
def streamed(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("cohorts") / "streamed"
    write_cohort(folder, CohortRequest(20, 5, 32, domain="real-b", streamed=True))
    return folder


def test_a_streamed_cohort_has_the_stored_ones_patients_and_no_files(stored, streamed):
    one, other = open_cohort(stored), open_cohort(streamed)
    assert not list(streamed.glob("*.npy"))
    for case, same in list(zip(one.cases, other.cases, strict=True))[::4]:
        assert replace(case, findings="unknown") == same
        np.testing.assert_array_equal(one.hu(case), other.hu(same))
        np.testing.assert_array_equal(one.radiograph(case), other.radiograph(same))
        for name, mask in one.structures(case).items():
            np.testing.assert_array_equal(mask, other.structures(same)[name])
        torch.testing.assert_close(volume_of(one, case, 16), volume_of(other, same, 16))


def test_a_damaged_record_of_a_streamed_cohort_is_refused_in_a_sentence(streamed, tmp_path):
    (tmp_path / "manifest.csv").write_bytes((streamed / "manifest.csv").read_bytes())
    for damage in ("{", "[]", '{"streamed": true}', '{"streamed": true, "atlases": [], "planets": 9}'):
        (tmp_path / "cohort.json").write_text(damage)
        with pytest.raises(UnsuitableInput, match="damaged"):
            open_cohort(tmp_path)


def test_the_data_cards_counts_are_the_manifests(stored):
    cases = open_cohort(stored).cases
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in (stored / "DATA_CARD.md").read_text().splitlines()
        if line.startswith("|")
    ]
    table = {row[0]: row[1:] for row in rows}
    splits = ("training", "validation", "test")
    for label in ("healthy", "sick", "tb"):
        counts = [sum(c.label == label and c.split == split for c in cases) for split in splits]
        assert table[label] == [str(n) for n in [*counts, sum(counts)]]
    assert table["procedural"] == [str(sum(c.label == label for c in cases)) for label in ("healthy", "sick", "tb")]
    for finding, count in Counter(f for c in cases for f in c.findings.split("+") if f).items():
        assert table[finding] == [str(count)]


def test_the_data_card_says_what_the_cohort_is_not(stored, streamed):
    for folder in (stored, streamed):
        card = (folder / "DATA_CARD.md").read_text()
        assert "Nothing learned from it was ever validated on patients with tuberculosis" in card
        assert "Synthetic" in card
        assert "seed 5" in card


def test_a_volume_of_another_size_is_seen_in_the_same_share():
    shares = [CohortRequest(1, side_mm=side).geometry.field_at_isocentre_mm[0] / side for side in (280.0, 320.0, 400.0)]
    np.testing.assert_allclose(shares, 285.04 / 320, rtol=1e-4)


def test_a_generator_is_fitted_on_a_stream_that_draws_other_patients_each_epoch(tmp_path):
    from XrayToCTTraining.reconstruction import Reconstruction, ReconstructionFit

    stream, run = tmp_path / "stream", tmp_path / "run"
    training("simulate", stream, "--patients", 400, "--size", 32, "--stream")
    fit = ["fit", "reconstruction", "--preset", "test", "--pairs", stream, "--run", run, "--epochs", 1]
    fit += ["--induction_epochs", 0, "--augment", "styles", "--epoch_cases", 4, "--validation_cases", 1]
    training(*fit)
    assert (run / "checkpoint.pt").is_file()
    recipe = Reconstruction(
        open_cohort(stream), None, ReconstructionFit("test", induction_epochs=0, epoch_cases=4, batch=2)
    )
    first, second = (sorted(key for batch in recipe.plan(epoch) for key in batch) for epoch in (0, 1))
    assert len(first) == len(second) == 4
    assert first != second
