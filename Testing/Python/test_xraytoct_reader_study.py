"""A small reader study inside 3D Slicer: made and evaluated by `xray-to-ct study`, read in the panel by clicks.

CMake registers this file with Slicer; without Slicer, Testing/headless/test_slicer_in_slicer.py runs the same cases.
It needs neither torch nor a model.
"""

import csv
import shutil
import tempfile
import unittest
from pathlib import Path

import numpy as np
import SimpleITK as sitk
import slicer

from XrayToCTLib.cli import main
from XrayToCTLib.layouts import STUDY_VIEWS

ARMS, PATIENTS = ("real", "generated"), ("p1", "p2")
CASES = len(ARMS) * len(PATIENTS)


def write_cts(folder: Path) -> Path:
    """Blocks of soft tissue in air, a CT for each patient in each arm, and the list of them."""
    rows = []
    for number, (arm, patient) in enumerate((arm, patient) for arm in ARMS for patient in PATIENTS):
        hu = np.full((40, 40, 40), -1000, np.int16)
        hu[5:35, 8:32, 5:35] = 40 + number
        image = sitk.GetImageFromArray(hu)
        image.SetSpacing((8.0, 8.0, 8.0))
        sitk.WriteImage(image, str(folder / f"{arm}-{patient}.nrrd"))
        rows.append([f"{arm}-{patient}.nrrd", arm, "healthy", patient])
    with (folder / "cases.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["file", "arm", "class", "patient"], *rows])
    return folder / "cases.csv"


class ReaderStudyCase(unittest.TestCase):
    """One after the other: a later case uses what an earlier one made."""

    @classmethod
    def setUpClass(cls) -> None:
        slicer.mrmlScene.Clear(False)
        cls.folder = Path(tempfile.mkdtemp(prefix="XrayToCT-study-"))
        cls.study, cls.key = cls.folder / "study", cls.folder / "key.json"
        cls.section = slicer.util.getModuleWidget("XrayToCT").ui.readerStudySection
        cls.section.collapsed = False
        slicer.app.processEvents()
        cls.ui = slicer.util.childWidgetVariables(cls.section)

    @classmethod
    def tearDownClass(cls) -> None:
        cls.section.collapsed = True
        slicer.mrmlScene.Clear(False)
        shutil.rmtree(cls.folder)

    def click(self, name: str) -> None:
        button = getattr(self.ui, name)
        self.assertTrue(button.enabled, name)
        button.click()
        slicer.app.processEvents()

    def click_axial_slice(self) -> None:
        """In the middle of the view."""
        (name,) = (view for view, plane in STUDY_VIEWS.items() if plane == "Axial")
        widget = slicer.app.layoutManager().sliceWidget(name)
        columns, rows = widget.mrmlSliceNode().GetDimensions()[:2]
        interactor = widget.sliceView().interactor()
        interactor.SetEventInformation(columns // 2, rows // 2, 0, 0)
        for event in ("LeftButtonPressEvent", "LeftButtonReleaseEvent"):
            interactor.InvokeEvent(event)
        slicer.app.processEvents()

    def rate(self) -> None:
        for name in ("realism4", "healthyClass", "confidence3"):
            self.click(name)

    def test_1_the_command_makes_a_study(self) -> None:
        cases = write_cts(self.folder)
        arguments = ["study", "new", cases, "-o", self.study, "--key", self.key, "--readers", "R1", "--size", "32"]
        self.assertEqual(main([str(argument) for argument in arguments]), 0)
        self.assertEqual(len(list((self.study / "cases").iterdir())), CASES)

    def test_2_a_case_is_shown_marked_and_answered(self) -> None:
        self.ui.studyPathEdit.setCurrentPath(str(self.study))
        self.ui.readerBox.setCurrentText("R1")
        self.click("startButton")
        self.assertEqual(self.ui.studyStatus.text, f"Case 1 of {CASES}.")
        self.assertIsNotNone(slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLScalarVolumeNode"))
        self.ui.artefactBox.setCurrentText("third lung")
        self.click("markButton")
        self.click_axial_slice()
        self.assertEqual(self.ui.marksList.count, 1)
        self.rate()
        self.click("nextButton")
        self.assertEqual(self.ui.studyStatus.text, f"Case 2 of {CASES}.")

    def test_3_the_study_is_left_and_goes_on_where_it_was_left(self) -> None:
        self.click("startButton")
        self.assertIsNone(slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLScalarVolumeNode"))
        self.click("startButton")
        self.assertEqual(self.ui.studyStatus.text, f"Case 2 of {CASES}.")

    def test_4_the_last_case_ends_the_study(self) -> None:
        for _ in range(CASES - 1):
            self.rate()
            self.click("noArtefactBox")
            self.click("nextButton")
        self.assertIn("You have read all cases.", self.ui.studyStatus.text)
        self.click("startButton")

    def test_5_the_command_evaluates_the_answers(self) -> None:
        results = self.folder / "results"
        self.assertEqual(main(["study", "agree", str(self.study), str(self.key), "-o", str(results)]), 0)
        with (results / "ratings.csv").open(newline="") as file:
            ratings = list(csv.DictReader(file))
        self.assertEqual(sorted(row["arm"] for row in ratings), sorted(ARMS * len(PATIENTS)))
        self.assertEqual({row["realism"] for row in ratings}, {"4"})
        with (results / "marks.csv").open(newline="") as file:
            (mark,) = csv.DictReader(file)
        self.assertEqual((mark["artefact"], mark["plane"]), ("third lung", "axial"))
        self.assertLess(abs(float(mark["x_mm"])) + abs(float(mark["y_mm"])), 10.0)  # the case's middle
