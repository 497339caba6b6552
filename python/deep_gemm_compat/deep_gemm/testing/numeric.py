"""Comparison of results."""

from __future__ import annotations

from typing import Any

from dgemm import calc_diff


def count_bytes(*tensors: Any) -> int:
    """The bytes of tensors, also of those in tuples and lists; None counts nothing."""
    total = 0
    for tensor in tensors:
        if isinstance(tensor, (tuple, list)):
            total += count_bytes(*tensor)
        elif tensor is not None:
            total += tensor.nbytes
    return total


def assert_bitwise_equal(x: Any, y: Any, label: str = "") -> None:
    """AssertionError, with the first element that differs, unless the bits of both are equal."""
    name = f" ({label})" if label else ""
    assert x.shape == y.shape and x.dtype == y.dtype, f"{x.shape} of {x.dtype} is not {y.shape} of {y.dtype}{name}"
    bits = [_bytes(tensor) for tensor in (x, y)]
    wrong = bits[0] != bits[1]
    if bool(wrong.any()):
        first = int(wrong.nonzero()[0][0])
        assert False, f"{int(wrong.sum())} bytes differ{name}, first in element {first // (x.nbytes // max(1, _count(x)))}"


def _count(x: Any) -> int:
    return x.numel() if hasattr(x, "numel") else x.size


def _bytes(x: Any) -> Any:
    if hasattr(x, "contiguous"):
        import torch

        return x.contiguous().view(torch.uint8).flatten()
    import numpy as np

    return np.ascontiguousarray(x).view(np.uint8).reshape(-1)


__all__ = ["assert_bitwise_equal", "calc_diff", "count_bytes"]
