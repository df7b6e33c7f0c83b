"""The two pictures that are compared: those of the result, or projections that the worker makes when asked."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import slicer

from XrayToCTLib.errors import UnsuitableInput
from XrayToCTLib.marking import COMPUTED_MARKS, COMPUTED_NOTICE
from XrayToCTLib.panel.context import PanelContext
from XrayToCTLib.panel.parameters import XrayToCTParameterNode
from XrayToCTLib.results_folder import read_picture
from XrayToCTLib.scene import RESULT_ATTRIBUTE, SceneNodes, all_nodes, all_or_none
from XrayToCTLib.scene_results import plane_of_result
from XrayToCTLib.volume_nodes import add_picture
from XrayToCTLib.worker_requests import Failure
from XrayToCTLib.xray_plane import XrayPlane

PROJECTION_ROLE = "computed-projection"
_OF_ATTRIBUTE = "XrayToCT.ProjectionOf"  # the node that was projected, and how


class ComparedPictures:
    """Finds the pictures in the scene, and has those made that are not there yet.

    Args:
        arrived: called when pictures that were asked for are there. failed: called with a sentence when they are not.
    """

    def __init__(self, context: PanelContext, arrived: Callable[[], None], failed: Callable[[str], None]) -> None:
        self._context = context
        self._arrived, self._failed = arrived, failed
        self._asked: set[str] = set()

    def of(self, nodes: SceneNodes, parameters: XrayToCTParameterNode) -> tuple[Any, Any] | None:
        """The X-ray (or the projection of the reference) and the projection of the result's CT.

        None where one was deleted, or is being made.
        """
        kind = parameters.projection
        second = nodes.projection if kind == "cone" else self._projection(nodes, nodes.ct, kind)
        reference = parameters.reference
        if reference is None:
            first = nodes.radiograph
        elif reference is nodes.ct:
            first = second
        else:
            first = self._projection(nodes, reference, kind)
        return None if first is None or second is None else (first, second)

    def _projection(self, nodes: SceneNodes, ct: Any, kind: str) -> Any:
        plane = plane_of_result(nodes)
        if ct is None or plane is None:
            return None
        key = f"{ct.GetID()} {kind}"
        for node in all_nodes(slicer.mrmlScene):
            if (node.GetAttribute(RESULT_ATTRIBUTE), node.GetAttribute(_OF_ATTRIBUTE)) == (nodes.result, key):
                return node
        if key not in self._asked and not self._context.runs.owner:
            self._ask(nodes, ct, kind, plane, key)
        return None

    def _ask(self, nodes: SceneNodes, ct: Any, kind: str, plane: XrayPlane, key: str) -> None:
        folder = self._context.temporary_folder / "projection"
        folder.mkdir(exist_ok=True)
        try:
            path = _file_of(ct, folder)
        except UnsuitableInput as error:
            self._failed(str(error))
            return
        self._asked.add(key)

        def finished(result: dict[str, Any]) -> None:
            self._asked.discard(key)
            try:
                pixels = read_picture(Path(result["projection"]))
            except UnsuitableInput as error:
                self._failed(str(error))
                return
            if slicer.mrmlScene.IsNodePresent(ct):  # it may have been deleted meanwhile
                name = f"Projection ({kind}) of {ct.GetName()} - {COMPUTED_NOTICE}"
                marks = {**COMPUTED_MARKS, RESULT_ATTRIBUTE: nodes.result, _OF_ATTRIBUTE: key}
                with all_or_none(slicer.mrmlScene):
                    add_picture(slicer.mrmlScene, plane.image(pixels), name, PROJECTION_ROLE, marks)
            self._arrived()

        def failed(failure: Failure) -> None:
            self._asked.discard(key)
            self._failed(failure.sentences())

        self._context.logic.project(path, plane.geometry.to_dict(), kind, folder, finished, failed)


def _file_of(ct: Any, folder: Path) -> Path:
    """The file of a CT as it is in the scene: its own where it was not changed since, else one that is written now."""
    storage = ct.GetStorageNode()
    name = storage.GetFileName() if storage is not None else None
    if name and Path(name).is_file() and not ct.GetModifiedSinceRead():
        return Path(name)
    path = folder / "ct.nrrd"
    writer = slicer.vtkMRMLNRRDStorageNode()
    writer.SetUseCompression(False)  # it is read once, on this machine
    writer.SetFileName(str(path))
    if not writer.WriteData(ct):
        raise UnsuitableInput(f"{ct.GetName()} could not be written for the worker; check the space in {folder}.")
    return path
