"""Reading and writing nodes and scenes, behind slicer.util.loadVolume, saveNode, loadScene and their like."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import slicer
from PySide6 import QtCore

# File type of Slicer: the node's class, the storage node's class, the endings.
_NODE_FILES = {
    "VolumeFile": (
        "vtkMRMLScalarVolumeNode",
        "vtkMRMLVolumeArchetypeStorageNode",
        (".nrrd", ".nhdr", ".nii", ".nii.gz", ".mha", ".mhd", ".dcm", ".png", ".jpg", ".tif", ".tiff"),
    ),
    "TableFile": ("vtkMRMLTableNode", "vtkMRMLTableStorageNode", (".csv", ".tsv")),
    "TextFile": ("vtkMRMLTextNode", "vtkMRMLTextStorageNode", (".txt", ".json", ".xml")),
    "ModelFile": ("vtkMRMLModelNode", "vtkMRMLModelStorageNode", (".vtk", ".vtp", ".stl", ".ply", ".obj")),
    "MarkupsFile": ("vtkMRMLMarkupsFiducialNode", "vtkMRMLMarkupsJsonStorageNode", (".mrk.json",)),
}
_SCENE_ENDINGS = (".mrb", ".mrml")


class qSlicerCoreIOManager(QtCore.QObject):
    """The types of files that the modules of this extension use."""

    def fileType(self, path: str) -> str:
        name = str(path).lower()
        if name.endswith(_SCENE_ENDINGS):
            return "SceneFile"
        fitting = {kind: [e for e in entry[2] if name.endswith(e)] for kind, entry in _NODE_FILES.items()}
        best = max(fitting, key=lambda kind: max(map(len, fitting[kind]), default=0))
        return best if fitting[best] else "NoFile"

    def fileWriterFileType(self, node: Any) -> str:
        for kind, (node_class, _, _) in _NODE_FILES.items():
            if node.IsA(node_class):
                return kind
        return "NoFile"

    def loadNodes(self, kind: str, properties: dict, collection: Any = None, messages: Any = None) -> bool:
        path = str(properties["fileName"])
        if kind == "SceneFile":
            return _load_scene(path, bool(properties.get("clear", False)))
        if kind not in _NODE_FILES or not Path(path).is_file():
            return False
        node_class, storage_class, endings = _NODE_FILES[kind]
        scene = slicer.mrmlScene
        name = Path(path).name
        ending = max((e for e in endings if name.lower().endswith(e)), key=len, default=Path(path).suffix)
        node = scene.AddNewNodeByClass(
            "vtkMRMLLabelMapVolumeNode" if properties.get("labelmap") else node_class,
            properties.get("name") or name.removesuffix(ending),
        )
        storage = scene.AddNewNodeByClass(storage_class)
        storage.SetFileName(path)
        if kind == "VolumeFile":
            storage.SetSingleFile(bool(properties.get("singleFile", False)))
        if not storage.ReadData(node):
            scene.RemoveNode(storage)
            scene.RemoveNode(node)
            return False
        node.SetAndObserveStorageNodeID(storage.GetID())
        if properties.get("show", True) is not False and node.IsA("vtkMRMLDisplayableNode"):
            node.CreateDefaultDisplayNodes()
        if collection is not None:
            collection.AddItem(node)
        return True

    def saveNodes(self, kind: str, properties: dict, messages: Any = None) -> bool:
        path = str(properties["fileName"])
        if kind == "SceneFile":
            return _save_scene(path)
        node = slicer.mrmlScene.GetNodeByID(str(properties["nodeID"]))
        if node is None or kind not in _NODE_FILES:
            return False
        if node.GetStorageNode() is None and not node.AddDefaultStorageNode():
            return False
        node.GetStorageNode().SetFileName(path)
        return bool(node.GetStorageNode().WriteData(node))


def _load_scene(path: str, clear: bool) -> bool:
    scene = slicer.mrmlScene
    if not Path(path).is_file():
        return False
    if path.lower().endswith(".mrb"):
        return bool(scene.ReadFromMRB(path, clear))
    scene.SetURL(path)
    return bool(scene.Connect() if clear else scene.Import())


def _save_scene(path: str) -> bool:
    scene = slicer.mrmlScene
    if path.lower().endswith(".mrb"):
        return bool(scene.WriteToMRB(path, None))
    if path.lower().endswith(".mrml"):
        scene.SetRootDirectory(str(Path(path).parent))
        return bool(scene.Commit(path))
    return bool(scene.SaveSceneToSlicerDataBundleDirectory(path, None))
