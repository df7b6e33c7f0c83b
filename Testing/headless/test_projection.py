import json
import math
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from XrayToCTLib import projection
from XrayToCTLib.projection import (
    Geometry,
    attenuation_from_hu,
    back_projection,
    cone_beam_projection,
    hu_from_network,
    mean_projections,
    network_from_hu,
    radiograph_from_ct,
    transmission,
)

GOLDEN = Path(__file__).parent / "golden" / "plastimatch_drr_golden.npz"
# plastimatch integrates attenuation per mm along a ray in centimetres.
PLASTIMATCH_UNIT = 10

SMALL = Geometry(
    source_to_axis_mm=300.0,
    source_to_detector_mm=500.0,
    detector_mm=(120.0, 150.0),
    detector_pixels=(12, 10),
    volume_mm=(80.0, 54.0, 70.0),
)


def smooth_volume(shape: tuple[int, int, int] = (20, 18, 28), seed: int = 0) -> torch.Tensor:
    """(1, 1, D, H, W) float64, blobs of attenuation per mm that fade out before the faces."""
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).random(shape), 2)
    window = np.ones(shape)
    for axis, size in enumerate(shape):
        profile = np.hanning(size + 2)[1:-1]
        window *= np.expand_dims(profile, tuple(other for other in range(3) if other != axis))
    return torch.from_numpy(0.05 * noise * window)[None, None]


def ray_by_ray(volume: np.ndarray, geometry: Geometry, step_mm: float = 0.25) -> np.ndarray:
    """(rows, columns) line integrals of a (D, H, W) volume: each ray is sampled finely, trilinearly, on its own.

    Coordinates are millimetres from the volume's centre: (behind, below, towards the patient's left).
    """
    rows, columns = geometry.detector_pixels
    size = np.array(geometry.volume_mm)
    towards_detector = -1 if geometry.view == "PA" else 1
    source = np.array([-towards_detector * geometry.source_to_axis_mm, 0, 0])
    detector_at = towards_detector * (geometry.source_to_detector_mm - geometry.source_to_axis_mm)
    result = np.zeros((rows, columns))
    for row in range(rows):
        for column in range(columns):
            below = (row + 0.5 - rows / 2) * geometry.detector_mm[0] / rows
            left = (column + 0.5 - columns / 2) * geometry.detector_mm[1] / columns
            ray = np.array([detector_at, below, left]) - source
            length = np.linalg.norm(ray)
            points = source[:, None] + np.outer(ray / length, np.arange(step_mm / 2, length, step_mm))
            inside = (np.abs(points) <= size[:, None] / 2).all(axis=0)
            index = (points / size[:, None] + 0.5) * np.array(volume.shape)[:, None] - 0.5
            values = ndimage.map_coordinates(volume, index[:, inside], order=1, mode="nearest")
            result[row, column] = values.sum() * step_mm
    return result


def golden_case() -> tuple[torch.Tensor, Geometry, dict[str, np.ndarray]]:
    """The golden volume as (1, 1, D, H, W), its geometry, and plastimatch's pictures as radiographs are displayed."""
    with np.load(GOLDEN, allow_pickle=False) as case:
        # From (z, y, x) in LPS to (D, H, W): y runs to posterior like D, z to superior against H, x to left like W.
        volume = np.ascontiguousarray(case["mu_per_mm"].transpose(1, 0, 2)[:, ::-1]).astype(np.float64)
        spacing = case["spacing_xyz_mm"][[1, 2, 0]]
        height_mm, width_mm = (float(length) for length in case["detector_size_mm"])
        rows, columns = (int(pixels) for pixels in case["detector_pixels"])
        depth, height, width = (float(mm) for mm in spacing * volume.shape)
        geometry = Geometry(
            source_to_axis_mm=float(case["sad_mm"]),
            source_to_detector_mm=float(case["sid_mm"]),
            detector_mm=(height_mm, width_mm),
            detector_pixels=(rows, columns),
            volume_mm=(depth, height, width),
        )
        # plastimatch's picture is what the detector's own face shows: a PA view has to be mirrored to be displayed.
        pictures = {name: PLASTIMATCH_UNIT * case[name][:, ::-1].astype(np.float64) for name in ("uniform", "exact")}
    return torch.from_numpy(volume)[None, None], geometry, pictures


@pytest.mark.parametrize(("algorithm", "mean_limit", "worst_limit"), [("uniform", 0.001, 0.01), ("exact", 0.002, 0.04)])
def test_a_golden_drr_of_plastimatch_is_reproduced(algorithm: str, mean_limit: float, worst_limit: float) -> None:
    volume, geometry, pictures = golden_case()
    error = np.abs(cone_beam_projection(volume, geometry)[0, 0].numpy() - pictures[algorithm])
    error /= pictures[algorithm].max()
    print(f"{algorithm}: mean error {error.mean():.5%}, worst {error.max():.5%} of the maximum")
    assert error.mean() <= mean_limit
    assert error.max() <= worst_limit


@pytest.mark.skipif(shutil.which("plastimatch") is None, reason="the program plastimatch is not installed")
@pytest.mark.parametrize(("view", "normal"), [("PA", "0 1 0"), ("AP", "0 -1 0")])
def test_the_installed_plastimatch_agrees(view: str, normal: str, tmp_path: Path) -> None:
    volume = smooth_volume((40, 36, 50)).float()
    # plastimatch 1.9.4 scrambles pictures that are not square.
    geometry = Geometry(541.0, 949.0, (240.0, 240.0), (64, 64), (80.0, 108.0, 125.0), view)
    image = sitk.GetImageFromArray(np.ascontiguousarray(volume[0, 0].numpy().transpose(1, 0, 2)[::-1]))
    image.SetSpacing((2.5, 2.0, 3.0))
    image.SetOrigin((-49 / 2 * 2.5, -39 / 2 * 2.0, -35 / 2 * 3.0))
    sitk.WriteImage(image, str(tmp_path / "volume.mha"))
    options = ["--sad", "541", "--sid", "949", "-P", "none", "-i", "uniform", "-t", "pfm"]
    options += ["-r", "64 64", "-z", "240 240", "-n", normal, "-o", "0 0 0"]
    command = ["plastimatch", "drr", *options, "-O", str(tmp_path / "drr_"), "-I", str(tmp_path / "volume.mha")]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    *_, pixels = (tmp_path / "drr_0000.pfm").read_bytes().split(b"\n", 3)
    expected = PLASTIMATCH_UNIT * np.frombuffer(pixels, "<f4").reshape(64, 64)
    if view == "PA":
        expected = expected[:, ::-1]
    error = np.abs(cone_beam_projection(volume, geometry)[0, 0].numpy() - expected) / expected.max()
    assert error.mean() <= 0.001
    assert error.max() <= 0.01


@pytest.mark.parametrize("view", ["PA", "AP"])
def test_rays_traced_one_by_one_agree(view: str) -> None:
    geometry = replace(SMALL, view=view)
    volume = smooth_volume()
    expected = ray_by_ray(volume[0, 0].numpy(), geometry)
    error = np.abs(cone_beam_projection(volume, geometry)[0, 0].numpy() - expected) / expected.max()
    assert error.max() < 0.005


def test_a_body_that_reaches_the_faces_is_not_thinned_there() -> None:
    geometry = replace(SMALL, detector_mm=(60.0, 60.0))
    expected = ray_by_ray(np.full((20, 18, 28), 0.02), geometry)
    found = cone_beam_projection(torch.full((1, 1, 20, 18, 28), 0.02), geometry)[0, 0].numpy()
    np.testing.assert_allclose(found, expected, rtol=0.01)
    # At the corners of the detector the ray is longer by the obliquity 1 / cos.
    corner = math.hypot(500, 27.5, 27.0) / 500
    assert found[0, 0] == pytest.approx(0.02 * 80 * corner, rel=1e-5)


def test_the_gradient_is_that_of_finite_differences() -> None:
    volume = torch.rand(2, 1, 4, 5, 6, dtype=torch.float64, requires_grad=True)
    geometry = replace(SMALL, detector_pixels=(5, 4))
    assert torch.autograd.gradcheck(lambda v: cone_beam_projection(v, geometry), (volume,))
    assert torch.autograd.gradcheck(lambda v: radiograph_from_ct(v, geometry, "exponential"), (0.1 + 0.5 * volume,))


@settings(max_examples=25, deadline=None)
@given(
    voxel=st.tuples(st.integers(0, 7), st.integers(1, 7), st.integers(1, 9)),
    view=st.sampled_from(["PA", "AP"]),
    shape_mm=st.tuples(st.floats(20, 200), st.floats(20, 200), st.floats(20, 200)),
)
def test_a_single_voxel_projects_to_its_interpolated_chord(
    voxel: tuple[int, int, int], view: str, shape_mm: tuple[float, float, float]
) -> None:
    shape = (8, 9, 11)
    geometry = replace(SMALL, volume_mm=shape_mm, detector_pixels=(31, 23), view=view)
    volume = torch.zeros(1, 1, *shape, dtype=torch.float64)
    volume[0, 0][voxel] = 0.7
    found = cone_beam_projection(volume, geometry)[0, 0].numpy()

    depth, height, width = (mm / count for mm, count in zip(shape_mm, shape, strict=True))
    behind = (voxel[0] - 3.5) * depth
    from_source = 300 - behind if view == "PA" else 300 + behind
    v = ((np.arange(31) - 15) * 120 / 31)[:, None] / 500
    u = ((np.arange(23) - 11) * 150 / 23)[None, :] / 500
    weight_v = np.maximum(0, 1 - np.abs(v * from_source / height - (voxel[1] - 4)))
    weight_u = np.maximum(0, 1 - np.abs(u * from_source / width - (voxel[2] - 5)))
    expected = 0.7 * depth * np.sqrt(1 + u**2 + v**2) * weight_v * weight_u
    np.testing.assert_allclose(found, expected, atol=1e-10)


@pytest.mark.parametrize(("voxel", "view"), [((1, 3, 4), "PA"), ((1, 3, 4), "AP"), ((6, 5, 5), "PA")])
def test_a_voxels_shadow_on_the_detector_holds_its_magnified_amount(voxel: tuple[int, int, int], view: str) -> None:
    geometry = replace(SMALL, detector_pixels=(600, 750), view=view)
    volume = torch.zeros(1, 1, 8, 9, 10, dtype=torch.float64)
    volume[0, 0][voxel] = 1
    behind = (voxel[0] - 3.5) * 10
    magnification = 500 / (300 - behind if view == "PA" else 300 + behind)
    amount = cone_beam_projection(volume, geometry).sum().item() * (120 / 600) * (150 / 750)
    # One voxel of 10 x 6 x 7 mm; the obliquity of rays this near the centre adds about 1 %.
    assert amount == pytest.approx(10 * 6 * 7 * magnification**2, rel=0.02)


def test_a_parallel_beam_gives_the_sum_along_depth() -> None:
    volume = torch.rand(2, 1, 5, 6, 7, dtype=torch.float64)
    geometry = Geometry(math.inf, 949.0, (30.0, 21.0), (6, 7), (40.0, 30.0, 21.0))
    assert geometry.is_parallel
    expected = volume.sum(dim=2) * 8.0
    torch.testing.assert_close(cone_beam_projection(volume, geometry), expected)
    torch.testing.assert_close(cone_beam_projection(volume, replace(geometry, view="AP")), expected)


def test_a_distant_source_approaches_the_parallel_beam() -> None:
    volume = smooth_volume()
    parallel = cone_beam_projection(volume, replace(SMALL, source_to_axis_mm=math.inf))
    distant = cone_beam_projection(volume, replace(SMALL, source_to_axis_mm=1e7, source_to_detector_mm=1e7 + 200))
    torch.testing.assert_close(distant, parallel, rtol=1e-3, atol=1e-4)


def test_each_volume_of_a_batch_is_projected_as_if_alone() -> None:
    batch = torch.cat([smooth_volume(seed=seed) for seed in range(3)])
    together = cone_beam_projection(batch, SMALL)
    assert together.shape == (3, 1, 12, 10)
    for volume, picture in zip(batch, together, strict=True):
        torch.testing.assert_close(cone_beam_projection(volume[None], SMALL)[0], picture)


def test_the_same_body_on_another_grid_casts_the_same_shadow() -> None:
    def ellipsoid(shape: tuple[int, int, int]) -> torch.Tensor:
        axes = [(np.arange(n) + 0.5 - n / 2) * mm / n / (mm / 7) for n, mm in zip(shape, SMALL.volume_mm, strict=True)]
        squares = sum(axis**2 for axis in np.meshgrid(*axes, indexing="ij"))
        return torch.from_numpy(0.02 * np.exp(-squares / 2))[None, None]

    coarse, fine = (cone_beam_projection(ellipsoid(shape), SMALL) for shape in ((30, 44, 60), (64, 35, 40)))
    assert (coarse - fine).abs().max() < 0.01 * fine.max()


@pytest.mark.parametrize("view", ["PA", "AP"])
@pytest.mark.parametrize(
    ("side", "rows", "columns"),
    [
        ((slice(None), slice(0, 4), slice(None)), slice(0, 5), slice(None)),  # superior: top
        ((slice(None), slice(-4, None), slice(None)), slice(-5, None), slice(None)),  # inferior: bottom
        ((slice(None), slice(None), slice(0, 6)), slice(None), slice(0, 4)),  # patient's right: left of the picture
        ((slice(None), slice(None), slice(-6, None)), slice(None), slice(-4, None)),  # patient's left: right
    ],
)
def test_each_side_of_the_patient_lands_where_radiographs_show_it(
    view: str, side: tuple[slice, slice, slice], rows: slice, columns: slice
) -> None:
    volume = torch.zeros(1, 1, 20, 18, 28)
    volume[0, 0][side] = 1
    picture = cone_beam_projection(volume, replace(SMALL, view=view))[0, 0]
    assert picture[rows, columns].sum() > 0.99 * picture.sum()
    assert picture.sum() > 0


def test_what_is_nearer_to_the_source_is_magnified_more() -> None:
    def column_of(depth_index: int, view: str) -> float:
        volume = torch.zeros(1, 1, 20, 18, 28, dtype=torch.float64)
        volume[0, 0, depth_index, 8:10, 24] = 1
        fine = replace(SMALL, detector_pixels=(12, 1500), view=view)
        profile = cone_beam_projection(volume, fine)[0, 0].sum(dim=0)
        return float((profile * (torch.arange(1500) - 749.5)).sum() / profile.sum()) * 150 / 1500

    left_mm, behind_mm = (24 - 13.5) * 2.5, 8.5 * 4
    for index, behind in ((1, -behind_mm), (18, behind_mm)):
        assert column_of(index, "PA") == pytest.approx(left_mm * 500 / (300 - behind), rel=1e-3)
        assert column_of(index, "AP") == pytest.approx(left_mm * 500 / (300 + behind), rel=1e-3)
    assert column_of(1, "PA") < column_of(18, "PA")


@settings(max_examples=15, deadline=None)
@given(factor=st.floats(-10, 10), seeds=st.tuples(st.integers(0, 100), st.integers(0, 100)))
def test_projection_is_linear(factor: float, seeds: tuple[int, int]) -> None:
    first, second = (smooth_volume(seed=seed) for seed in seeds)
    together = cone_beam_projection(first + factor * second, SMALL)
    apart = cone_beam_projection(first, SMALL) + factor * cone_beam_projection(second, SMALL)
    torch.testing.assert_close(together, apart)


@settings(max_examples=15, deadline=None)
@given(down=st.integers(-2, 2), left=st.integers(-2, 2), seed=st.integers(0, 100))
def test_in_a_parallel_beam_a_shifted_body_casts_a_shifted_shadow(down: int, left: int, seed: int) -> None:
    body = torch.nn.functional.pad(smooth_volume((6, 8, 9), seed), (3, 3, 3, 3))  # (1, 1, 6, 14, 15)
    geometry = Geometry(math.inf, 949.0, (28.0, 45.0), (14, 15), (30.0, 28.0, 45.0))
    moved = cone_beam_projection(body.roll((down, left), (3, 4)), geometry)
    torch.testing.assert_close(moved, cone_beam_projection(body, geometry).roll((down, left), (2, 3)))


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 100), view=st.sampled_from(["PA", "AP"]))
def test_a_mirrored_body_casts_a_mirrored_shadow(seed: int, view: str) -> None:
    body, geometry = smooth_volume(seed=seed), replace(SMALL, view=view)
    picture = cone_beam_projection(body, geometry)
    torch.testing.assert_close(cone_beam_projection(body.flip(4), geometry), picture.flip(3))
    torch.testing.assert_close(cone_beam_projection(body.flip(3), geometry), picture.flip(2))
    # Turned back to front, the patient faces the other source.
    other = replace(geometry, view="AP" if view == "PA" else "PA")
    torch.testing.assert_close(cone_beam_projection(body.flip(2), other), picture)


def test_single_precision_is_accurate_to_six_digits() -> None:
    volume = smooth_volume((40, 36, 50))
    exact = cone_beam_projection(volume, SMALL)
    single = cone_beam_projection(volume.float(), SMALL)
    assert single.dtype == torch.float32
    assert (single - exact).abs().max() < 2e-6 * exact.max()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_volumes_lose_no_more_than_their_own_rounding(dtype: torch.dtype) -> None:
    volume = smooth_volume().to(dtype)
    found = cone_beam_projection(volume, SMALL)
    assert found.dtype == dtype
    exact = cone_beam_projection(volume.double(), SMALL)
    torch.testing.assert_close(found, exact.to(dtype), rtol=2 * torch.finfo(dtype).eps, atol=1e-4)


def test_autocast_does_not_change_the_result() -> None:
    volume = smooth_volume().float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = cone_beam_projection(volume, SMALL)
    torch.testing.assert_close(inside, cone_beam_projection(volume, SMALL), rtol=0, atol=0)


def test_a_call_in_inference_mode_does_not_break_later_training() -> None:
    projection._slice_matrices.cache_clear()
    with torch.inference_mode():
        cone_beam_projection(smooth_volume(), SMALL)
    volume = smooth_volume().requires_grad_()
    cone_beam_projection(volume, SMALL).sum().backward()
    assert volume.grad is not None
    assert volume.grad.abs().sum() > 0


def test_slices_projected_a_few_at_a_time_add_up_to_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    volume = smooth_volume()
    whole = cone_beam_projection(volume, SMALL)
    monkeypatch.setattr(projection, "_MATRIX_ELEMENTS", 3 * 10 * 28)
    torch.testing.assert_close(cone_beam_projection(volume, SMALL), whole)


@pytest.mark.parametrize("elements", [2**24, 3 * 10 * 28])
@pytest.mark.parametrize("geometry", [SMALL, replace(SMALL, view="AP"), replace(SMALL, source_to_axis_mm=math.inf)])
def test_back_projection_is_the_transpose_of_projection(
    monkeypatch: pytest.MonkeyPatch, geometry: Geometry, elements: int
) -> None:
    monkeypatch.setattr(projection, "_MATRIX_ELEMENTS", elements)
    volume = smooth_volume().double()
    projected = cone_beam_projection(volume, geometry)
    images = torch.rand(projected.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    back = back_projection(images, geometry, tuple(volume.shape[2:]))
    assert float((projected * images).sum()) == pytest.approx(float((volume * back).sum()), rel=1e-12)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_the_gpu_agrees_with_the_cpu() -> None:
    volume = smooth_volume()
    torch.testing.assert_close(cone_beam_projection(volume.cuda(), SMALL).cpu(), cone_beam_projection(volume, SMALL))


@pytest.mark.parametrize("shape", [(8, 8, 8), (1, 2, 8, 8, 8), (1, 1, 8, 8), (0, 1, 8, 8, 8), (1, 1, 8, 0, 8)])
def test_volumes_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    for function in (mean_projections, lambda volume: cone_beam_projection(volume, SMALL)):
        with pytest.raises(ValueError, match="N, 1, D, H, W"):
            function(torch.zeros(shape))


def test_integer_volumes_are_refused() -> None:
    with pytest.raises(ValueError, match="floating"):
        cone_beam_projection(torch.zeros(1, 1, 4, 4, 4, dtype=torch.int16), SMALL)


def test_mean_projections_are_the_means_along_height_depth_and_width() -> None:
    volume = torch.rand(2, 1, 3, 4, 5, dtype=torch.float64)
    axial, coronal, sagittal = mean_projections(volume)
    array = volume.numpy()
    np.testing.assert_allclose(axial[:, 0].numpy(), sum(array[:, 0, :, h] for h in range(4)) / 4)
    np.testing.assert_allclose(coronal[:, 0].numpy(), sum(array[:, 0, d] for d in range(3)) / 3)
    np.testing.assert_allclose(sagittal[:, 0].numpy(), sum(array[:, 0, :, :, w] for w in range(5)) / 5)
    assert (axial.shape, coronal.shape, sagittal.shape) == ((2, 1, 3, 5), (2, 1, 4, 5), (2, 1, 3, 4))


def test_the_default_geometry_sees_285_mm_at_the_isocentre() -> None:
    geometry = Geometry()
    assert geometry.magnification == pytest.approx(949 / 541)
    assert geometry.field_at_isocentre_mm == pytest.approx((285.04, 285.04), abs=0.01)
    assert replace(geometry, source_to_axis_mm=math.inf).field_at_isocentre_mm == (500, 500)


@pytest.mark.parametrize("geometry", [Geometry(), SMALL, Geometry(math.inf, math.inf, view="AP")])
def test_a_geometry_survives_strict_json(geometry: Geometry) -> None:
    text = json.dumps(geometry.to_dict(), allow_nan=False)
    assert Geometry.from_dict(json.loads(text)) == geometry


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("view", "lateral"),
        ("view", ["PA"]),
        ("source_to_axis_mm", 160.0),
        ("source_to_axis_mm", -541.0),
        ("source_to_axis_mm", float("nan")),
        ("source_to_axis_mm", True),
        ("source_to_axis_mm", "541"),
        ("source_to_detector_mm", 541.0),
        ("source_to_detector_mm", None),
        ("detector_mm", [500.0]),
        ("detector_mm", 500.0),
        ("detector_mm", [500.0, 0.0]),
        ("detector_pixels", [128, 127.5]),
        ("detector_pixels", [128, 10**9]),
        ("detector_pixels", [128, 10**400]),
        ("volume_mm", [320.0, 320.0, float("inf")]),
        ("volume_mm", [320.0, 320.0]),
    ],
)
def test_a_geometry_with_an_unusable_field_is_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=name):
        Geometry.from_dict({**Geometry().to_dict(), name: value})


def test_a_geometry_with_missing_or_unknown_fields_is_refused() -> None:
    values = Geometry().to_dict()
    with pytest.raises(ValueError, match="exactly the fields"):
        Geometry.from_dict({**values, "tilt": 3})
    del values["view"]
    with pytest.raises(ValueError, match="exactly the fields"):
        Geometry.from_dict(values)
    with pytest.raises(ValueError, match="named fields"):
        Geometry.from_dict([1, 2])  # type: ignore[arg-type]


def test_network_values_and_hounsfield_units_convert_back_and_forth() -> None:
    hu = torch.tensor([-1024.0, -1000.0, 0.0, 40.0, 1476.0], dtype=torch.float64)
    v = network_from_hu(hu)
    torch.testing.assert_close(v, torch.tensor([0, 24, 1024, 1064, 2500], dtype=torch.float64) / 2500)
    torch.testing.assert_close(hu_from_network(v), hu)
    assert network_from_hu(torch.tensor([-3000.0, 4000.0])).tolist() == [0, 1]


def test_air_water_and_cortical_bone_have_their_tabulated_attenuation() -> None:
    # NIST at 60 keV: 0.2059 cm2/g x 1.000 g/cm3 and 0.3148 cm2/g x 1.920 g/cm3.
    found = attenuation_from_hu(torch.tensor([-1024.0, -1000.0, 0.0, projection.BONE_HU], dtype=torch.float64))
    expected = torch.tensor([0, 0, 0.02059, 0.3148 * 1.92 / 10], dtype=torch.float64)
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-12)


@settings(max_examples=20, deadline=None)
@given(threshold=st.floats(-900, 1500))
def test_attenuation_is_continuous_and_never_falls_with_hounsfield_units(threshold: float) -> None:
    hu = torch.arange(-1200, 3000, 0.5, dtype=torch.float64)
    steps = attenuation_from_hu(hu, bone_threshold_hu=threshold).diff()
    assert steps.min() >= 0
    assert steps.max() < 5e-4


def test_an_impossible_bone_threshold_is_refused() -> None:
    with pytest.raises(ValueError, match="bone_threshold_hu"):
        attenuation_from_hu(torch.zeros(3), bone_threshold_hu=2000)


def test_transmission_is_the_exponential_of_the_line_integral() -> None:
    torch.testing.assert_close(transmission(torch.tensor([0.0, math.log(2), 50.0])), torch.tensor([1.0, 0.5, 0.0]))


@pytest.mark.parametrize("output", ["line", "exponential"])
def test_bone_is_bright_and_air_is_black_in_the_radiograph_of_a_ct(output: str) -> None:
    hu = torch.full((1, 1, 20, 18, 28), -1000.0)
    hu[0, 0, 5:15, 4:14, 4:24] = 40
    hu[0, 0, 8:12, 8:10, 4:24] = 700
    geometry = replace(SMALL, detector_pixels=(54, 70))
    picture = radiograph_from_ct(network_from_hu(hu), geometry, output)[0, 0]
    bone, tissue, air = picture[27, 35], picture[18, 35], picture[1, 1]
    assert bone > tissue > 0.1
    assert air == pytest.approx(0, abs=1e-5)
    assert picture.min() >= -1e-5
    assert output == "line" or picture.max() < 1


def test_an_unknown_kind_of_radiograph_is_refused() -> None:
    with pytest.raises(ValueError, match="output"):
        radiograph_from_ct(torch.zeros(1, 1, 4, 4, 4), SMALL, "film")
