"""The custom widgets that a .ui file may name; others are refused."""

from slicer_host.ctk_widgets import CTK_WIDGETS
from slicer_host.mrml_widgets import MRML_WIDGETS

CUSTOM_WIDGETS = {**CTK_WIDGETS, **MRML_WIDGETS}
