"""The PDF report: all that the HTML page says, inside the margins of its sheets."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import PdfParser

from test_report import HOSTILE, REPORT, Page, hostile_report
from XrayToCTLib.marking import SYNTHETIC_NOTICE
from XrayToCTLib.report import render_html
from XrayToCTLib.report_pdf import PAGE, _drawable, _Reader, _Score, _Table, _Text, render_pages, write_pdf


def words_of_blocks(html: str) -> str:
    parts = []
    for block in _Reader(html).blocks:
        if isinstance(block, _Text):
            parts.append(block.content)
        elif isinstance(block, _Table):
            parts += [content for row in block.rows for _, content, _ in row]
        elif isinstance(block, _Score):
            parts += [block.name, block.value]
    return " ".join(" ".join(parts).split())


@pytest.mark.parametrize("report", [REPORT, hostile_report(HOSTILE)], ids=["plain", "hostile"])
def test_every_text_of_the_page_is_drawn(report) -> None:
    html = render_html(report)
    drawn = words_of_blocks(html)
    _title, *pieces = Page(html).pieces
    decorations = {
        SYNTHETIC_NOTICE,
        "✓",
        "✗",
        "?",
    }  # the notice is drawn on every sheet, symbols have words beside them
    expected = ["".join(map(_drawable, " ".join(piece.split()))) for piece in pieces if piece not in decorations]
    assert len(expected) > 40
    assert [piece for piece in expected if piece not in drawn] == []


def test_scores_are_bars_of_their_length() -> None:
    scores = [(block.name, block.part) for block in _Reader(render_html(REPORT)).blocks if isinstance(block, _Score)]
    assert scores == [("Healthy", 0.614), ("Sick, not TB", 0.252), ("TB", 0.134)]


def test_only_a_failed_check_is_written_in_red() -> None:
    passed = tuple({**check, "passed": True} for check in REPORT.checks)
    for checks, reddened in ((REPORT.checks, True), (passed, False)):
        sheets = render_pages(render_html(replace(REPORT, checks=checks)))
        red = sum((np.asarray(sheet) == (0xA8, 0x23, 0x1A)).all(-1).sum() for sheet in sheets)
        assert (red > 50) == reddened


def test_nothing_reaches_into_the_margins_however_long_a_word_is() -> None:
    sheets = render_pages(render_html(hostile_report("W" * 400)))
    assert len(sheets) > 2
    for sheet in sheets:
        pixels = np.asarray(sheet)[57:-57]
        assert sheet.size == PAGE
        assert (pixels[:, :88] == 255).all()
        assert (pixels[:, -88:] == 255).all()
        assert (pixels[-20:] == 255).all()


@given(text=st.text(st.characters(), max_size=30))
@settings(deadline=None, max_examples=5)
def test_any_text_can_be_drawn(text: str) -> None:
    assert render_pages(render_html(hostile_report(text)))


def test_letters_that_the_font_lacks_are_replaced_by_plain_ones() -> None:
    assert "".join(map(_drawable, "Müller – 3 × 4 mm² 胸")) == "Muller - 3 x 4 mm2 ?"
    assert "".join(map(_drawable, "plain (text), 50 %: <b>'\"")) == "plain (text), 50 %: <b>'\""


def test_a_pdf_is_written_whole_and_without_dates(tmp_path: Path) -> None:
    path = write_pdf(tmp_path / "report.pdf", replace(REPORT, input_name="Thorax é 胸 \udcff.dcm"), {"Key": "é"})
    assert os.listdir(tmp_path) == ["report.pdf"]
    parsed = PdfParser.PdfParser(str(path))
    information = {key.name_as_str(): PdfParser.decode_text(value) for key, value in dict(parsed.info).items()}
    assert information["Title"] == f"Thorax é 胸 ?.dcm – {SYNTHETIC_NOTICE}"
    assert information["Keywords"] == "Key: é"
    assert not set(information) & {"CreationDate", "ModDate"}
    assert b"Date" not in path.read_bytes()


def test_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not a PNG"):
        write_pdf(tmp_path / "report.pdf", replace(REPORT, pictures=(("c", "a", b"<svg>"),)), {})
    assert os.listdir(tmp_path) == []
