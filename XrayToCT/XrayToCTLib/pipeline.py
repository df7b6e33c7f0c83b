"""The one way through: radiograph -> generator -> volume -> projection -> comparison, classifier and checks.

The command line, the Slicer module, batch mode and the tests all go through :func:`generate`.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch

from XrayToCTLib import __version__
from XrayToCTLib.classifier import CTClassifier, temperature_of
from XrayToCTLib.comparison import Comparison, compare
from XrayToCTLib.devices import choose_device, device_failures, release_memory
from XrayToCTLib.errors import DeviceError, ModelError, cause_of
from XrayToCTLib.evidence import Evidence, classifier_warnings, find_evidence
from XrayToCTLib.generators import ReadyGenerator, of_geometry
from XrayToCTLib.grayscale import normalise_projection
from XrayToCTLib.input_check import InputCheck
from XrayToCTLib.input_network import InputNetwork
from XrayToCTLib.models import (
    ModelInfo,
    default_model,
    find,
    load_classifier,
    load_generator,
    load_input_check,
    trained_geometry,
)
from XrayToCTLib.options import AS_RECORDED, Reading
from XrayToCTLib.other_classifiers import OtherClassifiers, load_other_classifiers, other_classes
from XrayToCTLib.plausibility import Check, check_chest, measure_chest
from XrayToCTLib.prepared_input import prepare_input
from XrayToCTLib.projection import Geometry, radiograph_from_ct
from XrayToCTLib.radiograph import Radiograph
from XrayToCTLib.refinement import Refinement, refine
from XrayToCTLib.uncertainty import SAMPLES, Uncertainty, estimate

Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class Models:
    """The networks of a run, loaded once. ``classifier`` and ``input_check`` are None where none is installed.

    They are moved to ``device`` when they are first used, and moved again by the run after one that fell back.
    """

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
        """The geometry that the generator was trained in; X2CT's where the model does not say."""
        return trained_geometry(self.generator_info, self.generator.config.size)


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
        seconds: by stage. reading: how the radiograph was to be read. software_version: of what made the volume.
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
    reading: Reading = AS_RECORDED
    evidence: Evidence | None = None
    other_classes: dict[str, dict[str, float] | None] = field(default_factory=dict)
    software_version: str = __version__


def load_models(model: str | None = None, device: str = "auto") -> Models:
    """The generator ``model`` (a name or a file; None: the shipped one), the shipped classifier, and others
    that are installed.

    Raises:
        ModelError: a model is missing or damaged. DeviceError: the device is missing or failed.
    """
    chosen = choose_device(device)
    info = find(model, "generator") if model else default_model("generator")
    classifier_info = default_model("ct_classifier")
    with device_failures(torch.device("cpu")):
        generator, classifier = load_generator(info), load_classifier(classifier_info)
        input_check = load_input_check(default_model("input_check"))
        others = load_other_classifiers()
    return Models(generator, info, classifier, classifier_info, chosen, device == "auto", input_check, others)


def generate(
    source: Path,
    models: Models,
    *,
    is_network_input: bool = False,
    reading: Reading = AS_RECORDED,
    refine_steps: int = 0,
    uncertainty_samples: int = SAMPLES,
    progress: Progress = lambda stage, fraction: None,
) -> Prediction:
    """Predicts the CT volume of one radiograph, and everything that helps to judge it.

    Args:
        source: a radiograph, or with ``is_network_input`` an ``.npy`` file (S, S) that goes to the network as it is.
        reading: how the radiograph is read.
        refine_steps: steps of shape induction on this radiograph; 0 is none.
        uncertainty_samples: volumes from which the uncertainty is estimated; 0 is none, 1 does not do.
        progress: called with the stage (one of STAGES) and the fraction of it that is done; may raise to cancel.

    Raises:
        UnsuitableInput: not a radiograph, or one that is marked as synthetic, as everything is that this program wrote.
        DeviceError: see the class.
    """
    options = (is_network_input, reading, refine_steps, uncertainty_samples, progress)
    try:
        return _generate(source, models, *options)
    except DeviceError as error:
        if models.device.type == "cpu" or not models.may_fall_back:
            raise
        cause = cause_of(error)
        note = f"{error} The CPU was used instead" + (f" ({cause.rstrip('.')})." if cause else ".")
    # Out of the handler, whose traceback would keep what fills the device's memory alive.
    release_memory(models.device)
    prediction = _generate(source, replace(models, device=torch.device("cpu")), *options)
    return replace(prediction, warnings=(*prediction.warnings, note))


def _generate(
    source: Path,
    models: Models,
    is_network_input: bool,
    reading: Reading,
    refine_steps: int,
    uncertainty_samples: int,
    progress: Progress,
) -> Prediction:
    seconds: dict[str, float] = {}

    @contextmanager
    def stage(name: str) -> Iterator[Callable[[float], None]]:
        progress(name, 0.0)
        started = time.perf_counter()
        yield lambda part: progress(name, part)
        seconds[name] = time.perf_counter() - started

    with stage("read"):
        size = models.generator.config.size
        prepared = prepare_input(source, models.geometry, size, models.input_check, reading, is_network_input)
    image, geometry, warnings = prepared.image, prepared.geometry, list(prepared.warnings)

    with stage("generate") as part_done, device_failures(models.device):
        # A run that fell back has left them on the CPU; this one tries the device again.
        generator = of_geometry(models.generator.to(models.device), geometry)
        batch = torch.from_numpy(image)[None, None].to(models.device)
        refined = None
        if refine_steps:
            refined = refine(generator, batch, geometry, refine_steps, part_done)
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
        with stage("uncertainty") as part_done, device_failures(models.device):
            uncertainty = estimate(
                generator,
                batch,
                volume,
                models.generator_info.metadata,
                uncertainty_samples,
                part_done,
            )
    with stage("project"):
        projection = project(volume, geometry)
        comparison = compare(image, projection)
    evidence = None
    with stage("classify"):
        chest = measure_chest(volume, geometry.volume_mm)
        if models.classifier is not None and models.classifier_info is not None:
            temperature = temperature_of(models.classifier_info.metadata)
            evidence = find_evidence(models.classifier, volume, chest.lungs, temperature, models.device)
            warnings += classifier_warnings(models.classifier_info)
        others = other_classes(models.others, prepared.radiograph, image, volume, models.device)
        warnings += models.others.warnings
    with stage("check"):
        checks = check_chest(chest)
    return Prediction(
        source=source,
        radiograph=prepared.radiograph,
        network_input=image,
        model=models.generator_info,
        device=str(models.device),
        geometry=geometry,
        size_is_nominal=prepared.size_is_nominal,
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
        input_check=prepared.check,
        reading=reading,
        evidence=evidence,
        other_classes=others,
    )


def project(volume: np.ndarray, geometry: Geometry) -> np.ndarray:
    """Cone-beam projection of network values (D, H, W): (rows, columns) in [0, 1], normalised as a network's input."""
    return normalise_projection(radiograph_from_ct(torch.from_numpy(volume)[None, None], geometry)[0, 0].numpy())
