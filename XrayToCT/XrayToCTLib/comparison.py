"""How well the projection of a volume agrees with the radiograph it came from: figures and a difference picture.

scipy is imported where it is needed: a viewer loads this module with its panel, and must not wait for it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.floating]

# Wang, Bovik, Sheikh, Simoncelli, Image quality assessment: from error visibility to structural similarity, IEEE Trans
# Image Process 13:600, 2004: a Gaussian window of 11 x 11 with sigma 1.5, K1 = 0.01, K2 = 0.03.
_SSIM_SIGMA = 1.5
_SSIM_RADIUS = 5
_SSIM_C1 = 0.01**2
_SSIM_C2 = 0.03**2

# Ends of the diverging colour scale (ColorBrewer's RdBu, safe for the colour-blind): blue, white, red.
_COLOURS = np.array([[33, 102, 172], [255, 255, 255], [178, 24, 43]], dtype=np.float64)


@dataclass(frozen=True)
class Comparison:
    """Agreement of a projection with a radiograph.

    Attributes:
        ssim: structural similarity of the radiograph and the matched projection, at most 1 (equal).
        ncc: normalised cross-correlation of the radiograph and the projection, in [-1, 1]; 0 if either is constant.
        rmse: root mean square of `difference`, 0 if equal.
        matched: (H, W) float32, the projection with the radiograph's grey scale, about [0, 1].
        difference: (H, W) float32, matched projection minus radiograph: above 0 where the projection is denser.
    """

    ssim: float
    ncc: float
    rmse: float
    matched: FloatArray
    difference: FloatArray


def compare(radiograph: FloatArray, projection: FloatArray) -> Comparison:
    """Compare a projection with a radiograph after matching its grey scale.

    The two differ by an unknown monotone curve (exposure, post-processing of the film). Only its affine part is
    matched, by least squares with a gain that is never negative: a free curve would hide errors of the volume, and a
    negative gain an inverted picture.

    Args:
        radiograph: (H, W), in [0, 1], bone bright.
        projection: (H, W), bone bright, in [0, 1] or any other unit.

    Raises:
        ValueError: the shapes differ, are not two-dimensional or under 11 x 11, or a value is not finite.
    """
    target, source = _checked(radiograph, projection)
    matched = _matched(target, source)
    difference = matched - target
    return Comparison(
        ssim=structural_similarity(target, matched),
        ncc=_ncc(target, source),
        rmse=float(np.sqrt(np.mean(difference**2))),
        matched=matched.astype(np.float32),
        difference=difference.astype(np.float32),
    )


def match_grey_scale(radiograph: FloatArray, projection: FloatArray) -> FloatArray:
    """The projection (H, W) with the radiograph's grey scale, float32, as in `Comparison.matched`.

    Raises:
        ValueError: as `compare`.
    """
    return _matched(*_checked(radiograph, projection)).astype(np.float32)


def band_passed_ncc(
    radiograph: FloatArray, projection: FloatArray, pixel_mm: float, low_mm: float = 2.0, high_mm: float = 16.0
) -> float:
    """Normalised cross-correlation of the details between two sizes, in [-1, 1]; 0 if either picture has none.

    Plain NCC is dominated by the outline of lungs and heart; ribs, vessels and lesions are in this band. The band is a
    difference of Gaussians with sigma = size / (2 sqrt 2), the scale at which a disc of that diameter answers most
    (Lindeberg, Int J Comput Vis 30:79, 1998). Beyond the edges the pictures are mirrored.

    Args:
        radiograph: (H, W).
        projection: (H, W), any unit.
        pixel_mm: pixel size of both, at the plane in which the details are measured.
        low_mm: diameter of the smallest details.
        high_mm: diameter of the largest details.

    Raises:
        ValueError: as `compare`, or the sizes are not positive and in order.
    """
    if not (0 < low_mm < high_mm < np.inf and 0 < pixel_mm < np.inf):
        raise ValueError(f"need 0 < low_mm < high_mm and 0 < pixel_mm, got {low_mm!r}, {high_mm!r} and {pixel_mm!r}")
    from scipy import ndimage

    fine, coarse = (_sigma(size, pixel_mm) for size in (low_mm, high_mm))
    bands = [
        ndimage.gaussian_filter(picture, fine) - ndimage.gaussian_filter(picture, coarse)
        for picture in _checked(radiograph, projection)
    ]
    return _ncc(*bands)


def details_sigmas(pixel_mm: float) -> tuple[float, float]:
    """Gaussians, in pixels, whose difference passes details of 2 to 16 mm (coarse pixels: of larger ones).

    ``pixel_mm`` as for :func:`band_passed_ncc`.
    """
    low_mm, high_mm = details_mm(pixel_mm)
    return _sigma(low_mm, pixel_mm), _sigma(high_mm, pixel_mm)


def details_mm(pixel_mm: float) -> tuple[float, float]:
    """Diameters of the smallest and the largest details that figures are given for: 2 to 16 mm where pixels allow."""
    low_mm = max(2.0, 2 * pixel_mm)  # nothing finer than two pixels can be there
    return low_mm, max(16.0, 2 * low_mm)


def _sigma(size_mm: float, pixel_mm: float) -> float:
    return float(size_mm / (2 * np.sqrt(2) * pixel_mm))


def difference_picture(difference: FloatArray, limit: float = 0.5) -> NDArray[np.uint8]:
    """A signed difference in colours: white 0, red above, blue below, full colour from `limit` on.

    The scale does not follow the data, so that pictures of different patients and models can be compared.

    Args:
        difference: (H, W), as in `Comparison`.
        limit: the difference with the full colour.

    Returns:
        (H, W, 3), sRGB.

    Raises:
        ValueError: the difference is not two-dimensional, a value is not finite, or the limit is not positive.
    """
    values = np.asarray(difference, dtype=np.float64)
    if values.ndim != 2 or not np.isfinite(values).all():
        raise ValueError(f"the difference must be a finite picture (H, W), got shape {values.shape}")
    if not limit > 0:
        raise ValueError(f"limit must be positive, got {limit!r}")
    scaled = np.clip(values / limit, -1, 1)
    channels = [np.interp(scaled, (-1, 0, 1), ends) for ends in _COLOURS.T]
    return np.rint(np.stack(channels, axis=-1)).astype(np.uint8)


def _checked(radiograph: FloatArray, projection: FloatArray) -> tuple[FloatArray, FloatArray]:
    target, source = np.asarray(radiograph, dtype=np.float64), np.asarray(projection, dtype=np.float64)
    if target.ndim != 2 or target.shape != source.shape:
        raise ValueError(f"radiograph and projection must be pictures of one shape, got {target.shape}, {source.shape}")
    if min(target.shape) <= 2 * _SSIM_RADIUS:
        raise ValueError(f"pictures must be at least 11 x 11 pixels, got {target.shape}")
    if not (np.isfinite(target).all() and np.isfinite(source).all()):
        raise ValueError("radiograph and projection must hold finite values only")
    return target, source


def _is_flat(picture: FloatArray) -> bool:
    # Rounding leaves a variance of about eps squared in a constant picture.
    return bool(np.ptp(picture) <= 1e-12 * np.abs(picture).max(initial=1e-300))


def _matched(target: FloatArray, source: FloatArray) -> FloatArray:
    """gain * source + offset with the least squared distance from the target and gain >= 0."""
    if _is_flat(source):
        return np.full_like(target, target.mean())
    centred = source - source.mean()
    gain = max(0.0, float((centred * (target - target.mean())).mean() / (centred**2).mean()))
    return gain * centred + target.mean()


def _ncc(first: FloatArray, second: FloatArray) -> float:
    if _is_flat(first) or _is_flat(second):
        return 0.0
    a, b = first - first.mean(), second - second.mean()
    # Each is brought to unit length first: the product of two variances could underflow.
    return float(np.clip(np.vdot(a / np.linalg.norm(a), b / np.linalg.norm(b)), -1, 1))


def structural_similarity(first: FloatArray, second: FloatArray) -> float:
    """Mean SSIM over the windows that lie inside the picture, for a data range of 1 (Wang 2004, eq. 13)."""
    from scipy import ndimage

    def local_mean(picture: FloatArray) -> FloatArray:
        inside = slice(_SSIM_RADIUS, -_SSIM_RADIUS)
        return ndimage.gaussian_filter(picture, _SSIM_SIGMA, radius=_SSIM_RADIUS)[inside, inside]

    mean_a, mean_b = local_mean(first), local_mean(second)
    variances = local_mean(first**2) - mean_a**2 + local_mean(second**2) - mean_b**2
    covariance = local_mean(first * second) - mean_a * mean_b
    likeness = (2 * mean_a * mean_b + _SSIM_C1) * (2 * covariance + _SSIM_C2)
    return float(np.mean(likeness / ((mean_a**2 + mean_b**2 + _SSIM_C1) * (variances + _SSIM_C2))))
