"""What happens to the picture itself: grey scale, frames, square padding, photographs, and real radiographs."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from PIL import Image, ImageDraw
from pydicom.data import get_testdata_file
from scipy.stats import rankdata

from radiograph_phantoms import drawn_chest
from XrayToCTLib.framing import content_box, square_field
from XrayToCTLib.grayscale import chest_likeness, normalise, ranks
from XrayToCTLib.radiograph import network_input, read_radiograph

CHEST = drawn_chest(200, 180)
REAL = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "xray"
real_radiographs = sorted(REAL.glob("*/*.png"))
needs_real_radiographs = pytest.mark.skipif(not real_radiographs, reason="no folder of real radiographs here")


@settings(deadline=None)
@given(
    scale=st.floats(1e-3, 1e6),
    offset=st.floats(-1e6, 1e6),
    seed=st.integers(0, 99),
)
def test_normalisation_undoes_any_linear_grey_scale(scale, offset, seed):
    values = np.random.default_rng(seed).random((40, 30))
    np.testing.assert_allclose(normalise(values * scale + offset), normalise(values), atol=1e-3 + 1e-9 / scale)


def test_normalisation_is_monotone_and_clips_one_percent():
    values = np.arange(10_000.0).reshape(100, 100)
    shown = normalise(values)
    assert np.all(np.diff(shown.ravel()) >= 0)
    assert np.count_nonzero(shown == 0) == pytest.approx(50, abs=1)
    assert np.count_nonzero(shown == 1) == pytest.approx(50, abs=1)
    assert shown[50, 0] == pytest.approx(0.5, abs=1e-3)
    assert shown.dtype == np.float32


def test_normalisation_survives_values_at_the_ends_of_float64():
    assert np.isfinite(normalise(np.array([[-1.7e308, 0.0], [1.7e308, np.nan]]))).all()


def test_a_few_bright_pixels_on_an_even_ground_are_kept():
    values = np.zeros((100, 100))
    values[3, 4] = 2.0
    assert normalise(values)[3, 4] == 1.0


@pytest.mark.parametrize(
    "values", [np.zeros((4, 4)), np.full((4, 4), np.nan), np.zeros((0, 4)), np.full((3, 3), np.inf)]
)
def test_a_picture_without_contrast_cannot_be_normalised(values):
    with pytest.raises(ValueError, match="picture"):
        normalise(values)


@given(npst.arrays(float, (3, 4), elements=st.integers(0, 9)))
def test_ranks_are_those_of_scipy(values: np.ndarray) -> None:
    np.testing.assert_array_equal(ranks(values), rankdata(values).reshape(values.shape))


def test_the_likeness_to_a_chest_changes_sign_with_the_grey_scale():
    likeness = chest_likeness(CHEST)
    assert likeness > 0.3
    assert chest_likeness(1 - CHEST) == pytest.approx(-likeness)
    assert chest_likeness(CHEST[:, ::-1]) == pytest.approx(likeness, abs=0.02)


@pytest.mark.parametrize("level", [0.0, 1.0])
@settings(deadline=None, max_examples=25)
@given(margins=st.tuples(*[st.integers(0, 29)] * 4))
def test_frames_are_cut_to_the_line(level, margins):
    top, bottom, left, right = margins
    framed = np.pad(0.1 + 0.8 * CHEST, ((top, bottom), (left, right)), constant_values=level)
    rows, columns = content_box(framed)
    assert (rows.start, rows.stop) == (top, top + 200)
    assert (columns.start, columns.stop) == (left, left + 180)


def test_letters_and_rotated_text_in_a_frame_do_not_keep_it():
    framed = np.pad(0.1 + 0.8 * CHEST, ((40, 50), (45, 60)))
    picture = Image.fromarray((framed * 255).astype(np.uint8))
    letters = Image.new("L", (60, 12))
    ImageDraw.Draw(letters).text((2, 0), "AP SUPINE", fill=255)
    picture.paste(letters, (80, 10))
    picture.paste(letters.rotate(90, expand=True), (12, 100))
    rows, columns = content_box(np.asarray(picture) / 255)
    assert (rows.start, rows.stop, columns.start, columns.stop) == (40, 240, 45, 225)


def test_a_black_frame_inside_a_white_one_is_cut_too():
    framed = np.pad(np.pad(0.1 + 0.8 * CHEST, 12), 15, constant_values=1.0)
    rows, columns = content_box(framed)
    assert (rows.start, rows.stop, columns.start, columns.stop) == (27, 227, 27, 207)


def test_a_saturated_abdomen_and_dark_lungs_at_the_edge_are_never_cut():
    chest = CHEST.copy()
    chest[150:] = 1.0
    assert content_box(chest) == (slice(0, 200), slice(0, 180))
    lungs = CHEST.copy()
    lungs[30:140, :50] = 0.0
    assert content_box(lungs) == (slice(0, 200), slice(0, 180))


def test_an_opaque_half_of_the_chest_is_never_cut():
    y, x = np.mgrid[0:200, 0:180]
    opaque = np.where(x < 60 + 25 * np.sin(y / 30), 1.0, 0.8 * CHEST)
    assert content_box(opaque) == (slice(0, 200), slice(0, 180))


@settings(deadline=None, max_examples=40)
@given(rows=st.integers(16, 90), columns=st.integers(16, 90), size=st.integers(8, 40))
def test_the_square_field_is_padded_evenly_and_never_stretched(rows, columns, size):
    field = square_field(np.ones((rows, columns), dtype=np.float32), size)
    side = max(rows, columns)
    assert field.sum() * (side / size) ** 2 == pytest.approx(rows * columns, rel=1e-4)
    np.testing.assert_allclose(field, field[::-1, ::-1], atol=1e-4)


def test_a_square_field_of_whole_blocks_is_their_mean():
    pixels = np.random.default_rng(0).random((64, 64)).astype(np.float32)
    blocks = pixels.reshape(16, 4, 16, 4).mean(axis=(1, 3))
    np.testing.assert_allclose(square_field(pixels, 16), blocks, atol=1e-6)


def test_pixels_that_are_not_square_keep_their_true_shape():
    field = square_field(np.ones((40, 40), dtype=np.float32), 20, (0.1, 0.2))
    np.testing.assert_allclose(field.sum(axis=0), 10.0, rtol=1e-5)


def photograph(chest: np.ndarray, surround: int, tilt: float) -> Image.Image:
    """A tinted, noisy (480, 600) photograph of a film on a surround of one grey, tilted by some degrees."""
    film = Image.fromarray((40 + 180 * chest).astype(np.uint8)).resize((280, 320), Image.Resampling.BILINEAR)
    canvas = Image.new("L", (600, 480), surround)
    mask = Image.new("L", film.size, 255).rotate(tilt, expand=True, resample=Image.Resampling.BICUBIC)
    canvas.paste(film.rotate(tilt, expand=True, resample=Image.Resampling.BICUBIC), (120, 40), mask)
    grey = np.asarray(canvas) + np.random.default_rng(1).normal(0, 2, (480, 600))
    return Image.fromarray(np.stack([0.9 * grey, grey, grey + 8], axis=2).clip(0, 255).astype(np.uint8))


@pytest.mark.parametrize("surround", [8, 245], ids=["dark room", "light box"])
@pytest.mark.parametrize("tilt", [0, 6, -13])
def test_a_photographed_film_is_cut_out_and_straightened(tmp_path, surround, tilt):
    path = tmp_path / "photo.jpg"
    photograph(CHEST, surround, tilt).save(path, quality=92)
    radiograph = read_radiograph(path)
    assert any("photograph of a film" in warning for warning in radiograph.warnings)
    assert not any("inverted" in warning for warning in radiograph.warnings)
    assert radiograph.pixels.shape == pytest.approx((320, 280), rel=0.06)
    seen = square_field(radiograph.pixels, 48, (1 / radiograph.pixels.shape[0], 1 / radiograph.pixels.shape[1]))
    meant = square_field(normalise(CHEST), 48, (1 / 200, 1 / 180))
    assert np.corrcoef(seen.ravel(), meant.ravel())[0, 1] > 0.93


def test_a_tilted_film_in_a_grey_photograph_is_straightened_too(tmp_path):
    path = tmp_path / "photo.png"
    photograph(CHEST, 245, 8).convert("L").save(path)
    radiograph = read_radiograph(path)
    assert radiograph.pixels.shape == pytest.approx((320, 280), rel=0.06)


@needs_real_radiographs
def test_no_real_radiograph_is_inverted_turned_straightened_or_cut_into():
    assert len(real_radiographs) >= 480
    for path in real_radiographs:
        with Image.open(path) as image:
            stored = np.asarray(image)
        radiograph = read_radiograph(path)
        assert radiograph.warnings == (), path
        assert radiograph.pixels.size >= 0.6 * stored.size, path
        if radiograph.pixels.shape == stored.shape:
            np.testing.assert_array_equal(radiograph.pixels, normalise(stored))
        else:
            whole = square_field(normalise(stored), 32)
            assert np.corrcoef(network_input(radiograph, 32).ravel(), whole.ravel())[0, 1] > 0.3, path


@needs_real_radiographs
def test_an_inverted_real_radiograph_is_recognised(tmp_path):
    path = tmp_path / "inverted.png"
    for original in real_radiographs[::2]:  # all of them pass, but a test should not take a minute
        with Image.open(original) as image:
            stored = np.asarray(image)
        Image.fromarray(255 - stored).save(path, compress_level=0)
        assert any("so it was inverted" in warning for warning in read_radiograph(path).warnings), original


def test_a_real_monochrome1_radiograph_reads_bone_bright():
    path = get_testdata_file("RG1_UNCR.dcm", download=False)
    if path is None:
        pytest.skip("pydicom-data is not installed")
    radiograph = read_radiograph(path)
    assert radiograph.pixels.shape == (1955, 1841)
    assert radiograph.spacing_mm is None
    assert radiograph.view == "PA"
    assert chest_likeness(radiograph.pixels) > 0.5
    # The same exposure, compressed, as another file of the same set.
    compressed = get_testdata_file("RG1_J2KR.dcm", download=False)
    np.testing.assert_array_equal(read_radiograph(compressed).pixels, radiograph.pixels)
