"""Times our cone-beam projection against nanodrr's CPU path, forward and with the gradient, and against the floor.

Both project the same 128 cubed volume to 128 x 128 pixels in the default geometry; nanodrr takes its default of 500
samples a ray. The pictures must agree before anything is timed.

    python Testing/Benchmarks/bench_projection.py
"""

import argparse
import sys
from collections.abc import Callable

import torch

from _paired import paired_times
from XrayToCTLib.projection import Geometry, cone_beam_projection

SIZE = 128
GEOMETRY = Geometry(detector_pixels=(SIZE, SIZE))
# Two interpolations of a smooth volume differ by less than this part of the maximum.
AGREEMENT = 0.01


def chest_like_volume() -> torch.Tensor:
    """(1, 1, D, H, W) float32 attenuation per mm: smooth noise that fades out before the faces."""
    noise = torch.rand(1, 1, 16, 16, 16, generator=torch.Generator().manual_seed(0))
    smooth = torch.nn.functional.interpolate(noise, size=(SIZE,) * 3, mode="trilinear")
    window = torch.hann_window(SIZE, periodic=False)
    return 0.04 * smooth * window[:, None, None] * window[:, None] * window


def nanodrr_renderer(volume: torch.Tensor) -> tuple[Callable[[], torch.Tensor], torch.Tensor]:
    """A call that renders the volume, and the leaf tensor that receives its gradient."""
    from nanodrr.camera import make_rt_inv
    from nanodrr.data import Subject
    from nanodrr.drr import DRR

    # nanodrr's world is RAS: x to the patient's right, y to anterior, z to superior; its volume is (1, 1, z, y, x).
    depth_mm, height_mm, width_mm = GEOMETRY.volume_mm
    image = volume.transpose(2, 3).flip(2, 3, 4).contiguous()
    voxel_mm = torch.tensor([width_mm, depth_mm, height_mm]) / SIZE
    to_world = torch.diag(torch.tensor([*voxel_mm.tolist(), 1.0]))
    to_world[:3, 3] = -(SIZE - 1) / 2 * voxel_mm
    subject = Subject(
        image,
        torch.zeros_like(image),
        voxel_to_world=to_world,
        world_to_voxel=to_world.inverse(),
        voxel_to_grid=Subject._make_voxel_to_grid(image.shape),
        isocenter=torch.zeros(3),
        max_label=0,
        convert_to_mu=False,
    )
    pixel_mm = GEOMETRY.detector_mm[0] / SIZE
    camera = DRR.from_carm_intrinsics(GEOMETRY.source_to_detector_mm, pixel_mm, pixel_mm, 0.0, 0.0, SIZE, SIZE)
    pose = make_rt_inv(torch.zeros(1, 3), torch.tensor([[0.0, -GEOMETRY.source_to_axis_mm, 0.0]]), orientation="PA")
    return lambda: camera(subject, pose), subject._image_hu


def with_gradient(render: Callable[[], torch.Tensor], leaf: torch.Tensor) -> Callable[[], None]:
    """A call that renders and takes the gradient of the picture's sum of squares with respect to the leaf."""

    def run() -> None:
        leaf.grad = None
        render().square().sum().backward()

    return run


def floor_seconds() -> tuple[float, str]:
    """The least time for our method on this machine, from its operations and its bytes, and how it was found."""
    square, source, target = torch.rand(1024, 1024), torch.rand(2**25), torch.rand(2**25)
    multiply = paired_times(lambda: square @ square, lambda: target.copy_(source), runs=9)
    operations_a_second, bytes_a_second = 2 * 1024**3 / multiply.first, 2 * 4 * 2**25 / multiply.second
    operations = 2 * 2 * SIZE**4
    # Read the volume and both sets of matrices; write and read the slices with their columns interpolated.
    moved = 5 * 4 * SIZE**3
    least = max(operations / operations_a_second, moved / bytes_a_second)
    how = (
        f"{operations / 1e9:.2f} G operations at {operations_a_second / 1e9:.0f} G/s, "
        f"{moved / 1e6:.0f} MB at {bytes_a_second / 1e9:.1f} GB/s"
    )
    return least, how


def main(arguments: list[str] | None = None) -> int:
    """Print medians and ratios; the exit code is 1 if the two pictures disagree."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=7, help="pairs of measured runs")
    parser.add_argument("--threads", type=int, help="by default one for each core; 1 is steadiest on a busy machine")
    options = parser.parse_args(arguments)
    runs = options.runs
    if options.threads:
        torch.set_num_threads(options.threads)

    ours = chest_like_volume()
    theirs, their_leaf = nanodrr_renderer(ours)
    expected = theirs()
    error = (cone_beam_projection(ours, GEOMETRY) - expected).abs() / expected.max()
    print(f"threads {torch.get_num_threads()}, torch {torch.__version__}, {SIZE}^3 to {SIZE} x {SIZE}")
    print(f"difference from nanodrr: mean {error.mean():.4%}, worst {error.max():.4%} of the maximum")
    if error.max() > AGREEMENT:
        print("the pictures disagree: nothing was timed", file=sys.stderr)
        return 1

    forward = paired_times(lambda: cone_beam_projection(ours, GEOMETRY), theirs, runs)
    ours.requires_grad_()
    their_leaf.requires_grad_()
    gradient = paired_times(
        with_gradient(lambda: cone_beam_projection(ours, GEOMETRY), ours), with_gradient(theirs, their_leaf), runs
    )
    least, how = floor_seconds()
    for name, times, floor in (("forward", forward, least), ("forward + gradient", gradient, 2 * least)):
        print(
            f"{name:<18}  ours {1e3 * times.first:7.1f} ms   nanodrr {1e3 * times.second:7.1f} ms   "
            f"{times.ratio:5.1f} times faster   floor {1e3 * floor:.1f} ms"
        )
    print(f"floor of the forward pass: {how}; the gradient takes as much again")
    return 0


if __name__ == "__main__":
    sys.exit(main())
