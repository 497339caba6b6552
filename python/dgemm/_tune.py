"""Measures configs on the local GPU and stores the fastest in a table, which later calls use."""

from __future__ import annotations

import json
import os
import statistics
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from . import _assembler, _check, _dgemm, _env, _files, _jit, _launch, utils
from ._compile import make_problem
from ._errors import CompileError, DeviceError
from ._kernel import Kernel
from ._problem import Problem, align
from .testing import calc_diff

SCREEN_REPEAT, FINAL_REPEAT, FINALISTS = 5, 30, 5
MAX_DIFFERENCE = 1e-5
VERSION = 2
"""The version of tables that are read and written."""


class Bench:
    """Inputs of one problem on the current GPU, and the reference result; times kernels on them."""

    def __init__(self, problem: Problem, m: int):
        import torch

        self.torch = torch
        generator = torch.Generator("cuda").manual_seed(0)
        options = {"device": "cuda", "generator": generator}
        n, k, groups = problem.n, problem.k, problem.groups
        masked, dense = problem.layout == "masked", problem.layout == "dense"
        each = align(-(-m // groups), problem.row_alignment) if problem.layout == "contiguous" else m
        rows = 2 * m if masked else m if dense else each * groups
        ahead, behind = ((groups,) if masked else ()), (() if dense else (groups,))
        a = torch.randn(*ahead, rows, k, **options).to(torch.float8_e4m3fn)
        b = torch.randn(*behind, n, k, **options).to(torch.float8_e4m3fn)
        scale_a = torch.rand(*ahead, rows, -(-k // 128), **options) + 0.5
        scale_b = torch.rand(*behind, -(-n // 128), -(-k // 128), **options) + 0.5
        d = torch.empty(*ahead, rows, n, device="cuda", dtype=torch.bfloat16)
        self.expected = self._multiply(a, scale_a, b, scale_b, each, m)
        self.valid = (slice(None), slice(0, m)) if masked else slice(None)
        self.tensors = [a, utils.get_mn_major_tma_aligned_tensor(scale_a), b, scale_b, d]
        if masked:
            self.tensors.append(torch.full((groups,), m, device="cuda", dtype=torch.int32))
        elif not dense:
            self.tensors.append(torch.arange(groups, device="cuda", dtype=torch.int32).repeat_interleave(each))
        self.sizes = {"M": rows} | ({} if dense else {"G": groups})
        self.flush = torch.empty(256 << 20, device="cuda", dtype=torch.uint8)

    def _multiply(self, a: Any, scale_a: Any, b: Any, scale_b: Any, each: int, m: int) -> Any:
        """The result in single precision, a group at a time."""
        n, k = b.shape[-2:]

        def one(a: Any, scale_a: Any, b: Any, scale_b: Any) -> Any:
            scale_b = scale_b.repeat_interleave(128, 1)[:, :k].repeat_interleave(128, 0)[:n]
            return ((a.float() * scale_a.repeat_interleave(128, 1)[:, :k]) @ (b.float() * scale_b).T).bfloat16()

        if b.ndim == 2:
            return one(a, scale_a, b, scale_b)
        if a.ndim == 3:
            return self.torch.stack([one(a[g, :m], scale_a[g, :m], b[g], scale_b[g]) for g in range(b.shape[0])])
        parts = [slice(g * each, (g + 1) * each) for g in range(b.shape[0])]
        return self.torch.cat([one(a[p], scale_a[p], b[g], scale_b[g]) for g, p in enumerate(parts)])

    def measure(self, kernel: Kernel, repeat: int) -> float:
        """Median microseconds, with the L2 flushed before each launch. ArithmeticError for a wrong result."""
        torch = self.torch
        launch = kernel.prepare(torch.cuda.current_device(), self.sizes)
        addresses = [tensor.data_ptr() for tensor in self.tensors]
        stream = torch.cuda.current_stream().cuda_stream
        d = self.tensors[4]
        d.fill_(float("nan"))
        launch.launch(addresses, stream)
        difference = float(calc_diff(d[self.valid], self.expected))
        if not difference < MAX_DIFFERENCE:
            raise ArithmeticError(f"the result is wrong: difference {difference}")
        events = [(torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)) for _ in range(repeat)]
        for start, end in events:
            self.flush.zero_()
            start.record()
            launch.launch(addresses, stream)
            end.record()
        torch.cuda.synchronize()
        return statistics.median(start.elapsed_time(end) * 1e3 for start, end in events)


class Table:
    """A tuned table (docs/tuning.md) as a file. ValueError for one of another GPU, or that does not parse."""

    def __init__(self, path: Path, machine: str, multiprocessors: int, gpu: str):
        # Follows a link, so that the table is replaced and not the link.
        self.path = path.resolve()
        self.machine = machine
        self.multiprocessors = multiprocessors
        self.gpu = gpu
        self._read()

    def _read(self) -> dict[str, Any]:
        path = self.path
        if not path.exists():
            return {"version": VERSION, "machine": self.machine, "gpu": self.gpu, "multiprocessors": self.multiprocessors, "entries": []}
        if not path.is_file():
            raise ValueError(f"table {path} is not a regular file")
        try:
            content = json.loads(path.read_text())
            known = content["version"], content["machine"], content["multiprocessors"]
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"table {path} does not parse: {error!r}") from None
        allowed = VERSION, self.machine, self.multiprocessors
        if known != allowed:
            raise ValueError("table {} is of version {} for {} with {} multiprocessors; allowed are {}, {} and {}, those of this "
                             "GPU".format(path, *known, *allowed))
        return content

    def insert(self, problem: Problem, m: int, config: str, microseconds: float) -> None:
        """Adds an entry, or replaces that of the same problem, and writes the complete file. Entries that other processes have
        added since are kept."""
        groups = 1 if problem.layout == "dense" else problem.groups
        key = {"layout": problem.layout, "groups": groups, "m": m, "n": problem.n, "k": problem.k}
        with _files.open_folder(self.path.parent, create=True, trusted=False) as folder, \
                _files.lock(folder, self.path.name + ".lock"):
            content = self._read()
            others = [entry for entry in content["entries"] if entry.get("recipe") or any(entry[name] != key[name] for name in key)]
            content["entries"] = others + [{**key, "config": config, "microseconds": round(microseconds, 2)}]
            _files.write(folder, self.path.name, (json.dumps(content, indent=1) + "\n").encode())


def _candidates(problem: Problem, m: int, fields: Iterable[str], best: int, multiprocessors: int, machine: str) -> list[str]:
    """The config that calls would choose now, then the model's best with each set of fields."""
    chosen = [_jit.choose_config(problem, 2 * m if problem.layout == "masked" else m, m, multiprocessors, machine)]
    shape = problem.shape(None, m) if problem.layout == "masked" else problem.shape(m)
    for text in fields:
        try:
            chosen += _dgemm.list_configs(shape, _dgemm.Options(config=text, multiprocessors=multiprocessors, machine=machine))[:best]
        except RuntimeError as error:
            raise ValueError(f"config is {text!r}: {error}") from None
    return list(dict.fromkeys(chosen))


def _compile_all(problem: Problem, configs: list[str], workers: int | None) -> list[Kernel]:
    """The kernels that compile; without the cache, as most are never used again."""
    assembler = _assembler.find()

    def one(config: str) -> Kernel | None:
        try:
            return Kernel(problem, config, assembler, _jit.assemble(problem, config, assembler), "compiled")
        except CompileError as error:
            _env.debug(f"tune: {error}")
            return None

    with ThreadPoolExecutor(workers or os.cpu_count()) as pool:
        return [kernel for kernel in pool.map(one, configs) if kernel is not None]


def _rank(bench: Any, kernels: list[Kernel], repeat: int, say: Callable[[str], None]) -> list[tuple[float, Kernel]]:
    timed = []
    for index, kernel in enumerate(kernels, 1):
        try:
            timed.append((bench.measure(kernel, repeat), kernel))
            say(f"{index}/{len(kernels)}  {timed[-1][0]:.2f} us  {kernel.config}")
        except ArithmeticError as error:
            print(f"dgemm: {kernel.config}: {error}", file=sys.stderr)
    return sorted(timed, key=lambda entry: entry[0])


def tune(n: int, k: int, m: int, *, layout: str = "dense", groups: int | None = None, config: str | Iterable[str] = ("",),
         best: int = 40, table: str | os.PathLike | None = None, workers: int | None = None,
         progress: bool = True) -> list[tuple[float, str]]:
    """Finds the fastest config for `m` rows on torch's current GPU, and stores it in a table.

    Args:
        n, k, layout, groups: as in compile(); "dense", "contiguous" and "masked", of which tables have entries.
        m: rows; contiguous: of all groups together; masked: of each group.
        config: one or several sets of #dgemm.config fields, such as "split_k = 4". The `best` configs of each by the cost model are
            tried, and the one that calls choose now.
        table: the JSON file (docs/tuning.md) to add to; None for the one that calls of this user use (DGEMM_TUNED_TABLE).
        workers: compilations at a time; None for the number of cores.
        progress: shows each measurement on stderr.

    Each kernel is checked and timed with a cold L2, and the fastest are timed again. Returns them as (microseconds, config),
    the fastest first. Raises ValueError for an argument that is not allowed; DeviceError if torch finds no Hopper GPU;
    ArithmeticError if no kernel gives the right result.
    """
    _check.choice("layout", layout, ("dense", "contiguous", "masked"))  # of which tables have entries
    problem = make_problem(n, k, layout, groups)
    m, best = _check.integer("m", m), _check.integer("best", best)
    workers = _check.optional_integer("workers", workers)
    config = (config,) if isinstance(config, str) else tuple(config)
    device, info = _find_device()
    path = Path(table) if table is not None else _env.tuned_table()
    if path is None:
        raise ValueError("table is None, and there is no home directory for it; DGEMM_TUNED_TABLE can name a file")
    file = Table(path, info["machine"], info["multiprocessors"], info["name"])
    terminal = sys.stderr.isatty()

    def say(text: str) -> None:
        if progress:
            print(("\r\033[K" if terminal else "") + f"dgemm: M={m} N={n} K={k}: {text}", end="" if terminal else "\n",
                  file=sys.stderr, flush=True)

    configs = _candidates(problem, m, config, best, info["multiprocessors"], info["machine"])
    say(f"compiling {len(configs)} configs")
    bench = Bench(problem, m)
    finalists = _rank(bench, _compile_all(problem, configs, workers), SCREEN_REPEAT, say)[:FINALISTS]
    ranked = _rank(bench, [kernel for _, kernel in finalists], FINAL_REPEAT, say)
    if progress and terminal:
        print(file=sys.stderr)
    if not ranked:
        raise ArithmeticError(f"none of {len(configs)} configs gives the right result; DGEMM_DEBUG=1 says more")
    file.insert(problem, m, ranked[0][1].config, ranked[0][0])
    _launch.forget_launches()
    return [(microseconds, kernel.config) for microseconds, kernel in ranked]


def _find_device() -> tuple[int, dict[str, Any]]:
    try:
        import torch
    except ImportError:
        raise DeviceError("tune needs torch for its tensors; dgemm-tune needs only a GPU") from None
    if not torch.cuda.is_available():
        raise DeviceError("tune needs a Hopper GPU, but torch finds no GPU")
    device = torch.cuda.current_device()
    info = _dgemm.device_info(device)
    if info["capability"] != (9, 0):
        major, minor = info["capability"]
        raise DeviceError(f"GPU {device} '{info['name']}' is sm_{major}{minor}; dgemm kernels run only on sm_90a")
    return device, info
