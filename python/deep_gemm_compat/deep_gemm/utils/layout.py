"""Layouts of scales, and alignment of groups."""

from __future__ import annotations

from typing import Any

import dgemm
from dgemm import (
    get_col_major_tma_aligned_tensor,
    get_m_alignment_for_contiguous_layout,
    get_mk_alignment_for_contiguous_layout,
    get_mn_major_tma_aligned_tensor,
    get_tma_aligned_size,
    set_mk_alignment_for_contiguous_layout,
)

get_k_alignment_for_contiguous_layout = get_mk_alignment_for_contiguous_layout


def get_theoretical_mk_alignment_for_contiguous_layout(expected_m: int | None = None) -> int:
    """128, as on every GPU before Blackwell."""
    return 128


def transform_sf_into_required_layout(sf: Any, mn: int, k: int, recipe: tuple[int, ...], num_groups: int | None = None,
                                      is_sfa: bool | None = None, disable_ue8m0_cast: bool = False,
                                      psum_layout: None = None) -> Any:
    """dgemm.transform_sf_into_required_layout; `psum_layout` must be None."""
    if psum_layout is not None:
        raise ValueError("psum_layout is given; allowed is None: a psum layout is not in dgemm")
    return dgemm.transform_sf_into_required_layout(sf, mn, k, recipe, num_groups, bool(is_sfa), disable_ue8m0_cast)


__all__ = ["get_col_major_tma_aligned_tensor", "get_k_alignment_for_contiguous_layout",
           "get_m_alignment_for_contiguous_layout", "get_mk_alignment_for_contiguous_layout",
           "get_mn_major_tma_aligned_tensor", "get_theoretical_mk_alignment_for_contiguous_layout", "get_tma_aligned_size",
           "set_mk_alignment_for_contiguous_layout", "transform_sf_into_required_layout"]
