"""New patients from one real chest CT by smooth random deformation. Never mirrored: handedness is part of the truth."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike

import numpy as np
import SimpleITK as sitk
import torch
from scipy import ndimage

from XrayToCTLib.errors import UnsuitableInput
from XrayToCTLib.orientation import lps_to_network
from XrayToCTTraining.simulation.lesions import plant
from XrayToCTTraining.simulation.patient import AIR_HU, Label, Patient
from XrayToCTTraining.simulation.phantom import add_noise
from XrayToCTTraining.simulation.space import upsample

_MAX_VOXELS = 1 << 30
_MARGIN = 1.3  # of the side: how much of the scan is kept around the chest, so that a warp finds tissue there
_STRUCTURES = ("lungs", "body", "bone", "heart")

# Elastic displacement: (control points along an axis, standard deviation of their displacement in mm).
_SCALES = ((3, 18.0), (6, 9.0), (12, 3.5))


@dataclass(frozen=True)
class Atlas:
    """A real chest on an isotropic grid, bed removed.

    ``hu``: float32 (D, H, W); ``lungs``, ``body``, ``bone``, ``heart``: boolean (D, H, W), the lungs without the
    trachea, the heart only as the soft tissue between the lower halves of the lungs; ``centre``: voxel index of the
    chest's middle.
    """

    hu: np.ndarray
    lungs: np.ndarray
    body: np.ndarray
    bone: np.ndarray
    heart: np.ndarray
    voxel_mm: float
    centre: tuple[float, float, float]


def load_atlas(path: str | PathLike[str], size: int = 128, side_mm: float = 320.0) -> Atlas:
    """Read a whole-chest CT in any format that SimpleITK reads and prepare it for ``warp_atlas``.

    The scan is resampled to ``side_mm / size`` and to patient axes. Raises ``UnsuitableInput``
    where the file cannot be read, is not a three-dimensional CT in Hounsfield units, or shows no lungs.
    """
    hu = _read(str(path), side_mm / size)
    body = _body(hu, side_mm / size)
    hu = np.where(body, hu, np.float32(AIR_HU))
    lungs = _lungs(hu, body, side_mm / size)
    if lungs.sum() * (side_mm / size) ** 3 < 5e5:
        raise UnsuitableInput(f"{path}: no lungs were found; give a CT of a whole chest in Hounsfield units.")
    middle = [float(np.mean(_extent(lungs, axis))) for axis in range(3)]
    keep, centre = [], []
    half = side_mm * _MARGIN / 2 / (side_mm / size)
    for axis, c in enumerate(middle):
        low, high = max(0, int(c - half)), min(hu.shape[axis], int(c + half) + 1)
        keep.append(slice(low, high))
        centre.append(c - low)
    box = tuple(keep)
    hu, lungs, body = hu[box], lungs[box], body[box]
    mediastinum = _mediastinum(lungs, side_mm / size)
    # Contrast medium is as bright as marrow: the threshold lies above the blood, so that the aorta is no bone.
    blood_hu = float(np.percentile(hu[mediastinum], 90)) if mediastinum.any() else 0.0
    bone = (hu > np.clip(blood_hu + 60, 180, 450)) & body & ~ndimage.binary_dilation(mediastinum, iterations=2)
    return Atlas(
        hu, lungs, body, bone, _heart(hu, lungs, mediastinum), side_mm / size, (centre[0], centre[1], centre[2])
    )


def warp_atlas(atlas: Atlas, seed: int, size: int = 128, side_mm: float = 320.0, label: Label = "healthy") -> Patient:
    """A new patient: the atlas scaled, turned, moved, bent at three scales and retoned, with lesions and noise.

    The same arguments give the same patient; the anatomy depends on ``seed`` alone, not on ``label``.
    Beyond the first and the last slice of the scan its edge is repeated.
    """
    rng = np.random.default_rng([seed, 11])
    index = _random_map(atlas, rng, size, side_mm)
    hu = _sample(atlas.hu, index, "bilinear")
    # One bit a structure, so that one nearest-neighbour lookup carries them all.
    code = sum(getattr(atlas, name).astype(np.uint8) << bit for bit, name in enumerate(_STRUCTURES))
    codes = _sample(np.asarray(code), index, "nearest").astype(np.uint8)
    masks = {name: (codes >> bit & 1).astype(bool) for bit, name in enumerate(_STRUCTURES)}
    lungs = masks["lungs"]
    hu = _retone(hu, lungs, rng)
    noise_hu = float(rng.uniform(2, 18))
    hu, numbers, lesions = plant(hu, lungs, label, np.random.default_rng([seed, 12]), side_mm / size)
    hu = add_noise(hu, noise_hu, np.random.default_rng([seed, 13]))
    return Patient(hu, masks, numbers, label, (side_mm,) * 3, lesions)


def _read(path: str, voxel_mm: float) -> np.ndarray:
    """HU (D, H, W) float32 at an isotropic spacing along the patient's axes."""
    reader = sitk.ImageFileReader()
    reader.SetFileName(path)
    try:
        reader.ReadImageInformation()
        shape = reader.GetSize()
        if reader.GetDimension() != 3 or reader.GetNumberOfComponents() != 1 or int(np.prod(shape)) > _MAX_VOXELS:
            raise UnsuitableInput(
                f"{path}: not a single three-dimensional scan of usual size; give one chest CT series."
            )
        image = sitk.Cast(reader.Execute(), sitk.sitkFloat32)
    except RuntimeError as error:
        raise UnsuitableInput(
            f"{path}: SimpleITK cannot read this file; give a chest CT as NIfTI, NRRD or MetaImage."
        ) from error
    array = sitk.GetArrayViewFromImage(image)
    if not (np.nanmin(array) < -500 and np.nanmax(array) > 300):
        raise UnsuitableInput(f"{path}: the values are not Hounsfield units; give a CT that is not rescaled.")
    image = sitk.Clamp(image, sitk.sitkFloat32, -1024, 3071)
    corners = [
        image.TransformContinuousIndexToPhysicalPoint([float(c) - 0.5 for c in corner])
        for corner in np.ndindex(2, 2, 2)
        for corner in [np.array(corner) * shape]
    ]
    low, high = np.min(corners, axis=0), np.max(corners, axis=0)
    count = np.ceil((high - low) / voxel_mm).astype(int)
    if int(np.prod(count)) > _MAX_VOXELS // 8 or int(count.min()) < 8:
        raise UnsuitableInput(f"{path}: the scan's physical size is not that of a chest; check its spacing.")
    smooth = sitk.SmoothingRecursiveGaussianImageFilter()
    # A voxel of the working grid averages the thinner voxels of the scan; thicker ones are left as they are.
    smooth.SetSigma([max(1e-3, 0.4 * voxel_mm) if s < voxel_mm else 1e-3 * s for s in image.GetSpacing()])
    resample = sitk.ResampleImageFilter()
    resample.SetSize([int(c) for c in count])
    resample.SetOutputSpacing([voxel_mm] * 3)
    resample.SetOutputOrigin([float(v) + voxel_mm / 2 for v in low])
    resample.SetDefaultPixelValue(AIR_HU)
    return np.ascontiguousarray(lps_to_network(sitk.GetArrayFromImage(resample.Execute(smooth.Execute(image)))))


def _extent(mask: np.ndarray, axis: int) -> tuple[int, int]:
    line = np.flatnonzero(mask.any(axis=tuple(a for a in range(3) if a != axis)))
    return int(line[0]), int(line[-1])


def _largest(mask: np.ndarray) -> np.ndarray:
    labels, count = ndimage.label(mask)
    return labels == 1 + int(np.argmax(np.bincount(labels.ravel())[1:])) if count else mask


def _body(hu: np.ndarray, voxel_mm: float) -> np.ndarray:
    """The largest connected object with its hollows filled slice by slice; opening parts it from the bed."""
    solid = hu > -350
    # Wide enough for a bed and its mattress, narrower than the chest wall of a thin patient.
    reach = max(1, round(4 / voxel_mm))
    core = _largest(ndimage.binary_opening(solid, iterations=reach))
    core = ndimage.binary_dilation(core, iterations=reach, mask=solid)
    filled = np.zeros_like(core)
    for h in range(core.shape[1]):
        filled[:, h] = ndimage.binary_fill_holes(core[:, h])
    return ndimage.binary_dilation(filled)


def _lungs(hu: np.ndarray, body: np.ndarray, voxel_mm: float) -> np.ndarray:
    """Air inside the body in large pieces, without the trachea, closed over its vessels."""
    air = (hu < -400) & ndimage.binary_erosion(body)
    midline = np.mean(_extent(body, 2))
    for h in range(air.shape[1]):
        labels, count = ndimage.label(air[:, h])
        if not count:
            continue
        area = np.bincount(labels.ravel(), minlength=count + 1)[1:] * voxel_mm**2
        centres = np.array(ndimage.center_of_mass(air[:, h], labels, range(1, count + 1)))
        airway = (area < 900) & (np.abs(centres[:, 1] - midline) * voxel_mm < 32)
        air[:, h] &= ~np.isin(labels, 1 + np.flatnonzero(airway))
    labels, count = ndimage.label(air)
    if not count:
        return air
    sizes = np.bincount(labels.ravel())[1:]
    lungs = np.isin(labels, 1 + np.flatnonzero(sizes > 0.15 * sizes.max()))
    padded = np.pad(lungs, 3, mode="edge")
    return ndimage.binary_closing(padded, iterations=2)[3:-3, 3:-3, 3:-3] & body


def _heart(hu: np.ndarray, lungs: np.ndarray, mediastinum: np.ndarray) -> np.ndarray:
    """Soft tissue of the lower mediastinum; a stand-in for the heart."""
    top, bottom = _extent(lungs, 1)
    soft = mediastinum & (hu > -20)
    soft[:, : int(top + 0.42 * (bottom - top))] = False
    return _largest(ndimage.binary_opening(soft, iterations=2))


def _mediastinum(lungs: np.ndarray, voxel_mm: float) -> np.ndarray:
    """What lies between the lungs ahead of the spine."""
    middle = int(np.mean(_extent(lungs, 2)))
    right, left = lungs.copy(), lungs.copy()
    right[:, :, middle:], left[:, :, :middle] = False, False
    between = np.maximum.accumulate(right, axis=2) & np.maximum.accumulate(left[:, :, ::-1], axis=2)[:, :, ::-1]
    # The dome of the liver also has lung on either side, but farther from the midline than a right atrium reaches.
    between[:, :, : middle - int(58 / voxel_mm)] = False
    front, back = _extent(lungs, 0)
    between[int(front + 0.62 * (back - front)) :] = False
    return between & ~lungs


def _random_map(atlas: Atlas, rng: np.random.Generator, size: int, side_mm: float) -> np.ndarray:
    """Where each output voxel comes from: atlas voxel indices, float32 (3, size, size, size)."""
    scale = np.exp(rng.normal(0, 0.06, 3)).clip(0.86, 1.16)
    matrix = np.diag(1 / scale)
    for angle, (a, b) in zip(rng.normal(0, 0.035, 3), ((1, 2), (0, 2), (0, 1)), strict=True):
        turn = np.eye(3)
        turn[a, a] = turn[b, b] = np.cos(angle)
        turn[a, b], turn[b, a] = -np.sin(angle), np.sin(angle)
        matrix = matrix @ turn
    axis = (np.arange(size) + 0.5) * (side_mm / size) - side_mm / 2
    shift = rng.normal([4, 0, 0], [8, 7, 5])  # what lies there comes from here: on average 4 mm further forward
    d, h, w = (a.astype(np.float32) for a in (axis[:, None, None], axis[None, :, None], axis[None, None, :]))
    result = np.empty((3, size, size, size), dtype=np.float32)
    for i in range(3):
        row = matrix[i].astype(np.float32)
        bend = sum(upsample(rng.normal(0, sigma, (n,) * 3), (size,) * 3) for n, sigma in _SCALES)
        result[i] = (row[0] * d + row[1] * h + row[2] * w + np.float32(shift[i]) + bend) / np.float32(atlas.voxel_mm)
        result[i] += np.float32(atlas.centre[i])
    return result


def _sample(volume: np.ndarray, index: np.ndarray, mode: str) -> np.ndarray:
    """Values of ``volume`` (D, H, W) at fractional indices (3, d, h, w); the edge is repeated outside."""
    last = np.array(volume.shape, dtype=np.float32).reshape(3, 1, 1, 1) - 1
    # grid_sample wants (W, H, D) in [-1, 1].
    grid = torch.from_numpy(np.stack(list(index / last * 2 - 1)[::-1], axis=-1))
    source = torch.from_numpy(np.ascontiguousarray(volume, dtype=np.float32))
    sampled = torch.nn.functional.grid_sample(
        source[None, None], grid[None], mode=mode, padding_mode="border", align_corners=True
    )
    return sampled[0, 0].numpy()


def _retone(hu: np.ndarray, lungs: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Shift the grey of lung, soft tissue and bone, as inflation, scanners and age do."""
    lung_shift, soft_shift, bone_gain = rng.uniform(-40, 70), rng.normal(0, 8), rng.uniform(0.8, 1.2)
    # Weights by HU, so that no edge appears where tissues meet.
    lung_share = np.clip((-500 - hu) / 200, 0, 1) * lungs
    soft_share = np.clip((hu + 300) / 150, 0, 1)
    toned = hu + np.float32(lung_shift) * lung_share + np.float32(soft_shift) * soft_share
    return (toned + np.float32(bone_gain - 1) * np.maximum(hu - 150, 0)).astype(np.float32)
