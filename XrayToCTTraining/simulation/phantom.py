"""A whole simulated chest CT from one seed."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from XrayToCTTraining.simulation.anatomy import Chest, build_chest
from XrayToCTTraining.simulation.habitus import Habitus, random_frame, random_habitus
from XrayToCTTraining.simulation.lesions import plant, split_lungs
from XrayToCTTraining.simulation.patient import AIR_HU, Label, Patient
from XrayToCTTraining.simulation.skeleton import paint_skeleton
from XrayToCTTraining.simulation.space import Frame, Volume, fill, paint, smooth_noise
from XrayToCTTraining.simulation.vessels import (
    HILA,
    OESOPHAGUS,
    VEIN_GATES,
    airways,
    great_vessels,
    lung_tree,
    render,
    tube,
)

FAT_HU, MUSCLE_HU, LIVER_HU, SPLEEN_HU, SKIN_HU = -100.0, 50.0, 57.0, 48.0, 20.0


def simulate_chest(
    seed: int, size: int = 128, side_mm: float = 320.0, label: Label = "healthy", habitus: Habitus | None = None
) -> Patient:
    """Simulate one patient, of the given habitus or of a random one.

    ``size``: voxels along each of (D, H, W); ``side_mm``: physical edge of the cube. The same arguments give the same
    patient, and the anatomy depends on ``seed`` alone, not on ``label``. Returns float32 HU of about -1100 to 1300.
    """
    rng = np.random.default_rng([seed, 1])
    drawn = random_habitus(rng)  # drawn in any case, so that a given habitus changes nothing else
    habitus = habitus or drawn
    frame = random_frame(rng, size, side_mm, habitus)
    chest = build_chest(frame, habitus)
    hu = np.full((size, size, size), AIR_HU, dtype=np.float32)
    body = fill(chest.body, frame.voxel_mm)
    _paint_wall(hu, chest, frame, habitus, rng)
    _paint_abdomen(hu, chest, frame, habitus, rng)
    lungs, heart = _paint_thorax(hu, chest, frame, habitus, rng)
    bone = paint_skeleton(hu, chest, frame, habitus, rng)
    paint(hu, 1 - body, AIR_HU)
    hu, numbers, lesions = plant(hu, lungs, label, np.random.default_rng([seed, 2]), frame.voxel_mm)
    hu = add_noise(hu, habitus.noise_hu, np.random.default_rng([seed, 3]))
    masks = {"body": body > 0.5, "lungs": lungs, "bone": (bone > 0.5) & (body > 0.5) & ~lungs, "heart": heart}
    return Patient(hu, masks, numbers, label, (side_mm,) * 3, lesions)


def add_noise(hu: np.ndarray, sigma_hu: float, rng: np.random.Generator) -> np.ndarray:
    """Blur by the scanner's point spread, then add correlated noise of a standard deviation, float32."""
    noise = rng.standard_normal(hu.shape, dtype=np.float32)
    # One blur for both: the noise is amplified first by what this blur takes away from white noise (sigma 0.45 voxel).
    return ndimage.gaussian_filter(hu + noise * np.float32(sigma_hu * 1.55), 0.45, truncate=3.0).astype(np.float32)


def _paint_wall(hu: Volume, chest: Chest, frame: Frame, habitus: Habitus, rng: np.random.Generator) -> None:
    """Skin, fat, breasts and muscle."""
    mm = frame.voxel_mm
    paint(hu, fill(chest.body, mm), SKIN_HU)
    grain = smooth_noise(rng, hu.shape, int(frame.side_mm / 22))
    paint(hu, fill(chest.body + 2.0, mm), FAT_HU)
    if habitus.female:
        # Glandular strands only ahead of the ribs.
        glandular = np.clip(grain - 0.3, 0, 0.6) * (chest.y < -100) * (np.abs(chest.z - 20) < 50) * (chest.body < -6)
        paint(hu, glandular, 30.0)
    # Fat is thin over the shoulders and the spine and thick at the flanks.
    layer = habitus.fat_mm * (0.9 + 0.2 * grain) + 2
    muscle = np.maximum(chest.body + layer, -(chest.cage + 4))
    seams = np.clip((np.abs(grain) < 0.1) * 0.5, 0, 1)
    paint(hu, np.minimum(fill(muscle, mm) + fill(chest.cage - 12, mm), 1), MUSCLE_HU)
    paint(hu, fill(muscle + 6, mm) * seams * (chest.cage > 14), FAT_HU)


def _paint_abdomen(hu: Volume, chest: Chest, frame: Frame, habitus: Habitus, rng: np.random.Generator) -> None:
    """Below the diaphragm: fat and bowel, liver on the right, stomach with its gas bubble and spleen on the left."""
    mm = frame.voxel_mm
    y, z, x = chest.y, chest.z, chest.x
    inside = np.maximum(chest.cage + 2, -chest.diaphragm)
    paint(hu, fill(inside, mm), MUSCLE_HU)
    cavity = inside + 3.0
    grain = smooth_noise(rng, hu.shape, int(frame.side_mm / 26))
    paint(hu, fill(cavity, mm), np.clip(grain * 160 - 60, FAT_HU, 40))
    left_dome = np.float32(habitus.right_dome + habitus.left_drop)
    stomach = _ellipsoid(chest, (-22, left_dome + rng.uniform(38, 50), rng.uniform(44, 56)), (36, 36, 40))
    stomach = np.maximum(stomach, cavity)
    spleen = np.maximum(_ellipsoid(chest, (44, left_dome + 50, 92), (36, 40, 30)), cavity)
    slant = x - 18 + 0.55 * (z - np.float32(habitus.right_dome + 30))
    liver = np.maximum(np.maximum(slant * 0.85, cavity), z - np.float32(habitus.right_dome + 120) + 0.5 * (x + 60))
    kidneys = np.minimum(
        _ellipsoid(chest, (56, 160, -56), (24, 50, 25)), _ellipsoid(chest, (56, 152, 56), (24, 50, 25))
    )
    paint(hu, fill(kidneys, mm), 35.0)
    paint(hu, fill(liver, mm), LIVER_HU + 6 * grain)
    paint(hu, fill(spleen, mm), SPLEEN_HU)
    paint(hu, fill(stomach, mm), 25.0)
    # Gas rises: to the front in a patient on the back, under the dome in one who stands; here in between.
    bubble = np.maximum(stomach + 3.5, (z - left_dome - rng.uniform(18, 48)) + 0.6 * (y + 20))
    paint(hu, fill(bubble, mm), -960.0)
    outside = np.maximum(np.maximum(cavity + 8, 6 - liver), np.maximum(y - 10, left_dome + 75 - z))
    paint(hu, np.clip((grain - 1.0) * 3, 0, 1) * np.clip(-outside / 12, 0, 1), -980.0)


def _paint_thorax(
    hu: Volume, chest: Chest, frame: Frame, habitus: Habitus, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Mediastinum, heart, vessels, airways and lungs; returns the boolean masks of lungs and heart."""
    mm = frame.voxel_mm
    above = np.maximum(chest.cage, chest.diaphragm)
    paint(hu, fill(np.maximum(above, chest.mediastinum), mm), FAT_HU + 15)
    neck = fill(np.maximum(np.abs(chest.x) - 50, chest.z + 118), mm) * (chest.y > 20)
    paint(hu, neck * fill(chest.body + habitus.fat_mm + 6, mm), MUSCLE_HU)
    great = great_vessels(frame, habitus)
    gullet = render(frame, [tube(*OESOPHAGUS)])
    heart = fill(np.maximum(chest.heart, chest.diaphragm + 2), mm)
    lumen, with_wall = airways(frame)
    paint(hu, gullet, 35.0)
    paint(hu, heart, habitus.blood_hu + 3)
    paint(hu, great, habitus.blood_hu)

    lung = fill(np.maximum(above + 2.5, -chest.mediastinum), mm) * (1 - np.minimum(great * 1.2, 1)) * (1 - heart)
    lungs = _two_lungs((lung > 0.5) & (with_wall < 0.3), mm)
    lung *= ndimage.binary_dilation(lungs)
    paint(hu, lung, _lung_tissue(chest, frame, habitus, rng))
    paint(hu, _lung_vessels(lungs, frame, rng) * lung, habitus.blood_hu)
    paint(hu, with_wall, 30.0)
    paint(hu, lumen, -990.0)
    return lungs, (heart > 0.5) & ~lungs


def _two_lungs(lung: np.ndarray, mm: float) -> np.ndarray:
    """Keep the largest piece on each side of the mediastinum."""
    kept = np.zeros_like(lung)
    for site in split_lungs(lung, mm):
        labels, count = ndimage.label(site.local)
        sizes = np.bincount(labels.ravel())[1:] if count else [0]
        kept[site.box] |= labels == 1 + int(np.argmax(sizes))
    return kept


def _lung_tissue(chest: Chest, frame: Frame, habitus: Habitus, rng: np.random.Generator) -> Volume:
    """Parenchyma: denser behind (supine) and at the bases, mottled, with faint fissures."""
    mottle = 10 * smooth_noise(rng, chest.x.shape, int(frame.side_mm / 10)) + 8 * smooth_noise(rng, chest.x.shape, 6)
    tissue = np.float32(habitus.lung_hu) + 0.35 * chest.y + 0.08 * chest.z + mottle
    oblique = (chest.z - 8) * 0.72 - (-chest.y - 2) * 0.69
    fissure = np.clip(1 - np.abs(oblique) / frame.voxel_mm, 0, 1)
    minor = np.clip(1 - np.abs(chest.z + 4) / frame.voxel_mm, 0, 1) * (oblique < 0) * (chest.x < 0)
    return tissue + np.float32(150 / frame.voxel_mm) * np.maximum(fissure, minor)


def _lung_vessels(lungs: np.ndarray, frame: Frame, rng: np.random.Generator) -> Volume:
    total = np.zeros(lungs.shape, dtype=np.float32)
    for site, artery, vein in zip(split_lungs(lungs, frame.voxel_mm), HILA, VEIN_GATES, strict=False):
        for gate, tips in ((artery, 1000), (vein, 600)):
            root = frame.voxels(np.array([gate], dtype=np.float32))[0]
            total += lung_tree(root, site.mask, frame.voxel_mm, rng, tips, tip_mm=0.54)
    return np.minimum(total, 1)


def _ellipsoid(chest: Chest, centre: tuple[float, float, float], radii: tuple[float, float, float]) -> Volume:
    parts = (
        (c - np.float32(m)) / np.float32(r) for c, m, r in zip((chest.y, chest.z, chest.x), centre, radii, strict=True)
    )
    return (np.sqrt(sum(p * p for p in parts)) - 1) * np.float32(min(radii))
