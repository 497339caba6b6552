"""The GPUs of this process."""

from __future__ import annotations

import sys

from . import _dgemm

MULTIPROCESSORS = 132
"""Of an H100 SXM and an H200: what configs are chosen for unless the device says otherwise."""


MACHINE = "h100"
"""The GPU that configs are chosen for unless the device says otherwise, as --machine of the tools names it."""


def torch_device() -> int | None:
    """torch's current GPU; None unless torch has started CUDA."""
    torch = sys.modules.get("torch")
    return torch.cuda.current_device() if torch is not None and torch.cuda.is_initialized() else None


def current() -> int:
    """torch's current GPU where torch has started CUDA, else 0."""
    return torch_device() or 0


def multiprocessors(device: int) -> int:
    """Those of a GPU; of an H100 where there is none. A negative `device` is the emulator."""
    try:
        return _dgemm.device_info(device)["multiprocessors"] if device >= 0 else MULTIPROCESSORS
    except RuntimeError:
        return MULTIPROCESSORS


def machine(device: int) -> str:
    """The name of a GPU's kind, as tuned tables have it; h100 where there is none. A negative `device` is the emulator."""
    try:
        return _dgemm.device_info(device)["machine"] if device >= 0 else MACHINE
    except RuntimeError:
        return MACHINE
