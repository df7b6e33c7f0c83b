"""Packages that Slicer lacks: named by the panel, and installed only after the user has agreed."""

import pytest

from slicer_host import recorded
from XrayToCTLib import dependencies

pytest.importorskip("slicer", reason="slicer-core is not installed")
pytestmark = pytest.mark.usefixtures("host")


class TestMissingPackages:
    """What is missing is named, and installed only after the user has agreed, once."""

    @pytest.fixture
    def section(self, panel, xray, monkeypatch):
        (section,) = (one for one in panel.widget._panel._sections if type(one).__name__ == "GenerateSection")
        packages = tuple(one for one in dependencies.PACKAGES if one.name in ("torch", "safetensors"))
        monkeypatch.setattr(section, "_missing", packages)
        monkeypatch.setattr("XrayToCTLib.panel.generate_section.missing_packages", lambda: ())
        panel.take(xray)
        return section

    def test_nothing_can_start_and_nothing_is_installed_without_consent(self, panel, section) -> None:
        import qt

        assert "torch, safetensors" in panel.ui.dependencyLabel.text
        assert not panel.ui.applyButton.enabled
        recorded.button_answers.append(qt.QMessageBox.Cancel)
        panel.click("installButton")
        assert len(recorded.messages) == 1
        assert not recorded.installations
        assert not recorded.torch_installations

    def test_torch_comes_through_its_extension_and_the_rest_under_constraints(self, panel, section) -> None:
        import qt

        recorded.button_answers.append(qt.QMessageBox.Ok)
        panel.click("installButton")
        assert len(recorded.messages) == 1  # asked once
        assert len(recorded.torch_installations) == 1
        assert "safetensors" in str(recorded.installations)
        assert "constraints" in str(recorded.installations)
        assert panel.ui.applyButton.enabled

    def test_a_folder_of_wheels_needs_no_network(self, panel, section, tmp_path) -> None:
        import qt

        recorded.button_answers.append(qt.QMessageBox.Ok)
        recorded.file_answers.append(str(tmp_path))
        panel.click("installButton")
        assert "--no-index" in str(recorded.installations)
        assert str(tmp_path) in str(recorded.installations)
        assert not recorded.torch_installations


def test_what_slicer_ships_is_held_by_the_constraints() -> None:
    text = dependencies.constraints_text()
    assert "numpy==" in text
    assert "SimpleITK==" in text
