"""What each code of a study stands for: the file that readers do not get."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from XrayToCTLib.errors import UnsuitableInput
from XrayToCTLib.reader_study.study import Study, damaged, read_json, text_of

REAL_ARM = "real"
_FORMAT, _VERSION = "XrayToCT key of a reader study", 1


@dataclass(frozen=True)
class KeyEntry:
    """What a code stands for.

    Attributes:
        code: of the case.
        source: the CT's path.
        source_sha256: of its file; of its voxels where it is a folder.
        arm: "real", or the name of a model or strategy.
        condition: healthy, sick or tb where the truth is known, else "".
        patient: whose it is.
        repeats: the code whose case this one shows again, or "".
    """

    code: str
    source: str
    source_sha256: str
    arm: str
    condition: str
    patient: str
    repeats: str


@dataclass(frozen=True)
class StudyKey:
    """The key of the study whose file has ``study_sha256``; with the same list, ``seed`` makes the same study."""

    study_sha256: str
    seed: int
    size: int
    side_mm: float
    entries: tuple[KeyEntry, ...]


def key_bytes(key: StudyKey) -> bytes:
    """The content of the key's file."""
    content = {"format": _FORMAT, "version": _VERSION, **asdict(key)}
    return json.dumps(content, ensure_ascii=False, indent=1).encode()


def read_key(path: Path, study: Study) -> StudyKey:
    """The key of a study.

    Raises:
        UnsuitableInput: it is missing or damaged, or another study's.
    """
    content = read_json(path, _FORMAT, _VERSION)
    try:
        names = KeyEntry.__dataclass_fields__
        entries = tuple(KeyEntry(**{name: text_of(entry[name]) for name in names}) for entry in content["entries"])
        key = StudyKey(
            text_of(content["study_sha256"]),
            int(content["seed"]),
            int(content["size"]),
            float(content["side_mm"]),
            entries,
        )
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise damaged(path) from error
    if key.study_sha256 != study.sha256:
        raise UnsuitableInput(f"{path.name!r} is the key of another study; give the one that was made with this study.")
    codes = [entry.code for entry in entries]
    firsts = {entry.code for entry in entries if not entry.repeats}
    if sorted(codes) != [case.code for case in study.cases] or any(e.repeats not in firsts | {""} for e in entries):
        raise damaged(path)
    return key
