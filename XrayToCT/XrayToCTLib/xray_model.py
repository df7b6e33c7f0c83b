"""The X-ray as a surface that 3D views show, in its place in space. Slicer's classes are imported when first needed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import SimpleITK as sitk

from XrayToCTLib.orientation import ijk_to_ras
from XrayToCTLib.volume_nodes import mark


def add_xray_model(scene: Any, image: sitk.Image, name: str, marks: Mapping[str, str]) -> Any:
    """A model node with one square a pixel, of the pixel's grey value and without shading.

    A model keeps its colours in a saved scene, which a texture would not.

    Args:
        image: (1, H, W), a picture in space, see `XrayPlane.image`.
    """
    node = scene.AddNewNodeByClass("vtkMRMLModelNode", name)
    node.SetAndObservePolyData(_squares(image))
    node.CreateDefaultDisplayNodes()
    display = node.GetDisplayNode()
    display.SetActiveScalar("grey", _cell_data())
    display.SetScalarRangeFlag(display.UseDirectMapping)  # the array holds colours
    display.SetScalarVisibility(True)
    display.SetLighting(False)
    display.SetBackfaceCulling(False)
    display.SetVisibility2D(False)
    mark(node, "xray-plane", marks)
    return node


def _cell_data() -> int:
    import vtk

    return int(vtk.vtkAssignAttribute.CELL_DATA)


def _squares(image: sitk.Image) -> Any:
    """Polydata in RAS: (H + 1) (W + 1) corners, H W squares with grey levels in RGB."""
    import vtk
    from vtk.util import numpy_support

    pixels = sitk.GetArrayViewFromImage(image)[0]
    rows, columns = pixels.shape
    to_ras = ijk_to_ras(image.GetOrigin(), image.GetSpacing(), image.GetDirection())
    j, i = np.mgrid[0 : rows + 1, 0 : columns + 1] - 0.5
    corners = np.stack([i, j, np.zeros_like(i), np.ones_like(i)], axis=-1).reshape(-1, 4) @ to_ras.T
    first = (np.arange(rows)[:, None] * (columns + 1) + np.arange(columns)).reshape(-1)
    quads = np.stack([first, first + 1, first + columns + 2, first + columns + 1], axis=1)
    low, high = float(pixels.min()), float(pixels.max())
    grey = np.rint((pixels.reshape(-1) - low) * (255 / (high - low or 1.0))).astype(np.uint8)

    points = vtk.vtkPoints()
    points.SetData(numpy_support.numpy_to_vtk(np.ascontiguousarray(corners[:, :3], np.float32), deep=True))
    cells = vtk.vtkCellArray()
    cells.SetData(
        4, numpy_support.numpy_to_vtkIdTypeArray(np.ascontiguousarray(quads, np.int64).reshape(-1), deep=True)
    )
    colours = numpy_support.numpy_to_vtk(np.repeat(grey[:, None], 3, axis=1), deep=True)
    colours.SetName("grey")
    surface = vtk.vtkPolyData()
    surface.SetPoints(points)
    surface.SetPolys(cells)
    surface.GetCellData().SetScalars(colours)
    return surface
