"""The crosshair's link between the CT and the X-ray: which pixel of the X-ray a point of the CT made, and the reverse.

Points are in the scene's world, RAS in mm. Slicer's transforms over the nodes are followed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from XrayToCTLib.orientation import lps_and_ras
from XrayToCTLib.scene import RESULT_ATTRIBUTE, SceneNodes, all_nodes
from XrayToCTLib.scene_results import plane_of_result
from XrayToCTLib.volume_nodes import ROLE_ATTRIBUTE, mark
from XrayToCTLib.xray_plane import Point, XrayPlane

RAY_ROLE = "ray"
_COLOUR = (0.2, 0.9, 0.4)
_TUBE, _DOT = 1 / 300, 1 / 80  # radii as shares of the volume's depth


@dataclass(frozen=True)
class Linked:
    """What belongs to a point: the X-ray's point and pixel (row, column) on its ray, and the ray's ends in the CT.

    ``ray`` runs from the end nearer to the X-ray tube; None where the ray misses the volume. The pixel may lie outside
    the picture.
    """

    xray_point: Point
    pixel: tuple[float, float]
    ray: tuple[Point, Point] | None


def follow(nodes: SceneNodes, point: Sequence[float]) -> Linked | None:
    """What lies on the ray through a point: of the CT, or of the X-ray's plane itself.

    None where nothing links them: the result's CT or X-ray was deleted, its geometry is not known, or the point is at
    or beyond the X-ray tube.
    """
    plane = plane_of_result(nodes)
    if plane is None or nodes.ct is None or nodes.radiograph is None or nodes.radiograph.GetImageData() is None:
        return None
    shadow = plane.shadow(_from_world(nodes.ct, point))
    if shadow is None:
        return None
    columns, rows, _ = nodes.radiograph.GetImageData().GetDimensions()
    ray = plane.ray(shadow)
    return Linked(
        xray_point=_to_world(nodes.radiograph, shadow),
        pixel=plane.pixel(shadow, (rows, columns)),
        ray=None if ray is None else (_to_world(nodes.ct, ray[0]), _to_world(nodes.ct, ray[1])),
    )


def follow_from_xray(nodes: SceneNodes, xray_point: Sequence[float]) -> Linked | None:
    """As `follow`, for a point of the X-ray's plane."""
    if nodes.ct is None or nodes.radiograph is None:
        return None
    return follow(nodes, _to_world(nodes.ct, _from_world(nodes.radiograph, xray_point)))


def show_ray(nodes: SceneNodes, linked: Linked | None) -> Any | None:
    """Draw the ray and the X-ray's point in all views, in one model node a result; None takes it away.

    The node is not saved with the scene. Returns it.
    """
    node = next(
        (
            node
            for node in all_nodes(nodes.scene)
            if (node.GetAttribute(ROLE_ATTRIBUTE), node.GetAttribute(RESULT_ATTRIBUTE)) == (RAY_ROLE, nodes.result)
        ),
        None,
    )
    plane = plane_of_result(nodes)
    if linked is None or plane is None:
        if node is not None:
            node.GetDisplayNode().SetVisibility(False)
        return node
    if node is None:
        node = _add_ray_node(nodes)
    node.SetAndObservePolyData(_ray_surface(linked, plane))
    node.GetDisplayNode().SetVisibility(True)
    return node


def _add_ray_node(nodes: SceneNodes) -> Any:
    node = nodes.scene.AddNewNodeByClass("vtkMRMLModelNode", "Ray of the X-ray")
    node.CreateDefaultDisplayNodes()
    display = node.GetDisplayNode()
    display.SetColor(*_COLOUR)
    display.SetLighting(False)  # the same green from every side
    display.SetVisibility2D(True)
    display.SetSliceIntersectionThickness(2)
    for one in (node, display):
        one.SetSaveWithScene(False)
        one.SetHideFromEditors(True)
    mark(node, RAY_ROLE, {RESULT_ATTRIBUTE: nodes.result})
    return node


def _ray_surface(linked: Linked, plane: XrayPlane) -> Any:
    """A tube along the ray through volume and X-ray, and a ball at the X-ray's point, as polydata."""
    import vtk

    depth = plane.geometry.volume_mm[0]
    parts = vtk.vtkAppendPolyData()
    ball = vtk.vtkSphereSource()
    ball.SetCenter(*linked.xray_point)
    ball.SetRadius(depth * _DOT)
    parts.AddInputConnection(ball.GetOutputPort())
    if linked.ray is not None:
        # Either the tube's end of the ray or the other one is next to the plane: the line takes in all three.
        ends = sorted((*linked.ray, linked.xray_point), key=lambda point: point[1])
        line = vtk.vtkLineSource()
        line.SetPoint1(*ends[0])
        line.SetPoint2(*ends[-1])
        tube = vtk.vtkTubeFilter()
        tube.SetInputConnection(line.GetOutputPort())
        tube.SetRadius(depth * _TUBE)
        tube.SetNumberOfSides(8)
        parts.AddInputConnection(tube.GetOutputPort())
    parts.Update()
    return parts.GetOutput()


def _from_world(node: Any, point: Sequence[float]) -> Point:
    local = [0.0, 0.0, 0.0]
    node.TransformPointFromWorld(list(point), local)
    return lps_and_ras(local)


def _to_world(node: Any, point: Sequence[float]) -> Point:
    world = [0.0, 0.0, 0.0]
    node.TransformPointToWorld(list(lps_and_ras(point)), world)
    return world[0], world[1], world[2]
