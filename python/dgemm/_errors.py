"""Exceptions. A wrong argument is a ValueError or, for a wrong type, a TypeError that names the argument."""

from ._dgemm import HazardError

__all__ = ["CompileError", "DeviceError", "HazardError"]


class CompileError(RuntimeError):
    """The compiler or ptxas refuses a kernel; the message is theirs."""


class SlowKernelError(CompileError):
    """ptxas spills registers of a kernel or serialises its wgmmas, so it would run far below its speed."""


class DeviceError(RuntimeError):
    """There is no GPU, it is not a Hopper GPU, or the driver is missing or too old."""
