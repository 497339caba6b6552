"""Settings that change no kernel of dgemm."""

from __future__ import annotations


def set_ignore_compile_dims(new_value: bool) -> None:
    """Does nothing: kernels here are compiled for N and K and serve every M."""


def set_block_size_multiple_of(new_value: int | tuple[int, int]) -> None:
    """Does nothing: the cost model chooses among all blocks. dgemm.compile(..., config="block = 128x128x128") fixes one."""
