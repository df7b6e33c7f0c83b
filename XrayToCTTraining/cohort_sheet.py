"""A sheet of some patients of a cohort: radiograph and slices, with the class and the lesions named."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from XrayToCTLib.grayscale import normalise
from XrayToCTLib.pictures import gray_picture, slice_picture
from XrayToCTLib.projection import network_from_hu
from XrayToCTTraining.data.cohort import Case, Cohort
from XrayToCTTraining.simulation.stored_lesions import has_lesions, read_lesions

_WINDOW = (-350, 1500)  # level and width that show lungs and soft tissue in one picture
_TILE, _CAPTION, _GAP, _ABREAST = 200, 24, 6, 2


def varied_cases(cases: Sequence[Case], count: int) -> list[Case]:
    """At most ``count`` cases that have a CT, taking the classes in turn."""
    classes: dict[str, list[Case]] = {}
    for case in cases:
        if case.has_ct:
            classes.setdefault(case.label, []).append(case)
    turns = range(max(map(len, classes.values()), default=0))
    return [group[turn] for turn in turns for group in classes.values() if turn < len(group)][:count]


def contact_sheet(cohort: Cohort, cases: Sequence[Case]) -> np.ndarray:
    """Radiograph, coronal, sagittal and axial slice of each case, two cases abreast, (rows, columns, 3) uint8.

    The slices run through the largest lesion where one is known, else through the heart's level and the right lung.
    """
    cells = [_cell(cohort, case) for case in cases]
    width, height = cells[0].size
    rows = -(-len(cells) // _ABREAST)
    sheet = Image.new("RGB", (width * _ABREAST + _GAP, rows * (height + _GAP)), "white")
    for number, cell in enumerate(cells):
        row, column = divmod(number, _ABREAST)
        sheet.paste(cell, (column * (width + _GAP), row * (height + _GAP)))
    return np.asarray(sheet)


def describe(cohort: Cohort, case: Case) -> str:
    """Name, source and class of a case, and its lesions with their sizes where these are recorded."""
    if has_lesions(cohort.folder, case.name):
        _, lesions = read_lesions(cohort.folder, case.name)
        findings = ", ".join(f"{lesion.kind.replace('_', ' ')} {lesion.size_mm:.0f} mm" for lesion in lesions)
    else:
        findings = case.findings.replace("+", ", ").replace("_", " ")
    return f"{case.name}, {case.source}, {case.label or 'no class'}" + (f": {findings}" if findings else "")


def _cell(cohort: Cohort, case: Case) -> Image.Image:
    volume = network_from_hu(torch.from_numpy(cohort.hu(case).astype(np.float32))).numpy()
    d, h, w = _cut(volume.shape, cohort.structures(case).get("lesion"))
    tiles = [gray_picture(normalise(cohort.radiograph(case)))]
    tiles += [slice_picture(volume, p, i, _WINDOW) for p, i in (("coronal", d), ("sagittal", w), ("axial", h))]
    cell = Image.new("RGB", (_TILE * len(tiles), _TILE + _CAPTION), "white")
    for number, tile in enumerate(tiles):
        cell.paste(Image.fromarray(tile).resize((_TILE, _TILE), Image.Resampling.BICUBIC), (_TILE * number, _CAPTION))
    text = describe(cohort, case)
    font = ImageFont.load_default(14)
    while font.getlength(text) > cell.width - 8:
        text = text.removesuffix("...")[:-1] + "..."
    ImageDraw.Draw(cell).text((4, _CAPTION / 2), text, "black", font, anchor="lm")
    return cell


def _cut(shape: tuple[int, ...], lesion: np.ndarray | None) -> tuple[int, int, int]:
    """Where along (D, H, W) to cut."""
    if lesion is not None and lesion.any():
        pieces, _ = ndimage.label(lesion)
        largest = 1 + int(np.argmax(np.bincount(pieces.ravel())[1:]))
        d, h, w = (round(c) for c in ndimage.center_of_mass(pieces == largest))
        return d, h, w
    return int(0.45 * shape[0]), int(0.5 * shape[1]), int(0.33 * shape[2])
