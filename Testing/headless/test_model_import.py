"""Models into the user's folder and out of it: imports work, nothing is overwritten, only what was imported goes."""

from pathlib import Path

import numpy as np
import pytest
import torch

from XrayToCTLib import model_folders, models
from XrayToCTLib.classifier import ClassifierConfig, CTClassifier
from XrayToCTLib.errors import ModelError
from XrayToCTLib.model_import import import_model

SMALL = ClassifierConfig(filters=(2, 2, 2), hidden=2)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's folder, and no other folder of models."""
    monkeypatch.setenv("XRAYTOCT_MODELS", "")
    monkeypatch.setenv("XRAYTOCT_CACHE", str(tmp_path / "user"))
    monkeypatch.setattr(model_folders, "PACKAGE_WEIGHTS", tmp_path / "package")
    return tmp_path / "user"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    path = tmp_path / "elsewhere" / "my model.safetensors"
    path.parent.mkdir()
    made = models.save_model(
        path.with_name("my-model.safetensors"), CTClassifier(SMALL).eval(), "ct_classifier", SMALL, None, {}
    )
    made.path.with_suffix(".md").write_text("# my model")
    return made.path


def test_an_imported_model_gives_the_same_answers_and_brings_its_card(folder: Path, file: Path) -> None:
    batch = torch.from_numpy(np.random.default_rng(0).random((1, 1, 32, 32, 32), np.float32))
    expected = models.load_classifier(models.read_info(file))(batch)
    info = import_model(file)
    assert info.path == folder / "my-model.safetensors"
    assert info.card == "# my model"
    assert torch.equal(models.load_classifier(info)(batch), expected)


def test_a_name_that_is_taken_is_refused(folder: Path, file: Path) -> None:
    import_model(file)
    with pytest.raises(ModelError, match="is there already"):
        import_model(file)


def test_a_damaged_file_is_refused_and_leaves_nothing(folder: Path, file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[-8:] = b"\xff" * 8
    file.write_bytes(bytes(content))
    with pytest.raises(ModelError, match="damaged"):
        import_model(file)
    assert not model_folders.imported_files()


def test_what_was_imported_is_removed_and_nothing_else(folder: Path, file: Path) -> None:
    import_model(file)
    (folder / "notes.txt").write_text("mine")
    assert model_folders.remove_imported_files() > 0
    assert [path.name for path in folder.iterdir()] == ["notes.txt"]
    assert model_folders.remove_imported_files() == 0
