"""The section Generate: Apply, which becomes Cancel, progress by stage with the time left, and what is missing."""

from pathlib import Path
from typing import Any

import qt
import slicer

from XrayToCTLib.dependencies import Package, install, missing_packages
from XrayToCTLib.errors import XrayToCTError
from XrayToCTLib.marking import TB_NOTICE
from XrayToCTLib.panel.context import PanelContext
from XrayToCTLib.panel.parameters import XrayToCTParameterNode, run_settings
from XrayToCTLib.panel.results import summary_of
from XrayToCTLib.panel.texts import say
from XrayToCTLib.panel.warm_up import warm_up
from XrayToCTLib.panel.xray_source import is_chosen, xray_file
from XrayToCTLib.progress import Progress
from XrayToCTLib.worker_requests import Failure, Listener

OWNER = "generate"
_STAGES = {
    "start": "Starting",
    "load": "Loading the model",
    "read": "Reading the X-ray",
    "generate": "Making the volume",
    "uncertainty": "Estimating the uncertainty",
    "project": "Projecting the volume",
    "classify": "Classifying",
    "check": "Checking the anatomy",
    "write": "Writing",
    "scene": "Adding the result to the scene",
}


def stage_words(progress: Progress) -> str:
    """What the panel says of a run that is under way."""
    stage = _STAGES.get(progress.stage, progress.stage.capitalize())
    if progress.seconds_left is None:
        return f"{stage}…"
    if progress.seconds_left < 60:
        return f"{stage}… about {max(1, round(progress.seconds_left))} s left"
    return f"{stage}… about {round(progress.seconds_left / 60)} min left"


class GenerateSection:
    """The section Generate."""

    def __init__(self, context: PanelContext) -> None:
        self._context = context
        ui = self._ui = context.ui
        self._missing: tuple[Package, ...] = missing_packages()
        ui.applyButton.connect("clicked()", self._apply_or_cancel)
        ui.installButton.connect("clicked()", self._install)
        context.runs.changed.connect(self._show_run)

    def refresh(self, parameters: XrayToCTParameterNode) -> None:
        """Shows what can be done."""
        ui, owner = self._ui, self._context.runs.owner
        ui.installButton.setVisible(bool(self._missing))
        names = ", ".join(package.name for package in self._missing)
        say(ui.dependencyLabel, f"To make a volume, these packages are missing: {names}." if names else "")
        can_start = not self._missing and not owner and is_chosen(parameters)
        ui.applyButton.setEnabled(owner == OWNER or can_start)

    def close(self) -> None:
        """Nothing is held."""

    def _apply_or_cancel(self) -> None:
        context = self._context
        if context.runs.owner == OWNER:
            context.runs.cancel()
            return
        parameters = context.parameters
        if parameters is None or context.runs.owner:
            return
        try:
            path = xray_file(parameters, context.temporary_folder)
        except XrayToCTError as error:
            say(self._ui.stageLabel, str(error))
            return
        self._show_progress(Progress("start", 0.0, None))
        warm_up()

        def finished(nodes: Any) -> None:
            context.xrays[nodes.result] = path
            self._finished(nodes)

        listener = Listener(finished, self._failed, self._show_progress)
        context.logic.process(path, run_settings(parameters), listener, wait=False)
        context.runs.begin(OWNER)

    def _show_run(self) -> None:
        is_running = self._context.runs.owner == OWNER
        self._ui.applyButton.setText("Cancel" if is_running else "Apply")
        self._ui.progressBar.setVisible(is_running)
        if self._context.parameters is not None:
            self.refresh(self._context.parameters)

    def _show_progress(self, progress: Progress) -> None:
        self._ui.progressBar.setValue(round(100 * progress.fraction))
        say(self._ui.stageLabel, stage_words(progress))

    def _finished(self, nodes: Any) -> None:
        # The notice about TB stands in the panel anyway.
        told = [warning for warning in summary_of(nodes).warnings if warning != TB_NOTICE]
        done = "Done. The result is a synthetic CT: not for diagnostic use."
        say(self._ui.stageLabel, "\n".join([done, *told]))
        self._context.set("result", nodes.ct)
        qt.QTimer.singleShot(0, self._context.result_added.emit)  # in a step of its own, so that nothing stands still

    def _failed(self, failure: Failure) -> None:
        say(self._ui.stageLabel, failure.sentences())

    def _install(self) -> None:
        """Asks once; then installs from the network, or from a folder of wheels."""
        names = ", ".join(package.requirement for package in self._missing)
        if not slicer.util.confirmOkCancelDisplay(
            f"Install {names} into Slicer's Python? PyTorch is a download of several hundred MB up to a few GB. What "
            "Slicer ships is kept as it is. Without a network, choose a folder of wheels in the next step; with one, "
            "cancel that step.",
            "XrayToCT",
        ):
            return
        chosen = qt.QFileDialog.getExistingDirectory(slicer.util.mainWindow(), "Folder of wheels (cancel: network)")
        self.install_missing(Path(chosen) if chosen else None)

    def install_missing(self, wheels: Path | None) -> None:
        """Installs what is missing; the user has agreed."""
        say(self._ui.stageLabel, "Installing…")
        slicer.app.processEvents()
        try:
            install(self._missing, wheels)
        except XrayToCTError as error:
            say(self._ui.stageLabel, str(error))
        else:
            say(self._ui.stageLabel, "Installed.")
        self._missing = missing_packages()
        if self._context.parameters is not None:
            self.refresh(self._context.parameters)
