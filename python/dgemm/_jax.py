"""The primitive of JAX: a product whose kernel XLA calls as a foreign function. dgemm.jax has what callers see."""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

from . import _assembler, _device, _dgemm, _jit, _settings
from ._epilogue import find_axis
from ._kernel import Kernel
from ._operands import GROUPS
from ._problem import DYNAMIC, OUT_DTYPES, OWN_ROWS, Problem, is_for_each_row
from ._trace import Trace

_TARGET = "dgemm_gemm"


@dataclass(frozen=True)
class Call:
    """All of a product except its operands."""

    like: Problem
    """A problem with the recipe of the product."""
    trace: Trace | None = None
    """The trace of the epilogue."""
    expected_m: int = 0

    def columns(self, b: Any) -> int:
        """Columns of D. A gated epilogue makes one column of two."""
        n = b.shape[-2]
        return n // 2 if self.trace is not None and self.trace.gated else n


# ----------------------------------------------------------------------------
# The primitive. Its operands: a, scale_a, b, scale_b, those of groups if the layout has one, those of the epilogue
# ----------------------------------------------------------------------------

_gemm = Primitive(_TARGET)


def _shape_of_d(a: Any, b: Any, call: Call) -> tuple[int, ...]:
    return (*a.shape[:-1], call.columns(b))


@_gemm.def_abstract_eval
def _abstract(*operands: Any, problem: Problem, m: int, call: Call) -> Any:
    a, _, b = operands[:3]
    result = a.update(shape=_shape_of_d(a, b, call), dtype=jnp.dtype(OUT_DTYPES[problem.out]), weak_type=False)
    axes = frozenset().union(*(getattr(operand, "vma", frozenset()) for operand in operands))
    return result.update(vma=axes) if axes else result  # the axes of a mesh over which D differs


@functools.lru_cache(maxsize=1024)
def _jitted(problem: Problem, m: int, call: Call) -> Any:
    return jax.jit(functools.partial(_gemm.bind, problem=problem, m=m, call=call))


@_gemm.def_impl
def _run_now(*operands: Any, problem: Problem, m: int, call: Call) -> Any:
    with jax.disable_jit(False):  # which would call this again
        return _jitted(problem, m, call)(*operands)


@functools.cache
def _register() -> None:
    """Registers the handlers after JAX has a backend. Otherwise a handler that XLA refuses would make the backend fail."""
    jax.devices()
    for platform, handlers in _dgemm.xla_handlers().items():
        jax.ffi.register_ffi_target(_TARGET, handlers, platform=platform)


def find_kernel(problem: Problem, m: int, expected_m: int, platform: str) -> Kernel:
    if platform == "cpu":
        return _jit.get_chosen(problem, m, expected_m, assembler=_assembler.NONE)
    multiprocessors = _settings.current().num_sms or _device.multiprocessors(0)
    return _jit.get_chosen(problem, m, expected_m, multiprocessors, _device.machine(0))


def _layouts(problem: Problem, operands: tuple[Any, ...]) -> list[tuple[int, ...]]:
    """The order of dimensions of each operand in memory, innermost first, as XLA's layouts have it."""
    layouts = [tuple(reversed(range(operand.ndim))) for operand in operands]
    for index, granularity, k_innermost in ((1, problem.scale_a, problem.scale_a_k_innermost),
                                            (3, problem.scale_b, problem.scale_b_k_innermost)):
        if is_for_each_row(granularity) and not k_innermost:
            *outer, rows, k = range(operands[index].ndim)
            layouts[index] = (rows, k, *reversed(outer))
    return layouts


def _lower(platform: str, context: Any, *operands: Any, problem: Problem, m: int, call: Call) -> Any:
    _register()
    kernel = find_kernel(problem, m, call.expected_m, platform)
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


def bind(call: Call, matrices: tuple[Any, Any, Any, Any], groups: Any = None, others: tuple[Any, ...] = ()) -> Any:
    """The product of (a, scale_a, b, scale_b). Its layout follows from their dimensions. Without `groups` it is batched if G is in
    front of all, else dense. With `groups` it is masked if G is in front of A, else contiguous. `others` are the operands of the
    epilogue."""
    a, _, b, _ = matrices
    (m, k), n = a.shape[-2:], b.shape[-2]
    layout = ("masked" if a.ndim == 3 else "contiguous") if groups is not None else "batched" if a.ndim == 3 else "dense"
    number = DYNAMIC if layout == "dense" else b.shape[0]
    like = call.like
    if 0 in (*a.shape, *b.shape):
        if call.trace is not None and 0 not in _shape_of_d(a, b, call):
            raise ValueError("a[0] has no columns; allowed is K of at least 1 with an epilogue")
        return jnp.zeros(_shape_of_d(a, b, call), OUT_DTYPES[like.out])
    epilogue = ""
    if call.trace is not None:
        axes = tuple(find_axis(name, other.shape, layout, m, call.columns(b), number) for name, other in zip(call.trace.names, others))
        epilogue = call.trace.text(axes, tuple(str(other.dtype) for other in others), like.out == "f32")
    problem = replace(like, n=n, k=k, m=m, layout=layout, groups=number, epilogue=epilogue,
                      # XLA's layouts are packed; the kernels' rows of scales that are innermost are a multiple of 4.
                      scale_a_k_innermost=is_for_each_row(like.scale_a) and m % 4 != 0,
                      scale_b_k_innermost=is_for_each_row(like.scale_b) and n % 4 != 0).canonical()
    if not problem.needs_m:
        problem = replace(problem, m=DYNAMIC)
    operands = (*matrices, *(() if groups is None else (groups,)), *others)
    return _gemm.bind(*operands, problem=problem, m=m, call=call)


# ----------------------------------------------------------------------------
# vmap
# ----------------------------------------------------------------------------


class _Batch:
    """A batch of calls as one. Its dimension is in front of the operands that have it."""

    def __init__(self, operands: tuple[Any, ...], dims: tuple[Any, ...], problem: Problem, m: int, call: Call):
        self.size = next(operand.shape[dim] for operand, dim in zip(operands, dims) if dim is not None)
        self.m, self.problem, self.call = m, problem, call
        self.operands = [operand if dim is None else jnp.moveaxis(operand, dim, 0) for operand, dim in zip(operands, dims)]
        self.has = [dim is not None for dim in dims]
        self.first_other = 5 if GROUPS[problem.layout] else 4

    def every(self, index: int) -> Any:
        """The operand with the batch in front, whether it has one or not."""
        operand = self.operands[index]
        return operand if self.has[index] else jnp.broadcast_to(operand, (self.size, *operand.shape))

    def joined(self, index: int) -> Any:
        """The operand with the batch and its first dimension as one."""
        operand = self.every(index)
        return operand.reshape(-1, *operand.shape[2:])

    def others(self) -> list[tuple[int, str]]:
        """The operands of the epilogue, and what each has a value for in a call."""
        columns, number = self.call.columns(self.operands[2]), self.problem.groups
        indices = range(self.first_other, len(self.operands))
        return [(index, find_axis("", self.operands[index].shape[self.has[index]:], self.problem.layout, self.m, columns, number))
                for index in indices]

    def is_shared(self, *indices: int) -> bool:
        return not any(self.has[index] for index in indices)


def _as_rows(batch: _Batch, call: Call) -> Any:
    """Dense products with one B: they become more rows."""
    others = tuple(batch.joined(index) if axis in ("m", "mn") else batch.operands[index] for index, axis in batch.others())
    b, scale_b = batch.operands[2:4]
    return bind(call, (batch.joined(0), batch.joined(1), b, scale_b), None, others)


def _as_batched(batch: _Batch, call: Call) -> Any:
    """Dense products: each becomes a matrix of a batch."""
    def arrange(index: int, axis: str) -> Any:
        if axis == "none":
            return batch.operands[index].reshape(-1, 1, 1) if batch.has[index] else batch.operands[index]
        operand = batch.every(index)
        return operand.reshape(batch.size, -1) if axis == "n" else operand

    others = tuple(arrange(index, axis) for index, axis in batch.others())
    return bind(call, tuple(batch.every(index) for index in range(4)), None, others)


def _as_groups(batch: _Batch, call: Call) -> Any:
    """Products of groups with their own rows: they become more groups."""
    number = batch.problem.groups

    def arrange(index: int, axis: str) -> Any:
        if axis != "none":
            return batch.joined(index)
        return jnp.repeat(batch.operands[index].reshape(-1), number).reshape(-1, 1, 1) if batch.has[index] else batch.operands[index]

    others = tuple(arrange(index, axis) for index, axis in batch.others())
    groups = batch.joined(4) if batch.first_other == 5 else None
    return bind(call, tuple(batch.joined(index) for index in range(4)), groups, others)


def _as_contiguous(batch: _Batch, call: Call) -> Any:
    """Products of groups in one A: they become more rows and, if their B differ, more groups."""
    alignment, number = call.like.row_alignment, batch.problem.groups
    others = batch.others()
    if batch.m % alignment:
        raise ValueError(f"a[0] has {batch.m} rows; allowed under jax.vmap is a multiple of {alignment}, at which groups start")
    if call.like.scale_a == "tensor" and batch.has[1] or any(axis == "none" and batch.has[index] for index, axis in others):
        raise ValueError("one scale, or one number, for all rows of a contiguous layout must not have a batch under jax.vmap")
    of_groups = [index for index, axis in others if axis in ("n", "g")]
    shared = batch.is_shared(2, 3, *of_groups)
    indices = batch.every(4)
    if not shared:
        first = jnp.arange(batch.size, dtype=jnp.int32)[:, None] * number
        indices = jnp.where((indices >= 0) & (indices < number), indices + first, -1)

    def arrange(index: int, axis: str) -> Any:
        return batch.joined(index) if axis in ("m", "mn") or (axis in ("n", "g") and not shared) else batch.operands[index]

    b = batch.operands[2:4] if shared else [batch.joined(2), batch.joined(3)]
    scale_a = batch.operands[1] if call.like.scale_a == "tensor" else batch.joined(1)
    return bind(call, (batch.joined(0), scale_a, *b), indices.reshape(-1), tuple(arrange(*other) for other in others))


def _batch(operands: tuple[Any, ...], dims: tuple[Any, ...], *, problem: Problem, m: int, call: Call) -> Any:
    batch = _Batch(operands, dims, problem, m, call)
    if problem.layout in OWN_ROWS:
        result = _as_groups(batch, call)
    elif problem.layout == "contiguous":
        result = _as_contiguous(batch, call)
    elif is_for_each_row(problem.scale_a) and batch.is_shared(2, 3, *(index for index, axis in batch.others() if axis in ("n", "none"))):
        result = _as_rows(batch, call)
    else:
        result = _as_batched(batch, call)
    rows = batch.operands[0].shape[batch.has[0]:-1]
    return result.reshape(batch.size, *rows, call.columns(batch.operands[2])), 0


batching.primitive_batchers[_gemm] = _batch
