"""The tensors of a call, and its problem."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from . import _check, _epilogue, _groups, _tensors, _trace
from ._dgemm import TensorView
from ._problem import (
    ANY_K,
    DEFAULT_RECIPE,
    DYNAMIC,
    FP8_DTYPES,
    ONE_MATRIX,
    OUT_DTYPES,
    OWN_ROWS,
    SHARED_B,
    Problem,
    Recipe,
    align,
    is_for_each_row,
    scale_shape,
)

GROUPS = {"dense": "", "contiguous": "m_indices", "masked": "masked_m", "offsets": "offsets", "k_grouped": "offsets",
          "batched": ""}
"""The name of the last operand of each layout; empty if there is none."""

_FP8 = tuple(FP8_DTYPES.values())
_DTYPES = (_FP8, ("float32",), _FP8, ("float32",), tuple(OUT_DTYPES.values()), ("int32",))
_QUANTIZED_DTYPES = (*_DTYPES[:4], _FP8, *_DTYPES[5:])
_FP8_NAMES = {dtype: name for name, dtype in FP8_DTYPES.items()}
_OUT_NAMES = {dtype: name for name, dtype in OUT_DTYPES.items()} | _FP8_NAMES


@dataclass(frozen=True)
class Operands:
    """Views of one call. An operand without scales has None for them. `groups` is m_indices, masked_m or offsets; `names` are
    the caller's names of the arguments."""

    a: TensorView
    scale_a: TensorView | None
    b: TensorView
    scale_b: TensorView | None
    d: TensorView
    groups: TensorView | None
    names: tuple[str, str, str, str, str, str]
    epilogue: tuple[tuple[str, TensorView], ...] = ()
    """Operands of the epilogue, by name."""
    scale_d: TensorView | None = None
    """The scales of a quantised D."""

    def items(self, *facts):
        """The name and the view of each operand that is given, with its element of each of `facts`, which are in the order of
        `names`. Shorter facts leave the last operands out."""
        views = (self.a, self.scale_a, self.b, self.scale_b, self.d, self.groups)
        return [each for each in zip(self.names, views, *facts) if each[1] is not None]

    def tensors(self) -> list[tuple[str, TensorView]]:
        """All but the groups, by name."""
        return [(name, view) for name, view, _ in self.items(range(5))]

    @property
    def others(self) -> tuple[TensorView, ...]:
        """The operands behind the groups, in the order of kernels."""
        return (*(view for _, view in self.epilogue), *(() if self.scale_d is None else (self.scale_d,)))

    @property
    def scale_d_name(self) -> str:
        return self.names[4].replace("[0]", "[1]")

    def by_operand(self, operand: str) -> TensorView:
        """The view of an operand of the launch descriptor."""
        return {"a": self.a, "scale_a": self.scale_a, "b": self.b, "scale_b": self.scale_b, "d": self.d,
                "scale_d": self.scale_d, **dict(self.epilogue)}.get(operand, self.groups)


def _view_scale(name: str, tensor: Any, dtypes: tuple[str, ...], granularity: str) -> TensorView | None:
    if granularity != "none":
        return _tensors.view(name, tensor, dtypes)
    if tensor is not None:
        raise TypeError(f"{name} is a {type(tensor).__name__}; allowed is None by the recipe 'none'")
    return None


def view_all(names: tuple[str, ...], tensors: tuple[Any, ...], recipe: Recipe = DEFAULT_RECIPE,
             trace: _trace.Trace | None = None, others: tuple[Any, ...] = ()) -> Operands:
    """Views of the six operands of a call by this recipe, of which the last has no name where there are no groups; and of
    `others`: those of its epilogue, and the scales of D."""
    wanted = () if trace is None else trace.names
    quantized = len(others) > len(wanted)
    views = [_view_scale(name, tensor, dtypes, granularity) if name else None
             for name, tensor, dtypes, granularity in zip(names, tensors, _QUANTIZED_DTYPES if quantized else _DTYPES,
                                                          ("", recipe.scale_a, "", recipe.scale_b, "", ""))]
    known = tuple((name, _tensors.view(name, tensor, tuple(_trace.OPERAND_DTYPES))) for name, tensor in zip(wanted, others))
    scale_d = _tensors.view(names[4].replace("[0]", "[1]"), others[-1], ("float32",)) if quantized else None
    return Operands(*views, names=names, epilogue=known, scale_d=scale_d)


def _check_types(operands: Operands) -> None:
    wanted = _DTYPES if operands.scale_d is None else _QUANTIZED_DTYPES
    for name, view, dtypes in operands.items(wanted):
        if view.dtype in dtypes:
            continue
        hint = ""
        if "scale" in name or name.endswith("[1]"):
            if view.dtype in ("int32", "float8_e8m0fnu"):
                hint = "; packed UE8M0 scales are for Blackwell" if view.dtype == "int32" else "; UE8M0 scales are for Blackwell"
        raise TypeError(f"{name} has dtype {view.dtype}; {_check.allowed(dtypes)}{hint}")
    if operands.scale_d is not None and operands.scale_d.dtype != "float32":
        raise TypeError(f"{operands.scale_d_name} has dtype {operands.scale_d.dtype}; allowed is float32")


def _scales_of_d(operands: Operands) -> list[tuple[str, TensorView]]:
    return [] if operands.scale_d is None else [(operands.scale_d_name, operands.scale_d)]


def _check_devices(operands: Operands) -> None:
    first_name, first = operands.items()[0]
    for name, view in [*operands.items(), *_scales_of_d(operands)]:
        if view.device != first.device:
            raise ValueError(f"{name} is on {view.device}, but {first_name} is on {first.device}; allowed is one device")
        if not view.device.startswith(("cuda:", "cpu")):
            raise ValueError(f"{name} is on {view.device}; allowed is a CUDA device")


def _check_addresses(operands: Operands, problem: Problem) -> None:
    """Scales whose rows are innermost are read 16 bytes at a time, other scales one by one."""
    one_by_one = {name for name, granularity, k_innermost in (
        (operands.names[1], problem.scale_a, problem.scale_a_k_innermost),
        (operands.names[3], problem.scale_b, problem.scale_b_k_innermost)) if k_innermost or not is_for_each_row(granularity)}
    for name, view in [*operands.tensors(), *_scales_of_d(operands)]:
        multiple = 4 if name in one_by_one else 16
        if view.address % multiple:
            raise ValueError(f"{name} starts at address {view.address:#x}; it must be a multiple of {multiple} bytes")


def _check_shape(name: str, view: TensorView, expected: tuple[int, ...], meaning: str) -> None:
    if view.shape != expected:
        raise ValueError(f"{name} has shape {list(view.shape)}; allowed is {list(expected)}, {meaning}")


def _same_strides(view: TensorView, expected: tuple[int, ...]) -> bool:
    """Compares strides, except those of dimensions with one element, and all strides of an empty tensor."""
    return 0 in view.shape or all(extent <= 1 or stride == want
               for extent, stride, want in zip(view.shape, view.strides, expected))


def _leading_dimension(name: str, view: TensorView) -> int:
    """Elements between rows; 0 for packed rows. The last two dimensions are rows and columns."""
    rows, columns = view.shape[-2:]
    between_groups = view.strides[0] if view.ndim == 3 and view.shape[0] > 1 else columns
    pitch = view.strides[-2] if rows > 1 else between_groups
    if rows > 0 and columns > 1 and view.strides[-1] != 1:
        raise ValueError(f"{name} has strides {list(view.strides)}; its last dimension must have stride 1: copy it, or "
                         "quantise with dgemm.quantize_transposed, which writes both orders")
    if pitch < columns:
        raise ValueError(f"{name} has strides {list(view.strides)}; rows of {columns} must not overlap")
    if view.ndim == 3 and view.shape[0] > 1 and view.strides[0] != rows * pitch:
        raise ValueError(f"{name} has strides {list(view.strides)}; allowed is {rows * pitch} from group to group, "
                         f"{rows} rows of {pitch}")
    return 0 if pitch == columns else pitch


def _batch_strides(name: str, view: TensorView) -> tuple[int, int]:
    """The elements from row to row and from matrix to matrix of a batch; 0 if they follow each other."""
    groups, rows, columns = view.shape
    if columns > 1 and view.strides[2] != 1:
        raise ValueError(f"{name} has strides {list(view.strides)}; its last dimension must have stride 1: copy it, or "
                         "quantise with dgemm.quantize_transposed, which writes both orders")
    row = view.strides[1] if rows > 1 else columns
    group = view.strides[0] if groups > 1 else rows * row
    if row < columns:
        raise ValueError(f"{name} has strides {list(view.strides)}; rows of {columns} must not overlap")
    # One matrix is after the other, or between the rows of the other.
    if groups > 1 and group < (rows - 1) * row + columns and (group < columns or row < (groups - 1) * group + columns):
        raise ValueError(f"{name} has shape {list(view.shape)} and strides {list(view.strides)}; its matrices must not overlap")
    return 0 if row == columns else row, 0 if group == rows * row else group


def _pitches(layout: str, name: str, view: TensorView, letter: str) -> dict[str, int]:
    """The strides of rows, and those of matrices if a layout allows any, as fields of Problem."""
    if layout != "batched":
        return {f"ld{letter}": _leading_dimension(name, view)}
    row, matrix = _batch_strides(name, view)
    return {f"ld{letter}": row, f"batch_stride_{letter}": matrix}


def _lines(view: TensorView, padded: bool) -> tuple[bool, int] | None:
    """The order of scales [rows, blocks], True where rows are innermost, and the elements from one line of them to the next; 0 for the
    pitch that kernels expect: lines without gaps, and with `padded`, innermost rows padded to 16 bytes. None for other strides."""
    rows, blocks = view.shape[-2:]
    by_rows, by_blocks = view.strides[-2:]
    many = view.ndim > 2 and view.shape[0] > 1
    found = []
    for rows_innermost, inner, outer, inner_stride, pitch, usual in (
            (True, rows, blocks, by_rows, by_blocks, align(rows, 4) if padded else rows),
            (False, blocks, rows, by_blocks, by_rows, blocks)):
        if outer <= 1:
            pitch = view.strides[0] if many else usual
        if 0 in view.shape or ((inner <= 1 or inner_stride == 1) and pitch >= inner and (not many or view.strides[0] == outer * pitch)):
            found.append((rows_innermost, 0 if pitch == usual or 0 in view.shape else pitch))
    if not padded:
        found.reverse()  # where both orders are right, the first is taken: the one without a flag
    # The usual pitch comes first, as another one needs a kernel of its own. A single row fits every pitch, so K innermost comes first there.
    return min(found, key=lambda order: (order[1] != 0, order[0] and rows == 1 and order[1] != 0), default=None)


def _row_order(name: str, view: TensorView, columns: str = "K") -> tuple[bool, int]:
    """Of scales that each row has: True where K is innermost, and the pitch as in Problem. `columns` is the letter of the dimension
    that blocks are of."""
    order = _lines(view, padded=True)
    if order:
        return not order[0], order[1]
    rows, blocks = view.shape[-2:]
    aligned = align(rows, 4)
    front = view.shape[:-2]
    letter = "N" if name.startswith(("b", "rhs", "scale_b")) else "M"
    raise ValueError(f"{name} has shape {list(view.shape)} and strides {list(view.strides)}; allowed are strides "
                     f"{[rows * blocks] * len(front) + [blocks, 1]} ({columns} innermost, as a quantiser writes them) and "
                     f"{[blocks * aligned] * len(front) + [1, aligned]} ({letter} innermost, rows padded to 16 bytes, as "
                     "get_mn_major_tma_aligned_tensor makes them), or more from line to line")


def _square_order(name: str, view: TensorView) -> tuple[bool, int]:
    """Of 128x128 scales: True where rows are innermost, and the pitch."""
    order = _lines(view, padded=False)
    if order:
        return order
    n_blocks, k_blocks = view.shape[-2:]
    outer = [n_blocks * k_blocks] * (view.ndim - 2)
    raise ValueError(f"{name} has shape {list(view.shape)} and strides {list(view.strides)}; allowed are strides "
                     f"{outer + [k_blocks, 1]} (K innermost) and {outer + [1, n_blocks]} (N innermost), or more from line to line")


def _orders(operands: Operands, recipe: Recipe) -> dict[str, Any]:
    """The orders and pitches of the scales, as fields of Problem."""
    fields: dict[str, Any] = {}
    for letter, granularity, name, view in (("a", recipe.scale_a, operands.names[1], operands.scale_a),
                                            ("b", recipe.scale_b, operands.names[3], operands.scale_b)):
        if is_for_each_row(granularity):
            fields[f"scale_{letter}_k_innermost"], fields[f"scale_{letter}_pitch"] = _row_order(name, view)
        elif granularity == "128x128":
            transposed, fields[f"scale_{letter}_pitch"] = _square_order(name, view)
            if letter == "b":
                fields["scale_b_n_innermost"] = transposed
            elif transposed:
                raise ValueError(f"{name} has shape {list(view.shape)} and strides {list(view.strides)}; allowed is K innermost")
    if operands.scale_d is not None:
        fields["scale_d_n_innermost"], pitch = _row_order(operands.scale_d_name, operands.scale_d, "N")
        if pitch:
            raise ValueError(f"{operands.scale_d_name} has strides {list(operands.scale_d.strides)}; allowed are lines without gaps, "
                             "or padded to 16 bytes where M is innermost")
    return fields


def _scale_meaning(granularity: str, rows: str) -> str:
    """The extents of scales, as text."""
    high = {"tensor": "1", "128x128": f"ceil({rows}/128)"}.get(granularity, rows)
    return f"[{high}, {'ceil(K/128)' if granularity.endswith('128') else '1'}]"


def _check_ranks(operands: Operands, layout: str, recipe: Recipe) -> None:
    ranks = {"dense": (2, 2, 2, 2, 2), "contiguous": (2, 2, 3, 3, 2), "offsets": (2, 2, 3, 3, 2), "k_grouped": (2, 2, 2, 2, 3),
             "masked": (3, 3, 3, 3, 3), "batched": (3, 3, 3, 3, 3)}[layout]
    meanings = ("[M, K]", _scale_meaning(recipe.scale_a, "M"), "[N, K]", _scale_meaning(recipe.scale_b, "N"), "[M, N]")
    for name, view, rank, meaning in operands.items(ranks, meanings):
        if view.ndim != rank:
            meaning = meaning if rank == 2 else "[G, " + meaning[1:]
            raise ValueError(f"{name} has {view.ndim} dimensions, shape {list(view.shape)}; allowed are {rank}, {meaning}")


def _describe_epilogue(trace: _trace.Trace, operands: Operands, layout: str, m: int, n: int, groups: int) -> str:
    """The epilogue as MLIR, for its operands."""
    axes = []
    for name, view in operands.epilogue:
        what = f"operand {name} of the epilogue"
        if view.dtype not in _trace.OPERAND_DTYPES:
            raise TypeError(f"{what} has dtype {view.dtype}; {_check.allowed(tuple(_trace.OPERAND_DTYPES))}")
        if view.device != operands.a.device:
            raise ValueError(f"{what} is on {view.device}, but {operands.names[0]} is on {operands.a.device}; allowed is one device")
        axes.append(_epilogue.find_axis(name, view.shape, layout, m, n, groups))
        strides, step = [], 1
        for extent in reversed(view.shape):
            strides.insert(0, step)
            step *= extent
        if not _same_strides(view, tuple(strides)):
            raise ValueError(f"{what} has shape {list(view.shape)} and strides {list(view.strides)}; allowed are strides {strides}")
        if view.address % 16:
            raise ValueError(f"{what} starts at address {view.address:#x}; it must be a multiple of 16 bytes")
    return trace.text(tuple(axes), tuple(view.dtype for _, view in operands.epilogue), operands.d.dtype == "float32")


def analyze(operands: Operands, layout: str, row_alignment: int, recipe: Recipe = DEFAULT_RECIPE,
            trace: _trace.Trace | None = None) -> tuple[Problem, dict[str, int]]:
    """The problem of a call by this recipe, and its sizes M, N, K (and G). Raises
    TypeError or ValueError, naming the argument."""
    a_name, sa_name, b_name, sb_name, d_name, groups_name = operands.names
    _check_types(operands)
    _check_devices(operands)
    _check_ranks(operands, layout, recipe)
    m, k = operands.a.shape[-2:]
    n = operands.b.shape[-2]
    grouped, own_rows = layout != "dense", layout in OWN_ROWS
    counted_name, counted = (d_name, operands.d) if layout == "k_grouped" else (b_name, operands.b)
    groups = counted.shape[0] if grouped else DYNAMIC
    front = (groups,) if own_rows else ()
    if grouped and groups < 1:
        raise ValueError(f"{counted_name} has shape {list(counted.shape)}; allowed is at least one group")
    if own_rows:
        _check_shape(a_name, operands.a, (groups, m, k), f"[G, M, K] with G of {b_name}")
    b_front = () if layout in SHARED_B else (groups,)
    d_front = (groups,) if layout == "k_grouped" else front
    _check_shape(b_name, operands.b, b_front + (n, k), f"[N, K] with K of {a_name}")
    gated = trace is not None and trace.gated
    columns = n // 2 if gated else n
    _check_shape(d_name, operands.d, d_front + (m, columns), f"[M, {'N/2' if gated else 'N'}] with M of {a_name} and N of {b_name}" +
                 (", as the function of the epilogue takes two elements" if gated else ""))
    of_a, of_b = recipe.scale_a, recipe.scale_b
    if operands.scale_a is not None:
        _check_shape(sa_name, operands.scale_a, front + scale_shape(of_a, m, k), _scale_meaning(of_a, "M"))
    if operands.scale_b is not None:
        _check_shape(sb_name, operands.scale_b, b_front + scale_shape(of_b, n, k), _scale_meaning(of_b, "N"))
    if operands.scale_d is not None:
        _check_shape(operands.scale_d_name, operands.scale_d, d_front + scale_shape("1x128", m, columns),
                     f"[M, {'ceil(N/256)' if gated else 'ceil(N/128)'}]: a scale for each row and 128 columns of {d_name}")
    if GROUPS[layout]:
        of_rows = layout == "contiguous"
        _check_shape(groups_name, operands.groups, (m,) if of_rows else (groups,),
                     "one for each row" if of_rows else "one for each group")
        if not _same_strides(operands.groups, (1,)):
            raise ValueError(f"{groups_name} has strides {list(operands.groups.strides)}; it must be contiguous")
    problem = Problem(
        n=n, k=k, layout=layout, groups=groups, row_alignment=row_alignment if layout in ONE_MATRIX else 128, m=m,
        **_pitches(layout, a_name, operands.a, "a"), **_pitches(layout, b_name, operands.b, "b"),
        **_pitches(layout, d_name, operands.d, "d"), scale_a=of_a, scale_b=of_b, accuracy=recipe.accuracy,
        accumulate=recipe.accumulate, a_type=_FP8_NAMES[operands.a.dtype],
        b_type=_FP8_NAMES[operands.b.dtype], out=_OUT_NAMES[operands.d.dtype],
        epilogue="" if trace is None else _describe_epilogue(trace, operands, layout, m, columns, groups),
        **_orders(operands, recipe)).canonical()
    _check_addresses(operands, problem)
    if not problem.needs_m:
        problem = replace(problem, m=DYNAMIC)
    if recipe.any_k and k > 0 and k % ANY_K == 0:
        problem = replace(problem, k=DYNAMIC, k_divisor=ANY_K)
    if layout == "contiguous" and operands.groups.device == "cpu":
        _groups.check_view(groups_name, operands.groups, groups, row_alignment)
    sizes = {"M": m, "N": n, "K": k}
    if grouped:
        sizes["G"] = groups
    return problem, sizes
