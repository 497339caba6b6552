"""Makes an epilogue of a product from the element-wise nodes that follow it in a graph of Inductor's."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch.fx.experimental.symbolic_shapes import statically_known_true as is_surely

from . import _override, _trace
from ._epilogue import MAX_OPERANDS
from ._trace import OPERAND_DTYPES, Trace, Truth, Value

_aten = torch.ops.aten
_OPERANDS = tuple(getattr(torch, name) for name in OPERAND_DTYPES)
_VIEWS = (_aten.view.default, _aten.reshape.default, _aten.unsqueeze.default, _aten.squeeze.dim, _aten._unsafe_view.default)
"""Ops that keep the order of elements; columns must stay columns."""


# ----------------------------------------------------------------------------
# Operators of ATen on values of a trace
# ----------------------------------------------------------------------------


def _scaled(operation: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    """x + alpha y, or x - alpha y."""
    return lambda x, y, alpha=1: operation(x, y if alpha == 1 else y * alpha)


def _clamp(x: Any, low: Any = None, high: Any = None) -> Any:
    x = x if low is None else _trace.maximum(x, low)
    return x if high is None else _trace.minimum(x, high)


def _cast(x: Any, dtype: torch.dtype) -> Any:
    """Values stay float32 until D is stored, as they do in a kernel of Inductor's own."""
    return _trace.where(x, 1.0, 0.0) if isinstance(x, Truth) else x


def _sigmoid(x: Any) -> Any:
    # Not _trace.sigmoid, whose tanh is off by 2^-11 of 1 where the result is small.
    return 1.0 / (1.0 + _trace.exp(-x))


def _power(x: Any, exponent: Any) -> Any:
    return x ** (int(exponent) if exponent == int(exponent) else exponent)


_FUNCTIONS: dict[Any, Callable[..., Any]] = {
    _aten.neg.default: operator.neg, _aten.abs.default: abs, _aten.reciprocal.default: lambda x: 1.0 / x,
    _aten.square.default: lambda x: x * x, _aten.pow.Tensor_Scalar: _power,
    _aten.exp.default: _trace.exp, _aten.exp2.default: _trace.exp2, _aten.expm1.default: _trace.expm1,
    _aten.log.default: _trace.log, _aten.log2.default: _trace.log2, _aten.log1p.default: _trace.log1p,
    _aten.erf.default: _trace.erf, _aten.tanh.default: _trace.exact_tanh,
    _aten.sqrt.default: _trace.sqrt, _aten.rsqrt.default: _trace.rsqrt,
    _aten.floor.default: _trace.floor, _aten.ceil.default: _trace.ceil, _aten.trunc.default: _trace.trunc,
    _aten.round.default: _trace.rint, _aten.copysign.Tensor: _trace.copysign,
    _aten.sigmoid.default: _sigmoid, _aten.silu.default: lambda x: x * _sigmoid(x), _aten.relu.default: _trace.relu,
    _aten.maximum.default: _trace.maximum, _aten.minimum.default: _trace.minimum, _aten.clamp.default: _clamp,
    _aten.clamp_min.default: _clamp, _aten.clamp_max.default: lambda x, high: _clamp(x, None, high),
    _aten.where.self: _trace.where, torch.ops.prims.convert_element_type.default: _cast,
    _aten.bitwise_and.Tensor: operator.and_, _aten.bitwise_or.Tensor: operator.or_, _aten.bitwise_xor.Tensor: operator.xor,
    _aten.bitwise_not.default: operator.invert, _aten.logical_and.default: operator.and_, _aten.logical_or.default: operator.or_,
    _aten.logical_not.default: operator.invert,
    **{getattr(packet, overload): function for overload in ("Tensor", "Scalar") for packet, function in (
        (_aten.add, _scaled(operator.add)), (_aten.sub, _scaled(operator.sub)), (_aten.mul, operator.mul),
        (_aten.div, operator.truediv), (_aten.lt, operator.lt), (_aten.le, operator.le), (_aten.gt, operator.gt),
        (_aten.ge, operator.ge), (_aten.eq, operator.eq), (_aten.ne, operator.ne))},
    **dict.fromkeys(_VIEWS, lambda x, *_: x),
}
"""By operator. A TypeError says that an epilogue cannot do it."""


# ----------------------------------------------------------------------------
# Nodes
# ----------------------------------------------------------------------------


def _tensor(node: torch.fx.Node) -> torch.Tensor | None:
    """The tensor of a node, without data."""
    value = node.meta.get("val")
    return value if isinstance(value, torch.Tensor) else None


def _same(x: Any, y: Any) -> bool:
    return len(x) == len(y) and all(is_surely(a == b) for a, b in zip(x, y))


def _constant(node: torch.fx.Node) -> float | None:
    """The number that all elements of a node are, or None."""
    if node.target is not _aten.full.default or not isinstance(node.args[1], (int, float)):
        return None
    return float(node.args[1])


def _kernel_shape(operand: torch.Tensor, shape: Any) -> tuple[int, ...] | None:
    """The shape in which the kernel takes an operand that is broadcast to `shape`, [..., N]; None if the kernel does not take it."""
    if operand.dim() > len(shape):
        return None
    *rows, columns = (1,) * (len(shape) - operand.dim()) + tuple(operand.shape)
    is_row, is_each = is_surely(columns == shape[-1]), _same(rows, shape[:-1])
    if all(is_surely(extent == 1) for extent in rows):
        return (1,) if is_surely(columns == 1) else (shape[-1],) if is_row else None
    if is_each:
        return (-1, 1) if is_surely(columns == 1) else (-1, shape[-1]) if is_row else None
    return None


def _may_write(node: torch.fx.Node) -> bool:
    """Whether a node may change a tensor that another reads."""
    if isinstance(node.target, torch._ops.OpOverload):
        return node.target._schema.is_mutable
    return isinstance(node.target, torch._ops.HigherOrderOperator)


class _Region:
    """A product, and the nodes behind it that an epilogue could do, in order. Nodes in it have a value for each element of D."""

    def __init__(self, product: torch.fx.Node):
        self.product = product
        self.device = product.meta["val"].device
        self.nodes = {product: None}
        waiting, node = set(product.users), product.next
        while waiting and node.op != "root":
            waiting.discard(node)
            if self.takes(node):
                self.nodes[node] = None
                waiting.update(node.users)
            elif _may_write(node):
                break  # it may write an operand of the product, which moves down to the end of the epilogue
            node = node.next

    def takes(self, node: torch.fx.Node) -> bool:
        value = _tensor(node)
        if node.op != "call_function" or node.target not in _FUNCTIONS or value is None or not set(node.kwargs) <= {"alpha", "dtype"}:
            return False
        if value.dtype not in (*_OPERANDS, torch.bool) or value.device != self.device or value.dim() == 0:
            return False
        if not any(argument in self.nodes for argument in node.all_input_nodes):
            return False
        if node.target in _VIEWS:
            # The sizes are taken from the tensor, not from the arguments of the node.
            return is_surely(value.shape[-1] == _tensor(self.product).shape[-1])
        return all(self.takes_argument(argument, value.shape) for argument in node.args)

    def takes_argument(self, argument: Any, shape: Any) -> bool:
        if not isinstance(argument, torch.fx.Node):
            return isinstance(argument, (int, float, torch.dtype)) or argument is None
        operand = _tensor(argument)
        if operand is None:
            return False
        if argument in self.nodes:
            return _same(operand.shape, shape)
        if _constant(argument) is not None:
            return True
        return operand.dtype in _OPERANDS and operand.device == self.device and _kernel_shape(operand, shape) is not None

    def inner(self, last: torch.fx.Node) -> list[torch.fx.Node]:
        """The nodes from which `last` is computed, and `last` itself. The product is not among them."""
        wanted = {last}
        for node in reversed(self.nodes):
            if node in wanted:
                wanted.update(argument for argument in node.all_input_nodes if argument in self.nodes)
        return [node for node in self.nodes if node in wanted and node is not self.product]

    def is_worth_storing(self, last: torch.fx.Node) -> bool:
        """False for a result that is wider than the product and only goes to another kernel of Inductor's. That kernel can compute it
        from the product."""
        if _tensor(last).element_size() <= _tensor(self.product).element_size():
            return True
        return not any(isinstance(user.target, torch._ops.OpOverload) and user.target.namespace in ("aten", "prims") for user in last.users)

    def is_closed(self, inner: list[torch.fx.Node]) -> bool:
        """Whether no other node needs the values that are computed before the last of `inner`."""
        return all(user in inner for node in (self.product, *inner[:-1]) for user in node.users)


# ----------------------------------------------------------------------------
# Epilogues
# ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Fusion:
    """An epilogue of a product. `nodes` vanish, and the kernel computes the value of `last`."""

    last: torch.fx.Node
    nodes: list[torch.fx.Node]
    trace: Trace
    operands: list[tuple[torch.fx.Node, tuple[int, ...]]]
    """The operands, each with the shape in which the kernel takes it."""

    @property
    def dtype(self) -> torch.dtype:
        return _tensor(self.last).dtype


def _make_trace(product: torch.fx.Node, bias: torch.fx.Node | None, inner: list[torch.fx.Node]) -> tuple[Trace, list[Any]]:
    """The trace and its operands. TypeError if an epilogue cannot do it."""
    operands: dict[tuple[torch.fx.Node, tuple[int, ...]], None] = {}
    known = {product, *inner}

    def key(argument: torch.fx.Node, shape: Any) -> tuple[torch.fx.Node, tuple[int, ...]]:
        return argument, _kernel_shape(_tensor(argument), shape)

    def outer(node: torch.fx.Node) -> Iterator[torch.fx.Node]:
        if node.target not in _VIEWS:
            yield from (each for each in node.all_input_nodes if each not in known and _constant(each) is None)

    if bias is not None:
        operands[key(bias, _tensor(product).shape)] = None
    for node in inner:
        operands.update((key(argument, _tensor(node).shape), None) for argument in outer(node))
    if len(operands) > MAX_OPERANDS:
        raise TypeError(f"{len(operands)} operands")
    names = {each: f"e{index}" for index, each in enumerate(operands)}

    def compute(element: Value, **values: Value) -> Any:
        def look_up(argument: Any, shape: Any) -> Any:
            if not isinstance(argument, torch.fx.Node):
                return argument
            if argument in results:
                return results[argument]
            constant = _constant(argument)
            return values[names[key(argument, shape)]] if constant is None else constant

        results: dict[torch.fx.Node, Any] = {}
        results[product] = element if bias is None else element + look_up(bias, _tensor(product).shape)
        for node in inner:
            function, shape = _FUNCTIONS[node.target], _tensor(node).shape
            arguments = node.args[:1] if node.target in _VIEWS else node.args
            results[node] = function(*(look_up(argument, shape) for argument in arguments), **node.kwargs)
        return results[inner[-1] if inner else product]

    return _trace.trace(compute, tuple(names.values())), list(operands)


def find(product: torch.fx.Node, bias: torch.fx.Node | None, looks_behind: bool) -> Fusion:
    """The longest epilogue that the nodes after a product allow. Without `looks_behind`, or if nothing fits, it has only the bias, if
    there is one."""
    region = _Region(product)
    for last in reversed(region.nodes) if looks_behind else ():
        inner = region.inner(last)
        if last is product or _tensor(last).dtype not in _override.OUT or not region.is_closed(inner) or (
                not region.is_worth_storing(last)):
            continue
        try:
            return Fusion(last, [product, *inner], *_make_trace(product, bias, inner))
        except TypeError:
            continue
    return Fusion(product, [product], *_make_trace(product, bias, []))
