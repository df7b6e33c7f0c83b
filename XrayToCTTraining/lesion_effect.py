"""What becomes of a lesion's own effect, CT with it minus CT without it, on its way through radiograph and generator.

Volumes are float arrays (D, H, W) in network values, [0, 1], which span 2500 HU; effects are differences of two such.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy import ndimage

from XrayToCTLib.grayscale import normalise
from XrayToCTLib.projection import Geometry, hu_from_network, network_from_hu, radiograph_from_ct
from XrayToCTTraining.data.rendering import rendered
from XrayToCTTraining.evaluation import Predict
from XrayToCTTraining.fidelity import KEPT, LesionScore, by_kind_and_size, score_lesions
from XrayToCTTraining.planted_lesions import Chest, Finding, findings

_RING_PIXELS = 6
_SHADOW, _OUTSIDE = 0.5, 0.05  # shares of the strongest shadow: from the one on its middle, up to the other none of it


@dataclass(frozen=True)
class View:
    """A CT, its radiograph (rows, columns) in [0, 1], what is generated from that, and the projections of both.

    ``shadow`` and ``generated_shadow`` are line integrals (rows, columns) by the generator's geometry.
    """

    truth: np.ndarray
    radiograph: np.ndarray
    generated: np.ndarray
    shadow: np.ndarray
    generated_shadow: np.ndarray


@dataclass(frozen=True)
class LesionEffect:
    """What survived of one planted lesion.

    Attributes:
        chest: into which it was planted. number: by which :func:`planted_lesions.planted` plants it again.
        centre: voxel (D, H, W) of its centroid.
        at_place: contrast of the lesion with its surroundings in the generated CT, against that in the true one.
        effect: the same of the lesion's own effect: generated with the lesion minus generated without it.
        xray_contrast: how much brighter the lesion makes its place on the radiograph, share of the grey scale.
        shadow_kept: contrast of its shadow in the generated volume's projection over that in the true one.
        depth_mm: how much farther back than the lesion its effect came out, by the depth that halves each; not a number
            where nothing came out.
        in_place: share of the effect, along the rays through the lesion, that lies between its front and its back.
    """

    chest: str
    number: int
    centre: tuple[float, float, float]
    at_place: LesionScore
    effect: LesionScore
    xray_contrast: float
    shadow_kept: float
    depth_mm: float
    in_place: float

    @property
    def kind(self) -> str:
        return self.effect.kind

    @property
    def size_mm(self) -> float:
        return self.effect.size_mm

    @property
    def visible(self) -> bool:
        """Whether the generated volume's projection shows at least half of the lesion's shadow."""
        return self.shadow_kept >= KEPT

    def row(self) -> dict[str, Any]:
        """For a table with a row a lesion."""
        depth, height, width = self.centre
        return {
            "chest": self.chest,
            "kind": self.kind,
            "number": self.number,
            "size_mm": self.size_mm,
            "centre_d": depth,
            "centre_h": height,
            "centre_w": width,
            "true_contrast_hu": self.at_place.true_contrast_hu,
            "contrast_hu": self.at_place.contrast_hu,
            "true_effect_hu": self.effect.true_contrast_hu,
            "effect_hu": self.effect.contrast_hu,
            "xray_contrast": self.xray_contrast,
            "shadow_kept": self.shadow_kept,
            "depth_mm": self.depth_mm,
            "in_place": self.in_place,
        }


def view_of(predict: Predict, hu: np.ndarray, geometry: Geometry) -> View:
    """A CT (D, H, W) in HU as the generator's own geometry sees it, and what is generated from that."""
    truth = network_from_hu(torch.from_numpy(np.asarray(hu, np.float32)))[None, None]
    radiograph = normalise(rendered(hu_from_network(truth[0, 0]).numpy(), geometry))
    with torch.no_grad():
        generated = predict(torch.from_numpy(radiograph)[None, None]).float().cpu()
        shadows = [radiograph_from_ct(volume, geometry)[0, 0].numpy() for volume in (truth, generated)]
    return View(truth[0, 0].numpy(), radiograph, generated[0, 0].numpy(), *shadows)


def evaluate_chest(
    predict: Predict,
    chest: Chest,
    geometry: Geometry,
    count: int,
    seed: int = 0,
    say: Callable[[], None] = lambda: None,
) -> list[LesionEffect]:
    """``count`` lesions of each kind, planted one at a time; those without contrast or surroundings are left out.

    Args:
        predict: radiographs (1, 1, S, S) in [0, 1] to volumes (1, 1, S, S, S) in [0, 1].
        say: called after each lesion.
    """
    without, effects = view_of(predict, chest.hu, geometry), []
    for finding in findings(chest, count, seed):
        effect = measure(chest, finding, without, view_of(predict, finding.hu, geometry), geometry)
        effects += [] if effect is None else [effect]
        say()
    return effects


def measure(chest: Chest, finding: Finding, without: View, with_it: View, geometry: Geometry) -> LesionEffect | None:
    """One lesion; None where it has no contrast in the truth, or no lung around it (see :func:`score_lesions`)."""
    own = finding.own
    true_effect, effect = with_it.truth - without.truth, with_it.generated - without.generated
    at_place = score_lesions(with_it.generated, with_it.truth, chest.lungs, own, [finding.lesion])
    of_effect = score_lesions(effect, true_effect, chest.lungs, own, [finding.lesion])
    if not at_place or not of_effect:
        return None
    shadow = with_it.shadow - without.shadow
    in_shadow = _shadow_contrast(with_it.generated_shadow - without.generated_shadow, shadow)
    depth, in_place = _depth(effect, true_effect, own, geometry)
    return LesionEffect(
        chest=chest.name,
        number=finding.number,
        centre=finding.lesion.centre,
        at_place=at_place[0],
        effect=of_effect[0],
        xray_contrast=_shadow_contrast(with_it.radiograph - without.radiograph, shadow),
        shadow_kept=in_shadow / _shadow_contrast(shadow, shadow),
        depth_mm=depth * chest.voxel_mm,
        in_place=in_place,
    )


def _shadow_contrast(picture: np.ndarray, shadow: np.ndarray) -> float:
    """Mean of a picture in the middle of a lesion's true shadow, over that of a ring around it; NaN without one."""
    strength = np.abs(shadow)
    middle = strength >= _SHADOW * strength.max()
    near = ndimage.binary_dilation(strength > _OUTSIDE * strength.max(), iterations=_RING_PIXELS)
    ring = near & (strength <= _OUTSIDE * strength.max())
    return float(picture[middle].mean() - picture[ring].mean()) if ring.any() else float("nan")


def _depth(effect: np.ndarray, true_effect: np.ndarray, own: np.ndarray, geometry: Geometry) -> tuple[float, float]:
    """How many voxels farther back than in the truth an effect lies, and which share of it lies in place."""
    sign = np.sign(true_effect[own].sum())
    profile, true_profile = (_profile(sign * volume, own, geometry) for volume in (effect, true_effect))
    if not profile.sum() > 0:
        return float("nan"), float("nan")
    depths = np.flatnonzero(own.any(axis=(1, 2)))
    front, back = max(depths[0] - 1, 0), depths[-1] + 2  # its border fills a part of the next voxels
    return _median(profile) - _median(true_profile), float(profile[front:back].sum() / profile.sum())


def _profile(effect: np.ndarray, own: np.ndarray, geometry: Geometry) -> np.ndarray:
    """Strength of an effect at each depth, (D,), in the cone of rays through a lesion, over what is around the cone.

    The cone starts at the source, behind the patient for PA, and is a voxel wider than the lesion at its depth.
    """
    count, voxel_mm = effect.shape[0], geometry.volume_mm[0] / effect.shape[0]
    behind = (np.arange(count) - (count - 1) / 2) * voxel_mm  # LPS: greater is posterior
    away = geometry.source_to_axis_mm + (behind if geometry.view == "AP" else -behind)
    outline: np.ndarray = ndimage.binary_dilation(own.any(axis=0))  # rays start and end between voxels
    around: np.ndarray = ndimage.binary_dilation(outline, iterations=_RING_PIXELS) & ~outline
    middle = round(float(np.nonzero(own)[0].mean()))
    scales = np.ones(count) if geometry.is_parallel else away / away[middle]
    profile = np.zeros(count)
    for depth, scale in enumerate(scales):
        inside, beside = (_scaled(mask, float(scale)) for mask in (outline, around))
        if inside.any():
            base = effect[depth][beside].mean() if beside.any() else 0.0
            profile[depth] = max(0.0, float((effect[depth][inside] - base).sum()))
    return profile


def _scaled(mask: np.ndarray, scale: float) -> np.ndarray:
    """A mask (H, W) enlarged about the middle of the volume, by the nearest voxel."""
    indices = []
    for n in mask.shape:
        middle = (n - 1) / 2
        indices.append(np.rint((np.arange(n) - middle) / scale + middle).astype(int))
    inside = [(index >= 0) & (index < n) for index, n in zip(indices, mask.shape, strict=True)]
    clipped = [index.clip(0, n - 1) for index, n in zip(indices, mask.shape, strict=True)]
    return mask[np.ix_(*clipped)] & inside[0][:, None] & inside[1][None, :]


def _median(profile: np.ndarray) -> float:
    """Where the sum from the front reaches half, in voxels."""
    sums = np.concatenate([[0.0], np.cumsum(profile)])
    return float(np.interp(sums[-1] / 2, sums, np.arange(len(sums)) - 0.5))


def effect_table(effects: Sequence[LesionEffect]) -> list[Mapping[str, Any]]:
    """A row for each kind and range of sizes that occurs."""
    return [
        {"kind": kind, "size (mm)": size, "lesions": len(members), **_cells(members)}
        for kind, size, members in by_kind_and_size(effects)
    ]


def _cells(effects: Sequence[LesionEffect]) -> dict[str, str]:
    figures = mean_figures(effects)
    return {
        "on the X-ray (%)": f"{100 * figures['xray_contrast']:.1f}",
        "contrast kept": f"{figures['contrast_kept']:.2f}",
        "effect kept": f"{figures['effect_kept']:.2f}",
        "found": f"{figures['found']:.2f}",
        "shadow kept": f"{figures['shadow_kept']:.2f}",
        "visible": f"{figures['visible']:.2f}",
        "off in depth (mm)": f"{figures['depth_error_mm']:.0f}",
        "in place": f"{figures['in_place']:.2f}",
    }


def mean_figures(effects: Sequence[LesionEffect]) -> dict[str, float]:
    """Means over lesions; ``found`` and ``visible`` are shares, ``depth_error_mm`` either way."""
    return {
        "xray_contrast": _mean([one.xray_contrast for one in effects]),
        "contrast_kept": _mean([one.at_place.kept for one in effects]),
        "effect_kept": _mean([one.effect.kept for one in effects]),
        "found": _mean([one.effect.found for one in effects]),
        "shadow_kept": _mean([one.shadow_kept for one in effects]),
        "visible": _mean([one.visible for one in effects]),
        "depth_error_mm": _mean([abs(one.depth_mm) for one in effects]),
        "in_place": _mean([one.in_place for one in effects]),
    }


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if np.isfinite(value)]
    return float(np.mean(known)) if known else float("nan")
