"""``prepare``: public data sets into the one format that trainings read."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from XrayToCTLib.errors import UnsuitableInput
from XrayToCTTraining.data.prepare import LEFT_OUT, PrepareRequest, prepare
from XrayToCTTraining.data.sources.ct_folders import find_ct_folder, find_lidc
from XrayToCTTraining.data.sources.found import Item, LeftOut
from XrayToCTTraining.data.sources.labelled_images import find_covid_pairs, find_labelled, find_tbx11k
from XrayToCTTraining.data.sources.x2ct_hdf5 import find_x2ct

EXAMPLES = """examples:
  %(prog)s lidc downloads/LIDC-IDRI runs/lidc --workers 4
  %(prog)s ct-folder downloads/my-cts runs/my-cts --size 64
  %(prog)s x2ct downloads/LIDC-HDF5-256 runs/x2ct
  %(prog)s tbx11k downloads/TBX11K runs/tbx11k
  %(prog)s covid-ct-cxr downloads/COVID-19-CT-CXR runs/covid
  %(prog)s labelled downloads/xrays runs/xrays --csv downloads/xrays/labels.csv

Everything that is not prepared stands in left_out.csv, with the reason.
"""
Found = tuple[list[Item], list[LeftOut]]
READERS: dict[str, tuple[str, Callable[[argparse.Namespace], Found]]] = {
    "lidc": ("LIDC-IDRI as TCIA delivers it: DICOM series by study", lambda o: find_lidc(o.folder)),
    "ct-folder": ("NRRD, NIfTI, MetaImage and DICOM CTs in any folder", lambda o: find_ct_folder(o.folder)),
    "x2ct": ("X2CT's HDF5 files", lambda o: find_x2ct(o.folder)),
    "tbx11k": ("TBX11K: imgs and lists", lambda o: find_tbx11k(o.folder, o.seed)),
    "covid-ct-cxr": ("COVID-19-CT-CXR: figures listed in a CSV file", lambda o: find_covid_pairs(o.folder)),
    "labelled": ("radiographs listed in a CSV file with their labels", lambda o: find_labelled(o.folder, o.csv)),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    kinds = "; ".join(f"{name}: {text}" for name, (text, _) in READERS.items())
    parser.add_argument("kind", choices=tuple(READERS), help=kinds)
    parser.add_argument("folder", type=Path, help="what was downloaded and unpacked")
    parser.add_argument("out", type=Path, help="folder of the prepared data (resumes where it stopped)")
    parser.add_argument("--size", type=int, default=128, help="voxels along each side of a CT")
    parser.add_argument("--validation", type=float, default=0.1, help="fraction of patients, where no list says")
    parser.add_argument("--test", type=float, default=0.1, help="fraction of patients, where no list says")
    parser.add_argument("--seed", type=int, default=0, help="of the splits")
    parser.add_argument("--csv", type=Path, help="list of images (labelled)")
    parser.add_argument("--workers", type=int, default=1)


def run(options: argparse.Namespace) -> None:
    if not options.folder.is_dir():
        raise UnsuitableInput(f"{options.folder} is not a folder; give the one with the data.")
    request = PrepareRequest(options.kind, options.size, options.validation, options.test, options.seed)
    items, left_out = READERS[options.kind][1](options)
    cases, left_out = prepare(options.folder, items, left_out, options.out, request, options.workers)
    for split, count in sorted(Counter(case.split for case in cases).items()):
        labels = Counter(case.label or "no label" for case in cases if case.split == split)
        print(f"{split}: {count} cases ({', '.join(f'{n} {label}' for label, n in sorted(labels.items()))})")
    print(f"left out: {len(left_out)} (see {options.out / LEFT_OUT})")
