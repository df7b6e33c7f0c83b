"""What the sections of the panel share."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from XrayToCTLib.panel.notify import Signal
from XrayToCTLib.panel.parameters import XrayToCTParameterNode
from XrayToCTLib.panel.runs import Runs
from XrayToCTLib.slicer_logic import SlicerLogic


@dataclass
class PanelContext:
    """Shared by the sections.

    Attributes:
        ui: the widgets of the .ui file by name.
        temporary_folder: for previews and for volumes on their way to the worker; it is removed with the panel.
        parameters: None while a scene closes; ``chosen`` is emitted when another set takes its place.
        xrays: the file that a result was made of, by the result's own name; of this session, since no scene keeps it.
        result_added: emitted when a result has entered the scene.
    """

    ui: Any
    logic: SlicerLogic
    runs: Runs
    temporary_folder: Path
    parameters: XrayToCTParameterNode | None = None
    xrays: dict[str, Path] = field(default_factory=dict)
    result_added: Signal = field(default_factory=Signal)

    def set(self, name: str, value: Any) -> None:
        """Writes one setting; nothing happens while there are none."""
        if self.parameters is not None:
            setattr(self.parameters, name, value)
