"""The functions as operators of torch, so that torch.compile and torch.export keep them in the graph.

Imported when tensors of torch are first seen, and not before.
"""

# No `from __future__ import annotations`: torch reads the operators' schemas from the annotations.
from typing import Any

import torch
from torch import Tensor

from . import _gemm

# Tracers other than torch.compile hand over tensors of their own types, which the dispatcher does not take.
_gemm._is_compiling = torch.compiler.is_dynamo_compiling


@torch.library.custom_op("dgemm::fp8_gemm_nt", mutates_args=("d",), device_types="cuda")
def fp8_gemm_nt(a: Tensor, scale_a: Tensor, b: Tensor, scale_b: Tensor, d: Tensor) -> None:
    _gemm._call_dense(a, scale_a, b, scale_b, d, None, 0)


@torch.library.custom_op("dgemm::m_grouped_fp8_gemm_nt_contiguous", mutates_args=("d",), device_types="cuda")
def m_grouped_fp8_gemm_nt_contiguous(a: Tensor, scale_a: Tensor, b: Tensor, scale_b: Tensor, d: Tensor,
                                     m_indices: Tensor) -> None:
    _gemm._call_contiguous(a, scale_a, b, scale_b, d, m_indices, 0)


@torch.library.custom_op("dgemm::m_grouped_fp8_gemm_nt_masked", mutates_args=("d",), device_types="cuda")
def m_grouped_fp8_gemm_nt_masked(a: Tensor, scale_a: Tensor, b: Tensor, scale_b: Tensor, d: Tensor, masked_m: Tensor,
                                 expected_m: int) -> None:
    _gemm._call_masked(a, scale_a, b, scale_b, d, masked_m, expected_m)


@fp8_gemm_nt.register_fake
def _(a, scale_a, b, scale_b, d):
    return None


@m_grouped_fp8_gemm_nt_contiguous.register_fake
def _(a, scale_a, b, scale_b, d, m_indices):
    return None


@m_grouped_fp8_gemm_nt_masked.register_fake
def _(a, scale_a, b, scale_b, d, masked_m, expected_m):
    return None


def call(layout: str, tensors: tuple[Any, ...], expected_m: int) -> None:
    """The operator of a layout."""
    if layout == "dense":
        torch.ops.dgemm.fp8_gemm_nt(*tensors[:5])
    elif layout == "contiguous":
        torch.ops.dgemm.m_grouped_fp8_gemm_nt_contiguous(*tensors)
    else:
        torch.ops.dgemm.m_grouped_fp8_gemm_nt_masked(*tensors, expected_m)
