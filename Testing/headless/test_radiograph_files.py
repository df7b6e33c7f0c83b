"""Radiographs in PNG, JPEG, TIFF, NRRD, NIfTI and MetaImage files."""

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from radiograph_phantoms import as_stored, drawn_chest, refusal
from XrayToCTLib.errors import UnsuitableInput
from XrayToCTLib.options import Reading
from XrayToCTLib.radiograph import normalise, padded_side_mm, read_radiograph

CHEST = drawn_chest()
DEEP = as_stored(CHEST, 16)
SHALLOW = as_stored(CHEST, 8)


@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize("stored", [SHALLOW, DEEP], ids=["8 bits", "16 bits"])
def test_grey_files_keep_their_depth(tmp_path, suffix, stored):
    path = tmp_path / f"chest.{suffix}"
    Image.fromarray(stored).save(path)
    np.testing.assert_array_equal(read_radiograph(path).pixels, normalise(stored))


@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("stored", [SHALLOW, DEEP], ids=["8 bits", "16 bits"])
def test_colour_files_become_grey_and_keep_their_depth(tmp_path, suffix, channels, stored):
    path = tmp_path / f"chest.{suffix}"
    colours = np.repeat(stored[..., None], channels, axis=2)
    if channels == 4:
        colours[..., 3] = np.iinfo(stored.dtype).max
    sitk.WriteImage(sitk.GetImageFromArray(colours, isVector=True), path)
    radiograph = read_radiograph(path)
    np.testing.assert_allclose(radiograph.pixels, normalise(stored), atol=1e-6 if stored is DEEP else 1e-5)
    assert not any("photograph" in warning for warning in radiograph.warnings)


def test_transparent_margins_are_cut_like_a_black_frame(tmp_path):
    path = tmp_path / "chest.png"
    canvas = np.full((160, 130, 2), 255, dtype=np.uint8)
    canvas[..., 1] = 0
    canvas[20:140, 10:106] = np.stack([SHALLOW, np.full_like(SHALLOW, 255)], axis=2)
    Image.fromarray(canvas, "LA").save(path)
    np.testing.assert_allclose(read_radiograph(path).pixels, normalise(SHALLOW), atol=1e-5)


def test_a_palette_is_looked_up(tmp_path):
    path = tmp_path / "chest.png"
    image = Image.fromarray(255 - SHALLOW, "P")
    image.putpalette([255 - index // 3 for index in range(768)])
    image.save(path)
    np.testing.assert_allclose(read_radiograph(path).pixels, normalise(SHALLOW), atol=1e-5)


@pytest.mark.parametrize("stored", [SHALLOW, DEEP], ids=["8 bits", "16 bits"])
def test_a_tiff_whose_zero_is_white_is_inverted(tmp_path, stored):
    path = tmp_path / "chest.tif"
    Image.fromarray(np.iinfo(stored.dtype).max - stored).save(path, tiffinfo={262: 0})
    if stored is SHALLOW:  # Pillow itself inverts 8-bit samples on writing
        assert np.array_equal(np.asarray(Image.open(path)), 255 - stored)
        return
    radiograph = read_radiograph(path, Reading(invert="no"))
    np.testing.assert_allclose(radiograph.pixels, normalise(stored), atol=1e-5)


def test_a_jpeg_file_is_read(tmp_path):
    path = tmp_path / "chest.jpg"
    Image.fromarray(SHALLOW).save(path, quality=95)
    assert np.abs(read_radiograph(path).pixels - normalise(SHALLOW)).mean() < 0.01


@pytest.mark.parametrize(
    ("tag", "stored"), [(3, SHALLOW[::-1, ::-1]), (6, np.rot90(SHALLOW)), (8, np.rot90(SHALLOW, 3))]
)
def test_a_cameras_orientation_tag_is_obeyed(tmp_path, tag, stored):
    path = tmp_path / "chest.jpg"
    exif = Image.Exif()
    exif[0x0112] = tag
    Image.fromarray(np.ascontiguousarray(stored)).save(path, quality=95, exif=exif)
    assert np.abs(read_radiograph(path).pixels - normalise(SHALLOW)).mean() < 0.01


def test_resolution_in_dots_per_inch_is_no_patient_spacing(tmp_path):
    for name in ("chest.png", "chest.jpg", "chest.tif"):
        Image.fromarray(SHALLOW).save(tmp_path / name, dpi=(96, 96))
        radiograph = read_radiograph(tmp_path / name)
        assert radiograph.spacing_mm is None
        assert padded_side_mm(radiograph) is None


@pytest.mark.parametrize("name", ["chest.png", "chest.tif", "chest.nrrd", "chest.nii", "chest.mha"])
def test_an_inverted_file_is_recognised_and_left_and_right_stay(tmp_path, name):
    sitk.WriteImage(sitk.GetImageFromArray(65535 - DEEP), tmp_path / name)
    radiograph = read_radiograph(tmp_path / name)
    np.testing.assert_allclose(radiograph.pixels, normalise(DEEP), atol=1e-5)
    assert any("inverted" in warning for warning in radiograph.warnings)
    kept = read_radiograph(tmp_path / name, Reading(invert="no"))
    np.testing.assert_allclose(kept.pixels, 1 - normalise(DEEP), atol=1e-5)


def test_a_mirrored_picture_stays_mirrored(tmp_path):
    Image.fromarray(np.ascontiguousarray(SHALLOW[:, ::-1])).save(tmp_path / "chest.png")
    np.testing.assert_array_equal(read_radiograph(tmp_path / "chest.png").pixels, normalise(SHALLOW[:, ::-1]))


@pytest.mark.parametrize("suffix", ["nrrd", "nii", "nii.gz", "mha"])
@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("three_dimensional", [False, True])
def test_a_slice_without_coronal_directions_reads_as_displayed_with_its_spacing(
    tmp_path, suffix, compressed, three_dimensional
):
    image = sitk.GetImageFromArray(DEEP[None] if three_dimensional else DEEP)
    image.SetSpacing((0.2, 0.3, 1)[: image.GetDimension()])
    path = tmp_path / f"chest.{suffix}"
    sitk.WriteImage(image, path, compressed)
    radiograph = read_radiograph(path)
    np.testing.assert_array_equal(radiograph.pixels, normalise(DEEP))
    assert radiograph.spacing_mm == pytest.approx((0.3, 0.2))
    assert radiograph.magnification is None
    assert padded_side_mm(radiograph) == pytest.approx(36.0)


AXES = {"L": (1, 0, 0), "R": (-1, 0, 0), "P": (0, 1, 0), "A": (0, -1, 0), "H": (0, 0, 1), "F": (0, 0, -1)}


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    suffix=st.sampled_from(["nrrd", "nii", "nii.gz", "mha"]),
    letters=st.permutations([0, 1, 2]).flatmap(
        lambda order: st.tuples(*(st.sampled_from(("LR", "PA", "HF")[pair]) for pair in order))
    ),
)
def test_a_coronal_slice_is_turned_by_its_directions(tmp_path, suffix, letters):
    wanted = ("L", "P", "F")  # the direction of growing index on the display, and through the slice
    displayed = np.transpose(DEEP)[:, None, :]  # (L, P, F)
    order = [next(index for index, pair in enumerate(("LR", "PA", "HF")) if letter in pair) for letter in letters]
    samples = np.transpose(displayed, order)
    for axis, letter in enumerate(letters):
        if letter not in wanted:
            samples = np.flip(samples, axis)
    image = sitk.GetImageFromArray(np.ascontiguousarray(samples.T))
    image.SetDirection(np.stack([AXES[letter] for letter in letters], axis=1).ravel().astype(float).tolist())
    image.SetSpacing([(0.2, 5.0, 0.3)[pair] for pair in order])
    path = tmp_path / f"chest.{suffix}"
    sitk.WriteImage(image, path)
    radiograph = read_radiograph(path)
    np.testing.assert_array_equal(radiograph.pixels, normalise(DEEP))
    assert radiograph.spacing_mm == pytest.approx((0.3, 0.2))
    assert radiograph.magnification == 1.0


def test_a_two_dimensional_nifti_of_nibabel_reads_as_it_was_drawn(tmp_path):
    path = tmp_path / "chest.nii.gz"
    nibabel.save(nibabel.Nifti1Image(DEEP.T.astype(np.int32), np.diag([0.5, 0.5, 1, 1])), path)
    np.testing.assert_array_equal(read_radiograph(path).pixels, normalise(DEEP))


def test_nifti_2_is_refused_with_a_way_out(tmp_path):
    path = tmp_path / "chest.nii"
    path.write_bytes(nibabel.Nifti2Image(DEEP.T.astype(np.float32), np.eye(4)).to_bytes())
    assert "NIfTI-1" in refusal(path)


@pytest.mark.parametrize("written", ["chest.png", "chest.tif", "chest.nrrd", "chest.mha", "chest.nii.gz"])
def test_the_content_decides_and_not_the_extension(tmp_path, written):
    sitk.WriteImage(sitk.GetImageFromArray(DEEP), tmp_path / written)
    misnamed = (tmp_path / written).rename(tmp_path / "chest.jpeg")
    np.testing.assert_array_equal(read_radiograph(misnamed).pixels, normalise(DEEP))


def test_values_that_are_not_finite_do_not_disturb(tmp_path):
    values = DEEP.astype(np.float32)
    values[50, 40:44] = np.nan, np.inf, -np.inf, np.nan
    sitk.WriteImage(sitk.GetImageFromArray(values), tmp_path / "chest.nrrd")
    pixels = read_radiograph(tmp_path / "chest.nrrd").pixels
    assert np.isfinite(pixels).all()
    others = np.ones_like(DEEP, dtype=bool)
    others[50, 40:44] = False
    np.testing.assert_allclose(pixels[others], normalise(DEEP)[others], atol=1e-3)


@pytest.mark.parametrize("suffix", ["nrrd", "nii", "nii.gz", "mha"])
def test_a_volume_is_refused(tmp_path, suffix):
    sitk.WriteImage(sitk.GetImageFromArray(np.stack([DEEP] * 3)), tmp_path / f"ct.{suffix}")
    assert "volume" in refusal(tmp_path / f"ct.{suffix}")


def test_a_sagittal_slice_is_refused(tmp_path):
    image = sitk.GetImageFromArray(DEEP[:, :, None])
    sitk.WriteImage(image, tmp_path / "side.nrrd")
    assert "sagittal" in refusal(tmp_path / "side.nrrd")


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "nrrd", "nii", "nii.gz", "mha"])
def test_small_and_constant_pictures_are_refused(tmp_path, suffix):
    path = tmp_path / f"picture.{suffix}"
    sitk.WriteImage(sitk.GetImageFromArray(SHALLOW[:63]), path)
    assert "63 x 96 pixels" in refusal(path) or "96 x 63 pixels" in refusal(path)
    sitk.WriteImage(sitk.GetImageFromArray(np.full((80, 80), 7, dtype=np.uint8)), path)
    assert "one even grey" in refusal(path)


@pytest.mark.parametrize("suffix", ["tif", "png"])
def test_several_pictures_in_a_file_are_refused(tmp_path, suffix):
    path = tmp_path / f"pages.{suffix}"
    Image.fromarray(SHALLOW).save(path, save_all=True, append_images=[Image.fromarray(255 - SHALLOW)])
    assert "more than one picture" in refusal(path)


def test_too_many_pixels_are_refused_from_the_header_alone(tmp_path):
    sizes = "sizes: 20000 20000\nencoding: raw\nendian: little\n\n"
    (tmp_path / "big.nrrd").write_text("NRRD0004\ntype: ushort\ndimension: 2\n" + sizes)
    header = "ObjectType = Image\nNDims = 2\nDimSize = 20000 20000\nElementType = MET_USHORT\n"
    # A compressed MetaImage of 10 bytes may announce any size.
    (tmp_path / "big.mha").write_text(
        header + "CompressedData = True\nCompressedDataSize = 10\nElementDataFile = LOCAL\n" + "x" * 10
    )
    nifti = bytearray(nibabel.Nifti1Image(DEEP.T.astype(np.int32), np.eye(4)).to_bytes())
    nifti[42:46] = (20000).to_bytes(2, "little") * 2
    (tmp_path / "big.nii").write_bytes(nifti)
    for name in ("big.nrrd", "big.mha", "big.nii"):
        assert "100 megapixels" in refusal(tmp_path / name)


def test_a_header_that_points_to_other_files_is_refused(tmp_path):
    sitk.WriteImage(sitk.GetImageFromArray(DEEP), tmp_path / "chest.nhdr")
    assert "another file" in refusal(tmp_path / "chest.nhdr")
    sitk.WriteImage(sitk.GetImageFromArray(DEEP), tmp_path / "chest.mhd")
    assert "another file" in refusal(tmp_path / "chest.mhd")
    sitk.WriteImage(sitk.GetImageFromArray(DEEP), tmp_path / "chest.hdr")
    refusal(tmp_path / "chest.hdr")


KINDS = ["png", "jpg", "tif", "nrrd", "nii", "nii.gz", "mha"]


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("suffix", KINDS)
@settings(deadline=None, max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(share=st.floats(0, 1, exclude_max=True))
def test_a_truncated_file_is_refused_or_complete(tmp_path, suffix, compressed, share):
    path = tmp_path / f"cut.{suffix}"
    sitk.WriteImage(sitk.GetImageFromArray(SHALLOW), path, compressed)
    whole = read_radiograph(path).pixels
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    try:
        pixels = read_radiograph(path).pixels
    except UnsuitableInput:
        refusal(path)
    else:
        # A JPEG stream may lose its last block without notice.
        assert np.mean(pixels.shape == whole.shape and pixels != whole) < (0.02 if suffix == "jpg" else 1e-9)


@pytest.mark.parametrize("suffix", KINDS)
@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    changes=st.lists(
        st.tuples(st.one_of(st.integers(0, 400), st.integers(0, 9000)), st.integers(0, 255)), min_size=1, max_size=6
    )
)
def test_a_damaged_file_never_ends_in_anything_but_a_refusal(tmp_path, suffix, changes):
    path = tmp_path / f"damaged.{suffix}"
    sitk.WriteImage(sitk.GetImageFromArray(SHALLOW), path)
    content = bytearray(path.read_bytes())
    for position, byte in changes:
        content[position % len(content)] = byte
    path.write_bytes(content)
    try:
        pixels = read_radiograph(path).pixels
    except UnsuitableInput:
        refusal(path)
    else:
        assert np.isfinite(pixels).all()
