"""A prediction without whose X-ray it was: nothing of the header is kept, nor the file's name; geometry stays.

What is written by others with the header's help (DICOM, scenes, reports) then has nothing to leak.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from pydicom.dataset import Dataset

from XrayToCTLib.errors import UnsuitableInput
from XrayToCTLib.pipeline import Prediction

METHOD = "Nothing kept but geometry (XrayToCT --anonymise)"  # at most 64 characters
BURNED_IN = "Anonymised by header and name only: letters in the X-ray's pixels stay, so look at the pictures."


def anonymous_header(name: str, study_uid: str = "") -> Dataset:
    """What takes the place of an X-ray's header: a name, and that identity and dates were removed (PS3.15 E.3).

    ``study_uid`` is a new one, shared by films of one study; without it the writer makes one.
    """
    header = Dataset()
    header.PatientName = header.PatientID = name
    header.PatientIdentityRemoved = "YES"
    header.DeidentificationMethod = METHOD
    header.LongitudinalTemporalInformationModified = "REMOVED"
    if study_uid:
        header.StudyInstanceUID = study_uid
    return header


def anonymise(prediction: Prediction, name: str, study_uid: str = "") -> Prediction:
    """The prediction under another name, its X-ray with :func:`anonymous_header`.

    Warnings lose what they quote from the header, and the file's name.

    Raises:
        UnsuitableInput: the header says that the pixels themselves name the patient.
    """
    radiograph, source = prediction.radiograph, prediction.source
    warnings = [_without_quotes(sentence, source) for sentence in prediction.warnings]
    if radiograph is not None:
        header = radiograph.header
        if header is not None and str(header.get("BurnedInAnnotation", "")).strip().upper() == "YES":
            raise UnsuitableInput(
                f"{source} has the patient's data burnt into its pixels by its header; blacken them and set "
                "BurnedInAnnotation to NO first."
            )
        radiograph = replace(
            radiograph, source=Path(name), header=anonymous_header(name, study_uid), warnings=tuple(warnings)
        )
        warnings.append(BURNED_IN)
    return replace(prediction, source=Path(name), radiograph=radiograph, warnings=tuple(warnings))


def _without_quotes(sentence: str, source: Path) -> str:
    """What warnings take from a header stands in quotes; an apostrophe inside a word opens none."""
    for name in (str(source), source.name):
        sentence = sentence.replace(name, "(removed)")
    return re.sub(r"""(?<!\w)(['"])(?:\\.|(?!\1)[^\\])*\1(?!\w)""", "(removed)", sentence)
