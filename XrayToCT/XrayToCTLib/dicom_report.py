"""Class scores and findings as a DICOM Structured Report: an Enhanced SR after TID 1500, Measurement Report (PS3.16).

Written with pydicom alone: a template of some forty items needs no library of its own. No class is written as a
coded Finding: a program that gathers findings must not take a score of 0.1 for a patient with tuberculosis. The scores
are measurements of one group, each under a concept of our own coding scheme that says what it is.
"""

from __future__ import annotations

import math
import re
import uuid
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydicom.dataset import Dataset
from pydicom.uid import UID, EnhancedSRStorage, generate_uid

from XrayToCTLib.atomic_write import replacing
from XrayToCTLib.dicom_marks import (
    DicomStudy,
    Instance,
    SeriesKind,
    code,
    image_reference,
    instances,
    marked_dataset,
    new_instance,
    text,
)
from XrayToCTLib.marking import RESULTS_NOTICE, SYNTHETIC_NOTICE, TB_NOTICE, class_words

#: Our own coding scheme; DICOM reserves names that begin with 99 for private ones.
SCHEME = "99XRAYTOCT"
NOT_CALIBRATED = "Scores of a network on a synthetic CT; not calibrated, neither a patient's risk nor a diagnosis."
CALIBRATED = (
    "Scores of a network on a synthetic CT; calibrated on simulated patients only, neither a patient's risk nor a "
    "diagnosis."
)
_KIND = SeriesKind(RESULTS_NOTICE, "SR", 9005, ())
_OUTCOMES = {
    True: ("passed", "Passed"),
    False: ("failed", "Failed"),
    None: ("not-assessed", "Not assessed"),
}
_MODALITIES = {
    "DX": "Digital Radiography",
    "CR": "Computed Radiography",
    "CT": "Computed Tomography",
    "RG": "Radiographic imaging",
}
# The date of writing is mandatory in a report. Where dates were removed this stands for none (PS3.15 E, action D).
_NO_DATE, _NO_TIME = "19000101", "000000"


def write_structured_report(
    path: str | Path,
    study: DicomStudy,
    *,
    classes: Mapping[str, float],
    are_calibrated: bool = False,
    checks: Sequence[Mapping[str, Any]] = (),
    warnings: Sequence[str] = (),
    ct_files: Sequence[Path] = (),
) -> Path:
    """Write the results on a synthetic CT as a Structured Report, whole or not at all.

    Args:
        path: the file.
        study: that of the CT; the report refers to its X-ray.
        classes: score in [0, 1] of healthy, sick and tb; empty where the CT was not classified.
        are_calibrated: whether the classes are.
        checks: of each finding its name, passed (None: not assessed) and message.
        warnings: a sentence each.
        ct_files: the CT's slices, see `dicom_series.write_dicom_series`.

    Returns:
        The path.
    """
    made = marked_dataset(study, EnhancedSRStorage, _KIND)
    new_instance(made, 1)
    made.CodingSchemeIdentificationSequence = [_scheme()]
    made.ReferencedPerformedProcedureStepSequence = []
    made.PerformedProcedureCodeSequence = []
    if study.created is None:
        made.ContentDate, made.ContentTime = _NO_DATE, _NO_TIME
    made.CompletionFlag = "COMPLETE"
    made.VerificationFlag = "UNVERIFIED"
    made.PreliminaryFlag = "PRELIMINARY"
    ct = instances(ct_files)
    xray = [study.xray] if study.xray is not None and study.xray.series else []
    if evidence := _evidence([*xray, *ct]):
        made.CurrentRequestedProcedureEvidenceSequence = evidence
    measured = _measurements(classes, CALIBRATED if are_calibrated else NOT_CALIBRATED, checks)
    _fill_root(made, [*_context(study), *_library(study, xray, ct), measured, *_notes(warnings)])
    path = Path(path)
    with replacing(path, ".dcm") as temporary:
        made.save_as(temporary, enforce_file_format=True)
    return path


def _fill_root(made: Dataset, items: list[Dataset]) -> None:
    made.ValueType = "CONTAINER"
    made.ContinuityOfContent = "SEPARATE"
    made.ConceptNameCodeSequence = [code("126000", "Imaging Measurement Report")]
    template = Dataset()
    template.MappingResource, template.TemplateIdentifier = "DCMR", "1500"
    made.ContentTemplateSequence = [template]
    made.ContentSequence = items


def _context(study: DicomStudy) -> list[Dataset]:
    """Language (TID 1204), the observer, which is a device (TID 1002, 1004), and the procedure."""
    provenance = study.provenance
    observer = UID(f"2.25.{uuid.uuid5(uuid.NAMESPACE_OID, provenance.model_sha256).int}")
    language = _code_item(
        "HAS CONCEPT MOD",
        code("121049", "Language of Content Item and Descendants"),
        code("en-US", "English (United States)", "RFC5646"),
    )
    return [
        language,
        _code_item("HAS OBS CONTEXT", code("121005", "Observer Type"), code("121007", "Device")),
        _uid_item("HAS OBS CONTEXT", code("121012", "Device Observer UID"), observer),
        *(
            _text_item("HAS OBS CONTEXT", code(number, meaning), value)
            for number, meaning, value in (
                ("121013", "Device Observer Name", f"XrayToCT, model {provenance.model_name}"),
                ("121014", "Device Observer Manufacturer", "XrayToCT"),
                ("121015", "Device Observer Model Name", provenance.model_name),
                ("121016", "Device Observer Serial Number", provenance.model_sha256),
            )
        ),
        _code_item(
            "HAS CONCEPT MOD",
            code("121058", "Procedure reported"),
            code("43468-8", "XR unspecified body region", "LN"),
        ),
    ]


def _library(study: DicomStudy, xray: Sequence[Instance], ct: Sequence[Instance]) -> list[Dataset]:
    """The X-ray and the slices of the CT (TID 1600), each group with what it is."""
    modality = str(study.header.get("Modality", "")) if xray else ""
    modality = modality if modality in ("DX", "CR") else "RG"
    groups = []
    for images, kind, remark in (
        (xray, modality, "The X-ray that the CT was made from."),
        (ct, "CT", f"{SYNTHETIC_NOTICE}. {study.provenance.derivation}"),
    ):
        if images:
            described = [
                _code_item("HAS ACQ CONTEXT", code("121139", "Modality"), code(kind, _MODALITIES[kind])),
                _text_item("HAS ACQ CONTEXT", code("121106", "Comment"), remark),
            ]
            entries = [_image_item(image) for image in images]
            groups.append(_container(code("126200", "Image Library Group"), [*described, *entries]))
    return [_container(code("111028", "Image Library"), groups)] if groups else []


def _measurements(classes: Mapping[str, float], meaning: str, checks: Sequence[Mapping[str, Any]]) -> Dataset:
    """One group (TID 1501) of class scores, and one of findings."""
    groups = []
    scores = [
        _number_item(_own(f"class-{name}", f"Network score of class {class_words(name)}"), value)
        for name, value in classes.items()
        if math.isfinite(value)
    ]
    remarks = [_text_item("CONTAINS", code("121106", "Comment"), remark) for remark in (TB_NOTICE, meaning)]
    groups.append(_group("Class scores of the synthetic CT", [*scores, *remarks]))
    if checks:
        findings = [item for check in checks for item in _finding(check)]
        groups.append(_group("Plausibility of the synthetic CT", findings))
    return _container(code("126010", "Imaging Measurements"), groups)


def _finding(check: Mapping[str, Any]) -> list[Dataset]:
    """Result (a qualitative evaluation) and message of one check, under one concept."""
    name = str(check.get("name", ""))
    concept = _own(re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "finding", name or "Finding")
    passed = check.get("passed")
    outcome = _OUTCOMES[None if passed is None else bool(passed)]
    # Values have units of their own, which only the message tells.
    items = [_code_item("CONTAINS", concept, _own(*outcome))]
    if check.get("message"):
        items.append(_text_item("CONTAINS", concept, str(check["message"])))
    return items


def _notes(warnings: Iterable[str]) -> list[Dataset]:
    return [
        _text_item("CONTAINS", code("121106", "Comment"), sentence)
        for sentence in (f"{RESULTS_NOTICE}.", TB_NOTICE, *(item for item in warnings if item != TB_NOTICE))
    ]


def _evidence(images: Iterable[Instance]) -> list[Dataset]:
    """Every object that the report refers to, by study and series (PS3.3 C.17.2.1)."""
    studies: dict[UID, dict[UID, list[Instance]]] = {}
    for image in images:
        studies.setdefault(image.study, {}).setdefault(image.series, []).append(image)
    result = []
    for study, by_series in studies.items():
        item = Dataset()
        item.StudyInstanceUID = study
        item.ReferencedSeriesSequence = []
        for series, members in by_series.items():
            entry = Dataset()
            entry.SeriesInstanceUID = series
            entry.ReferencedSOPSequence = [image_reference(member) for member in members]
            item.ReferencedSeriesSequence.append(entry)
        result.append(item)
    return result


def _scheme() -> Dataset:
    scheme = Dataset()
    scheme.CodingSchemeDesignator = SCHEME
    scheme.CodingSchemeName = "XrayToCT results on synthetic CT"
    scheme.CodingSchemeResponsibleOrganization = "XrayToCT"
    return scheme


def _own(value: str, meaning: str) -> Dataset:
    """A concept of our own scheme; Code Value holds 16 characters, Long Code Value more (PS3.3 8.1)."""
    concept = code(value[:16], text(meaning, 64), SCHEME)
    if len(value) > 16:
        del concept.CodeValue
        concept.LongCodeValue = value
    return concept


def _group(name: str, items: Sequence[Dataset]) -> Dataset:
    tracking = [
        _text_item("HAS OBS CONTEXT", code("112039", "Tracking Identifier"), name),
        _uid_item("HAS OBS CONTEXT", code("112040", "Tracking Unique Identifier"), generate_uid(prefix=None)),
    ]
    return _container(code("125007", "Measurement Group"), [*tracking, *items])


def _item(relation: str, kind: str, name: Dataset | None) -> Dataset:
    item = Dataset()
    item.RelationshipType, item.ValueType = relation, kind
    if name is not None:
        item.ConceptNameCodeSequence = [name]
    return item


def _container(name: Dataset, items: Sequence[Dataset]) -> Dataset:
    item = _item("CONTAINS", "CONTAINER", name)
    item.ContinuityOfContent = "SEPARATE"
    item.ContentSequence = list(items)
    return item


def _code_item(relation: str, name: Dataset, value: Dataset) -> Dataset:
    item = _item(relation, "CODE", name)
    item.ConceptCodeSequence = [value]
    return item


def _text_item(relation: str, name: Dataset, value: str) -> Dataset:
    item = _item(relation, "TEXT", name)
    item.TextValue = text(value, 1024)
    return item


def _uid_item(relation: str, name: Dataset, value: UID) -> Dataset:
    item = _item(relation, "UIDREF", name)
    item.UID = value
    return item


def _number_item(name: Dataset, value: float) -> Dataset:
    measured = Dataset()
    measured.NumericValue = f"{value:.4g}"
    measured.MeasurementUnitsCodeSequence = [code("1", "no units", "UCUM")]
    item = _item("CONTAINS", "NUM", name)
    item.MeasuredValueSequence = [measured]
    return item


def _image_item(image: Instance) -> Dataset:
    item = _item("CONTAINS", "IMAGE", None)
    item.ReferencedSOPSequence = [image_reference(image)]
    return item
