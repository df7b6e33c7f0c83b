"""Makes the sample X-ray that comes with the Slicer module, in minutes: ``sample_xray.py OUT.png`` (no tests here)."""

import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from XrayToCTLib.grayscale import normalise
from XrayToCTLib.projection import Geometry, network_from_hu, radiograph_from_ct
from XrayToCTTraining.simulation.patient import Label
from XrayToCTTraining.simulation.phantom import simulate_chest

SEED, VOXELS, PIXELS = 11, 192, 512
NOTICE = "Simulated chest X-ray of XrayToCT (procedural phantom): shows no patient. Not for diagnostic use."


def write_sample(path: Path, label: Label = "healthy", voxels: int = VOXELS) -> Path:
    """The sample's simulated patient, or the same one with the findings of a label, as a PNG."""
    volume = network_from_hu(torch.from_numpy(simulate_chest(SEED, size=voxels, label=label).hu))[None, None]
    picture = normalise(radiograph_from_ct(volume, Geometry(detector_pixels=(PIXELS, PIXELS)))[0, 0].numpy())
    marks = PngInfo()
    marks.add_text("Description", NOTICE)
    Image.fromarray(np.rint(picture * 255).astype(np.uint8)).save(path, pnginfo=marks, optimize=True)
    return path


if __name__ == "__main__":
    write_sample(Path(sys.argv[1]))
