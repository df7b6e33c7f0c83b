"""How well the input check tells held-out radiographs from odd pictures, by kind."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pydicom
import torch

from XrayToCTLib.ct_reading import read_ct
from XrayToCTLib.errors import UnsuitableInput
from XrayToCTLib.grayscale import luminance
from XrayToCTLib.input_check import LIMIT, check_inputs
from XrayToCTLib.input_network import FRONTAL, InputNetwork
from XrayToCTLib.radiograph import network_input, read_radiograph
from XrayToCTLib.volume import network_from_ct
from XrayToCTTraining.classification_metrics import area_under_curve
from XrayToCTTraining.data.cohort import Cohort
from XrayToCTTraining.data.samples import acquired, geometry_of
from XrayToCTTraining.input_check_views import VOXELS, lateral_view, views_of
from XrayToCTTraining.odd_inputs import FROM_FRONTAL, as_input, limbs, noise
from XrayToCTTraining.picture_grid import LabelledRows, labelled_grid

SIZE = 128  # of the pictures that are checked: what a generator sees
_SAME = 0.98  # correlation from which two files show one picture in two encodings
_WORST = 8
_MOST_SIMULATED = 60


@dataclass(frozen=True)
class Group:
    """Pictures of one kind, each (S, S) in [0, 1].

    Attributes:
        name: what they are. reasons: the kinds by which the check may rightly call them; frontal: they should pass.
        files: a name of each.
    """

    name: str
    reasons: tuple[str, ...]
    pictures: list[np.ndarray] = field(default_factory=list)
    files: list[str] = field(default_factory=list)

    def add(self, name: str, picture: np.ndarray) -> None:
        self.pictures.append(picture)
        self.files.append(name)

    @property
    def should_pass(self) -> bool:
        return FRONTAL in self.reasons


@dataclass(frozen=True)
class Scores:
    """Of a group: how odd each picture is (n,), and what it was taken for."""

    group: Group
    odd: np.ndarray
    taken_for: list[str]


def radiograph_groups(cohort: Cohort, split: str, seed: int) -> list[Group]:
    """The radiographs of a split as they are, first, then turned into each odd kind, then noise and drawn limbs."""
    cases, rng = cohort.of_split(split), np.random.default_rng(seed)
    if not cases:
        raise UnsuitableInput(f"{cohort.folder} has no {split} case; choose another --split.")
    radiographs = {case.name: cohort.radiograph(case) / 255 for case in cases}
    frontal = Group("frontal radiographs", (FRONTAL,))
    groups = [frontal, *(Group(kind.replace("_", " "), (kind,)) for kind in FROM_FRONTAL)]
    for name, picture in radiographs.items():
        frontal.add(name, as_input(picture, SIZE))
        for group, make in zip(groups[1:], FROM_FRONTAL.values(), strict=True):
            group.add(name, as_input(make(picture, rng), SIZE))
    for name, draw in (("noise", noise), ("limbs, drawn", limbs)):
        group = Group(name, ("other",))
        for i in range(len(cases)):
            group.add(f"{name} {i}", as_input(draw(SIZE, rng), SIZE))
        groups.append(group)
    return groups


def simulated_groups(pairs: Cohort, split: str, seed: int) -> list[Group]:
    """Frontal views, which should pass, lateral views and sections of simulated patients."""
    cases = [case for case in pairs.of_split(split) if case.has_ct]
    if not cases:
        raise UnsuitableInput(f"{pairs.folder} has no {split} case with a CT; choose another --split.")
    chosen = [cases[i] for i in np.unique(np.linspace(0, len(cases) - 1, _MOST_SIMULATED).round().astype(int))]
    views = views_of(pairs, chosen, np.random.default_rng(seed))
    groups = []
    for name, reasons, pictures in (
        ("frontal, simulated", (FRONTAL,), views.frontal),
        ("lateral, simulated", ("lateral",), views.lateral),
        ("CT sections, simulated", ("other",), views.sections),
    ):
        group = Group(name, reasons)
        for i, picture in enumerate(pictures):
            group.add(chosen[i % len(chosen)].name, as_input(picture, SIZE))
        groups.append(group)
    return groups


def ct_group(paths: Sequence[Path], pairs: Cohort, seed: int) -> Group:
    """Lateral views of real CTs from either side, as four devices give them."""
    group, rng = Group("lateral, of real CTs", ("lateral",)), np.random.default_rng(seed)
    for path in paths:
        image = read_ct(path)
        side_mm = max(count * step for count, step in zip(image.GetSize(), image.GetSpacing(), strict=True))
        volume = torch.from_numpy(network_from_ct(image, VOXELS, side_mm))[None]
        for i in range(4):
            turned = lateral_view(volume, from_right=i % 2 == 0)
            picture = acquired(turned, geometry_of(pairs, SIZE), rng)[0].numpy()
            group.add(f"{path.name} {i}", as_input(picture, SIZE))
    return group


def dicom_groups(folder: Path) -> tuple[list[Group], int]:
    """Every decodable picture of a folder of DICOM files, once: chest radiographs, other radiographs, all else.

    What the reader accepts is taken as it hands it on, the rest as it is stored.

    Returns:
        Groups, and how many of the odd pictures the reader refuses by itself.
    """
    chests = Group("chest radiographs in DICOM", (FRONTAL,))
    radiographs = Group("other radiographs in DICOM", ("other", "cropped"))
    others = Group("other modalities in DICOM", ("other",))
    refused, seen = 0, list[np.ndarray]()
    for path in sorted(path for path in folder.iterdir() if path.is_file()):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pydicom reports each irregular value of its test files
            try:
                header = pydicom.dcmread(path, force=True)
                picture, accepted = as_input(_stored_picture(header), SIZE), False
            except Exception:  # no picture, or no decoder for it: not what is evaluated here
                continue
            with suppress(UnsuitableInput):
                picture, accepted = network_input(read_radiograph(path), SIZE), True
        if any(np.corrcoef(picture.ravel(), other.ravel())[0, 1] > _SAME for other in seen):
            continue
        seen.append(picture)
        is_radiograph = header.get("Modality") in ("CR", "DX")
        is_chest = is_radiograph and "CHEST" in str(header.get("BodyPartExamined", "")).upper()
        (chests if is_chest else radiographs if is_radiograph else others).add(path.name, picture)
        refused += not accepted and not is_chest
    return [group for group in (chests, radiographs, others) if group.files], refused


def _stored_picture(header: pydicom.Dataset) -> np.ndarray:
    """The first frame (H, W), bright where it is displayed bright."""
    values = header.pixel_array
    if int(header.get("NumberOfFrames", 1) or 1) > 1:
        values = values[0]
    grey = luminance(values[..., :3]) if values.ndim == 3 else values.astype(np.float32)
    return -grey if header.get("PhotometricInterpretation") == "MONOCHROME1" else grey


def score_groups(groups: Sequence[Group], network: InputNetwork) -> list[Scores]:
    """What the check says of every picture."""
    checks = [(group, check_inputs(group.pictures, network)) for group in groups]
    return [Scores(g, np.array([c.score for c in found]), [c.kind for c in found]) for g, found in checks]


def summary_rows(results: Sequence[Scores]) -> list[dict[str, str | int]]:
    """A row a group: how many pictures, area under the curve against the first group, warned of, and rightly named."""
    usual, rows = results[0].odd, []
    for scores in results:
        group = scores.group
        area = "" if group.should_pass else f"{area_against(scores.odd, usual):.4f}"
        warned = np.mean([kind != FRONTAL for kind in scores.taken_for])
        named = np.mean([kind in group.reasons for kind in scores.taken_for])
        count = len(scores.odd)
        row: dict[str, str | int] = {
            "pictures of": group.name,
            "number": count,
            "area under the curve": area,
            "warned of": f"{warned:.1%}",
        }
        rows.append({**row, "reason right": "" if group.should_pass else f"{named:.1%}"})
    return rows


def area_against(odd: np.ndarray, usual: np.ndarray) -> float:
    """Chance that an odd picture scores above a usual one."""
    return area_under_curve(np.concatenate([odd, usual]), np.arange(len(odd) + len(usual)) < len(odd))


def figures_of(results: Sequence[Scores]) -> dict[str, float]:
    """The areas by kind, and the share of false warnings on the first group."""
    areas = {
        f"area_under_curve {scores.group.name}": area_against(scores.odd, results[0].odd)
        for scores in results
        if not scores.group.should_pass
    }
    return {"false_warnings": float(np.mean(results[0].odd > LIMIT)), **areas}


def picture_rows(results: Sequence[Scores]) -> list[Mapping[str, str | float]]:
    """A row a picture."""
    return [
        {"pictures of": scores.group.name, "file": name, "score": float(odd), "taken for": kind}
        for scores in results
        for name, odd, kind in zip(scores.group.files, scores.odd, scores.taken_for, strict=True)
    ]


def worst_picture(results: Sequence[Scores]) -> np.ndarray:
    """The eight pictures of each kind on which the check errs most, worst first: (rows, columns, 3) uint8."""
    rows: LabelledRows = []
    for scores in results:
        sign: Callable[[np.ndarray], np.ndarray] = np.negative if scores.group.should_pass else np.positive
        order = np.argsort(sign(scores.odd), kind="stable")[:_WORST]
        shown = ", ".join(f"{scores.odd[i]:.3f} {scores.taken_for[i].replace('_', ' ')}" for i in order)
        tiles = [scores.group.pictures[i] for i in order]
        rows.append((f"{scores.group.name}: {shown}", tiles))
    return labelled_grid([str(i + 1) for i in range(_WORST)], rows)
