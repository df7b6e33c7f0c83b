"""Time and peak memory of one whole training step against the plain network, paper configuration at 64 voxels.

    python Testing/Benchmarks/bench_training_step.py [--runs 3] [--threads 2]

A step is that of `fit reconstruction`: the generator's losses with the discriminator frozen, its Adam step, then the
discriminator's step on the same volume. Both sides take the same step; only the generator differs. Each measurement is
a process of its own, in turn, and the second step of each is the one that counts. Floor: the discriminator's work
(three forward passes, and two backward) is the same on both sides.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

from _paired import print_ratios

KINDS = ("ours", "ours, gradient checkpointing", "plain")


def measure(kind: str, threads: int) -> dict[str, float]:
    """Seconds of the second step and peak MiB above what torch, the weights and the first volume take."""
    import torch
    from torch.optim import Adam

    from XrayToCTLib.generator import X2CT_GENERATORS, Generator
    from XrayToCTTraining.discriminator import Discriminator
    from XrayToCTTraining.losses import (
        LossWeights,
        discriminator_loss,
        generator_adversarial_loss,
        regression_losses,
    )

    sys.path.insert(0, str(Path(__file__).parent.parent / "headless"))
    from plain_generator import PlainGenerator

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    generator = (PlainGenerator if kind == "plain" else Generator)(X2CT_GENERATORS["paper-64"]).train()
    generator.gradient_checkpointing = "checkpointing" in kind
    discriminator = Discriminator()
    optimisers = [Adam(network.parameters(), 2e-4, (0.5, 0.99)) for network in (generator, discriminator)]
    radiograph, truth = torch.rand(1, 1, 64, 64), torch.rand(1, 1, 64, 64, 64)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(2):
        started = time.perf_counter()
        discriminator.requires_grad_(False)
        volume = generator(radiograph)
        losses = regression_losses(volume, truth, LossWeights())
        adversarial = generator_adversarial_loss(discriminator(radiograph, volume), "paper")
        (losses["reconstruction"] + losses["projection"] + adversarial).backward()
        optimisers[0].step()
        optimisers[0].zero_grad(set_to_none=True)
        discriminator.requires_grad_(True)
        fake = discriminator(radiograph, volume.detach())
        discriminator_loss(discriminator(radiograph, truth), fake, "paper").backward()
        optimisers[1].step()
        optimisers[1].zero_grad(set_to_none=True)
        seconds = time.perf_counter() - started
    return {"seconds": seconds, "MiB": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--measure", choices=KINDS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(options.measure, options.threads)))
        return
    results: dict[str, list[dict[str, float]]] = {kind: [] for kind in KINDS}
    for _ in range(options.runs):
        for kind, rows in results.items():
            command = [sys.executable, __file__, "--threads", str(options.threads), "--measure", kind]
            rows.append(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
    for kind in KINDS[:-1]:
        print_ratios(f"training step, paper 64, {kind:29s}", kind, results, "plain")


if __name__ == "__main__":
    main()
