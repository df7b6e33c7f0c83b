import io
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFont
from PIL.PngImagePlugin import PngImageFile

from XrayToCTLib import atomic_write
from XrayToCTLib.marking import SYNTHETIC_NOTICE
from XrayToCTLib.orientation import lps_to_network
from XrayToCTLib.pictures import (
    SIDE_LETTERS,
    WINDOWS,
    gray_picture,
    png_bytes,
    side_by_side,
    slice_grid,
    slice_picture,
    with_notice,
    write_png,
)

SIDES = (320.0, 320.0, 320.0)
# Halves of an array (K, J, I) in LPS: I grows to the Left, J to Posterior, K to the Head.
HALVES: dict[str, tuple[slice, ...]] = {
    "R": np.s_[:, :, :8],
    "L": np.s_[:, :, 8:],
    "A": np.s_[:, :8, :],
    "P": np.s_[:, 8:, :],
    "F": np.s_[:8, :, :],
    "H": np.s_[8:, :, :],
}
EDGES: dict[str, Any] = {"left": np.s_[:, :8], "right": np.s_[:, 8:], "top": np.s_[:8], "bottom": np.s_[8:]}


def volume_with_bright_half(letter: str) -> np.ndarray:
    """(16, 16, 16), network values: 0, and 1 in the half of the patient that the letter names."""
    array = np.zeros((16, 16, 16), dtype=np.float32)
    array[HALVES[letter]] = 1
    return lps_to_network(array)


def opened(content: bytes) -> PngImageFile:
    image = Image.open(io.BytesIO(content))
    assert isinstance(image, PngImageFile)
    return image


def cropped(mask: np.ndarray) -> np.ndarray:
    rows, columns = np.nonzero(mask.any(axis=1))[0], np.nonzero(mask.any(axis=0))[0]
    return mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def letter_in(region: np.ndarray, size: float) -> str:
    """The side letter whose shape is most like the yellow pixels of a region (rows, columns, 3)."""
    seen = cropped((region[..., 0] > 128) & (region[..., 2] < 128))

    def likeness(letter: str) -> float:
        mask = ImageFont.load_default(size=size).getmask(letter)
        shape = cropped(np.array(mask, dtype=np.uint8).reshape(mask.size[::-1]) > 100)
        canvas = np.zeros((2, 40, 40), dtype=bool)
        for layer, picture in zip(canvas, (seen, shape), strict=True):
            layer[: picture.shape[0], : picture.shape[1]] = picture
        return float((canvas[0] & canvas[1]).sum() / (canvas[0] | canvas[1]).sum())

    return max("RLAPHF", key=likeness)


@pytest.mark.parametrize("window", WINDOWS)
def test_a_window_maps_hu_as_simpleitk_does(window: str) -> None:
    values = np.random.default_rng(0).random((5, 6, 7))
    level, width = WINDOWS[window]
    hu = sitk.GetImageFromArray(values[:, 3, :] * 2500 - 1024)
    expected = sitk.GetArrayFromImage(sitk.IntensityWindowing(hu, level - width / 2, level + width / 2, 0.0, 255.0))
    np.testing.assert_array_equal(slice_picture(values, "axial", 3, WINDOWS[window]), np.rint(expected))


@pytest.mark.parametrize(("hu", "grey"), [(-1024, 0), (-160, 0), (40, 128), (240, 255), (1476, 255)])
def test_the_mediastinal_window_is_black_at_minus_160_and_white_at_240_hu(hu: float, grey: int) -> None:
    volume = np.full((2, 2, 2), (hu + 1024) / 2500)
    assert (slice_picture(volume, "coronal", window=WINDOWS["mediastinum"]) == grey).all()


@pytest.mark.parametrize("plane", SIDE_LETTERS)
@pytest.mark.parametrize("edge", EDGES)
def test_a_letter_stands_on_the_side_of_the_patient_that_it_names(plane: str, edge: str) -> None:
    letter = getattr(SIDE_LETTERS[plane], edge)
    picture = slice_picture(volume_with_bright_half(letter), plane, window=WINDOWS["bone"])
    expected = np.zeros((16, 16))
    expected[EDGES[edge]] = 255
    np.testing.assert_array_equal(picture, expected)


@pytest.mark.parametrize("plane", SIDE_LETTERS)
def test_a_montage_bears_each_letter_at_its_edge(plane: str) -> None:
    grid = slice_grid(np.zeros((16, 16, 16)), SIDES, {plane: 1}, width=300)
    middle = slice(135, 165)
    regions = {
        "left": grid[middle, :30],
        "right": grid[middle, -30:],
        "top": grid[:30, middle],
        "bottom": grid[-30:, middle],
    }
    assert {edge: letter_in(region, 20) for edge, region in regions.items()} == SIDE_LETTERS[plane]._asdict()


def test_axial_slices_of_a_montage_run_from_head_to_foot() -> None:
    grid = slice_grid(volume_with_bright_half("H"), SIDES, {"axial": 2}, width=400)
    assert np.median(grid[:, :198]) > np.median(grid[:, 202:])


def test_slices_are_drawn_in_true_proportion() -> None:
    assert slice_grid(np.zeros((8, 8, 8)), (160.0, 320.0, 320.0), {"axial": 1}, width=200).shape == (100, 200, 3)
    assert slice_grid(np.zeros((8, 8, 8)), (160.0, 320.0, 320.0), {"sagittal": 1}, width=200).shape == (400, 200, 3)


@given(width=st.integers(384, 1300), counts=st.lists(st.integers(1, 6), min_size=3, max_size=3))
@settings(deadline=None, max_examples=15)
def test_a_montage_has_the_width_asked_for(width: int, counts: list[int]) -> None:
    grid = slice_grid(np.full((3, 4, 5), 0.5), SIDES, dict(zip(SIDE_LETTERS, counts, strict=True)), width=width)
    assert grid.shape[1:] == (width, 3)
    assert grid[:, -1].any()


def test_side_by_side_shows_x_ray_projection_and_difference_in_this_order() -> None:
    flat = np.full((16, 16), 0.5)
    picture = side_by_side(flat, 0.5 * flat, flat, panel_width=200)
    centres = [tuple(picture[100, column]) for column in (100, 304, 508)]
    assert centres == [(128, 128, 128), (64, 64, 64), (178, 24, 43)]
    assert letter_in(picture[100:130, :30], 200 / 15) == "R"
    assert letter_in(picture[100:130, 170:200], 200 / 15) == "L"


@pytest.mark.parametrize("shape", [(40, 64), (128, 128), (90, 700, 3), (10, 1600, 3), (9, 5)])
def test_every_file_bears_the_notice_in_its_text_chunk_and_its_pixels(shape: tuple[int, ...]) -> None:
    picture = np.full(shape, 77, dtype=np.uint8)
    image = opened(png_bytes(picture))
    pixels = np.asarray(image)
    strip = pixels[shape[0] :]
    assert image.text["Comment"] == SYNTHETIC_NOTICE
    assert pixels.ndim == picture.ndim
    assert (pixels[: shape[0]] == 77).all(axis=0).sum() >= picture[0].size
    assert strip.max() == 255
    assert strip.any(axis=1).sum() >= 9  # at least one line of legible letters


@given(width=st.integers(1, 2000))
@settings(deadline=None, max_examples=30)
def test_the_notice_is_never_cut_off(width: int) -> None:
    strip = with_notice(np.zeros((3, width), dtype=np.uint8))
    assert strip.any()
    assert not strip[:, [0, -1]].any()
    assert not strip[[0, -1]].any()


def test_the_plain_radiograph_bears_no_notice() -> None:
    picture = gray_picture(np.random.default_rng(0).random((20, 30)))
    image = opened(png_bytes(picture, synthetic=False))
    np.testing.assert_array_equal(np.asarray(image), picture)
    assert "Comment" not in image.text


def test_a_failed_write_leaves_the_old_file_and_no_rubbish(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError("no space left")

    path = write_png(tmp_path / "slice.png", np.zeros((8, 8), dtype=np.uint8))
    before = path.read_bytes()
    monkeypatch.setattr(atomic_write.os, "replace", fail)
    with pytest.raises(OSError, match="no space"):
        write_png(path, np.ones((9, 9), dtype=np.uint8))
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["slice.png"]


@pytest.mark.parametrize("index", [-1, 4, 100])
def test_a_slice_outside_the_volume_is_refused(index: int) -> None:
    with pytest.raises(ValueError, match="0 to 3"):
        slice_picture(np.zeros((4, 4, 4)), "axial", index)


def test_what_cannot_be_drawn_is_refused() -> None:
    volume = np.zeros((4, 4, 4))
    with pytest.raises(ValueError, match="axial, coronal or sagittal"):
        slice_picture(volume, "oblique")
    with pytest.raises(ValueError, match="positive width"):
        slice_picture(volume, "axial", window=(40, 0))
    with pytest.raises(ValueError, match="finite"):
        slice_picture(volume * np.nan, "axial")
    with pytest.raises(ValueError, match=r"D, H, W"):
        slice_grid(volume[0], SIDES)
    with pytest.raises(ValueError, match="cannot be drawn"):
        slice_grid(volume, (1e9, 1.0, 1.0))
    with pytest.raises(ValueError, match="positive lengths"):
        slice_grid(volume, (0, 1, 1))
    with pytest.raises(ValueError, match="do not fit"):
        slice_grid(volume, SIDES, width=100)
    with pytest.raises(ValueError, match="one shape"):
        side_by_side(volume[0], volume[0], volume[0, :2])
    with pytest.raises(ValueError, match="uint8"):
        png_bytes(volume[0])
