"""The panel: its sections, and the settings that they show."""

import shutil
import tempfile
from pathlib import Path
from typing import Any

import slicer

from XrayToCTLib.marking import SYNTHETIC_NOTICE, TB_NOTICE
from XrayToCTLib.panel.checks_section import ChecksSection
from XrayToCTLib.panel.compare_section import CompareSection
from XrayToCTLib.panel.context import PanelContext
from XrayToCTLib.panel.export_section import ExportSection
from XrayToCTLib.panel.follow_up_section import FollowUpSection
from XrayToCTLib.panel.generate_section import GenerateSection
from XrayToCTLib.panel.model_section import ModelSection
from XrayToCTLib.panel.parameters import XrayToCTParameterNode
from XrayToCTLib.panel.pump import Pump
from XrayToCTLib.panel.read_section import ReadSection
from XrayToCTLib.panel.reader_study_section import ReaderStudySection
from XrayToCTLib.panel.runs import Runs
from XrayToCTLib.panel.xray_section import XraySection
from XrayToCTLib.slicer_logic import SlicerLogic

_PARAMETER_NAME = "SlicerParameterName"  # the dynamic property by which a widget of the .ui file names its setting


class Panel:
    """All sections over one set of settings at a time.

    Args:
        ui: the widgets of XrayToCT.ui by name.
    """

    def __init__(self, ui: Any, logic: SlicerLogic, pump: Pump) -> None:
        folder = Path(tempfile.mkdtemp(prefix="XrayToCT-panel-", dir=slicer.app.temporaryPath))
        self._context = PanelContext(ui, logic, Runs(logic, pump), folder)
        self._logic, self._pump = logic, pump
        self._tag: Any = None
        self._is_refreshing = False
        ui.noticeLabel.setText(f"<b>{SYNTHETIC_NOTICE}</b><br>{TB_NOTICE}")
        sections = (
            XraySection,
            ModelSection,
            GenerateSection,
            CompareSection,
            ReadSection,
            ChecksSection,
            ExportSection,
            FollowUpSection,
            ReaderStudySection,
        )
        self._sections = [section(self._context) for section in sections]
        self._bound = {
            widget.property(_PARAMETER_NAME): widget for widget in vars(ui).values() if widget.property(_PARAMETER_NAME)
        }

    def use(self, parameters: XrayToCTParameterNode | None) -> None:
        """Shows another set of settings; None while a scene closes."""
        before: Any = self._context.parameters  # the decorator adds methods that type checkers do not see
        if before is not None:
            before.disconnectGui(self._tag)
        self._context.parameters = parameters
        after: Any = parameters
        if after is not None:
            # Not connectGui: of that, some versions of Slicer give no tag back, and two sets would fight for a widget.
            self._tag = after.connectParametersToGui(self._bound)
            self.refresh()

    def refresh(self) -> None:
        """Shows the settings again; what a section corrects on the way is not shown twice."""
        parameters = self._context.parameters
        if parameters is None or self._is_refreshing:
            return
        self._is_refreshing = True
        try:
            for section in self._sections:
                section.refresh(parameters)
        finally:
            self._is_refreshing = False

    def stop(self) -> None:
        """Ends what is going on, because the scene goes away under it."""
        if self._logic.is_busy:
            self._context.runs.cancel()

    def close(self) -> None:
        """Ends the worker and removes the temporary files; the panel is not used afterwards."""
        self.use(None)
        self._pump.stop()
        self._logic.close()
        for section in self._sections:
            section.close()
        shutil.rmtree(self._context.temporary_folder, ignore_errors=True)
