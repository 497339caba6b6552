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
    """Warns the first time that `key` comes up in this process."""
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
    """One line on stderr where DGEMM_DEBUG is set."""
    if debug_enabled():
        print(f"dgemm: {message}", file=sys.stderr)


def print_configs() -> bool:
    """DGEMM_PRINT_CONFIGS, or DeepGEMM's DG_PRINT_CONFIGS."""
    return _is_set("DGEMM_PRINT_CONFIGS", "DG_PRINT_CONFIGS")


def cache_dir() -> Path:
    """DGEMM_CACHE_DIR, DeepGEMM's DG_JIT_CACHE_DIR with /dgemm behind it, or the user's cache folder."""
    if path := os.environ.get("DGEMM_CACHE_DIR"):
        return Path(path).expanduser()
    if path := os.environ.get("DG_JIT_CACHE_DIR"):
        return Path(path).expanduser() / "dgemm"
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "dgemm"


def tuned_table() -> Path:
    """DGEMM_TUNED_TABLE, or tuned.json in the cache folder: configs that were measured here, looked into before those
    that the compiler comes with. It need not be there."""
    path = os.environ.get("DGEMM_TUNED_TABLE")
    return Path(path).expanduser() if path else cache_dir() / "tuned.json"


def dump_dir() -> Path | None:
    """DGEMM_DUMP: where every stage of each kernel is written."""
    path = os.environ.get("DGEMM_DUMP")
    return Path(path).expanduser() if path else None


def ptxas_path() -> str:
    """DGEMM_PTXAS, empty if it is not set."""
    return os.environ.get("DGEMM_PTXAS", "")


def warn_about_nvcc() -> None:
    """Says once that DeepGEMM's variables for nvcc do nothing."""
    for name in ("DG_NVCC_COMPILER", "DG_JIT_NVCC_COMPILER"):
        if os.environ.get(name):
            warn_once(name, f"{name} is set, but dgemm uses no nvcc: it has its own compiler and needs ptxas alone "
                            "(DGEMM_PTXAS names another one)")
