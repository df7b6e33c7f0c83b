"""Layouts of Slicer's views for reading and for comparing, and what each of their views shows.

A scene file keeps the number of its layout only: `register_layouts` at start-up makes the numbers known again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from xml.etree import ElementTree

from XrayToCTLib.scene import SceneNodes
from XrayToCTLib.volume_nodes import set_window

#: Numbers for vtkMRMLLayoutNode, beyond those of Slicer and, by now, of other extensions in its catalogue.
READING_LAYOUT, COMPARING_LAYOUT, FOLLOW_UP_LAYOUT, STUDY_LAYOUT = 59061, 59062, 59063, 59064

#: Names of the views: those of Slicer for reading, our own where it has none.
READING_VIEWS = {"Red": "Axial", "Green": "Coronal", "Yellow": "Sagittal"}
COMPARING_VIEWS = {"XrayToCTXray": "X-ray", "XrayToCTProjection": "Projection", "XrayToCTDifference": "Difference"}
FOLLOW_UP_VIEWS = {"XrayToCTEarlier": "Earlier", "XrayToCTLater": "Later", "XrayToCTChange": "Change"}
#: Apart from those for reading, so that nothing of a result is seen beside a case of a reader study.
STUDY_VIEWS = {"XrayToCTStudyAxial": "Axial", "XrayToCTStudyCoronal": "Coronal", "XrayToCTStudySagittal": "Sagittal"}
THREE_D_VIEW = "1"

_COLOURS = ("#4A9BD9", "#F2A93B", "#C65BB0")
# Slicer links the slice views of one group; groups are told apart so that browsing the CT leaves the X-ray in place.
_COMPARING_GROUP, _FOLLOW_UP_GROUP, _STUDY_GROUP = 1, 2, 3
_PLANE_COLOURS = ("#F34A33", "#6EB04B", "#EDD54C")  # Slicer's own for axial, coronal and sagittal slices


def layout_descriptions() -> dict[int, str]:
    """XML by the number of the layout."""
    standard = dict(zip(READING_VIEWS, _PLANE_COLOURS, strict=True))
    slices = {name: _slice(name, label, label[0], standard[name]) for name, label in READING_VIEWS.items()}
    rows = ((slices["Red"], _three_d()), (slices["Green"], slices["Yellow"]))
    reading = _split("vertical", [_split("horizontal", row) for row in rows])
    coloured = zip(STUDY_VIEWS.items(), _PLANE_COLOURS, strict=True)
    axial, *others = (_slice(name, label, label[0], colour, _STUDY_GROUP) for (name, label), colour in coloured)
    study = _split("horizontal", [axial, _split("vertical", others)])
    return {
        number: ElementTree.tostring(layout, encoding="unicode")
        for number, layout in (
            (READING_LAYOUT, reading),
            (COMPARING_LAYOUT, _side_by_side(COMPARING_VIEWS, _COMPARING_GROUP)),
            (FOLLOW_UP_LAYOUT, _side_by_side(FOLLOW_UP_VIEWS, _FOLLOW_UP_GROUP)),
            (STUDY_LAYOUT, study),
        )
    }


def register_layouts(layout_node: Any) -> None:
    """Make the layouts known to a vtkMRMLLayoutNode, as often as one likes; the layout that is shown stays."""
    for number, xml in layout_descriptions().items():
        if not layout_node.IsLayoutDescription(number):
            layout_node.AddLayoutDescription(number, xml)
        elif layout_node.GetLayoutDescription(number) != xml:
            layout_node.SetLayoutDescription(number, xml)


def show_reading(nodes: SceneNodes) -> None:
    """The CT in the slice views, centred and fitted."""
    for view, orientation in READING_VIEWS.items():
        show_in_view(nodes.scene, view, orientation, nodes.ct)


def show_comparing(nodes: SceneNodes) -> None:
    """X-ray, projection and difference in their views, linked: they lie in one plane."""
    pictures = (nodes.radiograph, nodes.projection, nodes.difference)
    for (view, words), picture in zip(COMPARING_VIEWS.items(), pictures, strict=True):
        show_in_view(nodes.scene, view, "Coronal", picture, is_linked=True)
        set_title(nodes.scene, view, words)


def show_follow_up(earlier: SceneNodes, later: SceneNodes, change: Any) -> None:
    """The CTs of two results in one window, and their change (see `follow_up.add_change`), side by side and linked."""
    if earlier.ct is not None and later.ct is not None:
        shown = earlier.ct.GetDisplayNode()
        set_window(later.ct, shown.GetWindow(), shown.GetLevel())
    for view, volume in zip(FOLLOW_UP_VIEWS, (earlier.ct, later.ct, change), strict=True):
        show_in_view(earlier.scene, view, "Coronal", volume, is_linked=True)


def show_in_view(scene: Any, view: str, orientation: str, volume: Any | None, is_linked: bool = False) -> None:
    """Make a volume, None for nothing, the background of a slice view, which need not have been shown yet."""
    logic = _slice_logic(scene, view)
    node = logic.GetSliceNode()
    node.SetOrientation(orientation)
    composite = logic.GetSliceCompositeNode()
    composite.SetLinkedControl(is_linked)
    composite.SetBackgroundVolumeID(None if volume is None else volume.GetID())
    composite.SetForegroundVolumeID(None)
    if volume is not None:
        logic.FitSliceToAll()


def set_title(scene: Any, view: str, words: str) -> None:
    """Say in the bar above a slice view what it shows; nothing happens to a view that was never shown."""
    node = scene.GetSingletonNode(view, "vtkMRMLSliceNode")
    if node is not None and node.GetLayoutLabel() != words:
        node.SetLayoutLabel(words)


def _slice_logic(scene: Any, view: str) -> Any:
    """The view's own vtkMRMLSliceLogic; one for the moment where the view has not been shown."""
    import slicer

    node = scene.GetSingletonNode(view, "vtkMRMLSliceNode")
    app = getattr(slicer, "app", None)  # a script without Slicer has none
    shown = app and node and app.applicationLogic().GetSliceLogic(node)
    if shown:
        return shown
    logic = slicer.vtkMRMLSliceLogic()
    logic.SetMRMLScene(scene)
    if node is None:
        logic.AddSliceNode(view)
    else:  # to add it again would turn it back to what a new one shows
        logic.SetSliceNode(node)
    return logic


def _side_by_side(views: dict[str, str], group: int) -> ElementTree.Element:
    named = zip(views.items(), _COLOURS, strict=True)
    return _split("horizontal", [_slice(name, label, label, colour, group) for (name, label), colour in named])


def _split(direction: str, parts: Sequence[ElementTree.Element]) -> ElementTree.Element:
    layout = ElementTree.Element("layout", type=direction, split="true")
    for part in parts:
        ElementTree.SubElement(layout, "item").append(part)
    return layout


def _slice(name: str, label: str, short: str, colour: str, group: int = 0) -> ElementTree.Element:
    orientation = {**READING_VIEWS, **STUDY_VIEWS}.get(name, "Coronal")
    properties = {"orientation": orientation, "viewlabel": short, "viewcolor": colour, "viewgroup": str(group)}
    return _view("vtkMRMLSliceNode", name, properties)


def _three_d() -> ElementTree.Element:
    return _view("vtkMRMLViewNode", THREE_D_VIEW, {"viewlabel": THREE_D_VIEW})


def _view(node_class: str, name: str, properties: dict[str, str]) -> ElementTree.Element:
    view = ElementTree.Element("view", {"class": node_class, "singletontag": name})
    for key, value in properties.items():
        ElementTree.SubElement(view, "property", name=key, action="default").text = value
    return view
