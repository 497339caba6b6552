"""Which of torch's scaled products dgemm serves: what the override of its operators and the pass of Inductor's share."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch

from ._problem import BLOCK, FP8_DTYPES, OUT_DTYPES, ceil_div

FP8 = tuple(getattr(torch, dtype) for dtype in FP8_DTYPES.values())
OUT = {getattr(torch, dtype): name for name, dtype in OUT_DTYPES.items()}
PAIRS = (("tensor", "tensor"), ("row", "row"), ("128x128", "1x128"), ("1x128", "128x128"), ("1x128", "1x128"))
"""What torch takes, in the order in which torch._scaled_mm tries; all else it refuses, in its own words."""
RECIPES = {0: "tensor", 1: "row", 4: "1x128", 5: "128x128"}
"""torch.nn.functional.ScalingType by value."""


@functools.lru_cache
def is_hopper(device: torch.device) -> bool:
    return device.type == "cuda" and torch.cuda.get_device_capability(device) == (9, 0)


def _find(matrix: torch.Tensor, scale: torch.Tensor, is_surely: Callable[[Any], bool]) -> list[str]:
    """What the scales of `matrix`, rows of K, can be."""
    rows, k = matrix.shape
    found = ["tensor"] if is_surely(scale.numel() == 1) else []
    if scale.dim() != 2:
        return found
    blocks, row_blocks = ceil_div(k, BLOCK), ceil_div(rows, BLOCK)
    (high, wide), (row, column) = scale.shape, scale.stride()

    def is_one(extent: Any) -> bool:
        return is_surely(extent <= 1)

    if is_surely(wide == 1) and is_surely(high == rows) and (is_one(rows) or is_surely(row == 1)):
        found.append("row")
    if is_surely(wide == blocks) and is_surely(high == rows) and (is_one(rows) or is_surely(row == 1)) and (
            is_one(blocks) or is_surely(column == rows)):
        found.append("1x128")
    if is_surely(wide == blocks) and is_surely(high == row_blocks) and (is_one(row_blocks) or is_surely(row == blocks)) and (
            is_one(blocks) or is_surely(column == 1)):
        found.append("128x128")
    return found


def is_m_innermost(scale: torch.Tensor) -> bool:
    """The order in which torch takes scales of 1x128, [rows, blocks]: rows next to each other, without padding."""
    if scale.dim() != 2:
        return False
    rows, blocks = scale.shape
    return (rows <= 1 or scale.stride(0) == 1) and (blocks <= 1 or scale.stride(1) == rows)


def find_recipes(a: torch.Tensor, b: torch.Tensor, scale_a: torch.Tensor, scale_b: torch.Tensor,
                 is_surely: Callable[[Any], bool] = bool) -> tuple[str, str] | None:
    """Of torch._scaled_mm, which tells by shapes and strides; None for none that it takes. `b` is [K, N]. Sizes of a graph may be
    unknown: `is_surely` says of a condition whether it holds whatever they are."""
    of_a, of_b = _find(a, scale_a, is_surely), _find(b.t(), scale_b.t(), is_surely)
    return next((pair for pair in PAIRS if pair[0] in of_a and pair[1] in of_b), None)
