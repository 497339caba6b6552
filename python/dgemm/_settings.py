"""What holds for all calls of this process until it is set anew."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from . import _check, _device


@dataclass(frozen=True)
class Settings:
    """`num_sms` None stands for all multiprocessors of a device."""

    num_sms: int | None = None
    pdl: bool = False
    tc_util: int = 100
    row_alignment: int = 128
    compile_only: bool = False


_current = Settings()
_listeners: list[Callable[[], None]] = []


def current() -> Settings:
    return _current


def on_change(listener: Callable[[], None]) -> None:
    """`listener` is called after each change of what a launch depends on."""
    _listeners.append(listener)


def _change(**fields) -> None:
    global _current
    changed = replace(_current, **fields)
    if changed != _current:
        _current = changed
        for listener in _listeners:
            listener()


def set_num_sms(num_sms: int) -> None:
    """Kernels launched from now on take at most so many multiprocessors; the rest is left to others."""
    _change(num_sms=_check.integer("num_sms", num_sms))


def get_num_sms() -> int:
    """What set_num_sms has set; else the multiprocessors of the current GPU, 132 where there is none."""
    return _current.num_sms or _device.multiprocessors(_device.current())


def set_pdl(enable: bool) -> None:
    """Programmatic dependent launch for what is launched from now on: a kernel sets itself up while the one in front of it
    in the stream still runs, and waits for it before it reads. Results are the same; off by default."""
    _change(pdl=bool(enable))


def get_pdl() -> bool:
    """What set_pdl has set."""
    return _current.pdl


def set_compile_only(enable: bool) -> None:
    """With True, calls compile and load the kernel that they need and launch nothing, until False is set: for a server that
    warms up by calling. dgemm.precompile does the same without tensors."""
    _change(compile_only=bool(enable))


def get_compile_only() -> bool:
    """What set_compile_only has set."""
    return _current.compile_only


def set_tc_util(tc_util: int) -> None:
    """Kept for get_tc_util; changes nothing on Hopper. 0 to 100."""
    _change(tc_util=_check.integer("tc_util", tc_util, 0, 100))


def get_tc_util() -> int:
    """What set_tc_util has set."""
    return _current.tc_util


def row_alignment(name: str, value: int) -> int:
    """`value`, the argument `name`, as an alignment of groups: a positive multiple of 64."""
    value = _check.integer(name, value)
    if value % 64:
        raise ValueError(f"{name} is {value}; allowed are positive multiples of 64")
    return value


def set_mk_alignment_for_contiguous_layout(value: int) -> None:
    """Sets the alignment for the calls to come: a positive multiple of 64. Kernels are compiled for it."""
    _change(row_alignment=row_alignment("value", value))


def get_mk_alignment_for_contiguous_layout() -> int:
    """Rows to a multiple of which each group of the contiguous layout starts; 128 unless set otherwise."""
    return _current.row_alignment


def get_m_alignment_for_contiguous_layout() -> int:
    """The same, under its older name."""
    return _current.row_alignment
