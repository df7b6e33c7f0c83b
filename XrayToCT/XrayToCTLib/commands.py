"""What each command of ``xray-to-ct`` does, once its arguments are known. Results go to stdout, all else to stderr."""

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
import torch

from XrayToCTLib import models
from XrayToCTLib.atomic_write import replacing
from XrayToCTLib.classifier import temperature_of
from XrayToCTLib.comparison import band_passed_ncc, compare
from XrayToCTLib.ct_reading import read_ct
from XrayToCTLib.devices import choose_device
from XrayToCTLib.errors import UnsuitableInput, XrayToCTError
from XrayToCTLib.evidence import CLASSIFIER_SIDE, Evidence, classifier_warnings, find_evidence
from XrayToCTLib.generation import generate_files
from XrayToCTLib.grayscale import normalise_projection
from XrayToCTLib.marking import CLASSIFIED_NOTICE, COMPUTED_MARKS, MARK, SYNTHETIC_NOTICE
from XrayToCTLib.options import GenerateOptions, Reading, ResultFiles
from XrayToCTLib.orientation import lps_to_network
from XrayToCTLib.original_weights import import_checkpoint
from XrayToCTLib.pictures import side_by_side, write_png
from XrayToCTLib.pipeline import load_models, project
from XrayToCTLib.plausibility import Lungs, check_volume, measure_chest
from XrayToCTLib.prepared_input import scaled_geometry
from XrayToCTLib.progress import Timeline, expected_seconds
from XrayToCTLib.projection import (
    Geometry,
    attenuation_from_hu,
    cone_beam_projection,
    mean_projections,
    network_from_hu,
)
from XrayToCTLib.radiograph import network_input, read_radiograph
from XrayToCTLib.volume import ct_centre, image_from_network, network_from_ct, radiograph_image, write_nifti, write_nrrd
from XrayToCTLib.xray_folder import CaseNames, files_in

PIXELS = CLASSIFIER_SIDE  # side of the pictures and volumes that compare, classify and check work on


def run(options: argparse.Namespace) -> int:
    """Runs the command of parsed arguments and returns its exit code."""
    handlers = {
        "generate": run_generate,
        "project": run_project,
        "compare": run_compare,
        "classify": run_classify,
        "check": run_check,
        "models": run_models,
    }
    return handlers[options.command](options)


def run_generate(options: argparse.Namespace) -> int:
    if options.xray is not None and options.xray.is_dir():
        return _generate_batch(options)
    loaded = load_models(options.model, options.device)
    files = ResultFiles(options.output, options.formats, options.anonymise)
    wanted = _wanted(options, options.network_input or options.xray, files)
    _print_result(generate_files(wanted, loaded, _on_terminal(wanted)), options.json)
    return 0


def _wanted(options: argparse.Namespace, source: Path, files: ResultFiles) -> GenerateOptions:
    return GenerateOptions(
        source=source,
        files=files,
        is_network_input=options.network_input is not None,
        reading=Reading(options.view, options.invert, options.flip, options.crop and tuple(options.crop)),
        refine_steps=options.refine,
        uncertainty_samples=options.uncertainty,
    )


def _generate_batch(options: argparse.Namespace) -> int:
    """Every file of a folder, each into a folder of its own; returns the exit code of the last failure, else 0."""
    files = files_in(options.xray)
    loaded = load_models(options.model, options.device)
    exit_code = 0
    names = CaseNames(files, options.anonymise)
    for number, path in enumerate(files, start=1):
        case = names.of(path)
        # Only the terminal learns which file is behind a pseudonym.
        name = f"{path.name} -> {case.folder}" if options.anonymise else path.name
        print(f"[{number}/{len(files)}] {name}", file=sys.stderr, flush=True)
        try:
            output = options.output / case.folder
            anonymous = (options.anonymise, case.pseudonym, case.study_uid)
            wanted = _wanted(options, path, ResultFiles(output, options.formats, *anonymous))
            result = generate_files(wanted, loaded, _on_terminal(wanted))
        except XrayToCTError as error:
            exit_code = error.exit_code
            print(error, file=sys.stderr)
            if options.json:
                told = (case.folder, "See standard error.") if options.anonymise else (str(path), str(error))
                print(json.dumps({"input": told[0], "error": told[1], "exit_code": error.exit_code}), flush=True)
        else:
            _print_result(result, options.json)
    return exit_code


def _on_terminal(options: GenerateOptions) -> Callable[[str, float], None]:
    """Shows progress where someone looks."""
    if not sys.stderr.isatty():
        return lambda stage, part: None
    timeline = Timeline(expected_seconds(options, loaded=True))

    def show(stage: str, part: float) -> None:
        standing = timeline.at(stage, part)
        left = "" if standing.seconds_left is None else f"{standing.seconds_left:.0f} s left"
        print(f"\r{stage:12s} {standing.fraction:4.0%}  {left:12s}", end="", file=sys.stderr, flush=True)

    return show


def _print_result(result: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print(json.dumps(result), flush=True)
        return
    if sys.stderr.isatty():
        print(f"\r{'':32s}\r", end="", file=sys.stderr)
    print(f"{result['input']}  (model {result['model']['name']}, {result['device']})   {SYNTHETIC_NOTICE}")
    for name, path in result["outputs"].items():
        print(f"  {name:20s} {path}")
    print("  " + "  ".join(f"{name} {value:.3f}" for name, value in result["comparison"].items()))
    if result["classes"]:
        print("  " + "  ".join(f"{name} {value:.2f}" for name, value in result["classes"].items()))
    if result["evidence"]:
        print(f"  {result['evidence']['without_surroundings']['message']}")
    failed = [check for check in result["checks"] if not check["passed"]]
    print(f"  {len(result['checks']) - len(failed)} of {len(result['checks'])} checks passed")
    for check in failed:
        print(f"  ! {check['message']}")
    for warning in result["warnings"]:
        print(f"  ! {warning}")
    print("  seconds: " + ", ".join(f"{stage} {value:.2f}" for stage, value in result["seconds"].items()))


def run_project(options: argparse.Namespace) -> int:
    image = sitk.DICOMOrient(read_ct(options.ct), "LPS")
    hu = torch.from_numpy(np.ascontiguousarray(lps_to_network(sitk.GetArrayFromImage(image)))).float()[None, None]
    depth_mm, height_mm, width_mm = (
        count * step for count, step in zip(hu.shape[2:], [image.GetSpacing()[i] for i in (1, 2, 0)], strict=True)
    )
    if options.kind == "mean":
        picture = mean_projections(network_from_hu(hu))[1]
        size_mm = (height_mm, width_mm)
    else:
        size_mm = tuple(options.size_mm or (500.0, 500.0))
        try:
            geometry = Geometry(
                source_to_axis_mm=options.sad or 541.0,
                source_to_detector_mm=options.sid or 949.0,
                detector_mm=size_mm,
                detector_pixels=tuple(options.pixels or (PIXELS, PIXELS)),
                volume_mm=(depth_mm, height_mm, width_mm),
            )
        except ValueError as error:
            raise UnsuitableInput(f"{options.ct} cannot be projected: {error}; choose other distances.") from error
        picture = cone_beam_projection(attenuation_from_hu(hu), geometry)
    _write_projection(picture[0, 0].numpy(), size_mm, options.output)
    print(options.output)
    return 0


def _write_projection(picture: np.ndarray, size_mm: tuple[float, float], path: Path) -> None:
    """Writes (H, W) as displayed: float32 values, or 8 bits from the smallest to the largest value in a PNG."""
    name = path.name.lower()
    spacing = (size_mm[0] / picture.shape[0], size_mm[1] / picture.shape[1])
    if name.endswith(".png"):
        grey = np.rint(255 * normalise_projection(picture)).astype(np.uint8)
        # An exact picture, (H, W): its text chunks alone bear the notice.
        write_png(path, grey, synthetic=False, marks=COMPUTED_MARKS)
    elif name.endswith(".npy"):
        with replacing(path, ".npy") as temporary:
            np.save(temporary, picture)
    elif not _write_image(radiograph_image(picture, spacing, 0.0), path, COMPUTED_MARKS):
        raise UnsuitableInput(f"{path} has no ending that can be written; use .png, .npy, .nrrd, .nii.gz or .mha.")


def _write_image(image: sitk.Image, path: Path, marks: Mapping[str, str]) -> bool:
    """Writes an image in the format of its file's name; False where the name's ending is of no such format."""
    name = path.name.lower()
    if name.endswith(".nii.gz"):
        write_nifti(image, path, marks)
    elif name.endswith((".nrrd", ".mha")):
        write_nrrd(image, path, marks)
    else:
        return False
    return True


def run_compare(options: argparse.Namespace) -> int:
    radiograph = read_radiograph(options.xray)
    image = network_input(radiograph, PIXELS)
    volume, side_mm = _cube(options.ct)
    geometry = scaled_geometry(Geometry(), side_mm, radiograph.view)
    projection = project(volume, geometry)
    result = compare(image, projection)
    pixel_mm = geometry.field_at_isocentre_mm[0] / PIXELS
    scores = {"ssim": result.ssim, "ncc": result.ncc, "rmse": result.rmse}
    scores["band_passed_ncc"] = band_passed_ncc(image, projection, pixel_mm)
    if options.output:
        write_png(options.output, side_by_side(image, result.matched, result.difference))
    print(
        json.dumps(scores) if options.json else "\n".join(f"{name:16s}{value:8.3f}" for name, value in scores.items())
    )
    return 0


def run_classify(options: argparse.Namespace) -> int:
    device = choose_device(options.device)
    info = models.default_model("ct_classifier")
    classifier = models.load_classifier(info, device)
    image = read_ct(options.ct)
    volume, side_mm = _cube_of(image)
    evidence = find_evidence(classifier, volume, _lungs(volume, side_mm), temperature_of(info.metadata), device)
    notes = classifier_warnings(info)
    if options.output:
        _write_saliency(evidence, image, side_mm, options.output)
    if options.json:
        print(json.dumps({"classes": evidence.classes, "evidence": evidence.as_json(), "warnings": notes}))
    else:
        print("\n".join(f"{name:10s}{value:6.2f}" for name, value in evidence.classes.items()))
        print(f"{evidence.surroundings_sentence()}\n{evidence.zones_sentence()}")
        print("\n".join(notes), file=sys.stderr)
    return 0


def _write_saliency(evidence: Evidence, ct: sitk.Image, side_mm: float, path: Path) -> None:
    """Where the evidence for the class lies, in [0, 1], in the cube around the CT's centre that the network saw."""
    saliency = image_from_network(evidence.saliency, side_mm)
    saliency.SetOrigin([a + b for a, b in zip(saliency.GetOrigin(), ct_centre(ct), strict=True)])
    marks = {MARK: "YES", "XrayToCT.Notice": CLASSIFIED_NOTICE, "XrayToCT.SaliencyClass": evidence.predicted}
    if not _write_image(saliency, path, marks):
        raise UnsuitableInput(f"{path} has no ending that can be written; use .nrrd, .nii.gz or .mha.")


def _lungs(volume: np.ndarray, side_mm: float) -> Lungs | None:
    """None also where the CT is too large or too small for a chest: its classes can be had all the same."""
    try:
        return measure_chest(volume, (side_mm,) * 3).lungs
    except UnsuitableInput:
        return None


def run_check(options: argparse.Namespace) -> int:
    image = read_ct(options.ct)
    volume, side_mm = _cube_of(image)
    checks = [check.around(ct_centre(image)) for check in check_volume(volume, (side_mm,) * 3)]
    if options.json:
        print(json.dumps({"checks": [asdict(check) for check in checks]}))
    else:
        print("\n".join(f"{'pass' if check.passed else 'FAIL'}  {check.name:24s}{check.message}" for check in checks))
    return 0


def _cube(path: Path) -> tuple[np.ndarray, float]:
    """Network values (PIXELS,) * 3 of a CT file, and the side of that cube in mm."""
    return _cube_of(read_ct(path))


def _cube_of(image: sitk.Image) -> tuple[np.ndarray, float]:
    side_mm = max(count * step for count, step in zip(image.GetSize(), image.GetSpacing(), strict=True))
    return network_from_ct(image, PIXELS, side_mm), side_mm


def run_models(options: argparse.Namespace) -> int:
    if options.action == "list":
        _list_models(options.json)
    elif options.action == "import":
        references = [torch.from_numpy(_cube(path)[0])[None, None] for path in options.ct]
        info = import_checkpoint(options.checkpoint, None, options.name, options.force, references or None)
        print(info.path)
    else:
        info = models.find(options.model)
        if options.action == "verify":
            models.verify(info)
            print(f"{info.path} is intact ({info.sha256})")
        else:
            print(models.describe(info))
            print(info.card or "")
    return 0


def _list_models(as_json: bool) -> None:
    found, problems = models.scan_models()
    if as_json:
        print(json.dumps([{"name": m.name, "kind": m.kind, "path": str(m.path), "sha256": m.sha256} for m in found]))
    else:
        for info in found:
            print(f"{info.name:28s}{info.kind:16s}{info.path}")
    for problem in problems:
        print(problem, file=sys.stderr)
