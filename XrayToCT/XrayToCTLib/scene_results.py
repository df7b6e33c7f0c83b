"""The results in a scene: put in from a folder, found again in a reloaded scene, written to a folder, taken out.

Whoever works on a scene may delete any node at any time, and close the scene; nothing here minds.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

from XrayToCTLib.background import in_background
from XrayToCTLib.errors import UnsuitableInput
from XrayToCTLib.results_folder import XRAY_UID_ATTRIBUTE, read_results
from XrayToCTLib.scene import GEOMETRY_ATTRIBUTE, RESULT_ATTRIBUTE, ROLES, SceneNodes, all_nodes, build_scene
from XrayToCTLib.volume import write_nrrd
from XrayToCTLib.volume_nodes import ROLE_ATTRIBUTE, image_of
from XrayToCTLib.xray_plane import XrayPlane, plane_of

_OF_SCENE = (ROLE_ATTRIBUTE, RESULT_ATTRIBUTE, GEOMETRY_ATTRIBUTE, XRAY_UID_ATTRIBUTE)

__all__ = [
    "SceneNodes",
    "add_results",
    "plane_of_result",
    "remove_results",
    "results_in_steps",
    "results_of",
    "store_results",
]


def add_results(folder: str | Path, scene: Any | None = None) -> SceneNodes:
    """Add what a generation wrote to ``folder`` to a scene: all nodes, or none where something fails.

    Args:
        folder: with result.json and NRRD files, see `read_results`.
        scene: a vtkMRMLScene; None takes Slicer's own, or a fresh one outside of Slicer.

    Raises:
        UnsuitableInput: a file is missing, damaged or not of such a folder; the scene is unchanged.
    """
    return build_scene(read_results(folder), scene)


def results_in_steps(
    folder: str | Path, scene: Any | None = None, when_dropped: Callable[[], None] = lambda: None
) -> Generator[None, None, SceneNodes]:
    """As `add_results`, with pauses while a thread reads the files; closing the generator before its end leaves the
    scene as it was, at once: ``when_dropped`` is called when the thread has let go of the files."""
    content = yield from in_background(lambda: read_results(folder), when_dropped)
    nodes = build_scene(content, scene)
    try:
        yield  # showing the result takes its time, too
    except GeneratorExit:
        remove_results(nodes)
        raise
    return nodes


def results_of(scene: Any) -> list[SceneNodes]:
    """The results in a scene, in the order in which they came; by the attributes of their nodes alone, so in a scene
    from a file, too. Nodes that were deleted are None; of copies of a node the first counts."""
    found: dict[str, dict[str, Any]] = {}
    for node in all_nodes(scene):
        field = ROLES.get(node.GetAttribute(ROLE_ATTRIBUTE) or "")
        result = node.GetAttribute(RESULT_ATTRIBUTE)
        if field and result:
            found.setdefault(result, {}).setdefault(field, node)
    return [SceneNodes(scene, result, _folder_of(scene, result), **nodes) for result, nodes in found.items()]


def store_results(nodes: SceneNodes, folder: Path) -> None:
    """Write a result's nodes as they are to a folder, from which `results_folder.read_stored` reads them again.

    Raises:
        UnsuitableInput: a node that is needed was deleted or emptied, or the folder cannot be written.
    """
    needed = {"ct": "CT", "radiograph": "X-ray", "projection": "projection", "provenance": "provenance"}
    lacking = [words for field, words in needed.items() if getattr(nodes, field) is None]
    if lacking:
        raise UnsuitableInput(
            f"The result's {' and '.join(lacking)} was deleted from the scene; generate the CT again to export it."
        )
    try:
        (folder / "result.json").write_text(_text_of(nodes.provenance), encoding="utf-8")
        for name in ("ct", "radiograph", "projection", "difference", "uncertainty", "saliency"):
            node = getattr(nodes, name)
            if node is not None:
                # Uncompressed: it is read once, on this machine, and Slicer waits meanwhile.
                write_nrrd(image_of(node), folder / f"{name}.nrrd", _marks(node), is_compressed=False)
    except ValueError as error:
        raise UnsuitableInput("A volume of the result is empty; generate the CT again to export it.") from error
    except (OSError, RuntimeError) as error:  # ITK's errors of writing
        raise UnsuitableInput(f"{folder} cannot be written; check the free space and the rights there.") from error


def _text_of(node: Any) -> str:
    return node.GetText() or ""


def _marks(node: Any) -> dict[str, str]:
    """What a node's attributes say of how it was made, without what only a scene needs."""
    names = [name for name in node.GetAttributeNames() if name.startswith("XrayToCT.") and name not in _OF_SCENE]
    return {name: node.GetAttribute(name) for name in names}


def remove_results(nodes: SceneNodes) -> None:
    """Take a result out of its scene, with all that was made from it and all that displays and stores it.

    Its folder in the subject hierarchy stays if it holds anything else.
    """
    import slicer

    scene = nodes.scene
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    scene.StartState(scene.BatchProcessState)
    try:
        for node in all_nodes(scene):
            if node.GetAttribute(RESULT_ATTRIBUTE) == nodes.result and scene.IsNodePresent(node):
                _remove(scene, hierarchy, node)
        folder = _folder_of(scene, nodes.result)
        if folder and not _children(hierarchy, folder):
            hierarchy.RemoveItem(folder, False, False)
    finally:
        scene.EndState(scene.BatchProcessState)


def plane_of_result(nodes: SceneNodes) -> XrayPlane | None:
    """The X-ray's plane, from the attributes of the result's nodes; None where no node is left that tells it."""
    for node in nodes.nodes:
        text = node.GetAttribute(GEOMETRY_ATTRIBUTE)
        if text:
            try:
                return plane_of(json.loads(text))
            except (ValueError, RecursionError):  # somebody edited it
                continue
    return None


def _remove(scene: Any, hierarchy: Any, node: Any) -> None:
    item = hierarchy.GetItemByDataNode(node)
    if item != hierarchy.GetInvalidItemID():
        hierarchy.RemoveItem(item, False, False)
    helpers = []
    if node.IsA("vtkMRMLDisplayableNode"):
        helpers += [node.GetNthDisplayNode(number) for number in range(node.GetNumberOfDisplayNodes())]
        helpers += [
            display.GetVolumePropertyNode()
            for display in helpers
            if display is not None and display.IsA("vtkMRMLVolumeRenderingDisplayNode")
        ]
    if node.IsA("vtkMRMLStorableNode"):
        helpers += [node.GetNthStorageNode(number) for number in range(node.GetNumberOfStorageNodes())]
    for gone in (node, *helpers):
        if gone is not None and scene.IsNodePresent(gone):
            scene.RemoveNode(gone)


def _folder_of(scene: Any, result: str) -> int:
    """The item of a result's folder in the subject hierarchy; 0 where there is none."""
    import slicer

    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    items = _children(hierarchy, hierarchy.GetSceneItemID(), recursive=True)
    return next((item for item in items if hierarchy.GetItemAttribute(item, RESULT_ATTRIBUTE) == result), 0)


def _children(hierarchy: Any, item: int, recursive: bool = False) -> list[int]:
    import vtk

    children = vtk.vtkIdList()
    hierarchy.GetItemChildren(item, children, recursive)
    return [children.GetId(number) for number in range(children.GetNumberOfIds())]
