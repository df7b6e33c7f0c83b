"""X2CT's own prepared files: ``<case>/ct_xray_data.h5`` with a CT ``ct`` and a radiograph ``xray1``."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

from XrayToCTLib.errors import UnsuitableInput
from XrayToCTLib.orientation import lps_to_network
from XrayToCTTraining.data.sources.found import Item, LeftOut

LARGEST_SIDE = 512


def find_x2ct(folder: Path) -> tuple[list[Item], list[LeftOut]]:
    """Every ``*.h5`` below a folder; the patient is the first part of the case's name (``LIDC-IDRI-0001.20000101``)."""
    items, left_out = [], []
    for path in sorted(folder.rglob("*")):
        if path.suffix in (".h5", ".hdf5"):
            name = path.parent.name if path.parent != folder else path.stem
            items.append(Item("x2ct", path, name.split(".")[0], "x2ct"))
        elif path.is_file():
            left_out.append(LeftOut(path, "not an HDF5 file"))
    return items, left_out


def read_x2ct(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """CT and radiograph of one file.

    X2CT stores ``ct`` as (z, y, x), z from inferior to superior, y from anterior to posterior, x from the patient's
    right to left, in HU + 1024 clipped to [0, 2500]; its loaders turn that into (y, z from superior, x), our order.
    ``xray1`` is (rows, columns) in [0, 255] and reads like a radiograph.

    Returns:
        HU (D, H, W) float32, cubic, and grey values in [0, 1], (rows, columns).

    Raises:
        UnsuitableInput: not such a file, cut off, or with data outside it.
    """
    try:
        with h5py.File(path, "r") as file:
            ct, xray = (_own_dataset(file, name) for name in ("ct", "xray1"))
            if ct.ndim != 3 or len(set(ct.shape)) != 1 or not 8 <= ct.shape[0] <= LARGEST_SIDE:
                raise ValueError(f"ct has the shape {ct.shape}, not a cube of at most {LARGEST_SIDE}")
            if xray.ndim != 2 or not 8 <= min(xray.shape) <= max(xray.shape) <= 4096:
                raise ValueError(f"xray1 has the shape {xray.shape}")
            volume, grey = np.asarray(ct[()], np.float32), np.asarray(xray[()], np.float32)
    except (OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise UnsuitableInput(f"{path} is not an X2CT file ({error}); prepare the CT itself instead.") from error
    if not (np.isfinite(volume).all() and np.isfinite(grey).all()):
        raise UnsuitableInput(f"{path} holds values that are not numbers; prepare the CT itself instead.")
    hu = np.clip(volume, 0, 2500) - 1024
    return np.ascontiguousarray(lps_to_network(hu)), np.clip(grey / 255, 0, 1)


def _own_dataset(file: h5py.File, name: str) -> h5py.Dataset:
    """A dataset that lies in the file itself. Raises ValueError for links and for data kept elsewhere."""
    if not isinstance(file.get(name, getlink=True), h5py.HardLink):
        raise ValueError(f"{name} is missing or a link")
    dataset = file[name]
    if not isinstance(dataset, h5py.Dataset) or dataset.is_virtual or dataset.external:
        raise ValueError(f"{name} is not kept in the file")
    return dataset
