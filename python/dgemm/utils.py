"""Sizes, casts, alignments and layouts of scales, with the names of both generations of DeepGEMM."""

from __future__ import annotations

import sys
from typing import Any

from . import _check, _tensors
from ._casts import (
    ceil_to_ue8m0,
    pack_ue8m0_to_int,
    per_block_cast_to_fp8,
    per_channel_cast_to_fp8,
    per_custom_dims_cast_to_fp8,
    per_token_cast_to_fp8,
    unpack_ue8m0_from_int,
)
from ._problem import align, ceil_div
from ._settings import (
    get_m_alignment_for_contiguous_layout,
    get_mk_alignment_for_contiguous_layout,
    set_mk_alignment_for_contiguous_layout,
)

__all__ = [
    "align", "ceil_div", "ceil_to_ue8m0", "get_col_major_tma_aligned_tensor", "get_m_alignment_for_contiguous_layout",
    "get_mk_alignment_for_contiguous_layout", "get_mn_major_tma_aligned_tensor", "get_tma_aligned_size",
    "pack_ue8m0_to_int", "per_block_cast_to_fp8", "per_channel_cast_to_fp8", "per_custom_dims_cast_to_fp8",
    "per_token_cast_to_fp8", "set_mk_alignment_for_contiguous_layout", "transform_sf_into_required_layout", "unpack_ue8m0_from_int",
]


def get_tma_aligned_size(x: int, element_size: int) -> int:
    """x elements, rounded up to a multiple of 16 bytes."""
    if element_size not in (1, 2, 4, 8, 16):
        raise ValueError(f"element_size is {element_size!r}; allowed are 1, 2, 4, 8 and 16 bytes")
    return align(_check.integer("x", x, 0), 16 // element_size)


def get_mn_major_tma_aligned_tensor(x: Any) -> Any:
    """Scales [M, K/128] or [G, M, K/128] (float32) with M innermost and its stride a multiple of 16 bytes.

    A tensor with this layout is returned itself; any other is copied. The kernels of this package take both this and the
    row-major order; TMA loads only this one. Takes torch, CuPy and NumPy; JAX has no strides.
    """
    if getattr(x, "ndim", 0) not in (2, 3):
        raise ValueError(f"x has shape {list(getattr(x, 'shape', []))}; allowed are [M, K/128] and [G, M, K/128]")
    if str(x.dtype).rpartition(".")[2] != "float32":
        raise TypeError(f"x has dtype {x.dtype}; allowed is float32")
    kind = _tensors.library(x)
    if kind not in ("torch", "cupy", "numpy"):
        raise TypeError(f"x is a tensor of {kind}; allowed are torch, CuPy and NumPy")
    rows, columns = x.shape[-2:]
    pitch = get_tma_aligned_size(rows, 4)
    front = tuple(x.shape[:-2])
    if kind == "torch":
        strides = tuple(x.stride())
    else:
        strides = tuple(stride // x.dtype.itemsize for stride in x.strides)
    if strides == ((columns * pitch,) if front else ()) + (1, pitch):
        return x
    if kind == "torch":
        buffer = x.new_empty(front + (columns, pitch))
        result = buffer[..., :rows].transpose(-1, -2)
        result.copy_(x)
        return result
    buffer = sys.modules[kind].empty(front + (columns, pitch), x.dtype)
    result = buffer[..., :rows].swapaxes(-1, -2)
    result[...] = x
    return result


def get_col_major_tma_aligned_tensor(x: Any) -> Any:
    """get_mn_major_tma_aligned_tensor under its older name."""
    return get_mn_major_tma_aligned_tensor(x)


def transform_sf_into_required_layout(sf: Any, mn: int, k: int, recipe: tuple[int, ...], num_groups: int | None = None,
                                      is_sfa: bool = False, disable_ue8m0_cast: bool = False) -> Any:
    """Scales in the fastest layout of the kernels: those of A M-innermost and aligned, those of B unchanged.
    `recipe` is (1, 128, 128) or (1, 1, 128), of which `is_sfa` selects A's part, or the granularity itself: (1, 128) or (128, 128).
    Scales stay float32 on Hopper; `disable_ue8m0_cast` has no effect.
    """
    mn, k = _check.integer("mn", mn, 0), _check.integer("k", k, 0)
    num_groups = _check.optional_integer("num_groups", num_groups)
    granularity = _check.recipe("recipe", recipe, [(1, 128, 128), (1, 1, 128), (1, 128), (128, 128)])
    if len(granularity) == 3:
        rows_a, rows_b, columns = granularity
        granularity = (rows_a if is_sfa else rows_b, columns)
    shape = (() if num_groups is None else (num_groups,)) + (ceil_div(mn, granularity[0]), ceil_div(k, granularity[1]))
    given = tuple(getattr(sf, "shape", ()))
    if given != shape:
        raise ValueError(f"sf has shape {list(given)}; allowed is {list(shape)} for mn={mn}, k={k}, "
                         f"granularity {granularity}" + (f", {num_groups} groups" if num_groups is not None else ""))
    return get_mn_major_tma_aligned_tensor(sf) if granularity[0] == 1 else sf
