"""Loading a .ui file: the widgets and connections that it names must exist, or the file is refused."""

from __future__ import annotations

from xml.etree import ElementTree

from PySide6 import QtCore, QtUiTools, QtWidgets

from slicer_host.custom_widgets import CUSTOM_WIDGETS
from slicer_host.recorded import recorded
from slicer_host.signals import checked_signal


class QUiLoader(QtUiTools.QUiLoader):
    """Qt's own loader, with the custom widgets of CTK and Slicer that the host knows."""

    def load(self, device: QtCore.QIODevice) -> QtWidgets.QWidget:
        """Build the widgets of a file opened for reading.

        Raises:
            RuntimeError: a custom widget is unknown, a widget has no such property, or a connection names an object,
                signal or slot that does not exist.
        """
        text = bytes(device.readAll().data())
        tree = ElementTree.fromstring(text)
        for custom in tree.iter("customwidget"):
            name = custom.findtext("class", "")
            if name not in CUSTOM_WIDGETS:
                raise RuntimeError(f"the .ui file uses the custom widget {name}, which the host does not know")
        own_enumerations = _take_own_enumerations(tree)
        connections = tree.find("connections")
        if connections is not None:
            tree.remove(connections)
        buffer = QtCore.QBuffer()
        buffer.setData(ElementTree.tostring(tree))
        buffer.open(QtCore.QIODevice.OpenModeFlag.ReadOnly)
        with _WarningsKept():
            root = super().load(buffer)
        if root is None:
            raise RuntimeError(f"Qt cannot load the .ui file: {self.errorString()}")
        _check_properties(root, tree)
        for name, property_name, value in own_enumerations:
            _named(root, name).setProperty(property_name, value)
        for connection in connections if connections is not None else ():
            _connect(root, connection)
        return root

    def createWidget(
        self, class_name: str, parent: QtWidgets.QWidget | None = None, name: str = ""
    ) -> QtWidgets.QWidget:
        made = CUSTOM_WIDGETS.get(class_name)
        if made is None:
            return super().createWidget(class_name, parent, name)
        widget = made(parent)
        widget.setObjectName(name)
        return widget


def _check_properties(root: QtWidgets.QWidget, tree: ElementTree.Element) -> None:
    """Refuse a property that a widget lacks: Qt would make a dynamic one of it, and nothing would be set."""
    for widget in tree.iter("widget"):
        if widget.get("class") == "Line":  # Designer's own word for a QFrame, with an orientation
            continue
        for entry in widget.findall("property"):
            name = entry.get("name", "")
            meta = _named(root, widget.get("name", "")).metaObject()
            is_buddy = name == "buddy" and meta.className() == "QLabel"  # the loader's own: no property of Qt
            if entry.get("stdset") != "0" and not is_buddy and meta.indexOfProperty(name) < 0:
                raise RuntimeError(f"{meta.className()} '{widget.get('name')}' has no property '{name}'")


class _WarningsKept:
    """Notes what Qt's loader complains of: a property or a class that it does not know."""

    def __enter__(self) -> None:
        self._before = QtCore.qInstallMessageHandler(self._note)

    def __exit__(self, *_: object) -> None:
        QtCore.qInstallMessageHandler(self._before)

    @staticmethod
    def _note(_: object, __: object, message: str) -> None:
        recorded.loader_warnings.append(message)


def _take_own_enumerations(tree: ElementTree.Element) -> list[tuple[str, str, int]]:
    """Properties whose enumeration a custom widget itself defines, taken out of the file: Qt's loader cannot know them.

    Returns:
        (object, property, value) of each.
    """
    taken = []
    for widget in tree.iter("widget"):
        made = CUSTOM_WIDGETS.get(widget.get("class", ""))
        for entry in widget.findall("property") if made is not None else ():
            text = (entry.findtext("set") or entry.findtext("enum") or "").strip()
            if text.startswith(("ctk", "qMRML")):
                value = sum(getattr(made, part.rpartition("::")[2]) for part in text.split("|"))
                taken.append((widget.get("name", ""), entry.get("name", ""), value))
                widget.remove(entry)
    return taken


def _connect(root: QtWidgets.QWidget, connection: ElementTree.Element) -> None:
    """Make a connection of the file, literally."""
    sender, receiver = (_named(root, connection.findtext(end, "")) for end in ("sender", "receiver"))
    signal, slot = (connection.findtext(end, "") for end in ("signal", "slot"))
    known = getattr(type(receiver), "vtk_slots", frozenset())
    meta, normal = receiver.metaObject(), QtCore.QMetaObject.normalizedSignature(slot).data().decode()
    if slot not in known and meta.indexOfSlot(normal) < 0:
        raise RuntimeError(f"slot '{slot}' does not exist on {meta.className()}")
    method = getattr(receiver, slot.partition("(")[0])
    accepted = 0 if slot.endswith("()") else slot.count(",") + 1
    QtCore.QObject.connect(
        sender, QtCore.SIGNAL(checked_signal(sender, signal)), lambda *values: method(*values[:accepted])
    )


def _named(root: QtWidgets.QWidget, name: str) -> QtCore.QObject:
    found = root if root.objectName() == name else root.findChild(QtCore.QObject, name)
    if found is None:
        raise RuntimeError(f"a connection of the .ui file names the object '{name}', which is not there")
    return found
