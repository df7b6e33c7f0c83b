"""The HTML report in a real Chromium: nothing reaches out of the page, on a desktop or on a phone.

The page allows no scripts, so it is shown in a frame of a page that measures it.
"""

import json
import re
import shutil
import subprocess
from dataclasses import replace
from html import escape, unescape
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from made_prediction import made_prediction
from test_report import REPORT, hostile_report
from XrayToCTLib.outputs import write_outputs
from XrayToCTLib.pictures import png_bytes
from XrayToCTLib.report import render_html

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
WIDTHS = (1280, 400)
NOTICE_COLOUR = (0x7A, 0x1F, 0x12)
MEASURE = """
<script>
addEventListener("load", () => {
  const page = document.querySelector("iframe").contentDocument, root = page.documentElement, width = root.clientWidth;
  const hidden = element => element.closest("thead") && getComputedStyle(element.closest("thead")).clipPath !== "none";
  const found = [...page.body.querySelectorAll("*")].filter(element => !hidden(element)).filter(element => {
    const box = element.getBoundingClientRect();
    const spills = getComputedStyle(element).display !== "inline" && element.scrollWidth > element.clientWidth + 1;
    return box.left < -0.5 || box.right > width + 0.5 || spills;
  }).map(element => `${element.tagName} ${element.className}: ${element.textContent.slice(0, 60)}`);
  const result = {width, scroll: root.scrollWidth, height: root.scrollHeight, found};
  document.body.innerHTML = "";  // the dump holds the result alone
  document.body.dataset.result = JSON.stringify(result);
});
</script>
"""

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Debian's chromium is not installed")


def chromium(folder: Path, *arguments: str) -> str:
    command = [str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
    command += [f"--user-data-dir={folder / 'profile'}"]
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def framed(folder: Path, html: str, width: int, height: int, script: str = "") -> str:
    """Address of a page that shows a report in a frame of a width."""
    path = folder / f"framed-{width}.html"
    frame = f'<iframe style="border:0;width:{width}px;height:{height}px" srcdoc="{escape(html)}"></iframe>'
    path.write_text(f'<!DOCTYPE html><meta charset="utf-8"><body style="margin:0">{frame}{script}')
    return path.as_uri()


def measured(folder: Path, html: str, width: int) -> dict:
    dom = chromium(folder, "--dump-dom", framed(folder, html, width, 900, MEASURE))
    return json.loads(unescape(re.search('data-result="(.*?)"', dom)[1]))


def screenshot(folder: Path, html: str, width: int) -> np.ndarray:
    """The whole page as a browser of that width shows it: (rows, columns, 3) uint8."""
    height = measured(folder, html, width)["height"]
    path = folder / f"report-{width}.png"
    # Narrower windows than 600 are not to be had, narrower frames are; of its height the window needs some for itself.
    window = f"--window-size={max(width, 600)},{height + 200}"
    chromium(folder, f"--screenshot={path}", window, framed(folder, html, width, height))
    return np.asarray(Image.open(path).convert("RGB"))[:height, :width]


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> str:
    """The report of a made prediction, with its pictures."""
    folder = tmp_path_factory.mktemp("outputs")
    outputs, _ = write_outputs(made_prediction(), folder, ["png", "nrrd"])
    return Path(outputs["report"]).read_text(encoding="utf-8")


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_reaches_out_of_the_page(tmp_path, written, width) -> None:
    result = measured(tmp_path, written, width)
    assert result["found"] == []
    assert result["scroll"] == result["width"] == width
    assert result["height"] > 1500


@pytest.mark.parametrize("width", WIDTHS)
def test_not_even_words_and_pictures_without_end_do(tmp_path, width) -> None:
    long = replace(hostile_report("W" * 300), evidence={"Uncertainty" * 20: "W" * 300})
    wide = png_bytes(np.zeros((40, 3000), dtype=np.uint8))
    for report in (
        replace(REPORT, model={"name": "n", "sha256": "ab" * 32}),
        replace(long, pictures=(("c", "a", wide),)),
    ):
        assert measured(tmp_path, render_html(report), width)["found"] == []


@pytest.mark.parametrize("width", WIDTHS)
def test_the_notice_spans_the_top_and_the_end_of_what_is_seen(tmp_path, written, width) -> None:
    pixels = screenshot(tmp_path, written, width)
    assert pixels.shape[1] == width
    is_notice = (np.abs(pixels.astype(int) - NOTICE_COLOUR) <= 2).all(-1)
    assert is_notice[2].all()
    assert is_notice[-3].all()
    assert (~is_notice).mean() > 0.8
    assert len(np.unique(pixels[::7, ::7].reshape(-1, 3), axis=0)) > 50  # pictures and text, not an empty page
