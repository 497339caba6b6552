"""Finds ptxas and its release, without running it each time."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from . import _cache, _dgemm, _env
from ._errors import CompileError

PTXAS_PACKAGE = "nvidia-cuda-nvcc==13.0.*"
"""The release that the compiler is tested with. A driver of the 580 series loads its cubins, but not those of later releases."""

_found: dict[tuple[str, str], "Assembler"] = {}


@dataclass(frozen=True)
class Assembler:
    """The assembler of PTX: a ptxas, the driver (no path), or none (the emulator runs PTX)."""

    path: str
    version: str

    def describe(self) -> str:
        return f"ptxas {self.version} ({self.path})" if self.path else self.version


NONE = Assembler("", "none")


def _search() -> str:
    """The first ptxas of the wheel nvidia-cuda-nvcc, PATH, the toolkit, and triton's wheel; empty if there is none."""
    in_packages = [Path(folder or ".") / part for part in ("nvidia/cu13/bin", "nvidia/cuda_nvcc/bin") for folder in sys.path]
    in_triton = [Path(folder or ".") / "triton/backends/nvidia/bin" for folder in sys.path]
    on_path = shutil.which("ptxas")
    for folder in (*in_packages, *([Path(on_path).parent] if on_path else []), Path("/usr/local/cuda/bin"), *in_triton):
        if os.access(folder / "ptxas", os.X_OK):
            return str((folder / "ptxas").resolve())
    return ""


def _release(path: str, named: bool) -> str:
    """The release. Running ptxas takes longer than loading a kernel from disk, so the answer is stored on disk."""
    stat = os.stat(path)
    identity = json.dumps([path, stat.st_size, stat.st_mtime_ns])
    memo = f"assembler-{hashlib.sha256(identity.encode()).hexdigest()[:16]}.json"
    with contextlib.suppress(ValueError, KeyError, TypeError):
        known = json.loads(_cache.read_file(memo) or b"null")
        if known["identity"] == identity:
            return known["release"]
    # An error names DGEMM_PTXAS if that is set.
    _, release = _dgemm.find_assembler("" if named else path)
    _cache.write_file(memo, json.dumps({"identity": identity, "release": release}).encode())
    return release


def find() -> Assembler:
    """DGEMM_PTXAS; else the first that _search finds; else the driver's own compiler.
    Raises CompileError if DGEMM_PTXAS does not name a ptxas, or if there is neither a ptxas nor a driver.
    """
    named = _env.ptxas_path()
    key = (named, os.environ.get("PATH", ""))
    if key in _found:
        return _found[key]
    _env.warn_about_nvcc()
    path = shutil.which(named) if named else _search()
    try:
        found = Assembler(path, _release(path, bool(named))) if path else Assembler(*_dgemm.find_assembler(""))
    except RuntimeError as error:
        if named:
            raise CompileError(str(error)) from None
        try:
            version = _dgemm.driver_version()
        except RuntimeError:
            raise CompileError(str(error)) from None
        found = Assembler("", f"driver of CUDA {version // 1000}.{version % 1000 // 10}")
        _env.debug(f"no ptxas: the driver compiles PTX ({error})")
    _found[key] = found
    return found
