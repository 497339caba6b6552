"""Sizes, and casts to FP8 with scales, for tensors of torch and arrays of NumPy (with ml_dtypes)."""

from dgemm.utils import (
    align,
    ceil_div,
    ceil_to_ue8m0,
    pack_ue8m0_to_int,
    per_block_cast_to_fp8,
    per_channel_cast_to_fp8,
    per_custom_dims_cast_to_fp8,
    per_token_cast_to_fp8,
    unpack_ue8m0_from_int,
)

cell_div = ceil_div
"""DeepGEMM 1.0 has it under both names."""

__all__ = ["align", "ceil_div", "ceil_to_ue8m0", "cell_div", "pack_ue8m0_to_int", "per_block_cast_to_fp8",
           "per_channel_cast_to_fp8", "per_custom_dims_cast_to_fp8", "per_token_cast_to_fp8", "unpack_ue8m0_from_int"]
