"""The functions as operators of torch, so that torch.compile and torch.export keep them in the graph.

Imported with the package where torch is there already, else when tensors of torch are first seen.
"""

from __future__ import annotations

from typing import Any

import torch

from ._launch import call_contiguous, call_dense, call_masked

is_compiling = torch.compiler.is_dynamo_compiling

_PAIRS = "Tensor a, Tensor scale_a, Tensor b, Tensor scale_b, Tensor(a!) d"
# torch.library.custom_op does the same in seven times the time, which the first call of a process would take longer.
_library = torch.library.Library("dgemm", "DEF")


def _define(name: str, arguments: str, function: Any) -> None:
    _library.define(f"{name}({arguments}) -> ()", tags=(torch.Tag.pt2_compliant_tag,))
    _library.impl(name, function, "CUDA")
    torch.library.register_fake(f"dgemm::{name}", lambda *arguments: None, lib=_library)


_define("fp8_gemm_nt", _PAIRS, lambda a, scale_a, b, scale_b, d: call_dense(a, scale_a, b, scale_b, d, None, 0))
_define("m_grouped_fp8_gemm_nt_contiguous", f"{_PAIRS}, Tensor m_indices",
        lambda *tensors: call_contiguous(*tensors, 0))
_define("m_grouped_fp8_gemm_nt_masked", f"{_PAIRS}, Tensor masked_m, int expected_m",
        lambda *tensors_and_m: call_masked(*tensors_and_m))


def call(layout: str, tensors: tuple[Any, ...], expected_m: int) -> None:
    """The operator of a layout."""
    if layout == "dense":
        torch.ops.dgemm.fp8_gemm_nt(*tensors[:5])
    elif layout == "contiguous":
        torch.ops.dgemm.m_grouped_fp8_gemm_nt_contiguous(*tensors)
    else:
        torch.ops.dgemm.m_grouped_fp8_gemm_nt_masked(*tensors, expected_m)
