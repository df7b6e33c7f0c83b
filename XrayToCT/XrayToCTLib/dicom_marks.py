"""What all DICOM objects of ours share: patient and study of the X-ray, and the marks that say what made them.

Source of the marks: DICOM PS3.3 C.12.1 (SOP Common), C.7.5.2 (Contributing Equipment), C.7.6.1 (General Image).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, generate_uid

from XrayToCTLib import __version__
from XrayToCTLib.marking import Provenance

# Kept from the X-ray: patient and study, so that the CT is filed beside it. Longest value that each VR allows.
_KEPT_TEXT = {
    "PatientID": 64,
    "ReferringPhysicianName": 64,
    "PatientName": 64,
    "StudyID": 16,
    "AccessionNumber": 16,
    "StudyDescription": 64,
    "DeidentificationMethod": 64,
}
_KEPT_PATTERN = {
    "PatientBirthDate": r"\d{8}",
    "PatientSex": r"[MFO]",
    "StudyDate": r"\d{8}",
    "StudyTime": r"\d{2}(\d{2}(\d{2}(\.\d{1,6})?)?)?",
    "PatientAge": r"\d{3}[DWMY]",
    "PatientIdentityRemoved": r"YES|NO",
    "LongitudinalTemporalInformationModified": r"UNMODIFIED|MODIFIED|REMOVED",
}
_OPTIONAL = (
    "StudyDescription",
    "PatientAge",
    "PatientIdentityRemoved",
    "DeidentificationMethod",
    "LongitudinalTemporalInformationModified",
)
_LONGEST = 1024


@dataclass(frozen=True)
class Instance:
    """A DICOM object by the identifiers that refer to it."""

    study: UID
    series: UID
    sop_class: UID
    sop_instance: UID


@dataclass(frozen=True)
class DicomStudy:
    """What the objects made from one X-ray have in common.

    Attributes:
        header: the X-ray's, for patient and study; empty where it was not DICOM.
        provenance: what made them.
        study_uid: the X-ray's, else a new one.
        frame_of_reference_uid: new; everything in it lies in the space of the synthetic CT.
        created: None where the header says that dates were removed: the day of the X-ray is often that of the CT.
    """

    header: Dataset
    provenance: Provenance
    study_uid: UID
    frame_of_reference_uid: UID
    created: datetime | None

    @property
    def xray(self) -> Instance | None:
        """The X-ray, None where its header does not identify it; without a valid series only its image is known."""
        sop_class, sop_instance = kept_uid(self.header, "SOPClassUID"), kept_uid(self.header, "SOPInstanceUID")
        if not sop_class or not sop_instance:
            return None
        return Instance(self.study_uid, kept_uid(self.header, "SeriesInstanceUID") or UID(""), sop_class, sop_instance)


@dataclass(frozen=True)
class SeriesKind:
    """What a series is called: its notice (64 characters), Modality, number, and the value of ImageType."""

    notice: str
    modality: str
    number: int
    image_type: tuple[str, ...]


def dicom_study(header: pydicom.Dataset | None, provenance: Provenance) -> DicomStudy:
    """The study of an X-ray, with a new frame of reference; ``header`` is None where the X-ray was not DICOM."""
    header = header if header is not None else Dataset()
    return DicomStudy(
        header=header,
        provenance=provenance,
        study_uid=kept_uid(header, "StudyInstanceUID") or generate_uid(prefix=None),
        frame_of_reference_uid=generate_uid(prefix=None),
        created=None if dates_are_removed(header) else datetime.now(),
    )


def dates_are_removed(header: pydicom.Dataset | None) -> bool:
    """Whether a header says that its dates were removed, see `anonymise`."""
    return header is not None and _kept_value(header, "LongitudinalTemporalInformationModified") == "REMOVED"


def marked_dataset(study: DicomStudy, sop_class: UID, kind: SeriesKind) -> Dataset:
    """A data set of a new series with patient, study, equipment and marks, without content."""
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.file_meta.MediaStorageSOPClassUID = sop_class
    made.file_meta.ImplementationVersionName = "XRAYTOCT"
    made.SpecificCharacterSet = "ISO_IR 192"
    made.SOPClassUID = sop_class
    _keep_patient_and_study(made, study)
    if study.created is not None:
        date, time = study.created.strftime("%Y%m%d"), study.created.strftime("%H%M%S")
        made.SeriesDate = made.ContentDate = made.InstanceCreationDate = date
        made.SeriesTime = made.ContentTime = made.InstanceCreationTime = time
    made.SeriesInstanceUID = generate_uid(prefix=None)
    made.SeriesNumber = kind.number
    made.SeriesDescription = kind.notice
    made.Modality = kind.modality
    made.Manufacturer = "XrayToCT"
    made.ManufacturerModelName = text(study.provenance.model_name, 64)
    made.SoftwareVersions = text(f"{__version__}, model {study.provenance.model_version}", 64)
    made.DeviceSerialNumber = text(study.provenance.model_sha256, 64)
    made.SyntheticData = "YES"
    made.ContentQualification = "RESEARCH"
    made.ContributingEquipmentSequence = [_equipment(made, study)]
    if kind.image_type:
        _mark_image(made, study, kind)
    return made


def new_instance(made: Dataset, number: int) -> None:
    """Gives a data set the identity of the next object of its series."""
    made.SOPInstanceUID = made.file_meta.MediaStorageSOPInstanceUID = generate_uid(prefix=None)
    made.InstanceNumber = number


def instances(files: Iterable[Path]) -> list[Instance]:
    """The identifiers of DICOM files, in their order."""
    keywords = ["StudyInstanceUID", "SeriesInstanceUID", "SOPClassUID", "SOPInstanceUID"]
    headers = (pydicom.dcmread(file, specific_tags=keywords, stop_before_pixels=True) for file in files)
    return [Instance(*(header[keyword].value for keyword in keywords)) for header in headers]


def image_reference(image: Instance, purpose: Dataset | None = None) -> Dataset:
    """An item that refers to an image, with the purpose's code."""
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = image.sop_class, image.sop_instance
    if purpose is not None:
        item.PurposeOfReferenceCodeSequence = [purpose]
    return item


def code(value: str, meaning: str, scheme: str = "DCM") -> Dataset:
    """A coded concept (PS3.3 8.8)."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def decimal(value: float) -> str:
    """DICOM's decimal string: at most 16 characters; 1e-6 mm is far below any voxel."""
    return f"{round(float(value), 6) + 0.0:.6f}".rstrip("0").rstrip(".")


def text(value: str, length: int) -> str:
    """One line without control characters and backslashes (DICOM's separator of values), cut to ``length``."""
    line = " ".join("".join(c if c.isprintable() and c != "\\" else " " for c in value).split())[:length]
    # DICOM pads to an even number of bytes, and readers count the padding as a character.
    padded = len(line) + len(line.encode()) % 2
    return line[: len(line) - max(padded - length, 0)].rstrip()


def kept_uid(header: Dataset, keyword: str) -> UID | None:
    """A valid identifier of a header, else None."""
    uid = UID(_kept_value(header, keyword), validation_mode=pydicom.config.IGNORE)
    return uid if uid.is_valid else None


def _keep_patient_and_study(made: Dataset, study: DicomStudy) -> None:
    """A stranger's header: values that break the standard are shortened or left empty, never copied."""
    for keyword, length in _KEPT_TEXT.items():
        value = text(_kept_value(study.header, keyword), length)
        if value or keyword not in _OPTIONAL:
            setattr(made, keyword, value)
    for keyword, pattern in _KEPT_PATTERN.items():
        value = _kept_value(study.header, keyword)
        fits = re.fullmatch(pattern, value) is not None
        if fits or keyword not in _OPTIONAL:
            setattr(made, keyword, value if fits else "")
    made.StudyInstanceUID = study.study_uid


def _kept_value(header: Dataset, keyword: str) -> str:
    try:
        return str(header.get(keyword) or "").strip()
    except Exception:  # pydicom decodes late, and its errors for broken bytes have no common base
        return ""


def _made_by(provenance: Provenance) -> str:
    return f"Model {provenance.model_name} {provenance.model_version}, SHA-256 {provenance.model_sha256}"


def _equipment(made: Dataset, study: DicomStudy) -> Dataset:
    equipment = Dataset()
    equipment.PurposeOfReferenceCodeSequence = [code("109100", "Synthesizing Equipment")]
    for keyword in ("Manufacturer", "ManufacturerModelName", "SoftwareVersions", "DeviceSerialNumber"):
        setattr(equipment, keyword, made[keyword].value)
    if study.created is not None:
        equipment.ContributionDateTime = study.created.strftime("%Y%m%d%H%M%S")
    equipment.ContributionDescription = text(_made_by(study.provenance), _LONGEST)
    return equipment


def _mark_image(made: Dataset, study: DicomStudy, kind: SeriesKind) -> None:
    made.ImageType = list(kind.image_type)
    made.BurnedInAnnotation = "NO"  # says whether pixels identify the patient, and no pixel of ours does
    made.BodyPartExamined = "CHEST"
    description = f"{kind.notice}. {_made_by(study.provenance)}. {study.provenance.derivation}"
    made.DerivationDescription = text(description, _LONGEST)
    if study.xray is not None:
        purpose = code("121322", "Source image for image processing operation")
        made.SourceImageSequence = [image_reference(study.xray, purpose)]
