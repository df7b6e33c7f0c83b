"""The section Compare: the X-ray and the projection of the synthetic CT, in several ways, and how well they agree."""

from typing import Any

import qt
import slicer

from XrayToCTLib.comparing import compare_nodes, show_comparison
from XrayToCTLib.errors import XrayToCTError
from XrayToCTLib.geometry import Geometry
from XrayToCTLib.layouts import COMPARING_LAYOUT, COMPARING_VIEWS, set_title, show_in_view
from XrayToCTLib.panel.choices import ChoiceBox
from XrayToCTLib.panel.compared_pictures import ComparedPictures
from XrayToCTLib.panel.context import PanelContext
from XrayToCTLib.panel.parameters import XrayToCTParameterNode
from XrayToCTLib.panel.result_tip import ResultTip
from XrayToCTLib.panel.results import result_of
from XrayToCTLib.panel.views import in_turns, show_layout
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
FIRST_VIEW, _, MIXED_VIEW = COMPARING_VIEWS  # the third shows both pictures, in one of the modes
FLICKER_MILLISECONDS = 600


class CompareSection:
    """The section Compare."""

    def __init__(self, context: PanelContext) -> None:
        self._context = context
        ui = self._ui = context.ui
        self._modes = ChoiceBox(ui.compareModeBox, MODES, lambda key: context.set("compare_mode", key))
        self._projections = ChoiceBox(ui.projectionBox, PROJECTIONS, lambda key: context.set("projection", key))
        self._pictures = ComparedPictures(context, self._arrived, ui.metricsLabel.setText)
        self._tip = ResultTip(ui.resultSelector)
        self._pair: tuple[Any, Any] | None = None  # of picture nodes
        self._which: Any = None  # pictures that are compared, and
        self._how: Any = None  # in which way
        self._flicker = qt.QTimer()
        self._flicker.setInterval(FLICKER_MILLISECONDS)
        self._flicker.connect("timeout()", self._flip)
        self._shows_second = False
        ui.compareLayoutButton.connect("clicked()", self.show_comparing)

    def refresh(self, parameters: XrayToCTParameterNode) -> None:
        """Shows the settings and the figures of the chosen result."""
        ui = self._ui
        self._modes.select(parameters.compare_mode)
        self._projections.select(parameters.projection)
        nodes = result_of(parameters.result)
        self._tip.show(parameters.result)
        ui.compareSlider.setEnabled(parameters.compare_mode in ("blend", "checkerboard", "swipe"))
        ui.compareLayoutButton.setEnabled(nodes is not None)
        which = (nodes and nodes.result, parameters.projection, parameters.reference)
        how = (parameters.compare_mode, parameters.compare_position)
        if which != self._which:
            self._which = which
            self._how = None
            self._show_figures(nodes, parameters)
        if how != self._how:
            self._how = how
            self._show_mixed()

    def show_comparing(self) -> None:
        """The comparing layout, with the chosen pictures in its views."""
        if self._pair is not None:
            in_turns([lambda: show_layout(COMPARING_LAYOUT), self._fill_views])

    def close(self) -> None:
        self._flicker.stop()

    def _show_figures(self, nodes: SceneNodes | None, parameters: XrayToCTParameterNode) -> None:
        plane = None if nodes is None else plane_of_result(nodes)
        self._ui.geometryLabel.setText("" if plane is None else geometry_words(plane.geometry))
        self._pair = None if nodes is None else self._pictures.of(nodes, parameters)
        if self._pair is None:
            self._ui.metricsLabel.setText("" if nodes is None else "Waiting for the pictures…")
            return
        try:
            figures = compare_nodes(*self._pair)
        except XrayToCTError as error:
            self._ui.metricsLabel.setText(str(error))
            return
        self._ui.metricsLabel.setText(f"SSIM {figures.ssim:.3f}, NCC {figures.ncc:.3f}, RMSE {figures.rmse:.3f}")
        if self._is_shown():
            self._fill_views()

    def _arrived(self) -> None:
        """The pictures that were asked for are in the scene."""
        self._which = None
        if self._context.parameters is not None:
            self.refresh(self._context.parameters)

    def _fill_views(self) -> None:
        for view, picture in zip(COMPARING_VIEWS, self._pair or (), strict=False):
            show_in_view(slicer.mrmlScene, view, "Coronal", picture, is_linked=True)
        set_title(slicer.mrmlScene, FIRST_VIEW, self._first_words())
        self._show_mixed()

    def _show_mixed(self) -> None:
        """The third picture; made only when it can be seen."""
        self._flicker.stop()
        parameters = self._context.parameters
        if self._pair is None or parameters is None or not self._is_shown():
            return
        mode = parameters.compare_mode
        if mode == "flicker":
            self._put(self._pair[self._shows_second], self._flicker_words())
            self._flicker.start()
            return
        way = "difference" if mode == "side" else mode
        share = 1.0 if way == "difference" else parameters.compare_position / 100
        self._put(show_comparison(*self._pair, way, share), dict(MODES)[way])

    def _flip(self) -> None:
        if self._pair is None or not all(slicer.mrmlScene.IsNodePresent(picture) for picture in self._pair):
            self._flicker.stop()
            return
        self._shows_second = not self._shows_second
        self._put(self._pair[self._shows_second], self._flicker_words())

    def _first_words(self) -> str:
        """What the first picture is: a projection too, where another CT takes the X-ray's place."""
        parameters = self._context.parameters
        is_xray = parameters is None or parameters.reference is None
        return COMPARING_VIEWS[FIRST_VIEW] if is_xray else "Reference"

    def _flicker_words(self) -> str:
        return f"Flicker: {'Projection' if self._shows_second else self._first_words()}"

    @staticmethod
    def _is_shown() -> bool:
        manager = slicer.app.layoutManager()
        return manager is not None and manager.layout == COMPARING_LAYOUT

    @staticmethod
    def _put(picture: Any, title: str) -> None:
        """Shows the third picture and says what it is; where it is there already, the view stays as it is."""
        set_title(slicer.mrmlScene, MIXED_VIEW, title)
        composite = slicer.mrmlScene.GetSingletonNode(MIXED_VIEW, "vtkMRMLSliceCompositeNode")
        if composite is None or composite.GetBackgroundVolumeID() != picture.GetID():
            show_in_view(slicer.mrmlScene, MIXED_VIEW, "Coronal", picture, is_linked=True)


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
