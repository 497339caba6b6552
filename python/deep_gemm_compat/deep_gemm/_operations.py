"""The GEMMs, with the names, keywords and order of arguments of DeepGEMM 2.6.1; the keywords of 2.1 are taken too."""

from __future__ import annotations

from typing import Any

import dgemm
from dgemm import (
    fp8_einsum,
    fp8_gemm_nt,
    gemm_fp8_fp8_bf16_nt,
    m_grouped_fp8_gemm_nt_masked,
    m_grouped_gemm_fp8_fp8_bf16_nt_contiguous,
    m_grouped_gemm_fp8_fp8_bf16_nt_masked,
)

from dgemm._gemm import multiply_group

from ._names import OPERATIONS

Pair = tuple[Any, Any]


def _transposed(pair: Pair) -> Pair:
    """Swaps the last two dimensions of the operand and of its scales, without a copy."""
    return tuple(x.swapaxes(-1, -2) for x in pair)


def fp8_gemm_nn(a: Pair, b: Pair, d: Any, *arguments: Any, **keywords: Any) -> None:
    """d = a @ b for a B of [K, N] with K innermost, the layout of B.T."""
    fp8_gemm_nt(a, _transposed(b), d, *arguments, **keywords)


def fp8_gemm_tn(a: Pair, b: Pair, d: Any, *arguments: Any, **keywords: Any) -> None:
    """d = a.T @ b, K innermost in both."""
    fp8_gemm_nt(_transposed(a), _transposed(b), d, *arguments, **keywords)


def fp8_gemm_tt(a: Pair, b: Pair, d: Any, *arguments: Any, **keywords: Any) -> None:
    """d = a.T @ b.T, K innermost in both."""
    fp8_gemm_nt(_transposed(a), b, d, *arguments, **keywords)


def fp8_gemm_nt_skip_head_mid(a: Pair, b: Pair, d: Any, head_splits: tuple[int, int, int],
                              recipe: tuple[int, int, int] | None = None, compiled_dims: str = "nk",
                              disable_ue8m0_cast: bool = False) -> None:
    """a @ b.T by heads: of each head's columns the first `left` go to the start of its columns of `d` and the others to their
    end. `head_splits` is (left, mid, right); the `mid` columns between are not written. The product is copied to `d`."""
    left, mid, right = head_splits
    (m, n), width = (a[0].shape[0], b[0].shape[0]), left + right
    if width < 1 or n % width or tuple(d.shape) != (m, n // width * (width + mid)):
        raise ValueError(f"d has shape {list(d.shape)} and head_splits is {head_splits!r}; allowed is [{m}, heads * (left + mid "
                         f"+ right)] for the heads of left + right columns that are in N = {n}")
    product = d.new_empty((m, n)) if hasattr(d, "new_empty") else d[:, :n].copy()
    fp8_gemm_nt(a, b, product, recipe=recipe)
    split = (m, n // width, -1)
    columns, heads = (x.unflatten(1, split[1:]) if hasattr(x, "unflatten") else x.reshape(split) for x in (d, product))
    columns[:, :, :left] = heads[:, :, :left]
    columns[:, :, left + mid :] = heads[:, :, left:]


def _one_of(name: str, value: Any, older: str, keywords: dict[str, Any]) -> Any:
    """The argument `name`, which an earlier version called `older`."""
    if older in keywords:
        if value is not None:
            raise TypeError(f"{name} and {older} are given; allowed is one of them")
        value = keywords.pop(older)
    if keywords:
        raise TypeError(f"{next(iter(keywords))} is not an argument of this function")
    if value is None:
        raise TypeError(f"{name} is missing")
    return value


def m_grouped_fp8_gemm_nt_contiguous(a: Pair, b: Pair, d: Any, grouped_layout: Any = None,
                                     recipe: tuple[int, int, int] | None = None,
                                     recipe_a: tuple[int, int] | None = None, recipe_b: tuple[int, int] | None = None,
                                     compiled_dims: str = "nk", disable_ue8m0_cast: bool = False,
                                     use_psum_layout: bool = False, ensure_zero_padding: bool = True,
                                     expected_m_for_psum_layout: int | None = None, **older: Any) -> None:
    """dgemm.m_grouped_fp8_gemm_nt_contiguous. `grouped_layout` is what 2.1 calls m_indices. `ensure_zero_padding`: with a psum
    layout the rows of padding behind each group are computed, too, so that they are zero where A's are."""
    labels = _one_of("grouped_layout", grouped_layout, "m_indices", older)
    if use_psum_layout and ensure_zero_padding:
        alignment = dgemm.get_mk_alignment_for_contiguous_layout()
        labels = (labels + (alignment - 1)) // alignment * alignment
    dgemm.m_grouped_fp8_gemm_nt_contiguous(a, b, d, labels, recipe, recipe_a, recipe_b, compiled_dims, disable_ue8m0_cast,
                                           use_psum_layout, expected_m_for_psum_layout)


def m_grouped_fp8_gemm_nn_contiguous(a: Pair, b: Pair, d: Any, *arguments: Any, **keywords: Any) -> None:
    """m_grouped_fp8_gemm_nt_contiguous for a B of [G, K, N], K innermost."""
    m_grouped_fp8_gemm_nt_contiguous(a, _transposed(b), d, *arguments, **keywords)


def k_grouped_fp8_gemm_nt_contiguous(a: Pair, b: Pair, d: Any, ks_cpu: Any, grouped_layout: Any = None, c: Any = None,
                                     recipe: tuple[int, int, int] = (1, 1, 128), compiled_dims: str = "mn",
                                     use_psum_layout: bool = False) -> None:
    """d[g] = c[g] + a of g @ b of g.T for each group g, a call of a kernel for each, with the sizes that the host knows.

    `a` is (A, scale): the blocks [M, ks_cpu[g]] of all groups one behind the other, flat, and [M, sum of ceil(ks_cpu / 128)]; `b`
    the same of N. `grouped_layout`, the sizes on the device, is not read. dgemm.k_grouped_fp8_gemm_nt_offsets reads them
    there, of groups in one row-major A.
    """
    if use_psum_layout:
        raise NotImplementedError("use_psum_layout is for Blackwell; kernels here are for Hopper")
    _, m, n = d.shape
    a, b = ((x, dgemm.get_mn_major_tma_aligned_tensor(scale)) for x, scale in (a, b))  # so that columns can be taken of them
    first = first_block = 0
    for group, k in enumerate(ks_cpu):
        if k or c is None or c is not d:
            columns, blocks = slice(first, first + k), slice(first_block, first_block - (-k // 128))
            pairs = [(x[columns.start * rows : columns.stop * rows].reshape(rows, k), scale[:, blocks])
                     for (x, scale), rows in ((a, m), (b, n))]
            own = d[group]
            multiply_group(*pairs, own, None if c is None else own if c is d else c[group], recipe)
        first, first_block = first + k, first_block - (-k // 128)


def wgrad_gemm_fp8_fp8_fp32_nt(lhs: Pair, rhs: Pair, out: Any) -> None:
    """out += lhs @ rhs.T, with scales by 1x128 of both: a gradient of weights."""
    fp8_gemm_nt(lhs, rhs, out, c=out, recipe=(1, 1, 128))


def k_grouped_wgrad_gemm_fp8_fp8_fp32_nt(lhs: Pair, rhs: Pair, out: Any, batch_sizes: Any) -> None:
    """k_grouped_fp8_gemm_nt_contiguous with c = out, under its older name; scales are [sum of ceil(batch_sizes / 128), M or N]."""
    (x, scale_x), (y, scale_y) = lhs, rhs
    k_grouped_fp8_gemm_nt_contiguous((x, scale_x.swapaxes(0, 1)), (y, scale_y.swapaxes(0, 1)), out, batch_sizes, c=out)


# FP4 is Blackwell's; with FP8 operands, these names do the same on Hopper. What vLLM and SGLang call is among them.
fp8_fp4_gemm_nt = fp8_gemm_nt
fp8_fp4_gemm_nn = fp8_gemm_nn
fp8_fp4_gemm_tn = fp8_gemm_tn
fp8_fp4_gemm_tt = fp8_gemm_tt
m_grouped_fp8_fp4_gemm_nt_contiguous = m_grouped_fp8_gemm_nt_contiguous
m_grouped_fp8_fp4_gemm_nn_contiguous = m_grouped_fp8_gemm_nn_contiguous
m_grouped_fp8_fp4_gemm_nt_masked = m_grouped_fp8_gemm_nt_masked
fp8_m_grouped_gemm_nt_masked = m_grouped_fp8_gemm_nt_masked

__all__ = list(OPERATIONS)
