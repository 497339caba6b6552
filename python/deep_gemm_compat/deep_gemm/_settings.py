"""Settings that dgemm has under another name or does not need."""

from __future__ import annotations

import dgemm


def set_ignore_compile_dims(new_value: bool) -> None:
    """Does nothing: kernels here are compiled for N and K and serve every M."""


def set_block_size_multiple_of(new_value: int | tuple[int, int]) -> None:
    """Does nothing: the cost model chooses among all blocks. dgemm.compile(..., config="block = 128x128x128") fixes one."""


def set_compile_mode(mode: int) -> None:
    """1: calls compile and launch nothing. 0: they launch. SGLang's build of DeepGEMM has it, for its warm-up."""
    if mode not in (0, 1):
        raise ValueError(f"mode is {mode!r}; allowed are 0 and 1")
    dgemm.set_compile_only(bool(mode))


def get_compile_mode() -> int:
    """The value of set_compile_mode."""
    return int(dgemm.get_compile_only())
