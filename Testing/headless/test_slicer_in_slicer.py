"""The cases that run inside Slicer (Testing/Python), on the stand-in for Slicer: the real worker, the real weights."""

import importlib.util
import unittest

import pytest

from conftest import REPOSITORY

CASES = REPOSITORY / "Testing" / "Python"


@pytest.mark.parametrize(("name", "count"), [("test_xraytoct_module", 8), ("test_xraytoct_reader_study", 5)])
def test_the_cases_for_slicer_pass_on_its_stand_in(module_widget, name: str, count: int) -> None:
    spec = importlib.util.spec_from_file_location(name, CASES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromModule(module).run(result)
    assert result.testsRun >= count
    problems = [text for _, text in (*result.failures, *result.errors)]
    assert not problems, problems[0]
    if result.skipped:
        pytest.skip(result.skipped[0][1])


def test_cmake_gives_slicer_every_file_of_cases() -> None:
    registered = (CASES / "CMakeLists.txt").read_text(encoding="utf-8")
    files = [path.name for path in CASES.glob("test_*.py")]
    assert len(files) == registered.count("slicer_add_python_unittest(")
    assert all(f"SCRIPT {name})" in registered for name in files)
