"""A pass of Inductor's that puts dgemm into compiled graphs. dgemm.torch.inductor_pass is what callers see."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch._inductor.custom_graph_pass import CustomGraphPass, get_hash_for_files
from torch.fx.experimental.symbolic_shapes import statically_known_true as is_surely

from . import _dgemm, _override, _recipes, _torch_ops  # noqa: F401: the last defines the operator
from ._problem import FP8_DTYPES

_FP8 = tuple(getattr(torch, dtype) for dtype in FP8_DTYPES.values())
_aten = torch.ops.aten
_MINE = torch.ops.dgemm.scaled_mm.default


def _value(node: Any) -> Any:
    """The tensor of a node, without data."""
    return node.meta["val"]


def _lies_right(matrix: torch.Tensor) -> bool:
    """Rows of K, 16 bytes apart."""
    rows, k = matrix.shape
    row, column = matrix.stride()
    return all(map(is_surely, (column == 1, row >= k, row % 16 == 0, k % 16 == 0, k > 0)))


def _is_served(a: torch.Tensor, b: torch.Tensor, scale_a: torch.Tensor, scale_b: torch.Tensor, dtype: Any) -> bool:
    """`b` is [K, N]. All but the recipe."""
    if a.dtype not in _FP8 or b.dtype not in _FP8 or dtype not in _override.OUT or a.dim() != 2 or b.dim() != 2:
        return False
    if any(each.device != a.device for each in (b, scale_a, scale_b)) or not _override.is_hopper(a.device):
        return False
    if scale_a.dtype != torch.float32 or scale_b.dtype != torch.float32:
        return False
    return _lies_right(a) and _lies_right(b.t()) and is_surely(b.shape[1] % 16 == 0)


class _Product:
    """What a node computes, as dgemm.scaled_mm has it; `transposes` says which arguments are to be transposed."""

    def __init__(self, operands: tuple[Any, Any, Any, Any], recipes: tuple[str, str], dtype: torch.dtype, fast: bool,
                 transposes: tuple[int, ...] = ()):
        self.operands, self.recipes, self.dtype, self.fast, self.transposes = operands, recipes, dtype, fast, transposes

    def insert(self, graph: torch.fx.Graph) -> torch.fx.Node:
        a, b, scale_a, scale_b = (
            graph.call_function(_aten.permute.default, (operand, [1, 0])) if index in self.transposes else operand
            for index, operand in enumerate(self.operands))
        return graph.call_function(_MINE, (a, b, scale_a, self.recipes[0], scale_b, self.recipes[1],
                                           _override.OUT[self.dtype], _recipes.accuracy(self.recipes, self.fast)))


def _read_scaled_mm(self: Any, mat2: Any, scale_a: Any, scale_b: Any, bias: Any = None, scale_result: Any = None,
                    out_dtype: Any = None, use_fast_accum: bool = False) -> _Product | None:
    values = [_value(node) for node in (self, mat2, scale_a, scale_b)]
    if bias is not None or scale_result is not None or not _is_served(*values, out_dtype):
        return None
    pair = _override.find_recipes(*values, is_surely)
    if pair is None:
        return None
    return _Product((self, mat2, scale_a, scale_b), pair, out_dtype, use_fast_accum, (3,) if pair[1] == "1x128" else ())


def _read_scaled_mm_v2(self: Any, mat2: Any, scale_a: Any, recipe_a: Any, swizzle_a: Any, scale_b: Any, recipe_b: Any,
                       swizzle_b: Any, bias: Any = None, out_dtype: Any = None, contraction_dim: Any = (),
                       use_fast_accum: bool = False) -> _Product | None:
    lists = (scale_a, recipe_a, scale_b, recipe_b)
    if bias is not None or contraction_dim or any(len(each) != 1 for each in lists) or any(swizzle_a) or any(swizzle_b):
        return None
    operands = self, mat2, scale_a[0], scale_b[0]
    pair = _override.RECIPES.get(recipe_a[0], ""), _override.RECIPES.get(recipe_b[0], "")
    if pair not in _override.PAIRS or not _is_served(*map(_value, operands), out_dtype):
        return None
    return _Product(operands, pair, out_dtype, use_fast_accum)


def _read_blockwise(a: Any, a_s: Any, b: Any, b_s: Any, block_size: int = 128) -> _Product | None:
    """torchao's ao::blockwise_fp8_gemm, which its blockwise layers for inference call."""
    values = [_value(node) for node in (a, b, a_s, b_s)]
    if block_size != 128 or values[1].dim() != 2 or not _is_served(values[0], values[1].t(), *values[2:], torch.bfloat16):
        return None
    return _Product((a, b, a_s, b_s), ("1x128", "128x128"), torch.bfloat16, False, (1,))


def _read_blockwise_training(a: Any, b: Any, a_s: Any, scale_recipe_a: int, b_s: Any, scale_recipe_b: int,
                             out_dtype: Any) -> _Product | None:
    """torchao's torchao::blockwise_scaled_mm, of its blockwise layers for training."""
    pair = _override.RECIPES.get(scale_recipe_a, ""), _override.RECIPES.get(scale_recipe_b, "")
    if pair not in _override.PAIRS or not _is_served(*map(_value, (a, b, a_s, b_s)), out_dtype):
        return None
    return _Product((a, b, a_s, b_s), pair, out_dtype, False)


_READERS: dict[str, Callable[..., _Product | None]] = {
    "aten::_scaled_mm": _read_scaled_mm, "aten::_scaled_mm_v2": _read_scaled_mm_v2,
    "ao::blockwise_fp8_gemm": _read_blockwise, "torchao::blockwise_scaled_mm": _read_blockwise_training,
}
"""By the name of an operator, of which only the overload without a name is served."""


def _read(node: torch.fx.Node) -> _Product | None:
    """None for what is no product, or none that is served."""
    if node.op != "call_function" or not isinstance(node.target, torch._ops.OpOverload) or node.target._overloadname != "default":
        return None
    reader = _READERS.get(node.target._schema.name)
    return None if reader is None else reader(*node.args, **node.kwargs)


class InductorPass(CustomGraphPass):
    """Replaces products in place, behind all of Inductor's own patterns."""

    def __init__(self, first: CustomGraphPass | Callable[[torch.fx.Graph], None] | None = None):
        super().__init__()
        self.first = first

    def __call__(self, graph: torch.fx.Graph) -> None:
        if self.first is not None:
            self.first(graph)
        for node in list(graph.nodes):
            product = _read(node)
            if product is None:
                continue
            with graph.inserting_before(node):
                new = product.insert(graph)
            # The arguments of the call as they were traced are those of another operator.
            new.meta.update({key: value for key, value in node.meta.items() if key != "eager_input_vals"})
            node.replace_all_uses_with(new, propagate_meta=False)
            graph.erase_node(node)

    def uuid(self) -> Any:
        """What Inductor's cache of graphs depends on; None, where another pass has none, turns that off."""
        mine = get_hash_for_files((__file__, _override.__file__), extra=f"{_dgemm.__version__} {_dgemm.build_id}")
        if self.first is None:
            return mine
        other = self.first.uuid() if isinstance(self.first, CustomGraphPass) else None
        return None if other is None else (mine, other)
