"""The GPUs of this process."""

from __future__ import annotations

import sys

from . import _dgemm

MULTIPROCESSORS = 132
"""Multiprocessors of an H100 SXM and an H200: the default for the choice of configs."""


MACHINE = "h100"
"""The default GPU for the choice of configs, by its name in --machine of the tools."""


def torch_device() -> int | None:
    """torch's current GPU; None unless torch has started CUDA."""
    torch = sys.modules.get("torch")
    return torch.cuda.current_device() if torch is not None and torch.cuda.is_initialized() else None


def current() -> int:
    """torch's current GPU if torch has started CUDA, else 0."""
    return torch_device() or 0


def multiprocessors(device: int) -> int:
    """The multiprocessors of a GPU, or of an H100 if there is no GPU. A negative `device` is the emulator."""
    try:
        return _dgemm.device_info(device)["multiprocessors"] if device >= 0 else MULTIPROCESSORS
    except RuntimeError:
        return MULTIPROCESSORS


def machine(device: int) -> str:
    """The machine of a GPU, as tuned tables name it, or h100 if there is no GPU. A negative `device` is the emulator."""
    try:
        return _dgemm.device_info(device)["machine"] if device >= 0 else MACHINE
    except RuntimeError:
        return MACHINE
