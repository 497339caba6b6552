"""Traces of Python functions of an element of the sum: values that stand for numbers, and the functions that take them."""

from __future__ import annotations

import functools
import json
import math
import numbers
import struct
from collections.abc import Callable
from dataclasses import astuple, dataclass
from typing import Any

OPERAND_DTYPES = {"float32": "f32", "bfloat16": "bf16", "float16": "f16"}
"""Of operands, with MLIR's names."""
_CAN_BE_APPROXIMATE = ("arith.divf", "math.sqrt", "math.rsqrt", "math.exp", "math.exp2", "math.expm1", "math.log", "math.log2",
                       "math.log1p", "math.tanh", "math.erf")
"""Ops that have a quicker form, exact enough for results of 16 bits (docs/epilogues.md)."""


# ----------------------------------------------------------------------------
# Values
# ----------------------------------------------------------------------------


@dataclass(frozen=True)
class _Op:
    """An op of a trace: MLIR's name, numbers of values, and the constant or the predicate in MLIR's words."""

    name: str
    args: tuple[int, ...]
    value: str | None = None
    exact: bool = False
    """True if the quicker form is not allowed for any type of the result."""


class _Tape:
    """The ops of one trace. Numbers of values: the element (gated: two), the operands, the ops."""

    def __init__(self, arguments: int):
        self.arguments = arguments
        self.ops: list[_Op] = []

    def record(self, name: str, args: tuple[int, ...], value: str | None = None, exact: bool = False) -> int:
        op = _Op(name, args, value, exact)
        if op in self.ops:  # computed already
            return self.arguments + self.ops.index(op)
        self.ops.append(op)
        return self.arguments + len(self.ops) - 1


def _print_f32(value: float) -> str:
    """MLIR takes bits for what has no decimal form."""
    try:
        bits = struct.pack(">f", value)
    except OverflowError:
        bits = struct.pack(">f", math.copysign(math.inf, value))
    return "0x" + bits.hex().upper()


class _Traced:
    """What is known of a value while a function is traced: its number."""

    __array_ufunc__ = None  # NumPy's scalars leave operators to it
    __hash__ = None

    def __init__(self, tape: _Tape, number: int):
        self._tape, self._number = tape, number

    def __bool__(self) -> bool:
        raise TypeError("an epilogue cannot branch on a value, which is known in the kernel only: no `if`, `and`, `or`, `not`, "
                        "min() or max() of it; dgemm.where(condition, a, b), dgemm.maximum and dgemm.minimum choose")

    def _refuse(self, *_: Any) -> Any:
        raise TypeError("an epilogue cannot take a value out of the kernel, as float(), int(), len(), an index or a loop would; it "
                        "is made of operators and of the functions of dgemm (docs/epilogues.md)")

    __float__ = __int__ = __index__ = __len__ = __iter__ = __getitem__ = __array__ = _refuse


class Truth(_Traced):
    """The result of a comparison in an epilogue."""

    def __and__(self, other: Any) -> Truth:
        return Truth(self._tape, self._tape.record("arith.andi", (self._number, _truth(self._tape, other))))

    def __or__(self, other: Any) -> Truth:
        return Truth(self._tape, self._tape.record("arith.ori", (self._number, _truth(self._tape, other))))

    def __xor__(self, other: Any) -> Truth:
        return Truth(self._tape, self._tape.record("arith.xori", (self._number, _truth(self._tape, other))))

    def __invert__(self) -> Truth:
        return self ^ True

    __rand__, __ror__, __rxor__ = __and__, __or__, __xor__


def _truth(tape: _Tape, value: Any) -> int:
    if isinstance(value, Truth):
        return value._number
    if isinstance(value, bool):
        return tape.record("arith.constant", (), str(value).lower())
    raise TypeError(f"an epilogue combines a comparison with a {type(value).__name__}; allowed are comparisons, True and False")


def _number(tape: _Tape, value: Any) -> int:
    """The number of a value, or of a constant that becomes one."""
    if isinstance(value, Value):
        if value._tape is not tape:
            raise TypeError("an epilogue uses a value of another trace; allowed are its arguments and what is made of them")
        return value._number
    if isinstance(value, Truth):
        raise TypeError("an epilogue uses a comparison as a number; dgemm.where(condition, a, b) makes one of it")
    if isinstance(value, numbers.Real) or (getattr(value, "ndim", None) == 0 and not isinstance(value, _Traced)):
        return tape.record("arith.constant", (), f"{_print_f32(float(value))} : f32")
    raise TypeError(f"an epilogue uses a {type(value).__module__}.{type(value).__qualname__}; allowed are numbers, its arguments, and "
                    "what is made of them; a tensor is an operand: dgemm.epilogue(lambda x, bias: x + bias, bias=tensor)")


def _call(name: str, *args: Any, value: str | None = None, exact: bool = False) -> Value:
    """The op `name` of `args`, of which at least one is traced."""
    traced = next((arg for arg in args if isinstance(arg, Value)), None)
    if traced is None:
        raise TypeError(f"{name.partition('.')[2]} is for values of an epilogue (dgemm.epilogue), and got "
                        f"{', '.join(type(arg).__name__ for arg in args)}")
    tape = traced._tape
    return Value(tape, tape.record(name, tuple(_number(tape, arg) for arg in args), value, exact))


class Value(_Traced):
    """A number in an epilogue: the element, a value of an operand, or what is made of them."""

    def __add__(self, other: Any) -> Value:
        return _call("arith.addf", self, other)

    def __radd__(self, other: Any) -> Value:
        return _call("arith.addf", other, self)

    def __sub__(self, other: Any) -> Value:
        return _call("arith.subf", self, other)

    def __rsub__(self, other: Any) -> Value:
        return _call("arith.subf", other, self)

    def __mul__(self, other: Any) -> Value:
        return _call("arith.mulf", self, other)

    def __rmul__(self, other: Any) -> Value:
        return _call("arith.mulf", other, self)

    def __truediv__(self, other: Any) -> Value:
        return _call("arith.divf", self, other)

    def __rtruediv__(self, other: Any) -> Value:
        return _call("arith.divf", other, self)

    def __neg__(self) -> Value:
        return _call("arith.negf", self)

    def __pos__(self) -> Value:
        return self

    def __abs__(self) -> Value:
        return _call("math.absf", self)

    def __pow__(self, exponent: Any) -> Value:
        if not isinstance(exponent, int) or isinstance(exponent, bool) or not 0 < exponent <= 16:
            raise TypeError(f"an epilogue raises a value to the power of {exponent!r}; allowed are integers of 1 to 16 (dgemm.exp and "
                            "dgemm.log make others)")
        result, square = None, self
        while exponent:
            if exponent & 1:
                result = square if result is None else result * square
            exponent >>= 1
            square = square * square if exponent else square
        return result

    def _compare(self, predicate: str, other: Any) -> Truth:
        number = _call("arith.cmpf", self, other, value=predicate)._number
        return Truth(self._tape, number)

    def __lt__(self, other: Any) -> Truth:
        return self._compare("olt", other)

    def __le__(self, other: Any) -> Truth:
        return self._compare("ole", other)

    def __gt__(self, other: Any) -> Truth:
        return self._compare("ogt", other)

    def __ge__(self, other: Any) -> Truth:
        return self._compare("oge", other)

    def __eq__(self, other: Any) -> Truth:  # type: ignore[override]
        return self._compare("oeq", other)

    def __ne__(self, other: Any) -> Truth:  # type: ignore[override]
        return self._compare("une", other)


# ----------------------------------------------------------------------------
# Functions
# ----------------------------------------------------------------------------


def exp(x: Value) -> Value:
    """e to the power of x, in an epilogue."""
    return _call("math.exp", x)


def exp2(x: Value) -> Value:
    """2 to the power of x, in an epilogue."""
    return _call("math.exp2", x)


def expm1(x: Value) -> Value:
    """exp(x) - 1, in an epilogue."""
    return _call("math.expm1", x)


def log(x: Value) -> Value:
    """The natural logarithm, in an epilogue."""
    return _call("math.log", x)


def log2(x: Value) -> Value:
    """The logarithm to base 2, in an epilogue."""
    return _call("math.log2", x)


def log1p(x: Value) -> Value:
    """log(1 + x), in an epilogue."""
    return _call("math.log1p", x)


def tanh(x: Value) -> Value:
    """The hyperbolic tangent, in an epilogue."""
    return _call("math.tanh", x)


def exact_tanh(x: Value) -> Value:
    """tanh with the precision of float32, so that its sum with 1 also has that precision. The package does not export it."""
    return _call("math.tanh", x, exact=True)


def erf(x: Value) -> Value:
    """The error function, in an epilogue."""
    return _call("math.erf", x)


def sqrt(x: Value) -> Value:
    """The square root, in an epilogue."""
    return _call("math.sqrt", x)


def rsqrt(x: Value) -> Value:
    """1 / sqrt(x), in an epilogue."""
    return _call("math.rsqrt", x)


def floor(x: Value) -> Value:
    """Rounds down, in an epilogue."""
    return _call("math.floor", x)


def ceil(x: Value) -> Value:
    """Rounds up, in an epilogue."""
    return _call("math.ceil", x)


def trunc(x: Value) -> Value:
    """Rounds towards zero, in an epilogue."""
    return _call("math.trunc", x)


def rint(x: Value) -> Value:
    """Rounds to the nearest integer, ties to even, in an epilogue."""
    return _call("math.roundeven", x)


def fma(x: Any, y: Any, z: Any) -> Value:
    """x * y + z, rounded once, in an epilogue."""
    return _call("math.fma", x, y, z)


def copysign(x: Any, y: Any) -> Value:
    """The magnitude of x with the sign of y, in an epilogue."""
    return _call("math.copysign", x, y)


def maximum(x: Any, y: Any) -> Value:
    """The larger of both, NaN if one is, in an epilogue."""
    return _call("arith.maximumf", x, y)


def minimum(x: Any, y: Any) -> Value:
    """The smaller of both, NaN if one is, in an epilogue."""
    return _call("arith.minimumf", x, y)


def where(condition: Truth, x: Any, y: Any) -> Value:
    """x where the condition holds, else y, in an epilogue."""
    if not isinstance(condition, Truth):
        raise TypeError(f"where is given a {type(condition).__name__} as its condition; allowed is a comparison of values of an epilogue")
    tape = condition._tape
    return Value(tape, tape.record("arith.select", (condition._number, _number(tape, x), _number(tape, y))))


def relu(x: Value) -> Value:
    """max(x, 0), in an epilogue."""
    return maximum(x, 0.0)


# A tanh is one instruction of the special function unit; an exponential and a quotient are two.
def sigmoid(x: Value) -> Value:
    """1 / (1 + exp(-x)), in an epilogue."""
    return fma(tanh(x * 0.5), 0.5, 0.5)


def silu(x: Value) -> Value:
    """x * sigmoid(x), in an epilogue."""
    half = x * 0.5
    return fma(half, tanh(half), half)


def gelu(x: Value, approximate: str = "tanh") -> Value:
    """x/2 * (1 + erf(x / sqrt(2))), or the usual approximation of it by a tanh, in an epilogue.

    Args:
        approximate: "tanh" or "none".
    """
    if approximate not in ("tanh", "none"):
        raise ValueError(f"approximate is {approximate!r}; allowed are 'tanh' and 'none'")
    half = x * 0.5
    if approximate == "none":
        return fma(half, erf(x * math.sqrt(0.5)), half)
    c = math.sqrt(2 / math.pi)
    return fma(half, tanh(x * fma(x * x, c * 0.044715, c)), half)


def swiglu(gate: Value, up: Value) -> Value:
    """silu(gate) * up, in a gated epilogue."""
    return silu(gate) * up


def geglu(gate: Value, up: Value, approximate: str = "tanh") -> Value:
    """gelu(gate) * up, in a gated epilogue.

    Args:
        approximate: as that of gelu.
    """
    return gelu(gate, approximate) * up


# ----------------------------------------------------------------------------
# Traces
# ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Trace:
    """What a function computes. Equal traces are one kernel."""

    names: tuple[str, ...]
    ops: tuple[_Op, ...]
    result: int
    gated: bool = False
    """True where the function takes two elements."""

    def __hash__(self) -> int:
        return self._hash

    @functools.cached_property
    def _hash(self) -> int:
        """The hash is kept, because each call looks its trace up, and to hash a dozen ops takes more than a microsecond."""
        return hash((self.names, self.ops, self.result, self.gated))

    def text(self, axes: tuple[str, ...], dtypes: tuple[str, ...], exact: bool) -> str:
        """As a function of MLIR, for operands along `axes` of these dtypes."""
        arguments = [f"%{number}: f32" for number in range(1 + self.gated)]
        for number, (name, axis, dtype) in enumerate(zip(self.names, axes, dtypes), len(arguments)):
            arguments.append(f'%{number}: f32 {{dgemm.operand = #dgemm.epilogue_operand<name = "{name}", along = {axis}, '
                             f"element = {OPERAND_DTYPES[dtype]}>}}")
        lines = [f"func.func @epilogue({', '.join(arguments)}) -> f32 {'attributes {dgemm.gated} ' if self.gated else ''}{{"]
        lines += [f"  %{number} = {_print(op, exact)}" for number, op in enumerate(self.ops, len(arguments))]
        return "\n".join([*lines, f"  return %{self.result} : f32", "}", ""])

    def dump(self) -> str:
        """The trace as a text, which is an argument of an operator; load reads it."""
        return json.dumps([self.names, [astuple(op) for op in self.ops], self.result, self.gated])


@functools.lru_cache(maxsize=1024)
def load(text: str) -> Trace:
    """The trace that Trace.dump wrote."""
    names, ops, result, gated = json.loads(text)
    return Trace(tuple(names), tuple(_Op(name, tuple(args), *rest) for name, args, *rest in ops), result, gated)


def _print(op: _Op, exact: bool) -> str:
    args = ", ".join(f"%{number}" for number in op.args)
    if op.name == "arith.constant":
        return f"arith.constant {op.value}"
    if op.name == "arith.cmpf":
        return f"arith.cmpf {op.value}, {args} : f32"
    if op.name in ("arith.andi", "arith.ori", "arith.xori"):
        return f"{op.name} {args} : i1"
    flags = " fastmath<afn>" if not (exact or op.exact) and op.name in _CAN_BE_APPROXIMATE else ""
    return f"{op.name} {args}{flags} : f32"


def trace(function: Callable[..., Any], names: tuple[str, ...], gated: bool = False) -> Trace:
    """Calls `function` with the element, or two elements, and these operands."""
    elements = 1 + gated
    tape = _Tape(elements + len(names))
    values = {name: Value(tape, number) for number, name in enumerate(names, elements)}
    result = function(*(Value(tape, number) for number in range(elements)), **values)
    if not isinstance(result, (Value, numbers.Real)) or isinstance(result, bool):
        raise TypeError(f"an epilogue gives a {type(result).__name__}; allowed is one number, made of its arguments")
    number = _number(tape, result)
    return Trace(names, tuple(tape.ops), number, gated)
