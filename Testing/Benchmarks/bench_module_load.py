"""Seconds to load the Slicer module on the stand-in for Slicer, beside importing SimpleITK, which Slicer ships.

    python Testing/Benchmarks/bench_module_load.py [--runs 5]

Each time is of a fresh interpreter whose host has started. The figure to beat is 0.5 s for the module.
"""

import argparse
import os
import statistics
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
MODULE, PEER = "load_module(Path(sys.argv[1]))", "import SimpleITK"
TIMED = """
import sys, time
from pathlib import Path
from slicer_host import load_module, start
start()
began = time.perf_counter()
{work}
print(time.perf_counter() - began)
"""


def seconds_of(work: str) -> float:
    """Seconds that a fresh interpreter takes for ``work``."""
    path = os.pathsep.join(str(REPOSITORY / name) for name in ("XrayToCT", "Testing"))
    command = [sys.executable, "-c", TIMED.format(work=work), str(REPOSITORY / "XrayToCT" / "XrayToCT.py")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": path})
    return float(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    seconds_of(MODULE), seconds_of(PEER)  # files are in the cache now
    pairs = [(seconds_of(MODULE), seconds_of(PEER)) for _ in range(runs)]
    ours, theirs = (statistics.median(times) for times in zip(*pairs, strict=True))
    ratio = statistics.median(one / other for one, other in pairs)
    print(f"the module {ours:.2f} s (to beat: 0.5 s), SimpleITK {theirs:.2f} s, module/SimpleITK {ratio:.1f}")


if __name__ == "__main__":
    main()
