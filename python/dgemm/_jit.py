"""Kernels on demand: from memory, from disk, or compiled now. Any number of threads and processes at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import _assembler, _cache, _dgemm, _env, _files
from ._assembler import Assembler
from ._device import MACHINE, MULTIPROCESSORS
from ._errors import CompileError, SlowKernelError
from ._kernel import Kernel
from ._problem import DYNAMIC, Problem

_kernels: dict[tuple[Problem, str, Assembler], Kernel] = {}
_choices: dict[tuple[Any, ...], str] = {}
# Configs of a problem that ptxas has made slow. They are not chosen again.
_slow: dict[Problem, tuple[str, ...]] = {}
MOST_TRIES = 8
"""The configs of a problem that are compiled before a call gives up, as in dgemm-gen."""
_locks: dict[Any, threading.Lock] = {}
_locks_lock = threading.Lock()


def bucket(m: int) -> int:
    """The M for which the config of m is chosen: a multiple of 64 up to 512, then 4 steps in each octave."""
    for limit in (16, 32, 64):
        if m <= limit:
            return limit
    step = 64
    while step * 8 < m:
        step *= 2
    return -(-m // step) * step


def buckets(first: int, last: int) -> list[int]:
    """The buckets of first to last, both included."""
    found = [bucket(first)]
    while found[-1] < last:
        found.append(bucket(found[-1] + 1))
    return found


def _find_table() -> tuple[str, int]:
    """Path and modification time of the user's tuned table; ("", 0) if there is no readable and trusted table."""
    path = _env.tuned_table()
    if path is None:
        return "", 0
    named = _env.names_tuned_table()
    try:
        # A table that the user names may be in any folder.
        with _files.open_folder(path.parent, trusted=not named) as folder:
            try:
                return str(path), _files.check(folder, path.name, trusted=not named).st_mtime_ns
            except _files.UntrustedError as error:
                _env.warn_once(f"table {path}", f"the tuned table {path} is not used: {error.strerror}")
    except OSError as error:  # also a cache folder that cannot be used, for which the cache itself warns
        if named:
            _env.warn_once(f"table {path}", f"DGEMM_TUNED_TABLE names {path}, which cannot be read: {error.strerror}")
    return "", 0


def choose_config(problem: Problem, m: int, expected_m: int = 0, multiprocessors: int = MULTIPROCESSORS,
                  machine: str = MACHINE) -> str:
    """The config for `m` rows; masked and offsets: for `expected_m` rows of `m` in each group."""
    masked = problem.layout in ("masked", "offsets")
    if problem.layout == "offsets" and not expected_m:
        expected_m = -(-m // problem.groups)
    rows = bucket(max(1, min(expected_m or m, m)))
    table = _find_table()
    avoided = slow_configs(problem)
    key = (problem, rows, multiprocessors, machine, table, avoided)
    if (known := _choices.get(key)) is None:
        shape = problem.shape(None, rows) if masked else problem.shape(problem.m if problem.m != DYNAMIC else rows)
        try:
            known = _dgemm.choose_config(shape, _dgemm.Options(multiprocessors=multiprocessors, machine=machine,
                                                                tuned_table=table[0], avoided_configs=list(avoided)))
        except RuntimeError as error:
            raise CompileError(str(error)) from None
        _choices[key] = known
    return known


def _lock_of(key: Any) -> threading.Lock:
    with _locks_lock:
        return _locks.setdefault(key, threading.Lock())


def get(problem: Problem, config: str, assembler: Assembler | None = None) -> Kernel:
    """The kernel of a problem with a config, for GPUs (`assembler` None) or the emulator (_assembler.NONE)."""
    if assembler is None:
        assembler = _assembler.find()
    key = (problem, config, assembler)
    if (kernel := _kernels.get(key)) is not None:
        return kernel
    with _lock_of(key):
        if (kernel := _kernels.get(key)) is None:
            kernel = _kernels[key] = _load(problem, config, assembler)
    return kernel


def get_first_fast(problem: Problem, choose: Callable[[], str], assembler: Assembler | None = None) -> Kernel:
    """The kernel of the config that `choose` returns. If ptxas makes the kernel slow, `choose` is called again for the next best
    config, as in dgemm-gen. SlowKernelError: `choose` has no other config."""
    first: SlowKernelError | None = None
    tried: set[str] = set()
    while len(tried) < MOST_TRIES:
        try:
            config = choose()
            if config in tried:
                break
            tried.add(config)
            return get(problem, config, assembler)
        except SlowKernelError as error:
            first = first or error
        except CompileError as error:  # no other config is left
            raise (first or error) from None
    raise first


def slow_configs(problem: Problem) -> tuple[str, ...]:
    """The configs that ptxas has made slow."""
    return _slow.get(problem, ())


def get_chosen(problem: Problem, m: int, expected_m: int = 0, multiprocessors: int = MULTIPROCESSORS, machine: str = MACHINE,
               assembler: Assembler | None = None) -> Kernel:
    """The kernel of a problem with the config of choose_config."""
    return get_first_fast(problem, lambda: choose_config(problem, m, expected_m, multiprocessors, machine), assembler)


def disk_key(problem: Problem, config: str, assembler: Assembler) -> dict[str, Any]:
    """All that the bytes of a kernel depend on."""
    return {"entry": problem.symbol, "problem": problem.describe(), "epilogue": problem.epilogue, "config": config,
            "compiler": f"{_dgemm.__version__} {_dgemm.build_id}", "target": "sm_90a", "assembler": assembler.version}


def _load(problem: Problem, config: str, assembler: Assembler) -> Kernel:
    key = disk_key(problem, config, assembler)
    start = time.perf_counter()
    origin = "disk"
    found = _cache.read(key)
    if found is None:
        with _cache.lock(key):
            found = _cache.read(key)
            if found is None:
                origin = "compiled"
                try:
                    found = assemble(problem, config, assembler)
                except SlowKernelError as error:
                    found = {"ptx": "", "cubin": b"", "launch": "", "resources": {}, "times_ms": {}, "slow": str(error)}
                _cache.write(key, found)
    if found.get("slow"):
        with _locks_lock:
            _slow[problem] = tuple(dict.fromkeys((*_slow.get(problem, ()), config)))
        _env.debug(f"{problem.describe()}, config {config}: {found['slow']}")
        raise SlowKernelError(found["slow"])
    kernel = Kernel(problem, config, assembler, found, origin)
    _env.debug(f"{problem.describe()}, config {config}: {origin} in {(time.perf_counter() - start) * 1e3:.1f} ms, "
               f"{assembler.describe()}")
    if (folder := _env.dump_dir()) is not None:
        dump(kernel, folder)
    return kernel


def assemble(problem: Problem, config: str, assembler: Assembler) -> dict[str, Any]:
    """Compiles without the cache. CompileError; SlowKernelError if ptxas spills or serialises."""
    options = _dgemm.Options(config=config, ptxas=assembler.path, entry=problem.symbol)
    try:
        return _dgemm.compile(problem.shape(), options, bool(assembler.path))
    except _dgemm.SlowKernelError as error:
        raise SlowKernelError(f"{problem.describe()}, config {config}: {error}") from None
    except RuntimeError as error:
        raise CompileError(f"{problem.describe()}, config {config}: {error}") from None


def dump(kernel: Kernel, folder: Path) -> None:
    """Writes every stage of a kernel into its own folder below `folder`; a failure is only a warning."""
    target = folder / _cache.entry_name(disk_key(kernel.problem, kernel.config, kernel.assembler)).removesuffix(
        _cache.SUFFIX)
    try:
        with _files.open_folder(target, create=True) as opened:
            for stage in kernel.STAGES:
                _files.write(opened, f"{stage}.{'ll' if stage == 'llvm' else 'mlir'}", kernel.mlir(stage).encode())
            _files.write(opened, "kernel.ptx", kernel.ptx.encode())
            _files.write(opened, "kernel.json", kernel.launch_json.encode())
            if kernel.cubin:
                _files.write(opened, "kernel.cubin", kernel.cubin)
                if (sass := kernel.sass()) is not None:
                    _files.write(opened, "kernel.sass", sass.encode())
    except (OSError, RuntimeError) as error:
        _env.warn_once(f"dump {folder}", f"DGEMM_DUMP: {target} is not complete: {error}")
