"""What a run is asked to do, apart from which X-ray it works on: as the panel, scripts and batches hand it on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from XrayToCTLib.options import ResultFiles


@dataclass(frozen=True)
class RunSettings:
    """Settings of a run.

    Attributes:
        model: a name or a file; None takes the shipped model. device: "auto", "cpu", "cuda" or "mps".
        view: "PA", "AP" or None (as recorded). invert: "auto", "yes" or "no".
        flip: exchange left and right.
        crop: top, bottom, left and right border of what is kept, as fractions of the picture; None keeps all.
        refine: steps of shape induction, 0 for none.
        uncertainty: volumes from which the expected error is estimated; 0 for none, else 2 or more.
    """

    model: str | None = None
    device: str = "auto"
    view: str | None = None
    invert: str = "auto"
    flip: bool = False
    crop: tuple[float, float, float, float] | None = None
    refine: int = 0
    uncertainty: int = 0

    def generate_request(self, xray: Path, files: ResultFiles) -> dict[str, Any]:
        """The worker's request for a result (see docs/worker.md)."""
        more = {"device": self.device, "refine": self.refine, "uncertainty": self.uncertainty}
        return {"job": "generate", **self._reading(xray), **more, **_files(files)}

    def preview_request(self, xray: Path, output: Path) -> dict[str, Any]:
        """The worker's request for the picture that the network would see."""
        return {"job": "preview", **self._reading(xray), "output": str(output)}

    def _reading(self, xray: Path) -> dict[str, Any]:
        return {
            "xray": str(xray),
            "model": self.model,
            "view": self.view,
            "invert": self.invert,
            "flip": self.flip,
            "crop": None if self.crop is None else list(self.crop),
        }


def export_request(result: Path, files: ResultFiles, xray: Path | None) -> dict[str, Any]:
    """The worker's request for files of a result that is there already, see `options.ExportOptions`."""
    return {"job": "export", "result": str(result), "xray": None if xray is None else str(xray), **_files(files)}


def _files(files: ResultFiles) -> dict[str, Any]:
    return {
        "output": str(files.folder),
        "formats": list(files.formats),
        "anonymise": files.anonymise,
        "pseudonym": files.pseudonym,
        "study_uid": files.study_uid,
    }
