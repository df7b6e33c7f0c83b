"""A result as MRML nodes, on Slicer's real classes: in Slicer's own scene, or in a fresh one of PyPI's slicer-core.

MRML works in RAS; the conversion from ITK's LPS is `orientation.ijk_to_ras`. Slicer's classes are imported when first
needed, so that the rest of the library runs without them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain, count
from pathlib import Path
from typing import Any
from uuid import uuid4

import SimpleITK as sitk

from XrayToCTLib.atomic_write import replacing
from XrayToCTLib.colour_tables import difference_colours, overlay_colours
from XrayToCTLib.errors import UnsuitableInput
from XrayToCTLib.geometry import Geometry
from XrayToCTLib.hounsfield import UNCERTAINTY_LIMIT_HU, WINDOWS
from XrayToCTLib.marking import SALIENCY_NOTICE, SYNTHETIC_NOTICE, UNCERTAINTY_NOTICE
from XrayToCTLib.volume_nodes import add_picture, add_volume, mark, set_window
from XrayToCTLib.xray_model import add_xray_model

#: Which result a node belongs to, and how its X-ray was taken (`Geometry.to_dict` as JSON).
RESULT_ATTRIBUTE = "XrayToCT.Result"
GEOMETRY_ATTRIBUTE = "XrayToCT.Geometry"
#: Full colour of differences of grey values; the same for all patients, so that views can be compared.
DIFFERENCE_LIMIT = 0.5
#: Share of a map's full colour from which it covers the CT.
OVERLAY_FROM = 0.3

# (HU, opacity), (HU, red, green, blue). Parenchyma is a thin veil and its border the surface one sees; soft tissue
# stays clear, so that the lungs are not hidden; bone gives the frame. The network's volumes are smooth: no steep steps.
_LUNG_OPACITY = (
    (-1024, 0.0),
    (-960, 0.0),
    (-850, 0.04),
    (-600, 0.12),
    (-450, 0.0),
    (160, 0.0),
    (450, 0.25),
    (1476, 0.5),
)
_LUNG_COLOUR = (
    (-1024, 0.2, 0.2, 0.3),
    (-850, 0.55, 0.65, 0.85),
    (-600, 0.9, 0.6, 0.55),
    (0, 0.8, 0.45, 0.4),
    (450, 1.0, 0.95, 0.85),
    (1476, 1.0, 1.0, 1.0),
)


@dataclass(frozen=True)
class SceneContent:
    """What goes into a scene.

    Attributes:
        radiograph_image: float32, one coronal slice in space, see `volume.radiograph_image`.
        ct: int16 HU.
        projection: as the radiograph.
        difference: as the radiograph, signed; None where it was not computed.
        table: rows of results, (name, value).
        attributes: marks for every synthetic node, see `marking.Provenance.marks`.
        name: of the case, without patient data unless the user wants them in node names.
        uncertainty: expected error in HU, on the CT's grid; None where it was not estimated.
        saliency: where the classifier looked, in [0, 1], on the CT's grid; None where it was not computed.
        geometry: of the X-ray, which links its pixels with the CT; None where it is not known.
        provenance: a JSON object with how the result came about: model, parameters, versions; {} where nothing is told.
    """

    radiograph_image: sitk.Image
    ct: sitk.Image
    projection: sitk.Image
    difference: sitk.Image | None
    table: list[tuple[str, str]]
    attributes: dict[str, str]
    name: str
    uncertainty: sitk.Image | None = None
    saliency: sitk.Image | None = None
    geometry: Geometry | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class SceneNodes:
    """The MRML nodes of a result: None for what it does not have, and for what somebody has deleted since.

    ``result`` is the result's own name in the attributes of its nodes, ``folder`` the item's number in the scene's
    subject hierarchy, 0 where there is none.
    """

    scene: Any
    result: str
    folder: int = 0
    radiograph: Any | None = None
    ct: Any | None = None
    projection: Any | None = None
    difference: Any | None = None
    uncertainty: Any | None = None
    saliency: Any | None = None
    xray_model: Any | None = None
    table: Any | None = None
    provenance: Any | None = None

    @property
    def nodes(self) -> list[Any]:
        """All that are there, the CT first."""
        pictures = (self.radiograph, self.projection, self.difference)
        there = (self.ct, *pictures, self.uncertainty, self.saliency, self.xray_model, self.table, self.provenance)
        return [node for node in there if node is not None]


#: The role of a node, in its attributes, and the field of `SceneNodes` that holds it.
ROLES = {
    "ct": "ct",
    "radiograph": "radiograph",
    "projection": "projection",
    "difference": "difference",
    "uncertainty": "uncertainty",
    "saliency": "saliency",
    "xray-plane": "xray_model",
    "results": "table",
    "provenance": "provenance",
}


def build_scene(content: SceneContent, scene: Any | None = None) -> SceneNodes:
    """Add a result to a scene: all of its nodes, or none where something fails.

    Args:
        content: the result.
        scene: a vtkMRMLScene of Slicer or of `new_scene`; None takes Slicer's own, or a fresh one outside of Slicer.
    """
    scene = scene if scene is not None else default_scene()
    with all_or_none(scene):
        return _add_nodes(scene, content)


def _add_nodes(scene: Any, content: SceneContent) -> SceneNodes:
    name = _free_name(scene, content.name)
    result = {RESULT_ATTRIBUTE: uuid4().hex}
    belongs = dict(result)
    if content.geometry is not None:
        belongs[GEOMETRY_ATTRIBUTE] = json.dumps(content.geometry.to_dict())
    marks = {**content.attributes, **belongs}
    nodes: dict[str, Any] = {}
    nodes["radiograph"] = add_picture(scene, content.radiograph_image, f"{name} - X-ray", "radiograph", belongs)
    nodes["ct"] = add_volume(scene, content.ct, marked_name(name), "ct", marks)
    level, window = WINDOWS["lung"]
    set_window(nodes["ct"], window, level)
    _add_volume_rendering(scene, nodes["ct"])
    projected = marked_name(f"{name} - projection")
    nodes["projection"] = add_picture(scene, content.projection, projected, "projection", marks)
    if content.difference is not None:
        compared = marked_name(f"{name} - difference")
        nodes["difference"] = add_volume(scene, content.difference, compared, "difference", marks)
        _colour(nodes["difference"], difference_colours(scene), -DIFFERENCE_LIMIT, DIFFERENCE_LIMIT)
    maps = (
        ("uncertainty", content.uncertainty, UNCERTAINTY_NOTICE, UNCERTAINTY_LIMIT_HU),
        ("saliency", content.saliency, SALIENCY_NOTICE, 1.0),
    )
    for role, image, notice, limit in maps:
        if image is not None:
            told = {**marks, "XrayToCT.Notice": notice}
            nodes[role] = add_volume(scene, image, marked_name(name, notice), role, told)
            _colour(nodes[role], overlay_colours(scene), 0.0, limit)
            _leave_out_below(nodes[role], OVERLAY_FROM * limit)
    if content.geometry is not None:
        in_space = f"{name} - X-ray in space"
        nodes["xray_model"] = add_xray_model(scene, content.radiograph_image, in_space, belongs)
    nodes["table"] = _add_table(scene, content.table, marked_name(f"{name} - results"), marks)
    if content.provenance:
        told_by = marked_name(f"{name} - provenance")
        nodes["provenance"] = _add_provenance(scene, content.provenance, told_by, marks)
    folder = _add_folder(scene, marked_name(name), list(nodes.values()), {**content.attributes, **result})
    return SceneNodes(scene, result[RESULT_ATTRIBUTE], folder, **nodes)


def marked_name(name: str, notice: str = SYNTHETIC_NOTICE) -> str:
    """A name of something synthetic: what tells it from others first, since narrow lists cut names off at the end."""
    return f"{name} - {notice}"


def _free_name(scene: Any, name: str) -> str:
    """A case's name, numbered as Slicer numbers nodes where a result of that name is in the scene already."""
    taken = {node.GetName() for node in all_nodes(scene)}
    names = chain([name], (f"{name}_{number}" for number in count(1)))
    return next(one for one in names if marked_name(one) not in taken)


@contextmanager
def all_or_none(scene: Any) -> Iterator[None]:
    """Add nodes to a scene as one step; those that are there when it fails are taken out again."""
    before = {node.GetID() for node in all_nodes(scene)}
    scene.StartState(scene.BatchProcessState)
    try:
        yield
    except BaseException:
        for node in all_nodes(scene):
            if node.GetID() not in before:
                scene.RemoveNode(node)
        raise
    finally:
        scene.EndState(scene.BatchProcessState)


def all_nodes(scene: Any) -> list[Any]:
    """The nodes of a scene as they are now: the list stays the same while nodes come and go."""
    return [scene.GetNthNode(number) for number in range(scene.GetNumberOfNodes())]


def new_scene() -> Any:
    """A fresh vtkMRMLScene for use outside of Slicer, with what display nodes, rendering and slice views rely on."""
    import slicer

    scene = slicer.vtkMRMLScene()
    slicer.vtkSlicerVolumeRenderingLogic().SetMRMLScene(scene)  # registers its node classes
    # Display nodes refer to this table by its id. Slicer has its own; its colour logic would take the table away again
    # when it is deleted, at the end of this function.
    grey = slicer.vtkMRMLColorTableNode()
    grey.SetTypeToGrey()
    grey.SetName("Grey")
    grey.SetSingletonTag("Grey")
    grey.SetSaveWithScene(False)
    scene.AddNode(grey)
    slicer.vtkMRMLSliceNode.AddDefaultSliceOrientationPresets(scene)
    return scene


def write_mrb(scene: Any, path: str | Path) -> None:
    """Write a scene with all its data as a MRML bundle (*.mrb), at once or not at all.

    Raises:
        UnsuitableInput: MRML could not write it.
    """
    path = Path(path).absolute()  # Slicer takes a relative one from the scene's own folder
    with replacing(path, ".mrb") as temporary:
        if not scene.WriteToMRB(str(temporary)) or not temporary.exists():
            raise UnsuitableInput(f"{path.name!r} could not be written; check the free space and the rights there.")


def default_scene() -> Any:
    """Slicer's own scene; outside of Slicer a fresh one."""
    import slicer

    return slicer.mrmlScene if hasattr(slicer, "mrmlScene") else new_scene()


def _colour(node: Any, colours: Any, low: float, high: float) -> None:
    set_window(node, high - low, (high + low) / 2)
    node.GetScalarVolumeDisplayNode().SetAndObserveColorNodeID(colours.GetID())


def _leave_out_below(node: Any, value: float) -> None:
    """Slice views show a colour or none: they do not blend by a colour table's opacity."""
    display = node.GetScalarVolumeDisplayNode()
    display.AutoThresholdOff()
    display.ApplyThresholdOn()
    display.SetThreshold(value, 1e9)


def _add_volume_rendering(scene: Any, ct: Any) -> None:
    import vtk

    opacity, colour = vtk.vtkPiecewiseFunction(), vtk.vtkColorTransferFunction()
    for point in _LUNG_OPACITY:
        opacity.AddPoint(*point)
    for colour_point in _LUNG_COLOUR:
        colour.AddRGBPoint(*colour_point)
    properties = scene.AddNewNodeByClass("vtkMRMLVolumePropertyNode", "Synthetic lungs")
    properties.SetScalarOpacity(opacity)
    properties.SetColor(colour)
    volume_property = properties.GetVolumeProperty()
    volume_property.SetInterpolationTypeToLinear()
    volume_property.ShadeOn()
    volume_property.SetAmbient(0.3)
    volume_property.SetDiffuse(0.7)
    display = scene.AddNewNodeByClass("vtkMRMLGPURayCastVolumeRenderingDisplayNode", "Synthetic lungs")
    display.SetAndObserveVolumePropertyNodeID(properties.GetID())
    ct.AddAndObserveDisplayNodeID(display.GetID())


def _add_table(scene: Any, rows: list[tuple[str, str]], name: str, marks: Mapping[str, str]) -> Any:
    import vtk

    node = scene.AddNewNodeByClass("vtkMRMLTableNode", name)
    for title, column in zip(("Result", "Value"), zip(*rows, strict=True) if rows else ((), ()), strict=True):
        array = vtk.vtkStringArray()
        array.SetName(title)
        for text in column:
            array.InsertNextValue(text)
        node.AddColumn(array)
    node.SetLocked(True)
    mark(node, "results", marks)
    return node


def _add_provenance(scene: Any, provenance: Mapping[str, Any], name: str, marks: Mapping[str, str]) -> Any:
    node = scene.AddNewNodeByClass("vtkMRMLTextNode", name)
    node.SetText(json.dumps(provenance, indent=1))
    mark(node, "provenance", marks)
    return node


def _add_folder(scene: Any, name: str, nodes: list[Any], marks: Mapping[str, str]) -> int:
    import slicer

    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    folder = hierarchy.CreateFolderItem(hierarchy.GetSceneItemID(), name)
    for key, value in marks.items():
        hierarchy.SetItemAttribute(folder, key, value)
    for node in nodes:
        # Slicer's plugins make an item for each node; without Slicer there are no plugins.
        item = hierarchy.GetItemByDataNode(node)
        if item == hierarchy.GetInvalidItemID():
            hierarchy.CreateItem(folder, node)
        else:
            hierarchy.SetItemParent(item, folder)
    return int(folder)
