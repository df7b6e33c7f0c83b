"""The cases that run inside Slicer (Testing/Python), on the stand-in for Slicer: the real worker, the real weights."""

import importlib.util
import unittest

import pytest

from conftest import REPOSITORY

CASES = REPOSITORY / "Testing" / "Python" / "test_xraytoct_module.py"


def test_the_cases_for_slicer_pass_on_its_stand_in(module_widget) -> None:
    spec = importlib.util.spec_from_file_location(CASES.stem, CASES)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromModule(module).run(result)
    assert result.testsRun >= 8
    problems = [text for _, text in (*result.failures, *result.errors)]
    assert not problems, problems[0]
    if result.skipped:
        pytest.skip(result.skipped[0][1])
