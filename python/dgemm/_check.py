"""Checks of arguments: each returns the value in its canonical form, or raises an error that names the argument."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from typing import Any

MAX_SIZE = 2**31 - 1


def integer(name: str, value: Any, least: int = 1, most: int = MAX_SIZE) -> int:
    """An int of `least` to `most`, which may be an integer of NumPy or torch. ValueError for anything else."""
    try:
        number = None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = None
    if number is None or not least <= number <= most:
        raise ValueError(f"{name} is {value!r}; allowed are integers of {least} to {most}")
    return number


def optional_integer(name: str, value: Any, least: int = 1, most: int = MAX_SIZE) -> int | None:
    return None if value is None else integer(name, value, least, most)


def listed(allowed: Iterable[Any]) -> str:
    """"a, b and c"."""
    *most, last = map(str, allowed)
    return f"{', '.join(most)} and {last}" if most else last


def allowed(values: Iterable[Any]) -> str:
    """"allowed is a", "allowed are a, b and c"."""
    values = list(values)
    return f"allowed {'is' if len(values) == 1 else 'are'} {listed(values)}"


def text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{name} is {value!r}; allowed is a string")
    return value


def choice(name: str, value: Any, allowed: tuple[str, ...]) -> str:
    if value not in allowed:
        raise ValueError(f"{name} is {value!r}; allowed are {listed(map(repr, allowed))}")
    return value


def pair(name: str, value: Any, meaning: str) -> None:
    """`value` is a tuple or list of two."""
    if not isinstance(value, (tuple, list)):
        kind = type(value)
        raise TypeError(f"{name} is a {kind.__module__}.{kind.__qualname__}; allowed is a pair {meaning}")
    if len(value) != 2:
        raise ValueError(f"{name} has {len(value)} elements; allowed is a pair {meaning}")


def recipe(name: str, value: Any, allowed: Iterable[tuple[int, ...] | None]) -> tuple[int, ...]:
    """A granularity of scales, which is one of the tuples `allowed`."""
    allowed = list(allowed)
    given = tuple(value) if isinstance(value, (tuple, list)) else value
    if given not in allowed:
        raise ValueError(f"{name} is {given!r}; allowed are {listed(allowed)}")
    return given
