"""The section Export: files of the chosen result, and a batch over a folder."""

from pathlib import Path
from typing import Any

from XrayToCTLib.errors import XrayToCTError
from XrayToCTLib.options import ResultFiles
from XrayToCTLib.panel.context import PanelContext
from XrayToCTLib.panel.generate_section import stage_words
from XrayToCTLib.panel.parameters import XrayToCTParameterNode, export_formats, run_settings
from XrayToCTLib.panel.path_line import follow_path
from XrayToCTLib.panel.results import result_of
from XrayToCTLib.panel.texts import say
from XrayToCTLib.panel.xray_source import xray_of_result
from XrayToCTLib.progress import Progress
from XrayToCTLib.worker_requests import Failure, Listener

EXPORT, BATCH = "export", "batch"


class ExportSection:
    """The section Export; the button of what is running cancels."""

    def __init__(self, context: PanelContext) -> None:
        self._context = context
        ui = self._ui = context.ui
        follow_path(ui.exportPathEdit, lambda path: context.set("export_folder", path))
        follow_path(ui.batchPathEdit, lambda path: context.set("batch_folder", path))
        ui.exportButton.connect("clicked()", self._export)
        ui.batchButton.connect("clicked()", self._run_batch)
        context.runs.changed.connect(self._show_run)

    def refresh(self, parameters: XrayToCTParameterNode) -> None:
        """Shows the settings and what can be done."""
        ui, owner = self._ui, self._context.runs.owner
        for edit, path in ((ui.exportPathEdit, parameters.export_folder), (ui.batchPathEdit, parameters.batch_folder)):
            if edit.currentPath != path:
                edit.setCurrentPath(path)
        is_ready = not owner and bool(parameters.export_folder) and bool(export_formats(parameters))
        ui.exportResultLabel.setText(parameters.result.GetName() if parameters.result is not None else "None yet")
        ui.exportButton.setEnabled(owner == EXPORT or (is_ready and parameters.result is not None))
        ui.batchButton.setEnabled(owner == BATCH or (is_ready and bool(parameters.batch_folder)))
        ui.exportButton.setText("Cancel" if owner == EXPORT else "Export the result")
        ui.batchButton.setText("Cancel" if owner == BATCH else "Run the batch")

    def close(self) -> None:
        """Nothing is held."""

    def _export(self) -> None:
        parameters = self._begin(EXPORT)
        if parameters is None:
            return
        nodes = result_of(parameters.result)
        if nodes is None:
            self._say("The chosen volume is no result of this module; choose one in the section Compare.")
            return
        xray = xray_of_result(nodes, self._context.xrays.get(nodes.result), parameters)
        listener = Listener(self._exported, self._failed, lambda progress: self._say(stage_words(progress)))
        try:
            self._context.logic.export(nodes, _files(parameters), xray, listener, wait=False)
        except XrayToCTError as error:
            self._say(str(error))
            return
        self._context.runs.begin(EXPORT)

    def _run_batch(self) -> None:
        parameters = self._begin(BATCH)
        if parameters is None:
            return
        try:
            self._context.logic.batch(
                Path(parameters.batch_folder),
                _files(parameters),
                run_settings(parameters),
                wait=False,
                progress=self._show_batch,
                finished=lambda report: self._say(report.sentences()),
            )
        except XrayToCTError as error:
            self._say(str(error))
            return
        self._context.runs.begin(BATCH)

    def _begin(self, owner: str) -> XrayToCTParameterNode | None:
        """The settings, where something may begin now; a second click on the same button cancels."""
        if self._context.runs.owner == owner:
            self._context.runs.cancel()
            return None
        return None if self._context.runs.owner else self._context.parameters

    def _show_batch(self, number: int, total: int, progress: Progress) -> None:
        self._say(f"X-ray {number} of {total}: {stage_words(progress)}")

    def _exported(self, result: dict[str, Any]) -> None:
        self._say(f"Written to {Path(result['outputs']['report']).parent}.")

    def _failed(self, failure: Failure) -> None:
        self._say(failure.sentences())

    def _say(self, text: str) -> None:
        say(self._ui.exportStatus, text)

    def _show_run(self) -> None:
        if self._context.parameters is not None:
            self.refresh(self._context.parameters)


def _files(parameters: XrayToCTParameterNode) -> ResultFiles:
    return ResultFiles(Path(parameters.export_folder), export_formats(parameters), parameters.anonymise)
