"""Scaled FP8 matrix multiplication on NVIDIA Hopper, compiled in this process, with no CUDA toolkit.

A drop-in for DeepGEMM: `import dgemm as deep_gemm`. docs/python.md is the guide; docs/coming-from-deepgemm.md lists the
differences.
"""

import sys

from ._batched import bmm, fp8_einsum
from ._casts import ceil_to_ue8m0, per_block_cast_to_fp8, per_channel_cast_to_fp8, per_token_cast_to_fp8
from ._compile import compile, list_configs, precompile
from ._dgemm import __version__
from ._epilogue import Epilogue, epilogue
from ._errors import CompileError, DeviceError, HazardError
from ._gemm import (
    TRACER,
    fp8_gemm_nt,
    gemm_fp8_fp8_bf16_nt,
    k_grouped_fp8_gemm_nt_offsets,
    m_grouped_fp8_gemm_nt_contiguous,
    m_grouped_fp8_gemm_nt_masked,
    m_grouped_fp8_gemm_nt_offsets,
    m_grouped_gemm_fp8_fp8_bf16_nt_contiguous,
    m_grouped_gemm_fp8_fp8_bf16_nt_masked,
)
from ._groups import check_groups
from ._kernel import Kernel
from ._quantize import quantize_transposed
from ._scaled_mm import scaled_mm
from ._settings import (
    get_compile_only,
    get_num_sms,
    get_pdl,
    get_tc_util,
    set_compile_only,
    set_num_sms,
    set_pdl,
    set_tc_util,
)
from ._trace import (
    ceil,
    copysign,
    erf,
    exp,
    exp2,
    expm1,
    floor,
    fma,
    geglu,
    gelu,
    log,
    log1p,
    log2,
    maximum,
    minimum,
    relu,
    rint,
    rsqrt,
    sigmoid,
    silu,
    sqrt,
    swiglu,
    tanh,
    trunc,
    where,
)
from ._tune import tune
from ._views import (
    fp8_gemm_nn,
    fp8_gemm_nt_skip_head_mid,
    fp8_gemm_tn,
    fp8_gemm_tt,
    k_grouped_fp8_gemm_nt_contiguous,
    m_grouped_fp8_gemm_nn_contiguous,
)
from . import testing, utils
from .testing import bench_kineto, calc_diff
from .utils import (
    ceil_div,
    get_col_major_tma_aligned_tensor,
    get_m_alignment_for_contiguous_layout,
    get_mk_alignment_for_contiguous_layout,
    get_mn_major_tma_aligned_tensor,
    get_tma_aligned_size,
    set_mk_alignment_for_contiguous_layout,
    transform_sf_into_required_layout,
)

if "torch" in sys.modules:
    TRACER.see_torch()  # now, and not in the first call
del TRACER


def __getattr__(name: str):
    """dgemm.torch and dgemm.jax, which import torch and jax, when they are first named."""
    if name in ("torch", "jax"):
        import importlib

        return importlib.import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "CompileError", "DeviceError", "Epilogue", "HazardError", "Kernel", "__version__", "bench_kineto", "calc_diff", "ceil_div",
    "ceil_to_ue8m0", "per_block_cast_to_fp8", "per_channel_cast_to_fp8", "per_token_cast_to_fp8",
    "bmm", "check_groups", "compile", "fp8_einsum", "fp8_gemm_nn", "fp8_gemm_nt", "fp8_gemm_nt_skip_head_mid", "fp8_gemm_tn",
    "fp8_gemm_tt", "k_grouped_fp8_gemm_nt_contiguous", "m_grouped_fp8_gemm_nn_contiguous", "gemm_fp8_fp8_bf16_nt", "get_col_major_tma_aligned_tensor",
    "get_compile_only", "get_m_alignment_for_contiguous_layout", "get_mk_alignment_for_contiguous_layout",
    "get_mn_major_tma_aligned_tensor", "get_num_sms", "get_pdl", "get_tc_util", "get_tma_aligned_size",
    "k_grouped_fp8_gemm_nt_offsets", "list_configs", "m_grouped_fp8_gemm_nt_contiguous", "m_grouped_fp8_gemm_nt_masked",
    "m_grouped_fp8_gemm_nt_offsets",
    "m_grouped_gemm_fp8_fp8_bf16_nt_contiguous", "m_grouped_gemm_fp8_fp8_bf16_nt_masked", "precompile",
    "quantize_transposed",
    "scaled_mm", "set_compile_only", "set_mk_alignment_for_contiguous_layout", "set_num_sms", "set_pdl", "set_tc_util", "testing",
    "transform_sf_into_required_layout", "tune", "utils",
    "ceil", "copysign", "epilogue", "erf", "exp", "exp2", "expm1", "floor", "fma", "geglu", "gelu", "log", "log1p", "log2", "maximum",
    "minimum", "relu", "rint", "rsqrt", "sigmoid", "silu", "sqrt", "swiglu", "tanh", "trunc", "where",
]
