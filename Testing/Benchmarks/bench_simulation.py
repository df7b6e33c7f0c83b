"""Seconds to simulate one patient on one core, procedural and from an atlas.

    python Testing/Benchmarks/bench_simulation.py [--size 128] [--patients 6] [--ct chest.nii.gz]

The atlas is a CT of your own, or without --ct a procedural patient that was written to a file and read back. There is
no peer: the figure to beat is 2 s a patient of 128 voxels.
"""

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = "1"

import numpy as np
import SimpleITK as sitk
import torch

from XrayToCTLib.orientation import network_to_lps
from XrayToCTTraining.simulation.atlas import Atlas, load_atlas
from XrayToCTTraining.simulation.cohort import SOURCES, make_patient
from XrayToCTTraining.simulation.patient import LABELS
from XrayToCTTraining.simulation.phantom import simulate_chest

SIDE_MM = 320.0


def stand_in(size: int) -> Atlas:
    """A procedural patient as a CT."""
    image = sitk.GetImageFromArray(np.ascontiguousarray(network_to_lps(simulate_chest(0, size, SIDE_MM).hu)))
    image.SetSpacing([SIDE_MM / size] * 3)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "chest.nii.gz"
        sitk.WriteImage(image, str(path))
        return load_atlas(path, size, SIDE_MM)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--patients", type=int, default=6)
    parser.add_argument("--ct", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    atlas = load_atlas(options.ct, options.size, SIDE_MM) if options.ct else stand_in(options.size)
    for source in SOURCES:
        seconds = []
        for seed in range(options.patients):
            started = time.perf_counter()
            make_patient(seed, options.size, SIDE_MM, source, LABELS[seed % len(LABELS)], atlas)
            seconds.append(time.perf_counter() - started)
        print(
            f"patient of {options.size} voxels, {source:10s}: median {statistics.median(seconds):.2f} s, "
            f"longest {max(seconds):.2f} s, one thread"
        )


if __name__ == "__main__":
    main()
