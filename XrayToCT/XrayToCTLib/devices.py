"""Choosing where a network runs, and turning a device's failure into a sentence."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from XrayToCTLib.errors import DeviceError


def choose_device(name: str) -> torch.device:
    """The device of a name; ``auto`` is CUDA, else MPS, else the CPU.

    Raises:
        DeviceError: the device is asked for by name and is not there.
    """
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return torch.device(next(device for device, there in available.items() if there))
    if not available[name]:
        raise DeviceError(f"The device {name} is not available on this computer; choose --device cpu or auto.")
    return torch.device(name)


def release_memory(device: torch.device) -> None:
    """Gives memory back to the device that PyTorch keeps for later use."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()


@contextmanager
def device_failures(device: torch.device) -> Iterator[None]:
    """Raises :class:`DeviceError` for what goes wrong on ``device`` in the block: memory, driver, missing kernel."""
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError) as error:
        remedy = "close other programs" if device.type == "cpu" else "choose --device cpu"
        raise DeviceError(f"The device {device} ran out of memory; {remedy} or choose a smaller model.") from error
    except RuntimeError as error:
        if "alloc" in str(error) and "memory" in str(error):  # the CPU's allocator has no exception of its own
            raise DeviceError(f"The device {device} ran out of memory; choose a smaller model.") from error
        if device.type == "cpu":
            raise
        first_line = str(error).splitlines()[0]
        raise DeviceError(f"The device {device} failed ({first_line}); choose --device cpu.") from error
