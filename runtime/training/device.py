"""The device that a network is trained on."""

from __future__ import annotations

from archspec.errors import InputError
from archspec.extras import extra

with extra("train"):
    import torch


def find_device(word: str | None = None) -> torch.device:
    """Find torch's device of a word: cpu, cuda, or cuda and a number; without one the first GPU that torch can use,
    else the CPU. Raises InputError where there is no such device."""
    if word is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(word)
    except RuntimeError:
        raise InputError(f"a device is cpu, cuda, or cuda:NUMBER, found '{word}'") from None
    if device.type == "cpu":
        return device
    if device.type != "cuda":
        raise InputError(f"a device is cpu, cuda, or cuda:NUMBER, found '{word}'")
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if (device.index or 0) >= count:
        built = "" if torch.version.cuda else f", and torch {torch.__version__} is built for CPUs alone"
        raise InputError(f"there is no device {word}: torch sees {count} GPUs{built}; `archspec doctor` says more")
    return device
