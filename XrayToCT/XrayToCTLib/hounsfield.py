"""The Hounsfield units that networks and readers see. Without torch, so that a viewer can use it, too."""

from collections.abc import Mapping
from types import MappingProxyType

#: A network's value is clip(HU + HU_OFFSET, 0, HU_RANGE) / HU_RANGE.
HU_OFFSET = 1024.0
HU_RANGE = 2500.0

#: Level and width in HU.
WINDOWS: Mapping[str, tuple[float, float]] = MappingProxyType(
    {"lung": (-600, 1500), "mediastinum": (40, 400), "bone": (400, 1800)}
)

#: Expected error with the full colour; the same for all patients, so that pictures and views can be compared.
UNCERTAINTY_LIMIT_HU = 500.0
