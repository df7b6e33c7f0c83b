"""A reader study from the list to the kappas: blinding, orders, answers that survive a crash, hostile files."""

import csv
import itertools
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from conftest import REPOSITORY
from made_study import ARMS, CONDITIONS, PATIENTS, READERS, REPEATS, SIZE, case_values, listed_cases, made_study
from XrayToCTLib.errors import UnsuitableInput
from XrayToCTLib.marking import STUDY_NOTICE
from XrayToCTLib.reader_study.answers import COLUMNS, Answer, Mark, answers_path, append_answer, read_answers
from XrayToCTLib.reader_study.blinding import Blinding, ListedCase, make_study, read_list
from XrayToCTLib.reader_study.key import read_key
from XrayToCTLib.reader_study.session import ReadingSession
from XrayToCTLib.reader_study.study import read_study
from XrayToCTLib.reader_study.summary import agreements, judgements

CASES = len(ARMS) * len(PATIENTS) + REPEATS
MARK = Mark("pleural gap", "axial", (10.0, -20.5, 33.0))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return made_study(tmp_path_factory.mktemp("made"))


@pytest.fixture
def study_folder(made, tmp_path) -> Path:
    """A readers' folder of the test's own: the case files are shared, answers and study file are not."""
    folder = tmp_path / "study"
    folder.mkdir()
    (folder / "study.json").write_bytes((made[0] / "study.json").read_bytes())
    (folder / "cases").symlink_to(made[0] / "cases")
    return folder


def answer(code: str, realism: int = 4, condition: str = "tb", marks: tuple[Mark, ...] = (MARK,)) -> Answer:
    return Answer(code, realism, 2, condition, marks, "fine", 12.5, "2026-01-02T03:04:05+00:00")


def read_all(folder: Path, reader: str, realism, condition) -> None:
    """Answers every case: ``realism`` and ``condition`` are functions of a case's code."""
    session = ReadingSession(folder, reader)
    while not session.is_finished:
        session.submit(realism(session.code), 3, condition(session.code), (), "")


# --- blinding


def test_readers_files_hold_nothing_of_arms_patients_sources_or_the_seed(made):
    folder, key, _ = made
    told = [*ARMS[1:], *PATIENTS, "sources", str(folder.parent), json.loads(key.read_text())["seed"]]
    for path in folder.rglob("*"):
        name = str(path.relative_to(folder)).encode()
        content = path.read_bytes() if path.is_file() else b""
        for word in (str(word).encode() for word in told if len(str(word)) > 3):
            assert word.lower() not in name.lower()
            assert word.lower() not in content.lower().split(b"\n\n")[0], (path.name, word)


def test_files_of_cases_differ_in_nothing_but_their_voxels_and_code(made):
    folder, _, study = made
    files = [folder / "cases" / f"{case.code}.nrrd" for case in study.cases]
    assert sorted((folder / "cases").iterdir()) == files
    assert len({(path.stat().st_size, path.stat().st_mtime) for path in files}) == 1
    headers = {path.read_bytes().split(b"\n\n")[0].replace(path.stem.encode(), b"CODE") for path in files}
    assert len(headers) == 1
    assert STUDY_NOTICE.encode() in headers.pop()


def test_a_case_shows_its_source_in_one_grid_and_range(made):
    folder, key, study = made
    for entry in read_key(key, study).entries:
        values = case_values(folder / "cases" / f"{entry.code}.nrrd")
        assert values.shape == (SIZE,) * 3
        assert values.dtype == np.int16
        source = sitk.ReadImage(entry.source)
        image = sitk.ReadImage(str(folder / "cases" / f"{entry.code}.nrrd"))
        assert image.GetSpacing() == (10, 10, 10)
        # the same soft tissue at the same place relative to the middle: 60 mm left of it, in the lung
        middle = source.TransformContinuousIndexToPhysicalPoint([(count - 1) / 2 for count in source.GetSize()])
        here = image[image.TransformPhysicalPointToIndex((62.0, 2.0, 12.0))]
        there = source[source.TransformPhysicalPointToIndex([m + d for m, d in zip(middle, (62, 2, 12), strict=True)])]
        assert here == pytest.approx(there, abs=15)


def test_the_key_says_what_every_case_is_and_what_it_was_made_of(made):
    import hashlib

    _, path, study = made
    key = read_key(path, study)
    firsts = [entry for entry in key.entries if not entry.repeats]
    assert sorted((entry.arm, entry.patient) for entry in firsts) == sorted((a, p) for a in ARMS for p in PATIENTS)
    assert {entry.patient: entry.condition for entry in firsts} == dict(zip(PATIENTS, CONDITIONS, strict=True))
    for entry in key.entries:
        assert entry.source_sha256 == hashlib.sha256(Path(entry.source).read_bytes()).hexdigest()
    again = [entry for entry in key.entries if entry.repeats]
    assert len(again) == REPEATS
    for entry in again:
        assert next(first for first in firsts if first.code == entry.repeats).source == entry.source


def test_each_reader_has_an_order_of_their_own_and_patients_do_not_follow_themselves(made):
    _, key, study = made
    patient = {entry.code: entry.patient for entry in read_key(key, study).entries}
    first, second = study.readers
    assert first.order != second.order
    for reader in study.readers:
        assert sorted(reader.order) == [case.code for case in study.cases]
        shown = [patient[code] for code in reader.order]
        assert all(a != b for a, b in itertools.pairwise(shown))


def test_the_same_seed_makes_the_same_study_and_none_another(made, tmp_path):
    cases = listed_cases(tmp_path)[:3]
    names = {}
    for name, seed in (("a", 5), ("b", 5), ("c", None), ("d", None)):
        study, _ = make_study(cases, ["R1"], tmp_path / name, tmp_path / f"{name}.json", "", 1, seed, Blinding(32))
        names[name] = study
    assert names["a"] == names["b"]
    assert len({names[name].sha256 for name in "acd"}) == 3


def test_a_ct_that_does_not_fill_the_case_is_named_with_the_remedy(tmp_path):
    cases = listed_cases(tmp_path)[:2]
    _, warnings = make_study(cases, ["R1"], tmp_path / "s", tmp_path / "k.json", "", blinding=Blinding(32, 400.0))
    assert len(warnings) == 2
    assert "320 mm of the 400 mm" in warnings[0]
    assert "--side-mm 320" in warnings[0]


def test_a_ct_that_cannot_be_read_leaves_neither_study_nor_key(tmp_path):
    broken = tmp_path / "broken.nrrd"
    broken.write_bytes(b"NRRD0004\ntype: short\n\n")
    cases = [*listed_cases(tmp_path)[:1], ListedCase(broken, "real", "", "p")]
    before = set(tmp_path.iterdir())
    with pytest.raises(UnsuitableInput, match=r"broken\.nrrd"):
        make_study(cases, ["R1"], tmp_path / "study", tmp_path / "key.json", "", blinding=Blinding(32))
    assert set(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("folder", "key", "readers", "repeats", "complaint"),
    [
        ("study", "study/key.json", ["R1"], 0, "lies in the folder that readers get"),
        ("full", "key.json", ["R1"], 0, "is not empty"),
        ("study", "full/a.txt", ["R1"], 0, "exists"),
        ("study", "key.json", ["../R1"], 0, "cannot name a reader"),
        ("study", "key.json", ["a", "A"], 0, "same name"),
        ("study", "key.json", ["R1"], 2, "cannot be repeated"),
    ],
)
def test_what_would_break_a_study_is_refused(folder, key, readers, repeats, complaint, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "a.txt").touch()
    cases = [ListedCase(tmp_path / "x.nrrd", "real", "", "p")]
    with pytest.raises(UnsuitableInput, match=complaint):
        make_study(cases, readers, tmp_path / folder, tmp_path / key, "", repeats)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "lists no cases"),
        ("file,arm\n", "lists no cases"),
        ("path,arm\na.nrrd,real\n", "Line 2 .* no file"),
        ("file,arm,class\na.nrrd,real,tb\nb.nrrd,,tb\n", "Line 3 .* no arm"),
        ("file,arm,class\na.nrrd,real,cold\n", "class 'cold'"),
        ("file,arm\n\xff\xfe\n", "no arm|cannot be read"),
    ],
)
def test_a_list_that_cannot_be_used_is_refused_with_the_line(text, complaint, tmp_path):
    path = tmp_path / "cases.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UnsuitableInput, match=complaint):
        read_list(path)


# --- answers


def test_what_a_reader_said_is_read_back(study_folder):
    study = read_study(study_folder)
    first, second = study.readers[0].order[:2]
    note = 'a "gap", 2 mm\n=HYPERLINK("x")'
    given = answer(first, marks=(MARK, Mark("other", "coronal", (1.25, 0.0, -3.0), note)))
    append_answer(study_folder, study, "R1", given)
    append_answer(study_folder, study, "R1", answer(second, realism=1, condition="healthy", marks=()))
    found = read_answers(study_folder, study, "R1")
    assert list(found) == [first, second]
    assert found[first] == given
    assert found[second].marks == ()
    assert read_answers(study_folder, study, "R2") == {}


def test_a_later_answer_replaces_the_earlier_which_stays_in_the_file(study_folder):
    study = read_study(study_folder)
    code = study.readers[0].order[0]
    for realism in (4, 2):
        append_answer(study_folder, study, "R1", answer(code, realism))
    assert read_answers(study_folder, study, "R1")[code].realism == 2
    rows = list(csv.DictReader(answers_path(study_folder, "R1").open(newline="")))
    assert [row["realism"] for row in rows] == ["4", "2"]


def test_a_crash_at_any_byte_of_a_row_loses_that_row_alone(study_folder):
    study = read_study(study_folder)
    first, second, third = study.readers[0].order[:3]
    path = answers_path(study_folder, "R1")
    append_answer(study_folder, study, "R1", answer(first))
    whole = path.stat().st_size
    append_answer(study_folder, study, "R1", answer(second))
    content = path.read_bytes()
    for length in (*range(0, len(content), 41), whole - 1, whole, whole + 1, len(content) - 1):
        path.write_bytes(content[:length])
        expected = {first} if length >= whole else set()
        assert set(read_answers(study_folder, study, "R1")) == expected
        append_answer(study_folder, study, "R1", answer(third))
        assert set(read_answers(study_folder, study, "R1")) == {*expected, third}


def test_no_cell_is_a_formula_for_a_spreadsheet(study_folder):
    study = read_study(study_folder)
    code = study.readers[0].order[0]
    for text in ("=1+1", "+1", "-1", "@SUM(A1)", "\t=1+1", "\n=1"):
        given = Answer(code, 1, 1, "tb", (), text, 1.0, "2026-01-02T03:04:05+00:00")
        append_answer(study_folder, study, "R1", given)
        cell = read_answers(study_folder, study, "R1")[code].comment
        assert cell[0] == "'"
        assert "\n" not in cell


@pytest.mark.parametrize(
    "change",
    [
        {"realism": 0},
        {"realism": 6},
        {"realism": True},
        {"confidence": 3.5},
        {"condition": ""},
        {"condition": "cold"},
        {"seconds": float("nan")},
        {"comment": "x" * 2000},
        {"marks": (MARK,) * 101},
    ],
)
def test_an_incomplete_answer_is_refused(change):
    complete = {"case": "ABCDEF", "realism": 1, "confidence": 1, "condition": "tb", "marks": (), "comment": ""}
    with pytest.raises(UnsuitableInput):
        Answer(**{**complete, "seconds": 1.0, "time": "", **change})


@pytest.mark.parametrize(
    ("kind", "plane", "point", "note"),
    [
        ("fourth lung", "axial", (0, 0, 0), ""),
        ("third lung", "oblique", (0, 0, 0), ""),
        ("third lung", "axial", (0, 0), ""),
        ("third lung", "axial", (0, 0, float("inf")), ""),
        ("other", "axial", (0, 0, 0), " "),
    ],
)
def test_a_mark_that_says_nothing_is_refused(kind, plane, point, note):
    with pytest.raises(UnsuitableInput):
        Mark(kind, plane, point, note)


# --- a reader's way


def test_a_session_goes_on_where_the_last_one_was_left(study_folder):
    session = ReadingSession(study_folder, "R2")
    order = session.reader.order
    assert (session.code, session.position, session.total) == (order[0], 1, CASES)
    session.submit(5, 4, "sick", (MARK,), "")
    session.submit(1, 2, "tb", (), "")
    assert session.code == order[2]
    resumed = ReadingSession(study_folder, "R2")
    assert (resumed.code, resumed.answered) == (order[2], 2)
    assert ReadingSession(study_folder, "R1").answered == 0


def test_going_back_shows_the_earlier_answer_and_changes_it(study_folder):
    session = ReadingSession(study_folder, "R1")
    with pytest.raises(UnsuitableInput, match="first case"):
        session.back()
    code = session.code
    session.submit(5, 4, "sick", (MARK,), "")
    session.back()
    assert session.code == code
    assert session.earlier_answer.marks == (MARK,)
    session.submit(2, 4, "sick", (), "")
    assert session.position == 2
    assert ReadingSession(study_folder, "R1").position == 2
    assert read_answers(study_folder, session.study, "R1")[code].realism == 2


def test_the_reading_time_is_that_between_cases(study_folder):
    times = iter([0.0, 100.0, 200.0, 330.0, 400.0])
    session = ReadingSession(study_folder, "R1", lambda: next(times))
    codes = session.reader.order
    session.submit(1, 1, "tb", (), "")
    session.submit(1, 1, "tb", (), "")
    found = read_answers(study_folder, session.study, "R1")
    assert (found[codes[0]].seconds, found[codes[1]].seconds) == (100.0, 130.0)


def test_an_answer_that_cannot_be_written_keeps_the_case_on_the_screen(study_folder):
    session = ReadingSession(study_folder, "R1")
    (study_folder / "answers").write_text("a file in the way")
    with pytest.raises(UnsuitableInput, match="could not be written"):
        session.submit(1, 1, "tb", (), "")
    assert (session.position, session.answered) == (1, 0)


def test_after_the_last_case_there_is_none(study_folder):
    read_all(study_folder, "R1", lambda code: 3, lambda code: "tb")
    session = ReadingSession(study_folder, "R1")
    assert session.is_finished
    assert session.answered == CASES
    with pytest.raises(UnsuitableInput, match="All cases"):
        session.case_file()


def test_a_case_that_was_changed_is_not_shown(made, study_folder):
    (study_folder / "cases").unlink()
    (study_folder / "cases").mkdir()
    session = ReadingSession(study_folder, "R1")
    path = study_folder / "cases" / f"{session.code}.nrrd"
    with pytest.raises(UnsuitableInput, match="missing or was changed"):
        session.case_file()
    content = bytearray((made[0] / "cases" / path.name).read_bytes())
    path.write_bytes(content)
    assert session.case_file() == path
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(UnsuitableInput, match="missing or was changed"):
        session.case_file()


# --- hostile files


def changed(content: dict, change) -> dict:
    change(content)
    return content


HOSTILE_STUDIES = {
    "code is a path": lambda s: s["cases"][0].update(code="../../etc"),
    "reader is a path": lambda s: s["readers"][0].update(name="../x"),
    "order has another case": lambda s: s["readers"][0]["order"].__setitem__(0, "AAAAAA"),
    "order lacks a case": lambda s: s["readers"][0]["order"].pop(),
    "order is no list": lambda s: s["readers"][0].update(order=7),
    "cases are text": lambda s: s.update(cases="abc"),
    "no cases": lambda s: s.update(cases=[]),
    "checksum is short": lambda s: s["cases"][0].update(sha256="ab"),
    "title is a list": lambda s: s.update(title=[]),
    "two readers": lambda s: s["readers"].append(s["readers"][0]),
    "later version": lambda s: s.update(version=2),
    "another format": lambda s: s.update(format="zip"),
}


@pytest.mark.parametrize("name", HOSTILE_STUDIES)
def test_a_spoilt_study_is_refused_in_a_sentence(name, study_folder):
    path = study_folder / "study.json"
    path.write_text(json.dumps(changed(json.loads(path.read_text()), HOSTILE_STUDIES[name])))
    with pytest.raises(UnsuitableInput, match=r"[.]$"):
        read_study(study_folder)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"\xff\xfe", b"[" * 100_000, b'{"format": ' + b"9" * 10_000 + b"}"]
)
def test_what_is_no_study_is_refused_in_a_sentence(content, tmp_path):
    (tmp_path / "study.json").write_bytes(content)
    with pytest.raises(UnsuitableInput, match=r"[.]$"):
        read_study(tmp_path)


def test_a_folder_without_a_study_is_refused(tmp_path):
    with pytest.raises(UnsuitableInput, match="choose the folder of a reader study"):
        read_study(tmp_path)


HOSTILE_CELLS = {
    "reader": "R2",
    "case": "AAAAAA",
    "study": "0" * 64,
    "realism": "9" * 5000,
    "confidence": "x",
    "class": "cold",
    "artefacts": '[{"kind": "third lung"}]',
    "seconds": "nan",
}


@pytest.mark.parametrize("column", HOSTILE_CELLS)
def test_a_spoilt_row_of_answers_is_named_with_its_line_or_study(column, study_folder):
    study = read_study(study_folder)
    append_answer(study_folder, study, "R1", answer(study.readers[0].order[0]))
    path = answers_path(study_folder, "R1")
    header, row = list(csv.reader(path.open(newline="")))
    row[COLUMNS.index(column)] = HOSTILE_CELLS[column]
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, row])
    with pytest.raises(UnsuitableInput, match=r"Line 2 of|another study"):
        read_answers(study_folder, study, "R1")


@pytest.mark.parametrize(
    "marks", ["[" * 100_000, "7", '[{"kind":"third lung","plane":"axial","point_mm":[1e9999,0,0],"note":""}]', "{}x"]
)
def test_spoilt_marks_are_named_with_their_line(marks, study_folder):
    study = read_study(study_folder)
    append_answer(study_folder, study, "R1", answer(study.readers[0].order[0]))
    path = answers_path(study_folder, "R1")
    header, row = list(csv.reader(path.open(newline="")))
    row[COLUMNS.index("artefacts")] = marks
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, row])
    with pytest.raises(UnsuitableInput, match=r"Line 2 of|damaged"):
        read_answers(study_folder, study, "R1")


@pytest.mark.parametrize("content", [b"\xff\xff\n", b"a,b\n1,2\n", b'"unclosed\n', b"\n\n"])
def test_what_is_no_file_of_answers_is_refused(content, study_folder):
    (study_folder / "answers").mkdir()
    answers_path(study_folder, "R1").write_bytes(content)
    with pytest.raises(UnsuitableInput, match=r"[.]$"):
        read_answers(study_folder, read_study(study_folder), "R1")


def test_another_studys_key_is_refused(made, tmp_path):
    cases = listed_cases(tmp_path)[:1]
    make_study(cases, ["R1"], tmp_path / "study", tmp_path / "key.json", "", blinding=Blinding(32))
    with pytest.raises(UnsuitableInput, match="key of another study"):
        read_key(tmp_path / "key.json", made[2])


# --- what comes of it


def test_agreement_and_arms_are_those_of_the_answers_given(made, study_folder):
    _, path, study = made
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
    assert "6 cases for 2 readers" in made.stdout
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
    assert (mark["artefact"], mark["plane"], mark["z_mm"]) == ("pleural gap", "axial", "33.0")
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


def test_the_commands_refuse_in_one_sentence_with_exit_code_3(run, tmp_path, made):
    for arguments in (
        ("agree", made[0], tmp_path / "no.json"),
        ("new", tmp_path / "no.csv", "-o", tmp_path / "s", "--key", tmp_path / "k", "--readers", "R1"),
    ):
        done = run("study", *arguments)
        assert done.returncode == 3, done.stderr
        assert len(done.stderr.strip().splitlines()) == 1
    assert os.listdir(tmp_path) == []
    assert run("study", "new", tmp_path / "no.csv").returncode == 2


def test_looking_before_the_end_is_said_to_unblind(made, study_folder, run_json):
    found = run_json("study", "agree", study_folder, made[1])
    assert len(found["warnings"]) == 2
    assert f"0 of {CASES} cases" in found["warnings"][0]
