"""Recipes: the block of an operand that one scale covers, by the callers' names."""

from __future__ import annotations

from typing import Any

from ._problem import FP8_DTYPES, GRANULARITIES, OUT_DTYPES, SAME_ALONG_K

# torch.nn.functional.ScalingType by name and by value, DeepGEMM's tuples of rows and columns, and our own names.
_SPELLINGS = {"tensor": ("TensorWise", 0), "row": ("RowWise", 1), "1x128": ("BlockWise1x128", 4, (1, 128)),
              "128x128": ("BlockWise128x128", 5, (128, 128)), "none": ()}
_NAMES = {spelling: name for name, spellings in _SPELLINGS.items() for spelling in (name, *spellings)}
_UNSUPPORTED = {"BlockWise1x16": "NVFP4", 2: "NVFP4", "BlockWise1x32": "MXFP8 and MXFP4", 3: "MXFP8 and MXFP4",
                "BlockWiseBlk32Ue8m0_32_8_EXT": "MXFP8"}
_OUT_SPELLINGS = {**{name: name for name in OUT_DTYPES}, **{dtype: name for name, dtype in OUT_DTYPES.items()}}
_FP8_SPELLINGS = {**{name: name for name in FP8_DTYPES}, **{dtype: name for name, dtype in FP8_DTYPES.items()}}


def _single(value: Any) -> Any:
    """The only element of a list, which torch's functions take; any other value itself."""
    return value[0] if isinstance(value, (list, tuple)) and len(value) == 1 else value


def granularity(name: str, value: Any, allowed: tuple[str, ...] = GRANULARITIES) -> str:
    """One of `allowed` for the argument `name`. ValueError says what is allowed."""
    value = _single(value)
    key = tuple(value) if isinstance(value, list) else value
    if not isinstance(key, (str, int, tuple)) or isinstance(key, bool):
        key = getattr(value, "name", None)  # of an enumeration
    found = _NAMES.get(key)
    if found not in allowed:
        why = _UNSUPPORTED.get(key, "") if isinstance(key, (str, int)) else ""
        raise ValueError(f"{name} is {value!r}; allowed are {', '.join(map(repr, allowed))}, and TensorWise, RowWise, "
                         "BlockWise1x128 and BlockWise128x128 of torch.nn.functional.ScalingType" +
                         (f"; Hopper has no {why}" if why else ""))
    return found


def _type(name: str, value: Any, spellings: dict[str, str], allowed: tuple[str, ...]) -> str:
    # str(torch.bfloat16) is "torch.bfloat16"; NumPy has types ("<class 'ml_dtypes.bfloat16'>") and dtypes ("bfloat16").
    text = getattr(value, "__name__", None) or str(value)
    found = spellings.get(text.rpartition(".")[2])
    if found is None:
        raise ValueError(f"{name} is {value!r}; allowed are {', '.join(map(repr, allowed))}, and the types of these names of "
                         "torch and NumPy")
    return found


def out_type(name: str, value: Any) -> str:
    """"bf16", "f16" or "f32"."""
    return _type(name, value, _OUT_SPELLINGS, tuple(OUT_DTYPES))


def fp8_type(name: str, value: Any) -> str:
    """"e4m3" or "e5m2"."""
    return _type(name, value, _FP8_SPELLINGS, tuple(FP8_DTYPES))


def check_swizzle(name: str, value: Any) -> None:
    """ValueError for swizzled scales."""
    value = _single(value)
    if value is None or (isinstance(value, (list, tuple)) and not value):
        return
    key = value if isinstance(value, (str, int)) else getattr(value, "name", None)
    if key not in ("NO_SWIZZLE", 0) or isinstance(key, bool):
        raise ValueError(f"{name} is {value!r}; allowed are None and NO_SWIZZLE: swizzled scales are for Blackwell")


def accuracy(granularities: tuple[str, str], use_fast_accum: bool) -> str:
    """"fast" if it is requested and no scale varies along K."""
    return "fast" if use_fast_accum and all(name in SAME_ALONG_K for name in granularities) else "exact"
