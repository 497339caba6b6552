"""The functions as torch operators, so that torch.compile and torch.export keep them in the graph.
Imported with the package if torch is already imported, else at the first torch tensor.
"""

from __future__ import annotations

import contextlib
import functools
from typing import Any

import torch

from . import _matmul
from ._epilogue import Epilogue
from ._launch import dispatcher
from ._problem import DEFAULT_RECIPE, OUT_DTYPES, Recipe
from ._trace import load

is_compiling = torch.compiler.is_dynamo_compiling

_PAIRS = "Tensor a, Tensor? scale_a, Tensor b, Tensor? scale_b, Tensor(a!) d"
# torch.library.custom_op takes seven times as long, which would delay the first call of a process.
_library = torch.library.Library("dgemm", "DEF")


def _define(name: str, arguments: str, function: Any) -> None:
    _library.define(f"{name}({arguments}) -> ()", tags=(torch.Tag.pt2_compliant_tag,))
    _library.impl(name, function, "CUDA")
    torch.library.register_fake(f"dgemm::{name}", lambda *arguments: None, lib=_library)


_RECIPE = ("str scale_recipe_a='{}', str scale_recipe_b='{}', str accuracy='{}', bool accumulate={}, bool any_k={}"
           .format(*DEFAULT_RECIPE))


def _dense(a, scale_a, b, scale_b, d, *recipe) -> None:
    dispatcher("dense", Recipe(*recipe))(a, scale_a, b, scale_b, d, None, 0)


def _batched(a, scale_a, b, scale_b, d, *recipe) -> None:
    dispatcher("batched", Recipe(*recipe))(a, scale_a, b, scale_b, d, None, 0)


def _contiguous(a, scale_a, b, scale_b, d, m_indices, *recipe) -> None:
    dispatcher("contiguous", Recipe(*recipe))(a, scale_a, b, scale_b, d, m_indices, 0)


def _masked(a, scale_a, b, scale_b, d, masked_m, expected_m, *recipe) -> None:
    dispatcher("masked", Recipe(*recipe))(a, scale_a, b, scale_b, d, masked_m, expected_m)


def _offsets(a, scale_a, b, scale_b, d, offsets, expected_m, alignment, *recipe) -> None:
    dispatcher("offsets", Recipe(*recipe), alignment=alignment)(a, scale_a, b, scale_b, d, offsets, expected_m)


def _k_grouped(a, scale_a, b, scale_b, d, offsets, alignment, *recipe) -> None:
    dispatcher("k_grouped", Recipe(*recipe), alignment=alignment)(a, scale_a, b, scale_b, d, offsets, 0)


_define("fp8_gemm_nt", f"{_PAIRS}, {_RECIPE}", _dense)
_define("bmm", f"{_PAIRS}, {_RECIPE}", _batched)
_define("m_grouped_fp8_gemm_nt_contiguous", f"{_PAIRS}, Tensor m_indices, {_RECIPE}", _contiguous)
_define("m_grouped_fp8_gemm_nt_masked", f"{_PAIRS}, Tensor masked_m, int expected_m, {_RECIPE}", _masked)
_define("m_grouped_fp8_gemm_nt_offsets", f"{_PAIRS}, Tensor offsets, int expected_m, int alignment, {_RECIPE}", _offsets)
_define("k_grouped_fp8_gemm_nt_offsets", f"{_PAIRS}, Tensor offsets, int alignment, {_RECIPE}", _k_grouped)


def _fake_scaled_mm(mat_a, mat_b, scale_a, scale_recipe_a, scale_b, scale_recipe_b, out_type, accuracy="exact", bias=None):
    return mat_a.new_empty((mat_a.shape[0], mat_b.shape[1]), dtype=getattr(torch, OUT_DTYPES[out_type]))


_library.define("scaled_mm(Tensor mat_a, Tensor mat_b, Tensor? scale_a, str scale_recipe_a, Tensor? scale_b, str scale_recipe_b, "
                "str out_type, str accuracy='exact', Tensor? bias=None) -> Tensor",
                # Inductor keeps the order of strides that was traced: K of both operands stays innermost.
                tags=(torch.Tag.pt2_compliant_tag, torch.Tag.needs_fixed_stride_order))
_library.impl("scaled_mm", _matmul.multiply, "CUDA")
torch.library.register_fake("dgemm::scaled_mm", _fake_scaled_mm, lib=_library)


def _packed(operand: torch.Tensor) -> torch.Tensor:
    """An operand of an epilogue as kernels take it."""
    if operand.is_contiguous() and operand.data_ptr() % 16 == 0:
        return operand
    return operand.clone(memory_format=torch.contiguous_format)


def _scaled_mm_epilogue(mat_a, mat_b, scale_a, scale_recipe_a, scale_b, scale_recipe_b, out_type, accuracy, epilogue, operands):
    return _matmul.multiply(mat_a, mat_b, scale_a, scale_recipe_a, scale_b, scale_recipe_b, out_type, accuracy,
                            epilogue=Epilogue(load(epilogue), tuple(map(_packed, operands))))


def _fake_scaled_mm_epilogue(*arguments):
    return _fake_scaled_mm(*arguments[:8])


# `epilogue` is what Trace.dump writes.
_library.define("scaled_mm_epilogue(Tensor mat_a, Tensor mat_b, Tensor scale_a, str scale_recipe_a, Tensor scale_b, "
                "str scale_recipe_b, str out_type, str accuracy, str epilogue, Tensor[] operands) -> Tensor",
                tags=(torch.Tag.pt2_compliant_tag, torch.Tag.needs_fixed_stride_order))
_library.impl("scaled_mm_epilogue", _scaled_mm_epilogue, "CUDA")
torch.library.register_fake("dgemm::scaled_mm_epilogue", _fake_scaled_mm_epilogue, lib=_library)


def scaled_mm(*arguments: Any) -> Any:
    """The operator of a product with a new result."""
    return torch.ops.dgemm.scaled_mm(*arguments)


@functools.cache
def make_traceable() -> None:
    """Lets torch.compile trace torch._scaled_mm_v2, which torch.nn.functional.scaled_mm calls: torch 2.10 and 2.11 know it as an
    operator of ATen only."""
    function = getattr(torch, "_scaled_mm_v2", None)
    substitute = getattr(torch.compiler, "substitute_in_graph", None)
    if function is None or substitute is None:
        return

    def operator(*arguments: Any, **keywords: Any) -> Any:
        return torch.ops.aten._scaled_mm_v2(*arguments, **keywords)

    with contextlib.suppress(ValueError, TypeError):  # of a torch that traces the function itself
        substitute(function, skip_signature_check=True)(operator)


def call(layout: str, tensors: tuple[Any, ...], expected_m: int,
         recipe: Recipe = DEFAULT_RECIPE, alignment: int = 0) -> None:
    """The operator of a layout."""
    if layout == "dense":
        torch.ops.dgemm.fp8_gemm_nt(*tensors[:5], *recipe)
    elif layout == "batched":
        torch.ops.dgemm.bmm(*tensors[:5], *recipe)
    elif layout == "contiguous":
        torch.ops.dgemm.m_grouped_fp8_gemm_nt_contiguous(*tensors, *recipe)
    elif layout == "offsets":
        torch.ops.dgemm.m_grouped_fp8_gemm_nt_offsets(*tensors, expected_m, alignment, *recipe)
    elif layout == "k_grouped":
        torch.ops.dgemm.k_grouped_fp8_gemm_nt_offsets(*tensors, alignment, *recipe)
    else:
        torch.ops.dgemm.m_grouped_fp8_gemm_nt_masked(*tensors, expected_m, *recipe)
