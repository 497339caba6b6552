"""torch._scaled_grouped_mm and torch.nn.functional.scaled_grouped_mm by dgemm: groups of rows, and batches."""

from __future__ import annotations

import torch

from . import _launch, _override, _recipes
from ._problem import Recipe

_NAMES = ("mat_a", "scale_a", "mat_b.mT", "scale_b", "out")
ROW_WISE = 1
"""torch.nn.functional.ScalingType.RowWise."""


def _has_rows(matrix: torch.Tensor) -> bool:
    """K is innermost, and each row starts at a multiple of 16 bytes."""
    return (matrix.stride(-1) == 1 and matrix.stride(-2) % 16 == 0 and matrix.stride(-2) >= matrix.shape[-1]
            and matrix.data_ptr() % 16 == 0 and min(matrix.shape) > 0)


def _is_scale(scale: torch.Tensor, shape: tuple[int, ...], like: torch.Tensor) -> bool:
    return (scale.dtype == torch.float32 and tuple(scale.shape) == shape and scale.is_contiguous() and scale.device == like.device
            and scale.data_ptr() % 16 == 0)


def multiply(a: torch.Tensor, b: torch.Tensor, scale_a: torch.Tensor, scale_b: torch.Tensor, offsets: torch.Tensor | None,
             dtype: torch.dtype | None, use_fast_accum: bool) -> torch.Tensor | None:
    """The product with a scale for each row of A and each column of B; None for a call that is not served.

    Two forms are served: [M, K] by [G, K, N] with `offsets` [G], the row after the last of each group, and [G, M, K] by [G, K, N]
    without `offsets`. Groups of K, [M, K] by [K, N], are left to torch, because they may start at any multiple of 16.
    """
    if b.dim() != 3 or a.dim() != (2 if offsets is not None else 3) or a.dtype != b.dtype or a.dtype != torch.float8_e4m3fn:
        return None
    groups, k, n = b.shape
    rows = b.transpose(1, 2)
    if a.shape[-1] != k or n % 16 or k % 16 or not _override.is_hopper(a.device) or b.device != a.device:
        return None
    if not _has_rows(a) or not _has_rows(rows) or (groups > 1 and rows.stride(0) != n * rows.stride(1)):
        return None
    if not _is_scale(scale_a, tuple(a.shape[:-1]), a) or not _is_scale(scale_b, (groups, n), a):
        return None
    if offsets is None:
        if a.shape[0] != groups:
            return None
    elif offsets.dtype != torch.int32 or tuple(offsets.shape) != (groups,) or not offsets.is_contiguous():
        return None
    out = a.new_empty((*a.shape[:-1], n), dtype=dtype or torch.bfloat16)
    if out.dtype != torch.bfloat16:  # torch has no other
        return None
    recipe = Recipe("row", "row", _recipes.accuracy(("row", "row"), use_fast_accum))
    layout = "batched" if offsets is None else "offsets"
    dispatcher = _launch.dispatcher(layout, recipe, _NAMES, alignment=0 if offsets is None else 1)
    dispatcher(a, scale_a.unsqueeze(-1), rows, scale_b.unsqueeze(-1), out, offsets, 0)
    return out


def serve(a: torch.Tensor, b: torch.Tensor, scale_a: torch.Tensor, scale_b: torch.Tensor, offs: torch.Tensor | None = None,
          bias: torch.Tensor | None = None, scale_result: torch.Tensor | None = None, out_dtype: torch.dtype | None = None,
          use_fast_accum: bool = False) -> torch.Tensor | None:
    """aten::_scaled_grouped_mm; None for a call that is not served."""
    if bias is not None or scale_result is not None:
        return None
    return multiply(a, b, scale_a, scale_b, offs, out_dtype, use_fast_accum)


def serve_v2(a: torch.Tensor, b: torch.Tensor, scale_a: list[torch.Tensor], recipe_a: list[int], swizzle_a: list[int],
             scale_b: list[torch.Tensor], recipe_b: list[int], swizzle_b: list[int], offs: torch.Tensor | None = None,
             bias: torch.Tensor | None = None, out_dtype: torch.dtype | None = None, contraction_dim: list[int] = (),
             use_fast_accum: bool = False) -> torch.Tensor | None:
    """aten::_scaled_grouped_mm_v2, which torch.nn.functional.scaled_grouped_mm calls; None for a call that is not served."""
    if bias is not None or contraction_dim or any(swizzle_a) or any(swizzle_b):
        return None
    if list(recipe_a) != [ROW_WISE] or list(recipe_b) != [ROW_WISE] or len(scale_a) != 1 or len(scale_b) != 1:
        return None
    return multiply(a, b, scale_a[0], scale_b[0], offs, out_dtype, use_fast_accum)
