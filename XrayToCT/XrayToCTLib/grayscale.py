"""Grey scale of a radiograph: colour to grey, robust normalisation to [0, 1], and which end of the scale is bone."""

import numpy as np

LOW_PERCENTILE = 0.5
HIGH_PERCENTILE = 99.5

# Left half of what a frontal chest looks like at 8 x 8, bone bright: the average over 480 frontal radiographs (NIH
# ChestX-ray14 and the COVID-19 Image Data Collection) of the features below, made symmetric, times 100. Two such
# averages, each taken from half of the radiographs, put the right sign on every radiograph of the other half.
_CHEST_LEFT_HALF = np.array(
    [
        [-19, -17, -12, 0],
        [-3, -1, -8, -2],
        [2, 0, -13, -1],
        [1, -2, -11, 3],
        [-2, -1, -5, 9],
        [-4, 2, 4, 13],
        [-6, 7, 13, 17],
        [-7, 10, 16, 18],
    ],
    dtype=np.float64,
)


def normalise(pixels: np.ndarray) -> np.ndarray:
    """Bring a picture to [0, 1]: clip at the 0.5 and 99.5 percentiles, then linear.

    Radiographs and simulated radiographs pass through this same function, so that a network sees one grey scale.
    Values that are not finite are left out of the percentiles; infinities go to their end of the scale, NaN to 0.
    Where more than 99 % of the pixels are equal, the minimum and the maximum take the place of the percentiles.

    Args:
        pixels: (H, W), any real type.

    Returns:
        (H, W) float32 in [0, 1].

    Raises:
        ValueError: no finite value, or all of them equal.
    """
    values = np.asarray(pixels, dtype=np.float64)
    are_finite = np.isfinite(values)
    finite = values if are_finite.all() else values[are_finite]
    if finite.size == 0:
        raise ValueError("the picture has no finite values")
    low, high = np.percentile(finite, (LOW_PERCENTILE, HIGH_PERCENTILE))
    if not low < high:
        low, high = finite.min(), finite.max()
    # Halves, because the span of two finite numbers may overflow.
    half_span = high / 2 - low / 2
    if not half_span > 0:
        raise ValueError("the picture is constant")
    scaled = np.clip(values, low, high)
    scaled /= 2
    scaled -= low / 2
    scaled /= half_span
    if finite is not values:
        scaled[np.isnan(scaled)] = 0
    return scaled.astype(np.float32).clip(0, 1)


def normalise_projection(line: np.ndarray) -> np.ndarray:
    """As :func:`normalise`; 0 everywhere where all values are equal, as behind a volume of nothing but air."""
    return normalise(line) if np.ptp(line) > 0 else np.zeros_like(line)


def luminance(colours: np.ndarray) -> np.ndarray:
    """Grey value of a colour picture by ITU-R BT.601.

    Args:
        colours: (H, W, 3) red, green, blue.

    Returns:
        (H, W) float32 in the same unit.
    """
    return np.asarray(colours, dtype=np.float32) @ np.array((0.299, 0.587, 0.114), dtype=np.float32)


def is_colourful(colours: np.ndarray, full_scale: float) -> bool:
    """Whether a fifth of the pixels of an (H, W, 3) picture has a colour beyond 3 % of ``full_scale``.

    A few coloured annotations on a grey picture do not make it colourful; a photograph's tint does.
    """
    sample = colours[:: max(1, colours.shape[0] // 512), :: max(1, colours.shape[1] // 512)].astype(np.float32)
    return bool(np.mean(np.ptp(sample, axis=2) > 0.03 * full_scale) >= 0.2)


def chest_likeness(picture: np.ndarray) -> float:
    """How much a picture has the light and dark of a frontal chest with bright bone.

    Correlation of the picture at 8 x 8, half by value and half by rank (so that no unknown grey-scale curve matters
    much), with an average chest: dark lungs beside a bright mediastinum, bright abdomen, dark air above the shoulders.

    Args:
        picture: (H, W), without frames.

    Returns:
        A number in [-1, 1]; an inverted picture gives exactly the opposite number. 0 for a constant picture and for
        one of less than 8 pixels on either side.
    """
    if min(picture.shape) < 8:
        return 0.0
    cells = [[cell.mean() for cell in np.array_split(band, 8, axis=1)] for band in np.array_split(picture, 8, axis=0)]
    coarse = np.array(cells, dtype=np.float64)
    chest = np.hstack([_CHEST_LEFT_HALF, _CHEST_LEFT_HALF[:, ::-1]])
    by_value = _unit(np.clip(coarse, *np.percentile(coarse, (1, 99))))
    by_rank = _unit(ranks(coarse))
    return float(np.sum(_unit(by_value + by_rank) * _unit(chest)))


def ranks(values: np.ndarray) -> np.ndarray:
    """Ranks, equal values sharing their mean: as ``scipy.stats.rankdata``, which takes half a second to import."""
    _, place, counts = np.unique(values.ravel(), return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[place].reshape(values.shape)


def _unit(values: np.ndarray) -> np.ndarray:
    centred = values - values.mean()
    length = np.linalg.norm(centred)
    return centred / length if length > 1e-9 else np.zeros_like(centred)
