"""The report as a PDF file: the HTML page of `report.render_html` laid out on A4, with the notice on every sheet.

It reads that page and nothing else, so both reports say the same. Sheets are pictures drawn with Pillow: no library
for PDF is needed, but their text cannot be searched; the notice and the marks stand in the file's properties too.
"""

from __future__ import annotations

import base64
import io
import re
import unicodedata
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from html.parser import HTMLParser
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from XrayToCTLib.atomic_write import replacing
from XrayToCTLib.marking import SYNTHETIC_NOTICE
from XrayToCTLib.report import Report, render_html

DPI = 150
PAGE = (1240, 1754)  # A4
_MARGIN, _BAR, _GAP = 90, 56, 14
_WIDTH = PAGE[0] - 2 * _MARGIN
_TOP, _BOTTOM = _BAR + 50, PAGE[1] - _BAR - 30
_INK, _SOFT, _LINE, _NOTICE, _WARN, _BAR_COLOUR = "#18222c", "#52606d", "#d5dce3", "#7a1f12", "#8a5300", "#6d8aa5"
_GOOD, _BAD = "#1c6b3a", "#a8231a"
# Size in pixels, colour and stroke of each kind of text; the one font that Pillow brings has no bold.
_STYLES = {
    "h1": (36, _INK, 0.6),
    "h2": (27, _INK, 0.6),
    "p": (21, _INK, 0.0),
    "note": (18, _SOFT, 0.0),
    "caption": (18, _SOFT, 0.0),
    "caution": (21, _WARN, 0.5),
    "li": (21, _INK, 0.0),
    "th": (19, _INK, 0.4),
    "td": (19, _INK, 0.0),
    "passed": (19, _GOOD, 0.4),
    "failed": (19, _BAD, 0.6),
    "open": (19, _WARN, 0.4),
}
_PLAIN = {"×": "x", "−": "-", "–": "-", "—": "-", "’": "'", "±": "+/-", "≥": ">=", "≤": "<="}
_QUALITY = 90  # of the sheets' JPEG


@dataclass(frozen=True)
class _Text:
    style: str
    content: str


@dataclass(frozen=True)
class _Table:
    rows: list[list[tuple[str, str, bool]]] = field(default_factory=list)  # cells: style, content, right-aligned


@dataclass(frozen=True)
class _Score:
    name: str
    part: float
    value: str


@dataclass(frozen=True)
class _Figure:
    picture: Image.Image


_Block = _Text | _Table | _Score | _Figure
_Piece = tuple[int, Callable[[Image.Image, ImageDraw.ImageDraw, int], None]]  # height, and what draws it at a height


def render_pages(html: str) -> list[Image.Image]:
    """The sheets (RGB, `PAGE` pixels at `DPI`) of a page that `report.render_html` made."""
    sheets: list[list[tuple[int, _Piece]]] = [[]]
    top = _TOP
    for kept_together in _groups(_Reader(html).blocks):
        height = sum(piece[0] for piece in kept_together)
        if top + height > _BOTTOM and sheets[-1]:
            sheets.append([])
            top = _TOP
        for piece in kept_together:
            sheets[-1].append((top, piece))
            top += piece[0]
    return [_sheet(pieces, number, len(sheets)) for number, pieces in enumerate(sheets, start=1)]


def write_pdf(path: str | Path, report: Report, marks: Mapping[str, str]) -> Path:
    """Write a report as PDF, whole or not at all; ``marks`` go into its properties, see `marking.Provenance.marks`.

    Returns the path. Raises OSError, and ValueError where a picture is not a PNG file.
    """
    sheets = render_pages(render_html(report))
    properties = {
        "title": f"{report.input_name} – {SYNTHETIC_NOTICE}".encode("utf-8", "replace").decode(),
        "subject": SYNTHETIC_NOTICE,
        "keywords": "; ".join(f"{key}: {value}" for key, value in marks.items()),
        "creator": "XrayToCT",
        "producer": f"XrayToCT {report.software_version}",
    }
    path = Path(path)
    with replacing(path, ".pdf") as temporary:
        # The report says when it was made; the file's own dates would stay where a user had dates removed.
        sheets[0].save(
            temporary,
            "PDF",
            save_all=True,
            append_images=sheets[1:],
            resolution=DPI,
            quality=_QUALITY,
            creationDate=None,
            modDate=None,
            **properties,
        )
    return path


class _Reader(HTMLParser):
    """Blocks of the report's page in their order; markup that it does not know becomes plain text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.blocks: list[_Block] = []
        self._words: list[str] = []
        self._hidden: list[str] = []
        self._style = ""
        self._right = False
        self._score: dict[str, str] = {}
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        kinds = attributes.get("class", "").split()
        if self._hidden or tag in ("head", "style") or "aria-hidden" in attributes or "notice" in kinds:
            if tag not in ("meta", "img", "br"):
                self._hidden.append(tag)
        elif tag == "img":
            content = base64.b64decode(attributes["src"].partition(",")[2])
            self.blocks.append(_Figure(Image.open(io.BytesIO(content)).convert("RGB")))
        elif tag == "br":
            self._words.append("\n")
        elif tag in ("p", "h1", "h2", "li", "figcaption", "caption", "th", "td"):
            self._words = []
            named = "note" if tag == "figcaption" else tag
            self._style = next((kind for kind in kinds if kind in _STYLES), named)
            self._right = "number" in kinds
        elif tag == "table":
            self.blocks.append(_Table())
        elif tag == "tr":
            self._table().rows.append([])
        elif "score" in kinds:
            self._score = {}
        elif tag in ("strong", "output"):
            self._words = []
        elif tag == "span" and "width:" in attributes.get("style", ""):
            self._score["part"] = attributes["style"].partition("width:")[2].rstrip("%")

    def handle_endtag(self, tag: str) -> None:
        if self._hidden:
            self._hidden.pop()
            return
        content = "\n".join(" ".join(line.split()) for line in "".join(self._words).split("\n"))
        content = "".join(map(_drawable, content))
        if tag in ("th", "td"):
            self._table().rows[-1].append((self._style, content, self._right))
        elif tag == "caption":
            # A caption comes inside its table, and reads above it.
            self.blocks.insert(-1, _Text(self._style, content))
        elif tag in ("p", "h1", "h2", "li", "figcaption"):
            self.blocks.append(_Text(self._style, f"- {content}" if tag == "li" else content))
        elif tag in ("strong", "output"):
            self._score[tag] = content
            if tag == "output":
                part = float(self._score.get("part", 0)) / 100
                self.blocks.append(_Score(self._score.get("strong", ""), part, content))
        if tag not in ("span", "code"):
            self._words = []

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self._words.append(data.replace("\n", " "))

    def _table(self) -> _Table:
        return next(block for block in reversed(self.blocks) if isinstance(block, _Table))


@lru_cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(size)
    assert isinstance(font, ImageFont.FreeTypeFont)  # Pillow without FreeType could not draw any notice
    return font


@lru_cache(maxsize=4096)
def _drawable(letter: str) -> str:
    """The letter, or what stands for it where the font has none: its plain form, else a question mark."""
    if letter in _PLAIN:
        return _PLAIN[letter]
    font = _font(_STYLES["p"][0])
    missing = font.getmask("\uffff")
    if letter.isspace() or bytes(font.getmask(letter)) != bytes(missing):
        return letter
    return unicodedata.normalize("NFKD", letter).encode("ascii", "ignore").decode() or "?"


def _lines(content: str, style: str, width: float) -> list[str]:
    """The text in lines of at most ``width`` pixels; a word that is longer is cut."""
    font, result = _font(_STYLES[style][0]), []
    for paragraph in content.split("\n"):
        line = ""
        for word in re.findall(r"\S+", paragraph):
            joined = f"{line} {word}" if line else word
            if font.getlength(joined) <= width:
                line = joined
                continue
            if line:
                result.append(line)
            while font.getlength(word) > width and len(word) > 1:
                lengths = range(1, len(word) + 1)
                fitting = max(1, bisect_right(lengths, width, key=lambda count: font.getlength(word[:count])))
                result.append(word[:fitting])
                word = word[fitting:]
            line = word
        result.append(line)
    return result


def _line_height(style: str) -> int:
    return round(1.4 * _STYLES[style][0])


def _draw_lines(
    draw: ImageDraw.ImageDraw, lines: Sequence[str], style: str, left: float, top: float, right: float | None = None
) -> None:
    size, colour, stroke = _STYLES[style]
    for number, line in enumerate(lines):
        place = (left if right is None else right, top + number * _line_height(style))
        anchor = "la" if right is None else "ra"
        draw.text(place, line, colour, _font(size), anchor=anchor, stroke_width=stroke)


def _groups(blocks: Sequence[_Block]) -> Iterator[list[_Piece]]:
    """Pieces that no end of a sheet may part: a heading and what follows, a picture and its caption."""
    waiting: list[_Piece] = []
    for block in blocks:
        for piece in _pieces(block):
            waiting.append(piece)
            keeps = isinstance(block, _Figure) or (isinstance(block, _Text) and block.style in ("h1", "h2", "caption"))
            if not keeps:
                yield waiting
                waiting = []
    if waiting:
        yield waiting


def _pieces(block: _Block) -> Iterator[_Piece]:
    if isinstance(block, _Text):
        yield _text_piece(block)
    elif isinstance(block, _Figure):
        yield _figure_piece(block)
    elif isinstance(block, _Score):
        yield _score_piece(block)
    else:
        yield from _row_pieces(block)


def _text_piece(block: _Text) -> _Piece:
    lines = _lines(block.content, block.style, _WIDTH)
    above = 2 * _GAP if block.style == "h2" else _GAP // 2

    def draw_text(sheet: Image.Image, draw: ImageDraw.ImageDraw, top: int) -> None:
        _draw_lines(draw, lines, block.style, _MARGIN, top + above)

    return above + len(lines) * _line_height(block.style) + _GAP // 2, draw_text


def _figure_piece(block: _Figure) -> _Piece:
    # A caption of some lines must fit on the same sheet.
    scale = min(1.0, _WIDTH / block.picture.width, 0.8 * (_BOTTOM - _TOP) / block.picture.height)
    size = (max(1, round(block.picture.width * scale)), max(1, round(block.picture.height * scale)))
    picture = block.picture.resize(size, Image.Resampling.LANCZOS)

    def draw_picture(sheet: Image.Image, draw: ImageDraw.ImageDraw, top: int) -> None:
        sheet.paste(picture, (_MARGIN + (_WIDTH - picture.width) // 2, top + _GAP))

    return picture.height + 2 * _GAP, draw_picture


def _score_piece(block: _Score) -> _Piece:
    track = (_MARGIN + 200, _MARGIN + _WIDTH - 120)
    name = _lines(block.name, "th", 200 - _GAP)

    def draw_score(sheet: Image.Image, draw: ImageDraw.ImageDraw, top: int) -> None:
        _draw_lines(draw, name, "th", _MARGIN, top)
        _draw_lines(draw, [block.value], "td", 0, top, _MARGIN + _WIDTH)
        draw.rectangle((track[0], top + 3, track[1], top + 19), outline=_BAR_COLOUR)
        if block.part > 0:
            end = track[0] + block.part * (track[1] - track[0])
            draw.rectangle((track[0], top + 3, end, top + 19), fill=_BAR_COLOUR)

    return len(name) * _line_height("th") + _GAP, draw_score


def _row_pieces(table: _Table) -> Iterator[_Piece]:
    widths = _column_widths(table)
    lefts = [_MARGIN + sum(widths[:number]) for number in range(len(widths))]
    for row in table.rows:
        cells = [
            (style, _lines(content, style, widths[number] - _GAP), right)
            for number, (style, content, right) in enumerate(row)
        ]
        height = max(len(lines) * _line_height(style) for style, lines, _ in cells) + _GAP

        def draw_row(sheet: Image.Image, draw: ImageDraw.ImageDraw, top: int, cells: list = cells) -> None:
            draw.line((_MARGIN, top, _MARGIN + _WIDTH, top), _LINE)
            for number, (style, lines, right) in enumerate(cells):
                edge = lefts[number] + widths[number] if right else None
                _draw_lines(draw, lines, style, lefts[number], top + _GAP // 2, edge)

        yield height, draw_row


def _column_widths(table: _Table) -> list[float]:
    """As wide as their text; where that is too much, the widest columns share what the narrow ones leave."""
    columns = max(map(len, table.rows), default=0)
    natural = [0.0] * columns
    for row in table.rows:
        for number, (style, content, _) in enumerate(row):
            length = max(_font(_STYLES[style][0]).getlength(line) for line in content.split("\n"))
            natural[number] = max(natural[number], length + 2 * _GAP)
    room, widths = float(_WIDTH), [0.0] * columns
    for count, number in enumerate(sorted(range(columns), key=natural.__getitem__)):
        widths[number] = min(natural[number], room / (columns - count))
        room -= widths[number]
    if columns:
        widths[-1] += room
    return widths


def _sheet(pieces: Sequence[tuple[int, _Piece]], number: int, count: int) -> Image.Image:
    sheet = Image.new("RGB", PAGE, "white")
    draw = ImageDraw.Draw(sheet)
    for top, (_, draw_piece) in pieces:
        draw_piece(sheet, draw, top)
    for top in (0, PAGE[1] - _BAR):
        draw.rectangle((0, top, PAGE[0], top + _BAR), fill=_NOTICE)
        draw.text((PAGE[0] / 2, top + _BAR / 2), SYNTHETIC_NOTICE, "white", _font(26), anchor="mm", stroke_width=0.5)
    draw.text((PAGE[0] - _MARGIN, PAGE[1] - _BAR / 2), f"{number} / {count}", "white", _font(20), anchor="rm")
    return sheet
