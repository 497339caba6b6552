"""dgemm under jax.jit: products are foreign functions of XLA, on its stream, and on the emulator where JAX runs on the CPU."""

from __future__ import annotations

import functools
import hashlib
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

from . import _assembler, _check, _device, _dgemm, _jit, _recipes, _settings
from ._kernel import Kernel
from ._problem import ACCURACIES, BLOCK, DYNAMIC, FP8_DTYPES, OUT_DTYPES, Problem, ceil_div, is_for_each_row, scale_shape

__all__ = ["gemm", "linear", "quantize", "scaled_mm"]

_TARGET = "dgemm_gemm"
_FP8_NAMES = {dtype: name for name, dtype in FP8_DTYPES.items()}


# ----------------------------------------------------------------------------
# The primitive: operands in the order of the launch descriptor
# ----------------------------------------------------------------------------

_gemm = Primitive(_TARGET)


def _shape_of_d(a: Any, b: Any) -> tuple[int, ...]:
    return (*a.shape[:-1], b.shape[-2])


@_gemm.def_abstract_eval
def _abstract(*operands: Any, problem: Problem, m: int) -> Any:
    a, _, b = operands[:3]
    result = a.update(shape=_shape_of_d(a, b), dtype=jnp.dtype(OUT_DTYPES[problem.out]), weak_type=False)
    axes = frozenset().union(*(getattr(operand, "vma", frozenset()) for operand in operands))
    return result.update(vma=axes) if axes else result  # the axes of a mesh over which D differs


@functools.lru_cache(maxsize=1024)
def _jitted(problem: Problem, m: int) -> Any:
    return jax.jit(functools.partial(_gemm.bind, problem=problem, m=m))


@_gemm.def_impl
def _run_now(*operands: Any, problem: Problem, m: int) -> Any:
    with jax.disable_jit(False):  # which would call this again
        return _jitted(problem, m)(*operands)


@functools.cache
def _register() -> None:
    """Once JAX has a backend: a handler that XLA refuses must not take a backend with it."""
    jax.devices()
    for platform, handlers in _dgemm.xla_handlers().items():
        jax.ffi.register_ffi_target(_TARGET, handlers, platform=platform)


def _find_kernel(problem: Problem, m: int, platform: str) -> Kernel:
    if platform == "cpu":
        return _jit.get_chosen(problem, m, assembler=_assembler.NONE)
    multiprocessors = _settings.current().num_sms or _device.multiprocessors(0)
    return _jit.get_chosen(problem, m, 0, multiprocessors, _device.machine(0))


def _layouts(problem: Problem, operands: tuple[Any, ...]) -> list[tuple[int, ...]]:
    """The order of dimensions of each operand in memory, innermost first, as XLA's layouts have it."""
    layouts = [tuple(reversed(range(operand.ndim))) for operand in operands]
    for index, granularity, k_innermost in ((1, problem.scale_a, problem.scale_a_k_innermost),
                                            (3, problem.scale_b, problem.scale_b_k_innermost)):
        if is_for_each_row(granularity) and not k_innermost:
            *outer, rows, k = range(operands[index].ndim)
            layouts[index] = (rows, k, *reversed(outer))
    return layouts


def _lower(platform: str, context: Any, *operands: Any, problem: Problem, m: int) -> Any:
    _register()
    kernel = _find_kernel(problem, m, platform)
    ptx = "" if kernel.cubin else kernel.ptx
    identity = hashlib.sha256(b"\0".join((ptx.encode(), kernel.cubin, kernel.launch_json.encode()))).hexdigest()
    rule = jax.ffi.ffi_lowering(_TARGET, operand_layouts=_layouts(problem, context.avals_in))
    return rule(context, *operands, id=identity, ptx=ptx, cubin=np.frombuffer(kernel.cubin, np.uint8), launch=kernel.launch_json,
                m=np.int64(m), multiprocessors=np.int64(_settings.current().num_sms or 0))


for _platform in ("cpu", "cuda"):
    mlir.register_lowering(_gemm, functools.partial(_lower, _platform), platform=_platform)


def _refuse_gradient(*_: Any, **__: Any) -> Any:
    raise TypeError("a product of FP8 operands has no gradient: what they were cast from has one; dgemm.jax.linear casts and "
                    "multiplies, and has gradients")


ad.primitive_jvps[_gemm] = _refuse_gradient


# ----------------------------------------------------------------------------
# vmap
# ----------------------------------------------------------------------------


def _batch(operands: tuple[Any, ...], dims: tuple[Any, ...], *, problem: Problem, m: int) -> Any:
    """More groups; or more rows, where nothing of B differs."""
    size = next(operand.shape[dim] for operand, dim in zip(operands, dims) if dim is not None)

    def front(operand: Any, dim: Any) -> Any:
        if dim is None:
            return jnp.broadcast_to(operand, (size, *operand.shape))
        return jnp.moveaxis(operand, dim, 0)

    is_dense = problem.layout == "dense"
    if is_dense and dims[2] is None and dims[3] is None and is_for_each_row(problem.scale_a):
        a, scale_a = (front(*pair).reshape(-1, pair[0].shape[-1]) for pair in zip(operands[:2], dims[:2]))
        return _bind(a, scale_a, *operands[2:], like=problem).reshape(size, m, -1), 0
    moved = [front(*pair) for pair in zip(operands[:5], dims[:5])]
    if is_dense:
        return _bind(*moved, jnp.full(size, m, jnp.int32), like=problem), 0
    groups = moved[0].shape[1]
    flat = [operand.reshape(size * groups, *operand.shape[2:]) for operand in moved]
    return _bind(*flat, like=problem).reshape(size, groups, m, -1), 0


batching.primitive_batchers[_gemm] = _batch


def _bind(*operands: Any, like: Problem) -> Any:
    """The product by the recipe of `like`: groups for operands of 3 dimensions."""
    a, _, b = operands[:3]
    (m, k), n = a.shape[-2:], b.shape[-2]
    if 0 in (*a.shape, *b.shape):
        return jnp.zeros(_shape_of_d(a, b), OUT_DTYPES[like.out])
    layout, groups = ("masked", a.shape[0]) if a.ndim == 3 else ("dense", DYNAMIC)
    problem = replace(like, n=n, k=k, m=m, layout=layout, groups=groups,
                      # XLA's layouts are packed; the kernels' rows of scales that are innermost are a multiple of 4.
                      scale_a_k_innermost=is_for_each_row(like.scale_a) and m % 4 != 0,
                      scale_b_k_innermost=is_for_each_row(like.scale_b) and n % 4 != 0).canonical()
    if not problem.needs_m:
        problem = replace(problem, m=DYNAMIC)
    return _gemm.bind(*operands, problem=problem, m=m)


# ----------------------------------------------------------------------------
# Functions
# ----------------------------------------------------------------------------


def _check_operand(name: str, matrix: Any, scale: Any, granularity: str) -> None:
    letter = "M" if name == "a" else "N"
    if getattr(matrix, "ndim", None) != 2:
        raise ValueError(f"{name}[0] has shape {list(getattr(matrix, 'shape', []))}; allowed is [{letter}, K]; jax.vmap takes more "
                         "dimensions")
    if str(matrix.dtype) not in _FP8_NAMES:
        raise TypeError(f"{name}[0] has dtype {matrix.dtype}; {_check.allowed(_FP8_NAMES)}")
    shape = scale_shape(granularity, *matrix.shape)
    if tuple(getattr(scale, "shape", ())) != shape:
        raise ValueError(f"{name}[1] has shape {list(getattr(scale, 'shape', []))}; allowed is {list(shape)}, scales for "
                         f"'{granularity}'")
    if str(scale.dtype) != "float32":
        raise TypeError(f"{name}[1] has dtype {scale.dtype}; allowed is float32")


def gemm(a: tuple[Any, Any], b: tuple[Any, Any], out_dtype: Any = "bf16", *, recipe_a: Any = "1x128", recipe_b: Any = "128x128",
         accuracy: str = "exact") -> jax.Array:
    """A @ B.T, with FP8 operands that have scales; under jax.jit, jax.vmap and jax.shard_map, too.

    Args:
        a: (A, scale): A is [M, K] float8_e4m3fn or float8_e5m2; scale is float32, [M, ceil(K/128)] for "1x128".
        b: (B, scale): B is [N, K]; scale is [ceil(N/128), ceil(K/128)] for "128x128".
        out_dtype: "bf16", "f16" or "f32", or a dtype.
        recipe_a, recipe_b: what of an operand one scale belongs to: "1x128", "128x128", "row" ([rows, 1]) or "tensor" ([1, 1]).
        accuracy: "exact", or "fast" where scales do not vary along K.

    Under jax.vmap, batches of A become rows of one product, and batches of B groups. The kernel is compiled when JAX lowers the
    call. Raises TypeError or ValueError, naming the argument, and CompileError.
    """
    for name, pair in (("a", a), ("b", b)):
        _check.pair(name, pair, f"({name.upper()}, scale)")
    of_a, of_b = _recipes.granularity("recipe_a", recipe_a), _recipes.granularity("recipe_b", recipe_b)
    _check.choice("accuracy", accuracy, ACCURACIES)
    if accuracy == "fast" and not {of_a, of_b} <= {"tensor", "row"}:
        raise ValueError(f"accuracy is 'fast' with scales for '{of_a}' and '{of_b}'; allowed is it with 'tensor' and 'row', which do "
                         "not vary along K")
    _check_operand("a", *a, of_a)
    _check_operand("b", *b, of_b)
    (x, scale_x), (y, scale_y) = a, b
    if x.shape[1] != y.shape[1]:
        raise ValueError(f"b[0] has shape {list(y.shape)}; allowed is [N, {x.shape[1]}] with K of a[0]")
    like = Problem(n=y.shape[0], k=y.shape[1], scale_a=of_a, scale_b=of_b, a_type=_FP8_NAMES[str(x.dtype)],
                   b_type=_FP8_NAMES[str(y.dtype)], out=_recipes.out_type("out_dtype", out_dtype), accuracy=accuracy)
    return _bind(x, scale_x, y, scale_y, like=like)


def scaled_mm(mat_a: Any, mat_b: Any, scale_a: Any, scale_recipe_a: Any, scale_b: Any, scale_recipe_b: Any,
              output_dtype: Any = "bf16", use_fast_accum: bool = False) -> jax.Array:
    """(mat_a * scale_a) @ (mat_b * scale_b), as dgemm.scaled_mm does it, under jax.jit.

    mat_b is [K, N]; XLA lays it out with K innermost, so that a transpose of rows of [N, K] moves nothing. Scales are those of
    gemm: those of mat_b are [N, ceil(K/128)] for BlockWise1x128, [ceil(N/128), ceil(K/128)] for BlockWise128x128, [1, N] or [N, 1]
    for RowWise, one element for TensorWise.
    """
    pair = _recipes.granularity("scale_recipe_a", scale_recipe_a), _recipes.granularity("scale_recipe_b", scale_recipe_b)
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
    name = _recipes.granularity("granularity", granularity)
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
