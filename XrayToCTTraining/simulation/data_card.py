"""The data card of a simulated cohort: what it is, what it is not, and what it counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import PurePath

from XrayToCTTraining.data.cohort import SPLITS, Case
from XrayToCTTraining.simulation.cohort import SPECTRA, sources_with
from XrayToCTTraining.simulation.hospital import CohortRequest
from XrayToCTTraining.simulation.patient import LABELS

CARD = "DATA_CARD.md"

_DEVICES = {
    "drr": "none: the clean projection of the CT (line integrals over their maximum)",
    "real-a": "a clinic with film: soft beam, scatter, S-shaped curve, fog, blur, letters; half are photographed",
    "real-b": "a ward with a portable digital detector: hard beam, multi-scale processing, noise, leads, tilt",
}


def data_card(request: CohortRequest, cases: Sequence[Case]) -> str:
    """Markdown."""
    size, geometry, spectrum = request.size, request.geometry, SPECTRA[request.domain]
    atlases = ", ".join(PurePath(path).name for path in request.atlases) or "none"
    findings = Counter(kind for case in cases for kind in case.findings.split("+") if kind)
    counted = (
        "Findings are not counted: they are known once a patient is simulated."
        if request.streamed
        else _table(("finding", "patients"), sorted(findings.items())) + "\n\nA patient may have several findings."
    )
    kept = "nowhere: each patient is simulated when it is asked for" if request.streamed else "in this folder"
    block = len(spectrum.labels) * len(sources_with(request.atlases, request.atlas_weight))
    exactness = (
        "exact"
        if request.domain == "drr"
        else "nominal: tilt, source distance and source offset of each radiograph vary about it"
    )
    seldom = ", ".join(spectrum.rare) or "nothing"
    share = 100 * geometry.field_at_isocentre_mm[0] / request.side_mm
    return f"""# Data card: a simulated cohort

**Synthetic.** Chest CTs made by a program, or by warping a real one, with radiographs projected from them.
**The tuberculosis in it is simulated only. Nothing learned from it was ever validated on patients with tuberculosis.**

## What it is
- {len(cases)} patients, one CT ({size} x {size} x {size} voxels in HU, a cube of {request.side_mm:g} mm) and one
  frontal radiograph each, kept {kept}.
- Sources: `procedural` (anatomy from formulas) and `atlas` (a real CT, warped at random and changed in density).
  Atlases: {atlases}. The licence of an atlas holds for what is made from it.
- Lesions are planted by the same code in both sources, with a voxel mask each where the cohort is stored. In
  every {block} patients in turn each class comes from each source in the same proportion, so that the source does not
  tell the class.
- Domain `{request.domain}`. Device: {_DEVICES[request.domain]}.
- Spectrum of the domain: classes in the proportion {_proportion(spectrum.labels)}; preferred diseased share of the
  lungs {spectrum.burden[0]:g} to {spectrum.burden[1]:g} in the sick; seldom: {seldom}.

## What it is not
- Not a sample of any population: shares of classes and findings are chosen, not measured.
- Not a substitute for clinical data, and no ground for a claim about the diagnosis of any disease.
- Atlas patients are as varied as the warps, not as people: scans they come from: {len(request.atlases)}.

## Counts
{_table(("class", *SPLITS, "all"), ((label, *_by_split(cases, label)) for label in LABELS))}

{_table(("source", *LABELS), _by_source(cases))}

{counted}

## Geometry
View {geometry.view}; source to axis {geometry.source_to_axis_mm:g} mm, source to detector
{geometry.source_to_detector_mm:g} mm; detector {geometry.detector_mm[0]:g} x {geometry.detector_mm[1]:g} mm,
{size} x {size} pixels, which sees {share:.0f} % of the volume's side at the isocentre. This is {exactness}.

## Made by
`python -m XrayToCTTraining simulate`, seed {request.seed}; `cohort.json` has every setting, and the same settings
give the same patients.
Cohorts of one seed share anatomies, whatever their domain: train and test on different seeds.
"""


def _proportion(labels: Iterable[str]) -> str:
    return ", ".join(f"{count} {label}" for label, count in Counter(labels).items())


def _by_split(cases: Sequence[Case], label: str) -> list[int]:
    counts = [sum(case.label == label and case.split == split for case in cases) for split in SPLITS]
    return [*counts, sum(counts)]


def _by_source(cases: Sequence[Case]) -> list[tuple[object, ...]]:
    counts = Counter((case.source, case.label) for case in cases)
    return [(source, *(counts[source, label] for label in LABELS)) for source in sorted({c.source for c in cases})]


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)
