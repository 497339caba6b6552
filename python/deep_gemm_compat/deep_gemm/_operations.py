"""The GEMMs, with the names, keywords and order of arguments of DeepGEMM 2.6.1; the keywords of 2.1 are taken too."""

from __future__ import annotations

from typing import Any

import dgemm
from dgemm import (
    fp8_einsum,
    fp8_gemm_nn,
    fp8_gemm_nt,
    fp8_gemm_nt_skip_head_mid,
    fp8_gemm_tn,
    fp8_gemm_tt,
    gemm_fp8_fp8_bf16_nt,
    k_grouped_fp8_gemm_nt_contiguous,
    m_grouped_fp8_gemm_nt_masked,
    m_grouped_gemm_fp8_fp8_bf16_nt_contiguous,
    m_grouped_gemm_fp8_fp8_bf16_nt_masked,
)

from dgemm._views import transposed

from ._names import OPERATIONS

Pair = tuple[Any, Any]


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
    m_grouped_fp8_gemm_nt_contiguous(a, transposed(b), d, *arguments, **keywords)


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
