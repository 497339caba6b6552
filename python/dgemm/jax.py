"""dgemm under jax.jit: products are foreign functions of XLA, on its stream, and on the emulator where JAX runs on the CPU."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from . import _check, _jax, _recipes, _settings
from ._epilogue import Epilogue
from ._epilogue import check as check_epilogue
from ._problem import ACCURACIES, BLOCK, FP8_DTYPES, GRANULARITIES, OUT_DTYPES, Problem, ceil_div, scale_shape
from ._trace import OPERAND_DTYPES

__all__ = ["gemm", "gemm_contiguous", "gemm_masked", "linear", "quantize", "scaled_mm"]

_FP8_NAMES = {dtype: name for name, dtype in FP8_DTYPES.items()}
_WITH_SCALES = tuple(name for name in GRANULARITIES if name != "none")
"""A foreign function of XLA takes the scales of both operands."""


# ----------------------------------------------------------------------------
# Functions
# ----------------------------------------------------------------------------


def _check_operand(name: str, matrix: Any, scale: Any, granularity: str, ndim: int) -> None:
    letter = "M" if name == "a" else "N"
    front = "G, " if ndim == 3 else ""
    if getattr(matrix, "ndim", None) != ndim:
        raise ValueError(f"{name}[0] has shape {list(getattr(matrix, 'shape', []))}; allowed is [{front}{letter}, K]; jax.vmap takes "
                         "more dimensions")
    if str(matrix.dtype) not in _FP8_NAMES:
        raise TypeError(f"{name}[0] has dtype {matrix.dtype}; {_check.allowed(_FP8_NAMES)}")
    shape = (*matrix.shape[:-2], *scale_shape(granularity, *matrix.shape[-2:]))
    if tuple(getattr(scale, "shape", ())) != shape:
        raise ValueError(f"{name}[1] has shape {list(getattr(scale, 'shape', []))}; allowed is {list(shape)}, scales for "
                         f"'{granularity}'")
    if str(scale.dtype) != "float32":
        raise TypeError(f"{name}[1] has dtype {scale.dtype}; allowed is float32")


def _check_groups(name: str, groups: Any, size: int, meaning: str) -> None:
    if tuple(getattr(groups, "shape", ())) != (size,) or str(groups.dtype) != "int32":
        raise ValueError(f"{name} has shape {list(getattr(groups, 'shape', []))} and dtype {getattr(groups, 'dtype', None)}; allowed is "
                         f"[{size}] of int32, one for each {meaning}")


def _check_others(epilogue: Any) -> None:
    for name, tensor in zip(epilogue.trace.names, epilogue.tensors):
        if str(getattr(tensor, "dtype", None)) not in OPERAND_DTYPES:
            raise TypeError(f"operand {name} of the epilogue has dtype {getattr(tensor, 'dtype', None)}; {_check.allowed(OPERAND_DTYPES)}")


def _multiply(a: Any, b: Any, ndims: tuple[int, int], out_dtype: Any, recipe_a: Any, recipe_b: Any, accuracy: str, epilogue: Any,
              groups: tuple[str, Any, str] | None = None, expected_m: int = 0) -> jax.Array:
    """The product of two pairs with `ndims` dimensions. `groups` is the name, the array, and what it has a value for."""
    for name, pair in (("a", a), ("b", b)):
        _check.pair(name, pair, f"({name.upper()}, scale)")
    of_a = _recipes.granularity("recipe_a", recipe_a, _WITH_SCALES)
    of_b = _recipes.granularity("recipe_b", recipe_b, _WITH_SCALES)
    _check.choice("accuracy", accuracy, ACCURACIES)
    if accuracy != "exact" and not {of_a, of_b} <= {"tensor", "row"}:
        raise ValueError(f"accuracy is '{accuracy}' with scales for '{of_a}' and '{of_b}'; it is allowed with 'tensor' and 'row', which do "
                         "not vary along K")
    _check_operand("a", *a, of_a, ndims[0])
    _check_operand("b", *b, of_b, ndims[1])
    (x, scale_x), (y, scale_y) = a, b
    if x.shape[-1] != y.shape[-1] or (ndims == (3, 3) and x.shape[0] != y.shape[0]):
        front = f"{x.shape[0]}, " if ndims == (3, 3) else "G, " if ndims[1] == 3 else ""
        raise ValueError(f"b[0] has shape {list(y.shape)}; allowed is [{front}N, {x.shape[-1]}] with {'G and ' * (ndims == (3, 3))}K of a[0]")
    if groups is not None:
        name, array, meaning = groups
        _check_groups(name, array, y.shape[0] if meaning == "group" else x.shape[0], meaning)
    traced, others = None, ()
    if epilogue is not None:
        check_epilogue("epilogue", epilogue)
        _check_others(epilogue)
        traced, others = epilogue.trace, epilogue.tensors
    like = Problem(n=y.shape[-2], k=y.shape[-1], scale_a=of_a, scale_b=of_b, a_type=_FP8_NAMES[str(x.dtype)],
                   b_type=_FP8_NAMES[str(y.dtype)], out=_recipes.out_type("out_dtype", out_dtype), accuracy=accuracy,
                   row_alignment=_settings.current().row_alignment if ndims == (2, 3) else 128)
    return _jax.bind(_jax.Call(like, traced, expected_m), (x, scale_x, y, scale_y), None if groups is None else groups[1], others)


def gemm(a: tuple[Any, Any], b: tuple[Any, Any], out_dtype: Any = "bf16", *, recipe_a: Any = "1x128", recipe_b: Any = "128x128",
         accuracy: str = "exact", epilogue: Epilogue | None = None) -> jax.Array:
    """A @ B.T, with FP8 operands that have scales; under jax.jit, jax.vmap and jax.shard_map, too.

    Args:
        a: (A, scale): A is [M, K] float8_e4m3fn or float8_e5m2; scale is float32, [M, ceil(K/128)] for "1x128".
        b: (B, scale): B is [N, K]; scale is [ceil(N/128), ceil(K/128)] for "128x128".
        out_dtype: "bf16", "f16" or "f32", or a dtype.
        recipe_a, recipe_b: the block of an operand that one scale covers: "1x128", "128x128", "row" ([rows, 1]) or "tensor" ([1, 1]).
        accuracy: "exact", or where scales do not vary along K "balanced" or "fast".
        epilogue: the result of dgemm.epilogue. It is applied to each element of the product before rounding. Its operands may be
            traced.

    Under jax.vmap, batches of A become rows of one product, and batches of B a batch of products. The kernel is compiled when
    JAX lowers the call. Raises TypeError or ValueError, naming the argument, and CompileError.
    """
    return _multiply(a, b, (2, 2), out_dtype, recipe_a, recipe_b, accuracy, epilogue)


def gemm_contiguous(a: tuple[Any, Any], b: tuple[Any, Any], m_indices: Any, out_dtype: Any = "bf16", *, recipe_a: Any = "1x128",
                    recipe_b: Any = "128x128", accuracy: str = "exact", epilogue: Epilogue | None = None) -> jax.Array:
    """A[row] @ B[m_indices[row]].T for each row: groups of rows, one after the other.

    Args:
        a: as in gemm. Each group starts at a multiple of dgemm.get_mk_alignment_for_contiguous_layout() rows.
        b: (B, scale) of [G, N, K] and [G, ceil(N/128), ceil(K/128)].
        m_indices: [M] int32, the group of each row, or -1 for padding. Rows of padding may hold anything in the result.
        others: as in gemm.
    """
    return _multiply(a, b, (2, 3), out_dtype, recipe_a, recipe_b, accuracy, epilogue, ("m_indices", m_indices, "row"))


def gemm_masked(a: tuple[Any, Any], b: tuple[Any, Any], masked_m: Any, expected_m: int = 0, out_dtype: Any = "bf16", *,
                recipe_a: Any = "1x128", recipe_b: Any = "128x128", accuracy: str = "exact", epilogue: Epilogue | None = None) -> jax.Array:
    """A[g] @ B[g].T for the first masked_m[g] rows of each group g. The other rows of the result may hold anything.

    Args:
        a: (A, scale) of [G, M, K] and [G, M, ceil(K/128)].
        b: (B, scale) of [G, N, K] and [G, ceil(N/128), ceil(K/128)].
        masked_m: [G] int32.
        expected_m: a hint: the expected number of rows of a group; 0 for M.
        others: as in gemm.
    """
    return _multiply(a, b, (3, 3), out_dtype, recipe_a, recipe_b, accuracy, epilogue, ("masked_m", masked_m, "group"),
                     _check.integer("expected_m", expected_m, 0))


def scaled_mm(mat_a: Any, mat_b: Any, scale_a: Any, scale_recipe_a: Any, scale_b: Any, scale_recipe_b: Any,
              output_dtype: Any = "bf16", use_fast_accum: bool = False) -> jax.Array:
    """(mat_a * scale_a) @ (mat_b * scale_b), as dgemm.scaled_mm does it, under jax.jit.

    mat_b is [K, N]; XLA lays it out with K innermost, so that a transpose of rows of [N, K] moves nothing. Scales are those of
    gemm: those of mat_b are [N, ceil(K/128)] for BlockWise1x128, [ceil(N/128), ceil(K/128)] for BlockWise128x128, [1, N] or [N, 1]
    for RowWise, one element for TensorWise.
    """
    pair = tuple(_recipes.granularity(name, recipe, _WITH_SCALES)
                 for name, recipe in (("scale_recipe_a", scale_recipe_a), ("scale_recipe_b", scale_recipe_b)))
    if getattr(mat_b, "ndim", None) != 2:
        raise ValueError(f"mat_b has shape {list(getattr(mat_b, 'shape', []))}; allowed is [K, N]")

    def arrange(scale: Any, granularity: str) -> Any:
        if granularity == "tensor" and scale.size == 1:
            return scale.reshape(1, 1)
        return scale.reshape(-1, 1) if granularity == "row" and scale.size == max(scale.shape, default=1) else scale

    return gemm((mat_a, arrange(scale_a, pair[0])), (mat_b.T, arrange(scale_b, pair[1])), output_dtype, recipe_a=pair[0],
                recipe_b=pair[1], accuracy=_recipes.accuracy(pair, use_fast_accum))


def quantize(x: Any, granularity: str = "1x128", dtype: Any = "e4m3") -> tuple[jax.Array, jax.Array]:
    """[rows, K] in FP8 and its scales, as gemm takes them: the largest element that shares a scale becomes the largest of FP8."""
    name = _recipes.granularity("granularity", granularity, _WITH_SCALES)
    if x.ndim != 2:
        raise ValueError(f"x has shape {list(x.shape)}; allowed are 2 dimensions")
    fp8 = jnp.dtype(FP8_DTYPES[_recipes.fp8_type("dtype", dtype)])
    rows, k = x.shape
    high, wide = scale_shape(name, rows, k)
    block = ceil_div(rows, high) if name == "tensor" else BLOCK if name == "128x128" else 1, BLOCK if name.endswith("128") else k
    padded = jnp.pad(x.astype(jnp.float32), ((0, high * block[0] - rows), (0, wide * block[1] - k)))
    blocks = padded.reshape(high, block[0], wide, block[1])
    scale = jnp.maximum(jnp.abs(blocks).max((1, 3)), 1e-4) / float(jnp.finfo(fp8).max)
    cast = (blocks * (1 / scale)[:, None, :, None]).astype(fp8)
    return cast.reshape(padded.shape)[:rows, :k], scale


def _product(x: Any, y: Any, recipe_y: str, out_dtype: Any) -> jax.Array:
    """x @ y.T of operands that are cast here."""
    return gemm(quantize(x), quantize(y, recipe_y), out_dtype, recipe_b=recipe_y)


@jax.custom_vjp
def linear(x: Any, weight: Any) -> jax.Array:
    """x @ weight.T in FP8, as DeepSeek-V3 trains: x [..., K] is cast by 1x128, weight [N, K] by 128x128, and so are the operands of
    the gradients; that of the weight is a product of 1x128 by 1x128 in float32."""
    return _forward(x, weight)[0]


def _forward(x: Any, weight: Any) -> Any:
    flat = x.reshape(-1, x.shape[-1])
    y = _product(flat, weight, "128x128", _out_of(x.dtype))
    return y.reshape(*x.shape[:-1], weight.shape[0]), (x, weight)


def _backward(saved: Any, gradient: Any) -> Any:
    x, weight = saved
    flat, rows = gradient.reshape(-1, gradient.shape[-1]), x.reshape(-1, x.shape[-1])
    of_x = _product(flat, weight.T, "128x128", _out_of(x.dtype)).reshape(x.shape)
    of_weight = _product(flat.T, rows.T, "1x128", "f32")
    return of_x.astype(x.dtype), of_weight.astype(weight.dtype)


def _out_of(dtype: Any) -> str:
    """The type of D for what is of `dtype`."""
    names = {name: out for out, name in OUT_DTYPES.items()}
    return names.get(str(dtype), "f32")


linear.defvjp(_forward, _backward)
