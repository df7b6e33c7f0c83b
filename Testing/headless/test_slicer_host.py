"""The stand-in for Slicer: what real PythonQt refuses is refused here too, and what Slicer keeps is kept.

The rules are those that were measured on real PythonQt; a module that passes on a lenient host proves nothing.
"""

from pathlib import Path

import pytest

pytestmark = pytest.mark.usefixtures("nothing_left_over")


@pytest.fixture
def qt(host):
    import qt

    return qt


# Properties, methods, attributes


def test_properties_are_attributes_and_calling_one_fails(qt):
    button = qt.QPushButton("one")
    assert button.text == "one"
    button.text = "two"
    button.setText("three")
    assert (button.text, button.visible, button.enabled) == ("three", False, True)
    with pytest.raises(TypeError, match="not callable"):
        button.text()


def test_what_is_no_property_stays_a_method(qt):
    parent = qt.QWidget()
    child = qt.QLabel("x", parent)
    assert child.parent() == parent
    assert parent.children() == (child,)
    assert parent.layout() is None
    assert child.isVisible() is False


def test_the_name_of_a_widget_is_its_object_name(qt):
    button = qt.QPushButton()
    button.objectName = "apply"
    assert button.name == "apply"


def test_keyword_arguments_are_refused(qt):
    with pytest.raises(TypeError, match="keyword"):
        qt.QPushButton(text="x")
    with pytest.raises(TypeError, match="keyword"):
        qt.QPushButton().setText(text="x")


def test_widgets_of_qt_take_no_new_attributes_and_python_subclasses_do(qt):
    with pytest.raises(AttributeError, match="not allowed"):
        qt.QPushButton().remembered = 1

    class Button(qt.QPushButton):
        pass

    button = Button("x")
    button.remembered = 1
    assert (button.remembered, button.text) == (1, "x")


def test_a_read_only_property_cannot_be_set(qt):
    with pytest.raises(AttributeError, match="not writable"):
        qt.QComboBox().count = 3


def test_isinstance_is_true_for_the_exact_class_only(qt):
    box = qt.QCheckBox()
    assert isinstance(box, qt.QCheckBox)
    assert not isinstance(box, qt.QAbstractButton)
    assert not isinstance(box, qt.QWidget)
    assert not isinstance(box, qt.QObject)
    assert box.inherits("QWidget")
    assert box.className() == "QCheckBox"


def test_a_widget_that_is_found_again_is_the_same_object(qt):
    parent = qt.QWidget()
    child = qt.QLabel("x", parent)
    assert parent.children()[0] is child
    assert parent.findChild(qt.QLabel) is child
    assert parent.findChildren("QLabel") == (child,)


def test_dynamic_properties_are_attributes_once_they_exist(qt):
    widget = qt.QWidget()
    with pytest.raises(AttributeError):
        widget.SlicerParameterName
    widget.setProperty("SlicerParameterName", "opacity")
    assert widget.SlicerParameterName == widget.property("SlicerParameterName") == "opacity"


@pytest.mark.parametrize(
    "name", ["Signal", "Slot", "Property", "QtCore", "QtWidgets", "QTextCodec", "QNoSuchThing", "SIGNAL"]
)
def test_names_that_only_pyside_has_do_not_exist(qt, name: str):
    with pytest.raises(AttributeError):
        getattr(qt, name)


@pytest.mark.parametrize("name", ["exec", "emit", "toTuple", "staticMetaObject", "no_such_thing"])
def test_methods_that_only_pyside_has_do_not_exist(qt, name: str):
    with pytest.raises(AttributeError, match=name):
        getattr(qt.QDialog(), name)


def test_what_is_for_the_host_alone_cannot_be_seen_by_a_module(host):
    import slicer

    for name in ("open_main_window", "module_manager"):
        with pytest.raises(AttributeError):
            getattr(slicer.app, name)


# Values


def test_enumerations_are_unscoped_ints(qt):
    assert qt.QMessageBox.Ok == 1024
    assert qt.QMessageBox.Ok | qt.QMessageBox.Cancel == 1024 + 4194304
    assert isinstance(qt.Qt.AlignRight, int)
    with pytest.raises(AttributeError):
        qt.QMessageBox.StandardButton.Ok
    label = qt.QLabel("x")
    label.alignment = qt.Qt.AlignRight
    assert label.alignment == 2
    label.setAlignment(4)
    assert label.alignment == qt.Qt.AlignHCenter


def test_lists_come_back_as_tuples(qt):
    splitter = qt.QSplitter()
    splitter.addWidget(qt.QWidget())
    splitter.addWidget(qt.QWidget())
    assert isinstance(splitter.sizes(), tuple)
    assert isinstance(splitter.children(), tuple)


def test_paths_are_no_strings(qt):
    with pytest.raises(ValueError, match=r"str\(path\)"):
        qt.QLabel().setText(Path("/a"))
    with pytest.raises(ValueError, match=r"str\(path\)"):
        qt.QPixmap(Path("/a.png"))


def test_arguments_that_fit_no_overload_are_a_value_error(qt):
    with pytest.raises(ValueError, match="matching overload"):
        qt.QLabel().setPixmap("not a pixmap")


def test_the_bytes_of_a_byte_array_are_its_data(qt):
    assert qt.QByteArray(b"abc").data() == b"abc"


def test_a_table_is_filled_as_in_slicer(qt):
    table = qt.QTableWidget()
    table.setColumnCount(2)
    table.rowCount = 1
    table.setHorizontalHeaderLabels(["check", "value"])
    item = qt.QTableWidgetItem("lungs")
    item.setData(qt.Qt.UserRole, 5)
    item.setFlags(qt.Qt.ItemIsEnabled | qt.Qt.ItemIsSelectable)
    table.setItem(0, 0, item)
    table.horizontalHeader().setSectionResizeMode(0, qt.QHeaderView.Stretch)
    assert table.item(0, 0).text() == "lungs"
    assert table.item(0, 0).data(qt.Qt.UserRole) == 5
    assert (table.rowCount, table.columnCount) == (1, 2)


def test_a_destroyed_widget_is_false_and_of_no_use(host, qt):
    dialog = qt.QDialog()
    dialog.deleteLater()
    host.process_events(5)
    assert not dialog
    with pytest.raises(ValueError, match="destroyed"):
        dialog.windowTitle


def test_qt_calls_the_methods_that_a_python_class_overrides(host, qt, tmp_path: Path):
    class Bar(qt.QWidget):
        def sizeHint(self):
            return qt.QSize(100, 20)

        def paintEvent(self, event):
            painter = qt.QPainter(self)
            painter.fillRect(qt.QRect(0, 0, self.width // 2, self.height), qt.QColor("#ff0000"))
            painter.end()

    class Filter(qt.QObject):
        def eventFilter(self, watched, event):
            seen.append((watched, event.type()))
            return False

    seen: list = []
    bar, watcher = Bar(), Filter()
    bar.installEventFilter(watcher)
    bar.resize(bar.sizeHint())
    bar.show()
    picture = qt.QImage(str(host.screenshot(bar, tmp_path / "bar.png")))
    assert picture.pixelColor(10, 10).name() == "#ff0000"
    assert picture.pixelColor(90, 10).name() != "#ff0000"
    assert (bar, qt.QEvent.Show) in seen


# Signals


def test_clicked_connect_passes_a_bool_and_a_signature_without_arguments_passes_nothing(qt):
    button, got = qt.QPushButton(), []
    button.clicked.connect(lambda *arguments: got.append(arguments))
    button.connect("clicked()", lambda *arguments: got.append(arguments))
    button.connect("clicked(bool)", lambda *arguments: got.append(arguments))
    button.click()
    assert got == [(False,), (), (False,)]


def test_a_function_with_a_default_gets_the_bool_and_one_without_parameters_gets_nothing(qt):
    button, got = qt.QPushButton(), []

    class Panel:
        def apply(self, now="default"):
            got.append(now)

        def plain(self):
            got.append("plain")

    panel = Panel()
    button.clicked.connect(panel.apply)
    button.clicked.connect(panel.plain)
    button.click()
    assert got == [False, "plain"]


def test_disconnected_slots_are_not_called(qt):
    button, got = qt.QPushButton(), []

    class Panel:
        def apply(self):
            got.append(1)

    panel = Panel()
    button.connect("clicked()", panel.apply)
    button.clicked.connect(panel.apply)
    assert button.disconnect("clicked()", panel.apply)
    assert button.clicked.disconnect(panel.apply)
    assert not button.disconnect("clicked()", panel.apply)
    button.click()
    assert got == []


def test_a_signal_that_does_not_exist_cannot_be_connected(qt):
    with pytest.raises(ValueError, match="does not exist"):
        qt.QPushButton().connect("pressedTwice()", print)
    with pytest.raises(ValueError, match="does not exist"):
        qt.QComboBox().connect("currentIndexChanged(vtkMRMLNode*)", print)
    with pytest.raises(AttributeError):
        qt.QPushButton().pressedTwice.connect(print)


def test_an_exception_in_a_slot_or_an_observer_is_not_lost(host, qt):
    import slicer
    import vtk

    def fail(*_):
        raise KeyError("lost")

    button = qt.QPushButton()
    button.clicked.connect(fail)
    button.click()
    with pytest.raises(KeyError, match="lost"):
        host.process_events(0)
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTextNode")
    node.AddObserver(vtk.vtkCommand.ModifiedEvent, fail)
    node.SetText("x")
    with pytest.raises(KeyError, match="lost"):
        host.process_events(0)


def test_signals_lose_no_references(qt):
    """PySide6 6.12.0 lost one with each signal, until the interpreter aborted."""
    import sys

    box = qt.QCheckBox()
    box.connect("toggled(bool)", lambda checked: None)
    before = sys.getrefcount(None), sys.getrefcount(True)
    for _ in range(200):
        box.toggle()
    after = sys.getrefcount(None), sys.getrefcount(True)
    assert all(now > then - 100 for now, then in zip(after, before, strict=True))


# Dialogs


def test_file_dialogs_return_strings_at_once(host, qt):
    assert qt.QFileDialog.getOpenFileName(None, "Open", "", "*.png") == ""
    host.recorded.file_answers.extend(["/x.png", ["/a", "/b"]])
    assert qt.QFileDialog.getOpenFileName(None, "Open", "", "*.png") == "/x.png"
    assert qt.QFileDialog.getOpenFileNames(None, "Open") == ("/a", "/b")
    assert [one.function for one in host.recorded.file_requests] == ["getOpenFileName"] * 2 + ["getOpenFileNames"]


def test_message_boxes_are_noted_and_answered_at_once(host, qt):
    import slicer

    slicer.util.infoDisplay("done", windowTitle="Title")
    assert slicer.util.confirmOkCancelDisplay("sure?")
    host.recorded.button_answers.append(qt.QMessageBox.Cancel)
    assert not slicer.util.confirmOkCancelDisplay("really?")
    assert [one.text for one in host.recorded.messages] == ["done", "sure?", "really?"]
    assert host.recorded.messages[0].title == "Title"


def test_a_dialog_of_ones_own_can_be_used_while_it_is_open(host, qt):
    dialog = qt.QDialog()
    button = qt.QPushButton("Yes", dialog)
    button.connect("clicked()", dialog.accept)
    host.recorded.button_answers.append(lambda open_dialog: open_dialog.findChild(qt.QPushButton).click() or 1)
    assert dialog.exec_() == 1
    assert qt.QDialog().exec_() == 0
