"""What each command of the training package does, once its arguments are known."""

import argparse
import json
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

from XrayToCTLib.classifier import CLASSIFIERS, CTClassifier
from XrayToCTLib.errors import UnsuitableInput
from XrayToCTLib.generator import GENERATORS, Generator
from XrayToCTLib.projection import Geometry
from XrayToCTTraining.checkpoints import load_checkpoint
from XrayToCTTraining.classification import ClassifierFit, fit_classifier, write_volumes
from XrayToCTTraining.data.cohort import open_cohort
from XrayToCTTraining.evaluation import evaluate_on_ct, evaluate_with_baseline
from XrayToCTTraining.export import export_weights
from XrayToCTTraining.reconstruction import GeneratorFit, fit_generator
from XrayToCTTraining.simulation.write_cohort import CohortRequest, write_cohort

Settings = TypeVar("Settings", GeneratorFit, ClassifierFit)


def simulate(options: argparse.Namespace) -> None:
    atlases = tuple(str(path) for path in options.atlas)
    request = CohortRequest(options.patients, options.seed, options.size, options.side_mm, atlases)
    write_cohort(options.out, request, options.workers)


def fit(options: argparse.Namespace) -> None:
    cohort = open_cohort(options.cohort)
    if options.network == "generator":
        print(fit_generator(cohort, options.run, _settings(GeneratorFit, options)))
        return
    generator, geometry, _ = trained_generator(options.generator_run)
    volumes = options.run / "volumes"
    write_volumes(cohort, generator, geometry, volumes)
    print(fit_classifier(cohort, volumes, options.run, _settings(ClassifierFit, options)))


def evaluate(options: argparse.Namespace) -> None:
    cohort = open_cohort(options.cohort)
    generator, geometry, _ = trained_generator(options.run)
    scores: dict[str, Any] = evaluate_with_baseline(generator, cohort, options.split, geometry)
    if options.ct is not None:
        scores["real_ct"] = evaluate_on_ct(generator, cohort, options.ct, geometry)
    print(json.dumps(scores, indent=2))


def export(options: argparse.Namespace) -> None:
    cohort = open_cohort(options.cohort)
    generator = trained_generator(options.generator)
    classifier = trained_classifier(options.classifier)
    for path in export_weights(cohort, generator, classifier, options.classifier / "volumes", options.ct, options.out):
        print(path)


def trained_generator(run: Path) -> tuple[Generator, Geometry, dict[str, Any]]:
    """The averaged weights of a run of ``fit generator``, the geometry it was trained on, and its settings.

    Raises:
        UnsuitableInput: there is no checkpoint in ``run``.
    """
    record, state = _read_run(run, "checkpoint.pt")
    generator = Generator(GENERATORS[record["generator"]])
    averaged = {key.removeprefix("module."): value for key, value in state["averaged"].items() if key != "n_averaged"}
    generator.load_state_dict(averaged)
    return generator.eval(), Geometry.from_dict(record["geometry"]), {**record, "steps_done": state["step"]}


def trained_classifier(run: Path) -> tuple[CTClassifier, dict[str, Any]]:
    """The best epoch of a run of ``fit ct-classifier`` and its settings.

    Raises:
        UnsuitableInput: there is no checkpoint in ``run``.
    """
    record, state = _read_run(run, "best.pt")
    classifier = CTClassifier(CLASSIFIERS[record["classifier"]])
    classifier.load_state_dict(state["model"])
    return classifier.eval(), {**record, "best_epoch": state["epoch"]}


def _read_run(run: Path, checkpoint: str) -> tuple[dict[str, Any], dict[str, Any]]:
    state = load_checkpoint(run / checkpoint)
    if state is None:
        raise UnsuitableInput(f"{run} holds no {checkpoint}; train with `python -m XrayToCTTraining fit` first.")
    return json.loads((run / "fit.json").read_text()), state


def _settings(kind: type[Settings], options: argparse.Namespace) -> Settings:
    return kind(**{field.name: getattr(options, field.name) for field in fields(kind)})
