"""Model files: safetensors with one JSON object of metadata, beside a card (Markdown) and a record of checksums.

Files are treated as hostile: every length in a header is checked against limits and against the file before anything
of that length is allocated, and nothing in a file is ever executed.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from torch import Tensor

from XrayToCTLib.atomic_write import write_bytes_atomically
from XrayToCTLib.errors import ModelError

FORMAT = 1
KINDS = (
    *("generator", "discriminator", "style_transfer", "input_check"),
    *("ct_classifier", "xray_classifier", "joint_classifier"),
)
SUFFIX = ".safetensors"
CHECKSUMS = "SHA256SUMS"

MAX_FILE_BYTES = 1 << 30
MAX_HEADER_BYTES = 1 << 22
MAX_CARD_BYTES = 1 << 18
MAX_TENSORS = 8192
MAX_AXES = 8

_METADATA_KEY = "xraytoct"
_ITEM_BYTES = {"F16": 2, "F32": 4, "F64": 8, "I64": 8}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")


@dataclass(frozen=True)
class ModelHeader:
    """What a model file says about itself: shapes of its tensors by name, and the JSON object of its metadata."""

    shapes: dict[str, tuple[int, ...]]
    metadata: dict[str, Any]


def check_name(name: str) -> str:
    """The name itself, where it can be a file's name without any folder. Raises ModelError where it cannot."""
    if not _NAME.fullmatch(name):
        raise ModelError(f"{name!r} cannot be a model's name; use letters and digits, then also '.', '_' and '-'.")
    return name


def read_bytes(path: Path) -> bytes:
    """The whole file. Raises ModelError where it is missing, unreadable or over MAX_FILE_BYTES."""
    try:
        with open(path, "rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except FileNotFoundError:
        raise ModelError(
            f"The model file {path} does not exist; see 'xray-to-ct models list' for those that do."
        ) from None
    except OSError as error:
        raise ModelError(f"The model file {path} cannot be read ({error.strerror}); check its permissions.") from error
    if len(content) > MAX_FILE_BYTES:
        raise ModelError(
            f"The model file {path} is over {MAX_FILE_BYTES >> 30} GiB; no model of this program is so large."
        )
    return content


def sha256_of(content: bytes) -> str:
    """SHA-256 in lower-case hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def parse_header(content: bytes, path: Path) -> ModelHeader:
    """The checked header of a model file's content; no tensor is touched.

    Raises ModelError where the header is over MAX_HEADER_BYTES, is not JSON, describes tensors that do not lie one
    after the other in the file, or lacks the metadata that this program writes.
    """
    length = int.from_bytes(content[:8], "little")
    if len(content) < 8 or not 2 <= length <= min(MAX_HEADER_BYTES, len(content) - 8):
        raise _damaged(path, "its header does not fit the file")
    try:
        entries = json.loads(content[8 : 8 + length].decode("utf-8"))
        texts = entries.pop("__metadata__", {})
        if not 1 <= len(entries) <= MAX_TENSORS:
            raise ValueError(f"it holds {len(entries)} tensors")
        spans = {name: _tensor_span(entry) for name, entry in entries.items()}
        end = 0
        for _, first, last in sorted(spans.values(), key=lambda span: span[1:]):
            if first != end:
                raise ValueError("its tensors overlap or leave gaps")
            end = last
        if end != len(content) - 8 - length:
            raise ValueError("it is not as long as its tensors")
        metadata = _parse_metadata(texts)
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise _damaged(path, _reason(error)) from error
    return ModelHeader({name: shape for name, (shape, _, _) in spans.items()}, metadata)


def parse_tensors(content: bytes, path: Path) -> dict[str, Tensor]:
    """The tensors of a content that ``parse_header`` accepted, floating-point ones as float32 on the CPU.

    Raises ModelError where a value is not finite.
    """
    try:
        stored = safetensors.torch.load(content)
    except (safetensors.SafetensorError, RuntimeError, ValueError) as error:
        raise _damaged(path, _reason(error)) from error
    tensors = {name: _float32(tensor) if tensor.is_floating_point() else tensor for name, tensor in stored.items()}
    for name, tensor in tensors.items():
        if not _all_finite(tensor):
            raise _damaged(path, f"{name} holds values that are not finite")
    return tensors


def write_model(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, Any]) -> str:
    """Write a model file atomically, record its checksum beside it, and return the checksum.

    metadata must hold ``kind`` and ``config``; ``format`` is added. Raises ModelError where the folder cannot be
    written or a value is not finite.
    """
    for name, tensor in tensors.items():
        if not _all_finite(tensor):
            raise ModelError(f"{path} was not written because {name} holds values that are not finite; train it again.")
    text = json.dumps({"format": FORMAT, **metadata}, allow_nan=False, sort_keys=True)
    content = safetensors.torch.save(
        {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, {_METADATA_KEY: text}
    )
    parse_header(content, path)  # what is written can be read back
    checksum = sha256_of(content)
    # the record goes first: a model without a record still loads, one with another model's record is refused
    records = checksums(path.parent)
    if records.pop(path.name, None):
        _write_checksums(path.parent, records)
    write_atomically(path, content)
    _write_checksums(path.parent, {**records, path.name: checksum})
    return checksum


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file under a temporary name, then move it into place. Raises ModelError where that fails."""
    try:
        write_bytes_atomically(path, content)
    except OSError as error:
        raise ModelError(
            f"{path} cannot be written ({error.strerror}); check the folder's permissions and space."
        ) from error


def checksums(folder: Path) -> dict[str, str]:
    """SHA-256 by file name as recorded in the folder's SHA256SUMS (the format of sha256sum); empty without one."""
    try:
        with open(folder / CHECKSUMS, encoding="utf-8", errors="replace") as file:
            lines = file.read(MAX_HEADER_BYTES).splitlines()
    except OSError:
        return {}
    matches = (re.fullmatch(r"([0-9a-fA-F]{64}) [ *](.+)", line) for line in lines)
    return {match[2]: match[1].lower() for match in matches if match}


def card_path(path: Path) -> Path:
    """Where the card of a model file lies."""
    return path.with_suffix(".md")


def read_card(path: Path) -> str | None:
    """The card of a model file (at most MAX_CARD_BYTES of it), or None where it has none."""
    try:
        with open(card_path(path), "rb") as file:
            return file.read(MAX_CARD_BYTES).decode("utf-8", errors="replace")
    except OSError:
        return None


# The next two use numpy, because torch would wake its threads for each of hundreds of small tensors: seconds on a busy
# machine.
def _float32(tensor: Tensor) -> Tensor:
    return torch.from_numpy(np.asarray(tensor.numpy(), dtype=np.float32))


def _all_finite(tensor: Tensor) -> bool:
    return bool(np.isfinite(tensor.detach().cpu().float().numpy()).all())


def _tensor_span(entry: dict[str, Any]) -> tuple[tuple[int, ...], int, int]:
    """Shape and the half-open range of bytes of one tensor. Raises ValueError, KeyError or TypeError."""
    shape, (first, last) = entry["shape"], entry["data_offsets"]
    numbers = [*shape, first, last]
    if any(type(number) is not int or not 0 <= number <= MAX_FILE_BYTES for number in numbers) or len(shape) > MAX_AXES:
        raise ValueError("a tensor's size is out of bounds")
    if math.prod(shape) * _ITEM_BYTES[entry["dtype"]] != last - first:
        raise ValueError("a tensor's size does not fit its shape")
    return tuple(shape), first, last


def _parse_metadata(texts: dict[str, str]) -> dict[str, Any]:
    if _METADATA_KEY not in texts:
        raise ValueError("it has no metadata of this program")
    metadata = json.loads(texts[_METADATA_KEY])
    if metadata["format"] != FORMAT:
        raise ValueError(f"its format is {metadata['format']!r} where this program reads {FORMAT}")
    if metadata["kind"] not in KINDS:
        raise ValueError(f"its kind is {metadata['kind']!r}")
    if not isinstance(metadata["config"], dict) or not isinstance(metadata.get("geometry"), (dict, type(None))):
        raise ValueError("its configuration or geometry is not an object")
    return metadata


def _write_checksums(folder: Path, records: Mapping[str, str]) -> None:
    text = "".join(f"{checksum}  {name}\n" for name, checksum in sorted(records.items()))
    write_atomically(folder / CHECKSUMS, text.encode())


def _reason(error: Exception) -> str:
    """One short clause, whatever the file made the message hold."""
    detail = (
        f"{type(error).__name__} {error}" if isinstance(error, (KeyError, AttributeError, TypeError)) else str(error)
    )
    return " ".join(detail.split())[:120]


def _damaged(path: Path, reason: str) -> ModelError:
    return ModelError(
        f"The model file {path} is damaged or not a model of this program ({reason}); get or import it again."
    )
