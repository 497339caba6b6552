"""Every public name of DeepGEMM 1.0, 2.1 and 2.6.1, and its counterpart here."""

from __future__ import annotations

from collections.abc import Callable

BF16 = "BF16 GEMMs are not here; torch.matmul has them"
_MN_MAJOR = "operands that are MN-major are for Blackwell; k_grouped_fp8_gemm_nt_contiguous takes K-major ones"
_ATTENTION = "attention kernels are not here; keep DeepGEMM for them"
_BLACKWELL = "this is for Blackwell; kernels here are for Hopper"
_MEGA = "the mega kernels are for Blackwell; kernels here are for Hopper"

UNAVAILABLE = {
    **dict.fromkeys(("bf16_gemm_nt", "bf16_gemm_nn", "bf16_gemm_tn", "bf16_gemm_tt", "m_grouped_bf16_gemm_nt_contiguous",
                     "m_grouped_bf16_gemm_nn_contiguous", "m_grouped_bf16_gemm_nt_masked",
                     "bf16_m_grouped_gemm_nt_masked"), BF16),
    "k_grouped_fp8_gemm_tn_contiguous": _MN_MAJOR,
    "k_grouped_bf16_gemm_tn_contiguous": BF16,
    **dict.fromkeys(("fp8_mqa_logits", "fp8_paged_mqa_logits", "get_paged_mqa_logits_metadata", "fp8_fp4_mqa_logits",
                     "fp8_fp4_paged_mqa_logits", "tf32_hc_prenorm_gemm"),
                    _ATTENTION),
    **dict.fromkeys(("SymmBuffer", "get_symm_buffer_for_mega_moe", "transform_weights_for_mega_moe", "fp8_fp4_mega_moe",
                     "bf16_mega_moe"), _MEGA),
}
"""Of the package itself, with the reason."""

UNAVAILABLE_UTILS = {
    **dict.fromkeys(("get_mn_major_tma_aligned_packed_ue8m0_tensor", "get_k_grouped_mn_major_tma_aligned_packed_ue8m0_tensor",
                     "per_token_cast_to_fp4", "transpose_packed_fp4", "cast_back_from_fp4"), _BLACKWELL),
    **dict.fromkeys(("init_dist", "uneven_all_gather"), "torch.distributed has what this helper of DeepGEMM's tests is made of"),
}
"""Of deep_gemm.utils."""

OPERATIONS = ("fp8_gemm_nt", "fp8_gemm_nn", "fp8_gemm_tn", "fp8_gemm_tt", "fp8_fp4_gemm_nt", "fp8_fp4_gemm_nn", "fp8_fp4_gemm_tn",
              "fp8_fp4_gemm_tt", "gemm_fp8_fp8_bf16_nt", "m_grouped_fp8_gemm_nt_contiguous",
              "m_grouped_fp8_gemm_nn_contiguous", "m_grouped_fp8_fp4_gemm_nt_contiguous",
              "m_grouped_fp8_fp4_gemm_nn_contiguous", "m_grouped_gemm_fp8_fp8_bf16_nt_contiguous",
              "m_grouped_fp8_gemm_nt_masked", "m_grouped_fp8_fp4_gemm_nt_masked", "fp8_m_grouped_gemm_nt_masked",
              "m_grouped_gemm_fp8_fp8_bf16_nt_masked", "k_grouped_fp8_gemm_nt_contiguous", "wgrad_gemm_fp8_fp8_fp32_nt",
              "k_grouped_wgrad_gemm_fp8_fp8_fp32_nt", "fp8_einsum", "fp8_gemm_nt_skip_head_mid")
BASELINES = ("cublaslt_gemm_nt", "cublaslt_gemm_nn", "cublaslt_gemm_tn", "cublaslt_gemm_tt", "einsum")
SETTINGS = ("set_num_sms", "get_num_sms", "set_tc_util", "get_tc_util", "set_pdl", "get_pdl", "set_ignore_compile_dims",
            "set_block_size_multiple_of", "set_compile_mode", "get_compile_mode")
LAYOUT = ("transform_sf_into_required_layout", "get_tma_aligned_size", "get_mn_major_tma_aligned_tensor",
          "get_col_major_tma_aligned_tensor", "set_mk_alignment_for_contiguous_layout",
          "get_mk_alignment_for_contiguous_layout", "get_m_alignment_for_contiguous_layout",
          "get_k_alignment_for_contiguous_layout", "get_theoretical_mk_alignment_for_contiguous_layout")
MATH = ("align", "ceil_div", "cell_div", "ceil_to_ue8m0", "pack_ue8m0_to_int", "unpack_ue8m0_from_int", "per_token_cast_to_fp8",
        "per_channel_cast_to_fp8", "per_block_cast_to_fp8", "per_custom_dims_cast_to_fp8")
TESTING = ("bench", "bench_kineto", "calc_diff", "count_bytes", "assert_bitwise_equal", "get_arch_major", "test_filter",
           "ignore_env", "empty_suppress", "suppress_stdout_stderr")

_WHAT = (("multiply", OPERATIONS), ("baselines, which torch multiplies", BASELINES), ("settings", SETTINGS), ("layout of scales and groups", LAYOUT),
         ("casts and sizes (`deep_gemm.utils`)", MATH), ("tests (`deep_gemm.testing`)", TESTING))


def unavailable(name: str, reason: str) -> Callable[..., None]:
    """A function for a name that is not supported."""

    def refuse(*_, **__):
        raise NotImplementedError(f"deep_gemm.{name} is not in dgemm: {reason}")

    refuse.__name__ = refuse.__qualname__ = name
    refuse.__doc__ = f"Not in dgemm: {reason}."
    return refuse


def table() -> str:
    """The table of docs/coming-from-deepgemm.md."""
    lines = ["| names | here |", "| --- | --- |"]
    lines += [f"| {', '.join(f'`{name}`' for name in names)} | yes: {what} |" for what, names in _WHAT]
    missing: dict[str, list[str]] = {}
    for name, reason in (UNAVAILABLE | UNAVAILABLE_UTILS).items():
        missing.setdefault(reason, []).append(name)
    lines += [f"| {', '.join(f'`{name}`' for name in names)} | no: {reason} |" for reason, names in missing.items()]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(table(), end="")
