"""``prepare`` for radiographs: TBX11K, COVID-19-CT-CXR and folders with a list, written by the tests."""

import csv
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from conftest import DATA
from test_prepare import left_out, prepare
from XrayToCTTraining.data.cohort import open_cohort
from XrayToCTTraining.data.sources.labelled_images import find_tbx11k


@pytest.fixture
def save(radiograph_pixels):
    """Writes the radiograph of a simulated chest as a picture."""

    def write(path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.rint(radiograph_pixels * 255).astype(np.uint8)).resize((128, 128)).save(path)

    return write


def write_tbx11k(folder: Path, save, counts: dict[str, tuple[int, int]]) -> None:
    """Images as TBX11K has them, so many of each class to train and validate; one unlisted, one extra, one missing."""
    lists: dict[str, list[str]] = {"train": [], "val": []}
    for label, numbers in counts.items():
        for split, count in zip(lists, numbers, strict=True):
            for number in range(count):
                name = f"{label}/{label[0]}{split[0]}{number:04d}.png"
                save(folder / "imgs" / name)
                lists[split].append(name)
    save(folder / "imgs" / "health" / "unlisted.png")
    save(folder / "imgs" / "extra" / "da" / "x.png")
    lists["val"].append("tb/missing.png")
    (folder / "lists").mkdir()
    for split, names in lists.items():
        (folder / "lists" / f"TBX11K_{split}.txt").write_text("\n".join(names) + "\n")
    (folder / "lists" / "TBX11K_trainval.txt").write_text("\n".join(lists["train"] + lists["val"]))


def test_tbx11k_splits_its_official_validation_list_in_equal_stratified_halves(tmp_path, save):
    write_tbx11k(tmp_path / "TBX11K", save, {"health": (2, 5), "sick": (2, 5), "tb": (1, 4)})
    items, dropped = find_tbx11k(tmp_path / "TBX11K", seed=3)
    counts = Counter((item.split, item.label) for item in items)
    assert {label: counts["training", label] for label in ("healthy", "sick", "tb")} == {
        "healthy": 2,
        "sick": 2,
        "tb": 1,
    }
    for label, total in (("healthy", 5), ("sick", 5), ("tb", 4)):
        halves = counts["validation", label], counts["test", label]
        assert sum(halves) == total
        assert abs(halves[0] - halves[1]) <= 1
    assert sum(n for (split, _), n in counts.items() if split == "test") == 7
    assert {entry.path.name for entry in dropped} == {"unlisted.png", "x.png", "missing.png"}
    again, _ = find_tbx11k(tmp_path / "TBX11K", seed=3)
    other, _ = find_tbx11k(tmp_path / "TBX11K", seed=4)
    assert again == items
    assert {i.path for i in other if i.split == "test"} != {i.path for i in items if i.split == "test"}


def test_tbx11k_is_prepared_with_its_classes_as_real_radiographs(tmp_path, save, radiograph_pixels):
    write_tbx11k(tmp_path / "TBX11K", save, {"health": (1, 2), "sick": (1, 2), "tb": (1, 2)})
    done = prepare("tbx11k", tmp_path / "TBX11K", tmp_path / "out")
    cohort = open_cohort(tmp_path / "out")
    assert Counter(case.label for case in cohort.cases) == {"healthy": 3, "sick": 3, "tb": 3}
    assert {(case.domain, case.has_ct, case.findings) for case in cohort.cases} == {("real", False, "unknown")}
    stored = cohort.radiograph(cohort.cases[0])
    assert stored.shape == (256, 256)
    assert (
        np.corrcoef(stored.ravel(), radiograph_pixels.ravel())[0, 1] > 0.98
    )  # as displayed: neither turned nor inverted
    assert "left out: 3" in done.stdout


def test_covid_figures_give_their_radiographs_and_report_the_rest(tmp_path, save):
    raw = tmp_path / "covid"
    for name in ("PMC1_a.jpg", "PMC1_b.jpg", "PMC2_a.jpg", "nobody.jpg"):
        save(raw / "images" / name)
    rows = [
        ("images/PMC1_a.jpg", "CXR", "PMC1"),
        ("images/PMC1_b.jpg", "CT", "PMC1"),
        ("images/PMC2_a.jpg", "CXR", "PMC2"),
        ("../outside.jpg", "CXR", "PMC3"),
    ]
    save(tmp_path / "outside.jpg")
    write_table(raw / "figures.csv", ("file", "type", "pmcid"), rows)
    prepare("covid-ct-cxr", raw, tmp_path / "out")
    cases = open_cohort(tmp_path / "out").cases
    assert {(case.patient, case.split, case.label) for case in cases} == {("PMC1", "test", ""), ("PMC2", "test", "")}
    reasons = left_out(tmp_path / "out")
    assert "CT" in reasons["images/PMC1_b.jpg"]
    assert reasons["images/nobody.jpg"] == "not named in the list"
    assert "outside the folder" in reasons.values()


def test_a_list_of_labels_gives_classes_findings_patients_and_splits(tmp_path, save):
    raw = tmp_path / "raw"
    for name in ("a.png", "b.png", "c.png", "d.png"):
        save(raw / name)
    (raw / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnot much")
    rows = [
        ("a.png", "tb", "P1", "cavity+effusion", "test"),
        ("b.png", "Sick", "P1", "", "test"),
        ("c.png", "", "P2", "", "training"),
        ("d.png", "purple", "P3", "", ""),
        ("broken.png", "tb", "P4", "", ""),
    ]
    write_table(raw / "labels.csv", ("file", "label", "patient", "findings", "split"), rows)
    prepare("labelled", raw, tmp_path / "out")
    found = {
        case.origin: (case.label, case.patient, case.findings, case.split)
        for case in open_cohort(tmp_path / "out").cases
    }
    assert found == {
        "a.png": ("tb", "P1", "cavity+effusion", "test"),
        "b.png": ("sick", "P1", "", "test"),
        "c.png": ("", "P2", "", "training"),
    }
    reasons = left_out(tmp_path / "out")
    assert "purple" in reasons["d.png"]
    assert "broken.png" in reasons


def test_a_list_without_labels_is_refused(tmp_path, save):
    save(tmp_path / "raw" / "a.png")
    write_table(tmp_path / "raw" / "list.csv", ("file", "age"), [("a.png", "40")])
    refused = prepare("labelled", tmp_path / "raw", tmp_path / "out", check=False)
    assert refused.returncode == 3
    assert "label" in refused.stderr


def test_the_real_radiographs_at_hand_can_all_be_listed():
    from XrayToCTTraining.data.sources.labelled_images import find_labelled

    if not (DATA / "xray" / "labels.csv").is_file():
        pytest.skip("the radiographs that cannot be shipped are not here")
    items, _ = find_labelled(DATA / "xray")
    assert len(items) == 480
    assert {item.label for item in items} == {"healthy", "sick"}


def write_table(path: Path, columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(rows)
