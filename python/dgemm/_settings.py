"""Settings for all calls of this process."""

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
    """`listener` is called after each change of a setting that launches depend on."""
    _listeners.append(listener)


def _change(**fields) -> None:
    global _current
    changed = replace(_current, **fields)
    if changed != _current:
        _current = changed
        for listener in _listeners:
            listener()


def set_num_sms(num_sms: int) -> None:
    """Later launches use at most this many multiprocessors, and leave the others to other kernels."""
    _change(num_sms=_check.integer("num_sms", num_sms))


def get_num_sms() -> int:
    """The value of set_num_sms; else the multiprocessors of the current GPU, or 132 if there is no GPU."""
    return _current.num_sms or _device.multiprocessors(_device.current())


def set_pdl(enable: bool) -> None:
    """Programmatic dependent launch for later launches: a kernel sets itself up while the previous kernel in the stream still
    runs, and waits for it before it reads. Results are the same; off by default."""
    _change(pdl=bool(enable))


def get_pdl() -> bool:
    """The value of set_pdl."""
    return _current.pdl


def set_compile_only(enable: bool) -> None:
    """With True, later calls compile and load their kernel and launch nothing, until False is set. This is for servers that
    warm up with calls. dgemm.precompile does the same without tensors."""
    _change(compile_only=bool(enable))


def get_compile_only() -> bool:
    """The value of set_compile_only."""
    return _current.compile_only


def set_tc_util(tc_util: int) -> None:
    """Stored for get_tc_util, 0 to 100; no effect on Hopper."""
    _change(tc_util=_check.integer("tc_util", tc_util, 0, 100))


def get_tc_util() -> int:
    """The value of set_tc_util."""
    return _current.tc_util


def row_alignment(name: str, value: int) -> int:
    """`value`, the argument `name`, as an alignment of groups: a positive multiple of 64."""
    value = _check.integer(name, value)
    if value % 64:
        raise ValueError(f"{name} is {value}; allowed are positive multiples of 64")
    return value


def set_mk_alignment_for_contiguous_layout(value: int) -> None:
    """Sets the alignment of later calls, a positive multiple of 64. Kernels are compiled for it."""
    _change(row_alignment=row_alignment("value", value))


def get_mk_alignment_for_contiguous_layout() -> int:
    """The alignment in rows at which each group of the contiguous layout starts; 128 by default."""
    return _current.row_alignment


def get_m_alignment_for_contiguous_layout() -> int:
    """The same, under its older name."""
    return _current.row_alignment
