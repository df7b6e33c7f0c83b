"""Writing a prediction: every file whole, or none of them."""

import json
import math
import os
import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from XrayToCTLib.dicom_marks import dates_are_removed, dicom_study
from XrayToCTLib.dicom_projection import write_dicom_projection
from XrayToCTLib.dicom_report import write_structured_report
from XrayToCTLib.dicom_series import check_replaceable, write_dicom_series
from XrayToCTLib.errors import UnsuitableInput
from XrayToCTLib.marking import DIFFERENCE_NOTICE, PROJECTION_NOTICE, SYNTHETIC_NOTICE, XRAY_MARKS, Provenance
from XrayToCTLib.other_classifiers import side_by_side_sentence
from XrayToCTLib.output_maps import draw_map, map_image, maps_of, write_dicom_map, write_map
from XrayToCTLib.pictures import gray_picture, png_bytes, side_by_side, slice_grid, slice_picture, write_png
from XrayToCTLib.pipeline import Prediction
from XrayToCTLib.prepared_input import header_facts
from XrayToCTLib.report import Report, write_report
from XrayToCTLib.report_pdf import write_pdf
from XrayToCTLib.volume import ct_from_network, radiograph_image, write_nifti, write_nrrd

PLANES = ("axial", "coronal", "sagittal")
RESULT_NAME = "result.json"
CT_NAMES = {"nrrd": "ct.nrrd", "nifti": "ct.nii.gz", "dicom": "dicom", "npy": "output.npy", "mrb": "scene.mrb"}


def write_outputs(prediction: Prediction, folder: Path, formats: Sequence[str]) -> tuple[dict[str, str], float]:
    """Writes ``prediction`` to ``folder`` in ``formats`` (see the command line), always with projection and report.

    Everything is written to a hidden folder first and then moved; what lies there from before under the same names
    is replaced. ``result.json`` holds what :func:`summary` gives.

    Returns:
        Path by output (``ct`` is the first volume format asked for), and the seconds it took.

    Raises:
        UnsuitableInput: the folder cannot be written, or its ``dicom`` subfolder holds files of someone else.
    """
    started = time.perf_counter()
    try:
        if "dicom" in formats:
            check_replaceable((folder / CT_NAMES["dicom"]).absolute())
        existed = folder.is_dir()
        folder.mkdir(parents=True, exist_ok=True)
        try:
            with tempfile.TemporaryDirectory(prefix=".xraytoct-", dir=folder) as staging:
                new = Path(staging) / "new"
                new.mkdir()
                names = _write_all(prediction, new, formats, started)
                outputs = _paths(folder, {**names, "result": RESULT_NAME}, formats)
                seconds = time.perf_counter() - started
                text = json.dumps(summary(prediction, outputs, seconds), indent=1, allow_nan=False)
                (new / RESULT_NAME).write_text(text, encoding="utf-8")
                for left in _recorded(folder) - {item.name for item in new.iterdir()}:
                    (folder / left).unlink(missing_ok=True)
                for item in new.iterdir():
                    _move(item, folder / item.name, Path(staging))
        except BaseException:
            if not existed:
                shutil.rmtree(folder, ignore_errors=True)
            raise
    except OSError as error:
        raise UnsuitableInput(
            f"{folder} cannot be written ({error.strerror}); choose another output folder."
        ) from error
    return outputs, seconds


def _paths(folder: Path, names: dict[str, str], formats: Sequence[str]) -> dict[str, str]:
    """Path by output, ``ct`` first where there is one."""
    outputs = {key: str(folder / name) for key, name in names.items()}
    first = next((form for form in formats if form in CT_NAMES), None)
    return outputs if first is None else {"ct": str(folder / CT_NAMES[first]), **outputs}


def _recorded(folder: Path) -> set[str]:
    """Names of the files of the result that a folder holds: what is not written again must go."""
    try:
        outputs = json.loads((folder / RESULT_NAME).read_bytes())["outputs"].values()
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return set()
    names = {Path(path).name for path in outputs if isinstance(path, str)}
    return {name for name in names if (folder / name).is_file()}


def _move(item: Path, target: Path, staging: Path) -> None:
    if target.is_dir():  # a folder cannot be replaced in one step
        target.rename(staging / f"old-{target.name}")
    os.replace(item, target)


def _write_all(prediction: Prediction, folder: Path, formats: Sequence[str], started: float) -> dict[str, str]:
    """Writes to ``folder`` and returns the file's name by output."""
    names: dict[str, str] = {}
    provenance = _provenance(prediction)
    marks = provenance.marks()
    ct = ct_from_network(prediction.volume, prediction.geometry.volume_mm)
    if "nrrd" in formats:
        write_nrrd(ct, folder / CT_NAMES["nrrd"], marks)
        names |= _write_planes(prediction, provenance, folder)
    if "nifti" in formats:
        write_nifti(ct, folder / CT_NAMES["nifti"], marks)
    if "dicom" in formats:
        names |= _write_dicom(prediction, ct, provenance, folder)
    for chosen in maps_of(prediction):
        names |= write_map(chosen, prediction, provenance, folder, formats)
    if "npy" in formats:
        np.save(folder / CT_NAMES["npy"], prediction.output)
    if "mrb" in formats:
        _write_scene(prediction, ct, marks, folder / CT_NAMES["mrb"])
    names |= {form: name for form, name in CT_NAMES.items() if form in formats}

    compared = side_by_side(prediction.network_input, prediction.comparison.matched, prediction.comparison.difference)
    slices = slice_grid(prediction.volume, prediction.geometry.volume_mm)
    projected = provenance.marks(PROJECTION_NOTICE)
    write_png(folder / "projection.png", gray_picture(prediction.projection), marks=projected)
    names["projection"] = "projection.png"
    if "png" in formats:
        write_png(folder / "xray.png", gray_picture(prediction.network_input), synthetic=False)
        write_png(folder / "comparison.png", compared, marks=projected)
        write_png(folder / "slices.png", slices, marks=marks)
        names |= {"xray": "xray.png", "comparison": "comparison.png", "slices": "slices.png"}
        for plane in PLANES:
            write_png(folder / f"{plane}.png", slice_picture(prediction.volume, plane), marks=marks)
            names[plane] = f"{plane}.png"
    pictures = [
        (
            "X-ray, projection of the generated CT, and their difference",
            "X-ray beside projection",
            png_bytes(compared, marks=projected),
        ),
        ("Generated CT, lung window", "axial, coronal and sagittal slices", png_bytes(slices, marks=marks)),
    ]
    for chosen in maps_of(prediction):
        drawn, figure = draw_map(chosen, prediction, provenance, folder, formats)
        names |= drawn
        pictures.append(figure)
    names["report"] = "report.html"
    names |= {"report_pdf": "report.pdf"} if "pdf" in formats else {}
    report = _report(prediction, pictures, names, time.perf_counter() - started)
    write_report(folder / "report.html", report)
    if "pdf" in formats:
        write_pdf(folder / "report.pdf", report, marks)
    return names


def _write_planes(prediction: Prediction, provenance: Provenance, folder: Path) -> dict[str, str]:
    """What a viewer needs beside the CT: X-ray, projection in its grey scale, and difference.

    The three pictures are planes in the CT's space, see :func:`_plane`.
    """
    comparison = prediction.comparison
    pictures = {
        "radiograph": (prediction.network_input, XRAY_MARKS),
        "projection": (comparison.matched, provenance.marks(PROJECTION_NOTICE)),
        "difference": (comparison.difference, provenance.marks(DIFFERENCE_NOTICE)),
    }
    names = {}
    for name, (picture, marks) in pictures.items():
        names[f"{name}_nrrd"] = f"{name}.nrrd"
        write_nrrd(_plane(prediction, picture), folder / f"{name}.nrrd", marks)
    return names


def _write_dicom(prediction: Prediction, ct: sitk.Image, provenance: Provenance, folder: Path) -> dict[str, str]:
    """The CT series, the maps beside it, the projection and the structured report, all of one study."""
    study = dicom_study(None if prediction.radiograph is None else prediction.radiograph.header, provenance)
    files = write_dicom_series(ct, folder / CT_NAMES["dicom"], study)
    names = {"dicom_drr": "projection.dcm", "dicom_sr": "results.dcm"}
    for chosen in maps_of(prediction):
        names |= write_dicom_map(chosen, prediction, folder, study, files)
    write_dicom_projection(_plane(prediction, prediction.projection), folder / "projection.dcm", study)
    write_structured_report(
        folder / "results.dcm",
        study,
        classes=prediction.classes or {},
        are_calibrated=_temperature(prediction) is not None,
        checks=[asdict(check) for check in prediction.checks],
        warnings=prediction.warnings,
        ct_files=files,
    )
    return names


def _plane(prediction: Prediction, picture: np.ndarray) -> sitk.Image:
    """A picture (H, W) on the detector's side of the volume, as large as in the middle of the patient."""
    geometry = prediction.geometry
    rows, columns = picture.shape
    height_mm, width_mm = geometry.field_at_isocentre_mm
    side = 1 if geometry.view == "AP" else -1  # LPS: the detector is anterior for PA
    return radiograph_image(picture, (height_mm / rows, width_mm / columns), side * geometry.volume_mm[0] / 2)


def _provenance(prediction: Prediction) -> Provenance:
    model = prediction.model
    return Provenance(
        model_name=model.name,
        model_version=prediction.software_version,
        model_sha256=model.sha256,
        derivation=(
            f"Predicted from one chest X-ray by XrayToCT {prediction.software_version}, model {model.name} "
            f"({model.sha256})."
        ),
    )


def _write_scene(prediction: Prediction, ct: sitk.Image, marks: dict[str, str], path: Path) -> None:
    """The MRML scene."""
    from XrayToCTLib.results_folder import StoredResult, scene_content
    from XrayToCTLib.scene import build_scene, write_mrb

    maps = {chosen.kind: map_image(chosen, prediction) for chosen in maps_of(prediction)}
    pictures = {
        "radiograph": prediction.network_input,
        "projection": prediction.comparison.matched,
        "difference": prediction.comparison.difference,
    }
    result = summary(prediction, {}, 0.0)
    stored = StoredResult(result, prediction.geometry, ct, pictures, maps, marks)
    write_mrb(build_scene(scene_content(stored)).scene, path)


def _scores(prediction: Prediction) -> dict[str, float]:
    comparison = prediction.comparison
    return {"ssim": comparison.ssim, "ncc": comparison.ncc, "rmse": comparison.rmse}


def _model(prediction: Prediction) -> dict[str, Any]:
    return {"name": prediction.model.name, "sha256": prediction.model.sha256, "config": prediction.model.config}


def _created(prediction: Prediction) -> str:
    if prediction.radiograph is not None and dates_are_removed(prediction.radiograph.header):
        return "(date removed)"
    return datetime.now().astimezone().isoformat(timespec="seconds")


def _input_check(prediction: Prediction) -> dict[str, Any]:
    return {} if prediction.input_check is None else asdict(prediction.input_check)


def _report(prediction: Prediction, pictures: list, names: dict[str, str], write_seconds: float) -> Report:
    return Report(
        input_name=prediction.source.name,
        created=_created(prediction),
        software_version=prediction.software_version,
        model=_model(prediction),
        model_card_summary=str(prediction.model.metadata.get("summary", "")),
        device=prediction.device,
        view=prediction.geometry.view,
        side_mm=prediction.geometry.volume_mm,
        comparison=_scores(prediction),
        classes=prediction.classes or {},
        temperature=_temperature(prediction),
        checks=[asdict(check) for check in prediction.checks],
        warnings=list(prediction.warnings),
        evidence=_evidence(prediction),
        seconds={**prediction.seconds, "write": write_seconds},
        outputs=names,
        pictures=pictures,
        input_check=_input_check(prediction),
    )


def _temperature(prediction: Prediction) -> float | None:
    return None if prediction.evidence is None else prediction.evidence.temperature


def _evidence(prediction: Prediction) -> dict[str, str]:
    """What the report says of the classes, uncertainty and refinement, by a heading for each."""
    words = {}
    if prediction.evidence is not None:
        words["The class without what surrounds the lungs"] = prediction.evidence.surroundings_sentence()
        words["Findings by lung zone"] = prediction.evidence.zones_sentence()
        words["Classifiers side by side"] = side_by_side_sentence(_classifiers(prediction))
    if prediction.uncertainty is not None:
        words["Uncertainty"] = prediction.uncertainty.sentence()
    if prediction.refinement is not None:
        words["Refinement"] = prediction.refinement.sentence()
    return words


def _classifiers(prediction: Prediction) -> dict[str, dict[str, float] | None]:
    """Probability by class of each classifier, None for one that is not installed."""
    return {"ct": prediction.classes, "xray": None, "joint": None} | prediction.other_classes


def _class_evidence(prediction: Prediction) -> dict[str, Any] | None:
    if prediction.evidence is None:
        return None
    return {**prediction.evidence.as_json(), "classifiers": _classifiers(prediction)}


def _refinement(prediction: Prediction) -> dict[str, Any] | None:
    refined = prediction.refinement
    if refined is None:
        return None
    return {"accepted": refined.accepted, "before": asdict(refined.before), "after": asdict(refined.after)}


def _uncertainty(prediction: Prediction) -> dict[str, Any] | None:
    uncertainty = prediction.uncertainty
    if uncertainty is None:
        return None
    in_lungs = uncertainty.in_lungs_hu
    return {
        "calibrated": uncertainty.is_calibrated,
        "samples": uncertainty.samples,
        "body_hu": uncertainty.in_body_hu,
        "lungs_hu": None if math.isnan(in_lungs) else in_lungs,
    }


def summary(prediction: Prediction, outputs: dict[str, str], write_seconds: float) -> dict[str, Any]:
    """The JSON object of ``generate --json``; its keys are a contract."""
    return {
        "input": str(prediction.source),
        "notice": SYNTHETIC_NOTICE,
        "software_version": prediction.software_version,
        "xray": header_facts(prediction.radiograph),
        "reading": asdict(prediction.reading),
        "geometry": prediction.geometry.to_dict(),
        "size_is_nominal": prediction.size_is_nominal,
        "model": _model(prediction),
        "device": prediction.device,
        "seconds": {**prediction.seconds, "write": write_seconds},
        "outputs": outputs,
        "comparison": _scores(prediction),
        "classes": prediction.classes or {},
        "evidence": _class_evidence(prediction),
        "findings": {} if prediction.evidence is None else prediction.evidence.findings,
        "saliency_class": None if prediction.evidence is None else prediction.evidence.predicted,
        "checks": [asdict(check) for check in prediction.checks],
        "refinement": _refinement(prediction),
        "uncertainty": _uncertainty(prediction),
        "input_check": _input_check(prediction),
        "warnings": list(prediction.warnings),
    }
