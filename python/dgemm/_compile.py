"""The compiler itself: kernels by their problem, without tensors; and all that a model needs, ahead of time."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace

from . import _assembler, _dgemm, _env, _gemm, _jit, utils
from ._errors import CompileError
from ._kernel import Kernel
from ._problem import DYNAMIC, Problem


def _check_size(name: str, value: int, least: int = 1) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= 2**31 - 1:
        raise ValueError(f"{name} is {value!r}; allowed are {least} to {2**31 - 1}")
    return value


def _make_problem(n: int, k: int, layout: str, groups: int | None, row_alignment: int | None, **fields) -> Problem:
    if layout not in ("dense", "contiguous", "masked"):
        raise ValueError(f"layout is {layout!r}; allowed are 'dense', 'contiguous' and 'masked'")
    if (groups is None) != (layout == "dense"):
        raise ValueError(f"groups is {groups!r} with layout '{layout}'; allowed is their number for 'contiguous' and "
                         "'masked', None for 'dense'")
    if row_alignment is None:
        row_alignment = utils.get_mk_alignment_for_contiguous_layout()
    return Problem(n=_check_size("n", n), k=_check_size("k", k), layout=layout,
                   groups=DYNAMIC if groups is None else _check_size("groups", groups),
                   row_alignment=row_alignment if layout == "contiguous" else 128, **fields)


def compile(n: int, k: int, m: int | None = None, *, layout: str = "dense", groups: int | None = None,
            expected_m: int | None = None, config: str = "", row_alignment: int | None = None, lda: int = 0,
            ldb: int = 0, ldd: int = 0, scale_a_k_innermost: bool = False, scale_b_n_innermost: bool = False,
            assemble: bool = True) -> Kernel:
    """Compiles a kernel, or takes it from the cache.

    Args:
        n, k: sizes, static in the kernel.
        m: rows; None leaves them to the launch. (masked: rows that each group has memory for.)
        layout: "dense", "contiguous" or "masked".
        groups: their number, for the last two.
        expected_m: about how many rows there will be (masked: in a group), for the choice of the config.
        config: fields of #dgemm.config to fix, such as "block = 128x128x128, stages = 5"; the cost model chooses the
            others.
        row_alignment: contiguous: groups start at multiples of it.
        lda, ldb, ldd: elements from row to row; 0 for rows without padding.
        scale_a_k_innermost, scale_b_n_innermost: how the scales lie.
        assemble: False stops at PTX, which needs no ptxas and runs on the emulator.

    Raises ValueError for a size that is not allowed, CompileError for a config that is not legal.
    """
    problem = _make_problem(n, k, layout, groups, row_alignment, m=DYNAMIC if m is None else _check_size("m", m),
                            lda=lda, ldb=ldb, ldd=ldd, scale_a_k_innermost=scale_a_k_innermost,
                            scale_b_n_innermost=scale_b_n_innermost)
    rows = expected_m or m or 4096
    masked = layout == "masked"
    shape = problem.shape(None if masked else (m or rows), rows if masked else 0)
    options = _dgemm.Options(config=config)
    try:
        chosen = _dgemm.choose_config(shape, options)
    except RuntimeError as error:
        raise CompileError(str(error)) from None
    return _jit.get(problem, chosen, None if assemble else _assembler.NONE)


def list_configs(n: int, k: int, m: int = 4096, *, layout: str = "dense", groups: int | None = None,
                 config: str = "") -> list[str]:
    """Every legal config with the fields of `config`, in the order of the cost model, the best first."""
    problem = _make_problem(n, k, layout, groups, None)
    shape = problem.shape(None, m) if layout == "masked" else problem.shape(m)
    try:
        return _dgemm.list_configs(shape, _dgemm.Options(config=config))
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


def _wanted(problem: Problem, first: int, last: int, multiprocessors: int) -> list[tuple[Problem, str]]:
    """The kernels of a problem for a range of M (masked: of expected rows in a group), each once."""
    found: dict[tuple[Problem, str], None] = {}
    for rows in _jit.buckets(first, last):
        most = problem.m if problem.m != DYNAMIC else rows
        config = _jit.choose_config(problem, most if problem.layout == "masked" else rows, rows, multiprocessors)
        found[(problem, config)] = None
    return list(found)


def precompile(n: int, k: int, *, m: int | tuple[int, int] = (1, 8192), layout: str = "dense",
               groups: int | None = None, max_m: int | None = None, scale_a: str = "any",
               row_alignment: int | None = None, device: int | None = None, num_sms: int | None = None,
               workers: int | None = None, progress: bool = True) -> list[Kernel]:
    """Compiles every kernel that calls with this N, K and layout can need, in parallel, and launches nothing.

    Args:
        n, k: sizes of B.
        m: the rows that calls will have, as (least, most), or one number. (masked: expected_m of the calls.)
        layout, groups, row_alignment: as in compile().
        max_m: masked: the rows that each group has memory for, which a kernel is compiled for where the scales of A
            are K-innermost; without it, only M-innermost scales are prepared.
        scale_a: "mn" or "k" for calls whose scales of A are M- or K-innermost, "any" for both.
        device: kernels are also loaded into this GPU. None: into torch's current one where torch has started CUDA, else
            none.
        num_sms: multiprocessors to choose configs for; None for those of the device, or 132.
        workers: compilations at a time; None for the number of cores.
        progress: shows a bar on stderr.

    Returns the kernels. Afterwards calls of these shapes neither compile nor load, so that they can be captured into a
    CUDA graph at once.
    """
    if scale_a not in ("mn", "k", "any"):
        raise ValueError(f"scale_a is {scale_a!r}; allowed are 'mn', 'k' and 'any'")
    first, last = (m, m) if isinstance(m, int) else m
    if not 1 <= first <= last:
        raise ValueError(f"m is {m!r}; allowed is (least, most) with 1 <= least <= most")
    base = _make_problem(n, k, layout, groups, row_alignment)
    orders = [order for order in (False, True) if scale_a == "any" or order == (scale_a == "k")]
    problems = []
    for k_innermost in orders:
        problem = replace(base, scale_a_k_innermost=k_innermost)
        if layout == "masked" and k_innermost:
            if max_m is None:
                if scale_a == "k":
                    raise ValueError("max_m is None; masked kernels for K-innermost scales are compiled for the rows "
                                     "that each group has memory for")
                continue
            problem = replace(problem, m=_check_size("max_m", max_m))
        problems.append(problem)
    if device is None and (torch := sys.modules.get("torch")) is not None and torch.cuda.is_initialized():
        device = torch.cuda.current_device()
    multiprocessors = num_sms or (_gemm._multiprocessors(device) if device is not None else _jit.MULTIPROCESSORS)
    assembler = _assembler.find()
    kernels = []
    with ThreadPoolExecutor(workers or os.cpu_count()) as pool:
        wanted = [entry for problem in problems for entry in _wanted(problem, first, last, multiprocessors)]
        bar = _Progress(len(wanted), progress)
        bar.show(0, "")
        futures = [pool.submit(_jit.get, problem, config, assembler) for problem, config in wanted]
        for done, future in enumerate(as_completed(futures), 1):
            kernel = future.result()
            if device is not None:
                kernel.load(device)
            kernels.append(kernel)
            bar.show(done, kernel.config)
    _env.debug(f"precompiled {len(kernels)} kernels of N={n} K={k} {layout}")
    return kernels
