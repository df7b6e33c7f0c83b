"""The one way through: radiograph -> generator -> volume -> projection -> comparison, classifier and checks.

The command line, the Slicer module, batch mode and the tests all go through :func:`generate`.
"""

import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch

from XrayToCTLib.classifier import CTClassifier, temperature_of
from XrayToCTLib.comparison import Comparison, compare
from XrayToCTLib.devices import choose_device, device_failures
from XrayToCTLib.errors import DeviceError, ModelError, UnsuitableInput
from XrayToCTLib.evidence import Evidence, find_evidence
from XrayToCTLib.generators import ReadyGenerator, of_geometry
from XrayToCTLib.grayscale import normalise
from XrayToCTLib.input_check import InputCheck, check_input, child_warning
from XrayToCTLib.input_network import InputNetwork
from XrayToCTLib.marking import TB_NOTICE
from XrayToCTLib.models import ModelInfo, default_model, find, load_classifier, load_generator, load_input_check
from XrayToCTLib.other_classifiers import OtherClassifiers, load_other_classifiers, other_classes
from XrayToCTLib.physical_size import volume_side_mm
from XrayToCTLib.plausibility import Check, check_chest, measure_chest
from XrayToCTLib.projection import Geometry, radiograph_from_ct
from XrayToCTLib.radiograph import Radiograph, network_input, read_radiograph
from XrayToCTLib.refinement import Refinement, refine
from XrayToCTLib.uncertainty import SAMPLES, Uncertainty, estimate

Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class Models:
    """The networks of a run, loaded once. ``classifier`` and ``input_check`` are None where none is installed."""

    generator: ReadyGenerator
    generator_info: ModelInfo
    classifier: CTClassifier | None
    classifier_info: ModelInfo | None
    device: torch.device
    may_fall_back: bool  # to the CPU, where the device was not asked for by name
    input_check: InputNetwork | None = None  # on the CPU: it takes milliseconds
    others: OtherClassifiers = field(default_factory=OtherClassifiers)

    @property
    def geometry(self) -> Geometry:
        """The geometry that the generator was trained on; X2CT's where the model does not say."""
        size = self.generator.config.size
        return self.generator_info.geometry or Geometry(detector_pixels=(size, size))


@dataclass(frozen=True)
class Prediction:
    """Everything that one radiograph leads to.

    Attributes:
        source: the file. radiograph: None where the network's input was given directly.
        network_input: (S, S) in [0, 1]. output: raw network output (D, H, W), float32. volume: clamped to [0, 1].
        geometry: of the radiograph, scaled to the patient. size_is_nominal: whether its millimetres are a convention.
        projection: (S, S) in [0, 1], cone-beam projection of the volume. comparison: of the projection with the input.
        classes: probability by class, None without a classifier. evidence: what they rest on, None without one, too.
        other_classes: probability by class of the X-ray (``xray``) and the joint classifier (``joint``), None where it
            is not installed.
        refinement, uncertainty: None where they were not asked for.
        input_check: whether the X-ray looks like those in training; None where nothing checks it.
        seconds: by stage.
    """

    source: Path
    radiograph: Radiograph | None
    network_input: np.ndarray
    model: ModelInfo
    device: str
    geometry: Geometry
    size_is_nominal: bool
    output: np.ndarray
    volume: np.ndarray
    projection: np.ndarray
    comparison: Comparison
    classes: dict[str, float] | None
    checks: tuple[Check, ...]
    refinement: Refinement | None
    uncertainty: Uncertainty | None
    warnings: tuple[str, ...]
    seconds: dict[str, float] = field(default_factory=dict)
    input_check: InputCheck | None = None
    evidence: Evidence | None = None
    other_classes: dict[str, dict[str, float] | None] = field(default_factory=dict)


def load_models(model: str | None = None, device: str = "auto") -> Models:
    """The generator ``model`` (a name or a file; None: the shipped one), the shipped classifier, and others
    that are installed.

    Raises:
        ModelError: a model is missing or damaged. DeviceError: the device is missing or failed.
    """
    chosen = choose_device(device)
    info = find(model, "generator") if model else default_model("generator")
    classifier_info = default_model("ct_classifier")
    with device_failures(chosen):
        generator = load_generator(info, chosen)
        classifier = load_classifier(classifier_info, chosen)
        others = load_other_classifiers(chosen)
    input_check = load_input_check(default_model("input_check"))
    return Models(generator, info, classifier, classifier_info, chosen, device == "auto", input_check, others)


def generate(
    source: Path,
    models: Models,
    *,
    is_network_input: bool = False,
    view: str | None = None,
    invert: str = "auto",
    refine_steps: int = 0,
    uncertainty_samples: int = SAMPLES,
    progress: Progress = lambda stage, fraction: None,
) -> Prediction:
    """Predicts the CT volume of one radiograph, and everything that helps to judge it.

    Args:
        source: a radiograph, or with ``is_network_input`` an ``.npy`` file (S, S) that goes to the network as it is.
        view, invert: see :func:`XrayToCTLib.radiograph.read_radiograph`.
        refine_steps: steps of shape induction on this radiograph; 0 is none.
        uncertainty_samples: volumes from which the uncertainty is estimated; 0 is none, 1 does not do.
        progress: called with the stage and the fraction of the whole done; may raise to cancel.

    Raises:
        UnsuitableInput, DeviceError: see the classes.
    """
    options = (is_network_input, view, invert, refine_steps, uncertainty_samples, progress)
    try:
        return _generate(source, models, *options)
    except DeviceError as error:
        if models.device.type == "cpu" or not models.may_fall_back:
            raise
        slower = replace(
            models, generator=models.generator.cpu(), device=torch.device("cpu"), others=models.others.on_cpu()
        )
        if models.classifier is not None:
            slower = replace(slower, classifier=models.classifier.cpu())
        prediction = _generate(source, slower, *options)
        return replace(prediction, warnings=(*prediction.warnings, f"{error} The CPU was used instead."))


def _generate(
    source: Path,
    models: Models,
    is_network_input: bool,
    view: str | None,
    invert: str,
    refine_steps: int,
    uncertainty_samples: int,
    progress: Progress,
) -> Prediction:
    seconds: dict[str, float] = {}
    size = models.generator.config.size

    @contextmanager
    def stage(name: str, fraction: float):
        progress(name, fraction)
        started = time.perf_counter()
        yield
        seconds[name] = time.perf_counter() - started

    with stage("read", 0.0):
        radiograph = None if is_network_input else read_radiograph(source, view=view, invert=invert)
        image = read_network_input(source, size) if radiograph is None else network_input(radiograph, size)
        patient = volume_side_mm(radiograph, models.geometry)
        checked = None if models.input_check is None else check_input(image, models.input_check)
        child = child_warning(radiograph.header if radiograph else None)
    geometry = scaled_geometry(models.geometry, patient.side_mm, radiograph.view if radiograph else view or "PA")
    warnings = list(radiograph.warnings if radiograph else ()) + list(patient.warnings)
    warnings += [checked.message] if checked is not None and not checked.passed else []
    warnings += [child] if child else []
    if geometry.view != models.geometry.view:
        trained = models.geometry.view
        warnings.append(f"The model was trained on {trained} X-rays; this {geometry.view} X-ray magnifies differently.")

    with stage("generate", 0.1), device_failures(models.device):
        generator = of_geometry(models.generator, geometry)
        batch = torch.from_numpy(image)[None, None].to(models.device)
        refined = None
        if refine_steps:
            refined = refine(
                generator, batch, geometry, refine_steps, lambda part: progress("generate", 0.1 + 0.4 * part)
            )
            result = refined.volume
            if not refined.accepted:
                warnings.append(
                    "Refinement was discarded: no step brought the projection closer to the X-ray without harm to the "
                    "volume's checks."
                )
        else:
            with torch.inference_mode():
                result = generator(batch)
        output = result[0, 0].float().cpu().numpy()
    volume = output.clip(0, 1)
    if not np.isfinite(output).all():
        raise ModelError("The model gave values that are not numbers; choose another model or run it on the CPU.")

    uncertainty = None
    if uncertainty_samples:
        with stage("uncertainty", 0.5), device_failures(models.device):
            uncertainty = estimate(
                generator,
                batch,
                volume,
                models.generator_info.metadata,
                uncertainty_samples,
                lambda part: progress("uncertainty", 0.5 + 0.2 * part),
            )
    with stage("project", 0.7):
        projection = project(volume, geometry)
        comparison = compare(image, projection)
    with stage("check", 0.75):
        chest = measure_chest(volume, geometry.volume_mm)
        checks = check_chest(chest)
    evidence = None
    with stage("classify", 0.85):
        if models.classifier is not None and models.classifier_info is not None:
            temperature = temperature_of(models.classifier_info.metadata)
            evidence = find_evidence(models.classifier, volume, chest.lungs, temperature, models.device)
            warnings += classifier_warnings(models.classifier_info, evidence)
        others = other_classes(models.others, radiograph, image, volume, models.device)
    return Prediction(
        source=source,
        radiograph=radiograph,
        network_input=image,
        model=models.generator_info,
        device=str(models.device),
        geometry=geometry,
        size_is_nominal=patient.is_nominal,
        output=output,
        volume=volume,
        projection=projection,
        comparison=comparison,
        classes=None if evidence is None else evidence.classes,
        checks=checks,
        refinement=refined,
        uncertainty=uncertainty,
        warnings=tuple(warnings),
        seconds=seconds,
        input_check=checked,
        evidence=evidence,
        other_classes=others,
    )


def project(volume: np.ndarray, geometry: Geometry) -> np.ndarray:
    """Cone-beam projection of network values (D, H, W): (rows, columns) in [0, 1], normalised as a network's input."""
    line = radiograph_from_ct(torch.from_numpy(volume)[None, None], geometry)[0, 0].numpy()
    return normalise(line) if np.ptp(line) > 0 else np.zeros_like(line)


def classifier_warnings(info: ModelInfo, evidence: Evidence) -> list[str]:
    """What must stand beside the classes: where they come from, how often they were right on simulated patients, and
    that they may rest on a shortcut where they do."""
    warnings = [TB_NOTICE]
    metrics = info.metadata.get("metrics")
    tested = metrics.get("generated") if isinstance(metrics, dict) else None
    accuracy = tested.get("accuracy") if isinstance(tested, dict) else None
    if isinstance(accuracy, float):
        warnings.append(
            f"The classifier was right in {accuracy:.0%} of simulated test patients seen through generated CTs, where "
            "guessing is right in 33%."
        )
    if evidence.shortcut is not None and not evidence.shortcut.holds:
        warnings.append(evidence.shortcut_sentence())
    return warnings


def scaled_geometry(geometry: Geometry, side_mm: float, view: str) -> Geometry:
    """The model's geometry, all lengths in proportion, for a volume of ``side_mm``: the projection stays the same."""
    factor = side_mm / max(geometry.volume_mm)
    return Geometry(
        source_to_axis_mm=geometry.source_to_axis_mm * factor,
        source_to_detector_mm=geometry.source_to_detector_mm * factor,
        detector_mm=(geometry.detector_mm[0] * factor, geometry.detector_mm[1] * factor),
        detector_pixels=geometry.detector_pixels,
        volume_mm=tuple(side * factor for side in geometry.volume_mm),  # type: ignore[arg-type]
        view=view,
    )


def read_network_input(path: Path, size: int) -> np.ndarray:
    """A network input saved with NumPy: (size, size), also with axes of length one in front; float32.

    Raises:
        UnsuitableInput: the file is not such an array.
    """
    remedy = f"give a NumPy file (.npy) of {size} x {size} numbers"
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise UnsuitableInput(f"{path} cannot be read as a network input; {remedy}.") from error
    if not isinstance(array, np.ndarray) or array.shape[-2:] != (size, size) or array.size != size * size:
        raise UnsuitableInput(f"{path} is not one network input; {remedy}.")
    if array.dtype.kind not in "fiu" or not np.isfinite(array).all():
        raise UnsuitableInput(f"{path} holds values that are not finite numbers; {remedy}.")
    return np.array(array, np.float32).reshape(size, size)
