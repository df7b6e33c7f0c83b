"""Line integrals of patients, and the shadows of their lesions: all that a radiograph needs of a CT, kept as pictures.

Projecting a CT takes a hundred times as long as developing its line integrals on some device, and a training of
classifiers needs no volume: each patient is projected once, and framed and developed anew as often as wanted.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from zipfile import BadZipFile
from zlib import crc32

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm import tqdm

from XrayToCTLib.atomic_write import write_bytes_atomically
from XrayToCTLib.errors import UnsuitableInput
from XrayToCTLib.grayscale import normalise
from XrayToCTLib.projection import BONE_HU, BONE_PER_MM, BONE_THRESHOLD_HU, Geometry, cone_beam_projection
from XrayToCTLib.xray_classifier import SHADOWS
from XrayToCTTraining.data.cohort import Case, Cohort
from XrayToCTTraining.data.samples import geometry_of
from XrayToCTTraining.simulation.acquisition import Style, develop, project
from XrayToCTTraining.simulation.lesions import plant
from XrayToCTTraining.simulation.patient import Label
from XrayToCTTraining.simulation.stored_lesions import has_lesions, read_lesions

_SHADOW_MM = 3.0  # path through a lesion that counts as its shadow
_COARSER = 2  # pixels of a radiograph along a pixel of a shadow
_BONE_PER_MM_HU = BONE_PER_MM / (BONE_HU - BONE_THRESHOLD_HU)
_PLANTED: tuple[Label, ...] = ("sick", "tb")


@dataclass(frozen=True)
class Lines:
    """What a device needs of a patient.

    Attributes:
        nominal: line integrals (rows, columns), float32, with cortical bone as at 60 keV.
        bone: what they grow by where bone attenuates twice as much.
        shadows: boolean (kinds, rows / 2, columns / 2), where the shadow of each of SHADOWS lies; None where nobody
            knows.
        findings: names joined by ``+``, as in a cohort.
    """

    nominal: np.ndarray
    bone: np.ndarray
    shadows: np.ndarray | None
    findings: str

    def developed(self, style: Style, rng: np.random.Generator) -> np.ndarray:
        """The radiograph (rows, columns) of a device, normalised as at inference."""
        line = torch.from_numpy(self.nominal + np.float32(style.bone - 1) * self.bone)
        return normalise(develop(line[None, None], style, rng)[0, 0].numpy())


def write_lines(cohort: Cohort, cases: Sequence[Case], size: int, planted: int, folder: Path) -> None:
    """Writes ``<name>.npz`` for each case with a CT, resumably.

    For healthy ones whose lungs are known also ``<name>-sick-<n>.npz`` and ``<name>-tb-<n>.npz``, n below ``planted``:
    the same chest with findings of that class, as the simulation plants them.

    Args:
        size: pixels along each side.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for case in tqdm(cases, unit="patient", mininterval=2):
        if case.has_ct:
            _write_case(cohort, case, size, planted, folder)


def read_lines(folder: Path, case: Case, planted: str = "") -> Lines:
    """A case, or what was ``planted`` into it, such as "tb-0". Raises UnsuitableInput: there is no such file."""
    path = _path(folder, case, planted)
    try:
        with np.load(path, allow_pickle=False) as stored:
            nominal, bone = (stored[part].astype(np.float32) for part in ("nominal", "bone"))
            shadows = None
            if stored["known"]:
                seen = stored["shadows"]
                shadows = np.zeros((len(SHADOWS), *seen.shape[1:]), bool)
                shadows[[SHADOWS.index(kind) for kind in stored["kinds"]]] = seen
            return Lines(nominal, bone, shadows, str(stored["findings"]))
    except (OSError, ValueError, KeyError, BadZipFile) as error:
        raise UnsuitableInput(f"{path} is missing or damaged; remove its folder and train again.") from error


def is_planted(folder: Path, case: Case) -> bool:
    """Whether findings were planted into a case."""
    return _path(folder, case, "tb-0").is_file()


def posed_lines(lines: Lines, rng: np.random.Generator) -> Lines:
    """The patient framed otherwise, and mirrored one time in two: the class depends on neither.

    The chest fills 78 to 108 % of what it fills here, up to 5 % off the centre sideways and 8 % up or down, turned by
    up to 3 degrees: less than :func:`data.poses.posed` does with volumes. The tissue at the edge goes on beyond it.
    """
    scale, angle = rng.uniform(0.78, 1.08), np.deg2rad(rng.uniform(-3, 3))
    side = -1.0 if rng.random() < 0.5 else 1.0
    cosine, sine = np.cos(angle) / scale, np.sin(angle) / scale
    right, down = rng.uniform(-0.1, 0.1), rng.uniform(-0.16, 0.16)  # of half a side
    theta = torch.tensor([[side * cosine, -side * sine, right], [sine, cosine, down]], dtype=torch.float32)[None]
    nominal, bone = _framed(np.stack([lines.nominal, lines.bone]), theta)
    shadows = None if lines.shadows is None else _framed(lines.shadows.astype(np.float32), theta) > 0.5
    return Lines(nominal, bone, shadows, lines.findings)


def _framed(pictures: np.ndarray, theta: Tensor) -> np.ndarray:
    """Pictures (n, rows, columns) under an affine map (1, 2, 3); what lies at their edge goes on beyond it."""
    grid = F.affine_grid(theta, [1, 1, *pictures.shape[1:]], align_corners=False)
    picture = torch.from_numpy(pictures)[None]
    return F.grid_sample(picture, grid, align_corners=False, padding_mode="border")[0].numpy()


def shadow_targets(lines: Lines, places: int) -> tuple[Tensor, float]:
    """How far the shadow of each kind covers each of ``places`` x ``places`` patches, and whether (1 or 0) it is known.

    (kinds, places, places) in [0, 1]; a patch that is half covered counts in full.
    """
    if lines.shadows is None:
        return torch.zeros(len(SHADOWS), places, places), 0.0
    share = F.adaptive_avg_pool2d(torch.from_numpy(lines.shadows).float(), places)
    return (2 * share).clamp(max=1), 1.0


def _path(folder: Path, case: Case, planted: str) -> Path:
    return folder / f"{case.name}{'-' if planted else ''}{planted}.npz"


def lines_of(cohort: Cohort, case: Case, size: int) -> Lines:
    """A case with a CT on ``size`` pixels along each side."""
    numbers, kinds = None, []
    if has_lesions(cohort.folder, case.name):
        numbers, lesions = read_lesions(cohort.folder, case.name)
        kinds = [lesion.kind for lesion in lesions]
    return _lines(cohort.hu(case).astype(np.float32), geometry_of(cohort, size), numbers, kinds, case.findings)


def _write_case(cohort: Cohort, case: Case, size: int, planted: int, folder: Path) -> None:
    if not _path(folder, case, "").is_file():
        _save(_path(folder, case, ""), lines_of(cohort, case, size))
    if case.label != "healthy":
        return
    missing = [
        (label, number)
        for label in _PLANTED
        for number in range(planted)
        if not _path(folder, case, f"{label}-{number}").is_file()
    ]
    lungs = cohort.structures(case).get("lungs") if missing else None
    if lungs is None:
        return
    hu, geometry = cohort.hu(case), geometry_of(cohort, size)
    for label, number in missing:
        rng = np.random.default_rng([crc32(f"{case.name} {label}".encode()), number])
        diseased, numbers, found = plant(hu, lungs, label, rng, case.side_mm / len(hu))
        kinds = [lesion.kind for lesion in found]
        lines = _lines(diseased, geometry, numbers, kinds, "+".join(sorted(set(kinds))))
        _save(_path(folder, case, f"{label}-{number}"), lines)


def _lines(hu: np.ndarray, geometry: Geometry, numbers: np.ndarray | None, kinds: list[str], findings: str) -> Lines:
    """Of HU (D, H, W), with the numbers (D, H, W) of the lesions whose kinds are given; None: not known."""
    volume = torch.from_numpy(hu)[None, None]
    nominal = project(volume, geometry)
    bone = cone_beam_projection((volume - BONE_THRESHOLD_HU).clamp_min(0), geometry) * _BONE_PER_MM_HU
    shadows = None
    if numbers is not None:
        rows, columns = geometry.detector_pixels
        coarse = replace(geometry, detector_pixels=(rows // _COARSER, columns // _COARSER))
        shadows = np.zeros((len(SHADOWS), *coarse.detector_pixels), bool)
        for number, kind in enumerate(kinds, 1):
            own = F.avg_pool3d(torch.from_numpy(numbers == number)[None, None].float(), _COARSER)
            shadows[SHADOWS.index(kind)] |= cone_beam_projection(own, coarse)[0, 0].numpy() > _SHADOW_MM
    return Lines(nominal[0, 0].numpy(), bone[0, 0].numpy(), shadows, findings)


def _save(path: Path, lines: Lines) -> None:
    """Of shadows only those that are there."""
    shadows = np.zeros((0, 1, 1), bool) if lines.shadows is None else lines.shadows
    seen = [index for index, shadow in enumerate(shadows) if shadow.any()]
    file = io.BytesIO()
    np.savez(
        file,
        nominal=lines.nominal.astype(np.float16),
        bone=lines.bone.astype(np.float16),
        known=np.array(lines.shadows is not None),
        kinds=np.array([SHADOWS[index] for index in seen], dtype=np.str_),
        shadows=shadows[seen],
        findings=np.array(lines.findings, dtype=np.str_),
    )
    write_bytes_atomically(path, file.getvalue())
