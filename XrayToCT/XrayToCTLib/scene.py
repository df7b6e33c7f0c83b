"""A result as MRML nodes, on Slicer's real classes: in Slicer's own scene, or in a fresh one of PyPI's slicer-core.

MRML works in RAS; the conversion from ITK's LPS is `orientation.ijk_to_ras`. Slicer's classes are imported when first
needed, so that the rest of the library runs without them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from XrayToCTLib.atomic_write import replacing
from XrayToCTLib.errors import UnsuitableInput
from XrayToCTLib.marking import SYNTHETIC_NOTICE
from XrayToCTLib.orientation import ijk_to_ras

LUNG_WINDOW_HU = 1500.0
LUNG_LEVEL_HU = -600.0
ROLE_ATTRIBUTE = "XrayToCT.Role"

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
# Slicer's slice views by their layout names, and the orientation that a radiologist expects in each.
_SLICE_VIEWS = {"Red": "Axial", "Green": "Coronal", "Yellow": "Sagittal"}


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
    """

    radiograph_image: sitk.Image
    ct: sitk.Image
    projection: sitk.Image
    difference: sitk.Image | None
    table: list[tuple[str, str]]
    attributes: dict[str, str]
    name: str


@dataclass(frozen=True)
class SceneNodes:
    """The MRML nodes of a result; ``folder`` is the item's number in the scene's subject hierarchy."""

    scene: Any
    radiograph: Any
    ct: Any
    projection: Any
    difference: Any | None
    table: Any
    folder: int


def build_scene(content: SceneContent, scene: Any | None = None) -> SceneNodes:
    """Add a result to a scene.

    Args:
        content: the result.
        scene: a vtkMRMLScene of Slicer or of `new_scene`; None takes Slicer's own, or a fresh one outside of Slicer.
    """
    scene = scene if scene is not None else _default_scene()
    synthetic = f"{SYNTHETIC_NOTICE} - {content.name}"
    marks = content.attributes
    radiograph = _add_picture(scene, content.radiograph_image, f"X-ray - {content.name}", "radiograph", {})
    ct = _add_volume(scene, content.ct, synthetic, "ct", marks)
    _set_window(ct, LUNG_WINDOW_HU, LUNG_LEVEL_HU)
    _add_volume_rendering(scene, ct)
    projection = _add_picture(scene, content.projection, f"Projection of {synthetic}", "projection", marks)
    difference = None
    if content.difference is not None:
        difference = _add_volume(scene, content.difference, f"Difference of {synthetic}", "difference", marks)
        largest = float(np.abs(sitk.GetArrayViewFromImage(content.difference)).max())
        _set_window(difference, 2 * largest or 1.0, 0.0)
    table = _add_table(scene, content.table, f"Results of {synthetic}", marks)
    nodes = [node for node in (radiograph, ct, projection, difference, table) if node is not None]
    folder = _add_folder(scene, synthetic, nodes, marks)
    return SceneNodes(scene, radiograph, ct, projection, difference, table, folder)


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


def show_in_slices(nodes: SceneNodes) -> None:
    """Make the CT the background of the three slice views that Slicer opens a scene with, centred and fitted.

    For scenes made outside of Slicer, where no view exists yet; in Slicer use slicer.util.setSliceViewerLayers.
    """
    import slicer

    for layout, orientation in _SLICE_VIEWS.items():
        logic = slicer.vtkMRMLSliceLogic()
        logic.SetMRMLScene(nodes.scene)
        view = logic.AddSliceNode(layout)
        view.SetOrientation(orientation)
        view.SetDimensions(512, 512, 1)
        logic.GetSliceCompositeNode().SetBackgroundVolumeID(nodes.ct.GetID())
        logic.FitSliceToAll()


def write_mrb(scene: Any, path: str | Path) -> None:
    """Write a scene with all its data as a MRML bundle (*.mrb), at once or not at all.

    Raises:
        UnsuitableInput: MRML could not write it.
    """
    path = Path(path).absolute()  # Slicer takes a relative one from the scene's own folder
    with replacing(path, ".mrb") as temporary:
        if not scene.WriteToMRB(str(temporary)) or not temporary.exists():
            raise UnsuitableInput(f"{path.name!r} could not be written; check the free space and the rights there.")


def _default_scene() -> Any:
    import slicer

    return slicer.mrmlScene if hasattr(slicer, "mrmlScene") else new_scene()


def _add_volume(scene: Any, image: sitk.Image, name: str, role: str, marks: Mapping[str, str]) -> Any:
    import vtk
    from vtk.util import numpy_support

    values = np.ascontiguousarray(sitk.GetArrayViewFromImage(image))
    scalars = numpy_support.numpy_to_vtk(values.ravel(), deep=True)
    data = vtk.vtkImageData()
    data.SetDimensions(*image.GetSize())  # numpy's last axis is VTK's first, as in ITK
    data.GetPointData().SetScalars(scalars)
    matrix = vtk.vtkMatrix4x4()
    matrix.DeepCopy(ijk_to_ras(image.GetOrigin(), image.GetSpacing(), image.GetDirection()).ravel().tolist())
    node = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
    node.SetAndObserveImageData(data)
    node.SetIJKToRASMatrix(matrix)
    node.CreateDefaultDisplayNodes()
    _mark(node, role, marks)
    if marks:
        # The storage node of MRML that writes a node's attributes: the file says it outside of its scene, too.
        storage = scene.AddNewNodeByClass("vtkMRMLNRRDStorageNode")
        storage.SetDefaultWriteFileExtension("nrrd")
        node.SetAndObserveStorageNodeID(storage.GetID())
    return node


def _add_picture(scene: Any, image: sitk.Image, name: str, role: str, marks: Mapping[str, str]) -> Any:
    node = _add_volume(scene, image, name, role, marks)
    values = sitk.GetArrayViewFromImage(image)
    low, high = float(values.min()), float(values.max())
    _set_window(node, high - low or 1.0, (high + low) / 2)
    return node


def _set_window(node: Any, window: float, level: float) -> None:
    display = node.GetDisplayNode()
    display.AutoWindowLevelOff()
    display.SetWindowLevel(window, level)


def _mark(node: Any, role: str, marks: Mapping[str, str]) -> None:
    for key, value in {ROLE_ATTRIBUTE: role, **marks}.items():
        node.SetAttribute(key, value)


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
    _mark(node, "results", marks)
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
