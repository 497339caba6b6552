"""Products of batches: bmm, and the einsum of DeepGEMM that is one."""

from __future__ import annotations

from typing import Any

from . import _gemm, _launch, _tensors, utils
from ._gemm import Pair
from ._problem import align, is_for_each_row

_EINSUM = "bhr,hdr->bhd"


def _arrange(name: str, scale: Any, granularity: str) -> Any:
    """Scales [G, rows, K/128] in an order that kernels take. Scales in another order are copied."""
    if getattr(scale, "ndim", 0) != 3 or not is_for_each_row(granularity) or _tensors.library(scale) not in ("torch", "cupy", "numpy"):
        return scale
    groups, rows, blocks = scale.shape
    strides = tuple(scale.stride()) if hasattr(scale, "stride") else tuple(step // scale.dtype.itemsize for step in scale.strides)
    pitch = align(rows, 4)
    orders = ((rows * blocks, blocks, 1), (blocks * pitch, 1, pitch))
    if any(all(extent <= 1 or step == wanted for extent, step, wanted in zip(scale.shape, strides, order)) for order in orders):
        return scale
    return utils.get_mn_major_tma_aligned_tensor(scale)


def bmm(a: Pair, b: Pair, d: Any, c: Any = None, recipe: tuple[int, int, int] | None = None,
        recipe_a: tuple[int, int] | None = None, recipe_b: tuple[int, int] | None = None) -> None:
    """d[g] = a[g] @ b[g].T, or c[g] + that, for each g of a batch: one kernel for all of it.

    Args:
        a: (A, scale) of [G, M, K] and [G, M, ceil(K/128)].
        b: (B, scale) of [G, N, K] and [G, ceil(N/128), ceil(K/128)]; by another recipe as in fp8_gemm_nt.
        d: [G, M, N], written.
        c, recipe, recipe_a, recipe_b: as in fp8_gemm_nt.

    K of A and B and N of D are contiguous. The other strides may have any value, as in x.transpose(0, 1), if elements of D do not
    overlap. If a batch stride or a row stride is not a multiple of 16 bytes, the kernel works without TMA and is slower. Each set of
    strides that do not follow from the sizes has its own kernel. Scales for each row are copied if kernels do not take their order.
    """
    known = _gemm.read_recipe(recipe, recipe_a, recipe_b)._replace(accumulate=c is not None)
    if c is not None:
        _gemm.begin_with(d, c)
    try:
        (x, scale_x), (y, scale_y) = a, b
    except (TypeError, ValueError):
        _gemm.check_pairs(a=a, b=b)
        raise
    tensors = (x, _arrange("a[1]", scale_x, known.scale_a), y, _arrange("b[1]", scale_y, known.scale_b), d, None)
    if _gemm.is_compiling():
        return _gemm.call_operator("batched", tensors, 0, known)
    _launch.dispatcher("batched", known)(*tensors, 0)


def fp8_einsum(expr: str, a: Pair, b: Pair, d: Any, c: Any = None, recipe: tuple[int, int, int] = (1, 128, 128)) -> None:
    """d[b, h] = a[b, h] @ b[h].T for each b and h, or c[b, h] + that: the only `expr` is "bhr,hdr->bhd".

    Args:
        a: (A, scale) of [B, H, R] and [B, H, ceil(R/128)], any order of B and H.
        b: (B, scale) of [H, D, R] and [H, ceil(D/128), ceil(R/128)].
        d: [B, H, D], written, any order of B and H.
        others: as in bmm, whose batch is H.
    """
    if expr.replace(" ", "") != _EINSUM:
        raise ValueError(f"expr is {expr!r}; allowed is {_EINSUM!r} on Hopper, whose FP8 operands have K innermost")
    try:
        x, scale_x = a
    except (TypeError, ValueError):
        _gemm.check_pairs(a=a)
        raise
    by_head = d.swapaxes(0, 1)
    bmm((x.swapaxes(0, 1), scale_x.swapaxes(0, 1)), b, by_head, by_head if c is d else None if c is None else c.swapaxes(0, 1), recipe)
