"""quantize_transposed as one Triton kernel."""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl

BLOCK = tl.constexpr(128)
PER_LARGEST = tl.constexpr(1 / 448.0)  # of float8_e4m3fn; as in _casts
LEAST_AMAX = tl.constexpr(1e-4)  # as in _casts


@triton.jit
def _scale_of(amax):
    """The scale of a block, and its reciprocal."""
    scale = tl.maximum(amax, LEAST_AMAX) * PER_LARGEST
    return scale, tl.div_rn(1.0, scale)


@triton.jit
def _kernel(x, rows, row_scales, columns, column_scales, m, k, x_row, x_column, rows_pitch, row_scales_pitch, columns_pitch,
            column_scales_pitch):
    """A program has a block of 128 x 128: one scale for each of its rows, and one for each of its columns."""
    i, j = tl.program_id(0), tl.program_id(1)
    row, column = i * BLOCK + tl.arange(0, BLOCK), j * BLOCK + tl.arange(0, BLOCK)
    wide_row, wide_column = row.to(tl.int64), column.to(tl.int64)
    inside = (row < m)[:, None] & (column < k)[None, :]
    tile = tl.load(x + wide_row[:, None] * x_row + wide_column[None, :] * x_column, mask=inside, other=0.0).to(tl.float32)
    size = tl.abs(tile)
    scale, factor = _scale_of(tl.max(size, 1))
    tl.store(row_scales + j * row_scales_pitch + row, scale, mask=row < m)
    tl.store(rows + wide_row[:, None] * rows_pitch + column[None, :], (tile * factor[:, None]).to(tl.float8e4nv), mask=inside)
    scale, factor = _scale_of(tl.max(size, 0))
    tl.store(column_scales + i * column_scales_pitch + column, scale, mask=column < k)
    transposed = tl.trans(tile * factor[None, :]).to(tl.float8e4nv)
    within = (column < k)[:, None] & (row < m)[None, :]
    tl.store(columns + wide_column[:, None] * columns_pitch + row[None, :], transposed, mask=within)


def _empty(x: torch.Tensor, rows: int, columns: int) -> tuple[torch.Tensor, torch.Tensor]:
    """FP8 rows that are multiples of 16 bytes, and scales with rows innermost, which are multiples of 16 bytes too."""
    values = torch.empty(rows, -(-columns // 16) * 16, dtype=torch.float8_e4m3fn, device=x.device)
    scales = torch.empty(-(-columns // 128), -(-rows // 4) * 4, dtype=torch.float32, device=x.device)
    return values[:, :columns], scales[:, :rows].t()


def quantize_transposed(x: torch.Tensor) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
    """dgemm.quantize_transposed of a tensor on a GPU."""
    m, k = x.shape
    by_row, by_column = _empty(x, m, k), _empty(x, k, m)
    if m and k:
        with torch.cuda.device(x.device):
            _kernel[(-(-m // 128), -(-k // 128))](
                x, by_row[0], by_row[1], by_column[0], by_column[1], m, k, x.stride(0), x.stride(1), by_row[0].stride(0),
                by_row[1].stride(1), by_column[0].stride(0), by_column[1].stride(1), num_warps=8)
    return by_row, by_column
