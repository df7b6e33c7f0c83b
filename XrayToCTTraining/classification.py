"""Fitting the CT classifier (healthy / sick / TB) on true and on generated volumes of the same simulated patients."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm import tqdm

from XrayToCTLib.classifier import CLASSES, CLASSIFIERS, CTClassifier, classify
from XrayToCTLib.projection import Geometry
from XrayToCTTraining.checkpoints import load_checkpoint, save_checkpoint
from XrayToCTTraining.data.cohort import Case, Cohort, save_array
from XrayToCTTraining.reconstruction import predict, training_pair
from XrayToCTTraining.simulation.acquisition import CLEAN, random_style

KINDS = (
    "true",
    "generated",
)  # both of every patient: a classifier that learns only one would judge the other by its blur


@dataclass(frozen=True)
class ClassifierFit:
    """What a fit of the classifier is made of.

    Attributes:
        classifier: name of the configuration. epochs: passes over the training patients; batch: volumes a step.
        learning_rate: Adam's, decayed by 0.96 an epoch (the paper: 1e-4 for 50 epochs).
    """

    classifier: str = "compact"
    epochs: int = 50
    batch: int = 8
    learning_rate: float = 3e-4
    seed: int = 0


def write_volumes(cohort: Cohort, generator: nn.Module, geometry: Geometry, folder: Path) -> None:
    """Writes the true and the generated volume of every patient, as the classifier sees them, to ``folder``.

    float16 network values, (D, H, W). The radiograph of training patients has a random style. Resumable.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for index, case in enumerate(tqdm(cohort.cases, unit="volume", mininterval=10)):
        rng = np.random.default_rng((1, index))
        style = random_style(rng) if case.split == "training" else CLEAN
        paths = {kind: folder / f"{case.name}-{kind}.npy" for kind in KINDS}
        if all(path.is_file() for path in paths.values()):
            continue
        radiograph, truth = training_pair(cohort, case, geometry, style, rng)
        for kind, volume in (("true", truth[0, 0].numpy()), ("generated", predict(generator, radiograph))):
            save_array(paths[kind], volume.astype(np.float16))


def fit_classifier(cohort: Cohort, volumes: Path, run: Path, fit: ClassifierFit) -> Path:
    """Trains on the volumes of :func:`write_volumes`, resuming from ``run``.

    Returns:
        Path of the checkpoint of the epoch with the best validation accuracy on generated volumes.
    """
    run.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(fit.seed)
    model = CTClassifier(CLASSIFIERS[fit.classifier])
    optimiser = torch.optim.Adam(model.parameters(), lr=fit.learning_rate)
    training = [(case, kind) for case in cohort.of_split("training") for kind in KINDS]
    latest, best, first, best_accuracy = run / "latest.pt", run / "best.pt", 0, -1.0
    if (state := load_checkpoint(latest)) is not None:
        model.load_state_dict(state["model"])
        optimiser.load_state_dict(state["optimiser"])
        first, best_accuracy = state["epoch"], state["best_accuracy"]
    (run / "fit.json").write_text(json.dumps(asdict(fit), indent=2))
    for epoch in tqdm(range(first, fit.epochs), initial=first, total=fit.epochs, unit="epoch", mininterval=10):
        rng = np.random.default_rng((fit.seed, epoch))
        torch.manual_seed(int(rng.integers(2**31)))
        for group in optimiser.param_groups:
            group["lr"] = fit.learning_rate * 0.96**epoch
        model.train()
        order, losses = rng.permutation(len(training)), []
        for start in range(
            0, len(order) - fit.batch + 1, fit.batch
        ):  # a last, smaller batch would upset the batch norm
            chosen = [training[i] for i in order[start : start + fit.batch]]
            x = torch.cat([_shifted(_volume(volumes, case, kind), rng) for case, kind in chosen])
            y = torch.tensor([CLASSES.index(case.label) for case, _ in chosen])
            loss = F.cross_entropy(model(x), y)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            losses.append(loss.item())
        scores = evaluate_classifier(model, volumes, cohort.of_split("validation"), "generated")
        if scores["accuracy"] > best_accuracy:
            best_accuracy = scores["accuracy"]
            save_checkpoint(best, {"model": model.state_dict(), "epoch": epoch + 1})
        state = {"model": model.state_dict(), "optimiser": optimiser.state_dict()}
        save_checkpoint(latest, {**state, "epoch": epoch + 1, "best_accuracy": best_accuracy})
        with (run / "log.jsonl").open("a") as log:
            log.write(json.dumps({"epoch": epoch + 1, "loss": float(np.mean(losses)), **scores}) + "\n")
    return best


def evaluate_classifier(model: CTClassifier, volumes: Path, cases: tuple[Case, ...], kind: str) -> dict[str, float]:
    """Accuracy, and recall and precision of TB (0 where undefined), on the ``kind`` volumes of ``cases``."""
    model.eval()
    predicted = np.array([int(classify(model, _volume(volumes, case, kind)).argmax()) for case in cases])
    truth = np.array([CLASSES.index(case.label) for case in cases])
    tb = CLASSES.index("tb")
    hits = float(((predicted == tb) & (truth == tb)).sum())
    return {
        "accuracy": float((predicted == truth).mean()),
        "tb_recall": hits / max(float((truth == tb).sum()), 1.0),
        "tb_precision": hits / max(float((predicted == tb).sum()), 1.0),
    }


def _volume(folder: Path, case: Case, kind: str) -> Tensor:
    volume = np.load(folder / f"{case.name}-{kind}.npy", allow_pickle=False)
    return torch.from_numpy(volume.astype(np.float32))[None, None]


def _shifted(volume: Tensor, rng: np.random.Generator, limit: int = 6) -> Tensor:
    """Moved by up to ``limit`` voxels along each axis; what leaves on one side is air coming in on the other."""
    shift = rng.integers(-limit, limit + 1, 3)
    padded = F.pad(volume, (limit,) * 6)
    start = limit + shift
    for axis, first in enumerate(start):
        padded = padded.narrow(2 + axis, int(first), volume.shape[2 + axis])
    return padded
