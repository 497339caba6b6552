"""The compiler: compiles kernels by their problem, without tensors, and all kernels of a model ahead of time."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace
from itertools import product
from typing import Any

from . import _assembler, _check, _device, _dgemm, _env, _jit, _recipes, _settings
from ._errors import CompileError, SlowKernelError
from ._kernel import Kernel
from ._problem import ACCURACIES, DYNAMIC, LAYOUTS, ONE_MATRIX, SAME_ALONG_K, Problem


def make_problem(n: int, k: int, layout: str, groups: int | None, row_alignment: int | None = None, m: int = DYNAMIC,
                 lda: int = 0, ldb: int = 0, ldd: int = 0, **recipe: str | bool) -> Problem:
    """The problem of these arguments in its canonical form; ValueError names the one that is not allowed. `recipe`: recipe_a,
    recipe_b, a_type, b_type, out, and orders of scales."""
    _check.choice("layout", layout, LAYOUTS)
    if (groups is None) != (layout == "dense"):
        raise ValueError(f"groups is {groups!r} with layout '{layout}'; allowed is None for 'dense', their number for all others")
    n, k = _check.integer("n", n), _check.integer("k", k)
    if row_alignment is None:
        row_alignment = _settings.current().row_alignment
    return Problem(n=n, k=k, layout=layout, m=m, groups=DYNAMIC if groups is None else _check.integer("groups", groups),
                   row_alignment=_alignment(layout, row_alignment),
                   lda=_leading_dimension("lda", lda, "k", k), ldb=_leading_dimension("ldb", ldb, "k", k),
                   ldd=_leading_dimension("ldd", ldd, "n", n), **_read_recipe(**recipe)).canonical()


def _alignment(layout: str, value: int) -> int:
    """What groups start at multiples of, if that is allowed."""
    if layout == "contiguous":
        return _settings.row_alignment("row_alignment", value)
    if layout not in ONE_MATRIX:
        return 128
    value = _check.integer("row_alignment", value)
    if layout == "k_grouped" and value % 128:
        raise ValueError(f"row_alignment is {value}; allowed are multiples of 128 with layout 'k_grouped'")
    return value


def _read_recipe(recipe_a: Any = "1x128", recipe_b: Any = "128x128", a_type: Any = "e4m3", b_type: Any = "e4m3",
                 out: Any = "bf16", accuracy: str = "exact", scale_a_k_innermost: bool = False, scale_b_k_innermost: bool = False,
                 scale_b_n_innermost: bool = False, accumulate: bool = False) -> dict[str, Any]:
    """Fields of Problem."""
    of_a, of_b = _recipes.granularity("recipe_a", recipe_a), _recipes.granularity("recipe_b", recipe_b)
    for name, order, granularity, allowed in (
            ("scale_a_k_innermost", scale_a_k_innermost, of_a, ("row", "1x128")),
            ("scale_b_k_innermost", scale_b_k_innermost, of_b, ("row", "1x128")),
            ("scale_b_n_innermost", scale_b_n_innermost, of_b, ("128x128",))):
        if order and granularity not in allowed:
            raise ValueError(f"{name} is True with scales for '{granularity}'; {_check.allowed(map(repr, allowed))}")
    _check.choice("accuracy", accuracy, ACCURACIES)
    if accuracy != "exact" and not {of_a, of_b} <= set(SAME_ALONG_K):
        raise ValueError(f"accuracy is '{accuracy}' with scales for '{of_a}' and '{of_b}'; it is allowed with "
                         "'tensor', 'row' and 'none', which do not vary along K")
    return {"scale_a": of_a, "scale_b": of_b, "accuracy": accuracy, "a_type": _recipes.fp8_type("a_type", a_type),
            "b_type": _recipes.fp8_type("b_type", b_type), "out": _recipes.out_type("out", out),
            "scale_a_k_innermost": bool(scale_a_k_innermost), "scale_b_k_innermost": bool(scale_b_k_innermost),
            "scale_b_n_innermost": bool(scale_b_n_innermost), "accumulate": bool(accumulate)}


def _leading_dimension(name: str, value: int, column_name: str, columns: int) -> int:
    value = _check.integer(name, value, 0)
    if 0 < value < columns:
        raise ValueError(f"{name} is {value}; allowed are 0, for rows without padding, and {columns} ({column_name}) or more")
    return value


def compile(n: int, k: int, m: int | None = None, *, layout: str = "dense", groups: int | None = None,
            expected_m: int | None = None, config: str = "", row_alignment: int | None = None, lda: int = 0,
            ldb: int = 0, ldd: int = 0, scale_a_k_innermost: bool = False, scale_b_n_innermost: bool = False,
            scale_b_k_innermost: bool = False, recipe_a: Any = "1x128", recipe_b: Any = "128x128", a_type: Any = "e4m3",
            b_type: Any = "e4m3", out: Any = "bf16", accuracy: str = "exact", accumulate: bool = False, assemble: bool = True) -> Kernel:
    """Compiles a kernel, or takes it from the cache.

    Args:
        n, k: sizes, static in the kernel.
        m: rows; None leaves them to the launch. (masked: rows that each group has memory for.)
        layout: "dense", "contiguous", "masked", "offsets", "k_grouped" or "batched", whose matrices follow each other here.
        groups: their number, for all but "dense".
        expected_m: about how many rows there will be (masked and offsets: in a group), for the choice of the config.
        config: fields of #dgemm.config to fix, such as "block = 128x128x128, stages = 5"; the cost model chooses the
            others.
        row_alignment: contiguous, offsets and k_grouped (columns of K): groups start at multiples of it.
        lda, ldb, ldd: elements from row to row; 0 for rows without padding.
        recipe_a, recipe_b: the block of A and B that one scale covers: "tensor", "row" (a token of A, a channel of B), "1x128"
            or "128x128"; or a torch.nn.functional.ScalingType; or "none" for no scales.
        scale_a_k_innermost, scale_b_k_innermost: scales of "row" or "1x128" are [rows, K/128] row-major instead of rows
            innermost.
        scale_b_n_innermost: "128x128" scales of B are N-innermost.
        a_type, b_type: "e4m3" or "e5m2", or torch's or NumPy's dtype.
        out: type of D: "bf16", "f16" or "f32", or torch's or NumPy's dtype.
        accuracy: "exact", or where scales do not vary along K "balanced" (the tensor cores sum along 256 of it at most) or "fast"
            (they sum along all of it).
        accumulate: the product is added to the contents of D.
        assemble: False stops at PTX, which needs no ptxas and runs on the emulator.

    Raises ValueError for a size that is not allowed, CompileError for a config that is not legal.
    """
    m, expected_m = _check.optional_integer("m", m), _check.optional_integer("expected_m", expected_m)
    problem = make_problem(n, k, layout, groups, row_alignment, DYNAMIC if m is None else m, lda, ldb, ldd,
                           scale_a_k_innermost=scale_a_k_innermost, scale_b_n_innermost=scale_b_n_innermost,
                           scale_b_k_innermost=scale_b_k_innermost, recipe_a=recipe_a, recipe_b=recipe_b, a_type=a_type,
                           b_type=b_type, out=out, accuracy=accuracy, accumulate=accumulate)
    if problem.needs_m and m is None:
        raise ValueError("m is None; a masked kernel for K-innermost scales of A, lda or ldd is compiled for the rows that "
                         "each group has memory for")
    rows = expected_m or m or 4096
    of_group = layout in ("masked", "offsets")
    shape = problem.shape(None if of_group else (m or rows), rows if of_group else 0)
    config = _check.text("config", config)

    def choose() -> str:
        # The caller has chosen a complete config, so it is not replaced.
        avoided = [] if config.startswith("<") else list(_jit.slow_configs(problem))
        try:
            return _dgemm.choose_config(shape, _dgemm.Options(config=config, avoided_configs=avoided))
        except RuntimeError as error:
            raise CompileError(str(error)) from None

    return _jit.get_first_fast(problem, choose, None if assemble else _assembler.NONE)


def list_configs(n: int, k: int, m: int = 4096, *, layout: str = "dense", groups: int | None = None,
                 config: str = "", recipe_a: Any = "1x128", recipe_b: Any = "128x128", a_type: Any = "e4m3",
                 b_type: Any = "e4m3", out: Any = "bf16", accuracy: str = "exact") -> list[str]:
    """Every legal config with the fields of `config`, the best by the cost model first. The recipe is as in compile()."""
    problem = make_problem(n, k, layout, groups, recipe_a=recipe_a, recipe_b=recipe_b, a_type=a_type, b_type=b_type, out=out,
                           accuracy=accuracy)
    m = _check.integer("m", m)
    shape = problem.shape(None, m) if layout in ("masked", "offsets") else problem.shape(m)
    try:
        return _dgemm.list_configs(shape, _dgemm.Options(config=_check.text("config", config)))
    except RuntimeError as error:
        raise CompileError(str(error)) from None


class _Progress:
    """A bar on a terminal, a line at the end elsewhere; on stderr."""

    def __init__(self, total: int, enabled: bool):
        self.total, self.enabled, self.start = total, enabled, time.perf_counter()
        self.terminal = sys.stderr.isatty()

    def show(self, done: int, last: str) -> None:
        if not self.enabled or not (self.terminal or done == self.total):
            return
        filled = 30 * done // max(1, self.total)
        text = (f"dgemm: [{'#' * filled}{'.' * (30 - filled)}] {done}/{self.total} kernels, "
                f"{time.perf_counter() - self.start:.1f} s  {last}")
        print(("\r\033[K" + text) if self.terminal else text, end="" if self.terminal and done < self.total else "\n",
              file=sys.stderr, flush=True)


def _wanted(problem: Problem, first: int, last: int, multiprocessors: int, machine: str) -> list[tuple[Problem, str]]:
    """The kernels of a problem for a range of M (masked: of expected rows in a group), each once."""
    found: dict[tuple[Problem, str], None] = {}
    for rows in _jit.buckets(first, last):
        most = problem.m if problem.m != DYNAMIC else rows
        config = _jit.choose_config(problem, most if problem.layout in ("masked", "offsets") else rows, rows, multiprocessors, machine)
        found[(problem, config)] = None
    return list(found)


def _problems_of_calls(base: Problem, scale_a: str, scale_b: str, max_m: int | None, first: int) -> list[tuple[Problem, bool]]:
    """The distinct problems of calls with this N, K, layout and these leading dimensions, each with a flag: only calls with a
    single row have this problem."""
    found: dict[Problem, bool] = {}
    orders = {"any": (False, True), "mn": (False,), "k": (True,)}
    for k_innermost, b_k_innermost in product(orders[scale_a], orders[scale_b]):
        problem = replace(base, scale_a_k_innermost=k_innermost, scale_b_k_innermost=b_k_innermost,
                          m=DYNAMIC if max_m is None else max_m).canonical()
        if not problem.needs_m:
            problem = replace(problem, m=DYNAMIC).canonical()
        if problem.needs_m and max_m is None:
            if scale_a == "any" and k_innermost and not replace(problem, scale_a_k_innermost=False).needs_m:
                continue
            raise ValueError("max_m is None; masked kernels for K-innermost scales, lda or ldd are compiled for the rows that "
                             "each group has memory for")
        found[problem] = False
        if first == 1 and problem.layout != "masked" and (problem.lda or problem.ldd):
            found.setdefault(replace(problem, lda=0, ldd=0), True)  # a single row has no leading dimension
    return list(found.items())


def _rows(m: int | tuple[int, int]) -> tuple[int, int]:
    """The least and the most of `m`."""
    pair = tuple(m) if isinstance(m, (tuple, list)) else (m, m)
    if len(pair) != 2:
        raise ValueError(f"m is {m!r}; allowed is a number of rows, or (least, most)")
    first, last = (_check.integer("m", rows) for rows in pair)
    if last < first:
        raise ValueError(f"m is {m!r}; allowed is (least, most) with least <= most")
    return first, last


def _compile_wanted(find_wanted: Callable[[], list[tuple[Problem, str]]], assembler: _assembler.Assembler, device: int | None,
                    workers: int | None, progress: bool) -> list[Kernel]:
    """The kernels of find_wanted(). If ptxas makes some slow, it is called again and names the next best configs."""
    wanted = find_wanted()
    bar = _Progress(len(wanted), progress)
    bar.show(0, "")
    kernels: list[Kernel] = []
    done: set[tuple[Problem, str]] = set()
    with ThreadPoolExecutor(workers or os.cpu_count()) as pool:
        for left in reversed(range(_jit.MOST_TRIES)):
            futures = {pool.submit(_jit.get, problem, config, assembler): (problem, config) for problem, config in wanted}
            slow = False
            for future in as_completed(futures):
                done.add(futures[future])
                try:
                    kernel = future.result()
                except SlowKernelError:
                    if not left:
                        raise
                    slow = True
                    continue
                if device is not None:
                    kernel.load(device)
                kernels.append(kernel)
                bar.show(len(kernels), kernel.config)
            if not slow:
                break
            wanted = [entry for entry in find_wanted() if entry not in done]
            bar.total = len(kernels) + len(wanted)
    return kernels


def precompile(n: int, k: int, *, m: int | tuple[int, int] = (1, 8192), layout: str = "dense",
               groups: int | None = None, max_m: int | None = None, scale_a: str = "any", scale_b: str = "any",
               recipe_a: Any = "1x128", recipe_b: Any = "128x128", a_type: Any = "e4m3", b_type: Any = "e4m3",
               out: Any = "bf16", accuracy: str = "exact", accumulate: bool = False, row_alignment: int | None = None, lda: int = 0,
               ldb: int = 0, ldd: int = 0, device: int | None = None, num_sms: int | None = None, workers: int | None = None,
               progress: bool = True) -> list[Kernel]:
    """Compiles every kernel that calls with this N, K and layout can need, in parallel, and launches nothing.

    Args:
        n, k: sizes of B.
        m: the rows of the calls, as (least, most) or one number. Masked: expected_m of the calls.
        layout, groups, row_alignment, lda, ldb, ldd: as in compile().
        max_m: masked: the rows that each group has memory for. Kernels for K-innermost scales of A, lda or ldd depend on it;
            without it, only kernels for M-innermost scales are compiled.
        scale_a: "mn" or "k" for calls whose scales of A are M- or K-innermost, "any" for both.
        scale_b: the same of B, where each row has scales ("row" and "1x128").
        recipe_a, recipe_b, a_type, b_type, out, accuracy, accumulate: as in compile().
        device: kernels are also loaded into this GPU. None: into torch's current one where torch has started CUDA, else
            none.
        num_sms: multiprocessors to choose configs for; None for those of the device, or 132.
        workers: compilations at a time; None for the number of cores.
        progress: shows a bar on stderr.

    Returns the kernels. Later calls of these shapes neither compile nor load, so they can be captured into a CUDA graph at once.
    """
    _check.choice("scale_a", scale_a, ("mn", "k", "any"))
    _check.choice("scale_b", scale_b, ("mn", "k", "any"))
    first, last = _rows(m)
    max_m, num_sms = _check.optional_integer("max_m", max_m), _check.optional_integer("num_sms", num_sms)
    workers = _check.optional_integer("workers", workers)
    device = _check.optional_integer("device", device, 0)
    if max_m is not None and layout != "masked":
        raise ValueError(f"max_m is {max_m} with layout {layout!r}; allowed is None: it says how many rows each group of a "
                         "masked layout has memory for")
    base = make_problem(n, k, layout, groups, row_alignment, DYNAMIC, lda, ldb, ldd, recipe_a=recipe_a, recipe_b=recipe_b,
                        a_type=a_type, b_type=b_type, out=out, accuracy=accuracy, accumulate=accumulate)
    problems = _problems_of_calls(base, scale_a, scale_b, max_m, first)
    if device is None:
        device = _device.torch_device()
    multiprocessors = num_sms or (_jit.MULTIPROCESSORS if device is None else _device.multiprocessors(device))
    machine = _device.MACHINE if device is None else _device.machine(device)
    assembler = _assembler.find()

    def find_wanted() -> list[tuple[Problem, str]]:
        return [entry for problem, single in problems
                for entry in _wanted(problem, first, 1 if single else last, multiprocessors, machine)]

    kernels = _compile_wanted(find_wanted, assembler, device, workers, progress)
    _env.debug(f"precompiled {len(kernels)} kernels of N={n} K={k} {layout}")
    return kernels
