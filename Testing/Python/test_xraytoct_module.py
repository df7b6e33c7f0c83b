"""Tests of the module inside 3D Slicer, with the real worker and the weights that come with the extension.

CMake registers this file with Slicer; without Slicer, Testing/headless/test_slicer_in_slicer.py runs the same cases.
"""

import tempfile
import time
import unittest
from pathlib import Path

import slicer

from XrayToCTLib.dependencies import missing_packages
from XrayToCTLib.errors import UnsuitableInput
from XrayToCTLib.panel.sample_data import SAMPLE
from XrayToCTLib.run_settings import RunSettings
from XrayToCTLib.scene_results import results_of

_LONGEST_SECONDS = 600


@unittest.skipIf(missing_packages(), "torch and the other packages are not installed: open the module and install them")
class XrayToCTModuleCase(unittest.TestCase):
    """One after the other in one scene, since the worker takes seconds; a later case uses what an earlier one made."""

    @classmethod
    def setUpClass(cls) -> None:
        slicer.mrmlScene.Clear(False)
        cls.widget = slicer.util.getModuleWidget("XrayToCT")
        cls.logic, cls.ui = cls.widget.logic, cls.widget.ui

    @classmethod
    def tearDownClass(cls) -> None:
        cls.logic.close()
        slicer.mrmlScene.Clear(False)

    def wait(self, condition) -> None:
        end = time.monotonic() + _LONGEST_SECONDS
        while not condition():
            self.assertLess(time.monotonic(), end, self.ui.stageLabel.text)
            slicer.app.processEvents()
            time.sleep(0.01)

    def test_1_the_sample_becomes_a_result_in_the_scene(self) -> None:
        self.ui.sampleButton.click()
        self.ui.uncertaintySpinBox.value = 2
        self.ui.applyButton.click()
        self.assertEqual(self.ui.applyButton.text, "Cancel")
        self.wait(lambda: not self.logic.is_busy)
        self.wait(lambda: self.ui.readLayoutButton.enabled)
        results = results_of(slicer.mrmlScene)
        self.assertEqual(len(results), 1, self.ui.stageLabel.text)
        self.assertIsNotNone(results[0].ct)
        self.assertIsNotNone(results[0].uncertainty)
        self.assertGreater(self.ui.checksTable.rowCount, 0)
        self.assertIn("SSIM", self.ui.metricsLabel.text)

    def test_2_the_preview_is_the_picture_that_the_network_sees(self) -> None:
        self.ui.previewButton.click()
        self.wait(lambda: not self.logic.is_busy)
        self.assertIn("View PA", self.ui.previewText.text)

    def test_3_the_models_are_listed(self) -> None:
        self.ui.modelSection.collapsed = True
        self.ui.modelSection.collapsed = False
        self.wait(lambda: not self.logic.is_busy)
        self.assertGreater(self.ui.modelBox.findText("compact"), 0)

    def test_4_the_mean_projection_is_made_by_the_worker(self) -> None:
        self.ui.projectionBox.setCurrentIndex(1)
        self.wait(lambda: not self.logic.is_busy)
        self.assertIn("SSIM", self.ui.metricsLabel.text)

    def test_5_a_saved_scene_brings_the_result_back(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = str(Path(folder) / "scene.mrb")
            slicer.util.saveScene(path)
            slicer.mrmlScene.Clear(False)
            self.assertFalse(results_of(slicer.mrmlScene))
            slicer.util.loadScene(path)
            slicer.app.processEvents()
        self.assertEqual(len(results_of(slicer.mrmlScene)), 1)
        self.assertEqual(self.ui.uncertaintySpinBox.value, 2)

    def test_6_cancel_leaves_the_scene_as_it_was(self) -> None:
        before = slicer.mrmlScene.GetNumberOfNodes()
        self.ui.refineSpinBox.value = 200
        self.ui.applyButton.click()
        self.wait(lambda: "Making the volume" in self.ui.stageLabel.text)
        self.ui.applyButton.click()
        self.wait(lambda: not self.logic.is_busy)
        self.assertIn("Cancelled", self.ui.stageLabel.text)
        self.assertEqual(slicer.mrmlScene.GetNumberOfNodes(), before)

    def test_7_a_script_gets_the_error_of_a_bad_file(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "no-film.png"
            path.write_bytes(b"no picture")
            with self.assertRaises(UnsuitableInput):
                self.logic.process(path, RunSettings(device="cpu"))

    def test_8_the_sample_is_shipped(self) -> None:
        self.assertTrue(SAMPLE.is_file())
