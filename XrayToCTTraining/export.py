"""Writing trained networks as the weights and model cards that the runtime loads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from torch import nn

from XrayToCTLib.classifier import CTClassifier
from XrayToCTLib.generator import Generator
from XrayToCTLib.models import save_model
from XrayToCTLib.projection import Geometry
from XrayToCTTraining.classification import KINDS, evaluate_classifier
from XrayToCTTraining.data.cohort import Cohort
from XrayToCTTraining.evaluation import evaluate_on_ct, evaluate_with_baseline

GENERATOR_NAME, CLASSIFIER_NAME = "compact", "ct-classifier"

GENERATOR_LIMITS = """\
- Trained on simulated chests and on warps of a single real CT, on clean and randomly degraded projections. It has never
  seen a real radiograph in training, and no real patient's CT beside the one that was warped.
- Depth is guessed from what such chests have in common. Vessels, fissures and small lesions are blurred or missing;
  ribs may lie in the wrong depth. A finding that is absent from the volume may well be present in the patient.
- Frontal chests of adults only. Children, lateral views, other body parts give meaningless volumes.
- No shape induction on real radiographs yet."""

PSNR_NOTES = """
`psnr_x2ct` follows X2CT-GAN's published protocol (peak 4095 on data that span 2500, mean over slices); `psnr_honest`
has the data's own range as its peak: never compare one with the other."""

CLASSIFIER_LIMITS = """\
- The TB class was learned from simulated lesions only and was never validated on patients. So was the sick class.
- Trained on the same simulated patients as the generator (same split). Figures are on simulated patients: they say
  nothing about patients in a clinic.
- A generated volume does not hold more than its radiograph; small lesions do not survive generation.
- Guessing is right in one patient of three: compare the accuracy below with that before you read a score."""


def export_weights(
    cohort: Cohort,
    generator: tuple[Generator, Geometry, dict[str, Any]],
    classifier: tuple[CTClassifier, dict[str, Any]],
    volumes: Path,
    real_ct: Path | None,
    out: Path,
) -> list[Path]:
    """Evaluates both networks on the test split and writes ``<name>.safetensors`` and ``<name>.md`` of each.

    Args:
        generator, classifier: as :mod:`commands` reads them from their runs.
        volumes: those of ``fit ct-classifier``. real_ct: a CT unseen in training, evaluated on as well.
    """
    network, geometry, fit = generator
    request = json.loads((cohort.folder / "cohort.json").read_text())
    patients = {split: len(cohort.of_split(split)) for split in ("training", "validation", "test")}
    data = (
        f"{patients['training']} simulated patients (half procedural, half warps of one real CT of LIDC-IDRI), "
        f"cohort seed {request['seed']}, {request['size']} voxels of {request['side_mm'] / request['size']:g} mm"
    )
    metrics: dict[str, Any] = evaluate_with_baseline(network, cohort, "test", geometry)
    if real_ct is not None:
        real = evaluate_on_ct(network, cohort, real_ct, geometry)
        metrics |= {f"{name}, real CT {real_ct.stem}": scores for name, scores in real.items()}
    card = _card(
        "Compact generator: one frontal chest radiograph to a CT volume of 128 x 128 x 128",
        GENERATOR_LIMITS,
        data,
        fit,
        f"Reconstruction on {patients['test']} test patients through clean projections",
        metrics,
        PSNR_NOTES,
    )
    preset = "reconstruction 10, projection 10 (X2CT's weights, no discriminator), absolute 1"
    facts = {"training_data": data, "metrics": metrics, "loss_preset": preset, "summary": _sentences(GENERATOR_LIMITS)}
    paths = _save(out, GENERATOR_NAME, network, "generator", network.config, geometry, facts, card)

    judged, classifier_fit = classifier
    scores = {kind: evaluate_classifier(judged, volumes, cohort.of_split("test"), kind) for kind in KINDS}
    card = _card(
        "CT classifier: healthy, sick or TB from a CT volume",
        CLASSIFIER_LIMITS,
        data + ", each as its true and as its generated volume",
        classifier_fit,
        f"Classification of {patients['test']} test patients, by kind of volume",
        scores,
    )
    facts = {"training_data": data, "metrics": scores, "loss_preset": "cross-entropy"}
    facts["summary"] = _sentences(CLASSIFIER_LIMITS)
    return paths + _save(out, CLASSIFIER_NAME, judged, "ct_classifier", judged.config, geometry, facts, card)


def _save(
    out: Path, name: str, network: nn.Module, kind: str, config: Any, geometry: Geometry, metadata: dict, card: str
) -> list[Path]:
    out.mkdir(parents=True, exist_ok=True)
    info = save_model(out / f"{name}.safetensors", network, kind, config, geometry, metadata)
    path = out / f"{name}.md"
    path.write_text(card)
    return [info.path, path]


def _sentences(limits: str) -> str:
    """The list of a card as one paragraph, for reports."""
    return " ".join(limits.replace("\n- ", "\n").removeprefix("- ").split())


def _card(
    title: str, limits: str, data: str, fit: dict[str, Any], heading: str, metrics: dict[str, dict], notes: str = ""
) -> str:
    names = list(next(iter(metrics.values())))
    cells = {row: " | ".join(f"{values[name]:.3f}" for name in names) for row, values in metrics.items()}
    rows = "\n".join(f"| {row} | {text} |" for row, text in cells.items())
    settings = "\n".join(f"- {key}: {json.dumps(value)}" for key, value in fit.items())
    return f"""# {title}

**Synthetic output: not for diagnostic use.**

## Limits and known failures
{limits}

## Data
{data}.

## Training
{settings}

## {heading}
| | {" | ".join(names)} |
|{"---|" * (len(names) + 1)}
{rows}

The figures were written by `python -m XrayToCTTraining export`.{notes}
"""
