"""How everything that the machine made says so: the notice and the marks that go into files and scenes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

#: DICOM series description, node name and picture caption; at most 64 characters (DICOM LO).
SYNTHETIC_NOTICE = "SYNTHETIC CT - NOT FOR DIAGNOSTIC USE"
PROJECTION_NOTICE = "PROJECTION OF SYNTHETIC CT - NOT FOR DIAGNOSTIC USE"
DIFFERENCE_NOTICE = "DIFFERENCE OF SYNTHETIC CT AND X-RAY - NOT FOR DIAGNOSTIC USE"
#: Of an X-ray as a network saw it: taken, not made, but cropped, resampled and of another grey scale.
XRAY_NOTICE = "X-RAY AS PREPARED FOR A NETWORK - NOT FOR DIAGNOSTIC USE"
#: Of a projection of a CT from somewhere else: real or not, the picture was never taken.
COMPUTED_NOTICE = "COMPUTED PROJECTION, NOT AN X-RAY - NOT FOR DIAGNOSTIC USE"
UNCERTAINTY_NOTICE = "UNCERTAINTY OF SYNTHETIC CT - NOT FOR DIAGNOSTIC USE"
SALIENCY_NOTICE = "SALIENCY ON SYNTHETIC CT - NOT FOR DIAGNOSTIC USE"
#: Of where a classifier looked in a CT from somewhere else, real or not.
CLASSIFIED_NOTICE = "COMPUTED SALIENCY OF A CLASSIFIER - NOT FOR DIAGNOSTIC USE"
#: Of the blinded cases of a reader study, all alike: it must not tell which of them are synthetic.
STUDY_NOTICE = "READER STUDY: REAL OR SYNTHETIC CT - NOT FOR DIAGNOSTIC USE"
RESULTS_NOTICE = "RESULTS ON SYNTHETIC CT - NOT FOR DIAGNOSTIC USE"

#: The mark, with the value YES, that every file of ours bears where its kind has room for key and value.
MARK = "XrayToCT.Synthetic"

#: A field of NIfTI's header, as ITK calls it, and what it holds in every file of ours.
NIFTI_FIELD, NIFTI_MARK = "aux_file", "XrayToCT"

#: Stands wherever the three classes are shown.
TB_NOTICE = "The TB class was learned from simulated lesions only and was never validated on patients."

#: How the sentence begins that tells what a classifier is worth on real radiographs.
REAL_RADIOGRAPHS = "On real radiographs"

_CLASS_WORDS = {"sick": "sick, not TB", "tb": "TB"}

#: Marks of an X-ray that lies beside a synthetic CT.
XRAY_MARKS = {
    MARK: "NO",
    "XrayToCT.Notice": XRAY_NOTICE,
    "XrayToCT.ContentQualification": "RESEARCH",
}
#: Marks of a projection of a CT from somewhere else.
COMPUTED_MARKS = {MARK: "YES", "XrayToCT.Notice": COMPUTED_NOTICE}


@dataclass(frozen=True)
class Provenance:
    """Where a synthetic CT comes from: the model (name, version, SHA-256 of its weights) and a sentence on how."""

    model_name: str
    model_version: str
    model_sha256: str
    derivation: str

    def marks(self, notice: str = SYNTHETIC_NOTICE) -> dict[str, str]:
        """Key/value marks for the headers of NRRD, NIfTI, PNG and PDF files and for MRML node attributes."""
        return {
            MARK: "YES",
            "XrayToCT.Notice": notice,
            "XrayToCT.ContentQualification": "RESEARCH",
            "XrayToCT.Model": self.model_name,
            "XrayToCT.ModelVersion": self.model_version,
            "XrayToCT.ModelSHA256": self.model_sha256,
            "XrayToCT.Derivation": self.derivation,
        }


def class_words(name: str) -> str:
    """A class, or a finding, as it is written within a sentence."""
    return _CLASS_WORDS.get(name, name.replace("_", " "))


def is_marked(metadata: Mapping[str, object]) -> bool:
    """Whether the metadata of a picture or a volume say that a program made it."""
    return str(metadata.get(MARK, "")).strip().upper() == "YES"


def class_notices(warnings: Iterable[str]) -> list[str]:
    """What stands beside the classes: :data:`TB_NOTICE`, and what a result's warnings say of real radiographs."""
    return [TB_NOTICE, *(warning for warning in warnings if warning.startswith(REAL_RADIOGRAPHS))]
