"""The stand-in for Slicer: modules, views, files and the application."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from host_widgets import parameter_node, volume

pytestmark = pytest.mark.usefixtures("nothing_left_over")


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
    files = {"uris": "file:///chest.png", "fileNames": "chest.png", "nodeNames": "Chest"}
    SampleData.SampleDataLogic.registerCustomSampleDataSource(category="XrayToCT", sampleName="Chest", **files)
    assert [one[:2] for one in host.recorded.installations] == [
        ("pip_install", "safetensors"),
        ("pip_ensure", ["pydicom>=3"]),
    ]
    assert host.recorded.torch_installations[0]["askConfirmation"]
    assert host.recorded.sample_data_sources[0]["sampleName"] == "Chest"
    for wrong in ({"name": "Chest"}, {"sampleName": "Chest"}, {"sampleName": "Chest", **files, "nodeNames": None}):
        with pytest.raises(TypeError):
            SampleData.SampleDataLogic.registerCustomSampleDataSource(**wrong)


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
    found = [manager.sliceWidget(name).sliceView() for name in ("Red", "Green", "Yellow")]
    found += [manager.threeDWidget(0).threeDView()]
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
