"""The section Reader study of the panel: made when it is first opened."""

from __future__ import annotations

from typing import TYPE_CHECKING

from XrayToCTLib.panel.context import PanelContext
from XrayToCTLib.panel.parameters import XrayToCTParameterNode

if TYPE_CHECKING:
    from XrayToCTLib.panel.study_section import StudySection


class ReaderStudySection:
    """The place of a `StudySection` in the panel. A study is none of the settings: its state is in its own folder."""

    def __init__(self, context: PanelContext) -> None:
        self._place = context.ui.readerStudySection
        self._study: StudySection | None = None
        self._place.connect("contentsCollapsed(bool)", self._opened_or_closed)

    def refresh(self, parameters: XrayToCTParameterNode) -> None:
        """No setting is shown here."""

    def close(self) -> None:
        """Leaves a study that is being read."""
        if self._study is not None:
            self._study.close()
            self._study = None

    def _opened_or_closed(self, is_collapsed: bool) -> None:
        if not is_collapsed and self._study is None:
            # Only now: its reader of CTs brings pydicom, which would slow down the start of the module.
            from XrayToCTLib.panel.study_section import StudySection

            self._study = StudySection(self._place)
