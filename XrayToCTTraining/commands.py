"""What each command of the training package does, once its arguments are known."""

import argparse

from XrayToCTTraining.simulation.write_cohort import CohortRequest, write_cohort


def simulate(options: argparse.Namespace) -> None:
    atlases = tuple(str(path) for path in options.atlas)
    request = CohortRequest(options.patients, options.seed, options.size, options.side_mm, options.domain, atlases)
    write_cohort(options.out, request, options.workers)
