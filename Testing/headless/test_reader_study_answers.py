"""A reader's way through a study, and the answers: they survive a crash; hostile files are refused in a sentence."""

import csv
import json
import shutil

import pytest

from made_study import (
    CASES,
    MARK,
    answer,
    listed_cases,
    read_all,
)
from XrayToCTLib.errors import UnsuitableInput
from XrayToCTLib.reader_study.answers import COLUMNS, Answer, Mark, answers_path, append_answer, read_answers
from XrayToCTLib.reader_study.blinding import Blinding, make_study
from XrayToCTLib.reader_study.key import read_key
from XrayToCTLib.reader_study.session import ReadingSession
from XrayToCTLib.reader_study.study import read_study


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


def test_a_case_that_was_changed_is_not_shown(study_files, study_folder):
    shutil.rmtree(study_folder / "cases")
    (study_folder / "cases").mkdir()
    session = ReadingSession(study_folder, "R1")
    path = study_folder / "cases" / f"{session.code}.nrrd"
    with pytest.raises(UnsuitableInput, match="missing or was changed"):
        session.case_file()
    content = bytearray((study_files[0] / "cases" / path.name).read_bytes())
    path.write_bytes(content)
    assert session.case_file() == path
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(UnsuitableInput, match="missing or was changed"):
        session.case_file()


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


def test_another_studys_key_is_refused(study_files, tmp_path):
    cases = listed_cases(tmp_path)[:1]
    make_study(cases, ["R1"], tmp_path / "study", tmp_path / "key.json", "", blinding=Blinding(32))
    with pytest.raises(UnsuitableInput, match="key of another study"):
        read_key(tmp_path / "key.json", study_files[2])
