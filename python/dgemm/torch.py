"""dgemm in place of torch's own scaled matrix multiplication."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable
from typing import Any

import torch

from . import _matmul, _override, _override_grouped, _recipes, _torch_ops

__all__ = ["Override", "inductor_pass", "override_scaled_mm"]

_lock = threading.Lock()
_handles: list[Override] = []
_library: torch.library.Library | None = None


class Override:
    """The result of override_scaled_mm: undo() restores torch's own kernels, and so does the end of a `with`."""

    def undo(self) -> None:
        """Undoes this override; a second call has no effect."""
        with _lock:
            if self in _handles:
                _handles.remove(self)
                if not _handles:
                    _uninstall()

    def __enter__(self) -> Override:
        return self

    def __exit__(self, *_: Any) -> None:
        self.undo()


def override_scaled_mm() -> Override:
    """Makes torch._scaled_mm and torch.nn.functional.scaled_mm use dgemm, for the calls that dgemm supports.
    These are products on a Hopper GPU of float8_e4m3fn and float8_e5m2, with a result of bfloat16, float16 or float32, without
    scale of the result, and with scales TensorWise, RowWise, or BlockWise1x128 and BlockWise128x128 in the pairs that
    torch takes. torch._scaled_grouped_mm and torch.nn.functional.scaled_grouped_mm of e4m3 with RowWise scales are served for groups
    of rows (2-D by 3-D with offsets) and for batches (3-D by 3-D). All other calls go to torch's own kernel. The override
    replaces the operators' CUDA kernel, so torch.compile, CUDA graphs and C++ callers see no difference. RuntimeError for a torch
    before 2.10, which has no such override.
    """
    if not hasattr(torch.library, "get_kernel"):
        raise RuntimeError(f"torch {torch.__version__} has no torch.library.get_kernel; override_scaled_mm needs torch 2.10")
    _torch_ops.make_traceable()
    handle = Override()
    with _lock:
        _handles.append(handle)
        if len(_handles) == 1:
            _install("CUDA")
    return handle


def inductor_pass(first: Any = None, epilogues: bool = True) -> Any:
    """A pass for torch._inductor.config.post_grad_custom_post_pass, which puts dgemm.scaled_mm into compiled graphs.

        torch._inductor.config.post_grad_custom_post_pass = dgemm.torch.inductor_pass()

    It replaces torch._scaled_mm, torch.nn.functional.scaled_mm and the products of torchao's blockwise layers (ao::blockwise_fp8_gemm,
    torchao::blockwise_scaled_mm) in calls that override_scaled_mm would take. The graph must prove it: calls whose sizes may not
    fit stay.

    Args:
        first: a pass that runs before this one, such as the pass that the config already has.
        epilogues: element-wise nodes after a product become its epilogue: casts, bias, activations, residuals, factors of rows and
            columns. Other nodes may need only the last result. Values between the sum and that result are not rounded to the types
            of the graph.
    """
    from . import _inductor  # which takes seconds to import

    _torch_ops.make_traceable()
    return _inductor.InductorPass(first, epilogues)


def _install(key: str) -> None:
    global _library
    _library = torch.library.Library("aten", "IMPL")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Warning only once for all operators")  # that a kernel is replaced
        _register(key)


def _register(key: str) -> None:
    for name, serve in (("_scaled_mm", _serve), ("_scaled_mm.out", _serve), ("_scaled_mm_v2", _serve_v2),
                        ("_scaled_mm_v2.out", _serve_v2), ("_scaled_grouped_mm", _override_grouped.serve),
                        ("_scaled_grouped_mm_v2", _override_grouped.serve_v2)):
        if torch._C._dispatch_has_kernel_for_dispatch_key(f"aten::{name}", key):
            _library.impl(name, _either(serve, torch.library.get_kernel(f"aten::{name}", key)), key, with_keyset=True)


def _uninstall() -> None:
    global _library
    _library._destroy()
    _library = None


def _either(serve: Callable[..., Any], original: Any) -> Callable[..., Any]:
    """Calls `serve`, and torch's own kernel if that returns None."""

    def kernel(keys: Any, *arguments: Any, **keywords: Any) -> Any:
        result = serve(*arguments, **keywords)
        return original.call_boxed(keys, *arguments, **keywords) if result is None else result

    return kernel


def _lies_right(matrix: torch.Tensor) -> bool:
    """True for the layout that torch and the kernels require: rows of K, 16 bytes apart."""
    rows, k = matrix.shape
    row, column = matrix.stride()
    return column == 1 and row >= k and row % 16 == 0 and matrix.data_ptr() % 16 == 0 and k % 16 == 0 and rows > 0 and k > 0


def _is_served(a: torch.Tensor, b: torch.Tensor, dtype: torch.dtype | None, out: torch.Tensor | None) -> bool:
    """Checks everything except the scales."""
    if a.dtype not in _override.FP8 or b.dtype not in _override.FP8 or torch.float8_e4m3fn not in (a.dtype, b.dtype) or dtype not in _override.OUT:
        return False
    if a.dim() != 2 or b.dim() != 2 or a.shape[1] != b.shape[0] or b.shape[1] % 16 or not _override.is_hopper(a.device):
        return False
    if out is not None and (out.dtype != dtype or out.shape != (a.shape[0], b.shape[1]) or not out.is_contiguous() or
                            out.data_ptr() % 16 or out.device != a.device):
        return False
    return b.device == a.device and _lies_right(a) and _lies_right(b.t())


def _is_bias(bias: torch.Tensor, a: torch.Tensor, b: torch.Tensor, dtype: torch.dtype) -> bool:
    """One that torch takes, and the kernels as it is."""
    return (bias.dtype == dtype and dtype != torch.float32 and tuple(bias.shape) == (b.shape[1],) and bias.is_contiguous() and
            bias.device == a.device and bias.data_ptr() % 16 == 0)


def _multiply(a: torch.Tensor, b: torch.Tensor, scale_a: torch.Tensor, recipe_a: str, scale_b: torch.Tensor, recipe_b: str,
              dtype: torch.dtype, out: torch.Tensor | None, use_fast_accum: bool, bias: torch.Tensor | None) -> torch.Tensor | None:
    if bias is not None and not _is_bias(bias, a, b, dtype):
        return None
    if (recipe_a, recipe_b) not in _override.PAIRS or any(
            scale.dtype != torch.float32 or scale.device != a.device for scale in (scale_a, scale_b)):
        return None
    try:
        return _matmul.multiply(a, b, scale_a, recipe_a, scale_b, recipe_b, _override.OUT[dtype] if out is None else out,
                                _recipes.accuracy((recipe_a, recipe_b), use_fast_accum), bias)
    except ValueError:  # scales that do not fit: torch says so in its own words
        return None


def _serve(a: torch.Tensor, b: torch.Tensor, scale_a: torch.Tensor, scale_b: torch.Tensor, bias: torch.Tensor | None = None,
           scale_result: torch.Tensor | None = None, out_dtype: torch.dtype | None = None, use_fast_accum: bool = False, *,
           out: torch.Tensor | None = None) -> torch.Tensor | None:
    """aten::_scaled_mm; None for a call that is not served."""
    dtype = out.dtype if out is not None and out_dtype is None else out_dtype
    if scale_result is not None or not _is_served(a, b, dtype, out):
        return None
    pair = _override.find_recipes(a, b, scale_a, scale_b)
    if pair is None:
        return None
    # Scales of B by 1x128 are [K/128, N] here, and [N, K/128] in scaled_mm.
    return _multiply(a, b, scale_a, pair[0], scale_b.t() if pair[1] == "1x128" else scale_b, pair[1], dtype, out, use_fast_accum,
                     bias)


def _serve_v2(a: torch.Tensor, b: torch.Tensor, scale_a: list[torch.Tensor], recipe_a: list[int], swizzle_a: list[int],
              scale_b: list[torch.Tensor], recipe_b: list[int], swizzle_b: list[int], bias: torch.Tensor | None = None,
              out_dtype: torch.dtype | None = None, contraction_dim: list[int] = (), use_fast_accum: bool = False, *,
              out: torch.Tensor | None = None) -> torch.Tensor | None:
    """aten::_scaled_mm_v2, which torch.nn.functional.scaled_mm calls; None for a call that is not served."""
    dtype = out.dtype if out is not None and out_dtype is None else out_dtype
    lists = (scale_a, recipe_a, scale_b, recipe_b)
    if contraction_dim or any(len(each) != 1 for each in lists) or any(swizzle_a) or any(swizzle_b):
        return None
    if not _is_served(a, b, dtype, out):
        return None
    pair = _override.RECIPES.get(recipe_a[0], ""), _override.RECIPES.get(recipe_b[0], "")
    if any(recipe == "1x128" and not _override.is_m_innermost(scale[0]) for recipe, scale in zip(pair, (scale_a, scale_b))):
        return None
    return _multiply(a, b, scale_a[0], pair[0], scale_b[0], pair[1], dtype, out, use_fast_accum,
                     bias)
