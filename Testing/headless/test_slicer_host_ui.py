"""The stand-in for Slicer: .ui files, their widgets and connections, and nodes in widgets."""

from pathlib import Path

import pytest

from host_widgets import NONE_TOO, SCENE_TO_NODES, VOLUMES, item, ui_file, volume

pytestmark = pytest.mark.usefixtures("nothing_left_over")


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


def test_a_selector_lets_go_of_a_node_while_the_scene_still_has_it(host):
    import slicer

    nodes = slicer.qMRMLNodeComboBox()
    nodes.nodeTypes = ["vtkMRMLScalarVolumeNode"]
    nodes.noneEnabled = True
    nodes.setMRMLScene(slicer.mrmlScene)
    first, second = volume(), volume()
    nodes.setCurrentNode(first)
    told: list = []
    nodes.connect(
        "currentNodeChanged(vtkMRMLNode*)", lambda node: told.append((node, slicer.mrmlScene.IsNodePresent(first)))
    )
    slicer.mrmlScene.RemoveNode(first)
    assert [(node is second, bool(present)) for node, present in told] == [(True, True)]


def test_a_node_that_a_selector_makes_has_the_attributes_that_it_filters_by(host):
    import slicer

    nodes = slicer.qMRMLNodeComboBox()
    nodes.nodeTypes = ["vtkMRMLScriptedModuleNode"]
    nodes.showHidden = True
    nodes.addAttribute("vtkMRMLScriptedModuleNode", "ModuleName", "Example")
    nodes.setMRMLScene(slicer.mrmlScene)
    made = nodes.addNode()
    assert made.GetAttribute("ModuleName") == "Example"
    assert nodes.currentNode() is made


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


def test_what_a_program_shows_or_hides_in_a_closed_section_is_seen_once_it_opens(host, tmp_path: Path):
    import qt
    import slicer

    layout = f'<layout class="QVBoxLayout" name="c">{item("QCheckBox", "flip")}{item("QLabel", "note")}</layout>'
    closed = '<property name="collapsed"><bool>true</bool></property>'
    section = item("ctkCollapsibleButton", "section", inside=closed + layout)
    widget = slicer.util.loadUI(ui_file(tmp_path, section))
    ui = slicer.util.childWidgetVariables(widget)
    assert type(ui.flip) is qt.QCheckBox  # also where the section was closed before it was filled
    widget.show()
    host.process_events(0)
    ui.note.setVisible(False)
    ui.flip.setVisible(True)
    assert not ui.flip.visible
    ui.section.collapsed = False
    assert ui.flip.visible
    assert not ui.note.visible


def test_an_emptied_path_line_only_says_that_it_is_no_longer_valid(host):
    import ctk

    told: list = []
    line = ctk.ctkPathLineEdit()
    line.connect("currentPathChanged(QString)", told.append)
    line.connect("validInputChanged(bool)", told.append)
    line.setCurrentPath("/films")
    line.setCurrentPath("")
    assert told == ["/films", True, False]
