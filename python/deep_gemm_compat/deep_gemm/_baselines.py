"""The baselines of DeepGEMM's tests: products without scales, by the library of the tensors."""

from __future__ import annotations

import sys
from typing import Any

from ._names import BASELINES, BF16


def _multiply(a: Any, b: Any, d: Any, c: Any) -> None:
    """d = a @ b, plus `c` if it is given."""
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(a, torch.Tensor):
        if a.dtype == torch.float8_e4m3fn:
            one = torch.ones((), device=a.device)
            product = torch._scaled_mm(a, b, scale_a=one, scale_b=one, out_dtype=torch.bfloat16)
        else:
            product = a @ b
        d.copy_(product if c is None else product + c)
    else:
        product = a.astype("float32") @ b.astype("float32")
        d[...] = product if c is None else product + c.astype("float32")


def cublaslt_gemm_nt(a: Any, b: Any, d: Any, c: Any = None) -> None:
    """d = a @ b.T + c; on a GPU, torch's product is cuBLASLt's."""
    _multiply(a, b.T, d, c)


def cublaslt_gemm_nn(a: Any, b: Any, d: Any, c: Any = None) -> None:
    """d = a @ b + c."""
    _multiply(a, b, d, c)


def cublaslt_gemm_tn(a: Any, b: Any, d: Any, c: Any = None) -> None:
    """d = a.T @ b + c."""
    _multiply(a.T, b, d, c)


def cublaslt_gemm_tt(a: Any, b: Any, d: Any, c: Any = None) -> None:
    """d = a.T @ b.T + c."""
    _multiply(a.T, b.T, d, c)


def einsum(expr: str, a: Any, b: Any, d: Any, c: Any = None, use_cublaslt: bool = False) -> None:
    """d = einsum(expr, a, b) + c in bfloat16, if the caller asks for the library's product."""
    if not use_cublaslt:
        raise NotImplementedError(f"deep_gemm.einsum of use_cublaslt=False is not in dgemm: {BF16}; fp8_einsum is here")
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(a, torch.Tensor):
        product = torch.einsum(expr, a, b)
        d.copy_(product if c is None else product + c)
    else:
        import numpy as np

        product = np.einsum(expr, a.astype("float32"), b.astype("float32"))
        d[...] = product if c is None else product + c.astype("float32")


__all__ = list(BASELINES)
