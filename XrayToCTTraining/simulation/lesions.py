"""Findings planted in the lungs of any chest CT, simulated or real.

``tb``: cavities with a wall, apical infiltrates, apical caps, miliary nodules, swollen hilar nodes, effusions. ``sick``
(not TB): lobar consolidation, ground glass, oedema, masses, nodules, effusions. Effusion occurs in both classes on
purpose: one sign alone does not make the class. The patient stands, as before an X-ray detector: fluid gathers below.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial, reduce

import numpy as np
from scipy import ndimage

from XrayToCTTraining.simulation.patient import Label, Lesion
from XrayToCTTraining.simulation.space import deposit, smooth_min, smooth_noise

KINDS: dict[Label, tuple[str, ...]] = {
    "healthy": (),
    "sick": ("consolidation", "ground_glass", "oedema", "mass", "nodule", "effusion"),
    "tb": ("cavity", "infiltrate", "apical_cap", "miliary", "hilar_nodes", "effusion"),
}


@dataclass(frozen=True)
class Site:
    """One lung: its voxels, its bounding box and the side on which the mediastinum lies."""

    mask: np.ndarray  # bool (D, H, W), the whole volume
    box: tuple[slice, slice, slice]
    medial: int  # +1: the mediastinum is towards higher W (this is the right lung), -1: the left lung

    @property
    def local(self) -> np.ndarray:
        return self.mask[self.box]


@dataclass(frozen=True)
class Change:
    """What one finding does to the voxels of ``box``: their new HU and how much of each voxel is diseased (0 to 1)."""

    box: tuple[slice, slice, slice]
    hu: np.ndarray
    part: np.ndarray
    size_mm: float | None = None


def plant(
    hu: np.ndarray,
    lungs: np.ndarray,
    label: Label,
    rng: np.random.Generator,
    voxel_mm: float,
    kinds: Sequence[str] | None = None,
) -> tuple[np.ndarray, np.ndarray, tuple[Lesion, ...]]:
    """Give a healthy chest the findings of ``label``.

    ``hu``: (D, H, W) Hounsfield units; ``lungs``: boolean (D, H, W); ``voxel_mm``: isotropic spacing; ``kinds``: of
    ``KINDS[label]``, else random ones. Returns a new float32 volume, uint8 (D, H, W) numbers that tell which voxels
    belong to which lesion (0: none, n: the n-th; where two overlap, the later), always inside ``lungs``, and the
    lesions. ``healthy``, or lungs of fewer than 1,000 mm3 a side, plants nothing.
    """
    hu = np.array(hu, dtype=np.float32)
    numbers = np.zeros(hu.shape, dtype=np.uint8)
    sites = split_lungs(lungs, voxel_mm)
    if label == "healthy" or not sites:
        return hu, numbers, ()
    planted: list[Lesion] = []
    wanted = _choose(label, rng) if kinds is None else list(kinds)
    for turn, kind in enumerate((*wanted, *KINDS[label])):
        # A finding may vanish between the voxels of a coarse grid; the class must not vanish with it.
        if planted and turn >= len(wanted):
            break
        sides = list(rng.permutation(len(sites)))
        if kind not in ("oedema", "miliary") and (rng.random() < 0.7 or kind in ("mass", "nodule", "cavity")):
            sides = sides[:1]
        for side in sides:
            lesion = plant_one(hu, numbers, len(planted) + 1, kind, sites[side], rng, voxel_mm)
            planted += [] if lesion is None else [lesion]
    return hu, numbers, tuple(planted)


def plant_one(
    hu: np.ndarray,
    numbers: np.ndarray,
    number: int,
    kind: str,
    site: Site,
    rng: np.random.Generator,
    voxel_mm: float,
) -> Lesion | None:
    """Plants one finding of any kind into one lung, in place: ``hu`` changes, and ``numbers`` is ``number`` there.

    None, and nothing planted, where it would vanish between the voxels.
    """
    change = _MAKERS[kind](hu, site, rng, voxel_mm)
    diseased = _apply(hu, change, site)
    if diseased.sum() < 2:
        return None
    numbers[change.box][diseased] = number
    return _record(kind, change, diseased, voxel_mm)


def split_lungs(lungs: np.ndarray, voxel_mm: float) -> list[Site]:
    """Right lung, then left lung; cut at the emptiest sagittal plane, so that airways which join them do no harm."""
    columns = lungs.sum(axis=(0, 1))
    if columns.sum() == 0:
        return []
    share = np.cumsum(columns) / columns.sum()
    low, high = int(np.searchsorted(share, 0.3)), int(np.searchsorted(share, 0.75))
    cut = low + int(np.argmin(columns[low : high + 1]))
    sites = []
    for medial, side in ((1, slice(0, cut)), (-1, slice(cut, None))):
        mask = np.zeros_like(lungs, dtype=bool)
        mask[:, :, side] = lungs[:, :, side]
        if mask.sum() * voxel_mm**3 >= 1000:
            box = tuple(
                slice(int(np.flatnonzero(line)[0]), int(np.flatnonzero(line)[-1]) + 1)
                for line in (mask.any((1, 2)), mask.any((0, 2)), mask.any((0, 1)))
            )
            sites.append(Site(mask, (box[0], box[1], box[2]), medial))
    return sites


def _choose(label: Label, rng: np.random.Generator) -> list[str]:
    """One leading kind, and now and then company: kinds are drawn so that each occurs often enough to be learned."""
    kinds = KINDS[label]
    weights = {
        "sick": (0.26, 0.17, 0.13, 0.17, 0.12, 0.15),
        "tb": (0.32, 0.24, 0.11, 0.14, 0.10, 0.09),
    }[label]
    count = 1 + int(rng.random() < 0.55) + int(rng.random() < 0.2)
    return [str(k) for k in rng.choice(kinds, size=count, replace=False, p=weights)]


def _apply(hu: np.ndarray, change: Change, site: Site) -> np.ndarray:
    """Change ``hu`` in place; returns which voxels of the change's box are diseased, if at least two are."""
    lung = site.mask[change.box]
    diseased = (change.part > 0.5) & lung
    if diseased.sum() >= 2:
        view = hu[change.box]
        # The lung's outermost voxels are half wall and lie outside its mask: without them a dark rim would stay.
        rim = ndimage.binary_dilation(lung) & ~lung & (view < -80)
        change_hu = np.where(rim, np.maximum(change.hu, view), change.hu)
        view += np.where(lung | rim, change.part, 0) * (change_hu - view)
    return diseased


def _record(kind: str, change: Change, diseased: np.ndarray, voxel_mm: float) -> Lesion:
    size_mm = change.size_mm or float((6 / np.pi * diseased.sum()) ** (1 / 3) * voxel_mm)
    centre = [float(c) + s.start for c, s in zip(ndimage.center_of_mass(diseased), change.box, strict=True)]
    return Lesion(kind, size_mm, (centre[0], centre[1], centre[2]))


def _heights(site: Site) -> np.ndarray:
    """0 at the apex to 1 at the base, for each voxel of the site's box: (1, h, 1)."""
    n = site.local.shape[1]
    return ((np.arange(n, dtype=np.float32) + 0.5) / n)[None, :, None]


def _pick(site: Site, rng: np.random.Generator, top: float, bottom: float, margin_voxels: int) -> np.ndarray:
    """Random voxel (D, H, W) between two heights of a lung, away from its surface where the lung is thick enough."""
    band = site.local & (_heights(site) >= top) & (_heights(site) <= bottom)
    inner = ndimage.binary_erosion(band, iterations=margin_voxels) if margin_voxels > 0 else band
    while not inner.any() and margin_voxels > 1:
        margin_voxels //= 2
        inner = ndimage.binary_erosion(band, iterations=margin_voxels)
    candidates = np.argwhere(inner if inner.any() else band if band.any() else site.local)
    return candidates[rng.integers(len(candidates))] + [s.start for s in site.box]


def _ball_box(
    site: Site, centre: np.ndarray, reach_mm: float, voxel_mm: float
) -> tuple[tuple[slice, slice, slice], np.ndarray]:
    """Box of the volume around a point, and the (3, d, h, w) offsets in mm of its voxels from that point."""
    reach = int(np.ceil(reach_mm / voxel_mm)) + 1
    bounds = [(max(0, c - reach), min(n, c + reach + 1)) for c, n in zip(centre, site.mask.shape, strict=True)]
    axes = [((np.arange(a, b) - c) * voxel_mm).astype(np.float32) for (a, b), c in zip(bounds, centre, strict=True)]
    box = (slice(*bounds[0]), slice(*bounds[1]), slice(*bounds[2]))
    return box, np.stack(np.meshgrid(*axes, indexing="ij"))


def _blob(
    site: Site, centre: np.ndarray, radius_mm: float, rng: np.random.Generator, voxel_mm: float, roughness: float
) -> tuple[tuple[slice, slice, slice], np.ndarray]:
    """Box and signed distance in mm (negative inside) of an irregular ellipsoid of a mean radius."""
    box, offset = _ball_box(site, centre, radius_mm * 1.7, voxel_mm)
    stretch = np.exp(rng.normal(0, 0.12, 3)).astype(np.float32).reshape(3, 1, 1, 1)
    distance = np.sqrt(((offset / stretch) ** 2).sum(0))
    lumps = smooth_noise(rng, distance.shape, 5) + 0.5 * smooth_noise(rng, distance.shape, 9)
    return box, distance - np.float32(radius_mm) * (1 + np.float32(roughness) * lumps)


def _soft(distance_mm: np.ndarray, edge_mm: float) -> np.ndarray:
    """1 inside, 0 outside, linear over ``edge_mm``."""
    return np.clip(0.5 - distance_mm / edge_mm, 0, 1)


def _cavity(hu: np.ndarray, site: Site, rng: np.random.Generator, voxel_mm: float) -> Change:
    radius, wall = float(rng.uniform(9, 28)), float(rng.uniform(3, 9))
    centre = _pick(site, rng, 0.05, 0.45, int(radius / voxel_mm * 0.7))
    box, outer = _blob(site, centre, radius, rng, voxel_mm, 0.08)
    inner = outer + wall * (1 + 0.3 * smooth_noise(rng, outer.shape, 5))
    wall_hu = rng.uniform(10, 60)
    # About half of the cavities hold fluid, whose surface is level.
    below = (np.arange(box[1].start, box[1].stop) - centre[1]) * voxel_mm > radius * rng.uniform(-0.1, 1.4)
    content = np.where(below[None, :, None], 10.0, -960.0)
    hollow = _soft(inner, voxel_mm)
    halo = 0.45 * np.clip(1 - outer / rng.uniform(6, 16), 0, 1) * (smooth_noise(rng, outer.shape, 9) > -0.4)
    body = np.maximum(_soft(outer, voxel_mm), halo)
    return Change(box, (wall_hu + hollow * (content - wall_hu)).astype(np.float32), body)


def _infiltrate(hu: np.ndarray, site: Site, rng: np.random.Generator, voxel_mm: float) -> Change:
    """Patchy nodular shadowing of the upper zone: centrilobular nodules over a haze."""
    centre = _pick(site, rng, 0.02, 0.35, 1)
    radius = float(rng.uniform(16, 38))
    box, distance = _blob(site, centre, radius, rng, voxel_mm, 0.2)
    grains = smooth_noise(rng, distance.shape, tuple(max(3, int(n * voxel_mm / 7)) for n in distance.shape))
    haze = np.clip(rng.uniform(0.1, 0.35) + 0.55 * np.clip(grains - 0.1, 0, 1), 0, 1)
    part = _soft(distance, radius * 0.5)
    # The mask says where, the haze says how much: mixing towards haze * tissue keeps vessels visible through it.
    lung = hu[box]
    return Change(box, np.maximum(lung, lung + haze * (20 - lung)), part)


def _apical_cap(hu: np.ndarray, site: Site, rng: np.random.Generator, voxel_mm: float) -> Change:
    depth = rng.uniform(6, 16)
    local = site.local
    # Thickness is measured straight down from the first lung voxel of each column, so the cap follows the apex.
    below = np.cumsum(local, axis=1) * voxel_mm
    top = np.broadcast_to(_heights(site) * local.shape[1] * voxel_mm < depth + 22, local.shape)
    thickness = depth * (1 + 0.35 * smooth_noise(rng, (local.shape[0], 1, local.shape[2]), (6, 2, 6)))
    return Change(
        site.box, np.full(local.shape, rng.uniform(20, 60), np.float32), _soft(below - thickness, voxel_mm) * top
    )


def _miliary(hu: np.ndarray, site: Site, rng: np.random.Generator, voxel_mm: float) -> Change:
    """Nodules of 1.5-4 mm scattered over the whole lung, a few hundred to a thousand a litre."""
    litres = site.local.sum() * voxel_mm**3 / 1e6
    count = int(rng.uniform(500, 1600) * litres)
    candidates = np.argwhere(site.local)
    points = candidates[rng.integers(len(candidates), size=count)] + rng.random((count, 3)) - 0.5
    diameter = rng.uniform(1.6, 4.0, count)
    amount = (np.pi / 6 * diameter**3 / voxel_mm**3).astype(np.float32)
    part = np.clip(deposit(points, amount, site.local.shape) * 1.3, 0, 1)
    lung = hu[site.box]
    # Nodules smaller than a voxel are diluted by lung: the mask counts a voxel from a tenth filled.
    diluted = np.maximum(lung, lung + part * (30 - lung))
    return Change(site.box, diluted, (part > 0.1).astype(np.float32), size_mm=float(diameter.mean()))


def hilum(site: Site) -> np.ndarray:
    """Voxel (D, H, W) on the medial side of a lung at its root.

    The root lies a little behind and above the middle, where the medial side recedes by a third of the lung's width;
    a large heart, which pushes it farther, is stepped around.
    """
    from_medial = site.local[:, :, ::-1] if site.medial == 1 else site.local
    d, h, w = from_medial.shape
    # Smoothed, so that a single large vessel does not pass for the root.
    receding = ndimage.uniform_filter(np.where(from_medial.any(2), from_medial.argmax(2), w).astype(np.float32), 3)
    off = 2 * np.abs(receding / w - 0.33) + np.abs(np.arange(d)[:, None] / d - 0.55) + np.abs(np.arange(h) / h - 0.4)
    at_d, at_h = np.unravel_index(int(np.argmin(off)), off.shape)
    inward = int(receding[at_d, at_h])
    at_w = w - 1 - inward if site.medial == 1 else inward
    return np.array([at_d, at_h, at_w]) + [s.start for s in site.box]


def _hilar_nodes(hu: np.ndarray, site: Site, rng: np.random.Generator, voxel_mm: float) -> Change:
    """A clump of swollen lymph nodes that bulges from the root of the lung; its size is that of the largest node."""
    box, offset = _ball_box(site, hilum(site), 44, voxel_mm)
    radius = rng.uniform(7, 15, rng.integers(3, 6))
    lateral = -site.medial * rng.uniform(0, 11, len(radius))
    middles = np.stack([rng.normal(0, 8, len(radius)), rng.normal(0, 10, len(radius)), lateral], axis=1)
    middles = np.clip(middles, -16, 16).astype(np.float32)
    nodes = [np.sqrt(((offset - m.reshape(3, 1, 1, 1)) ** 2).sum(0)) - r for m, r in zip(middles, radius, strict=True)]
    distance = reduce(partial(smooth_min, radius_mm=5), nodes) + smooth_noise(rng, offset.shape[1:], 9)
    tissue = np.full(distance.shape, rng.uniform(25, 60), np.float32)
    return Change(box, np.maximum(tissue, hu[box]), _soft(distance, voxel_mm), size_mm=float(2 * radius.max()))


def _effusion(hu: np.ndarray, site: Site, rng: np.random.Generator, voxel_mm: float) -> Change:
    """Fluid at the base, level but for a meniscus that climbs at the outer wall and behind."""
    local = site.local
    d, h, w = local.shape
    behind = np.linspace(-1, 1, d, dtype=np.float32)[:, None, None]
    outward = -site.medial * np.linspace(-1, 1, w, dtype=np.float32)[None, None, :]
    rise = np.clip(outward, 0, 1) ** 3 * rng.uniform(10, 35) + np.clip(behind, 0, 1) ** 3 * rng.uniform(5, 40)
    level = h * voxel_mm * rng.uniform(0.55, 0.9)
    depth = (np.arange(h, dtype=np.float32) * voxel_mm)[None, :, None]
    return Change(site.box, np.full(local.shape, rng.uniform(0, 25), np.float32), _soft(level - rise - depth, voxel_mm))


def _consolidation(hu: np.ndarray, site: Site, rng: np.random.Generator, voxel_mm: float) -> Change:
    """Filled air spaces that end at a fissure, with air bronchograms."""
    centre = _pick(site, rng, 0.15, 0.95, 2)
    radius = float(rng.uniform(24, 55))
    box, distance = _blob(site, centre, radius, rng, voxel_mm, 0.2)
    _, offset = _ball_box(site, centre, radius * 1.7, voxel_mm)
    tilt = rng.normal(0, 0.5)
    fissure = (offset[1] + tilt * offset[0]) * rng.choice((-1, 1)) - radius * rng.uniform(0.1, 0.6)
    part = _soft(np.maximum(distance, fissure * 3), radius * 0.3)
    # Where two random fields are both near zero runs a winding tube.
    nodes = tuple(max(3, int(n * voxel_mm / 15)) for n in distance.shape)
    bronchi = np.hypot(smooth_noise(rng, distance.shape, nodes), smooth_noise(rng, distance.shape, nodes))
    tissue = rng.uniform(0, 45) - 600 * np.clip(1 - bronchi * 3, 0, 1) - 60 * np.clip(bronchi - 1.8, 0, 1)
    return Change(box, np.maximum(tissue.astype(np.float32), hu[box]), part)


def _ground_glass(hu: np.ndarray, site: Site, rng: np.random.Generator, voxel_mm: float) -> Change:
    """Haze of +200 to +450 HU in patches, mostly of the outer and lower lung."""
    local = site.local
    nodes = tuple(max(3, int(n * voxel_mm / rng.uniform(25, 45))) for n in local.shape)
    outward = -site.medial * np.linspace(-1, 1, local.shape[2], dtype=np.float32)[None, None, :]
    patches = smooth_noise(rng, local.shape, nodes) + 0.5 * outward + _heights(site) - rng.uniform(0.5, 1.1)
    lung = hu[site.box]
    return Change(site.box, np.maximum(lung, np.minimum(lung + rng.uniform(200, 450), 20)), np.clip(patches * 2, 0, 1))


def _oedema(hu: np.ndarray, site: Site, rng: np.random.Generator, voxel_mm: float) -> Change:
    """Bat-wing haze: dense about the hilum, clear at the rim, heavier below."""
    d, h, w = site.local.shape
    behind = np.linspace(-1, 1, d, dtype=np.float32)[:, None, None]
    inward = site.medial * np.linspace(-1, 1, w, dtype=np.float32)[None, None, :]
    radius = np.sqrt((1.1 * (1 - inward)) ** 2 + (1.2 * behind) ** 2 + (3.2 * (_heights(site) - 0.6)) ** 2)
    part = np.clip((rng.uniform(1.5, 2.0) - radius + 0.25 * smooth_noise(rng, (d, h, w), 10)) / 0.9, 0, 1)
    lung = hu[site.box]
    return Change(site.box, np.maximum(lung, np.minimum(lung + rng.uniform(350, 650), 30)), part)


def _solid(radius_mm: float, spikes: float) -> Callable[..., Change]:
    def make(hu: np.ndarray, site: Site, rng: np.random.Generator, voxel_mm: float) -> Change:
        radius = radius_mm * float(rng.uniform(0.55, 1.45))
        centre = _pick(site, rng, 0.05, 0.95, max(1, int(radius / voxel_mm * 0.5)))
        box, distance = _blob(site, centre, radius, rng, voxel_mm, spikes)
        return Change(box, np.full(distance.shape, rng.uniform(15, 70), np.float32), _soft(distance, voxel_mm))

    return make


_MAKERS: dict[str, Callable[[np.ndarray, Site, np.random.Generator, float], Change]] = {
    "cavity": _cavity,
    "infiltrate": _infiltrate,
    "apical_cap": _apical_cap,
    "miliary": _miliary,
    "hilar_nodes": _hilar_nodes,
    "effusion": _effusion,
    "consolidation": _consolidation,
    "ground_glass": _ground_glass,
    "oedema": _oedema,
    "mass": _solid(25.0, 0.12),
    "nodule": _solid(9.0, 0.08),
}
