"""(A * scale) @ (B * scale) with torch's layouts of operands and scales: a view, or a copy of the scales."""

from __future__ import annotations

import sys
from typing import Any, NoReturn

from . import _launch, _recipes, _tensors, utils
from ._epilogue import BIAS, Epilogue
from ._problem import FP8_DTYPES, OUT_DTYPES, Recipe, align, scale_shape

_NAMES = ("mat_a", "scale_a", "mat_b.T", "scale_b", "out")


def _strides(tensor: Any) -> tuple[int, ...]:
    """Strides in elements; for a library without strides, those of packed rows."""
    if hasattr(tensor, "stride"):
        return tuple(tensor.stride())
    if hasattr(tensor, "strides"):
        return tuple(stride // tensor.dtype.itemsize for stride in tensor.strides)
    return (tensor.shape[1], 1)


def _address(tensor: Any) -> int:
    if hasattr(tensor, "data_ptr"):
        return tensor.data_ptr()
    if hasattr(tensor, "ctypes"):
        return tensor.ctypes.data
    return tensor.data.ptr if _tensors.library(tensor) == "cupy" else 0


def _copied(tensor: Any) -> Any:
    """A copy with packed rows."""
    return tensor.contiguous().clone() if hasattr(tensor, "contiguous") else tensor.copy(order="C")


def _refuse_scale(name: str, scale: Any, allowed: str) -> NoReturn:
    strides = f" and strides {list(_strides(scale))}" if scale.ndim == 2 else ""
    raise ValueError(f"{name} has shape {list(scale.shape)}{strides}; allowed is {allowed}")


def _arrange_rows(name: str, scale: Any, rows: int, k: int) -> Any:
    """Scales by 1x128; copied if a kernel does not take their layout."""
    shape = scale_shape("1x128", rows, k)
    if tuple(scale.shape) != shape:
        _refuse_scale(name, scale, f"{list(shape)}, [rows, ceil(K/128)] for BlockWise1x128")
    row, column = _strides(scale)
    rows_innermost = (row == 1 or rows <= 1) and (column == align(rows, 4) or shape[1] <= 1)
    k_innermost = (column == 1 or shape[1] <= 1) and (row == shape[1] or rows <= 1)
    return scale if rows_innermost or k_innermost else utils.get_mn_major_tma_aligned_tensor(scale)


def _arrange_blocks(name: str, scale: Any, rows: int, k: int) -> Any:
    """Scales by 128x128 as [rows/128, K/128]. torch has them as [K/128, rows/128] with K innermost, and K padded to 4."""
    high, wide = scale_shape("128x128", rows, k)
    lengths = (wide, align(wide, 4))

    def fits(shape: tuple[int, ...], strides: tuple[int, ...]) -> bool:
        # K is innermost, which tells the two apart if both dimensions have the same number of blocks.
        return shape[0] == high and shape[1] in lengths and (strides[1] == 1 or shape[1] == 1)

    shape, strides = tuple(scale.shape), _strides(scale) if scale.ndim == 2 else ()
    if scale.ndim == 2 and fits(shape, strides):
        found = scale
    elif scale.ndim == 2 and _tensors.library(scale) != "jax" and fits(shape[::-1], strides[::-1]):
        found, strides = scale.T, strides[::-1]
    else:
        _refuse_scale(name, scale, f"[{high}, {wide}] and [{lengths[1]}, {high}] for BlockWise128x128, the ceil(K/128) scales "
                      "along K innermost")
    found = found[:, :wide]
    return found if high == 1 or strides[0] == wide else _copied(found)


def _arrange(name: str, scale: Any, granularity: str, rows: int, k: int) -> Any:
    """The scales of an operand in the layout of kernels: [rows, along K]. With the recipe "none", returns `scale` as it is;
    the product checks that it is None."""
    if granularity == "none":
        return scale
    if scale is None:
        raise TypeError(f"{name} is None; allowed is a tensor of scales, or the recipe 'none'")
    shape = tuple(scale.shape)
    if granularity == "tensor":
        if any(extent != 1 for extent in shape):
            _refuse_scale(name, scale, "one element, for TensorWise")
        found = scale.reshape(1, 1)
    elif granularity == "row":
        allowed = [(rows, 1), (rows,)] if name == "scale_a" else [(1, rows), (rows, 1), (rows,)]
        if shape not in allowed:
            _refuse_scale(name, scale, f"{list(allowed[0])} for RowWise")
        found = scale.reshape(rows, 1)
    elif granularity == "1x128":
        found = _arrange_rows(name, scale, rows, k)
    else:
        found = _arrange_blocks(name, scale, rows, k)
    return _copied(found) if _address(found) % 16 else found


def _empty(like: Any, rows: int, columns: int, out: str) -> Any:
    """A new tensor for the result, of the library of `like`."""
    kind, dtype = _tensors.library(like), OUT_DTYPES[out]
    if kind == "torch":
        return like.new_empty((rows, columns), dtype=getattr(sys.modules["torch"], dtype))
    if kind == "cupy":  # which has no bfloat16
        return sys.modules["cupy"].empty((rows, columns), "uint16" if out == "bf16" else dtype)
    if kind == "jax":
        numpy = sys.modules["jax"].numpy
        return numpy.zeros((rows, columns), getattr(numpy, dtype))
    if kind == "numpy":
        import numpy

        if out != "bf16":
            return numpy.empty((rows, columns), dtype)
        import ml_dtypes

        return numpy.empty((rows, columns), ml_dtypes.bfloat16)
    raise TypeError(f"mat_a is a {type(like).__module__}.{type(like).__qualname__}; out must be given for it")


def _check_matrices(mat_a: Any, mat_b: Any) -> None:
    for name, matrix, meaning in (("mat_a", mat_a, "[M, K]"), ("mat_b", mat_b, "[K, N]")):
        if getattr(matrix, "ndim", 0) != 2:
            raise ValueError(f"{name} is a {type(matrix).__name__} of shape {list(getattr(matrix, 'shape', []))}; allowed is "
                             f"{meaning}")
    if mat_a.shape[1] != mat_b.shape[0]:
        raise ValueError(f"mat_b has shape {list(mat_b.shape)}; allowed is [{mat_a.shape[1]}, N] with K of mat_a")
    k, n = mat_b.shape
    if _tensors.library(mat_b) != "jax" and k > 1 and n > 0 and _strides(mat_b)[0] != 1:
        raise ValueError(f"mat_b has strides {list(_strides(mat_b))}; allowed is K innermost: mat_b is the transpose (.T) of "
                         f"rows of [N, K]")


def _as_type(name: str, matrix: Any, argument: str, fp8: Any) -> Any:
    """A view of bytes as `fp8`, for a library without FP8; without `fp8` the matrix itself."""
    if fp8 is None:
        return matrix
    first = FP8_DTYPES[_recipes.fp8_type(argument, fp8)]
    return _tensors.view(name, matrix, (first, *(dtype for dtype in FP8_DTYPES.values() if dtype != first)))


def multiply(mat_a: Any, mat_b: Any, scale_a: Any, granularity_a: str, scale_b: Any, granularity_b: str, out: Any,
             accuracy: str = "exact", bias: Any = None, a_type: Any = None, b_type: Any = None,
             epilogue: Epilogue | None = None) -> Any:
    """The product, at once; `bias` [N] is added to it, or `epilogue` makes the result of it. `out` is a tensor, or "bf16", "f16" or
    "f32" for a new one."""
    _check_matrices(mat_a, mat_b)
    (m, k), n = mat_a.shape, mat_b.shape[1]
    scale_a = _arrange("scale_a", scale_a, granularity_a, m, k)
    scale_b = _arrange("scale_b", scale_b, granularity_b, n, k)
    columns = n // 2 if epilogue is not None and epilogue.trace.gated else n
    d = _empty(mat_a, m, columns, out) if isinstance(out, str) else out
    a, b = _as_type("mat_a", mat_a, "a_type", a_type), _as_type("mat_b.T", mat_b.T, "b_type", b_type)
    recipe = Recipe(granularity_a, granularity_b, accuracy)
    if bias is not None:
        if tuple(bias.shape) != (n,):
            raise ValueError(f"bias has shape {list(bias.shape)}; allowed is [{n}], N of mat_b")
        epilogue = Epilogue(BIAS, (bias,))
    if epilogue is None:
        _launch.dispatcher("dense", recipe, _NAMES)(a, scale_a, b, scale_b, d, None, 0)
    else:
        _launch.dispatcher("dense", recipe, _NAMES, trace=epilogue.trace).call_with(a, scale_a, b, scale_b, d, None, 0,
                                                                                     epilogue.tensors)
    return d
