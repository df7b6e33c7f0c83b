"""What the worker's jobs do. Networks stay loaded from one request to the next."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from XrayToCTLib.ct_projection import write_projection
from XrayToCTLib.errors import UnsuitableInput
from XrayToCTLib.generation import export_files, generate_files
from XrayToCTLib.memory import generator_memory_mb
from XrayToCTLib.model_import import import_model
from XrayToCTLib.models import (
    default_model,
    default_of,
    find,
    generator_config,
    load_input_check,
    scan_models,
    trained_geometry,
)
from XrayToCTLib.pictures import gray_picture, write_png
from XrayToCTLib.pipeline import Models, load_models
from XrayToCTLib.prepared_input import header_facts, prepare_input
from XrayToCTLib.progress import USUAL, Timeline, expected_seconds, learned
from XrayToCTLib.worker_protocol import ExportJob, GenerateJob, ImportJob, PreviewJob, ProjectJob, job_of

PREVIEW_NAME = "preview.png"
_PURPOSES = {
    "generator": "Makes a CT volume of one frontal chest X-ray.",
    "ct_classifier": "Tells healthy, sick and TB apart in a CT volume.",
    "xray_classifier": "Tells healthy, sick and TB apart in an X-ray.",
    "input_check": "Warns of pictures unlike the chest X-rays of training.",
    "style_transfer": "Turns an X-ray into the style of simulated ones.",
}
Report = Callable[[str, float, float | None], None]


@dataclass(frozen=True)
class _Loaded:
    """Networks, and what they were loaded for: model, device, and the file's state (time of change, size)."""

    wanted: tuple[str | None, str]
    state: tuple[int, int] | None
    models: Models


class WorkerJobs:
    """Carries out requests, see :class:`XrayToCTLib.worker.Worker`."""

    def __init__(self) -> None:
        self._loaded: _Loaded | None = None
        self._pace: dict[str, float] | None = None  # None until a job has been timed

    def __call__(self, request: dict[str, Any], report: Report) -> dict[str, Any]:
        """The result of a request.

        Raises:
            WrongUsage, UnsuitableInput, ModelError, DeviceError: see the classes.
        """
        job = job_of(request)
        if isinstance(job, GenerateJob):
            return self._generate(job, report)
        if isinstance(job, ExportJob):
            return export_files(job.options, lambda stage, part: report(stage, part, None))
        if isinstance(job, PreviewJob):
            return preview(job)
        if isinstance(job, ImportJob):
            info = import_model(job.file)
            return {"name": info.name, "kind": info.kind, "file": str(info.path)}
        if isinstance(job, ProjectJob):
            return {"projection": str(write_projection(job.ct, job.geometry, job.kind, job.output))}
        return list_of_models()

    def _generate(self, job: GenerateJob, report: Report) -> dict[str, Any]:
        pace = self._pace or USUAL
        expected = expected_seconds(job.options, pace, loaded=self._kept(job.model, job.device) is not None)
        timeline = Timeline(expected, timed=self._pace is not None)

        def progress(stage: str, part: float) -> None:
            standing = timeline.at(stage, part)
            report(standing.stage, standing.fraction, standing.seconds_left)

        progress("load", 0.0)
        models = self._models(job.model, job.device)
        result = generate_files(job.options, models, progress)
        self._pace = learned(pace, job.options, result["seconds"])
        return result

    def _models(self, model: str | None, device: str) -> Models:
        """The networks of a request, loaded where they are not in memory."""
        kept = self._kept(model, device)
        if kept is not None:
            return kept
        self._loaded = None  # only one generator at a time has to fit
        models = load_models(model, device)
        self._loaded = _Loaded((model, device), _state(models), models)
        return models

    def _kept(self, model: str | None, device: str) -> Models | None:
        """The networks in memory; None where others are wanted or the model's file has changed."""
        kept = self._loaded
        if kept is None or kept.wanted != (model, device) or kept.state is None or _state(kept.models) != kept.state:
            return None
        return kept.models


def _state(models: Models) -> tuple[int, int] | None:
    try:
        status = models.generator_info.path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size


def preview(job: PreviewJob) -> dict[str, Any]:
    """Writes the X-ray as the model's network will see it, and says how it was read; loads no generator."""
    info = find(job.model, "generator") if job.model else default_model("generator")
    size = generator_config(info).size
    check = load_input_check(default_model("input_check"))
    prepared = prepare_input(job.source, trained_geometry(info, size), size, check, job.reading)
    path = job.output / PREVIEW_NAME
    try:
        write_png(path, gray_picture(prepared.image), synthetic=False)
    except OSError as error:
        raise UnsuitableInput(
            f"{job.output} cannot be written ({error.strerror}); choose another output folder."
        ) from error
    return {
        "image": str(path),
        "size_mm": list(prepared.geometry.field_at_isocentre_mm),
        "size_is_nominal": prepared.size_is_nominal,
        "view": prepared.geometry.view,
        "geometry": prepared.geometry.to_dict(),
        "warnings": list(prepared.warnings),
        "header": header_facts(prepared.radiograph),
    }


def list_of_models() -> dict[str, Any]:
    """What is on the search path, and a sentence for each file there that is no model."""
    found, problems = scan_models()
    described = [
        {
            "name": info.name,
            "kind": info.kind,
            "file": str(info.path),
            "sha256": info.sha256,
            "is_default": default_of(found, info.kind) is info,
            "description": _PURPOSES.get(info.kind, "A network that is not used here."),
            "training_data": str(info.metadata.get("training_data", "")),
            "limits": str(info.metadata.get("summary", "")),
            "size_mb": round(info.path.stat().st_size / 1e6, 1),
            "memory_mb": generator_memory_mb(info) if info.kind == "generator" else None,
            "voxels": generator_config(info).size if info.kind == "generator" else None,
            "geometry": info.geometry.to_dict() if info.geometry else None,
            "card": info.card,
        }
        for info in found
    ]
    return {"models": described, "problems": [str(problem) for problem in problems]}
