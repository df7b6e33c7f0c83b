"""Training on CUDA: parity with the CPU, mixed precision, and running out of memory; skipped where there is none."""

import json
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from training_command import training
from XrayToCTTraining.data.cohort import open_cohort
from XrayToCTTraining.simulation.hospital import CohortRequest
from XrayToCTTraining.simulation.write_cohort import write_cohort

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("gpu")
    write_cohort(folder / "pairs", CohortRequest(12, 3, 32))
    return folder


def fit(data: Path, run: str, *options: object) -> subprocess.CompletedProcess[str]:
    words = ["fit", "reconstruction", "--preset", "test", "--pairs", data / "pairs", "--xrays", data / "pairs"]
    return training(*words, "--run", data / run, *options, check=False, NVIDIA_TF32_OVERRIDE="0")


def losses(run: Path) -> list[dict]:
    rows = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    return [row for row in rows if "mae_hu" not in row]


def test_losses_on_the_gpu_are_those_on_the_cpu(data):
    same = ["--dropout", 0, "--engine.precision", "64-true"]
    for device in ("cpu", "gpu"):
        done = fit(data, device, *same, "--engine.accelerator", device)
        assert done.returncode == 0, done.stderr
    for cpu, gpu in zip(losses(data / "cpu"), losses(data / "gpu"), strict=True):
        assert {k: v for k, v in gpu.items() if k != "seconds"} == pytest.approx(
            {k: v for k, v in cpu.items() if k != "seconds"}, abs=1e-4
        )


@pytest.mark.parametrize("precision", ["16-mixed", "bf16-mixed"])
def test_mixed_precision_starts_with_nearly_the_same_losses(data, precision):
    done = fit(data, precision, "--dropout", 0, "--clip", 1, "--engine.precision", precision)
    assert done.returncode == 0, done.stderr
    done = fit(data, f"full-{precision}", "--dropout", 0, "--clip", 1)
    first, full = losses(data / precision)[0], losses(data / f"full-{precision}")[0]
    assert first["reconstruction"] == pytest.approx(full["reconstruction"], rel=0.05)


def test_running_out_of_memory_ends_with_a_sentence_and_its_exit_code(data, monkeypatch):
    from XrayToCTLib.errors import DeviceError
    from XrayToCTTraining.engine import Engine, train
    from XrayToCTTraining.losses import LossWeights
    from XrayToCTTraining.reconstruction import Reconstruction, ReconstructionFit

    settings = ReconstructionFit(
        generator="test", epochs=1, induction_epochs=0, batch=2, weights=replace(LossWeights(), adversarial=0.0)
    )
    recipe = Reconstruction(open_cohort(data / "pairs"), None, settings)
    monkeypatch.setattr(recipe, "step", lambda *_: {"loss": torch.empty(1 << 50, device="cuda")})
    with pytest.raises(DeviceError, match="memory"):
        train(recipe, data / "memory", Engine(), {})
