"""Operands that describe groups: labels of rows, ends of groups, numbers of rows."""

from __future__ import annotations

import ctypes
import sys
from typing import TYPE_CHECKING, Any

from . import _check, _settings, _tensors
from ._dgemm import TensorView

if TYPE_CHECKING:
    import numpy as np


def check(name: str, labels: np.ndarray, groups: int, row_alignment: int) -> None:
    """Raises ValueError, naming the row, unless kernels can take `labels`. A kernel reads the label of one row for all rows of
    a tile, and no tile crosses a multiple of `row_alignment`. So rows between two multiples belong to one group, and padding
    (-1) only follows them."""
    import numpy as np

    wrong = np.flatnonzero((labels < -1) | (labels >= groups))
    if wrong.size:
        raise ValueError(f"{name}[{wrong[0]}] is {labels[wrong[0]]}; allowed are groups of 0 to {groups - 1}, and -1 for "
                         "padding")
    # A row has the label of the previous row, or is padding after it.
    differs = np.flatnonzero((labels[1:] != labels[:-1]) & (labels[1:] != -1)) + 1
    wrong = differs[differs % row_alignment != 0]
    if wrong.size:
        row = int(wrong[0])
        raise ValueError(f"{name}[{row}] is {labels[row]} after {labels[row - 1]} in row {row - 1}; a group begins at a "
                         f"multiple of {row_alignment} rows (get_mk_alignment_for_contiguous_layout), and its padding of "
                         "-1 follows it")


def check_view(name: str, view: TensorView, groups: int, row_alignment: int) -> None:
    """`check` for labels in the memory of the host."""
    import numpy as np

    (rows,) = view.shape
    if rows:
        labels = np.ctypeslib.as_array(ctypes.cast(view.address, ctypes.POINTER(ctypes.c_int32)), (rows,))
        check(name, labels, groups, row_alignment)


_OPERANDS = {"contiguous": "m_indices", "masked": "masked_m", "offsets": "offsets", "k_grouped": "offsets"}


def check_groups(groups: Any, num_groups: int, alignment: int | None = None, layout: str = "contiguous",
                 limit: int | None = None) -> None:
    """Checks the operand that describes groups, in any memory. Raises ValueError, naming the element, if a call with it would give
    wrong results, or would not compute rows that the caller expects.

    Args:
        groups: int32; contiguous: m_indices [M], the group of each row, -1 for padding; masked: masked_m [G]; offsets and k_grouped:
            offsets [G]. A torch, CuPy, JAX or NumPy array.
        num_groups: groups of B; k_grouped: of D.
        alignment: each group starts at a multiple of it. None means get_mk_alignment_for_contiguous_layout(), 1 for offsets, and
            128 for k_grouped.
        layout: "contiguous", "masked", "offsets" or "k_grouped".
        limit: groups must not end after this number of rows of A (masked: of a group; k_grouped: of columns); None for no check.

    Copies the values from a GPU to the host and waits for them, so use it in tests and for debugging. Calls with NumPy arrays
    check labels themselves.
    """
    name = _OPERANDS.get(_check.choice("layout", layout, tuple(_OPERANDS)) or layout)
    num_groups = _check.integer("num_groups", num_groups)
    values = _to_host(name, groups)
    if values.dtype.name != "int32":
        raise TypeError(f"{name} has dtype {values.dtype}; allowed is int32")
    if values.ndim != 1:
        raise ValueError(f"{name} has shape {list(values.shape)}; allowed is [{'M' if layout == 'contiguous' else 'G'}]")
    limit = _check.optional_integer("limit", limit, 0)
    if layout == "contiguous":
        alignment = _settings.current().row_alignment if alignment is None else _settings.row_alignment("alignment", alignment)
        return check(name, values, num_groups, alignment)
    if len(values) != num_groups:
        raise ValueError(f"{name} has {len(values)} elements; allowed is {num_groups}, one for each group")
    if layout == "masked":
        return _check_range(name, values, 0, limit)
    least = 128 if layout == "k_grouped" else 1
    alignment = _check.integer("alignment", least if alignment is None else alignment)
    if alignment % least:
        raise ValueError(f"alignment is {alignment}; allowed are multiples of {least}")
    _check_range(name, values, 0, limit)
    _check_ends(name, values, alignment)


def _check_range(name: str, values: np.ndarray, least: int, most: int | None) -> None:
    for group, value in enumerate(values.tolist()):
        if value < least or (most is not None and value > most):
            raise ValueError(f"{name}[{group}] is {value}; allowed are {least} {'or more' if most is None else f'to {most}'}")


def _check_ends(name: str, ends: np.ndarray, alignment: int) -> None:
    """A group must not end before the previous group ends. A kernel treats a group that ends before its start as empty."""
    before = 0
    for group, end in enumerate(ends.tolist()):
        start = -(-before // alignment) * alignment
        if end < before or before < end < start:
            raise ValueError(f"{name}[{group}] is {end} after {before}; allowed are {before} for no rows, and {start} or more, where "
                             "the group starts")
        before = end


def _to_host(name: str, tensor: Any) -> np.ndarray:
    kind = _tensors.library(tensor)
    if kind == "torch":
        return tensor.detach().cpu().numpy()
    if kind == "cupy":
        return sys.modules["cupy"].asnumpy(tensor)
    if kind in ("numpy", "jax"):
        import numpy as np

        return np.asarray(tensor)
    raise TypeError(f"{name} is a {type(tensor).__module__}.{type(tensor).__qualname__}; allowed are tensors of torch, "
                    "CuPy, JAX and NumPy")
