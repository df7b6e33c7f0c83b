"""Time and peak memory of the paper's generator and of the compact one against the plain network: forward and backward.

    python Testing/Benchmarks/bench_generator.py [--size 128] [--runs 3]

Each measurement is a process of its own, the three networks in turn, so that peak memory is the system's own
account of it. Floor, forward at 128: 93.5 GMAC in the plain network, of which connection B's share (14.5 GMAC for its
own 3D convolution and 14.5 for its half of the first one after it, at full size alone) need not be computed at all.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

from _paired import print_ratios


def measure(network: str, size: int, backward: bool) -> dict[str, float]:
    """Seconds and peak MiB of one pass in this process; memory is counted above what torch and the weights take."""
    import torch

    from XrayToCTLib.generators import GENERATORS, build_generator

    sys.path.insert(0, str(Path(__file__).parent.parent / "headless"))
    from plain_generator import PlainGenerator

    torch.manual_seed(0)
    names = {name: name if size == 128 else f"{name}-{size}" for name in ("paper", "compact")}
    if network == "plain":
        model = PlainGenerator(GENERATORS[names["paper"]])
    else:
        model = build_generator(GENERATORS[names[network]])
    model.train(backward)
    x = torch.rand(1, 1, size, size)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.perf_counter()
    with torch.set_grad_enabled(backward):
        y = model(x)
    if backward:
        y.mean().backward()
    seconds = time.perf_counter() - started
    return {"seconds": seconds, "MiB": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, choices=(64, 128), default=128)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(options.measure[0], options.size, options.measure[1] == "backward")))
        return
    for direction in ("forward", "backward"):
        results: dict[str, list[dict[str, float]]] = {"paper": [], "compact": [], "plain": []}
        for _ in range(options.runs):
            for network, rows in results.items():
                command = [sys.executable, __file__, "--size", str(options.size), "--measure", network, direction]
                rows.append(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
        words = "forward" if direction == "forward" else "forward + backward"
        for name in ("paper", "compact"):
            print_ratios(f"generator {name + f' {options.size}':11s}, {words:18s}", name, results, "plain")


if __name__ == "__main__":
    main()
