"""Helpers of DeepGEMM 1.0."""

from dgemm import (
    ceil_div,
    get_col_major_tma_aligned_tensor,
    get_m_alignment_for_contiguous_layout,
    get_num_sms,
    get_tma_aligned_size,
    set_num_sms,
)
