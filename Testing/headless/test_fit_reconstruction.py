"""``fit reconstruction`` through real processes: killed and resumed, shared out to two processes, misused."""

import json
import random
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from training_command import ONE_THREAD, training, training_command
from XrayToCTLib.consistency import consistent
from XrayToCTLib.generators import network_of
from XrayToCTTraining.checkpoints import CHECKPOINT
from XrayToCTTraining.data.cohort import open_cohort
from XrayToCTTraining.data.samples import radiograph_of
from XrayToCTTraining.reconstruction import evenly_mixed
from XrayToCTTraining.trained import trained_generator


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """Simulated patients with CTs, and others whose radiographs come from another device; 32 voxels."""
    folder = tmp_path_factory.mktemp("reconstruction")
    training("simulate", folder / "pairs", "--patients", 12, "--size", 32, "--seed", 3)
    training("simulate", folder / "xrays", "--patients", 12, "--size", 32, "--seed", 4, "--domain", "real-a")
    return folder


def options(data: Path, run: str) -> list[object]:
    """Two epochs of each stage: 4 steps an epoch in stage 1; 4 on radiographs, then 4 on pairs, in stage 2."""
    paths = ["--pairs", data / "pairs", "--xrays", data / "xrays", "--run", data / run]
    stages = ["--epochs", 2, "--induction_epochs", 2, "--ema", 0.9, "--augment", "styles", "--accumulate", 2]
    return ["fit", "reconstruction", "--preset", "test", *paths, *stages, "--engine.checkpoint_every", 1]


@pytest.fixture(scope="module")
def whole(data) -> dict:
    """The last checkpoint of a run that nothing interrupted."""
    training(*options(data, "whole"))
    return torch.load(data / "whole" / CHECKPOINT, weights_only=True)


def rows(run: Path) -> list[dict]:
    return [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]


def test_the_schedule_is_pairs_then_radiographs_and_pairs_in_turn(data, whole):
    passes = ["induction" if "induction" in row else "pair" for row in rows(data / "whole") if "mae_hu" not in row]
    assert passes == ["pair"] * 8 + (["induction"] * 4 + ["pair"] * 4) * 2
    losses = [value for row in rows(data / "whole") for name, value in row.items()]
    assert np.isfinite(losses).all()
    assert whole["step"] == 24


@pytest.mark.parametrize(
    ("radiographs", "expected"), [(4, "xpxpxpxp"), (6, "xpxxpxpxxp"), (8, "xxpxxpxxpxxp"), (1, "pppxp"), (0, "pppp")]
)
def test_steps_in_turn_spread_the_fewer_among_the_others_and_end_on_pairs(radiographs, expected):
    batches = evenly_mixed(["x"] * radiographs, ["p"] * 4)
    assert "".join(batches) == expected


@pytest.mark.parametrize(("named", "first", "last"), [("radiographs", 17, 19), ("pairs", 13, 15)])
def test_a_run_killed_at_a_random_step_resumes_to_the_same_bits(data, whole, named, first, last):
    """Steps 9-12 and 17-20 are on radiographs, 13-16 and 21-24 on pairs."""
    run = data / f"killed-{named}"
    step = random.randint(first, last)
    process = subprocess.Popen(training_command(*options(data, run.name)), stderr=subprocess.DEVNULL, env=ONE_THREAD)
    deadline = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < deadline:
        if (run / "log.jsonl").is_file() and len(rows_so_far(run)) >= step:
            break
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "it ended before it could be killed"
    stopped = torch.load(run / CHECKPOINT, weights_only=True)["step"]
    assert step - 1 <= stopped < 24
    training(*options(data, run.name))
    resumed = torch.load(run / CHECKPOINT, weights_only=True)
    assert_same_bits(resumed, whole)
    # and its log reads like that of the other run
    assert [drop_seconds(row) for row in rows(run)] == [drop_seconds(row) for row in rows(data / "whole")]


def rows_so_far(run: Path) -> list[dict]:
    """Rows of losses in a log that is being written."""
    lines = (run / "log.jsonl").read_text().splitlines()
    return [line for line in lines if line.endswith("}") and "mae_hu" not in line]


def drop_seconds(row: dict) -> dict:
    return {name: value for name, value in row.items() if name != "seconds"}


def assert_same_bits(one: object, other: object) -> None:
    """Everything in two checkpoints but the clock."""
    if isinstance(one, torch.Tensor):
        assert torch.equal(one, other)
    elif isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one.keys() - {"seconds"}:
            assert_same_bits(one[key], other[key])
    elif isinstance(one, (list, tuple)):
        for a, b in zip(one, other, strict=True):
            assert_same_bits(a, b)
    else:
        assert one == other


def test_two_processes_have_the_losses_of_one(data):
    """In float64, because a GAN of 32-bit numbers amplifies the last bit within a few steps, alone or in company."""
    same = ["--dropout", 0, "--accumulate", 1, "--engine.precision", "64-true"]
    training(*options(data, "single"), *same)
    training(*options(data, "double"), *same, "--engine.devices", 2, "--engine.accelerator", "cpu")
    single, double = rows(data / "single"), rows(data / "double")
    assert len(single) == len(double) == 28
    for one, two in zip(single, double, strict=True):
        assert drop_seconds(two) == pytest.approx(drop_seconds(one), abs=1e-6)


def test_runs_of_a_seed_share_their_first_stage(data, whole):
    """Stage 2 from the checkpoint that another run kept after stage 1 equals stage 2 in one go."""
    training(*options(data, "shared"), "--start", data / "whole" / "epoch-2.pt")
    shared = torch.load(data / "shared" / CHECKPOINT, weights_only=True)
    assert_same_bits(shared["model"], whole["model"])


def test_a_start_that_has_nothing_left_to_learn_becomes_the_run_with_what_is_done_behind_the_network(data, whole):
    start = [*options(data, "finished"), "--start", data / "whole" / CHECKPOINT, "--consistency", 2]
    training(*start)
    before, after = (trained_generator(data / name)[0] for name in ("whole", "finished"))
    assert_same_bits(dict(network_of(after).state_dict()), dict(before.state_dict()))
    assert after.consistency == 2
    assert json.loads((data / "finished" / "fit.json").read_text())["consistency"] == 2


def test_the_cosine_schedule_has_a_warm_up_and_an_end_in_stage_2_too(data):
    run, rates = data / "cosine", []
    for more, steps in ((9, 9), (4, 13), (11, 24)):  # stage 2 begins with the 9th and has 16, of which 4 warm up
        arguments = [*options(data, run.name), "--schedule", "cosine", "--learning_rate", 1e-3]
        training(*arguments, "--engine.stop_after", more)
        state = torch.load(run / CHECKPOINT, weights_only=True)
        assert state["step"] == steps
        rates.append(state["optimisers"][0]["param_groups"][0]["lr"] / 1e-3)
    assert rates == pytest.approx([1 / 4, 1, (1 + np.cos(np.pi * 11 / 12)) / 2])


def test_the_anchor_holds_volumes_of_radiographs_nearer_to_what_stage_1_made_of_them(data, whole):
    """Pairs, which move them too, have no weight here but the adversarial one."""
    start = ["--start", data / "whole" / "epoch-2.pt"]
    idle = ["--weights.reconstruction", 0, "--weights.projection", 0]
    for name, anchor in (("free", 0), ("held", 1000)):
        training(*options(data, name), *start, *idle, "--weights.anchor", anchor)
    cohort = open_cohort(data / "xrays")
    x = torch.stack([radiograph_of(cohort, case, 32) for case in cohort.of_split("training")])
    checkpoints = data / "whole" / "epoch-2.pt", data / "free", data / "held"
    with torch.no_grad():
        before, free, held = (trained_generator(path)[0](x) for path in checkpoints)
    assert (held - before).square().mean() < 0.5 * (free - before).square().mean()


def test_consistency_is_part_of_training_on_radiographs_and_of_the_generator_that_comes_out(data, whole):
    start = ["--start", data / "whole" / "epoch-2.pt"]
    training(*options(data, "consistent"), *start, "--consistency", 2)
    logs = [rows(data / run) for run in ("consistent", "whole")]
    induction, without = (next(row["induction"] for row in log if "induction" in row) for log in logs)
    assert induction < 0.7 * without
    generator, geometry, _ = trained_generator(data / "consistent")
    x = torch.rand(1, 1, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(generator(x), consistent(generator.network(x), x, geometry, 2))


def test_a_fit_may_begin_with_the_weights_of_a_model(data, whole, tmp_path):
    exported = ["export", data / "whole", "--name", "first", "--out", tmp_path, "--data", "test"]
    training(*exported)
    begin = ["--initial", tmp_path / "first.safetensors", "--engine.stop_after", 1, "--learning_rate", 1e-12]
    training(*options(data, "begun"), *begin)
    one, other = (trained_generator(data / name)[0].state_dict() for name in ("whole", "begun"))
    for name, value in one.items():
        torch.testing.assert_close(other[name], value, rtol=2e-3, atol=1e-4)
    refused = training(*options(data, "misfit"), "--initial", "compact", check=False)
    assert refused.returncode == 3
    assert "--generator" in refused.stderr


def test_other_settings_are_refused_for_a_run_that_has_begun(data, whole):
    refused = training(*options(data, "whole"), "--learning_rate", 1e-3, check=False)
    assert refused.returncode == 3
    assert "learning_rate" in refused.stderr
    assert len(refused.stderr.strip().splitlines()) == 1


def test_stage_2_without_radiographs_is_refused_in_a_sentence(data):
    paths = ["--pairs", data / "pairs", "--run", data / "none"]
    refused = training("fit", "reconstruction", "--preset", "test", *paths, check=False)
    assert refused.returncode == 3
    assert "--xrays" in refused.stderr


def test_an_unknown_preset_names_those_there_are(data):
    refused = training("fit", "reconstruction", "--preset", "papr", check=False)
    assert refused.returncode == 3
    assert "paper" in refused.stderr
    assert "x2ct" in refused.stderr


def test_tensorboard_holds_losses_figures_and_pictures(data, whole):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(data / "whole" / "tensorboard"))
    events.Reload()
    assert {"reconstruction", "discriminator", "induction", "psnr_honest"} <= set(events.Tags()["scalars"])
    assert len(events.Images("validation")) == 4


def test_gradients_that_are_not_finite_are_left_out_until_there_are_ten_in_a_row(data):
    from XrayToCTLib.errors import UnsuitableInput
    from XrayToCTTraining.data.cohort import open_cohort
    from XrayToCTTraining.engine import Engine, train
    from XrayToCTTraining.losses import LossWeights
    from XrayToCTTraining.reconstruction import Reconstruction, ReconstructionFit

    weights = LossWeights(adversarial=0.0)
    settings = ReconstructionFit(generator="test", epochs=2, induction_epochs=0, batch=1, weights=weights)

    def spoiled(steps: range) -> Reconstruction:
        """A recipe whose gradients are infinite in some of its steps."""
        recipe, count = Reconstruction(open_cohort(data / "pairs"), None, settings), iter(range(1000))
        backward = recipe.manual_backward
        recipe.manual_backward = lambda loss: backward(loss * (np.inf if next(count) in steps else 1.0))
        return recipe

    train(spoiled(range(3, 8)), data / "spoiled", Engine(), {})
    state = torch.load(data / "spoiled" / CHECKPOINT, weights_only=True)
    assert all(torch.isfinite(tensor).all() for tensor in state["model"].values())
    assert state["step"] == 2 * 9  # nine training patients, twice
    with pytest.raises(UnsuitableInput, match="Ten steps in a row"):
        train(spoiled(range(3, 20)), data / "spoilt", Engine(), {})


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", None])
def test_a_damaged_checkpoint_is_refused_in_a_sentence(data, whole, tmp_path, content):
    from XrayToCTLib.errors import UnsuitableInput
    from XrayToCTTraining.trained import trained_generator

    saved = (data / "whole" / CHECKPOINT).read_bytes()
    (tmp_path / CHECKPOINT).write_bytes(saved[: len(saved) // 2] if content is None else content)
    with pytest.raises(UnsuitableInput, match="damaged"):
        trained_generator(tmp_path)
