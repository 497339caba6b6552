"""Environment variables. Each is read when it is used, so that a program may set them after the import."""

from __future__ import annotations

import os
import sys
import threading
import warnings
from pathlib import Path

_warned: set[str] = set()
_warned_lock = threading.Lock()


def warn_once(key: str, message: str) -> None:
    """Warns once for each `key` in this process."""
    with _warned_lock:
        if key in _warned:
            return
        _warned.add(key)
    warnings.warn(message, RuntimeWarning, stacklevel=3)


def _is_set(*names: str) -> bool:
    return any(os.environ.get(name, "") not in ("", "0") for name in names)


def debug_enabled() -> bool:
    """DGEMM_DEBUG, or DeepGEMM's DG_JIT_DEBUG."""
    return _is_set("DGEMM_DEBUG", "DG_JIT_DEBUG")


def debug(message: str) -> None:
    """Prints a line to stderr if DGEMM_DEBUG is set."""
    if debug_enabled():
        print(f"dgemm: {message}", file=sys.stderr)


def print_configs() -> bool:
    """DGEMM_PRINT_CONFIGS, or DeepGEMM's DG_PRINT_CONFIGS."""
    return _is_set("DGEMM_PRINT_CONFIGS", "DG_PRINT_CONFIGS")


def _expand(path: str) -> Path | None:
    """`path` with a leading ~ replaced; None if there is no home directory."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return None


def cache_dir() -> Path | None:
    """DGEMM_CACHE_DIR, DeepGEMM's DG_JIT_CACHE_DIR with /dgemm appended, or the user's cache folder. None, with one
    warning, for a user without a home directory."""
    if path := os.environ.get("DGEMM_CACHE_DIR"):
        folder = _expand(path)
    elif path := os.environ.get("DG_JIT_CACHE_DIR"):
        folder = _expand(os.path.join(path, "dgemm"))
    else:
        folder = _expand(os.path.join(os.environ.get("XDG_CACHE_HOME") or "~/.cache", "dgemm"))
    if folder is None:
        warn_once("home", "there is no home directory, so there is no folder for the kernel cache; kernels are kept in memory "
                          "only, and each process compiles its own. DGEMM_CACHE_DIR can name a folder")
    return folder


def tuned_table() -> Path | None:
    """DGEMM_TUNED_TABLE, or tuned.json in the cache folder: configs that were measured here. They take precedence over the
    shipped tables. The file need not exist."""
    if path := os.environ.get("DGEMM_TUNED_TABLE"):
        return _expand(path)
    folder = cache_dir()
    return folder and folder / "tuned.json"


def names_tuned_table() -> bool:
    """True if DGEMM_TUNED_TABLE is set."""
    return bool(os.environ.get("DGEMM_TUNED_TABLE"))


def dump_dir() -> Path | None:
    """DGEMM_DUMP: the folder for every stage of each kernel."""
    path = os.environ.get("DGEMM_DUMP")
    return _expand(path) if path else None


def emulator_timeout() -> float | None:
    """DGEMM_EMULATOR_TIMEOUT: seconds after which a run on the emulator is given up; None for no limit."""
    text = os.environ.get("DGEMM_EMULATOR_TIMEOUT", "")
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not seconds > 0:
        raise ValueError(f"DGEMM_EMULATOR_TIMEOUT is {text!r}; allowed is a number of seconds above 0")
    return seconds


def ptxas_path() -> str:
    """DGEMM_PTXAS, empty if it is not set."""
    return os.environ.get("DGEMM_PTXAS", "")


def warn_about_nvcc() -> None:
    """Warns once that DeepGEMM's variables for nvcc have no effect."""
    for name in ("DG_NVCC_COMPILER", "DG_JIT_NVCC_COMPILER"):
        if os.environ.get(name):
            warn_once(name, f"{name} is set, but dgemm does not use nvcc: it has its own compiler and needs only ptxas "
                            "(DGEMM_PTXAS names another one)")
