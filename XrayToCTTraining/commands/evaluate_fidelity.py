"""``evaluate fidelity``: what survives of lesions that are planted one at a time, by kind and size."""

from __future__ import annotations

import argparse
from pathlib import Path

from tqdm import tqdm

from XrayToCTLib.atomic_write import write_bytes_atomically
from XrayToCTLib.errors import UnsuitableInput
from XrayToCTLib.pictures import write_png
from XrayToCTTraining.commands import positive
from XrayToCTTraining.data.cohort import SPLITS, open_cohort
from XrayToCTTraining.evaluation_files import write_metrics
from XrayToCTTraining.lesion_effect import effect_table, evaluate_chest, mean_figures
from XrayToCTTraining.lesion_pictures import effects_picture, typical
from XrayToCTTraining.planted_lesions import ALL_KINDS, Chest, chest_of_ct, chests_of_cohort
from XrayToCTTraining.strategies import model_predictor, predictor
from XrayToCTTraining.tables import markdown_table, write_csv

NOTE = """
Drawn lesions, no patient's, one at a time in {chests}.
Each chest is rendered and generated with the lesion and without it. Means over lesions. On the X-ray: how much brighter
the lesion makes its place, of the grey scale.
Contrast: lesion against the lung around it, generated over true, at the same voxels. Effect: the same of the difference
that the lesion makes (with it minus without it). Found: share of lesions with at least half of the effect at their own
place. Shadow: contrast of the lesion in the generated volume's projection over that in the true one; visible: share
with at least half of it. Off in depth: distance from front to back between the lesion and where its effect came out, by
the depth that halves each. In place: share of the effect along the rays through the lesion that lies between its front
and its back. Lesions of less than 50 HU either way, or without lung around them, are left out.
"""


def add_arguments(own: argparse.ArgumentParser) -> None:
    which = own.add_mutually_exclusive_group(required=True)
    which.add_argument("--run", type=Path, help="run of `fit reconstruction`")
    which.add_argument("--model", help="name or file of a generator's weights, as in `xray-to-ct generate`")
    own.add_argument("--ct", type=Path, action="append", default=[], help="a real CT to plant into; repeatable")
    own.add_argument("--cohort", type=Path, help="simulated patients, the healthy of whom to plant into")
    own.add_argument("--split", choices=SPLITS, default="test")
    own.add_argument("--limit", type=positive, default=4, help="only the first so many healthy patients of the split")
    own.add_argument("--count", type=positive, default=3, help="lesions of each kind in each chest")
    own.add_argument("--seed", type=int, default=0, help="of what is drawn")
    own.add_argument("--out", type=Path, required=True, help="folder of the tables and the picture")


def run(options: argparse.Namespace) -> None:
    """Writes ``lesions.csv``, ``lesions.png``, ``metrics.json`` and ``summary.md``."""
    predict, geometry, size = predictor(options.run) if options.run else model_predictor(options.model)
    chests = [chest_of_ct(path, size, geometry.volume_mm[0]) for path in options.ct]
    if options.cohort is not None:
        chests += chests_of_cohort(open_cohort(options.cohort), options.split, options.limit, size)
    if not chests:
        raise UnsuitableInput("There is no chest to plant lesions into; give --ct FILE, --cohort FOLDER or both.")
    with tqdm(total=len(chests) * len(ALL_KINDS) * options.count, unit="lesion", mininterval=2) as progress:
        effects = [
            effect
            for chest in chests
            for effect in evaluate_chest(predict, chest, geometry, options.count, options.seed, progress.update)
        ]
    if not effects:
        raise UnsuitableInput("No lesion had contrast and lung around it; give a larger --count or other chests.")
    write_csv(options.out / "lesions.csv", [effect.row() for effect in effects])
    picture = effects_picture(predict, chests, typical(effects), geometry, options.seed)
    write_png(options.out / "lesions.png", picture)
    write_metrics(options.out, mean_figures(effects))
    table = markdown_table(effect_table(effects))
    text = f"# Fidelity to {len(effects)} planted lesions\n\n{table}{NOTE.format(chests=_named(chests))}"
    write_bytes_atomically(options.out / "summary.md", text.encode())
    print(text)


def _named(chests: list[Chest]) -> str:
    real = [chest.name for chest in chests if chest.real]
    simulated = len(chests) - len(real)
    parts = [f"{_counted(len(real), 'real CT')} ({', '.join(real)})"] if real else []
    parts += [f"{_counted(simulated, 'simulated patient')} without disease"] if simulated else []
    return " and ".join(parts)


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
