"""What a run is asked to do, apart from which X-ray it works on: as the panel, scripts and batches hand it on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


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

    def generate_request(
        self, xray: Path, output: Path, formats: Sequence[str], anonymise: bool = False
    ) -> dict[str, Any]:
        """The worker's request for a result (see docs/worker.md)."""
        more = {"device": self.device, "refine": self.refine, "uncertainty": self.uncertainty}
        return {
            "job": "generate",
            **self._reading(xray, output),
            **more,
            "formats": list(formats),
            "anonymise": anonymise,
        }

    def preview_request(self, xray: Path, output: Path) -> dict[str, Any]:
        """The worker's request for the picture that the network would see."""
        return {"job": "preview", **self._reading(xray, output)}

    def _reading(self, xray: Path, output: Path) -> dict[str, Any]:
        return {
            "xray": str(xray),
            "output": str(output),
            "model": self.model,
            "view": self.view,
            "invert": self.invert,
            "flip": self.flip,
            "crop": None if self.crop is None else list(self.crop),
        }
