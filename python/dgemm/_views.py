"""DeepGEMM's other functions on Hopper: products of views, heads with a gap, and groups of K in separate blocks."""

from __future__ import annotations

from typing import Any

from . import utils
from ._gemm import Pair, fp8_gemm_nt, m_grouped_fp8_gemm_nt_contiguous, multiply_group


def transposed(pair: Pair) -> Pair:
    """Swaps the last two dimensions of the operand and of its scales, without a copy."""
    return tuple(x.swapaxes(-1, -2) for x in pair)


def fp8_gemm_nn(a: Pair, b: Pair, d: Any, *arguments: Any, **keywords: Any) -> None:
    """d = a @ b for a B of [K, N] with K innermost, the layout of B.T; as fp8_gemm_nt."""
    fp8_gemm_nt(a, transposed(b), d, *arguments, **keywords)


def fp8_gemm_tn(a: Pair, b: Pair, d: Any, *arguments: Any, **keywords: Any) -> None:
    """d = a.T @ b, K innermost in both; as fp8_gemm_nt."""
    fp8_gemm_nt(transposed(a), transposed(b), d, *arguments, **keywords)


def fp8_gemm_tt(a: Pair, b: Pair, d: Any, *arguments: Any, **keywords: Any) -> None:
    """d = a.T @ b.T, K innermost in both; as fp8_gemm_nt."""
    fp8_gemm_nt(transposed(a), b, d, *arguments, **keywords)


def m_grouped_fp8_gemm_nn_contiguous(a: Pair, b: Pair, d: Any, *arguments: Any, **keywords: Any) -> None:
    """m_grouped_fp8_gemm_nt_contiguous for a B of [G, K, N], K innermost."""
    m_grouped_fp8_gemm_nt_contiguous(a, transposed(b), d, *arguments, **keywords)


def fp8_gemm_nt_skip_head_mid(a: Pair, b: Pair, d: Any, head_splits: tuple[int, int, int],
                              recipe: tuple[int, int, int] | None = None, compiled_dims: str = "nk",
                              disable_ue8m0_cast: bool = False) -> None:
    """a @ b.T by heads, with a gap in each head. `head_splits` is (left, mid, right). A head has left + right columns in the product
    and left + mid + right in `d`. Its first `left` columns go to the start and the others to the end; the `mid` columns between them
    are not written. The product is copied to `d`."""
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


def k_grouped_fp8_gemm_nt_contiguous(a: Pair, b: Pair, d: Any, ks_cpu: Any, grouped_layout: Any = None, c: Any = None,
                                     recipe: tuple[int, int, int] = (1, 1, 128), compiled_dims: str = "mn",
                                     use_psum_layout: bool = False) -> None:
    """d[g] = c[g] + a_g @ b_g.T for each group g, with a launch for each group and the sizes that the host knows.

    `a` is (A, scale). A is flat: the blocks [M, ks_cpu[g]] of all groups, one after the other. Its scale is [M, sum of
    ceil(ks_cpu / 128)]. `b` is the same with N in place of M. `grouped_layout`, the sizes on the device, is not read.
    k_grouped_fp8_gemm_nt_offsets reads the ends of groups on the device, and takes all groups in one row-major A.
    """
    if use_psum_layout:
        raise NotImplementedError("use_psum_layout is for Blackwell; kernels here are for Hopper")
    _, m, n = d.shape
    a, b = ((x, utils.get_mn_major_tma_aligned_tensor(scale)) for x, scale in (a, b))  # so that columns can be taken of them
    first = first_block = 0
    for group, k in enumerate(ks_cpu):
        if k or c is None or c is not d:
            columns, blocks = slice(first, first + k), slice(first_block, first_block - (-k // 128))
            pairs = [(x[columns.start * rows : columns.stop * rows].reshape(rows, k), scale[:, blocks])
                     for (x, scale), rows in ((a, m), (b, n))]
            own = d[group]
            multiply_group(*pairs, own, None if c is None else own if c is d else c[group], recipe)
        first, first_block = first + k, first_block - (-k // 128)
