"""What comes of a reader study: agreement, arms, and the commands of `xray-to-ct study`."""

import csv
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import REPOSITORY
from made_study import (
    ARMS,
    CASES,
    MARK,
    PATIENTS,
    READERS,
    REPEATS,
    listed_cases,
    read_all,
)
from XrayToCTLib.reader_study.answers import read_answers
from XrayToCTLib.reader_study.key import read_key
from XrayToCTLib.reader_study.session import ReadingSession
from XrayToCTLib.reader_study.summary import agreements, judgements


def test_agreement_and_arms_are_those_of_the_answers_given(study_files, study_folder):
    _, path, study = study_files
    key = read_key(path, study)
    entry = {entry.code: entry for entry in key.entries}
    realism = {"real": 5, "compact-model": 3, "other-model": 1}
    read_all(study_folder, "R1", lambda c: realism[entry[c].arm], lambda c: entry[c].condition)
    # the second reader takes sick for tb, and sees every second showing as less real
    read_all(
        study_folder,
        "R2",
        lambda c: 2 if entry[c].repeats else realism[entry[c].arm],
        lambda c: {"sick": "tb"}.get(entry[c].condition, entry[c].condition),
    )
    answers = {name: read_answers(study_folder, study, name) for name in READERS}
    agreed = {(row.readers, row.item): row.agreement for row in agreements(key, answers)}
    between = agreed[("R1", "R2"), "class"]
    # 12 cases, of which 6 healthy, 3 sick (called tb by R2) and 3 tb: po = 9/12, pe = (36 + 0 + 18) / 144
    assert between.cases == 12
    assert between.observed == pytest.approx(0.75)
    assert between.kappa == pytest.approx((0.75 - 0.375) / (1 - 0.375))
    assert agreed[("R1", "R2"), "realism"].kappa == 1
    assert agreed[("R1", "R1"), "class"].cases == REPEATS
    assert agreed[("R1", "R1"), "realism"].observed == 1
    assert agreed[("R2", "R2"), "realism"].observed == 0
    judged = {(row.reader, row.arm): row for row in judgements(key, answers)}
    assert [row.arm for row in judgements(key, answers)[:3]] == ["real", "compact-model", "other-model"]
    assert judged["R1", "compact-model"].realism == 3
    assert judged["R1", "compact-model"].told_from_real == 1
    assert judged["R1", "real"].cases == 4
    assert judged["R1", "real"].class_accuracy == 1
    assert judged["R2", "real"].class_accuracy == 0.75


@pytest.fixture
def list_of_cases(tmp_path) -> Path:
    """Of two arms and three patients."""
    sources = tmp_path / "sources"
    sources.mkdir()
    cases = [case for case in listed_cases(sources) if case.arm != ARMS[2] and case.patient != PATIENTS[3]]
    rows = [[f"sources/{case.path.name}", case.arm, case.condition, case.patient] for case in cases]
    with (tmp_path / "cases.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["file", "arm", "class", "patient"], *rows])
    return tmp_path / "cases.csv"


def test_the_commands_make_follow_and_evaluate_a_study(run, run_json, list_of_cases, tmp_path):
    study, key, results = tmp_path / "study", tmp_path / "key.json", tmp_path / "results"
    made = run("study", "new", list_of_cases, "-o", study, "--key", key, "--readers", "R1,R2", "--size", 32)
    assert made.returncode == 0, made.stderr
    assert "6 cases for 2 readers\n" in made.stdout
    alone = ["--key", tmp_path / "key-2.json", "--readers", "R1", "--size", 32]
    assert "6 cases for 1 reader\n" in run("study", "new", list_of_cases, "-o", tmp_path / "study-2", *alone).stdout
    ReadingSession(study, "R1").submit(4, 3, "tb", (MARK,), "ribs\nmissing")
    assert run_json("study", "status", study)["answered"] == {"R1": 1, "R2": 0}
    read_all(study, "R1", lambda code: 4, lambda code: "tb")
    read_all(study, "R2", lambda code: 3, lambda code: "sick")
    found = run_json("study", "agree", study, key, "-o", results)
    assert found["warnings"] == []
    by_item = {row["item"]: row for row in found["agreement"]}
    assert by_item["class"]["cases"] == 6
    assert by_item["class"]["kappa"] == 0
    assert by_item["third lung"]["kappa"] is None
    assert by_item["pleural gap"]["observed"] == pytest.approx(5 / 6)
    ratings = list(csv.DictReader((results / "ratings.csv").open(newline="")))
    assert len(ratings) == 12
    assert {row["arm"] for row in ratings} == {"real", "compact-model"}
    (mark,) = csv.DictReader((results / "marks.csv").open(newline=""))
    assert (mark["artefact"], mark["plane"]) == ("pleural gap", "axial")
    assert (mark["x_mm"], mark["y_mm"], mark["z_mm"]) == ("10.0", "-20.5", "33.0")
    table = run("study", "agree", study, key)
    assert re.search(r"R1 and R2 +class +6 +0\.00 +0\.00", table.stdout)


def test_the_commands_of_the_page_run_as_they_stand(list_of_cases):
    page = (REPOSITORY / "docs" / "reader-study.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```bash\n(.*?)```", page, re.DOTALL)
    for command in block.splitlines():
        program, *arguments = shlex.split(command)
        assert program == "xray-to-ct"
        done = subprocess.run(
            [sys.executable, "-m", "XrayToCTLib", *arguments], cwd=list_of_cases.parent, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
    assert (list_of_cases.parent / "study-results" / "ratings.csv").is_file()


def test_the_commands_refuse_in_one_sentence_with_exit_code_3(run, tmp_path, study_files):
    for arguments in (
        ("agree", study_files[0], tmp_path / "no.json"),
        ("new", tmp_path / "no.csv", "-o", tmp_path / "s", "--key", tmp_path / "k", "--readers", "R1"),
    ):
        done = run("study", *arguments)
        assert done.returncode == 3, done.stderr
        assert len(done.stderr.strip().splitlines()) == 1
    assert os.listdir(tmp_path) == []
    assert run("study", "new", tmp_path / "no.csv").returncode == 2


def test_looking_before_the_end_is_said_to_unblind(study_files, study_folder, run_json):
    found = run_json("study", "agree", study_folder, study_files[1])
    assert len(found["warnings"]) == 2
    assert f"0 of {CASES} cases" in found["warnings"][0]
