"""Photographs of plain films: find the film in the picture and look at it straight on."""

import numpy as np
from PIL import Image
from scipy import ndimage
from scipy.spatial import ConvexHull

_SEARCH_SIDE = 256
_LIGHT_BOX = 0.75
_TOLERANCES = (0.08, 0.14, 0.2, 0.28, 0.38)
# Share of the quadrilateral that the film must fill.
_FULLNESS, _CERTAIN_FULLNESS = 0.9, 0.96


def straighten_film(picture: np.ndarray, *, certain: bool) -> np.ndarray | None:
    """Cut a film out of a photograph, with its four corners brought to those of a rectangle.

    The film is the largest thing that differs from the surround (dark room or light box); its outline must fill a
    quadrilateral that is nearly a rectangle.

    Args:
        picture: (H, W) in [0, 1].
        certain: demand a tilted, nearly perfect quadrilateral, for a picture that nothing else shows to be a
            photograph.

    Returns:
        (H', W') float32 in [0, 1], or None where no film can be told from its surround.
    """
    straight = _straighten_once(picture, certain)
    if straight is None or certain:
        return straight
    # What stood out from a dark room may have been the light box: the film then lies on it, in a bright surround.
    inner = _straighten_once(straight, certain, lowest_surround=_LIGHT_BOX)
    return straight if inner is None else inner


def _straighten_once(picture: np.ndarray, certain: bool, lowest_surround: float = 0.0) -> np.ndarray | None:
    step = max(1, min(-(-max(picture.shape) // _SEARCH_SIDE), min(picture.shape) // 16))
    least_even = 0.98 if certain else 0.5
    rim = _ring(picture)
    if np.median(rim) < lowest_surround or np.mean(_alike(rim, np.median(rim), _TOLERANCES[-1])) < least_even:
        return None  # as for almost every radiograph that is no photograph
    small = ndimage.median_filter(ndimage.uniform_filter(picture, step)[step // 2 :: step, step // 2 :: step], 3)
    best: tuple[float, np.ndarray] | None = None
    for tolerance in _TOLERANCES:
        film = _film_mask(small, tolerance, least_even)
        hull = None if film is None else _convex_hull(film)
        fullness = _CERTAIN_FULLNESS if certain else _FULLNESS
        # The quadrilateral holds the hull: where the film does not even fill that, nothing more need be worked out.
        if film is None or hull is None or not 0.15 < film.mean() < 0.95 or film.sum() < fullness * _area(hull):
            continue
        corners = _enclosing_quadrilateral(hull)
        if corners is None:
            continue
        filled = film.sum() / max(_area(corners), 1.0)
        if filled > fullness and _is_film(film, corners, certain) and (best is None or filled > best[0]):
            best = (filled, corners)
    return None if best is None else _rectify(picture, (best[1] + 0.5) * step - 0.5)


def _ring(picture: np.ndarray) -> np.ndarray:
    return np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])


def _alike(values: np.ndarray, level: float, tolerance: float) -> np.ndarray:
    return np.abs(values - level) < tolerance


def _film_mask(small: np.ndarray, tolerance: float, least_even: float) -> np.ndarray | None:
    """(h, w) mask of the largest thing not joined to the surround; None if too little of the rim is of one grey."""
    alike = _alike(small, np.median(_ring(small)), tolerance)
    if _ring(alike).mean() < least_even:
        return None
    labels, _ = ndimage.label(np.pad(alike, 1, constant_values=True))
    surround = (labels == labels[0, 0])[1:-1, 1:-1]
    # An opening cuts off stands, clips and fingers.
    film, count = ndimage.label(ndimage.binary_opening(~surround, iterations=2))
    if count == 0:
        return None
    areas = np.bincount(film.ravel())
    areas[0] = 0
    return ndimage.binary_fill_holes(film == areas.argmax())


def _convex_hull(film: np.ndarray) -> np.ndarray | None:
    """(n, 2) corners (x, y), in order, of the convex hull of a mask; None for a mask of one line."""
    rows, columns = np.nonzero(film)
    points = np.stack([columns, rows], axis=1).astype(np.float64)
    try:
        return points[ConvexHull(points).vertices]
    except (ValueError, RuntimeError):
        return None


def _enclosing_quadrilateral(hull: np.ndarray) -> np.ndarray | None:
    """(4, 2) corners (x, y), from top left clockwise, of a small quadrilateral around a convex polygon.

    The side is taken out again and again whose two neighbours, prolonged until they meet, add the least area.
    """
    polygon = hull
    while len(polygon) > 4:
        corners, added = _corners_without_a_side(polygon)
        index = int(np.argmin(added))
        if not np.isfinite(added[index]):
            return None
        polygon = polygon.copy()
        polygon[index] = corners[index]
        polygon = np.delete(polygon, (index + 1) % len(polygon), axis=0)
    if len(polygon) < 4:
        return None
    centre = polygon.mean(axis=0)
    angles = np.arctan2(polygon[:, 1] - centre[1], polygon[:, 0] - centre[0])
    polygon = polygon[np.argsort(angles)]  # clockwise on the display, because y points down
    return np.roll(polygon, -int(np.argmin(polygon.sum(axis=1))), axis=0)


def _corners_without_a_side(polygon: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each side i to i + 1 of (n, 2) corners: where its neighbours meet (n, 2), and the area that adds (n,).

    The area is infinite where the neighbours do not meet beyond that side.
    """
    b, c = polygon, np.roll(polygon, -1, axis=0)
    before, after = b - np.roll(polygon, 1, axis=0), c - np.roll(polygon, -2, axis=0)
    side = c - b
    determinant = _cross(before, after)
    with np.errstate(divide="ignore", invalid="ignore"):
        beyond_b, beyond_c = _cross(side, after) / determinant, _cross(side, before) / determinant
        corners = b + beyond_b[:, None] * before
        area = np.abs(_cross(corners - b, side)) / 2
    return corners, np.where((beyond_b >= 0) & (beyond_c >= 0) & np.isfinite(area), area, np.inf)


def _cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]


def _area(polygon: np.ndarray) -> float:
    x, y = polygon.T
    return float(abs(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2)


def _is_film(film: np.ndarray, corners: np.ndarray, certain: bool) -> bool:
    """Whether a mask and the quadrilateral around it look like a rectangular film seen from nearly in front."""
    sides = np.roll(corners, -1, axis=0) - corners
    lengths = np.linalg.norm(sides, axis=1)
    if min(lengths) < 16 or max(lengths[0] / lengths[2], lengths[2] / lengths[0]) > 1.5:
        return False
    if max(lengths[1] / lengths[3], lengths[3] / lengths[1]) > 1.5 or max(lengths) > 2 * min(lengths):
        return False
    directions = sides / lengths[:, None]
    skew = np.abs(np.sum(directions * np.roll(directions, 1, axis=0), axis=1))
    if skew.max() > 0.35:  # corners between 70 and 110 degrees
        return False
    tilt = np.degrees(np.abs(np.arcsin(np.clip([directions[0, 1], directions[1, 0]], -1, 1))).min())
    return bool(tilt > 1.5 or not certain)


def _rectify(picture: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """The quadrilateral with ``corners`` (4, 2) of ``picture``, less 1 % at each side, as a rectangle.

    The homography maps output (x, y) to input ((a x + b y + c) / (g x + h y + 1), (d x + e y + f) / (g x + h y + 1)).
    """
    lengths = np.linalg.norm(np.roll(corners, -1, axis=0) - corners, axis=1)
    width, height = (max(2, round(float(pair.mean()))) for pair in (lengths[::2], lengths[1::2]))
    targets = np.array([[0, 0], [width, 0], [width, height], [0, height]], dtype=np.float64)
    equations, right_hand_side = [], []
    for (x, y), (u, v) in zip(targets, corners, strict=True):
        equations += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        right_hand_side += [u, v]
    coefficients = np.linalg.solve(np.array(equations), np.array(right_hand_side))
    straight = Image.fromarray(np.asarray(picture, dtype=np.float32)).transform(
        (width, height), Image.Transform.PERSPECTIVE, tuple(coefficients), Image.Resampling.BILINEAR
    )
    margin_y, margin_x = round(0.01 * height), round(0.01 * width)
    return np.asarray(straight)[margin_y : height - margin_y, margin_x : width - margin_x].clip(0, 1)
