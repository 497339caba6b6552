"""The libraries whose tensors the tests run with: NumPy on the emulator everywhere, the others where there is a GPU."""

from __future__ import annotations

import importlib
import os
import pathlib
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np
import pytest

# The package deep_gemm, which is installed by itself.
COMPAT = pathlib.Path(__file__).resolve().parents[2] / "python" / "deep_gemm_compat"
sys.path.insert(0, str(COMPAT))

FP8 = ml_dtypes.float8_e4m3fn
BF16 = ml_dtypes.bfloat16


def _has_hopper() -> bool:
    from dgemm import _dgemm

    try:
        return _dgemm.device_count() > 0 and _dgemm.device_info(0)["capability"] == (9, 0)
    except RuntimeError:
        return False


class NumPy:
    """Runs on the emulator, which stops at any access that is out of bounds or out of order."""

    name = "numpy"

    def put(self, array: np.ndarray) -> Any:
        """A tensor of the library with the content and the strides of `array`."""
        return array

    def get(self, tensor: Any) -> np.ndarray:
        return np.asarray(tensor)


class Torch:
    name = "torch"

    def __init__(self):
        self.torch = importlib.import_module("torch")

    def put(self, array):
        torch = self.torch
        bits, dtype = {FP8: (np.uint8, torch.float8_e4m3fn), BF16: (np.int16, torch.bfloat16)}.get(
            array.dtype.type, (array.dtype, None))
        storage = array if array.base is None else array.base
        flat = torch.from_numpy(np.ascontiguousarray(storage).view(bits).reshape(-1).copy()).cuda()
        flat = flat if dtype is None else flat.view(dtype)
        offset = (array.ctypes.data - storage.ctypes.data) // array.itemsize
        return flat.as_strided(array.shape, [s // array.itemsize for s in array.strides], offset)

    def get(self, tensor):
        torch = self.torch
        torch.cuda.synchronize()
        if tensor.dtype == torch.bfloat16:
            return tensor.contiguous().view(torch.int16).cpu().numpy().view(BF16)
        return tensor.cpu().numpy()


class CuPy:
    """Has neither FP8 nor bfloat16: their bytes go as uint8 and uint16."""

    name = "cupy"

    def __init__(self):
        self.cupy = importlib.import_module("cupy")

    def put(self, array):
        bits = {FP8: np.uint8, BF16: np.uint16}.get(array.dtype.type, array.dtype)
        storage = array if array.base is None else array.base
        flat = self.cupy.asarray(np.ascontiguousarray(storage).view(bits).reshape(-1))
        offset = (array.ctypes.data - storage.ctypes.data) // array.itemsize
        return self.cupy.lib.stride_tricks.as_strided(flat[offset:], array.shape, array.strides)

    def get(self, tensor):
        self.cupy.cuda.get_current_stream().synchronize()
        array = self.cupy.asnumpy(tensor)
        return array.view(BF16) if array.dtype == np.uint16 else array


class Jax:
    """Arrays of JAX are contiguous and, for JAX, do not change."""

    name = "jax"

    def __init__(self):
        # It would need most of the memory that the other libraries' tests need.
        os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
        self.jax = importlib.import_module("jax")

    def put(self, array):
        if not array.flags.c_contiguous:
            pytest.skip("JAX has no strides")
        return self.jax.device_put(array)

    def get(self, tensor):
        # np.asarray keeps the host copy that an earlier read has made.
        return np.asarray(self.jax.numpy.array(tensor, copy=True))


@pytest.fixture(params=[NumPy, Torch, CuPy, Jax], ids=lambda library: library.name, scope="session")
def library(request):
    if request.param is NumPy:
        return NumPy()
    if not _has_hopper():
        pytest.skip("no Hopper GPU")
    try:
        return request.param()
    except ImportError as error:
        pytest.skip(str(error))


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch, request):
    """One cache for the whole run; tests of the cache take one of their own."""
    if "DGEMM_TEST_CACHE" not in os.environ:
        os.environ["DGEMM_TEST_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    monkeypatch.setenv("DGEMM_CACHE_DIR", os.environ["DGEMM_TEST_CACHE"])


@pytest.fixture
def empty_cache(tmp_path, monkeypatch):
    """A new cache folder, and a process that knows no kernels."""
    from dgemm import _assembler, _env, _jit

    monkeypatch.setenv("DGEMM_CACHE_DIR", str(tmp_path / "kernels"))
    monkeypatch.setattr(_jit, "_kernels", {})
    monkeypatch.setattr(_assembler, "_found", {})
    monkeypatch.setattr(_env, "_warned", set())
    return tmp_path / "kernels"


def ceil_div(x: int, y: int) -> int:
    return -(-x // y)


def m_innermost(scale: np.ndarray) -> np.ndarray:
    """[.., M, K/128] with M innermost and its pitch a multiple of 4."""
    rows, columns = scale.shape[-2:]
    buffer = np.full(scale.shape[:-2] + (columns, ceil_div(rows, 4) * 4), np.nan, np.float32)
    buffer[..., :rows] = scale.swapaxes(-1, -2)
    return buffer[..., :rows].swapaxes(-1, -2)


@dataclass
class Case:
    """Operands in NumPy and the result in double precision."""

    a: np.ndarray
    scale_a: np.ndarray
    b: np.ndarray
    scale_b: np.ndarray
    expected: np.ndarray

    def empty(self) -> np.ndarray:
        """Room for D, full of NaN."""
        return np.full(self.expected.shape, np.nan, BF16)


def _multiply(a, scale_a, b, scale_b):
    k, n = a.shape[-1], b.shape[-2]
    a = a.astype(np.float64) * np.repeat(scale_a.astype(np.float64), 128, -1)[..., :k]
    full = np.repeat(np.repeat(scale_b.astype(np.float64), 128, -2), 128, -1)[..., :n, :k]
    return a @ (b.astype(np.float64) * full).swapaxes(-1, -2)


def make_case(m: int, n: int, k: int, a_groups: tuple = (), b_groups: tuple = (), seed: int = 0) -> Case:
    """`a_groups` and `b_groups`: (G,) where the operand has a dimension for groups."""
    rng = np.random.default_rng(seed)
    a = rng.standard_normal(a_groups + (m, k)).astype(FP8)
    b = rng.standard_normal(b_groups + (n, k)).astype(FP8)
    scale_a = rng.uniform(0.5, 2, a_groups + (m, ceil_div(k, 128))).astype(np.float32)
    scale_b = rng.uniform(0.5, 2, b_groups + (ceil_div(n, 128), ceil_div(k, 128))).astype(np.float32)
    expected = _multiply(a, scale_a, b, scale_b) if a_groups == b_groups else np.zeros((m, n))
    return Case(a, scale_a, b, scale_b, expected)


def difference(result: np.ndarray, expected: np.ndarray) -> float:
    """1 - 2 sum(xy) / sum(xx + yy); NaN if anything was not written."""
    x = result.astype(np.float64)
    return float(1 - 2 * (x * expected).sum() / (x * x + expected * expected).sum())


LIMIT = 1e-5


def run_python(code: str, **environment: str):
    """The arguments of subprocess.Popen for a Python that imports the same dgemm."""
    import dgemm

    root = os.path.dirname(os.path.dirname(dgemm.__file__))
    paths = os.pathsep.join([root, os.path.dirname(__file__), os.environ.get("PYTHONPATH", "")])
    return {"args": [sys.executable, "-c", code], "env": {**os.environ, "PYTHONPATH": paths, **environment},
            "text": True}


def run_with_fake_driver(folder: pathlib.Path, code: str, **environment: str) -> subprocess.CompletedProcess:
    """Runs `code` with the C++ tests' stand-in for libcuda.so.1 (test/Unit/Runtime/FakeCuda.cpp)."""
    import dgemm

    library = pathlib.Path(dgemm.__file__).parents[2] / "test" / "Unit" / "libDGemmFakeCuda.so"
    if not library.exists():
        pytest.skip("libDGemmFakeCuda.so is not built")
    (folder / "libcuda.so.1").symlink_to(library)
    run = run_python(code, LD_LIBRARY_PATH=str(folder), **environment)
    return subprocess.run(run["args"], env=run["env"], capture_output=True, text=True)
