"""Modules of Slicer and of the PyTorch extension that would reach out: on the host they only note what was asked."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from slicer_host.recorded import recorded


def packaging() -> ModuleType:
    """`slicer.packaging`, which Slicer has since 5.12."""
    module = ModuleType("slicer.packaging")

    def pip_install(requirements: Any, **options: Any) -> None:
        """Note an installation."""
        recorded.installations.append(("pip_install", requirements, options))

    def pip_ensure(requirements: Any, **options: Any) -> None:
        """Note a demand for packages."""
        recorded.installations.append(("pip_ensure", requirements, options))

    def pip_uninstall(requirements: Any, **options: Any) -> None:
        """Note a removal."""
        recorded.installations.append(("pip_uninstall", requirements, options))

    vars(module).update(pip_install=pip_install, pip_ensure=pip_ensure, pip_uninstall=pip_uninstall)
    return module


def sample_data() -> ModuleType:
    """`SampleData`: notes the sources that are registered, and refuses those on which Slicer's own would fail."""
    module = ModuleType("SampleData")

    class SampleDataLogic:
        """Registration and download of sample data."""

        @staticmethod
        def registerCustomSampleDataSource(
            category: str = "Custom",
            sampleName: str | None = None,
            uris: Any = None,
            fileNames: Any = None,
            nodeNames: Any = None,
            customDownloader: Any = None,
            thumbnailFileName: str | None = None,
            loadFileType: Any = "VolumeFile",
            loadFiles: Any = None,
            loadFileProperties: Any = None,
            checksums: Any = None,
        ) -> None:
            given = (uris, fileNames, nodeNames)
            if not all(isinstance(one, str) for one in given):
                if not all(isinstance(one, (list, tuple)) for one in given):
                    raise TypeError("a source needs uris, fileNames and nodeNames, also with a downloader of its own")
                if len({len(one) for one in given}) > 1:
                    raise ValueError("All fields of sample data source must have the same length")
            recorded.sample_data_sources.append(
                {"category": category, "sampleName": sampleName, "customDownloader": customDownloader}
            )

    vars(module).update(SampleDataLogic=SampleDataLogic)
    return module


def pytorch_utils() -> ModuleType:
    """`PyTorchUtils`: says that torch is there, since it is, and notes who wants to install it."""
    module = ModuleType("PyTorchUtils")

    class PyTorchUtilsLogic:
        """The PyTorch extension's logic."""

        @staticmethod
        def torchInstalled() -> bool:
            import importlib.util

            return importlib.util.find_spec("torch") is not None

        def installTorch(
            self,
            askConfirmation: bool = False,
            forceComputationBackend: str | None = None,
            torchVersionRequirement: str | None = None,
            torchvisionVersionRequirement: str | None = None,
        ) -> Any:
            recorded.torch_installations.append(
                {
                    "askConfirmation": askConfirmation,
                    "forceComputationBackend": forceComputationBackend,
                    "torchVersionRequirement": torchVersionRequirement,
                    "torchvisionVersionRequirement": torchvisionVersionRequirement,
                }
            )
            return self.torch if self.torchInstalled() else None

        @property
        def torch(self) -> Any:
            import torch

            return torch

    vars(module).update(PyTorchUtilsLogic=PyTorchUtilsLogic)
    return module


def i18n() -> ModuleType:
    """`slicer.i18n`: the texts as they are written."""
    module = ModuleType("slicer.i18n")

    def tr(text: str) -> str:
        return text

    def translate(context: str, text: str) -> str:
        return text

    vars(module).update(tr=tr, translate=translate)
    return module
