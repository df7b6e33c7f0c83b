"""Images as MRML volume nodes, and back. Slicer's classes are imported when first needed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import SimpleITK as sitk

from XrayToCTLib.orientation import ijk_to_ras, itk_geometry

ROLE_ATTRIBUTE = "XrayToCT.Role"


def add_volume(scene: Any, image: sitk.Image, name: str, role: str, marks: Mapping[str, str]) -> Any:
    """A scalar volume node of an image, with its place in space, its role and its marks.

    Its window is up to the caller: MRML's own, from a histogram, would take most of the time.
    """
    node = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
    node.CreateDefaultDisplayNodes()
    node.GetScalarVolumeDisplayNode().AutoWindowLevelOff()
    set_image(node, image)
    mark(node, role, marks)
    if marks:
        # The storage node of MRML that writes a node's attributes: the file says it outside of its scene, too.
        storage = scene.AddNewNodeByClass("vtkMRMLNRRDStorageNode")
        storage.SetDefaultWriteFileExtension("nrrd")
        node.SetAndObserveStorageNodeID(storage.GetID())
    return node


def add_picture(scene: Any, image: sitk.Image, name: str, role: str, marks: Mapping[str, str]) -> Any:
    """As `add_volume`, with a window from the smallest to the largest value."""
    node = add_volume(scene, image, name, role, marks)
    values = sitk.GetArrayViewFromImage(image)
    low, high = float(values.min()), float(values.max())
    set_window(node, high - low or 1.0, (high + low) / 2)
    return node


def set_image(node: Any, image: sitk.Image) -> None:
    """Give a volume node the values and the place in space of an image of three dimensions."""
    import vtk
    from vtk.util import numpy_support

    values = np.ascontiguousarray(sitk.GetArrayViewFromImage(image))
    data = vtk.vtkImageData()
    data.SetDimensions(*image.GetSize())  # numpy's last axis is VTK's first, as in ITK
    data.GetPointData().SetScalars(numpy_support.numpy_to_vtk(values.ravel(), deep=True))
    matrix = vtk.vtkMatrix4x4()
    matrix.DeepCopy(ijk_to_ras(image.GetOrigin(), image.GetSpacing(), image.GetDirection()).ravel().tolist())
    node.SetAndObserveImageData(data)
    node.SetIJKToRASMatrix(matrix)


def image_of(node: Any) -> sitk.Image:
    """The values and the place in space (LPS) of a volume node, as a copy, without regard to transforms of the scene.

    Raises:
        ValueError: the node holds no values.
    """
    import vtk
    from vtk.util import numpy_support

    data = node.GetImageData()
    scalars = data.GetPointData().GetScalars() if data is not None else None
    if scalars is None or scalars.GetNumberOfComponents() != 1:
        raise ValueError(f"{node.GetName()!r} holds no scalar volume")
    values = numpy_support.vtk_to_numpy(scalars).reshape(data.GetDimensions()[::-1])
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    rows = [[matrix.GetElement(row, column) for column in range(4)] for row in range(4)]
    origin, spacing, direction = itk_geometry(np.array(rows))
    image = sitk.GetImageFromArray(values)
    image.SetOrigin(origin)
    image.SetSpacing(spacing)
    image.SetDirection(direction)
    return image


def set_window(node: Any, window: float, level: float) -> None:
    """Show a volume node's values around ``level`` in a window of this width, black to white."""
    display = node.GetScalarVolumeDisplayNode()
    if display is not None:
        display.AutoWindowLevelOff()
        display.SetWindowLevel(window, level)


def mark(node: Any, role: str, marks: Mapping[str, str]) -> None:
    """Write a node's role and its marks into its attributes, which a scene keeps."""
    for key, value in {ROLE_ATTRIBUTE: role, **marks}.items():
        node.SetAttribute(key, value)
