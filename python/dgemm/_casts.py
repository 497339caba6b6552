"""Casts to FP8 with scales, for torch tensors and NumPy arrays (with ml_dtypes)."""

from __future__ import annotations

import sys
from typing import Any

from ._problem import ceil_div

# Of float8_e4m3fn. On a GPU, torch divides by a number by a multiplication with its reciprocal. So all casts multiply.
_PER_LARGEST = 1 / 448.0
_LEAST_AMAX = 1e-4  # so that the scale of a block of zeros is not zero


class _Torch:
    """Functions with different names in NumPy and torch."""

    def __init__(self, torch: Any):
        self.int32, self.uint8, self.float32, self.fp8 = torch.int32, torch.uint8, torch.float32, torch.float8_e4m3fn
        self.amax = lambda x, axes: torch.amax(x, dim=axes, keepdim=True)
        self.clamp = lambda x, least, most=None: torch.clamp(x, min=least, max=most)
        self.cast = lambda x, dtype: x.to(dtype)
        self.compact = lambda x: x.contiguous()

    def pad(self, x: Any, shape: tuple[int, ...]) -> Any:
        result = x.new_zeros(shape)
        result[tuple(slice(0, extent) for extent in x.shape)] = x
        return result


class _NumPy(_Torch):
    def __init__(self):
        import numpy as np
        from ml_dtypes import float8_e4m3fn

        self.int32, self.uint8, self.float32, self.fp8 = np.int32, np.uint8, np.float32, float8_e4m3fn
        self.amax = lambda x, axes: np.max(x, axis=axes, keepdims=True)
        self.clamp = lambda x, least, most=None: np.clip(x, least, most)
        self.cast = lambda x, dtype: x.astype(dtype)
        self.compact = np.ascontiguousarray
        self.zeros = np.zeros

    def pad(self, x: Any, shape: tuple[int, ...]) -> Any:
        result = self.zeros(shape, x.dtype)
        result[tuple(slice(0, extent) for extent in x.shape)] = x
        return result


def _library(x: Any) -> _Torch:
    torch = sys.modules.get("torch")
    return _Torch(torch) if torch is not None and isinstance(x, torch.Tensor) else _NumPy()


def _check_rank(x: Any) -> None:
    if x.ndim != 2:
        raise ValueError(f"x has {x.ndim} dimensions, shape {list(x.shape)}; allowed are 2")


def ceil_to_ue8m0(x: Any) -> Any:
    """|x| rounded up to powers of two, as float32: scales that UE8M0 can hold."""
    lib = _library(x)
    bits = lib.cast(abs(x), lib.float32).view(lib.int32)
    exponent = ((bits >> 23) & 0xFF) + lib.cast((bits & 0x7FFFFF) != 0, lib.int32)
    return (lib.clamp(exponent, 1, 254) << 23).view(lib.float32)


def pack_ue8m0_to_int(x: Any) -> Any:
    """The exponents of four float32 in each int32; the last dimension is a multiple of 4."""
    lib = _library(x)
    bits = x.view(lib.int32)
    if x.shape[-1] % 4 or bool(((bits < 0) | (bits & 0x7FFFFF != 0)).any()):
        raise ValueError("x has an element that is not a power of two, or its last dimension is not a multiple of 4")
    return lib.compact(lib.cast(bits >> 23, lib.uint8)).view(lib.int32)


def unpack_ue8m0_from_int(packed_sf: Any) -> Any:
    """The reverse of pack_ue8m0_to_int."""
    lib = _library(packed_sf)
    return (lib.cast(packed_sf.view(lib.uint8), lib.int32) << 23).view(lib.float32)


def _cast(x: Any, axes: tuple[int, ...], use_ue8m0: bool) -> tuple[Any, Any]:
    """`x` in FP8, and the scale of each block: its largest element over `axes`. Dimensions are kept."""
    lib = _library(x)
    amax = lib.clamp(lib.amax(lib.cast(abs(x), lib.float32), axes), _LEAST_AMAX)
    scale = amax * _PER_LARGEST
    scale = ceil_to_ue8m0(scale) if use_ue8m0 else scale
    return lib.cast(lib.cast(x, lib.float32) * (1.0 / scale), lib.fp8), scale


def per_token_cast_to_fp8(x: Any, use_ue8m0: bool = False, gran_k: int = 128,
                          use_packed_ue8m0: bool = False) -> tuple[Any, Any]:
    """[M, K] in FP8, and a scale for each row and `gran_k` columns: what A needs."""
    _check_rank(x)
    lib, (rows, columns) = _library(x), x.shape
    blocks = ceil_div(columns, gran_k)
    result, scale = _cast(lib.pad(x, (rows, blocks * gran_k)).reshape(rows, blocks, gran_k), (2,), use_ue8m0)
    scale = scale.reshape(rows, blocks)
    return (lib.compact(result.reshape(rows, -1)[:, :columns]),
            pack_ue8m0_to_int(scale) if use_packed_ue8m0 else scale)


def per_channel_cast_to_fp8(x: Any, use_ue8m0: bool = False, gran_k: int = 128) -> tuple[Any, Any]:
    """[K, N] in FP8, and a scale for each column and `gran_k` rows."""
    _check_rank(x)
    rows, columns = x.shape
    if rows % gran_k:
        raise ValueError(f"x has shape {list(x.shape)}; allowed are multiples of {gran_k} rows")
    result, scale = _cast(x.reshape(-1, gran_k, columns), (1,), use_ue8m0)
    return result.reshape(rows, columns), scale.reshape(-1, columns)


def per_block_cast_to_fp8(x: Any, use_ue8m0: bool = False, gran_k: int = 128) -> tuple[Any, Any]:
    """[N, K] in FP8, and a scale for each block of `gran_k` x `gran_k`: what B needs."""
    _check_rank(x)
    lib, (rows, columns) = _library(x), x.shape
    high, wide = ceil_div(rows, gran_k), ceil_div(columns, gran_k)
    padded = lib.pad(x, (high * gran_k, wide * gran_k)).reshape(high, gran_k, wide, gran_k)
    result, scale = _cast(padded, (1, 3), use_ue8m0)
    return lib.compact(result.reshape(high * gran_k, wide * gran_k)[:rows, :columns]), scale.reshape(high, wide)


def per_custom_dims_cast_to_fp8(x: Any, dims: tuple[int, ...], use_ue8m0: bool = False) -> tuple[Any, Any]:
    """`x` in FP8, and a scale for each index of the dimensions `dims`."""
    others = tuple(axis for axis in range(x.ndim) if axis not in dims)
    result, scale = _cast(x, others, use_ue8m0)
    return result, scale.squeeze()
