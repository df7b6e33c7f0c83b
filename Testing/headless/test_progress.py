"""Progress and the time left, also of a job that has to begin again on the CPU."""

from pathlib import Path

import pytest
import torch

from XrayToCTLib.errors import DeviceError, cause_of
from XrayToCTLib.models import ModelInfo
from XrayToCTLib.options import GenerateOptions, ResultFiles
from XrayToCTLib.pipeline import Models, generate
from XrayToCTLib.progress import USUAL, Timeline, expected_seconds, learned
from XrayToCTLib.projection import Geometry

FILES = ResultFiles(Path("out"))
OPTIONS = GenerateOptions(Path("x.png"), FILES, refine_steps=3, uncertainty_samples=4)
SIDE = 32


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def run_through(expected: dict[str, float], pace: float, timed: bool) -> list[tuple[float, float | None]]:
    """(seconds really left, seconds told) where every stage takes ``pace`` times what is expected."""
    clock = Clock()
    timeline = Timeline(expected, timed, clock)
    whole = pace * sum(expected.values())
    told = []
    for stage, seconds in expected.items():
        for part in (0.0, 0.5):
            told.append((whole - clock.now, timeline.at(stage, part).seconds_left))
            clock.now += pace * seconds / 2
    return told


def test_the_time_left_is_right_where_the_stages_keep_their_proportions():
    for truth, told in run_through(expected_seconds(OPTIONS), pace=3.0, timed=False):
        assert told is None or told == pytest.approx(truth)
    assert run_through(expected_seconds(OPTIONS), 3.0, timed=False)[0][1] is None


def test_a_job_that_was_timed_before_tells_the_time_left_from_the_start():
    told = run_through(expected_seconds(OPTIONS), pace=1.0, timed=True)
    assert told[0][1] == pytest.approx(sum(expected_seconds(OPTIONS).values()))


def test_the_next_job_is_expected_to_take_what_the_last_one_took():
    took = {stage: 10.0 + number for number, stage in enumerate(expected_seconds(OPTIONS)) if stage != "load"}
    pace = learned(USUAL, OPTIONS, took)
    assert {stage: expected_seconds(OPTIONS, pace)[stage] for stage in took} == pytest.approx(took)
    longer = GenerateOptions(Path("x.png"), FILES, refine_steps=300)
    assert expected_seconds(longer, pace)["generate"] > 50 * took["generate"]


def test_what_was_not_done_keeps_its_proportion_to_the_rest():
    plain = GenerateOptions(Path("x.png"), FILES)
    usual = expected_seconds(plain)
    took = {stage: 7 * seconds for stage, seconds in usual.items() if seconds and stage != "load"}
    assert learned(USUAL, plain, took) == pytest.approx({unit: 7 * seconds for unit, seconds in USUAL.items()})


def test_the_fraction_rises_from_0_to_1():
    timeline = Timeline(expected_seconds(OPTIONS))
    fractions = [timeline.at(stage, part).fraction for stage in expected_seconds(OPTIONS) for part in (0.0, 0.5, 1.0)]
    assert fractions == sorted(fractions)
    assert (fractions[0], fractions[-1]) == (0.0, pytest.approx(1.0))


class Full(torch.nn.Module):
    """A generator for which no GPU has memory."""

    class config:  # noqa: N801
        size = SIDE

    def to(self, device: torch.device) -> "Full":
        if device.type == "cuda":
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nMore lines.")
        return self

    def forward(self, radiograph: torch.Tensor) -> torch.Tensor:
        return radiograph[:, :, None].expand(-1, -1, SIDE, -1, -1).clone()


def models(may_fall_back: bool) -> Models:
    info = ModelInfo("full", Path("full"), "0" * 64, "generator", {}, Geometry(detector_pixels=(SIDE, SIDE)), {}, None)
    return Models(Full(), info, None, None, torch.device("cuda"), may_fall_back)


def test_a_gpu_without_memory_hands_over_to_the_cpu_and_the_warning_has_the_cause(chest_png):
    stages = []
    prediction = generate(
        chest_png,
        models(may_fall_back=True),
        uncertainty_samples=0,
        progress=lambda stage, part: stages.append(stage),
    )
    assert prediction.device == "cpu"
    assert stages[:4] == ["read", "generate", "read", "generate"]
    (note,) = [warning for warning in prediction.warnings if "CPU was used instead" in warning]
    assert note.startswith("The device cuda ran out of memory; ")
    assert note.endswith("(OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB).")


def test_a_gpu_that_was_asked_for_by_name_is_not_replaced(chest_png):
    with pytest.raises(DeviceError, match="choose --device cpu") as raised:
        generate(chest_png, models(may_fall_back=False), uncertainty_samples=0)
    assert cause_of(raised.value) == "OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB."


def test_the_time_left_of_a_job_that_began_again_goes_by_its_second_run():
    clock = Clock()
    timeline = Timeline({"read": 5.0, "generate": 5.0}, clock=clock)
    clock.now = 100.0
    assert timeline.at("generate", 0.5).seconds_left == pytest.approx(100 / 3)
    assert timeline.at("read", 0.0).seconds_left is None
    clock.now = 110.0
    assert timeline.at("generate", 0.0).seconds_left == pytest.approx(10)
