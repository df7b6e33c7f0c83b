"""The size of the volume in the patient, by the arithmetic of similar triangles."""

from pathlib import Path

import numpy as np
import pytest

from XrayToCTLib.physical_size import volume_side_mm
from XrayToCTLib.projection import Geometry
from XrayToCTLib.radiograph import Radiograph

X2CT = Geometry()  # its detector sees 285 mm at the isocentre of a volume of 320 mm


def radiograph(spacing: tuple[float, float] | None, magnification: float | None, view: str = "PA") -> Radiograph:
    return Radiograph(np.zeros((400, 300), np.float32), spacing, magnification, view, Path("x"), (), None)


def test_the_field_in_the_patient_scales_the_training_volume():
    size = volume_side_mm(radiograph((1.0, 1.0), 1.25), X2CT)
    assert size.side_mm == pytest.approx(400 / 1.25 * 320 / (500 * 541 / 949))
    assert (size.is_nominal, size.warnings) == (False, ())


@pytest.mark.parametrize(("view", "magnification"), [("PA", 1800 / 1650), ("AP", 1000 / 850)])
def test_without_a_magnification_that_of_the_usual_acquisition_is_assumed_and_said(view, magnification):
    size = volume_side_mm(radiograph((1.0, 1.0), None, view), X2CT)
    assert size.side_mm == pytest.approx(400 / magnification * 320 / (500 * 541 / 949))
    assert "magnification" in size.warnings[0]


def test_without_a_spacing_the_training_volume_is_assumed_and_said():
    for given in (radiograph(None, None), None):
        size = volume_side_mm(given, X2CT)
        assert (size.side_mm, size.is_nominal) == (320, True)
        assert "320 mm" in size.warnings[0]


def test_a_spacing_that_fits_no_chest_is_said():
    assert "does not fit a chest" in volume_side_mm(radiograph((0.01, 0.01), 1.0), X2CT).warnings[0]
