"""Is this picture a frontal chest X-ray of an adult, as those that generators are trained on?

A small network, trained on radiographs and on pictures made from them that are odd in a known way
(:mod:`XrayToCTTraining.odd_inputs`), says how odd a picture is, and how. Its answer is a warning, never a verdict: a
heart on the right is as real as a mirrored film.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import pydicom
import torch

from XrayToCTLib.framing import square_field
from XrayToCTLib.input_network import FRONTAL, MIRRORED, InputNetwork

# One sentence each, which ends in what to do.
MESSAGES = {
    FRONTAL: "The picture looks like a frontal chest X-ray, as those in training.",
    MIRRORED: "The X-ray looks mirrored, or the heart lies on the right: compare the side marker before using the CT.",
    "upside_down": "The X-ray seems to be upside down: turn it by 180 degrees and generate the CT again.",
    "sideways": "The X-ray seems to lie on its side: turn it by 90 degrees and generate the CT again.",
    "inverted": "The X-ray seems to show bone dark: generate the CT again with the other inversion option.",
    "cropped": "The X-ray seems to show a part of a chest or of another body part: give one with both lungs whole.",
    "lateral": "The X-ray seems to be a lateral view: give a frontal one, for the CT means nothing.",
    "screen": "The X-ray seems to be photographed with its surroundings: give the image file, or crop to the film.",
    "other": "The picture is unlike the frontal chest X-rays of training: give one, for the CT means nothing.",
}
LIMIT = 0.5
"""Odder than not. On held-out radiographs `evaluate input-check` counts how many are warned of at this limit."""
ADULT_YEARS = 18.0
_DAYS = {"D": 1.0, "W": 7.0, "M": 365.25 / 12, "Y": 365.25}


@dataclass(frozen=True)
class InputCheck:
    """What the check says of one picture.

    Attributes:
        score: in [0, 1], how odd the picture is. limit: of it, for a picture that passes.
        kind: one of KINDS: "frontal" where it passed, else what it looks like most. message: one sentence.
    """

    score: float
    limit: float
    passed: bool
    kind: str
    message: str


def odds(pictures: list[np.ndarray], network: InputNetwork) -> np.ndarray:
    """Probability of each kind, (n, kinds) float64, of square pictures (S, S) in [0, 1] as a generator sees them.

    The probabilities are those of the training's mixture, where six pictures of ten were odd: a low bar for a warning.
    """
    size = network.config.size
    batch = torch.from_numpy(np.array([square_field(picture, size) for picture in pictures], np.float32))[:, None]
    with torch.inference_mode():
        return network(batch).double().softmax(1).numpy()


def check_inputs(pictures: list[np.ndarray], network: InputNetwork) -> list[InputCheck]:
    """Check pictures (S, S) in [0, 1], padded to a square, as a generator gets them."""
    checks = []
    readings = odds(pictures, network), odds([1 - picture for picture in pictures], network)
    for probabilities, of_inverted in zip(*readings, strict=True):
        score = float(probabilities[1:].sum())  # not 1 - p, which rounds off what ranks odd pictures
        passed = score <= LIMIT
        kind = FRONTAL if passed else _name(probabilities, of_inverted, network.config.kinds)
        checks.append(InputCheck(score, LIMIT, passed, kind, MESSAGES[kind]))
    return checks


def check_input(picture: np.ndarray, network: InputNetwork) -> InputCheck:
    """:func:`check_inputs` of one picture."""
    return check_inputs([picture], network)[0]


def _name(probabilities: np.ndarray, of_inverted: np.ndarray, kinds: tuple[str, ...]) -> str:
    """What an odd picture looks like most, by the probabilities of both readings of its grey scale.

    The reader takes many turned films for inverted ones, and inverts them: that they are turned is what helps.
    """
    name, other_name = (kinds[1 + int(p[1:].argmax())] for p in (probabilities, of_inverted))
    turned_as_well = other_name in ("upside_down", "sideways") and of_inverted.max() > LIMIT
    return other_name if turned_as_well and name in ("inverted", "other") else name


def child_warning(header: pydicom.Dataset | None) -> str | None:
    """A sentence where a DICOM header records an age under 18: the picture alone does not tell children apart."""
    recorded = "" if header is None else str(header.get("PatientAge") or "")
    found = re.fullmatch(r"(\d{3})([DWMY])", recorded.strip().upper())
    if found is None:
        return None
    years = int(found[1]) * _DAYS[found[2]] / _DAYS["Y"]
    if years >= ADULT_YEARS:
        return None
    return f"The DICOM header says that the patient is {years:.0f} years old; generators were trained on adults only."
