"""The section Compare: the X-ray and the projection of the synthetic CT, in several ways, and how well they agree."""

from typing import Any

import qt
import slicer

from XrayToCTLib.comparing import compare_nodes, show_comparison
from XrayToCTLib.errors import XrayToCTError
from XrayToCTLib.geometry import Geometry
from XrayToCTLib.layouts import COMPARING_LAYOUT, show_comparing, show_in_view
from XrayToCTLib.panel.choices import ChoiceBox
from XrayToCTLib.panel.context import PanelContext
from XrayToCTLib.panel.parameters import XrayToCTParameterNode
from XrayToCTLib.panel.results import result_of
from XrayToCTLib.panel.views import show_layout
from XrayToCTLib.scene import SceneNodes
from XrayToCTLib.scene_results import plane_of_result

MODES = (
    ("side", "Side by side"),
    ("blend", "Blend"),
    ("checkerboard", "Checkerboard"),
    ("swipe", "Swipe"),
    ("flicker", "Flicker"),
    ("difference", "Difference"),
)
PROJECTIONS = (("cone", "Cone beam of the model's geometry"), ("mean", "Mean along parallel rays"))
MIXED_VIEW = "XrayToCTDifference"  # the third view of the comparing layout
FLICKER_MILLISECONDS = 600


class CompareSection:
    """The section Compare."""

    def __init__(self, context: PanelContext) -> None:
        self._context = context
        ui = self._ui = context.ui
        self._modes = ChoiceBox(ui.compareModeBox, MODES, lambda key: context.set("compare_mode", key))
        self._projections = ChoiceBox(ui.projectionBox, PROJECTIONS, lambda key: context.set("projection", key))
        self._shown: Any = None
        self._flicker = qt.QTimer()
        self._flicker.setInterval(FLICKER_MILLISECONDS)
        self._flicker.connect("timeout()", self._flip)
        self._shows_projection = False
        ui.compareLayoutButton.connect("clicked()", self.show_comparing)

    def refresh(self, parameters: XrayToCTParameterNode) -> None:
        """Shows the settings and the figures of the chosen result."""
        ui = self._ui
        self._modes.select(parameters.compare_mode)
        self._projections.select(parameters.projection)
        nodes = result_of(parameters.result)
        ui.compareSlider.setEnabled(parameters.compare_mode in ("blend", "checkerboard", "swipe"))
        ui.compareLayoutButton.setEnabled(nodes is not None)
        wanted = (nodes and nodes.result, parameters.compare_mode, parameters.compare_position)
        if wanted == self._shown:
            return
        is_new = self._shown is None or self._shown[0] != wanted[0]
        self._shown = wanted
        if is_new:
            self._show_figures(nodes)
        self._show_mixed(nodes, parameters)

    def show_comparing(self) -> None:
        """The comparing layout, with the chosen result in its views."""
        parameters = self._context.parameters
        nodes = None if parameters is None else result_of(parameters.result)
        if nodes is None:
            return
        show_layout(COMPARING_LAYOUT)
        show_comparing(nodes)
        self._show_mixed(nodes, parameters)

    def close(self) -> None:
        self._flicker.stop()

    def _show_figures(self, nodes: SceneNodes | None) -> None:
        plane = None if nodes is None else plane_of_result(nodes)
        self._ui.geometryLabel.setText("" if plane is None else geometry_words(plane.geometry))
        self._ui.metricsLabel.setText("" if nodes is None else self._agreement(nodes))

    @staticmethod
    def _agreement(nodes: SceneNodes) -> str:
        if nodes.radiograph is None or nodes.projection is None:
            return "The X-ray or the projection was deleted."
        try:
            figures = compare_nodes(nodes.radiograph, nodes.projection)
        except XrayToCTError as error:
            return str(error)
        return f"SSIM {figures.ssim:.3f}, NCC {figures.ncc:.3f}, RMSE {figures.rmse:.3f}"

    def _show_mixed(self, nodes: SceneNodes | None, parameters: XrayToCTParameterNode) -> None:
        mode = parameters.compare_mode
        self._flicker.stop()
        if nodes is None or nodes.radiograph is None or nodes.projection is None:
            return
        if mode == "flicker":
            self._flicker.start()
        elif mode == "side":
            self._put(nodes.difference)
        else:
            share = 1.0 if mode == "difference" else parameters.compare_position / 100
            self._put(show_comparison(nodes.radiograph, nodes.projection, mode, share))

    def _flip(self) -> None:
        parameters = self._context.parameters
        nodes = None if parameters is None else result_of(parameters.result)
        if nodes is None:
            self._flicker.stop()
            return
        self._shows_projection = not self._shows_projection
        self._put(nodes.projection if self._shows_projection else nodes.radiograph)

    @staticmethod
    def _put(volume: Any) -> None:
        """Shows a picture in the view of mixed pictures; where it is there already, the view stays as it is."""
        composite = slicer.mrmlScene.GetSingletonNode(MIXED_VIEW, "vtkMRMLSliceCompositeNode")
        if volume is not None and (composite is None or composite.GetBackgroundVolumeID() != volume.GetID()):
            show_in_view(slicer.mrmlScene, MIXED_VIEW, "Coronal", volume, is_linked=True)


def geometry_words(geometry: Geometry) -> str:
    """How the projection is made, in words."""
    height, width = geometry.detector_mm
    sides = " x ".join(f"{side:.0f}" for side in geometry.volume_mm)
    beam = (
        "Parallel beam"
        if geometry.is_parallel
        else f"Source to axis {geometry.source_to_axis_mm:.0f} mm, to detector {geometry.source_to_detector_mm:.0f} mm"
    )
    return f"{geometry.view}. {beam}, detector {height:.0f} x {width:.0f} mm, volume {sides} mm."
