"""Which patients train, validate and test."""

import hashlib


def split_of(patient: str, seed: int, validation: float, test: float) -> str:
    """The split of a patient, always the same for the same seed: a hash in [0, 1) against the fractions."""
    digest = hashlib.sha256(f"{seed}\n{patient}".encode()).digest()
    place = int.from_bytes(digest[:8], "big") / 2**64
    if place < test:
        return "test"
    return "validation" if place < test + validation else "training"
