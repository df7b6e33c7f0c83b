"""A reader study is made of a list: blinding, orders, the key; what would break a study is refused."""

import hashlib
import itertools
import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from made_study import (
    ARMS,
    CONDITIONS,
    PATIENTS,
    REPEATS,
    SIZE,
    case_values,
    listed_cases,
)
from XrayToCTLib.errors import UnsuitableInput
from XrayToCTLib.marking import STUDY_NOTICE
from XrayToCTLib.reader_study.blinding import Blinding, ListedCase, make_study, read_list
from XrayToCTLib.reader_study.key import read_key


def test_readers_files_hold_nothing_of_arms_patients_sources_or_the_seed(study_files):
    folder, key, _ = study_files
    told = [*ARMS[1:], *PATIENTS, "sources", str(folder.parent), json.loads(key.read_text())["seed"]]
    for path in folder.rglob("*"):
        name = str(path.relative_to(folder)).encode()
        content = path.read_bytes() if path.is_file() else b""
        for word in (str(word).encode() for word in told if len(str(word)) > 3):
            assert word.lower() not in name.lower()
            assert word.lower() not in content.lower().split(b"\n\n")[0], (path.name, word)


def test_files_of_cases_differ_in_nothing_but_their_voxels_and_code(study_files):
    folder, _, study = study_files
    files = [folder / "cases" / f"{case.code}.nrrd" for case in study.cases]
    assert sorted((folder / "cases").iterdir()) == files
    assert len({(path.stat().st_size, path.stat().st_mtime) for path in files}) == 1
    headers = {path.read_bytes().split(b"\n\n")[0].replace(path.stem.encode(), b"CODE") for path in files}
    assert len(headers) == 1
    assert STUDY_NOTICE.encode() in headers.pop()


def test_a_case_shows_its_source_in_one_grid_and_range(study_files):
    folder, key, study = study_files
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


def test_the_key_says_what_every_case_is_and_what_it_was_made_of(study_files):
    _, path, study = study_files
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


def test_each_reader_has_an_order_of_their_own_and_patients_do_not_follow_themselves(study_files):
    _, key, study = study_files
    patient = {entry.code: entry.patient for entry in read_key(key, study).entries}
    first, second = study.readers
    assert first.order != second.order
    for reader in study.readers:
        assert sorted(reader.order) == [case.code for case in study.cases]
        shown = [patient[code] for code in reader.order]
        assert all(a != b for a, b in itertools.pairwise(shown))


def test_the_same_seed_makes_the_same_study_and_none_another(study_files, tmp_path):
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
