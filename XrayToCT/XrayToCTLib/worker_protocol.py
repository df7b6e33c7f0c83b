"""What goes over the worker's pipes: requests in, events out, a JSON object a line. Neither Qt nor torch is needed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from XrayToCTLib.errors import WrongUsage
from XrayToCTLib.geometry import Geometry
from XrayToCTLib.options import AS_RECORDED, DEVICES, ExportOptions, GenerateOptions, Reading, ResultFiles

PREFIX = "XRAYTOCT:"
LONGEST_REQUEST = 1_000_000  # bytes of a line
JOBS = ("generate", "export", "preview", "models", "import", "project", "shutdown", "cancel")
PATHS = ("xray", "output", "model", "file", "ct", "result")

_READING = {"view", "invert", "flip", "crop"}
_FILES = {"output", "formats", "anonymise", "pseudonym", "study_uid"}
_KEYS = {
    "generate": {"xray", "model", "device", "refine", "uncertainty"} | _FILES | _READING,
    "export": {"result", "xray"} | _FILES,
    "preview": {"xray", "output", "model"} | _READING,
    "import": {"file"},
    "project": {"ct", "output", "kind", "geometry"},
}
Value = TypeVar("Value")


@dataclass(frozen=True)
class GenerateJob:
    """A result to write: ``options``, by a model's name or file (None: the shipped one), on a device."""

    options: GenerateOptions
    model: str | None
    device: str


@dataclass(frozen=True)
class ExportJob:
    """Files of a result that is there already."""

    options: ExportOptions


@dataclass(frozen=True)
class PreviewJob:
    """A picture of an X-ray as the network of a model (None: the shipped one) sees it, to write to a folder."""

    source: Path
    output: Path
    reading: Reading
    model: str | None


@dataclass(frozen=True)
class ModelsJob:
    """The list of models."""


@dataclass(frozen=True)
class ImportJob:
    """A model file to add to the user's folder."""

    file: Path


@dataclass(frozen=True)
class ProjectJob:
    """A projection to write to a folder: of a CT, in a geometry, by a kind of `PROJECTIONS`."""

    ct: Path
    output: Path
    kind: str
    geometry: Geometry


Job = GenerateJob | ExportJob | PreviewJob | ModelsJob | ImportJob | ProjectJob
PROJECTIONS = ("cone", "mean")


def line_of(message: Mapping[str, Any]) -> bytes:
    """A request as a line of ASCII."""
    return json.dumps(message, allow_nan=False).encode("ascii") + b"\n"


def event_line(event: Mapping[str, Any]) -> bytes:
    """An event as a line of ASCII, after the prefix that tells it from what libraries print."""
    return PREFIX.encode("ascii") + line_of(event)


def event_of(line: bytes) -> dict[str, Any] | None:
    """The event in a line; None where a library printed it. What stands before the prefix was printed, too."""
    _, found, text = line.partition(PREFIX.encode("ascii"))
    if not found:
        return None
    try:
        event = json.loads(text)
    except ValueError:
        return None
    return event if isinstance(event, dict) and "event" in event else None


def request_of(line: bytes) -> dict[str, Any]:
    """The request in a line: an object with a known ``job`` and a whole number ``id`` (``shutdown`` needs none).

    Raises:
        WrongUsage: it is none.
    """
    try:
        request = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise WrongUsage("A request must be one JSON object a line.") from error
    if not isinstance(request, dict):
        raise WrongUsage("A request must be one JSON object a line.")
    if request.get("job") not in JOBS:
        raise WrongUsage(f"A request's job must be one of {', '.join(JOBS)}.")
    if request["job"] != "shutdown" and type(request.get("id")) is not int:
        raise WrongUsage("A request needs a whole number as its id.")
    return request


def job_of(request: Mapping[str, Any]) -> Job:
    """What a request asks for, each value checked.

    Raises:
        WrongUsage: a key is unknown or missing, a value is not one, or a path is not absolute.
    """
    name = request["job"]
    unknown = set(request) - {"id", "job"} - _KEYS.get(name, set())
    if unknown:
        raise WrongUsage(f"A request to {name} has no {', '.join(sorted(unknown))[:200]!r}; leave it out.")
    if name == "models":
        return ModelsJob()
    if name == "import":
        return ImportJob(_path("file", _value(request, "file", str, None)))
    if name == "project":
        return _project_job(request)
    if name == "export":
        return _export_job(request)
    source, output = (_path(key, _value(request, key, str, None)) for key in ("xray", "output"))
    model = _value(request, "model", str, "") or None
    if model is not None and model.endswith(".safetensors"):
        model = str(_path("model", model))
    try:
        reading = _reading(request)
        if name == "preview":
            return PreviewJob(source, output, reading, model)
        options = GenerateOptions(
            source=source,
            files=_files(request, output),
            reading=reading,
            refine_steps=_value(request, "refine", int, 0),
            uncertainty_samples=_value(request, "uncertainty", int, 0),
        )
    except ValueError as error:
        raise WrongUsage(f"The request cannot be carried out: {error}.") from error
    device = _value(request, "device", str, DEVICES[0])
    if device not in DEVICES:
        raise WrongUsage(f"The device must be one of {', '.join(DEVICES)}.")
    return GenerateJob(options, model, device)


def _export_job(request: Mapping[str, Any]) -> ExportJob:
    result, output = (_path(key, _value(request, key, str, None)) for key in ("result", "output"))
    xray = _value(request, "xray", str, "")
    try:
        options = ExportOptions(result, _files(request, output), _path("xray", xray) if xray else None)
    except ValueError as error:
        raise WrongUsage(f"The request cannot be carried out: {error}.") from error
    return ExportJob(options)


def _project_job(request: Mapping[str, Any]) -> ProjectJob:
    ct, output = (_path(key, _value(request, key, str, None)) for key in ("ct", "output"))
    kind = _value(request, "kind", str, PROJECTIONS[0])
    if kind not in PROJECTIONS:
        raise WrongUsage(f"The kind of a projection must be one of {', '.join(PROJECTIONS)}.")
    try:
        return ProjectJob(ct, output, kind, Geometry.from_dict(_value(request, "geometry", dict, None)))
    except ValueError as error:
        raise WrongUsage(f"The request cannot be carried out: {error}.") from error


def _value(request: Mapping[str, Any], key: str, kind: type[Value], default: Value | None) -> Value:
    """A value of exactly a kind, since True is no number; what is left out or null is ``default``, if there is one."""
    value = request.get(key)
    if value is None and default is not None:
        return default
    if type(value) is not kind:
        raise WrongUsage(f"A request's {key!r} must be of the type {kind.__name__}.")
    return value


def _path(key: str, text: str) -> Path:
    path = Path(text)
    if "\0" in text or not path.is_absolute():
        raise WrongUsage(f"A request's {key!r} must be a whole path, from the root on, not {text[:200]!r}.")
    return path


def _reading(request: Mapping[str, Any]) -> Reading:
    crop = request.get("crop")
    if crop is not None:
        numbers = isinstance(crop, list) and all(type(edge) in (int, float) for edge in crop)
        if not numbers or len(crop) != 4:
            raise WrongUsage("A request's 'crop' must be four numbers: top, bottom, left and right edge.")
        crop = tuple(float(edge) for edge in crop)
    return Reading(
        view=None if request.get("view") is None else _value(request, "view", str, None),
        invert=_value(request, "invert", str, AS_RECORDED.invert),
        flip=_value(request, "flip", bool, AS_RECORDED.flip),
        crop=crop,
    )


def _files(request: Mapping[str, Any], folder: Path) -> ResultFiles:
    """Raises ValueError as :class:`ResultFiles`."""
    formats = _value(request, "formats", list, ["nrrd"])
    if not all(isinstance(name, str) for name in formats):
        raise WrongUsage("A request's 'formats' must be a list of names.")
    anonymise, pseudonym = _value(request, "anonymise", bool, False), _value(request, "pseudonym", str, "")
    study_uid = _value(request, "study_uid", str, "")
    return ResultFiles(folder, tuple(dict.fromkeys(formats)), anonymise, pseudonym, study_uid)
