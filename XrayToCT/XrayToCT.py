"""The Slicer module XrayToCT: a synthetic chest CT of one frontal chest X-ray. Thin: the work is in XrayToCTLib.

Nothing that Slicer does not ship is imported here, and nothing runs before the user asks for it.
"""

from pathlib import Path
from typing import Any

import slicer
import vtk
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin

from XrayToCTLib.layouts import register_layouts
from XrayToCTLib.marking import SYNTHETIC_NOTICE, TB_NOTICE
from XrayToCTLib.panel.main import Panel
from XrayToCTLib.panel.parameters import XrayToCTParameterNode
from XrayToCTLib.panel.pump import Pump
from XrayToCTLib.panel.sample_data import SAMPLE, register_sample
from XrayToCTLib.panel.views import keep_notices
from XrayToCTLib.slicer_logic import SlicerLogic


class XrayToCT(ScriptedLoadableModule):
    """What Slicer's module list shows."""

    def __init__(self, parent: Any) -> None:
        super().__init__(parent)
        parent.title = "X-ray to CT"
        parent.categories = ["Image Synthesis"]
        parent.dependencies = []
        parent.contributors = ["The XrayToCT developers"]
        parent.helpText = (
            "Makes a synthetic chest CT of one frontal chest X-ray, projects it back to compare it with the X-ray, "
            f"checks its anatomy and classifies it. {SYNTHETIC_NOTICE}. {TB_NOTICE}"
        )
        parent.acknowledgementText = (
            "After Sizikova, Cao, Lewis, Moise, Coffee: Improving Computed Tomography (CT) Reconstruction via 3D Shape "
            'Induction, 2022 (<a href="https://arxiv.org/abs/2208.10937">arXiv 2208.10937</a>).'
        )
        slicer.app.connect("startupCompleted()", start)


def start() -> None:
    """What Slicer is told once it has started."""
    prepare_views()
    register_sample()


def prepare_views() -> None:
    """Registers the layouts, of which a saved scene keeps the number only, and the notice; as often as one likes."""
    layout_manager = slicer.app.layoutManager()
    if layout_manager is not None:  # None without a main window
        register_layouts(layout_manager.layoutLogic().GetLayoutNode())
        keep_notices()


class XrayToCTWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """The module's panel."""

    def __init__(self, parent: Any = None) -> None:
        VTKObservationMixin.__init__(self)
        self.logic: XrayToCTLogic | None = None
        self.ui: Any = None
        self._panel: Panel | None = None
        self._observed: Any = None
        self._untouched: dict[str, str] | None = None  # what a set held when it was made for want of any
        ScriptedLoadableModuleWidget.__init__(self, parent)

    def setup(self) -> None:
        """Called by Slicer when the module is first shown."""
        super().setup()
        prepare_views()  # where the module was loaded into a Slicer that had started before, or a script comes first
        widget = slicer.util.loadUI(self.resourcePath("UI/XrayToCT.ui"))
        self.layout.addWidget(widget)
        self.ui = slicer.util.childWidgetVariables(widget)
        self.ui.parameterSetSelector.addAttribute("vtkMRMLScriptedModuleNode", "ModuleName", "XrayToCT")
        for name in ("resultSelector", "earlierSelector", "laterSelector"):
            getattr(self.ui, name).addAttribute("vtkMRMLScalarVolumeNode", "XrayToCT.Role", "ct")
        widget.setMRMLScene(slicer.mrmlScene)
        self.logic = XrayToCTLogic()
        self._panel = Panel(self.ui, self.logic, self.logic.pump)
        self.ui.parameterSetSelector.connect("currentNodeChanged(vtkMRMLNode*)", self._choose_set)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartCloseEvent, self._scene_closes)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndCloseEvent, self._scene_closed)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndImportEvent, self._scene_imported)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.NodeRemovedEvent, self._node_removed)
        self._use_some_set()

    def cleanup(self) -> None:
        """Called by Slicer when the module goes away."""
        self.removeObservers()
        if self._panel is not None:
            self._panel.close()
            self._panel = None

    def enter(self) -> None:
        """Called by Slicer each time the module is shown."""
        self._use_some_set()

    def _use_some_set(self) -> None:
        if self.logic is None or (self._observed is not None and slicer.mrmlScene.IsNodePresent(self._observed)):
            return
        is_new = not self.logic.getAllParameterNodes()
        self._use_set(self.logic.getParameterNode())
        self._untouched = _values(self._observed) if is_new else None

    def _choose_set(self, node: Any) -> None:
        """The user has chosen a parameter set, or made one."""
        if node is not None and not slicer.mrmlScene.IsClosing():
            self._use_set(node)

    def _use_set(self, node: Any) -> None:
        if node is self._observed or self._panel is None:
            return
        if self._observed is not None:
            self.removeObserver(self._observed, vtk.vtkCommand.ModifiedEvent, self._settings_changed)
        self._observed = node
        self._panel.use(None if node is None else XrayToCTParameterNode(node))
        if node is not None:
            self.addObserver(node, vtk.vtkCommand.ModifiedEvent, self._settings_changed)
            self.ui.parameterSetSelector.setCurrentNode(node)

    def _settings_changed(self, caller: Any = None, event: Any = None) -> None:
        if self._panel is not None:
            self._panel.refresh()

    def _node_removed(self, caller: Any = None, event: Any = None) -> None:
        """The selector of sets has told of a removed one while it was still in the scene."""
        if not slicer.mrmlScene.IsClosing():
            self._use_some_set()

    def _scene_closes(self, caller: Any = None, event: Any = None) -> None:
        if self._panel is not None:
            self._panel.stop()
        self._use_set(None)

    def _scene_closed(self, caller: Any = None, event: Any = None) -> None:
        self._use_some_set()

    def _scene_imported(self, caller: Any = None, event: Any = None) -> None:
        """The settings of a loaded scene take the place of those that nobody has touched."""
        mine = self._observed
        loaded = [node for node in self.logic.getAllParameterNodes() if node is not mine] if self.logic else []
        if loaded and mine is not None and _values(mine) == self._untouched:
            self._use_set(loaded[0])
            slicer.mrmlScene.RemoveNode(mine)
        else:
            self._use_some_set()
            self._settings_changed()


def _values(node: Any) -> dict[str, str]:
    """Everything that a parameter node holds."""
    values = {name: node.GetParameter(name) for name in node.GetParameterNames()}
    roles = (node.GetNthNodeReferenceRole(number) for number in range(node.GetNumberOfNodeReferenceRoles()))
    return {**values, **{role: node.GetNodeReferenceID(role) or "" for role in roles}}


class XrayToCTLogic(SlicerLogic, ScriptedLoadableModuleLogic):
    """`process`, `export` and `batch` for scripts; see `XrayToCTLib.slicer_logic.SlicerLogic`."""

    def __init__(self) -> None:
        ScriptedLoadableModuleLogic.__init__(self)
        self.isSingletonParameterNode = False
        self.pump = Pump(self)
        SlicerLogic.__init__(self, temporary_folder=Path(slicer.app.temporaryPath), began=self.pump.start)


class XrayToCTTest(ScriptedLoadableModuleTest):
    """What "Reload and Test" runs: the sample, by the real worker. All other tests are in Testing/Python."""

    def runTest(self) -> None:
        self.setUp()
        self.test_the_sample_becomes_a_result()

    def setUp(self) -> None:
        slicer.mrmlScene.Clear()

    def test_the_sample_becomes_a_result(self) -> None:
        logic = XrayToCTLogic()
        try:
            nodes = logic.process(SAMPLE)
        finally:
            logic.close()
        self.assertIsNotNone(nodes.ct)
        self.assertIsNotNone(nodes.radiograph)
