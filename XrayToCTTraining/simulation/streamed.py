"""A cohort that is never stored: each patient is simulated from (seed, index) when it is asked for."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from XrayToCTLib.errors import UnsuitableInput
from XrayToCTTraining.data.cohort import Case, Cohort, stored_grey, stored_hu
from XrayToCTTraining.simulation.hospital import CohortRequest, patient_of, radiograph_of, structures_of

RECORD = "cohort.json"


@dataclass(frozen=True)
class StreamedCohort(Cohort):
    """The same patients, voxel by voxel, that the request would have written to a folder."""

    request: CohortRequest

    def hu(self, case: Case) -> np.ndarray:
        return stored_hu(patient_of(self.request, int(case.name)).hu)

    def radiograph(self, case: Case) -> np.ndarray:
        return stored_grey(radiograph_of(self.request, int(case.name)))

    def structures(self, case: Case) -> dict[str, np.ndarray]:
        return structures_of(patient_of(self.request, int(case.name)))


def streamed_request(folder: Path) -> CohortRequest | None:
    """What a streamed cohort is made of; None where ``folder`` holds a stored one.

    Raises:
        UnsuitableInput: the record is damaged.
    """
    path = folder / RECORD
    if not path.is_file():
        return None
    try:
        values = json.loads(path.read_text())
        if not values.get("streamed"):
            return None
        return CohortRequest(**{**values, "atlases": tuple(values["atlases"])})
    except (OSError, ValueError, TypeError, AttributeError, KeyError) as error:
        raise UnsuitableInput(f"{path} is damaged ({error}); simulate the cohort again in a new folder.") from error
