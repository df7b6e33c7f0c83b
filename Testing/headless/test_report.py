import base64
import os
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from XrayToCTLib.marking import SYNTHETIC_NOTICE
from XrayToCTLib.pictures import png_bytes
from XrayToCTLib.report import TB_NOTICE, Report, render_html, write_report

VOID = {"meta", "img", "br"}
HOSTILE = "\"><script>alert('1')</script><img src=//evil.example/x onerror=y>&amp;</title>.dcm"

REPORT = Report(
    input_name="chest.dcm",
    created="2026-01-14T10:22:31+00:00",
    software_version="0.1.0",
    model={"name": "chest-pa", "sha256": "ab" * 32, "config": "published"},
    model_card_summary="Trained on simulated patients.",
    device="cpu",
    view="PA",
    side_mm=(300.0, 320.0, 340.5),
    comparison={"ssim": 0.8751, "ncc": 0.9869, "rmse": 0.0468},
    classes={"healthy": 0.614, "sick": 0.252, "tb": 0.134},
    checks=(
        {"name": "Chest wall", "passed": True, "value": 0.9934, "message": "It is closed.", "limits": (None, 225.0)},
        {"name": "Heart", "passed": False, "value": -0.0312, "message": "It lies on the right.", "limits": (0.1, 8)},
        {"name": "Lungs", "passed": None, "value": 2, "message": "They leave the field."},
    ),
    warnings=("Sizes are nominal.",),
    evidence={"Uncertainty": "The expected error is 120 HU."},
    seconds={"read": 0.12, "generate": 4.318},
    outputs={"ct": "out/ct.nrrd"},
    pictures=(("Axial slices.", "Six slices of a chest", png_bytes(np.zeros((8, 8), dtype=np.uint8))),),
)


class Page(HTMLParser):
    """Checks that tags are balanced; collects tags with their attributes, and the visible text in pieces."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.pieces: list[str] = []
        self.open: list[str] = []
        self.feed(html)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        assert len(dict(attrs)) == len(attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if data.strip() and "style" not in self.open:
            self.pieces.append(data.strip())

    @property
    def text(self) -> str:
        return "\n".join(self.pieces)


def assert_self_contained(html: str) -> Page:
    page = Page(html)
    assert {tag for tag, _ in page.tags}.isdisjoint(
        {"script", "iframe", "object", "embed", "link", "a", "form", "base"}
    )
    for tag, attributes in page.tags:
        assert not [name for name in attributes if name.startswith("on") or name in ("href", "srcset", "action")]
        if "src" in attributes:
            assert tag == "img"
            assert (attributes["src"] or "").startswith("data:image/png;base64,")
    styles = re.findall(r"<style>(.*?)</style>", html, re.DOTALL)
    assert len(styles) == 1
    assert "url(" not in styles[0]
    assert "@import" not in styles[0]
    return page


def test_the_page_is_balanced_and_needs_nothing_from_outside() -> None:
    html = render_html(REPORT)
    assert_self_contained(html)
    assert "://" not in html
    assert "default-src &#x27;none&#x27;" in html


def test_the_notice_opens_and_ends_the_page_and_stands_on_printed_pages() -> None:
    page = Page(render_html(REPORT))
    body = page.pieces[1:]  # without the title
    assert body[0] == body[-1] == SYNTHETIC_NOTICE
    assert f'@bottom-center {{ content: "{SYNTHETIC_NOTICE}"' in render_html(REPORT)


def test_every_number_of_the_report_is_on_the_page() -> None:
    pieces = Page(render_html(REPORT)).pieces
    expected = [
        "0.875",
        "0.987",
        "0.047",
        "0.61",
        "0.25",
        "0.13",
        "0.9934",
        "-0.0312",
        "2",
        "0.12 s",
        "4.32 s",
        "4.44 s",
    ]
    assert [number for number in expected if number not in pieces] == []
    assert "300 × 320 × 340.5 mm (front to back × head to foot × right to left)" in pieces


def test_every_text_of_the_report_is_on_the_page() -> None:
    text = Page(render_html(REPORT)).text
    for expected in (
        *("chest.dcm", "2026-01-14T10:22:31+00:00", "XrayToCT 0.1.0", "chest-pa", "ab" * 32, "published", "cpu", "PA"),
        *("Trained on simulated patients.", "It is closed.", "It lies on the right.", "They leave the field."),
        *("Sizes are nominal.", "out/ct.nrrd", "Axial slices."),
    ):
        assert expected in text


def test_the_scores_say_how_far_they_are_calibrated() -> None:
    assert "calibrated on simulated patients only (temperature 1.50)" in render_html(replace(REPORT, temperature=1.5))
    assert "are not calibrated" in render_html(REPORT)


def test_the_limits_of_the_tb_class_stand_beside_the_classes_even_without_a_result() -> None:
    assert TB_NOTICE == "The TB class was learned from simulated lesions only and was never validated on patients."
    for classes in (REPORT.classes, {}):
        html = render_html(replace(REPORT, classes=classes))
        section = html[html.index("Classifier scores") :].split("</section>")[0]
        assert TB_NOTICE in section


def test_checks_say_their_result_in_words() -> None:
    pieces = Page(render_html(REPORT)).pieces
    assert [piece for piece in pieces if piece in ("Passed", "Failed", "Not assessed")] == [
        "Failed",
        "Not assessed",
        "Passed",
    ]
    assert "1 of 3 passed; what did not comes first. They find gross errors of anatomy only." in pieces


def test_failed_checks_come_first_and_every_value_has_the_limits_that_it_was_judged_by() -> None:
    limits = [(2, 2), (1.5, None), None, [0, 60.25], (None, None)]
    more = [
        {"name": f"n{i}", "passed": True, "value": 2.0, "message": "m", "limits": two} for i, two in enumerate(limits)
    ]
    table = render_html(replace(REPORT, checks=(*REPORT.checks, *more))).split('class="checks"')[1].split("</table>")[0]
    rows = [re.sub("<[^>]*>", "|", row) for row in re.findall("<tr class.*?</tr>", table)]
    cells = [[cell for cell in row.split("|") if cell.strip()] for row in rows]
    assert [(row[0], row[-2], row[-1]) for row in cells] == [
        ("Heart", "-0.0312", "0.1 to 8"),
        ("Lungs", "2", "–"),
        ("Chest wall", "0.9934", "at most 225"),
        ("n0", "2", "2"),
        ("n1", "2", "at least 1.5"),
        ("n2", "2", "–"),
        ("n3", "2", "0 to 60.25"),
        ("n4", "2", "–"),
    ]


def test_the_bars_are_as_long_as_the_scores_and_all_of_one_kind() -> None:
    page = Page(render_html(REPORT))
    bars = [attributes for tag, attributes in page.tags if tag == "span" and "style" in attributes]
    assert bars == [{"style": "width:61.4%"}, {"style": "width:25.2%"}, {"style": "width:13.4%"}]


def test_no_score_is_ever_shown_as_certain() -> None:
    pieces = Page(render_html(replace(REPORT, classes={"healthy": 1.0, "sick": 0.0, "tb": 0.999}))).pieces
    assert pieces.count("> 0.99") == 2
    assert "< 0.01" in pieces


def test_pictures_are_embedded_with_their_alternative_text() -> None:
    images = [attributes for tag, attributes in Page(render_html(REPORT)).tags if tag == "img"]
    assert [image["alt"] for image in images] == ["Six slices of a chest"]
    content = base64.b64decode((images[0]["src"] or "").partition(",")[2], validate=True)
    assert content == REPORT.pictures[0][2]


def hostile_report(text: str) -> Report:
    return replace(
        REPORT,
        input_name=text,
        created=text,
        software_version=text,
        model={text: text, "name": text, "sha256": text},
        model_card_summary=text,
        device=text,
        view=text,
        comparison={text: 0.5},
        classes={text: 0.5},
        checks=({"name": text, "passed": True, "value": text, "message": text},),
        warnings=(text,),
        seconds={text: 0.5},
        outputs={text: text},
        pictures=((text, text, REPORT.pictures[0][2]),),
    )


def test_hostile_texts_stay_texts_everywhere() -> None:
    page = assert_self_contained(render_html(hostile_report(HOSTILE)))
    assert page.text.count(HOSTILE) >= 16
    assert [attributes["alt"] for tag, attributes in page.tags if tag == "img"] == [HOSTILE]


@given(text=st.text(st.characters(), max_size=30))
@settings(deadline=None, max_examples=40)
def test_any_text_gives_a_balanced_page_that_can_be_written(text: str) -> None:
    html = render_html(hostile_report(text))
    assert_self_contained(html)
    assert html.encode("utf-8", errors="replace")


def test_a_file_name_cannot_turn_the_direction_of_writing() -> None:
    assert "\u202e" not in render_html(replace(REPORT, input_name="scan\u202egpj.dcm"))


def test_a_report_without_results_says_so() -> None:
    empty = replace(REPORT, comparison={}, classes={}, checks=(), warnings=(), seconds={}, outputs={}, pictures=())
    text = assert_self_contained(render_html(empty)).text
    for expected in ("Not compared.", "Not classified.", "Not checked.", "Not measured.", "None."):
        assert expected in text
    assert "Warnings" not in text


def test_values_that_are_no_numbers_are_named_so() -> None:
    broken = replace(REPORT, comparison={"ssim": float("nan")}, classes={"tb": float("nan")})
    text = Page(render_html(broken)).text
    assert "not a number" in text
    assert "nan" not in text.split()


def test_values_of_checks_may_be_numpy_numbers() -> None:
    values = [np.int64(7), np.float32(0.5), np.float64(1234.56), True, None]
    checks = tuple({"name": "c", "passed": True, "value": value, "message": ""} for value in values)
    pieces = Page(render_html(replace(REPORT, checks=checks))).pieces
    values = [piece for piece in pieces if piece in ("7", "0.5", "1235", "yes", "–")]
    assert values == ["7", "–", "0.5", "–", "1235", "–", "yes", "–", "–", "–"]  # none has limits


def test_a_configuration_is_told_in_words() -> None:
    model = {"config": {"size": 128, "base_channels": 16, "kernel": [3, 3], "<b>": "&"}}
    assert "size: 128, base channels: 16, kernel: 3 × 3, <b>: &" in Page(render_html(replace(REPORT, model=model))).text


def test_a_picture_that_is_not_a_png_is_refused() -> None:
    with pytest.raises(ValueError, match="not a PNG"):
        render_html(replace(REPORT, pictures=(("c", "a", b"<svg onload=x>"),)))


def test_a_report_is_written_whole_in_utf_8(tmp_path: Path) -> None:
    path = write_report(tmp_path / "report.html", replace(REPORT, input_name="Thorax é 胸 \udcff.dcm"))
    text = path.read_text(encoding="utf-8")
    assert "Thorax é 胸 \ufffd.dcm" in text
    assert os.listdir(tmp_path) == ["report.html"]
