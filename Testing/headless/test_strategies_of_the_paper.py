"""What each strategy of the paper's experiment changes of the paper's fit."""

from dataclasses import asdict

import pytest

from XrayToCTTraining.reconstruction import ReconstructionFit
from XrayToCTTraining.reproduce import (
    ANNEALED,
    CYCLEGAN,
    INTERLEAVED,
    OURS,
    RESTARTED,
    RESTARTED_ANNEALED,
    X2CT,
    induction,
    stage_2,
)


def changes(strategy: str) -> dict[str, object]:
    """Settings in which stage 2 of a strategy differs from the paper's shape induction (lambda4 = 10)."""
    paper, changed = asdict(ReconstructionFit()), stage_2(strategy, ReconstructionFit())
    assert changed is not None
    values = asdict(changed)
    weights = values.pop("weights")
    different = {name: value for name, value in values.items() if value != paper[name]}
    return different | {name: value for name, value in weights.items() if value != paper["weights"][name]}


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        (induction(10.0), {}),
        (induction(0.1), {"induction": 0.1}),
        (RESTARTED, {"induction": 0.0}),
        (RESTARTED_ANNEALED, {"induction": 0.0, "schedule": "cosine"}),
        (ANNEALED, {"schedule": "cosine"}),
        (INTERLEAVED, {"alternate": "steps"}),
        (
            OURS,
            {"induction": 100.0, "details": 0.3, "anchor": 10.0}
            | {"normalisation": "affine", "alternate": "steps", "schedule": "cosine"},
        ),
    ],
)
def test_a_strategy_changes_of_shape_induction_only_what_it_is_for(strategy, expected):
    assert changes(strategy) == expected


@pytest.mark.parametrize("strategy", [X2CT, CYCLEGAN, induction(0.0)])
def test_x2ct_has_no_second_stage(strategy):
    assert stage_2(strategy, ReconstructionFit()) is None
