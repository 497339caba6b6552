"""Epilogues: Python functions of an element of the sum, traced once and compiled into the kernel, with their operands."""

from __future__ import annotations

import inspect
import keyword
from collections.abc import Callable
from typing import Any

from ._trace import Trace, trace

MAX_OPERANDS = 8
_TAKEN = ("a", "scale_a", "b", "scale_b", "d", "m_indices", "masked_m")
_GATED = "up"
"""The second element of a gated function."""


class Epilogue:
    """A function of the element (gated: of two) and its operands, which the gemm functions take as `epilogue`. Call it with
    other tensors for an epilogue of the same function, which is not traced again."""

    def __init__(self, traced: Trace, tensors: tuple[Any, ...]):
        self.trace = traced
        self.tensors = tensors

    def __call__(self, **operands: Any) -> Epilogue:
        _check_names(self.trace.names, operands)
        return Epilogue(self.trace, tuple(operands[name] for name in self.trace.names))

    def __repr__(self) -> str:
        elements = "gate, up" if self.trace.gated else "x"
        return f"<dgemm.Epilogue of {elements}{''.join(', ' + name for name in self.trace.names)}: {len(self.trace.ops)} ops>"


def _check_names(wanted: tuple[str, ...], operands: dict[str, Any]) -> None:
    if set(wanted) != set(operands):
        raise TypeError(f"the epilogue is given {', '.join(operands) or 'no operands'}; its function takes "
                        f"{', '.join(wanted) or 'none'} beside the element")


def epilogue(function: Callable[..., Any], **operands: Any) -> Epilogue:
    """A function that kernels apply to each element before the store: dgemm.epilogue(lambda x, bias: dgemm.silu(x + bias), bias=b).

    Args:
        function: of the element (float32), and of operands by their names. It is called once, with values that stand for
            numbers: operators, comparisons and functions of dgemm make others of them. A function is gated if its second
            parameter is `up` and `up` is not an operand: dgemm.epilogue(lambda gate, up: dgemm.silu(gate) * up). It takes the
            elements of columns n and N/2 + n, and D is [M, N/2].
        operands: tensors of float32, bfloat16 or float16, on the device of the product D [M, N]. Their shapes say what they
            have a value for: [N] a column, [M, 1] a row, [M, N] an element, [1] all of D. Contiguous groups: [G, N] a column of
            a group, [G, 1] a group. Masked groups: [G, N] or [G, 1, N], [G, M, 1], [G, M, N] and [G, 1, 1]. N is that of D.

    TypeError for what cannot be traced, such as an `if` on a value.
    """
    if not callable(function):
        raise TypeError(f"function is a {type(function).__name__}; allowed is a function of the element and the operands")
    parameters = list(inspect.signature(function).parameters.values())
    if not parameters:
        raise TypeError("the function of an epilogue has no parameter; the first is the element")
    names = tuple(parameter.name for parameter in parameters[1:]
                  if parameter.default is inspect.Parameter.empty or parameter.name in operands)
    gated = names[:1] == (_GATED,) and _GATED not in operands
    names = names[1:] if gated else names
    _check_names(names, operands)
    if len(names) > MAX_OPERANDS:
        raise ValueError(f"an epilogue has {len(names)} operands; allowed are {MAX_OPERANDS}")
    for name in names:
        if name in _TAKEN or keyword.iskeyword(name) or not name.isascii():
            raise ValueError(f"an operand of an epilogue is called {name}; allowed are names that no other operand has: not "
                             f"{', '.join(_TAKEN)}")
    return Epilogue(trace(function, names, gated), tuple(operands[name] for name in names))


def check(name: str, value: Any) -> Epilogue:
    """The argument `name` of a gemm function."""
    if not isinstance(value, Epilogue):
        raise TypeError(f"{name} is a {type(value).__name__}; allowed is what dgemm.epilogue returns")
    return value


BIAS = trace(lambda x, bias: x + bias, ("bias",))


# ----------------------------------------------------------------------------
# Operands
# ----------------------------------------------------------------------------


def _shapes(layout: str, m: int, n: int, groups: int) -> dict[str, tuple[tuple[int, ...], ...]]:
    """The shapes that an operand may have, by what it has a value for; [1] and [] are none of these."""
    if layout == "dense":
        return {"n": ((n,), (1, n)), "m": ((m, 1),), "mn": ((m, n),), "none": ((1, 1),)}
    if layout == "contiguous":
        return {"mn": ((m, n),), "m": ((m, 1),), "n": ((groups, n),), "g": ((groups, 1),), "none": ((1, 1),)}
    return {"mn": ((groups, m, n),), "n": ((groups, n), (groups, 1, n)), "m": ((groups, m, 1),), "g": ((groups, 1, 1),),
            "none": ((1, 1, 1),)}


def find_axis(name: str, shape: tuple[int, ...], layout: str, m: int, n: int, groups: int) -> str:
    """What an operand of this shape has a value for. ValueError, naming the operand."""
    if shape in ((), (1,)):
        return "none"
    allowed = _shapes(layout, m, n, groups)
    for axis, shapes in allowed.items():
        if shape in shapes:
            return axis
    letters = {"dense": "[N], [M, 1], [M, N] and [1]", "contiguous": "[G, N], [M, 1], [M, N], [G, 1] and [1]"}.get(layout, "[G, N], [G, M, 1], [G, M, N], [G, 1, 1] and [1]")
    sizes = f"M = {m}, N = {n}" + ("" if layout == "dense" else f", G = {groups}")
    raise ValueError(f"operand {name} of the epilogue has shape {list(shape)}; allowed are {letters}, with {sizes}")

