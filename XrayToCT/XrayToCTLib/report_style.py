"""The look of the HTML report: one style sheet for screens, light and dark, phones and print."""

STYLE = """
:root {
  color-scheme: light dark;
  --page: #f3f5f7; --sheet: #ffffff; --ink: #18222c; --soft: #52606d; --line: #d5dce3; --tint: #eef2f6;
  --accent: #1d5a8c; --notice: #7a1f12; --notice-ink: #ffffff; --warn: #8a5300; --warn-tint: #fff6e3;
  --good: #1c6b3a; --bad: #a8231a; --bar: #6d8aa5;
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    --page: #0f1418; --sheet: #182026; --ink: #e4eaef; --soft: #9fb0be; --line: #33414c; --tint: #202b33;
    --accent: #83bbe8; --notice: #8c2a1b; --notice-ink: #ffffff; --warn: #f0b95a; --warn-tint: #2d2617;
    --good: #6fcf97; --bad: #ff8d80; --bar: #7896b0;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--page); color: var(--ink); overflow-wrap: anywhere;
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
}
main { max-width: 62rem; margin: 0 auto; padding: 0 1rem 1rem; }
.notice {
  margin: 0; padding: .55rem 1rem; text-align: center; font-weight: 700; letter-spacing: .04em;
  background: var(--notice); color: var(--notice-ink);
}
header { padding: 1.4rem 0 .4rem; }
h1 { margin: 0; font-size: 1.5rem; line-height: 1.25; font-weight: 650; }
h2 { margin: 0 0 .7rem; font-size: 1.1rem; font-weight: 650; }
header p span { display: inline-block; white-space: pre-wrap; }
header p { margin: .3rem 0 0; color: var(--soft); }
section {
  margin: 1rem 0; padding: 1.1rem 1.2rem 1.2rem; background: var(--sheet);
  border: 1px solid var(--line); border-radius: 6px;
}
section > p { margin: .6rem 0 0; }
.pair { display: grid; grid-template-columns: minmax(0, 1fr) minmax(0, 1fr); gap: 1rem; margin: 1rem 0; }
.pair section { margin: 0; }
.note { color: var(--soft); font-size: .9rem; }
.caution { padding: .5rem .8rem; border-left: 4px solid var(--warn); background: var(--warn-tint); }
.warnings { border-left: 4px solid var(--warn); background: var(--warn-tint); }
.warnings ul { margin: 0; padding-left: 1.2rem; }
figure { margin: 0 0 1.3rem; }
figure:last-child { margin-bottom: 0; }
figure img { display: block; max-width: 100%; height: auto; margin: 0 auto; border-radius: 3px; background: #000; }
figcaption { margin-top: .4rem; color: var(--soft); font-size: .9rem; }
table { width: 100%; border-collapse: collapse; font-size: .94rem; }
caption { text-align: left; color: var(--soft); font-size: .9rem; padding-bottom: .4rem; }
th, td { padding: .4rem .9rem .4rem 0; text-align: left; vertical-align: top; border-top: 1px solid var(--line); }
th { font-weight: 600; }
thead th { overflow-wrap: normal; border-top: 0; color: var(--soft); font-size: .85rem; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
td:last-child, th:last-child { padding-right: 0; }
tbody th { width: 34%; }
.figures th { width: auto; }
th .note { font-weight: 400; }
code { font: .88em ui-monospace, "SFMono-Regular", Consolas, "DejaVu Sans Mono", monospace; }
.status { font-weight: 600; white-space: nowrap; }
.status span {
  display: inline-block; width: 1.35em; height: 1.35em; margin-right: .25em; border-radius: 50%;
  font-size: .85em; line-height: 1.35em; text-align: center; color: var(--sheet);
}
.passed span { background: var(--good); }
.failed span { background: var(--bad); }
.open span { background: var(--warn); }
.passed { color: var(--good); }
.failed { color: var(--bad); }
.open { color: var(--warn); }
.checks tbody th { width: 19%; }
.failed-row { --mark: var(--bad); }
.open-row { --mark: var(--warn); }
.checks .failed-row th, .checks .open-row th { padding-left: .7rem; box-shadow: inset 4px 0 var(--mark); }
.score {
  display: grid; grid-template-columns: 7.2rem 1fr 3.6rem; gap: .2rem .7rem; align-items: center; margin: .45rem 0;
}
.score strong { font-weight: 600; }
.score output { text-align: right; font-variant-numeric: tabular-nums; }
.track { height: .8rem; border: 1px solid var(--bar); border-radius: 3px; overflow: hidden; background: var(--tint); }
.track span { display: block; height: 100%; background: var(--bar); }
@media (max-width: 44rem) {
  .pair { grid-template-columns: minmax(0, 1fr); }
  main { padding: 0 .6rem .6rem; }
  section { padding: .9rem .8rem 1rem; }
  .score { grid-template-columns: 6.9rem 1fr 3.4rem; }
  tbody th { width: 40%; }
  .checks thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  .checks tr { display: grid; grid-template-columns: 1fr auto; padding: .5rem 0; border-top: 1px solid var(--line); }
  .checks tbody th, .checks td { display: block; width: auto; padding: .1rem 0; border: 0; text-align: left; }
  .checks td.message { grid-column: 1 / -1; }
  .checks td.status, .checks td.limits { text-align: right; }
  .checks td.number { color: var(--soft); white-space: normal; }
  .checks td.number::before { content: "Value: "; }
  .checks td.limits::before { content: "Passes: "; }
}
@media print {
  body { background: none; font-size: 10.5pt; }
  main { max-width: none; padding: 0; }
  section { border-color: #bbb; break-inside: avoid; }
  section.pictures { break-inside: auto; }
  figure, tr { break-inside: avoid; }
  .notice, .track, .track span, .status span, figure img, .caution, .warnings {
    -webkit-print-color-adjust: exact; print-color-adjust: exact;
  }
}
"""
