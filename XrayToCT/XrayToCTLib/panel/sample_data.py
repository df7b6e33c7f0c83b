"""The sample X-ray in Slicer's Sample Data module: simulated by this project, so no patient's and free to give away."""

from pathlib import Path
from typing import Any

import slicer

SAMPLE = Path(__file__).resolve().parents[2] / "Resources" / "SampleData" / "simulated-chest.png"
SAMPLE_NAME = "Simulated chest X-ray"


def register_sample() -> None:
    """Adds the sample to Slicer's Sample Data module."""
    import SampleData

    SampleData.SampleDataLogic.registerCustomSampleDataSource(
        category="XrayToCT",
        sampleName=SAMPLE_NAME,
        # Slicer's table of sources needs all three, though nothing is downloaded.
        uris=SAMPLE.as_uri(),
        fileNames=SAMPLE.name,
        nodeNames=SAMPLE_NAME,
        thumbnailFileName=str(SAMPLE),
        customDownloader=_load,
    )


def _load(source: Any) -> list[Any]:
    return [slicer.util.loadVolume(str(SAMPLE), {"singleFile": True, "name": SAMPLE_NAME})]
