"""The stand-in for Slicer: what a parameter node keeps, refuses and shares with widgets."""

import enum
import gc
from pathlib import Path
from typing import Annotated, Optional

import pytest

from host_widgets import NONE_TOO, SCENE_TO_NODES, VOLUMES, item, parameter, parameter_node, ui_file, volume

pytestmark = pytest.mark.usefixtures("nothing_left_over")


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
    assert kept.connectGui(ui) is None  # what is connected by it stays so
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


def test_what_is_connected_by_name_can_be_disconnected(settings, tmp_path: Path):
    import slicer

    ui = slicer.util.childWidgetVariables(slicer.util.loadUI(ui_file(tmp_path, item("QCheckBox", "box"))))
    kept = settings(parameter_node())
    tag = kept.connectParametersToGui({"flip": ui.box})
    ui.box.click()
    kept.disconnectGui(tag)
    ui.box.click()
    assert kept.flip is False


@pytest.mark.parametrize(
    ("kind", "name"),
    [("QComboBox", "title"), ("ctkSliderWidget", "speed"), ("QRadioButton", "flip"), ("QDial", "steps")],
)
def test_a_widget_that_slicer_cannot_connect_to_a_parameter_is_refused(host, tmp_path: Path, kind: str, name: str):
    import slicer
    from slicer.parameterNodeWrapper import parameterNodeWrapper

    class Settings:
        title: str = ""
        speed: float = 1.0
        flip: bool = False
        steps: int = 3

    ui = slicer.util.childWidgetVariables(slicer.util.loadUI(ui_file(tmp_path, item(kind, "box"))))
    with pytest.raises(RuntimeError, match=kind):
        parameterNodeWrapper(Settings)(parameter_node()).connectParametersToGui({name: ui.box})


def test_a_widget_for_a_parameter_that_does_not_exist_is_refused(settings, tmp_path: Path):
    import slicer

    widget = slicer.util.loadUI(ui_file(tmp_path, item("QCheckBox", "box", parameter("flop"))))
    with pytest.raises(ValueError, match="flop"):
        settings(parameter_node()).connectGui(widget)


def test_a_connection_that_nobody_holds_leaves_nothing_at_the_node(settings, host, tmp_path: Path):
    import slicer

    kept = settings(slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScriptedModuleNode", "Apart"))
    widget = slicer.util.loadUI(ui_file(tmp_path, item("QCheckBox", "box", parameter("flip"))))
    kept.connectGui(widget)
    widget.deleteLater()
    host.process_events(0)
    del kept, widget
    gc.collect()  # nothing in Python holds the node either: only the scene does
    assert not slicer.util.getNode("Apart").HasObserver("ModifiedEvent")
