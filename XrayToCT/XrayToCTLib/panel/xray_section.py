"""The section X-ray: which one, how it is read, and a preview of what the network sees."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import qt
import slicer

from XrayToCTLib.errors import XrayToCTError
from XrayToCTLib.panel.choices import ChoiceBox
from XrayToCTLib.panel.context import PanelContext
from XrayToCTLib.panel.parameters import XrayToCTParameterNode, run_settings
from XrayToCTLib.panel.path_line import follow_path
from XrayToCTLib.panel.sample_data import SAMPLE
from XrayToCTLib.panel.texts import say
from XrayToCTLib.panel.xray_source import dicom_database, is_chosen, xray_file, xray_series
from XrayToCTLib.worker_requests import Failure
from XrayToCTLib.xray_folder import files_below

SOURCES = (("file", "File or folder"), ("dicom", "DICOM database"), ("volume", "Volume in the scene"))
VIEWS = (("recorded", "As recorded"), ("PA", "PA"), ("AP", "AP"))
POLARITIES = (("auto", "Automatic"), ("no", "As displayed"), ("yes", "Inverted"))
PREVIEW_WIDTH = 256
_PREVIEW_DELAY_MILLISECONDS = 400


class XraySection:
    """The section X-ray."""

    def __init__(self, context: PanelContext) -> None:
        self._context = context
        ui = self._ui = context.ui
        self._sources = ChoiceBox(ui.sourceBox, SOURCES, lambda key: context.set("source", key))
        self._files = ChoiceBox(ui.folderFileBox, (), lambda key: context.set("folder_file", key))
        self._series = ChoiceBox(ui.dicomBox, (), lambda key: context.set("dicom_series", key))
        self._views = ChoiceBox(ui.viewBox, VIEWS, lambda key: context.set("view", key))
        self._polarities = ChoiceBox(ui.polarityBox, POLARITIES, lambda key: context.set("polarity", key))
        follow_path(ui.xrayPathEdit, lambda path: context.set("xray_path", path))
        ui.xrayNodeSelector.connect("currentNodeChanged(vtkMRMLNode*)", lambda node: context.set("xray_volume", node))
        ui.cropRowsRange.connect("valuesChanged(double,double)", self._crop_rows)
        ui.cropColumnsRange.connect("valuesChanged(double,double)", self._crop_columns)
        ui.xrayFolderButton.connect("clicked()", self._choose_folder)
        ui.sampleButton.connect("clicked()", self.take_sample)
        ui.dicomRefreshButton.connect("clicked()", self._list_series)
        ui.previewButton.connect("clicked()", self.ask_for_preview)
        self._delay = qt.QTimer()
        self._delay.setSingleShot(True)
        self._delay.setInterval(_PREVIEW_DELAY_MILLISECONDS)
        self._delay.connect("timeout()", self.ask_for_preview)
        self._previewed: Any = None  # what the preview shows; None before the first one
        self._number = 0
        self._folder_problem = ""
        # The folder that was searched last and when it had changed, its files, and what is wrong with it.
        self._searched: tuple[tuple[str, int] | None, list[str], str] = (None, [], "")

    def refresh(self, parameters: XrayToCTParameterNode) -> None:
        """Shows the settings."""
        ui = self._ui
        self._sources.select(parameters.source)
        self._views.select(parameters.view)
        self._polarities.select(parameters.polarity)
        if ui.xrayPathEdit.currentPath != parameters.xray_path:
            ui.xrayPathEdit.setCurrentPath(parameters.xray_path)
        if ui.xrayNodeSelector.currentNode() is not parameters.xray_volume:
            ui.xrayNodeSelector.setCurrentNode(parameters.xray_volume)
        self._list_files(parameters)
        self._series.select(parameters.dicom_series)
        _show_range(ui.cropRowsRange, parameters.crop_top, parameters.crop_bottom)
        _show_range(ui.cropColumnsRange, parameters.crop_left, parameters.crop_right)
        rows = {
            "file": (ui.xrayPathEditLabel, ui.xrayPathEdit, ui.xrayFolderButton),
            "dicom": (ui.dicomBoxLabel, ui.dicomBox, ui.dicomRefreshButton),
            "volume": (ui.xrayNodeSelectorLabel, ui.xrayNodeSelector),
        }
        for source, widgets in rows.items():
            for widget in widgets:
                widget.setVisible(source == parameters.source)
        for widget in (ui.folderFileBoxLabel, ui.folderFileBox):
            widget.setVisible(parameters.source == "file" and bool(self._files.keys))
        ui.previewButton.setEnabled(is_chosen(parameters))
        if self._previewed is not None and self._wanted(parameters) != self._previewed:
            self._delay.start()

    def take_sample(self) -> None:
        """Chooses the simulated X-ray that comes with the extension."""
        self._context.set("source", "file")
        self._context.set("xray_path", str(SAMPLE))

    def ask_for_preview(self) -> None:
        """Asks the worker for what the network would see."""
        context = self._context
        parameters = context.parameters
        if parameters is None or context.runs.owner:
            return
        self._previewed = self._wanted(parameters)
        self._number += 1
        folder = context.temporary_folder / f"preview-{self._number}"
        try:
            path = xray_file(parameters, context.temporary_folder)
        except XrayToCTError as error:
            self._show_failure(Failure(error.exit_code, str(error)))
            return
        say(self._ui.previewText, "Reading the X-ray…")
        context.logic.preview(path, run_settings(parameters), folder, self._show_preview, self._show_failure)

    def close(self) -> None:
        self._delay.stop()

    def _show_preview(self, result: dict[str, Any]) -> None:
        picture = qt.QPixmap(result["image"])
        self._ui.previewLabel.setVisible(True)
        self._ui.previewLabel.setPixmap(picture.scaledToWidth(PREVIEW_WIDTH, qt.Qt.SmoothTransformation))
        say(self._ui.previewText, preview_words(result))

    def _show_failure(self, failure: Failure) -> None:
        self._ui.previewLabel.clear()
        self._ui.previewLabel.setVisible(False)
        say(self._ui.previewText, "" if failure.was_cancelled else failure.sentences())

    @staticmethod
    def _wanted(parameters: XrayToCTParameterNode) -> Any:
        node = parameters.xray_volume
        which = (parameters.source, parameters.xray_path, parameters.folder_file, parameters.dicom_series)
        settings = run_settings(parameters)
        return (*which, node and node.GetID(), settings.view, settings.invert, settings.flip, settings.crop)

    def _choose_folder(self) -> None:
        """CTK's path line chooses a file where it takes both."""
        before = self._context.parameters.xray_path if self._context.parameters is not None else ""
        chosen = qt.QFileDialog.getExistingDirectory(slicer.util.mainWindow(), "Folder of X-rays", before)
        if chosen:
            self._context.set("xray_path", chosen)

    def _list_files(self, parameters: XrayToCTParameterNode) -> None:
        names, problem = self._files_of(parameters.xray_path)
        if problem != self._folder_problem:
            self._folder_problem = problem
            say(self._ui.previewText, problem)
        if list(self._files.keys) != names:
            self._files.fill([(name, name) for name in names])
        self._files.select(parameters.folder_file)
        if self._files.key != parameters.folder_file:
            self._context.set("folder_file", self._files.key)

    def _files_of(self, path: str) -> tuple[list[str], str]:
        """The files to choose from, none where the path is no folder, and what is wrong; a folder is searched once."""
        changed = os.stat(path).st_mtime_ns if path and os.path.isdir(path) else None
        if changed is None:
            return [], ""
        if self._searched[0] != (path, changed):
            try:
                names, is_all = files_below(Path(path))
                problem = "" if is_all else f"Only {len(names)} files are offered; choose a folder further down."
            except XrayToCTError as error:
                names, problem = [], str(error)
            self._searched = (path, changed), names, problem
        return self._searched[1], self._searched[2]

    def _list_series(self) -> None:
        database = dicom_database()
        self._series.fill(xray_series(database) if database is not None else ())
        self._context.set("dicom_series", self._series.key)

    def _crop_rows(self, top: float, bottom: float) -> None:
        self._context.set("crop_top", top)
        self._context.set("crop_bottom", bottom)

    def _crop_columns(self, left: float, right: float) -> None:
        self._context.set("crop_left", left)
        self._context.set("crop_right", right)


def preview_words(result: Mapping[str, Any]) -> str:
    """View, size where the X-ray tells it, and warnings, of the worker's preview: a line each."""
    size = "" if result["size_is_nominal"] else ", " + " x ".join(f"{side:.0f}" for side in result["size_mm"]) + " mm"
    return "\n".join([f"View {result['view']}{size}", *result["warnings"]])


def _show_range(widget: Any, low: float, high: float) -> None:
    if (widget.minimumValue, widget.maximumValue) != (low, high):
        was_blocked = widget.blockSignals(True)
        widget.setValues(low, high)
        widget.blockSignals(was_blocked)
