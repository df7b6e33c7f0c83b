"""The stand-in for Slicer: .ui files, nodes in widgets, parameter nodes, modules, views and files."""

import enum
import os
import sys
from pathlib import Path
from typing import Annotated, Optional

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(autouse=True)
def nothing_left_over(host):
    yield
    host.process_events(0)
    import slicer

    slicer.mrmlScene.Clear(0)
    host.recorded.clear()


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


def volume(name: str = "V", shape: tuple[int, int, int] = (4, 5, 6)):
    import slicer

    return slicer.util.addVolumeFromArray(np.zeros(shape, dtype=np.int16), name=name)


# .ui files


def test_the_named_widgets_of_a_ui_file_are_attributes(host, tmp_path: Path):
    import ctk
    import slicer

    inside = item("QCheckBox", "flip", '<property name="toolTip"><string>Exchanges left and right</string></property>')
    section = item("ctkCollapsibleButton", "section", inside=f'<layout class="QVBoxLayout" name="c">{inside}</layout>')
    widget = slicer.util.loadUI(ui_file(tmp_path, section))
    ui = slicer.util.childWidgetVariables(widget)
    assert isinstance(widget, slicer.qMRMLWidget)
    assert isinstance(ui.section, ctk.ctkCollapsibleButton)
    assert ui.flip.toolTip == "Exchanges left and right"
    assert host.recorded.loader_warnings == []


def test_an_unknown_custom_widget_is_refused(host, tmp_path: Path):
    import slicer

    with pytest.raises(RuntimeError, match="ctkNoSuchWidget"):
        slicer.util.loadUI(ui_file(tmp_path, item("ctkNoSuchWidget", "x"), custom=("ctkNoSuchWidget",)))


def test_a_property_that_a_widget_lacks_is_refused(host, tmp_path: Path):
    import slicer

    wrong = '<property name="colapsed"><bool>true</bool></property>'
    with pytest.raises(RuntimeError, match="has no property 'colapsed'"):
        slicer.util.loadUI(ui_file(tmp_path, item("ctkCollapsibleButton", "section", wrong)))


@pytest.mark.parametrize(
    ("sender", "signal", "receiver", "slot", "wrong"),
    [
        ("flip", "toggled(bool)", "other", "setEnabled(int)", "setEnabled"),
        ("flip", "toggledTwice(bool)", "other", "setEnabled(bool)", "toggledTwice"),
        ("flip", "toggled(bool)", "missing", "setEnabled(bool)", "missing"),
    ],
)
def test_connections_of_a_ui_file_must_exist(host, tmp_path: Path, sender, signal, receiver, slot, wrong):
    import slicer

    connection = f"""<connection><sender>{sender}</sender><signal>{signal}</signal>
        <receiver>{receiver}</receiver><slot>{slot}</slot></connection>"""
    widgets = item("QCheckBox", "flip") + item("QLabel", "other")
    with pytest.raises((RuntimeError, ValueError), match=wrong):
        slicer.util.loadUI(ui_file(tmp_path, widgets, connection))


def test_connections_of_a_ui_file_are_made(host, tmp_path: Path):
    import slicer

    connection = """<connection><sender>flip</sender><signal>toggled(bool)</signal>
        <receiver>other</receiver><slot>setHidden(bool)</slot></connection>"""
    widget = slicer.util.loadUI(ui_file(tmp_path, item("QCheckBox", "flip") + item("QLabel", "other"), connection))
    ui = slicer.util.childWidgetVariables(widget)
    ui.flip.checked = True
    assert ui.other.isHidden()


def test_a_node_selector_gets_its_scene_by_the_files_connection_and_follows_it(host, tmp_path: Path):
    import slicer

    widget = slicer.util.loadUI(
        ui_file(tmp_path, item("qMRMLNodeComboBox", "nodes", VOLUMES + NONE_TOO), SCENE_TO_NODES)
    )
    nodes = slicer.util.childWidgetVariables(widget).nodes
    chosen = []
    nodes.connect("currentNodeChanged(vtkMRMLNode*)", chosen.append)
    nodes.connect("currentNodeChanged(bool)", chosen.append)
    widget.setMRMLScene(slicer.mrmlScene)
    assert nodes.currentNode() is None
    first = volume()
    slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTextNode")
    assert nodes.nodeCount() == 1
    nodes.setCurrentNode(first)
    assert (nodes.currentNode(), nodes.currentNodeID) == (first, first.GetID())
    slicer.mrmlScene.RemoveNode(first)
    assert nodes.currentNode() is None
    assert chosen == [first, True, None, False]


def test_a_selector_without_none_chooses_the_first_node_and_one_with_attributes_only_those_that_have_them(host):
    import slicer

    nodes = slicer.qMRMLNodeComboBox()
    nodes.nodeTypes = ["vtkMRMLScalarVolumeNode"]
    nodes.addAttribute("vtkMRMLScalarVolumeNode", "Role", "ct")
    nodes.setMRMLScene(slicer.mrmlScene)
    volume()
    assert nodes.currentNode() is None
    marked = slicer.mrmlScene.CreateNodeByClass("vtkMRMLScalarVolumeNode")
    marked.UnRegister(None)
    marked.SetAttribute("Role", "ct")
    slicer.mrmlScene.AddNode(marked)
    assert nodes.currentNode() is marked


def test_a_closed_section_hides_its_contents(host, tmp_path: Path):
    import slicer

    inside = f'<layout class="QVBoxLayout" name="c">{item("QCheckBox", "flip")}</layout>'
    widget = slicer.util.loadUI(ui_file(tmp_path, item("ctkCollapsibleButton", "section", inside=inside)))
    ui = slicer.util.childWidgetVariables(widget)
    widget.show()
    assert ui.flip.visible
    tall = widget.sizeHint.height()
    ui.section.collapsed = True
    assert not ui.flip.visible
    assert widget.sizeHint.height() < tall
    ui.section.checked = True
    assert ui.flip.visible
    assert not ui.section.collapsed


# Parameter nodes


class Mode(enum.Enum):
    WINDOW = 1
    BLEND = 2


@pytest.fixture
def settings(host):
    """A class of parameters."""
    from slicer import vtkMRMLScalarVolumeNode
    from slicer.parameterNodeWrapper import Choice, WithinRange, parameterNodeWrapper

    class Settings:
        xray: vtkMRMLScalarVolumeNode
        ct: Optional[vtkMRMLScalarVolumeNode]  # noqa: UP045
        opacity: Annotated[float, WithinRange(0, 1)] = 0.5
        steps: int = 3
        flip: bool = True
        view: Annotated[str, Choice(["PA", "AP"])] = "PA"
        mode: Mode = Mode.BLEND
        files: list[str]
        seed: Optional[int] = None  # noqa: UP045

    Settings.__annotations__.update(xray=vtkMRMLScalarVolumeNode, ct=Optional[vtkMRMLScalarVolumeNode])  # noqa: UP045
    return parameterNodeWrapper(Settings)


def parameter_node():
    from slicer.ScriptedLoadableModule import ScriptedLoadableModuleLogic

    class ExampleLogic(ScriptedLoadableModuleLogic):
        pass

    return ExampleLogic().getParameterNode()


def test_parameters_have_their_defaults_and_are_kept_in_the_node(settings):
    node = parameter_node()
    kept = settings(node)
    assert (kept.opacity, kept.steps, kept.flip, kept.view, kept.mode) == (0.5, 3, True, "PA", Mode.BLEND)
    assert (kept.xray, kept.files, kept.seed) == (None, [], None)
    kept.steps, kept.mode, kept.seed = 4, Mode.WINDOW, 7
    kept.files = ["a", "b"]
    kept.files.append("c")
    again = settings(node)
    assert (again.steps, again.mode, again.seed, again.files) == (4, Mode.WINDOW, 7, ["a", "b", "c"])
    assert node.GetParameter("steps") == "4"
    again.seed = None
    assert kept.seed is None


def test_a_saved_scene_restores_the_parameters(settings, tmp_path: Path):
    import slicer

    kept = settings(parameter_node())
    kept.xray, kept.opacity, kept.flip, kept.files = volume("X-ray"), 0.25, False, ["a"]
    assert slicer.util.saveScene(str(tmp_path / "scene.mrb"))
    slicer.mrmlScene.Clear(0)
    assert settings(parameter_node()).xray is None
    slicer.util.loadScene(str(tmp_path / "scene.mrb"), {"clear": True})
    restored = settings(parameter_node())
    assert restored.xray.GetName() == "X-ray"
    assert (restored.opacity, restored.flip, restored.files) == (0.25, False, ["a"])


def test_values_that_do_not_fit_are_refused_and_change_nothing(settings):
    kept = settings(parameter_node())
    for name, value, error in (
        ("opacity", 2.0, ValueError),
        ("view", "lateral", ValueError),
        ("steps", 1.5, TypeError),
        ("flip", 1, TypeError),
        ("xray", parameter_node(), TypeError),
        ("no_parameter", 1, AttributeError),
    ):
        with pytest.raises(error):
            setattr(kept, name, value)
    assert (kept.opacity, kept.view, kept.steps, kept.flip) == (0.5, "PA", 3, True)


def test_a_type_that_no_node_can_keep_is_refused(host):
    from slicer.parameterNodeWrapper import parameterNodeWrapper

    class Impossible:
        what: object

    with pytest.raises(ValueError, match="cannot be of type"):
        parameterNodeWrapper(Impossible)


def test_a_deleted_node_is_none(settings):
    import slicer

    kept = settings(parameter_node())
    kept.xray = volume()
    slicer.mrmlScene.RemoveNode(kept.xray)
    assert kept.xray is None


def test_widgets_and_parameters_follow_each_other(settings, tmp_path: Path):
    import slicer

    widgets = (
        item("qMRMLNodeComboBox", "nodes", VOLUMES + NONE_TOO + parameter("xray"))
        + item("ctkSliderWidget", "opacitySlider", parameter("opacity"))
        + item("QCheckBox", "flipBox", parameter("flip"))
        + item("QComboBox", "viewBox", parameter("view"))
    )
    widget = slicer.util.loadUI(ui_file(tmp_path, widgets, SCENE_TO_NODES))
    widget.setMRMLScene(slicer.mrmlScene)
    ui = slicer.util.childWidgetVariables(widget)
    kept = settings(parameter_node())
    tag = kept.connectGui(ui)
    assert (ui.opacitySlider.value, ui.opacitySlider.maximum, ui.flipBox.checked) == (0.5, 1.0, True)
    assert (ui.viewBox.count, ui.viewBox.currentText) == (2, "PA")
    node = volume()
    ui.nodes.setCurrentNode(node)
    ui.opacitySlider.value = 0.25
    ui.flipBox.click()
    ui.viewBox.currentIndex = 1
    assert (kept.xray, kept.opacity, kept.flip, kept.view) == (node, 0.25, False, "AP")
    kept.opacity, kept.xray, kept.view = 0.75, None, "PA"
    assert (ui.opacitySlider.value, ui.nodes.currentNode(), ui.viewBox.currentText) == (0.75, None, "PA")
    kept.disconnectGui(tag)
    ui.flipBox.click()
    assert kept.flip is False


def test_a_widget_for_a_parameter_that_does_not_exist_is_refused(settings, tmp_path: Path):
    import slicer

    widget = slicer.util.loadUI(ui_file(tmp_path, item("QCheckBox", "box", parameter("flop"))))
    with pytest.raises(ValueError, match="flop"):
        settings(parameter_node()).connectGui(widget)


# Modules

MODULE = """
import qt, slicer
from slicer.i18n import tr as _
from slicer.ScriptedLoadableModule import *
from slicer.util import VTKObservationMixin

class Example(ScriptedLoadableModule):
    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        self.parent.title = _("Example")
        self.parent.categories = ["Examples"]

class ExampleWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    calls = []
    def __init__(self, parent=None):
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic = None
    def setup(self):
        ScriptedLoadableModuleWidget.setup(self)
        self.calls.append("setup")
        self.button = qt.QPushButton("Apply")
        self.layout.addWidget(self.button)
        self.logic = ExampleLogic()
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartCloseEvent, self.closes)
    def closes(self, caller, event):
        self.calls.append("closes")
    def enter(self):
        self.calls.append("enter")
    def exit(self):
        self.calls.append("exit")
    def cleanup(self):
        self.calls.append("cleanup")
        self.removeObservers()

class ExampleLogic(ScriptedLoadableModuleLogic):
    pass

class ExampleTest(ScriptedLoadableModuleTest):
    def runTest(self):
        ExampleWidget.calls.append("test")
"""


@pytest.fixture
def module_file(tmp_path: Path) -> Path:
    path = tmp_path / "Example.py"
    path.write_text(MODULE, encoding="utf-8")
    return path


def test_a_module_is_set_up_entered_left_and_cleaned_up_as_in_slicer(host, module_file: Path):
    import slicer

    widget = host.load_module(module_file)
    assert widget.calls == ["setup", "enter"]
    assert widget.parent.visible
    assert slicer.modules.example.title == "Example"
    assert slicer.util.getModuleWidget("Example") is widget is slicer.modules.ExampleWidget
    assert slicer.util.getModuleLogic("Example") is widget.logic
    assert slicer.util.modulePath("Example") == str(module_file)
    assert widget.resourcePath("UI/x.ui") == str(module_file.parent / "Resources" / "UI" / "x.ui")
    slicer.util.selectModule("Volumes")
    slicer.util.selectModule("Example")
    slicer.mrmlScene.Clear(0)
    slicer.selfTests["Example"]()
    host.unload_module("Example")
    slicer.mrmlScene.Clear(0)
    assert widget.calls == ["setup", "enter", "exit", "enter", "closes", "test", "exit", "cleanup"]
    assert not hasattr(slicer.modules, "example")


def test_a_module_is_reloaded(host, module_file: Path):
    import slicer

    before = host.load_module(module_file)
    module_file.write_text(MODULE.replace('"Apply"', '"Start"'), encoding="utf-8")
    slicer.util.reloadScriptedModule("Example")
    assert before.calls[-1] == "cleanup"
    assert slicer.modules.ExampleWidget.button.text == "Start"
    assert slicer.util.getModuleWidget("Example") is slicer.modules.ExampleWidget
    host.unload_module("Example")


def test_a_modules_metadata_is_what_slicer_knows_of(host, module_file: Path):
    module_file.write_text(MODULE.replace("parent.title", "parent.titel"), encoding="utf-8")
    with pytest.raises(AttributeError, match="titel"):
        host.load_module(module_file)
    host.unload_module("Example")


def test_logics_of_one_module_share_a_parameter_node_unless_it_is_no_singleton(host):
    from slicer.ScriptedLoadableModule import ScriptedLoadableModuleLogic

    class ManyLogic(ScriptedLoadableModuleLogic):
        def __init__(self):
            ScriptedLoadableModuleLogic.__init__(self)
            self.isSingletonParameterNode = False

    import slicer

    assert parameter_node() is parameter_node()
    first = ManyLogic().getParameterNode()
    second = slicer.mrmlScene.AddNode(ManyLogic().createParameterNode())
    assert ManyLogic().getAllParameterNodes() == [first, second]


def test_what_would_be_installed_or_registered_is_only_noted(host):
    import PyTorchUtils
    import SampleData
    import slicer
    import slicer.packaging

    slicer.util.pip_install("safetensors")
    slicer.packaging.pip_ensure(["pydicom>=3"])
    PyTorchUtils.PyTorchUtilsLogic().installTorch(askConfirmation=True)
    SampleData.SampleDataLogic.registerCustomSampleDataSource(category="XrayToCT", sampleName="Chest")
    assert [one[:2] for one in host.recorded.installations] == [
        ("pip_install", "safetensors"),
        ("pip_ensure", ["pydicom>=3"]),
    ]
    assert host.recorded.torch_installations[0]["askConfirmation"]
    assert host.recorded.sample_data_sources[0]["sampleName"] == "Chest"
    with pytest.raises(TypeError):
        SampleData.SampleDataLogic.registerCustomSampleDataSource(name="Chest")


# Views


def views():
    import slicer

    return slicer.app.layoutManager()


@pytest.mark.parametrize(
    ("name", "orientation", "right_of_picture", "top_of_picture"),
    [
        ("Red", "Axial", (-1, 0, 0), (0, 1, 0)),
        ("Green", "Coronal", (-1, 0, 0), (0, 0, 1)),
        ("Yellow", "Sagittal", (0, -1, 0), (0, 0, 1)),
    ],
)
def test_slices_show_a_voxel_where_slicer_does(host, name, orientation, right_of_picture, top_of_picture):
    """Patient left is the picture's right in axial and coronal slices, posterior in sagittal ones."""
    import slicer

    slicer.util.mainWindow().show()
    array = np.zeros((41, 41, 41), dtype=np.int16)
    point = 20 + np.round(8 * np.add(right_of_picture, top_of_picture)).astype(int)  # RAS in mm: a voxel is 1 mm
    array[tuple(point[::-1])] = 1000
    node = slicer.util.addVolumeFromArray(array)
    node.GetDisplayNode().SetAutoWindowLevel(False)
    node.GetDisplayNode().SetWindowLevel(1000, 500)
    slicer.util.setSliceViewerLayers(background=node, fit=True)
    widget = views().sliceWidget(name)
    assert widget.mrmlSliceNode().GetOrientation() == widget.sliceOrientation == orientation
    widget.mrmlSliceNode().JumpSlice(*map(float, point))
    widget.sliceView().forceRender()
    host.process_events(0)
    pixels = picture_of(widget.sliceView())
    rows, columns = np.nonzero(pixels > pixels.max() // 2)
    assert pixels.max() > 100
    assert rows.size > 4
    assert rows.mean() < pixels.shape[0] / 2 - 10
    assert columns.mean() > pixels.shape[1] / 2 + 10
    x, y, _ = widget.sliceView().convertRASToXYZ(point)
    assert abs(columns.mean() - x) < 2
    assert abs(pixels.shape[0] - 1 - rows.mean() - y) < 2


def picture_of(view) -> np.ndarray:
    """What a view's render window shows: (rows, columns) in [0, 255], row 0 at the top."""
    import vtk
    from vtk.util import numpy_support

    reader = vtk.vtkWindowToImageFilter()
    reader.SetInput(view.renderWindow())
    reader.ReadFrontBufferOff()
    reader.Update()
    width, height, _ = reader.GetOutput().GetDimensions()
    scalars = numpy_support.vtk_to_numpy(reader.GetOutput().GetPointData().GetScalars())
    return scalars.reshape(height, width, 3)[::-1].max(axis=2)


def test_actors_can_be_added_to_every_view(host):
    import slicer
    import vtk

    slicer.util.mainWindow().show()
    manager = views()
    found = [manager.sliceWidget(name).sliceView() for name in manager.sliceViewNames()]
    found += [manager.threeDWidget(number).threeDView() for number in range(manager.threeDViewCount)]
    assert len(found) == 4
    for view in found:
        view.forceRender()
        before = picture_of(view).copy()
        actor = vtk.vtkTextActor()
        actor.SetInput("NOTICE")
        renderer = view.renderWindow().GetRenderers().GetFirstRenderer()
        renderer.AddViewProp(actor)
        view.forceRender()
        assert (picture_of(view) != before).sum() > 20
        renderer.RemoveViewProp(actor)


def test_layouts_of_ones_own_make_their_views_and_old_views_live_on(host):

    manager = views()
    changed = []
    manager.connect("layoutChanged(int)", changed.append)
    red, before = manager.sliceWidget("Red"), manager.layout
    layout = """<layout type="horizontal"><item><view class="vtkMRMLSliceNode" singletontag="Xray">
        <property name="orientation" action="default">Coronal</property></view></item><item>
        <view class="vtkMRMLViewNode" singletontag="1"></view></item></layout>"""
    manager.layoutLogic().GetLayoutNode().AddLayoutDescription(12345, layout)
    manager.setLayout(12345)
    assert manager.layout == changed[-1] == 12345
    assert manager.sliceWidget("Xray").mrmlSliceNode().GetOrientation() == "Coronal"
    assert manager.sliceWidget("Red") is red
    manager.setLayout(before)
    assert red.sliceView() is manager.sliceWidget("Red").sliceView()


def test_views_survive_the_closing_of_the_scene(host):
    import slicer

    slicer.util.mainWindow().show()
    slicer.util.setSliceViewerLayers(background=volume(), fit=True)
    slicer.mrmlScene.Clear(0)
    slicer.util.forceRenderAllViews()
    array = np.full((10, 10, 10), 700, dtype=np.int16)
    array[0] = 0
    slicer.util.setSliceViewerLayers(background=slicer.util.addVolumeFromArray(array), fit=True)
    view = views().sliceWidget("Green").sliceView()
    view.forceRender()
    assert picture_of(view).max() > 200
    assert views().threeDWidget(0).threeDView().cameraNode().GetClassName() == "vtkMRMLCameraNode"


# Files and the application


def test_volumes_are_written_and_read(host, tmp_path: Path):
    import slicer

    node = slicer.util.addVolumeFromArray(np.arange(24, dtype=np.int16).reshape(2, 3, 4), name="V")
    assert slicer.util.saveNode(node, str(tmp_path / "v.nrrd"))
    read = slicer.util.loadVolume(str(tmp_path / "v.nrrd"))
    assert read.GetName() == "v"
    assert np.array_equal(slicer.util.arrayFromVolume(read), slicer.util.arrayFromVolume(node))
    assert slicer.util.getNode("v") is read
    count = slicer.mrmlScene.GetNumberOfNodes()
    with pytest.raises(RuntimeError, match="missing"):
        slicer.util.loadVolume(str(tmp_path / "missing.nrrd"))
    assert slicer.mrmlScene.GetNumberOfNodes() == count


def test_python_slicer_runs_this_python(host):
    import slicer

    lines = []
    process = slicer.util.launchConsoleProcess(["PythonSlicer", "-c", "import sys; print(sys.prefix); sys.exit(0)"])
    slicer.util.logProcessOutput(process, lines.append)
    assert lines == [sys.prefix]


def test_settings_temporary_files_and_status_messages_are_slicers(host):
    import slicer

    slicer.app.settings().setValue("XrayToCT/asked", True)
    assert slicer.util.settingsValue("XrayToCT/asked", False, converter=slicer.util.toBool)
    assert Path(slicer.util.tempDirectory()).parent == Path(slicer.app.temporaryPath)
    assert slicer.util.showStatusMessage("Loading", 100)
    assert host.recorded.status_messages == ["Loading"]
    assert slicer.util.mainWindow().className() == "qSlicerMainWindow"
    assert slicer.app.majorVersion == 5


def test_pictures_of_widgets_have_the_screens_resolution_and_the_themes_colours(host, tmp_path: Path):
    import qt

    label = qt.QLabel("Synthetic")
    label.resize(100, 40)
    once = Image.open(host.screenshot(label, tmp_path / "once.png")).convert("L")
    twice = Image.open(host.screenshot(label, tmp_path / "twice.png", scale=2)).convert("L")
    host.use_theme("dark")
    dark = Image.open(host.screenshot(label, tmp_path / "dark.png")).convert("L")
    host.use_theme("light")
    assert (once.size, twice.size) == ((100, 40), (200, 80))
    sharp = np.abs(np.diff(np.asarray(twice, dtype=float), axis=1)).sum()
    enlarged = np.abs(np.diff(np.asarray(once.resize((200, 80), Image.Resampling.BILINEAR), dtype=float), axis=1)).sum()
    assert sharp > 1.2 * enlarged
    assert np.median(dark) < 80 < 200 < np.median(once)


def test_stopping_takes_slicer_away_and_starting_brings_the_same_back(host):
    import slicer

    application, scene = slicer.app, slicer.mrmlScene
    host.stop()
    try:
        assert not hasattr(slicer, "app")
        assert not hasattr(slicer, "mrmlScene")
        assert "qt" not in sys.modules
        assert "slicer-host" not in os.environ["PATH"]
    finally:
        host.start()
    assert slicer.app is application
    assert slicer.mrmlScene is scene
