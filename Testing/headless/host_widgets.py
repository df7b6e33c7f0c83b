"""Files and nodes for the tests of the stand-in for Slicer (no tests here)."""

from pathlib import Path
from typing import Any

import numpy as np


def ui_file(folder: Path, widgets: str, connections: str = "", custom: tuple[str, ...] = ()) -> str:
    """A .ui file with a qMRMLWidget named Panel around some widgets."""
    known = {"qMRMLWidget", "qMRMLNodeComboBox", "ctkCollapsibleButton", "ctkSliderWidget", "ctkPathLineEdit", *custom}
    customs = "".join(
        f"<customwidget><class>{name}</class><extends>QWidget</extends><header>x.h</header></customwidget>"
        for name in sorted(known)
    )
    path = folder / "Panel.ui"
    path.write_text(
        f"""<?xml version="1.0" encoding="UTF-8"?><ui version="4.0"><class>Panel</class>
        <widget class="qMRMLWidget" name="Panel"><layout class="QVBoxLayout" name="column">{widgets}</layout></widget>
        <customwidgets>{customs}</customwidgets><connections>{connections}</connections></ui>""",
        encoding="utf-8",
    )
    return str(path)


def item(kind: str, name: str, properties: str = "", inside: str = "") -> str:
    return f'<item><widget class="{kind}" name="{name}">{properties}{inside}</widget></item>'


def parameter(name: str) -> str:
    return f'<property name="SlicerParameterName" stdset="0"><string>{name}</string></property>'


VOLUMES = '<property name="nodeTypes"><stringlist><string>vtkMRMLScalarVolumeNode</string></stringlist></property>'
NONE_TOO = '<property name="noneEnabled"><bool>true</bool></property>'
SCENE_TO_NODES = """<connection><sender>Panel</sender><signal>mrmlSceneChanged(vtkMRMLScene*)</signal>
    <receiver>nodes</receiver><slot>setMRMLScene(vtkMRMLScene*)</slot></connection>"""


def volume(name: str = "V", shape: tuple[int, int, int] = (4, 5, 6)) -> Any:
    """A volume of zeros in the scene."""
    import slicer

    return slicer.util.addVolumeFromArray(np.zeros(shape, dtype=np.int16), name=name)


def parameter_node() -> Any:
    """Slicer's own parameter node of a module named Example."""
    from slicer.ScriptedLoadableModule import ScriptedLoadableModuleLogic

    class ExampleLogic(ScriptedLoadableModuleLogic):
        pass

    return ExampleLogic().getParameterNode()
