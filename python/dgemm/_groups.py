"""The labels of a contiguous layout, which give the group of each row."""

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


def check_groups(m_indices: Any, num_groups: int, alignment: int | None = None) -> None:
    """Checks the labels of a contiguous layout in any memory. Raises ValueError, naming the row, if a call with them would give
    wrong results.

    Args:
        m_indices: [M] int32, the group of each row, -1 for padding; a torch, CuPy, JAX or NumPy array.
        num_groups: groups of B.
        alignment: each group starts at a multiple of it; None for get_mk_alignment_for_contiguous_layout().
    Copies labels from a GPU to the host and waits for them, so use it in tests and for debugging. Calls with NumPy arrays
    check their labels themselves.
    """
    num_groups = _check.integer("num_groups", num_groups)
    alignment = _settings.current().row_alignment if alignment is None else _settings.row_alignment("alignment", alignment)
    labels = _to_host(m_indices)
    if labels.dtype.name != "int32":
        raise TypeError(f"m_indices has dtype {labels.dtype}; allowed is int32")
    if labels.ndim != 1:
        raise ValueError(f"m_indices has shape {list(labels.shape)}; allowed is [M]")
    check("m_indices", labels, num_groups, alignment)


def _to_host(tensor: Any) -> np.ndarray:
    kind = _tensors.library(tensor)
    if kind == "torch":
        return tensor.detach().cpu().numpy()
    if kind == "cupy":
        return sys.modules["cupy"].asnumpy(tensor)
    if kind in ("numpy", "jax"):
        import numpy as np

        return np.asarray(tensor)
    raise TypeError(f"m_indices is a {type(tensor).__module__}.{type(tensor).__qualname__}; allowed are tensors of torch, "
                    "CuPy, JAX and NumPy")
