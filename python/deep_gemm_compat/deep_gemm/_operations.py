"""The GEMMs, with the names, keywords and order of arguments of DeepGEMM 2.6.1; the keywords of 2.1 are taken too."""

from __future__ import annotations

from typing import Any

import dgemm
from dgemm import (
    fp8_gemm_nt,
    gemm_fp8_fp8_bf16_nt,
    m_grouped_fp8_gemm_nt_masked,
    m_grouped_gemm_fp8_fp8_bf16_nt_contiguous,
    m_grouped_gemm_fp8_fp8_bf16_nt_masked,
)

from ._names import OPERATIONS

Pair = tuple[Any, Any]


def _transposed(pair: Pair) -> Pair:
    """The last two dimensions exchanged, of the operand and of its scales; nothing is copied."""
    return tuple(x.swapaxes(-1, -2) for x in pair)


def fp8_gemm_nn(a: Pair, b: Pair, d: Any, *arguments: Any, **keywords: Any) -> None:
    """d = a @ b for a B of [K, N], whose elements must lie as those of B.T do: K innermost."""
    fp8_gemm_nt(a, _transposed(b), d, *arguments, **keywords)


def fp8_gemm_tn(a: Pair, b: Pair, d: Any, *arguments: Any, **keywords: Any) -> None:
    """d = a.T @ b, K innermost in both."""
    fp8_gemm_nt(_transposed(a), _transposed(b), d, *arguments, **keywords)


def fp8_gemm_tt(a: Pair, b: Pair, d: Any, *arguments: Any, **keywords: Any) -> None:
    """d = a.T @ b.T, K innermost in both."""
    fp8_gemm_nt(_transposed(a), b, d, *arguments, **keywords)


def _one_of(name: str, value: Any, older: str, keywords: dict[str, Any]) -> Any:
    """The argument `name`, which an earlier version called `older`."""
    if older in keywords:
        if value is not None:
            raise TypeError(f"{name} and {older} are given; allowed is one of them")
        value = keywords.pop(older)
    if keywords:
        raise TypeError(f"{next(iter(keywords))} is no argument of this function")
    if value is None:
        raise TypeError(f"{name} is missing")
    return value


def m_grouped_fp8_gemm_nt_contiguous(a: Pair, b: Pair, d: Any, grouped_layout: Any = None,
                                     recipe: tuple[int, int, int] | None = None,
                                     recipe_a: tuple[int, int] | None = None, recipe_b: tuple[int, int] | None = None,
                                     compiled_dims: str = "nk", disable_ue8m0_cast: bool = False,
                                     use_psum_layout: bool = False, ensure_zero_padding: bool = True,
                                     expected_m_for_psum_layout: int | None = None, **older: Any) -> None:
    """dgemm.m_grouped_fp8_gemm_nt_contiguous. `grouped_layout` is what 2.1 calls m_indices; `ensure_zero_padding` means
    nothing without a psum layout."""
    labels = _one_of("grouped_layout", grouped_layout, "m_indices", older)
    dgemm.m_grouped_fp8_gemm_nt_contiguous(a, b, d, labels, recipe, recipe_a, recipe_b, compiled_dims, disable_ue8m0_cast,
                                           use_psum_layout, expected_m_for_psum_layout)


def m_grouped_fp8_gemm_nn_contiguous(a: Pair, b: Pair, d: Any, *arguments: Any, **keywords: Any) -> None:
    """m_grouped_fp8_gemm_nt_contiguous for a B of [G, K, N], K innermost."""
    m_grouped_fp8_gemm_nt_contiguous(a, _transposed(b), d, *arguments, **keywords)


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
