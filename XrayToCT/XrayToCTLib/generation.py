"""One X-ray from its file to the files of its result: what the command line and the worker share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from XrayToCTLib.anonymise import anonymise
from XrayToCTLib.errors import UnsuitableInput
from XrayToCTLib.options import GenerateOptions
from XrayToCTLib.outputs import summary, write_outputs
from XrayToCTLib.pipeline import Models, generate


def generate_files(
    options: GenerateOptions,
    models: Models,
    case: str,
    progress: Callable[[str, float], None] = lambda stage, part: None,
) -> dict[str, Any]:
    """Predicts and writes a result, whole or not at all.

    Args:
        options: what to make. models: the networks.
        case: what an anonymised result is called.
        progress: called with a stage and the fraction of it that is done; may raise to cancel.

    Returns:
        The object of ``generate --json``.

    Raises:
        UnsuitableInput, ModelError, DeviceError: see the classes.
    """
    folder = options.output
    if options.anonymise and folder.is_dir() and any(folder.iterdir()):
        raise UnsuitableInput(
            f"{folder} holds files that may name the patient; choose an empty folder to anonymise into."
        )
    prediction = generate(
        options.source,
        models,
        is_network_input=options.is_network_input,
        reading=options.reading,
        refine_steps=options.refine_steps,
        uncertainty_samples=options.uncertainty_samples,
        progress=progress,
    )
    if options.anonymise:
        prediction = anonymise(prediction, case)
    progress("write", 0.0)
    outputs, seconds = write_outputs(prediction, folder, options.formats)
    return summary(prediction, outputs, seconds)
