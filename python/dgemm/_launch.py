"""Launches: takes the tensors of a call to a kernel on their stream, with a fast path for calls that were seen before."""

from __future__ import annotations

import sys
from typing import Any

from . import _assembler, _check, _dgemm, _device, _env, _jit, _settings, _tensors
from ._epilogue import Epilogue
from ._operands import GROUPS, Operands, analyze, view_all
from ._problem import DEFAULT_RECIPE, ELEMENT_BYTES, Recipe
from ._trace import Trace

_NEW = ("a[0]", "a[1]", "b[0]", "b[1]", "d")
_QUANTIZED = (*_NEW[:4], "d[0]")
_OLD = ("lhs[0]", "lhs[1]", "rhs[0]", "rhs[1]", "out")


class Operation:
    """One layout, recipe and epilogue: its dispatcher, and what happens to the calls that the
    dispatcher does not know."""

    def __init__(self, layout: str, names: tuple[str, ...], recipe: Recipe = DEFAULT_RECIPE, alignment: int = 0,
                 trace: Trace | None = None):
        self.layout = layout
        self.names = names
        self.recipe = recipe
        self.alignment = alignment
        """Rows to a multiple of which each group starts; 0 for those of the settings."""
        self.trace = trace
        self.dispatcher = _dgemm.Dispatcher(self.miss)

    def miss(self, *arguments: Any) -> None:
        tensors, others = arguments[:6], arguments[7]
        if is_traced(tensors):
            if self.names[4] == _QUANTIZED[4]:
                raise ValueError("d is a pair under torch.compile or another tracer of torch; allowed is a tensor there")
            if self.trace is not None:
                raise ValueError("epilogue is given under torch.compile or another tracer of torch; allowed is None there")
            return _tracer.call(self.layout, tensors, arguments[6], self.recipe, self.alignment)
        expected_m = _check.integer("expected_m", arguments[6], 0)
        operands = view_all(self.names, tensors, self.recipe, self.trace, others)
        first = next((t for t in tensors if not isinstance(t, _dgemm.TensorView)), None)
        device = operands.a.device_index
        stream = _tensors.current_stream(first, device) if device >= 0 else 0
        aligned = not any(view.address % 16 for _, view in (*operands.tensors(), *operands.epilogue)) and (
            operands.scale_d is None or operands.scale_d.address % 16 == 0)
        known = device >= 0 and aligned and self.launch(operands, expected_m, stream)
        if not known:
            self.first_call(operands, expected_m, device, stream)
        if _tensors.library(tensors[4]) == "jax":
            _dgemm.synchronize(device, stream)  # JAX does not know that this stream writes to its array

    def launch(self, operands: Operands, expected_m: int, stream: int) -> bool:
        return self.dispatcher.launch(operands.a, operands.scale_a, operands.b, operands.scale_b, operands.d,
                                      operands.groups, expected_m, stream, operands.others)

    def first_call(self, operands: Operands, expected_m: int, device: int, stream: int) -> None:
        settings = _settings.current()
        problem, sizes = analyze(operands, self.layout, self.alignment or settings.row_alignment, self.recipe, self.trace)
        m = sizes["M"]
        if m == 0 or problem.n == 0:
            return
        if problem.k == 0:
            if not settings.compile_only:
                self.sum_nothing(operands, stream)
            return
        where = "the emulator" if device < 0 else operands.a.device
        kernel = _jit.get_chosen(problem, m, expected_m, settings.num_sms or _device.multiprocessors(device),
                                 _device.machine(device), _assembler.NONE if device < 0 else None)
        if _env.print_configs():
            print(f"dgemm: {problem.describe()} with M={m}: config {kernel.config}", file=sys.stderr)
        _env.debug(f"{problem.describe()} with M={m}" + (f", expected_m={expected_m}" if expected_m else "") +
                   f" on {where}, config {kernel.config}")
        if settings.compile_only:
            if device >= 0:
                kernel.load(device)
            return
        if device < 0:
            kernel.emulate(operands, sizes)
            return
        launch = kernel.prepare(device, sizes, settings.num_sms or 0)
        self.dispatcher.add(operands.a, operands.scale_a, operands.b, operands.scale_b, operands.d, operands.groups,
                            expected_m, launch, operands.others)
        self.launch(operands, expected_m, stream)

    def sum_nothing(self, operands: Operands, stream: int) -> None:
        """D = 0, which is the sum over no columns of K, or D as it was."""
        if self.recipe.accumulate:
            return
        if self.layout in ("masked", "k_grouped", "batched") or self.trace is not None or operands.scale_d is not None:
            what = ("with an epilogue" if self.trace is not None else "for a D with scales" if operands.scale_d is not None
                    else f"in a {self.layout} layout")
            raise ValueError(f"{self.names[0]} has shape {list(operands.a.shape)}; allowed is K of at least 1 {what}")
        d = operands.d
        rows, columns = d.shape
        pitch = d.strides[0] if rows > 1 else columns
        size = ELEMENT_BYTES[d.dtype]
        _dgemm.zero(d, rows, columns * size, pitch * size, stream)


# The older functions have older names of arguments; errors use the caller's names.
_NEW_OPERATIONS = {layout: Operation(layout, (*_NEW, groups)) for layout, groups in GROUPS.items()}
_OLD_OPERATIONS = {layout: Operation(layout, (*_OLD, groups)) for layout, groups in GROUPS.items()}

call_dense = _NEW_OPERATIONS["dense"].dispatcher
call_contiguous = _NEW_OPERATIONS["contiguous"].dispatcher
call_masked = _NEW_OPERATIONS["masked"].dispatcher
call_old_dense = _OLD_OPERATIONS["dense"].dispatcher
call_old_contiguous = _OLD_OPERATIONS["contiguous"].dispatcher
call_old_masked = _OLD_OPERATIONS["masked"].dispatcher


_OTHER_OPERATIONS: dict[tuple[str, Recipe, tuple[str, ...], int, Trace | None], Operation] = {}


def dispatcher(layout: str, recipe: Recipe, names: tuple[str, ...] = _NEW, alignment: int = 0,
               trace: Trace | None = None) -> _dgemm.Dispatcher:
    """That of calls by this recipe and with this epilogue; `names` are those of a, scale_a, b, scale_b and d, `alignment` that of
    groups, 0 for the one that is set."""
    if recipe == DEFAULT_RECIPE and names is _NEW and not alignment and trace is None:
        return _NEW_OPERATIONS[layout].dispatcher
    key = (layout, recipe, names, alignment, trace)
    if (operation := _OTHER_OPERATIONS.get(key)) is None:
        operation = _OTHER_OPERATIONS.setdefault(key, Operation(layout, (*names, GROUPS[layout]), recipe, alignment, trace))
    return operation.dispatcher


def call_with(epilogue: Epilogue | None, layout: str, tensors: tuple[Any, ...], expected_m: int, recipe: Recipe,
              alignment: int = 0) -> None:
    """A call whose result goes through an epilogue, or is quantised: then D is a pair of values and scales."""
    trace, others = (None, ()) if epilogue is None else (epilogue.trace, epilogue.tensors)
    names = _NEW
    if isinstance(tensors[4], (tuple, list)):
        (values, scale), groups = tensors[4], tensors[5]
        tensors, others, names = (*tensors[:4], values, groups), (*others, scale), _QUANTIZED
    dispatcher(layout, recipe, names, alignment, trace).call_with(*tensors, expected_m, others)


def forget_launches() -> None:
    """Makes each call look at its settings again. Kernels stay in memory."""
    for operation in (*_NEW_OPERATIONS.values(), *_OLD_OPERATIONS.values(), *_OTHER_OPERATIONS.values()):
        operation.dispatcher.clear()


_settings.on_change(forget_launches)


# ----------------------------------------------------------------------------
# Tracers of torch
# ----------------------------------------------------------------------------


class Tracer:
    """Takes calls with torch tensors that have no data."""

    def see_torch(self) -> None:
        """Called with each torch tensor that the dispatcher does not know; the first call defines the operators."""

    def call(self, layout: str, tensors: tuple[Any, ...], expected_m: int, recipe: Recipe, alignment: int = 0) -> None:
        """Calls the operator of a layout, which tracers keep in their graph."""


_tracer = Tracer()


def set_tracer(tracer: Tracer) -> None:
    global _tracer
    _tracer = tracer


def is_traced(tensors: tuple[Any, ...]) -> bool:
    """True for tensors without data, of torch.compile, torch.export and the like."""
    torch = sys.modules.get("torch")
    if torch is None or not isinstance(tensors[0], torch.Tensor):
        return False
    _tracer.see_torch()
    plain = torch.Tensor.__torch_dispatch__
    return any(isinstance(t, torch.Tensor) and (type(t).__torch_dispatch__ is not plain or t.is_meta) for t in tensors)
