"""Reading back what a generation wrote to a folder, for a scene. Nothing in these files is taken on trust."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import numpy as np
import SimpleITK as sitk

from XrayToCTLib.ct_reading import read_ct, read_map
from XrayToCTLib.geometry import Geometry
from XrayToCTLib.marking import SYNTHETIC_NOTICE, TB_NOTICE, is_marked
from XrayToCTLib.recorded_image import unsuitable
from XrayToCTLib.scene import SceneContent
from XrayToCTLib.xray_plane import XrayPlane

_AGAIN = "generate the CT again"
_LARGEST_RESULT = 1 << 24  # bytes of result.json
_MARK = "XrayToCT."
#: Which X-ray a synthetic node comes from: its SOP Instance UID, where it was DICOM.
XRAY_UID_ATTRIBUTE = "XrayToCT.XrayUID"


@dataclass(frozen=True)
class StoredResult:
    """A result as its files hold it.

    Attributes:
        result: the object of ``generate --json``.
        geometry: of the X-ray.
        ct: int16 HU.
        pictures: "radiograph", "projection" in its grey scale, perhaps "difference", each (H, W).
        maps: "uncertainty" and "saliency", on the CT's voxels; None where there is none.
        marks: of the synthetic CT.
    """

    result: Mapping[str, Any]
    geometry: Geometry
    ct: sitk.Image
    pictures: Mapping[str, np.ndarray]
    maps: Mapping[str, sitk.Image | None] = field(default_factory=dict)
    marks: Mapping[str, str] = field(default_factory=dict)

    @property
    def facts(self) -> Mapping[str, Any]:
        """What the result keeps of the X-ray's header, see `prepared_input.header_facts`."""
        facts = self.result.get("xray")
        return facts if isinstance(facts, Mapping) else {}


def read_results(folder: str | Path) -> SceneContent:
    """What a scene shows of a result's folder, see `read_stored`.

    The pictures come out on the plane of `XrayPlane`, whatever place their files tell: only there do they line up with
    the CT along the rays.
    """
    return scene_content(read_stored(folder))


def read_stored(folder: str | Path) -> StoredResult:
    """A result's folder: result.json, ct.nrrd, radiograph.nrrd, projection.nrrd, and where they were written
    difference.nrrd, uncertainty.nrrd and saliency.nrrd.

    Raises:
        UnsuitableInput: a file is missing, damaged, does not fit the others, or is not marked as synthetic.
    """
    folder = Path(folder)
    result, geometry = _read_result(folder / "result.json")
    ct, marks = _read_ct(folder / "ct.nrrd", geometry)
    pictures = {name: read_picture(folder / f"{name}.nrrd") for name in ("radiograph", "projection")}
    if (folder / "difference.nrrd").exists():
        pictures["difference"] = read_picture(folder / "difference.nrrd")
    for name, picture in pictures.items():
        if picture.shape != pictures["radiograph"].shape:
            raise unsuitable(folder / f"{name}.nrrd", "has another size than the X-ray", _AGAIN)
    maps = {name: _read_map(folder / f"{name}.nrrd", ct) for name in ("uncertainty", "saliency")}
    return StoredResult(result, geometry, ct, pictures, maps, marks)


def scene_content(stored: StoredResult) -> SceneContent:
    """A result for a scene, its pictures on the plane of `XrayPlane`."""
    result, geometry = stored.result, stored.geometry
    placed = {name: XrayPlane(geometry).image(picture) for name, picture in stored.pictures.items()}
    return SceneContent(
        radiograph_image=placed["radiograph"],
        ct=stored.ct,
        projection=placed["projection"],
        difference=placed.get("difference"),
        table=result_rows(result),
        attributes={**stored.marks, **_xray_mark(stored)},
        name=PurePosixPath(_file_name(result)).stem,
        uncertainty=stored.maps.get("uncertainty"),
        saliency=stored.maps.get("saliency"),
        geometry=geometry,
        provenance=provenance(result),
    )


def result_rows(result: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The table (name, value) of a result, the object of ``generate --json``; classes never without what TB is from."""
    rows = [("notice", SYNTHETIC_NOTICE), ("input", _file_name(result)), ("model", str(result["model"]["name"]))]
    rows += [(name, _number(value)) for name, value in result["comparison"].items()]
    probabilities = {**(result["classes"] or {}), **(result.get("findings") or {})}
    rows += [(f"probability of {name}", _number(value)) for name, value in probabilities.items()]
    rows += [("about TB", TB_NOTICE)]
    if evidence := result.get("evidence"):
        rows += [("class without surroundings", str(evidence["without_surroundings"]["message"]))]
    rows += [
        (str(check["name"]), f"{'passed' if check['passed'] else 'FAILED'}: {check['message']}")
        for check in result["checks"]
    ]
    rows += [("warning", str(warning)) for warning in result["warnings"]]
    return rows


def provenance(result: Mapping[str, Any]) -> dict[str, Any]:
    """A result without the places of its files, which mean nothing elsewhere and may name a person."""
    kept = {name: value for name, value in result.items() if name != "outputs"}
    return {**kept, "input": _file_name(result)}


def _xray_mark(stored: StoredResult) -> dict[str, str]:
    uid = stored.facts.get("sop_instance_uid")
    return {XRAY_UID_ATTRIBUTE: uid} if isinstance(uid, str) else {}


def _file_name(result: Mapping[str, Any]) -> str:
    return PureWindowsPath(str(result["input"])).name  # takes both kinds of slashes


def _number(value: Any) -> str:
    return f"{float(value):.3f}"


def _read_result(path: Path) -> tuple[dict[str, Any], Geometry]:
    try:
        if path.stat().st_size > _LARGEST_RESULT:
            raise ValueError("too long")
        result = json.loads(path.read_text(encoding="utf-8"))
        geometry = Geometry.from_dict(result["geometry"])
        result_rows(result)
    except OSError as error:
        raise unsuitable(path, f"cannot be read ({error.strerror})", _AGAIN) from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise unsuitable(path, "does not describe a result", _AGAIN) from error
    return result, geometry


def _read_ct(path: Path, geometry: Geometry) -> tuple[sitk.Image, dict[str, str]]:
    ct = read_ct(path)
    # A damaged header holds keys and values that are no text; such a mark is none.
    keys = [key for key in ct.GetMetaDataKeys() if key.startswith(_MARK) and key.isprintable()]
    marks = {key: ct.GetMetaData(key) for key in keys if ct.GetMetaData(key).isprintable()}
    if not is_marked(marks) or "XrayToCT.Notice" not in marks:
        raise unsuitable(path, "is not marked as a synthetic CT", "give the folder of a generated CT")
    depth, height, width = geometry.volume_mm
    sides = [count * step for count, step in zip(ct.GetSize(), ct.GetSpacing(), strict=True)]
    if not np.allclose(sides, (width, depth, height), rtol=1e-3):
        raise unsuitable(path, "has another size than its result.json tells", _AGAIN)
    return ct, marks


def read_picture(path: Path) -> np.ndarray:
    """(H, W) float32."""
    image = read_map(path)
    if image.GetSize()[2] != 1:
        raise unsuitable(path, "is not a picture", _AGAIN)
    return sitk.GetArrayFromImage(image)[0]


def _read_map(path: Path, ct: sitk.Image) -> sitk.Image | None:
    """Values on the CT's grid; None without the file."""
    if not path.exists():
        return None
    image = read_map(path)
    same = image.GetSize() == ct.GetSize() and all(
        math.isclose(a, b, abs_tol=1e-3)
        for a, b in zip((*image.GetOrigin(), *image.GetSpacing()), (*ct.GetOrigin(), *ct.GetSpacing()), strict=True)
    )
    if not same:
        raise unsuitable(path, "does not lie on the CT's voxels", _AGAIN)
    return image
