"""A pass of Inductor's that puts dgemm into compiled graphs. dgemm.torch.inductor_pass is what callers see."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch._inductor.custom_graph_pass import CustomGraphPass, get_hash_for_files
from torch.fx.experimental.symbolic_shapes import statically_known_true as is_surely

from . import _dgemm, _inductor_epilogue, _override, _recipes, _torch_ops, _trace  # noqa: F401: the last defines the operators
from ._inductor_epilogue import Fusion, find
from ._problem import FP8_DTYPES

_FP8 = tuple(getattr(torch, dtype) for dtype in FP8_DTYPES.values())
_aten = torch.ops.aten
_MINE = torch.ops.dgemm.scaled_mm.default
_WITH_EPILOGUE = torch.ops.dgemm.scaled_mm_epilogue.default


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


def _call(graph: torch.fx.Graph, target: Any, *arguments: Any) -> torch.fx.Node:
    """A call, with the tensor that it makes."""
    node = graph.call_function(target, arguments)
    node.meta["val"] = target(*torch.fx.node.map_arg(arguments, _value))
    return node


def _reshape(graph: torch.fx.Graph, node: torch.fx.Node, shape: tuple[int, ...]) -> torch.fx.Node:
    known = _value(node).shape
    if len(known) == len(shape) and all(want == -1 or is_surely(have == want) for have, want in zip(known, shape)):
        return node
    return _call(graph, _aten.reshape.default, node, list(shape))


def _find_sizes(node: torch.fx.Node) -> list[Any] | None:
    """The sizes of a node's tensor as reshape takes them: integers, nodes, and -1 for one. None if the graph has no node for a size."""
    sizes: list[Any] = []
    for size in _value(node).shape:
        if isinstance(size, int):
            sizes.append(size)
        elif -1 not in sizes:
            sizes.append(-1)
        else:
            known = [each for each in node.graph.find_nodes(op="placeholder") if isinstance(each.meta.get("val"), torch.SymInt)]
            found = next((each for each in known if is_surely(_value(each) == size)), None)
            if found is None:
                return None
            sizes.append(found)
    return sizes


@dataclass(frozen=True)
class _Product:
    """The product that a node computes, with the arguments of dgemm.scaled_mm."""

    operands: tuple[torch.fx.Node, torch.fx.Node, torch.fx.Node, torch.fx.Node]
    recipes: tuple[str, str]
    dtype: torch.dtype
    fast: bool
    bias: torch.fx.Node | None = None
    transposes: tuple[int, ...] = ()
    """Indices of operands that are to be transposed."""
    shapes: tuple[tuple[int, ...] | None, ...] = (None, None, None, None)
    """The shapes to which operands are reshaped first."""

    def insert(self, graph: torch.fx.Graph, fusion: Fusion) -> torch.fx.Node:
        """The product and its epilogue, [M, N]."""
        operands = []
        for index, (operand, shape) in enumerate(zip(self.operands, self.shapes)):
            operand = operand if shape is None else _reshape(graph, operand, shape)
            operands.append(_call(graph, _aten.permute.default, operand, [1, 0]) if index in self.transposes else operand)
        a, b, scale_a, scale_b = operands
        arguments = (a, b, scale_a, self.recipes[0], scale_b, self.recipes[1], _override.OUT[fusion.dtype],
                     _recipes.accuracy(self.recipes, self.fast))
        if not fusion.trace.ops and not fusion.operands:
            return _call(graph, _MINE, *arguments)
        return _call(graph, _WITH_EPILOGUE, *arguments, fusion.trace.dump(),
                     [_reshape(graph, operand, shape) for operand, shape in fusion.operands])


def _is_bias(bias: torch.fx.Node | None, matrix: torch.Tensor) -> bool:
    """Whether there is no bias, or one that kernels add. `matrix` is B, [K, N]."""
    if bias is None:
        return True
    value = _value(bias)
    return value.dtype in _override.OUT and value.device == matrix.device and value.dim() == 1 and is_surely(
        value.shape[0] == matrix.shape[1])


def _read_scaled_mm(self: Any, mat2: Any, scale_a: Any, scale_b: Any, bias: Any = None, scale_result: Any = None,
                    out_dtype: Any = None, use_fast_accum: bool = False) -> _Product | None:
    values = [_value(node) for node in (self, mat2, scale_a, scale_b)]
    if scale_result is not None or not _is_served(*values, out_dtype) or not _is_bias(bias, values[1]):
        return None
    pair = _override.find_recipes(*values, is_surely)
    if pair is None:
        return None
    return _Product((self, mat2, scale_a, scale_b), pair, out_dtype, use_fast_accum, bias, (3,) if pair[1] == "1x128" else ())


def _read_scaled_mm_v2(self: Any, mat2: Any, scale_a: Any, recipe_a: Any, swizzle_a: Any, scale_b: Any, recipe_b: Any,
                       swizzle_b: Any, bias: Any = None, out_dtype: Any = None, contraction_dim: Any = (),
                       use_fast_accum: bool = False) -> _Product | None:
    lists = (scale_a, recipe_a, scale_b, recipe_b)
    if contraction_dim or any(len(each) != 1 for each in lists) or any(swizzle_a) or any(swizzle_b):
        return None
    operands = self, mat2, scale_a[0], scale_b[0]
    pair = _override.RECIPES.get(recipe_a[0], ""), _override.RECIPES.get(recipe_b[0], "")
    if pair not in _override.PAIRS or not _is_served(*map(_value, operands), out_dtype) or not _is_bias(bias, _value(mat2)):
        return None
    return _Product(operands, pair, out_dtype, use_fast_accum, bias)


def _read_blockwise(a: Any, a_s: Any, b: Any, b_s: Any, block_size: int = 128) -> _Product | None:
    """torchao's ao::blockwise_fp8_gemm, of its blockwise layers for inference: Float8Tensor and BlockwiseQuantLinear. A may have more
    dimensions, and the scales of A any shape: their elements are in the order of [M, K/128]."""
    x, scale_x, y, scale_y = (_value(node) for node in (a, a_s, b, b_s))
    if block_size != 128 or y.dim() != 2 or x.dim() < 2 or not all(each.is_contiguous() for each in (x, scale_x, y, scale_y)):
        return None
    k = x.shape[-1]
    if not isinstance(k, int) or k % 128 or not is_surely(scale_x.numel() * 128 == x.numel()):
        return None
    rows = x.reshape(-1, k)
    if not _is_served(rows, y.t(), scale_x, scale_y, torch.bfloat16) or not is_surely(scale_y.shape[-1] * 128 == k):
        return None
    return _Product((a, b, a_s, b_s), ("1x128", "128x128"), torch.bfloat16, False, None, (1,), ((-1, k), None, (-1, k // 128), None))


def _read_blockwise_training(a: Any, b: Any, a_s: Any, scale_recipe_a: int, b_s: Any, scale_recipe_b: int,
                             out_dtype: Any) -> _Product | None:
    """torchao's torchao::blockwise_scaled_mm, of its blockwise layers for training on DTensors; without these they call
    torch.nn.functional.scaled_mm."""
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
    """Replaces products, and the element-wise nodes after them. It runs after all of Inductor's own patterns."""

    def __init__(self, first: CustomGraphPass | Callable[[torch.fx.Graph], None] | None = None, epilogues: bool = True):
        super().__init__()
        self.first = first
        self.epilogues = epilogues

    def __call__(self, graph: torch.fx.Graph) -> None:
        if self.first is not None:
            self.first(graph)
        for node in list(graph.nodes):
            product = _read(node)
            if product is not None:
                self.replace(node, product)

    def replace(self, node: torch.fx.Node, product: _Product) -> None:
        graph, value = node.graph, _value(node)
        fusion = find(node, product.bias, self.epilogues and isinstance(value.shape[-1], int))
        last = fusion.last
        sizes = _find_sizes(last) if _value(last).dim() != 2 else []
        if sizes is None:
            return
        with graph.inserting_before(last):
            new = product.insert(graph, fusion)
            if sizes:
                shape = [_value(size) if isinstance(size, torch.fx.Node) else size for size in sizes]
                flat, new = new, graph.call_function(_aten.reshape.default, (new, sizes))
                new.meta["val"] = _value(flat).reshape(shape)
        # `eager_input_vals` has the traced arguments of the operator that is replaced.
        new.meta.update({key: value for key, value in last.meta.items() if key not in ("eager_input_vals", "val", "tensor_meta")})
        last.replace_all_uses_with(new, propagate_meta=False)
        for each in reversed(fusion.nodes):
            graph.erase_node(each)

    def uuid(self) -> Any:
        """What Inductor's cache of graphs depends on; None, where another pass has none, turns that off."""
        files = tuple(module.__file__ for module in (_inductor_epilogue, _trace, _override))
        mine = get_hash_for_files((__file__, *files), extra=f"{_dgemm.__version__} {_dgemm.build_id} {self.epilogues}")
        if self.first is None:
            return mine
        other = self.first.uuid() if isinstance(self.first, CustomGraphPass) else None
        return None if other is None else (mine, other)
