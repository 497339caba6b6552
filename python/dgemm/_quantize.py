"""Quantisation of a tensor that two products read: by rows, and transposed."""

from __future__ import annotations

import importlib.util
import sys
from typing import Any

from ._casts import per_token_cast_to_fp8
from .utils import get_mn_major_tma_aligned_tensor

Pair = tuple[Any, Any]


def quantize_transposed(x: Any) -> tuple[Pair, Pair]:
    """x in FP8 by 1x128, and x.T in FP8 by 1x128: the activations for the forward product and for the gradient of the weights.

    `x` is [M, K], of torch or NumPy. Returns ((rows, scale), (columns, scale)): rows [M, K] float8_e4m3fn with a scale for each row
    and 128 columns, [M, ceil(K/128)]; columns [K, M] with a scale for each column of `x` and 128 rows, [K, ceil(M/128)]. Both are
    operands of the kernels: K, or M, is innermost in them, rows are multiples of 16 bytes, and scales have the order that TMA
    loads. On a GPU, one Triton kernel reads `x` once; its values are those of per_token_cast_to_fp8.
    """
    if getattr(x, "ndim", 0) != 2:
        raise ValueError(f"x has shape {list(getattr(x, 'shape', []))}; allowed is [M, K]")
    torch = sys.modules.get("torch")
    is_torch = torch is not None and isinstance(x, torch.Tensor)
    if is_torch and not x.is_floating_point():
        raise TypeError(f"x has dtype {x.dtype}; allowed are float32, bfloat16 and float16")
    if is_torch and x.is_cuda and importlib.util.find_spec("triton") is not None:
        from . import _quantize_triton

        return _quantize_triton.quantize_transposed(x)
    return tuple((_with_aligned_rows(values), get_mn_major_tma_aligned_tensor(scale))
                 for values, scale in (per_token_cast_to_fp8(x), per_token_cast_to_fp8(x.T)))


def _with_aligned_rows(values: Any) -> Any:
    """`values`, or a copy whose rows begin at multiples of 16 bytes."""
    rows, columns = values.shape
    if columns % 16 == 0:
        return values
    shape = (rows, -(-columns // 16) * 16)
    wide = values.new_empty(shape) if hasattr(values, "new_empty") else sys.modules["numpy"].zeros(shape, values.dtype)
    wide[:, :columns] = values
    return wide[:, :columns]
