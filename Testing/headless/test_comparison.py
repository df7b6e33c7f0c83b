import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from XrayToCTLib.comparison import band_passed_ncc, compare, difference_picture


def picture(seed: int = 0, shape: tuple[int, int] = (32, 40)) -> np.ndarray:
    """(H, W) smooth noise in [0, 1]."""
    rng = np.random.default_rng(seed)
    noise = np.cumsum(np.cumsum(rng.normal(size=shape), axis=0), axis=1)
    return (noise - noise.min()) / np.ptp(noise)


def literal_ssim(first: np.ndarray, second: np.ndarray) -> float:
    """Wang's SSIM window by window, written out as in the paper."""
    offsets = np.arange(-5, 6)
    window = np.exp(-(offsets[:, None] ** 2 + offsets[None, :] ** 2) / (2 * 1.5**2))
    window /= window.sum()
    values = []
    for row in range(5, first.shape[0] - 5):
        for column in range(5, first.shape[1] - 5):
            a = first[row - 5 : row + 6, column - 5 : column + 6]
            b = second[row - 5 : row + 6, column - 5 : column + 6]
            mean_a, mean_b = (window * a).sum(), (window * b).sum()
            variance_a, variance_b = (window * (a - mean_a) ** 2).sum(), (window * (b - mean_b) ** 2).sum()
            covariance = (window * (a - mean_a) * (b - mean_b)).sum()
            luminance = (2 * mean_a * mean_b + 1e-4) / (mean_a**2 + mean_b**2 + 1e-4)
            values.append(luminance * (2 * covariance + 9e-4) / (variance_a + variance_b + 9e-4))
    return float(np.mean(values))


def test_ssim_is_that_of_a_literal_implementation() -> None:
    radiograph, projection = picture(0), picture(1)
    result = compare(radiograph, projection)
    assert result.ssim == pytest.approx(literal_ssim(radiograph, result.matched.astype(np.float64)), abs=1e-6)


def test_the_grey_scale_match_is_the_least_squares_solution() -> None:
    radiograph = picture(0)
    projection = 3 * radiograph + picture(1) - 2
    design = np.stack([projection.ravel(), np.ones(projection.size)], axis=1)
    solution = np.linalg.lstsq(design, radiograph.ravel(), rcond=None)[0]
    result = compare(radiograph, projection)
    np.testing.assert_allclose(result.matched, (design @ solution).reshape(radiograph.shape), atol=1e-6)
    assert result.rmse == pytest.approx(np.sqrt(np.mean((result.matched - radiograph) ** 2)), rel=1e-5)


@settings(max_examples=20, deadline=None)
@given(gain=st.floats(1e-3, 1e3), offset=st.floats(-100, 100))
def test_a_picture_in_another_affine_grey_scale_agrees_perfectly(gain: float, offset: float) -> None:
    result = compare(picture(), gain * picture() + offset)
    assert result.ncc == pytest.approx(1, abs=1e-6)
    assert result.ssim == pytest.approx(1, abs=1e-6)
    assert result.rmse < 1e-6
    np.testing.assert_allclose(result.matched, picture(), atol=1e-6)


@settings(max_examples=20, deadline=None)
@given(seeds=st.tuples(st.integers(0, 1000), st.integers(0, 1000)))
def test_ncc_is_the_correlation_coefficient(seeds: tuple[int, int]) -> None:
    first, second = picture(seeds[0]), picture(seeds[1])
    expected = np.corrcoef(first.ravel(), second.ravel())[0, 1]
    assert compare(first, second).ncc == pytest.approx(expected, abs=1e-9)


def test_an_inverted_picture_is_not_matched_away() -> None:
    result = compare(picture(), 1 - picture())
    assert result.ncc == pytest.approx(-1)
    assert result.rmse == pytest.approx(picture().std())


@pytest.mark.parametrize("constant", [0.0, 0.1, 1.0])
def test_a_constant_picture_has_a_correlation_of_zero(constant: float) -> None:
    flat = np.full((32, 40), constant)
    assert compare(picture(), flat).ncc == 0
    assert compare(flat, picture()).ncc == 0
    assert compare(flat, flat).ncc == 0
    assert band_passed_ncc(flat, picture(), pixel_mm=1) == 0
    assert np.isfinite(compare(flat, flat).ssim)


def test_the_difference_is_positive_where_the_projection_is_denser() -> None:
    radiograph = picture(shape=(64, 64))
    projection = radiograph.copy()
    projection[20:24, 30:34] += 0.5
    difference = compare(radiograph, projection).difference
    assert np.unravel_index(difference.argmax(), difference.shape)[0] in range(20, 24)
    assert difference[20:24, 30:34].min() > 0.3


def discs(diameter_mm: float, seed: int, pixel_mm: float = 1.0) -> np.ndarray:
    """(128, 128) discs of one size at random places."""
    rng = np.random.default_rng(seed)
    grid = np.indices((128, 128)) * pixel_mm
    result = np.zeros((128, 128))
    for centre in rng.uniform(0, 128 * pixel_mm, size=(12, 2)):
        result[np.hypot(grid[0] - centre[0], grid[1] - centre[1]) <= diameter_mm / 2] = 1
    return result


def test_band_passed_ncc_sees_ribs_and_not_the_outline() -> None:
    outline, details, others = 5 * discs(60, 0), discs(6, 1), discs(6, 2)
    assert compare(outline + details, outline + others).ncc > 0.95
    assert band_passed_ncc(outline + details, outline + details, pixel_mm=1) == pytest.approx(1)
    assert abs(band_passed_ncc(details, others, pixel_mm=1)) < 0.2
    shading = np.hypot(*(np.indices((128, 128)) - 64)) / 20
    assert compare(shading + details, shading + others).ncc > 0.8
    assert band_passed_ncc(shading + details, shading + others, pixel_mm=1) < 0.4


def test_the_band_is_measured_in_millimetres() -> None:
    first, second = picture(0, (64, 64)), picture(1, (64, 64))
    scaled = band_passed_ncc(first, second, pixel_mm=2.5, low_mm=5, high_mm=40)
    assert band_passed_ncc(first, second, pixel_mm=1) == pytest.approx(scaled)


def test_a_difference_picture_is_blue_white_and_red() -> None:
    colours = difference_picture(np.array([[-9.0, -0.5, -0.25, 0.0, 0.25, 0.5, 9.0]]))
    assert colours.shape == (1, 7, 3)
    assert colours.dtype == np.uint8
    assert (colours[0, 3] == 255).all()
    red, blue = colours[0, :, 0].astype(int), colours[0, :, 2].astype(int)
    assert (blue - red)[:3].min() > 0
    assert (red - blue)[4:].min() > 0
    assert (colours[0, 0] == colours[0, 1]).all()
    assert (colours[0, 5] == colours[0, 6]).all()


@pytest.mark.parametrize(
    ("first", "second", "reason"),
    [
        (picture(), picture(shape=(32, 41)), "one shape"),
        (picture()[None], picture()[None], "one shape"),
        (picture(shape=(10, 40)), picture(shape=(10, 40)), "at least 11 x 11"),
        (picture(), np.full((32, 40), np.nan), "finite"),
    ],
)
def test_pictures_that_cannot_be_compared_are_refused(first: np.ndarray, second: np.ndarray, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        compare(first, second)
    with pytest.raises(ValueError, match=reason):
        band_passed_ncc(first, second, pixel_mm=1)


def test_unusable_bands_and_limits_are_refused() -> None:
    with pytest.raises(ValueError, match="low_mm"):
        band_passed_ncc(picture(), picture(), pixel_mm=1, low_mm=16, high_mm=2)
    with pytest.raises(ValueError, match="pixel_mm"):
        band_passed_ncc(picture(), picture(), pixel_mm=0)
    with pytest.raises(ValueError, match="limit"):
        difference_picture(picture(), limit=0)
    with pytest.raises(ValueError, match="finite"):
        difference_picture(np.full((2, 2), np.inf))
