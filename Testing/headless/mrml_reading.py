"""Reading MRML scenes back with Slicer's own classes (no tests here)."""

from pathlib import Path

import numpy as np
import slicer
import vtk
from vtk.util import numpy_support

from XrayToCTLib import scene as scenes
from XrayToCTLib.volume_nodes import ROLE_ATTRIBUTE


def read_mrb(path: Path, cache: Path):
    scene = scenes.new_scene()
    manager = slicer.vtkDataIOManager()
    cache_manager = slicer.vtkCacheManager()
    cache_manager.SetMRMLScene(scene)
    cache_manager.SetRemoteCacheDirectory(str(cache))
    scene.SetCacheManager(cache_manager)
    manager.SetCacheManager(cache_manager)
    scene.SetDataIOManager(manager)
    scene.SetRootDirectory(str(cache))
    assert scene.ReadFromMRB(str(path), True)
    return scene


def node_of_role(scene, role: str):
    nodes = [scene.GetNthNode(number) for number in range(scene.GetNumberOfNodes())]
    (node,) = [node for node in nodes if node.GetAttribute(ROLE_ATTRIBUTE) == role]
    return node


def array_of(node) -> np.ndarray:
    data = node.GetImageData()
    scalars = numpy_support.vtk_to_numpy(data.GetPointData().GetScalars())
    return scalars.reshape(data.GetDimensions()[::-1])


def ras_of(node):
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    return lambda kji: np.array(matrix.MultiplyPoint([*kji[::-1], 1.0]))[:3]
