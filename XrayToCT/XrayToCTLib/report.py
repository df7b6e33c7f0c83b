"""The report on one generated CT: a single HTML page that needs nothing else, neither files nor network nor scripts."""

from __future__ import annotations

import base64
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from numbers import Integral, Real
from pathlib import Path
from typing import Any

from XrayToCTLib.atomic_write import write_bytes_atomically
from XrayToCTLib.marking import SYNTHETIC_NOTICE, TB_NOTICE, class_notices, class_words
from XrayToCTLib.report_style import STYLE

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
# A browser that honours it loads nothing from outside even if markup slipped through the escaping.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
# At the foot of every printed page: one sheet of several may end up in a file alone.
_PRINTED_NOTICE = f'@page {{ @bottom-center {{ content: "{SYNTHETIC_NOTICE}"; font: 700 8pt sans-serif; }} }}'
_MEASURES = {
    "ssim": ("Structural similarity (SSIM)", "1 is identical"),
    "ncc": ("Normalised cross-correlation (NCC)", "1 is identical, 0 unrelated"),
    "rmse": ("Root mean square error (RMSE)", "0 is identical; the grey scale is 0 to 1"),
}
_MODEL_FIELDS = {"name": "Model", "config": "Configuration", "sha256": "SHA-256 of the weights"}
_STATUS = {True: ("passed", "✓", "Passed"), False: ("failed", "✗", "Failed"), None: ("open", "?", "Not assessed")}


@dataclass(frozen=True)
class Report:
    """What a report tells; all texts are plain text, never markup.

    Attributes:
        input_name: name of the radiograph's file.
        created: date and time, ISO 8601.
        software_version: of this software.
        model: name, config, sha256 and whatever else describes the weights; texts, numbers or JSON objects.
        model_card_summary: what the model was trained on and what it is not for, in a few sentences.
        device: what it was computed on.
        view: PA or AP.
        side_mm: physical sides (D, H, W) of the volume.
        comparison: ssim, ncc, rmse of projection and radiograph; empty where they were not compared.
        classes: scores in [0, 1] of healthy, sick, tb; empty where the volume was not classified.
        checks: of each plausibility check its name, passed (None: not assessed), value, message and limits (lowest and
            highest value that passes; None where that end is open).
        warnings: a sentence each.
        evidence: paragraphs for and against the volume, by a heading for each.
        seconds: of each step, in the order in which they ran.
        outputs: what was written: kind to path.
        pictures: caption, alternative text and PNG file of each; the first shows the X-ray.
        input_check: of the X-ray itself: passed, message, score and limit; empty where it was not checked.
        temperature: with which the classes were calibrated; None where they were not.
    """

    input_name: str
    created: str
    software_version: str
    model: Mapping[str, Any]
    model_card_summary: str
    device: str
    view: str
    side_mm: Sequence[float]
    comparison: Mapping[str, float]
    classes: Mapping[str, float]
    checks: Sequence[Mapping[str, Any]]
    warnings: Sequence[str]
    evidence: Mapping[str, str]
    seconds: Mapping[str, float]
    outputs: Mapping[str, Any]
    pictures: Sequence[tuple[str, str, bytes]]
    input_check: Mapping[str, Any] = field(default_factory=dict)
    temperature: float | None = None


def render_html(report: Report) -> str:
    """The report as one HTML page. Raises ValueError where a picture is not a PNG file."""
    parts = [
        _header(report),
        _warnings(report.warnings),
        _input_check(report.input_check),
        _pictures(report.pictures),
        f'<div class="pair">{_comparison(report.comparison)}{_classes(report)}</div>',
        _checks(report.checks),
        _evidence(report.evidence),
        _provenance(report),
        f'<div class="pair">{_outputs(report.outputs)}{_timings(report.seconds)}</div>',
    ]
    notice = f'<p class="notice">{_text(SYNTHETIC_NOTICE)}</p>'
    body = "\n".join(part for part in parts if part)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{_text(_POLICY)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{_text(report.input_name)} – {_text(SYNTHETIC_NOTICE)}</title>
<style>{STYLE}{_PRINTED_NOTICE}</style>
</head>
<body>
{notice}
<main>
{body}
</main>
{notice}
</body>
</html>
"""


def write_report(path: str | os.PathLike[str], report: Report) -> Path:
    """Write :func:`render_html` in UTF-8, whole or not at all. Returns the path. Raises OSError, ValueError."""
    # A file name may hold bytes that are no text (lone surrogates in Python); they must not cost the report.
    return write_bytes_atomically(path, render_html(report).encode("utf-8", errors="replace"))


def _text(value: Any) -> str:
    # A null or another control character is not allowed in HTML, not even escaped.
    return escape("".join(letter if letter.isprintable() or letter in "\n\t" else "\ufffd" for letter in str(value)))


def _number(value: Any, digits: int = 3) -> str:
    """A number with so many decimals, or what stands in for it, escaped."""
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "–"}[value]
    try:
        number = float(value)
    except (TypeError, ValueError):
        return _text(value)
    return f"{number:.{digits}f}" if math.isfinite(number) else "not a number"


def _value(value: Any) -> str:
    """The value of a check: whole numbers as they are, others to four digits, escaped."""
    if isinstance(value, Integral):  # numpy's too
        return _number(value) if isinstance(value, bool) else str(int(value))
    if isinstance(value, Real) and math.isfinite(value):
        return f"{float(value):.4g}"
    return _number(value)


def _description(value: Any) -> str:
    """A JSON value in words, escaped: the pairs of an object as "key: value"."""
    if isinstance(value, Mapping):
        return ", ".join(f"{_text(key).replace('_', ' ')}: {_description(part)}" for key, part in value.items())
    if isinstance(value, (list, tuple)):
        return " × ".join(map(_description, value))
    return _value(value) if isinstance(value, Real) else _text(value)


def _section(title: str, content: str, kind: str = "") -> str:
    attribute = f' class="{kind}"' if kind else ""
    return f"<section{attribute}>\n<h2>{title}</h2>\n{content}\n</section>"


def _rows(rows: Mapping[str, str]) -> str:
    """Rows of a table from labels to HTML."""
    return "\n".join(f'<tr><th scope="row">{_text(label)}</th><td>{cell}</td></tr>' for label, cell in rows.items())


def _header(report: Report) -> str:
    return (
        "<header>\n<h1>Chest CT estimated from one radiograph</h1>\n"
        f"<p><span>{_text(report.input_name)} · </span><span>view {_text(report.view)} · </span>"
        f"<span>{_text(report.created)}</span></p>\n"
        "<p>A radiograph holds no depth: how things lie from front to back was supplied by the model, not seen in the "
        "patient.</p>\n</header>"
    )


def _warnings(warnings: Sequence[str]) -> str:
    if not warnings:
        return ""
    items = "\n".join(f"<li>{_text(warning)}</li>" for warning in warnings)
    return _section("Warnings", f"<ul>\n{items}\n</ul>", "warnings")


def _input_check(check: Mapping[str, Any]) -> str:
    """One line right above the X-ray."""
    if not check:
        return ""
    kind, symbol, word = _STATUS[bool(check["passed"])]
    return _section(
        "Is it a chest X-ray like those in training?",
        f'<p><span class="status {kind}"><span aria-hidden="true">{symbol}</span> {word}.</span> '
        f'{_text(check["message"])}</p>\n<p class="note">Oddness {_number(check["score"], 2)} of 1; '
        f"up to {_number(check['limit'], 2)} passes.</p>",
    )


def _pictures(pictures: Sequence[tuple[str, str, bytes]]) -> str:
    if not pictures:
        return ""
    figures = []
    for caption, alternative, content in pictures:
        if not content.startswith(_PNG_SIGNATURE):
            raise ValueError(f"the picture {caption!r} is not a PNG file")
        source = f"data:image/png;base64,{base64.b64encode(content).decode('ascii')}"
        figures.append(
            f'<figure>\n<img src="{source}" alt="{_text(alternative)}">\n<figcaption>{_text(caption)}</figcaption>\n'
            "</figure>"
        )
    return _section("Pictures", "\n".join(figures), "pictures")


def _comparison(comparison: Mapping[str, float]) -> str:
    title = "Projection against X-ray"
    if not comparison:
        return _section(title, "<p>Not compared.</p>")
    rows = []
    for key, value in comparison.items():
        name, meaning = _MEASURES.get(key, (key, ""))
        rows.append(
            f'<tr><th scope="row">{_text(name)}<br><span class="note">{_text(meaning)}</span></th>'
            f'<td class="number">{_number(value)}</td></tr>'
        )
    note = "Agreement here does not show that the depth is right: many volumes cast the same shadow."
    return _section(title, f'<table class="figures">\n{"".join(rows)}\n</table>\n<p class="note">{note}</p>')


def _classes(report: Report) -> str:
    classes = report.classes
    title = "Classifier scores"
    if not classes:
        return _section(title, f'<p>Not classified.</p>\n<p class="caution">{_text(TB_NOTICE)}</p>')
    bars = []
    for key, value in classes.items():
        part = float(value) if math.isfinite(value) else 0.0
        words = class_words(key)
        # Neither 0 nor 1 is ever printed: no network is certain.
        shown = "&lt; 0.01" if 0 <= part < 0.01 else "&gt; 0.99" if part > 0.99 else f"{part:.2f}"
        bars.append(
            f'<div class="score"><strong>{_text(words[:1].upper() + words[1:])}</strong>'
            f'<div class="track"><span style="width:{100 * min(max(part, 0.0), 1.0):.1f}%"></span></div>'
            f"<output>{shown if math.isfinite(value) else 'none'}</output></div>"
        )
    calibrated = (
        "are not calibrated"
        if report.temperature is None
        else f"are calibrated on simulated patients only (temperature {report.temperature:.2f})"
    )
    note = (
        f"Scores of a network on a synthetic CT. They add up to 1 by construction, {calibrated}, and are neither "
        "a patient's risk nor a diagnosis."
    )
    told = "<br>".join(map(_text, class_notices(report.warnings)))
    return _section(
        title,
        "\n".join([*bars, f'<p class="caution">{told}</p>', f'<p class="note">{_text(note)}</p>']),
    )


def _checks(checks: Sequence[Mapping[str, Any]]) -> str:
    title = "Plausibility checks"
    if not checks:
        return _section(title, "<p>Not checked.</p>")
    rows = []
    for check in sorted(checks, key=_order):
        kind, symbol, word = _STATUS[_verdict(check)]
        rows.append(
            f'<tr class="{kind}-row"><th scope="row">{_text(check.get("name", ""))}</th>'
            f'<td class="status {kind}"><span aria-hidden="true">{symbol}</span> {word}</td>'
            f'<td class="message">{_text(check.get("message", ""))}</td>'
            f"{_value_cell(check.get('value'))}"
            f'<td class="number limits">{_limits(check.get("limits"))}</td></tr>'
        )
    count = sum(_verdict(check) is True for check in checks)
    return _section(
        title,
        f'<table class="checks">\n<caption>{count} of {len(checks)} passed; what did not comes first. They find gross '
        'errors of anatomy only.</caption>\n<thead><tr><th scope="col">Check</th><th scope="col">Result</th>'
        '<th scope="col">Finding</th><th scope="col" class="number">Value</th>'
        f'<th scope="col" class="number">Passes</th></tr></thead>\n<tbody>\n{"".join(rows)}\n</tbody>\n</table>',
    )


def _value_cell(value: Any) -> str:
    kind = ' class="number"' if value is None or isinstance(value, Real) else ""  # numbers are never broken, texts are
    return f"<td{kind}>{_value(value)}</td>"


def _verdict(check: Mapping[str, Any]) -> bool | None:
    passed = check.get("passed")
    return None if passed is None else bool(passed)


def _order(check: Mapping[str, Any]) -> int:
    """Failed checks first, then those that could not be assessed."""
    return (False, None, True).index(_verdict(check))


def _limits(limits: Any) -> str:
    """Which values pass, in words."""
    low, high = limits if isinstance(limits, Sequence) and len(limits) == 2 else (None, None)
    if low is None and high is None:
        return "–"
    if low is None or high is None:
        return f"at least {_value(low)}" if high is None else f"at most {_value(high)}"
    return _value(low) if low == high else f"{_value(low)} to {_value(high)}"


def _evidence(evidence: Mapping[str, str]) -> str:
    return "\n".join(_section(title, f"<p>{_text(words)}</p>") for title, words in evidence.items())


def _provenance(report: Report) -> str:
    sides = " × ".join(f"{side:.4g}" for side in report.side_mm)
    model = {}
    for key in sorted(report.model, key=lambda key: [*_MODEL_FIELDS, key].index(key)):
        label, cell = key.replace("_", " "), _description(report.model[key])
        model[_MODEL_FIELDS.get(key, label[:1].upper() + label[1:])] = (
            f"<code>{cell}</code>" if key == "sha256" else cell
        )
    rows = {
        "Radiograph": _text(report.input_name),
        "View": _text(report.view),
        "Created": _text(report.created),
        "Software": f"XrayToCT {_text(report.software_version)}",
        **model,
        "About the model": _text(report.model_card_summary or "No model card."),
        "Computed on": _text(report.device),
        "Size of the volume": f"{sides} mm (front to back × head to foot × right to left)",
    }
    return _section("Provenance", f"<table>\n{_rows(rows)}\n</table>")


def _outputs(outputs: Mapping[str, Any]) -> str:
    if not outputs:
        return _section("Files written", "<p>None.</p>")
    rows = {key.replace("_", " "): f"<code>{_text(value)}</code>" for key, value in outputs.items()}
    return _section("Files written", f"<table>\n{_rows(rows)}\n</table>")


def _timings(seconds: Mapping[str, float]) -> str:
    if not seconds:
        return _section("Time", "<p>Not measured.</p>")
    times = {**seconds, "all steps": sum(seconds.values())}
    rows = [
        f'<tr><th scope="row">{_text(step)}</th><td class="number">{_number(time, 2)} s</td></tr>'
        for step, time in times.items()
    ]
    return _section("Time", f'<table class="figures">\n{"".join(rows)}\n</table>')
