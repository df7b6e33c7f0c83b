"""``simulate``: a cohort of patients whose truth is known."""

import argparse
from pathlib import Path

from XrayToCTTraining.commands import positive
from XrayToCTTraining.simulation.devices import DOMAINS
from XrayToCTTraining.simulation.hospital import CohortRequest
from XrayToCTTraining.simulation.write_cohort import write_cohort

EXAMPLES = """examples:
  %(prog)s runs/cohort --patients 400 --seed 1 --workers 2
  %(prog)s runs/xrays --patients 100 --seed 2 --domain real-a --atlas chest.nii.gz
  %(prog)s runs/stream --patients 100000 --seed 3 --stream
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("out", type=Path, help="folder of the cohort")
    parser.add_argument("--patients", type=int, default=640)
    parser.add_argument("--seed", type=int, default=0, help="cohorts of one seed share anatomies, in any domain")
    parser.add_argument("--size", type=int, default=128, help="voxels along each side")
    parser.add_argument("--side-mm", type=float, default=320.0, help="physical side of the volume")
    parser.add_argument("--domain", choices=DOMAINS, default="drr", help="device and spectrum of patients")
    parser.add_argument("--atlas", type=Path, action="append", default=[], help="a real chest CT to warp; repeatable")
    parser.add_argument(
        "--atlas-weight", type=positive, default=1, help="patients from atlases for each procedural one"
    )
    parser.add_argument(
        "--stream",
        action="store_true",
        help="store nothing but the list: patients are simulated as training asks for them",
    )
    parser.add_argument("--workers", type=int, default=1)


def run(options: argparse.Namespace) -> None:
    request = CohortRequest(
        options.patients,
        options.seed,
        options.size,
        options.side_mm,
        options.domain,
        tuple(str(path) for path in options.atlas),
        options.stream,
        options.atlas_weight,
    )
    write_cohort(options.out, request, options.workers)
