"""The section Model: which network, what it is for, on which device; imports and removals."""

from pathlib import Path
from typing import Any

import qt
import slicer

from XrayToCTLib.model_folders import imported_files, remove_imported_files, user_folder
from XrayToCTLib.panel.choices import ChoiceBox
from XrayToCTLib.panel.context import PanelContext
from XrayToCTLib.panel.parameters import XrayToCTParameterNode
from XrayToCTLib.panel.texts import say
from XrayToCTLib.worker_requests import Failure

DEVICES = (("auto", "Automatic"), ("cuda", "NVIDIA GPU (CUDA)"), ("mps", "Apple GPU (MPS)"), ("cpu", "CPU"))
_SHIPPED = (("", "The one that came with the extension"),)


class ModelSection:
    """The section Model. The list is read by the worker, when the section is first opened."""

    def __init__(self, context: PanelContext) -> None:
        self._context = context
        ui = self._ui = context.ui
        self._models: dict[str, dict[str, Any]] = {}
        self._box = ChoiceBox(ui.modelBox, _SHIPPED, lambda key: context.set("model", key))
        self._devices = ChoiceBox(ui.deviceBox, DEVICES, lambda key: context.set("device", key))
        self._asked = False
        ui.modelSection.connect("contentsCollapsed(bool)", self._opened)
        ui.modelCardButton.connect("toggled(bool)", ui.modelCard.setVisible)
        ui.importModelButton.connect("clicked()", self._import)
        ui.removeModelsButton.connect("clicked()", self._remove)

    def refresh(self, parameters: XrayToCTParameterNode) -> None:
        """Shows the settings."""
        if parameters.model not in self._box.keys:  # not listed yet, or a file of another computer
            self._box.fill([*self._entries(), (parameters.model, parameters.model)])
        self._box.select(parameters.model)
        self._devices.select(parameters.device)
        model = self._models.get(parameters.model) or self._default()
        say(self._ui.modelDescription, self._description(model) if model else "")
        self._ui.modelCard.setMarkdown((model or {}).get("card") or "This model has no card.")
        self._ui.removeModelsButton.setEnabled(bool(imported_files()))

    def close(self) -> None:
        """Nothing is held."""

    def list_models(self) -> None:
        """Asks the worker for the models."""
        self._asked = True
        self._context.logic.list_models(self._show_models, self._show_failure)

    def _opened(self, is_collapsed: bool) -> None:
        if not is_collapsed and not self._asked:
            self.list_models()

    def _show_models(self, models: list[dict[str, Any]]) -> None:
        self._models = {model["name"]: model for model in models if model["kind"] == "generator"}
        self._box.fill(self._entries())
        self._refresh()

    def _entries(self) -> list[tuple[str, str]]:
        return [*_SHIPPED, *((name, name) for name in self._models)]

    def _default(self) -> dict[str, Any] | None:
        return next((model for model in self._models.values() if model.get("is_default")), None)

    def _show_failure(self, failure: Failure) -> None:
        self._asked = False
        say(self._ui.modelDescription, "" if failure.was_cancelled else failure.sentences())

    def _description(self, model: dict[str, Any]) -> str:
        memory = model.get("memory_mb")
        facts = [
            f"{model['name']}: {model.get('description') or 'no description'}",
            f"Takes about {memory:.0f} MB of memory." if memory else "",
            f"SHA-256 {model['sha256'][:12]}…",
        ]
        return "\n".join(fact for fact in facts if fact)

    def _import(self) -> None:
        path = qt.QFileDialog.getOpenFileName(
            slicer.util.mainWindow(), "Import a model", "", "Models (*.safetensors *.pth *.pt)"
        )
        if path:
            self.import_file(Path(path))

    def import_file(self, path: Path) -> None:
        """Asks the worker to add a model from a file."""
        say(self._ui.modelDescription, f"Importing {path.name}…")
        self._context.logic.import_model(path, lambda _: self.list_models(), self._show_failure)

    def _remove(self) -> None:
        files = imported_files()
        question = f"Delete {len(files)} files of imported or downloaded models in {user_folder()}?"
        if files and slicer.util.confirmOkCancelDisplay(question, "XrayToCT"):
            say(self._ui.modelDescription, self._removed())
            self.list_models()

    @staticmethod
    def _removed() -> str:
        try:
            return f"{remove_imported_files() / 1e6:.1f} MB were freed."
        except OSError as error:
            return f"{error.filename} could not be deleted ({error.strerror}); check its permissions."

    def _refresh(self) -> None:
        if self._context.parameters is not None:
            self.refresh(self._context.parameters)
