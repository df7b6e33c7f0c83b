"""Pictures that are no frontal chest radiograph as displayed: made from frontal ones, from CTs, or from nothing.

A picture is (S, S) float, roughly in [0, 1], bone bright. Whatever is made here goes through :func:`as_input` last, as
a file goes through the reader.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import ndimage

from XrayToCTLib.framing import square_field
from XrayToCTLib.grayscale import normalise

Picture = np.ndarray
Maker = Callable[[Picture, np.random.Generator], Picture]


def as_input(picture: Picture, size: int) -> Picture:
    """Normalised, padded to a square and averaged to (size, size), float32 in [0, 1]."""
    return square_field(normalise(picture), size)


def mirrored(picture: Picture, rng: np.random.Generator | None = None) -> Picture:
    return picture[:, ::-1]


def upside_down(picture: Picture, rng: np.random.Generator | None = None) -> Picture:
    return picture[::-1, ::-1]


def sideways(picture: Picture, rng: np.random.Generator) -> Picture:
    """Turned by 90 degrees to either side."""
    return np.rot90(picture, rng.choice([1, 3]))


def inverted(picture: Picture, rng: np.random.Generator | None = None) -> Picture:
    return 1 - picture


def cropped(picture: Picture, rng: np.random.Generator) -> Picture:
    """40 to 65 % of the height, of the width or of both is left; what is cut in one direction keeps an edge."""
    height, width = picture.shape
    cut = rng.choice(["both", "height", "width"])
    rows = round(height * rng.uniform(0.40, 0.65)) if cut != "width" else height
    columns = round(width * rng.uniform(0.40, 0.65)) if cut != "height" else width
    top, left = rng.integers(0, height - rows + 1), rng.integers(0, width - columns + 1)
    if cut == "height":
        top = rng.choice([0, height - rows])
    elif cut == "width":
        left = rng.choice([0, width - columns])
    return picture[top : top + rows, left : left + columns]


def on_screen(picture: Picture, rng: np.random.Generator) -> Picture:
    """A photograph of a screen that shows it: frame, room, perspective, the screen's grid against the camera's."""
    side = picture.shape[0]
    y, x = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]
    angle, scale = np.deg2rad(rng.uniform(-12, 12)), rng.uniform(0.55, 0.85)
    matrix = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    matrix[2, :2] = rng.uniform(-0.15, 0.15, 2)
    down, across = rng.uniform(-0.2, 0.2, 2)
    v, u, depth = np.einsum("ij,jhw->ihw", matrix, np.stack([y / scale + down, x / scale + across, np.ones_like(x)]))
    v, u = v / depth, u / depth
    shown = ndimage.map_coordinates(picture, (np.stack([v, u]) + 1) * (side - 1) / 2, order=1, mode="nearest")
    fine, coarse, slant = rng.uniform(8, 30), rng.uniform(8, 30), rng.uniform(2, 8)
    grid = 1 + rng.uniform(0.05, 0.25) * np.sin(fine * np.pi * v + slant * u) * np.sin(coarse * np.pi * u)
    black = rng.uniform(0.05, 0.2)  # a screen's black glows
    room = rng.uniform(0, 0.7) * (1 + 0.1 * _smooth(side, side / 24, rng))
    reach = np.maximum(np.abs(v), np.abs(u))
    frame = np.where(reach <= rng.uniform(1.05, 1.15), rng.uniform(0, 0.15), room)
    photograph = np.where(reach <= 1, black + (1 - black) * shown * grid, frame)
    if rng.random() < 0.6:
        middle, radii = rng.uniform(-0.8, 0.8, 2), rng.uniform(0.1, 0.4, 2)
        glare = np.exp(-(((y - middle[0]) / radii[0]) ** 2) - ((x - middle[1]) / radii[1]) ** 2)
        photograph = photograph + rng.uniform(0.1, 0.6) * glare
    return photograph


def noise(side: int, rng: np.random.Generator) -> Picture:
    """White, smooth, of two values, with a power law, or in squares."""
    kind = rng.integers(5)
    if kind == 0:
        return rng.standard_normal((side, side))
    if kind == 1:
        return _smooth(side, rng.uniform(1, side / 6), rng)
    if kind == 2:
        return (rng.random((side, side)) < rng.uniform(0.05, 0.95)).astype(float)
    if kind == 3:
        frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(side), np.fft.fftfreq(side)))
        frequency[0, 0] = 1
        spectrum = np.fft.fft2(rng.standard_normal((side, side))) * frequency ** -rng.uniform(0.5, 2.5)
        return np.fft.ifft2(spectrum).real
    count = int(rng.integers(2, 12))
    return np.kron(rng.random((count, count)), np.ones((-(-side // count),) * 2))[:side, :side]


def limbs(side: int, rng: np.random.Generator) -> Picture:
    """Tapered cylinders of soft tissue around hollow bones, one to five, in any direction: fingers, arms, legs."""
    y, x = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]
    picture = np.zeros((side, side))
    for _ in range(rng.integers(1, 6)):
        angle, (middle_x, middle_y) = rng.uniform(0, np.pi), rng.uniform(-0.6, 0.6, 2)
        along = (x - middle_x) * np.cos(angle) + (y - middle_y) * np.sin(angle)
        aside = (y - middle_y) * np.cos(angle) - (x - middle_x) * np.sin(angle)
        length = rng.uniform(0.4, 1.6)
        radius = rng.uniform(0.08, 0.45) * (1 + rng.uniform(-0.4, 0.4) * along / length)
        thickness = _chord(aside, radius) * (np.abs(along) < length)
        for _ in range(rng.integers(1, 3)):
            bone, off = radius * rng.uniform(0.1, 0.35), aside - rng.uniform(-0.5, 0.5) * radius
            shaft = _chord(off, bone) - 0.6 * _chord(off, 0.6 * bone)
            thickness = thickness + rng.uniform(0.8, 2.5) * shaft * (np.abs(along) < 0.95 * length)
        picture = np.maximum(picture, thickness)
    if rng.random() < 0.4:  # collimated
        picture[np.abs(x if rng.random() < 0.5 else y) > rng.uniform(0.2, 0.7)] = picture.max() * rng.choice([0, 1])
    return picture


def drawn(side: int, rng: np.random.Generator) -> Picture:
    """Ellipses inside an ellipse, or boxes: sections of bodies, test patterns, text, whatever has edges."""
    y, x = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]
    picture = np.zeros((side, side))
    if rng.random() < 0.5:
        for i in range(rng.integers(2, 12)):
            middle = rng.uniform(-0.15, 0.15, 2) if i == 0 else rng.uniform(-0.5, 0.5, 2)
            radii = rng.uniform(0.4, 0.95, 2) * (1 if i == 0 else rng.uniform(0.1, 0.6))
            distance = ((y - middle[0]) / radii[0]) ** 2 + ((x - middle[1]) / radii[1]) ** 2
            picture[distance < 1] = rng.random()
            if rng.random() < 0.3:
                picture[distance < 0.8] = rng.random()
    else:
        for _ in range(rng.integers(1, 40)):
            rows, columns = rng.integers(1, side // 6, 2)
            top, left = rng.integers(0, side - rows), rng.integers(0, side - columns)
            picture[top : top + rows, left : left + columns] = rng.random()
    return picture + 0.01 * rng.random() * rng.standard_normal((side, side))


def scrambled(picture: Picture, rng: np.random.Generator) -> Picture:
    """Its blocks, 2 x 2 to 5 x 5, in another order: a radiograph's grey values without its anatomy."""
    count = int(rng.integers(2, 6))
    block = picture.shape[0] // count
    blocks = [picture[i : i + block, j : j + block] for i in _starts(count, block) for j in _starts(count, block)]
    order = rng.permutation(count**2)
    return np.block([[blocks[order[i * count + j]] for j in range(count)] for i in range(count)])


FROM_FRONTAL: dict[str, Maker] = {
    "mirrored": mirrored,
    "upside_down": upside_down,
    "sideways": sideways,
    "inverted": inverted,
    "cropped": cropped,
    "screen": on_screen,
}


def reframed(picture: Picture, rng: np.random.Generator) -> Picture:
    """As another technician would have framed it: scale 0.88 to 1.15, 5 % off, 6 degrees, not quite square."""
    side = picture.shape[0]
    angle = np.deg2rad(rng.uniform(-6, 6))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = turn / (rng.uniform(0.88, 1.15) * rng.uniform(0.95, 1.05, 2))
    middle = (side - 1) / 2
    offset = middle - matrix @ (middle + rng.uniform(-0.05, 0.05, 2) * side)
    moved = ndimage.affine_transform(picture, matrix, offset, order=1, mode=rng.choice(["constant", "nearest"]))
    if rng.random() < 0.5:
        return moved
    first, last = rng.integers(0, side // 11, 2)
    trimmed = slice(first, side - last)
    return moved[trimmed] if rng.random() < 0.5 else moved[:, trimmed]


def marked(picture: Picture, rng: np.random.Generator) -> Picture:
    """With blots where side markers and lines of text stand, and now and then a rest of a frame."""
    result = picture.copy()
    rows, columns = picture.shape
    for _ in range(rng.integers(0, 4)):
        height, width = rng.integers(2, rows // 10, 2)
        top = rng.integers(0, rows - height)
        edge = int(rng.integers(0, columns // 6))
        left = edge if rng.random() < 0.5 else columns - width - edge
        result[top : top + height, left : left + width] = rng.choice([0.0, 0.5, 1.0])
    if rng.random() < 0.2:
        turns = int(rng.integers(4))
        np.rot90(result, turns)[: rng.integers(1, rows // 12)] = rng.choice([0.0, 1.0])
    return result


def developed(picture: Picture, rng: np.random.Generator) -> Picture:
    """In the grey scale of another device."""
    result = np.clip(picture, 0, 1) ** np.exp(rng.uniform(-0.5, 0.5))
    if rng.random() < 0.3:  # the curve of film
        result = 1 / (1 + np.exp(rng.uniform(2, 10) * (rng.uniform(0.4, 0.6) - result)))
    if rng.random() < 0.3:  # the heel effect
        y, x = np.mgrid[-1 : 1 : result.shape[0] * 1j, -1 : 1 : result.shape[1] * 1j]
        result = result * (1 + rng.uniform(-0.3, 0.3) * x + rng.uniform(-0.3, 0.3) * y)
    if rng.random() < 0.2:
        result = ndimage.gaussian_filter(result, rng.uniform(0, 1.2))
    if rng.random() < 0.2:
        result = result + rng.uniform(0, 0.04) * rng.standard_normal(result.shape)
    if rng.random() < 0.3:  # equalised
        result = result - rng.uniform(0, 0.6) * ndimage.gaussian_filter(result, 0.08 * result.shape[0], truncate=2.5)
    return result


def _chord(off: np.ndarray, radius: np.ndarray) -> np.ndarray:
    """Half the length of a ray through a cylinder at a distance from its axis."""
    return np.sqrt(np.clip(radius**2 - off**2, 0, None))


def _smooth(side: int, sigma: float, rng: np.random.Generator) -> Picture:
    """Gaussian noise of unit variance, blurred."""
    field = ndimage.gaussian_filter(rng.standard_normal((side, side)), sigma, truncate=2.5)
    return field / field.std()


def _starts(count: int, block: int) -> range:
    return range(0, count * block, block)
