"""``python -m XrayToCTTraining fit``: options of every training, from presets, YAML files and the command line."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from jsonargparse import ActionConfigFile, ArgumentParser, Namespace

from XrayToCTLib.errors import UnsuitableInput

EXAMPLES = {
    "reconstruction": """examples:
  %(prog)s --pairs runs/lidc --xrays runs/tbx11k --run runs/paper --preset paper
  %(prog)s --pairs runs/cohort --run runs/compact --preset compact --epochs 4 --engine.precision bf16-mixed
  torchrun --nnodes 2 --nproc-per-node 4 -m XrayToCTTraining fit reconstruction --pairs runs/lidc \\
    --xrays runs/tbx11k --run runs/paper --preset paper --batch 8 --engine.devices 4 --engine.nodes 2""",
    "cyclegan": "example:\n  %(prog)s --xrays runs/tbx11k --drrs runs/lidc --run runs/cyclegan",
    "ct-classifier": """example:
  %(prog)s --cohort runs/tbx11k --generator runs/paper --run runs/ct-classifier""",
    "xray-classifier": """example:
  %(prog)s --cohort runs/tbx11k --run runs/xray-classifier --timm vit_small_patch16_224.safetensors""",
    "joint-classifier": """example:
  %(prog)s --cohort runs/tbx11k --generator runs/paper --run runs/joint-classifier""",
    "input-check": "example:\n  %(prog)s --xrays runs/tbx11k --pairs runs/cohort --run runs/input-check",
}


def run(arguments: Sequence[str]) -> None:
    """One ``fit NETWORK``, given the words after ``fit``."""
    prog = "python -m XrayToCTTraining fit"
    if not arguments or arguments[0] not in NETWORKS:
        known = "\n".join(f"  {name:<18}{summary}" for name, (summary, _, _) in NETWORKS.items())
        wanted = bool(arguments) and arguments[0] in ("-h", "--help")
        text = (
            f"usage: {prog} NETWORK [options]\n\nTrain a network; a stopped training goes on where it was.\n\n{known}\n"
        )
        print(text, file=sys.stdout if wanted else sys.stderr)
        raise SystemExit(0 if wanted else 2)
    network = arguments[0]
    summary, add_options, train = NETWORKS[network]
    parser = ArgumentParser(
        prog=f"{prog} {network}", description=summary, epilog=EXAMPLES[network], formatter_class=_formatter()
    )
    parser.add_argument("--config", action=ActionConfigFile, help="YAML file of options; later options win")
    add_options(parser)
    from XrayToCTTraining.engine import Engine

    parser.add_class_arguments(Engine, "engine")
    options = parser.parse_args(_with_preset(network, list(arguments[1:])))
    train(parser.instantiate_classes(options))


def _with_preset(network: str, arguments: list[str]) -> list[str]:
    """``--preset NAME`` stands for the YAML file of that name that comes with the package."""
    if "--preset" not in arguments:
        return arguments
    place = arguments.index("--preset")
    folder = resources.files("XrayToCTTraining") / "configs"
    presets = {path.name.removeprefix(f"{network}-").removesuffix(".yaml"): path for path in folder.iterdir()}
    presets = {name: path for name, path in presets.items() if path.name == f"{network}-{name}.yaml"}
    name = arguments[place + 1] if place + 1 < len(arguments) else ""
    if name not in presets:
        raise UnsuitableInput(f"There is no preset {name!r}; choose one of {', '.join(sorted(presets))}.")
    return ["--config", str(presets[name]), *arguments[:place], *arguments[place + 2 :]]


def _formatter() -> Any:
    from argparse import RawDescriptionHelpFormatter

    from jsonargparse import DefaultHelpFormatter

    return type("Formatter", (RawDescriptionHelpFormatter, DefaultHelpFormatter), {})


def _folder(parser: ArgumentParser, name: str, text: str, required: bool = True) -> None:
    kind: Any = Path if required else Path | None
    parser.add_argument(f"--{name}", type=kind, required=required, default=None, help=text)


def _reconstruction_options(parser: ArgumentParser) -> None:
    from XrayToCTTraining.reconstruction import ReconstructionFit

    parser.add_argument("--preset", help="paper, x2ct, compact or test (a YAML file of the package)")
    _folder(parser, "pairs", "prepared or simulated cases with CTs")
    _folder(parser, "xrays", "prepared radiographs for shape induction", required=False)
    _folder(parser, "run", "folder of checkpoints and logs")
    _folder(parser, "start", "checkpoint of another run to begin with, such as its stage 1", required=False)
    parser.add_class_arguments(ReconstructionFit, None)


def _run_reconstruction(options: Namespace) -> None:
    from XrayToCTTraining.data.cohort import open_cohort
    from XrayToCTTraining.reconstruction import ReconstructionFit, fit_reconstruction

    xrays = open_cohort(options.xrays) if options.xrays else None
    settings = _settings(ReconstructionFit, options)
    fit_reconstruction(open_cohort(options.pairs), xrays, options.run, settings, options.engine, options.start)


def _settings(kind: type, options: Namespace) -> Any:
    from dataclasses import fields

    return kind(**{field.name: options[field.name] for field in fields(kind)})


def _cyclegan_options(parser: ArgumentParser) -> None:
    from XrayToCTTraining.cyclegan import CycleGANFit

    parser.add_argument("--preset", help="test (a YAML file of the package)")
    _folder(parser, "xrays", "prepared real radiographs")
    _folder(parser, "drrs", "prepared or simulated cases whose radiographs are projections")
    _folder(parser, "run", "folder of checkpoints and logs")
    parser.add_class_arguments(CycleGANFit, None)


def _run_cyclegan(options: Namespace) -> None:
    from XrayToCTTraining.cyclegan import CycleGANFit, fit_cyclegan
    from XrayToCTTraining.data.cohort import open_cohort

    settings = _settings(CycleGANFit, options)
    fit_cyclegan(open_cohort(options.xrays), open_cohort(options.drrs), options.run, settings, options.engine)


def _classifier_options(kind: str) -> Callable[[ArgumentParser], None]:
    def add(parser: ArgumentParser) -> None:
        from XrayToCTTraining import classifiers

        parser.add_argument("--preset", help="test (a YAML file of the package)")
        _folder(parser, "cohort", "prepared or simulated cases with labels")
        _folder(parser, "run", "folder of checkpoints, logs and generated volumes")
        if kind != "XrayClassifierFit":
            _folder(parser, "generator", "run of `fit reconstruction` that makes the volumes", required=False)
            _folder(parser, "style", "run of `fit cyclegan` to apply to radiographs before", required=False)
        if kind != "CTClassifierFit":
            _folder(parser, "timm", "checkpoint file of timm's vision transformer to begin with", required=False)
        parser.add_class_arguments(getattr(classifiers, kind), None)

    return add


def _run_classifier(kind: str) -> Callable[[Namespace], None]:
    def run(options: Namespace) -> None:
        from XrayToCTTraining import classifiers
        from XrayToCTTraining.classification import fit_classifier
        from XrayToCTTraining.data.cohort import open_cohort
        from XrayToCTTraining.data.lines import write_lines
        from XrayToCTTraining.strategies import volumes_of

        cohort, settings = open_cohort(options.cohort), _settings(getattr(classifiers, kind), options)
        if isinstance(settings, classifiers.CTClassifierFit):
            cohort = cohort.limited("training", settings.patients)
        generator, style = options.get("generator"), options.get("style")
        folder = volumes_of(cohort, generator, style, options.run / "volumes") if generator else None
        if kind == "XrayClassifierFit" and settings.augment == "styles":
            folder, size = options.run / "lines", classifiers.xray_config(settings.classifier).size
            cases = [case for case in cohort.of_split("training") if classifiers.is_usable(case, settings)]
            write_lines(cohort, cases, size, settings.planted, folder)
        fit_classifier(cohort, folder, options.run, settings, options.engine, options.get("timm"))

    return run


def _input_check_options(parser: ArgumentParser) -> None:
    from XrayToCTTraining.input_check_fit import InputCheckFit

    parser.add_argument("--preset", help="test (a YAML file of the package)")
    _folder(parser, "xrays", "prepared real radiographs, all of them frontal and as displayed")
    _folder(parser, "pairs", "simulated cases, for lateral views and sections")
    _folder(parser, "run", "folder of checkpoints and logs")
    parser.add_class_arguments(InputCheckFit, None)


def _run_input_check(options: Namespace) -> None:
    from XrayToCTTraining.data.cohort import open_cohort
    from XrayToCTTraining.input_check_fit import InputCheckFit, fit_input_check

    settings = _settings(InputCheckFit, options)
    fit_input_check(open_cohort(options.xrays), open_cohort(options.pairs), options.run, settings, options.engine)


NETWORKS: dict[str, tuple[str, Callable[[ArgumentParser], None], Callable[[Namespace], None]]] = {
    "reconstruction": ("radiograph to CT: X2CT-GAN and shape induction", _reconstruction_options, _run_reconstruction),
    "cyclegan": ("real radiograph to the style of projections", _cyclegan_options, _run_cyclegan),
    "ct-classifier": (
        "healthy, sick or TB from a CT volume",
        _classifier_options("CTClassifierFit"),
        _run_classifier("CTClassifierFit"),
    ),
    "xray-classifier": (
        "healthy, sick or TB from a radiograph",
        _classifier_options("XrayClassifierFit"),
        _run_classifier("XrayClassifierFit"),
    ),
    "joint-classifier": (
        "healthy, sick or TB from both",
        _classifier_options("JointClassifierFit"),
        _run_classifier("JointClassifierFit"),
    ),
    "input-check": ("is a picture a frontal chest radiograph?", _input_check_options, _run_input_check),
}
