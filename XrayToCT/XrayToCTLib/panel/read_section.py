"""The section Read: classes as bars, overlays, windows, the volume in 3D, and the crosshair's link to the X-ray."""

from typing import Any

import qt

from XrayToCTLib.hounsfield import WINDOWS
from XrayToCTLib.layouts import READING_LAYOUT, READING_VIEWS, show_in_view
from XrayToCTLib.marking import class_notices, class_words
from XrayToCTLib.overlays import apply_window, show_overlay, show_rendering
from XrayToCTLib.panel.choices import ChoiceBox
from XrayToCTLib.panel.context import PanelContext
from XrayToCTLib.panel.crosshair_link import CrosshairLink
from XrayToCTLib.panel.parameters import XrayToCTParameterNode
from XrayToCTLib.panel.results import ResultSummary, result_of, summary_of
from XrayToCTLib.panel.texts import say
from XrayToCTLib.panel.views import fit_three_d, in_turns, show_layout

OVERLAY_WORDS = {"none": "None", "uncertainty": "Expected error", "saliency": "What the classifier looked at"}


class ReadSection:
    """The section Read."""

    def __init__(self, context: PanelContext) -> None:
        self._context = context
        ui = self._ui = context.ui
        self._overlays = ChoiceBox(ui.overlayBox, (("none", "None"),), lambda key: context.set("overlay", key))
        self._link = CrosshairLink(self._nodes)
        self._shown: str | None = None  # the result whose classes are shown
        self._overlaid: Any = None
        for name in WINDOWS:
            getattr(ui, f"{name}WindowButton").connect("clicked()", lambda name=name: self._apply_window(name))
        ui.volumeRenderingCheckBox.connect("toggled(bool)", self._show_rendering)
        ui.readLayoutButton.connect("clicked()", self.show_reading)
        context.result_added.connect(self.show_reading)

    def refresh(self, parameters: XrayToCTParameterNode) -> None:
        """Shows the chosen result and the settings."""
        ui = self._ui
        nodes = result_of(parameters.result)
        name = None if nodes is None else nodes.result
        if name != self._shown:
            self._shown = name
            self._show_classes(summary_of(nodes))
        there = ["none", *(key for key in ("uncertainty", "saliency") if nodes and getattr(nodes, key) is not None)]
        if list(self._overlays.keys) != there:
            self._overlays.fill([(key, OVERLAY_WORDS[key]) for key in there])
        self._overlays.select(parameters.overlay)
        self._show_overlay(parameters)
        self._link.set_active(parameters.crosshair_linked)
        controls = (ui.readLayoutButton, ui.volumeRenderingCheckBox, ui.crosshairCheckBox, ui.overlayBox)
        for control in (*controls, *(getattr(ui, f"{name}WindowButton") for name in WINDOWS)):
            control.setEnabled(nodes is not None)
        ui.overlayOpacitySlider.setEnabled(self._overlays.key != "none")

    def show_reading(self) -> None:
        """The reading layout, with the chosen result in its views."""
        nodes = self._nodes()
        if nodes is None or nodes.ct is None:
            return
        views = [lambda view=view, way=way: self._fill_view(view, way) for view, way in READING_VIEWS.items()]
        in_turns([lambda: show_layout(READING_LAYOUT), *views, self._finish_reading])

    def close(self) -> None:
        self._link.set_active(False)

    def _nodes(self) -> Any:
        parameters = self._context.parameters
        return None if parameters is None else result_of(parameters.result)

    def _fill_view(self, view: str, orientation: str) -> None:
        nodes = self._nodes()
        if nodes is not None and nodes.ct is not None:  # it may be gone by now
            show_in_view(nodes.scene, view, orientation, nodes.ct)

    def _finish_reading(self) -> None:
        nodes, parameters = self._nodes(), self._context.parameters
        if nodes is not None and parameters is not None:
            show_rendering(nodes, self._ui.volumeRenderingCheckBox.checked)
            fit_three_d()
            self._overlaid = None  # filling a view has taken the overlay away
            self._show_overlay(parameters)

    def _show_classes(self, summary: ResultSummary) -> None:
        layout = self._ui.classBars.layout()
        while layout.rowCount():
            layout.removeRow(0)
        told = " ".join(class_notices(summary.warnings))
        say(self._ui.classNotice, told if summary.classes else "There is no result with classes yet.")
        for kind, values in (("class", summary.classes), ("finding", summary.findings)):
            if kind == "finding" and values:
                layout.addRow(qt.QLabel("Findings, each by itself:"))
            for name, probability in values.items():
                words = class_words(name)
                layout.addRow(words[:1].upper() + words[1:], _bar(kind, name, probability))

    def _show_overlay(self, parameters: XrayToCTParameterNode) -> None:
        wanted = (self._shown, self._overlays.key, parameters.overlay_opacity)
        nodes = self._nodes()
        if wanted == self._overlaid or nodes is None:
            return
        self._overlaid = wanted
        key = self._overlays.key
        show_overlay(nodes, None if key == "none" else key, parameters.overlay_opacity / 100)

    def _apply_window(self, name: str) -> None:
        nodes = self._nodes()
        if nodes is not None:
            apply_window(nodes, name)

    def _show_rendering(self, is_visible: bool) -> None:
        nodes = self._nodes()
        if nodes is not None:
            show_rendering(nodes, is_visible)
            fit_three_d()


def _bar(kind: str, name: str, probability: float) -> Any:
    bar = qt.QProgressBar()
    bar.setRange(0, 100)
    bar.setValue(round(100 * probability))
    bar.setToolTip(f"Probability of the {kind} {class_words(name)} by the CT classifier, on a synthetic CT.")
    return bar
