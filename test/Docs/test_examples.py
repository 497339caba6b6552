"""The programs of examples/ run: those for NumPy everywhere, those for torch and JAX where there is a Hopper GPU."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from test_docs import LLVM, ROOT, find_build

EXAMPLES = {"numpy_gemm.py": None, "epilogue.py": None, "moe_layer.py": None, "server.py": None, "torch_gemm.py": "torch", "cuda_graph.py": "torch", "jax_gemm.py": "jax",
            "jax_jit.py": "jax", "train_mlp.py": "torch"}
ON_THE_EMULATOR = {"jax_jit.py"}


def has_hopper() -> bool:
    from dgemm import _dgemm

    try:
        return _dgemm.device_count() > 0 and _dgemm.device_info(0)["capability"] == (9, 0)
    except RuntimeError:
        return False


def test_every_example_is_here():
    assert {path.name for path in (ROOT / "examples").glob("*.py")} == set(EXAMPLES)


@pytest.mark.parametrize("name", EXAMPLES)
def test_example(name, tmp_path):
    library = EXAMPLES[name]
    if library and not importlib.util.find_spec(library):
        pytest.skip(f"needs {library}")
    if library and name not in ON_THE_EMULATOR and not has_hopper():
        pytest.skip(f"needs {library} and a Hopper GPU")
    result = subprocess.run([sys.executable, ROOT / "examples" / name], text=True, capture_output=True, timeout=200,
                            env={**os.environ, "DGEMM_CACHE_DIR": str(tmp_path)})
    assert result.returncode == 0 and result.stdout, result.stderr


def test_new_pass(tmp_path):
    """Installs the build, builds the pass against that, and runs its lit test."""
    build = find_build()
    if build is None:
        pytest.skip("no build tree")
    prefix, own = tmp_path / "prefix", tmp_path / "build"
    for command in (["cmake", "--install", build, "--prefix", prefix],
                    ["cmake", "-G", "Ninja", "-S", ROOT / "examples/new-pass", "-B", own, f"-DCMAKE_PREFIX_PATH={prefix}",
                     "-DCMAKE_C_COMPILER=clang-22", "-DCMAKE_CXX_COMPILER=clang++-22", "-DCMAKE_EXE_LINKER_FLAGS=-fuse-ld=lld",
                     "-DCMAKE_CXX_COMPILER_LAUNCHER=ccache"],
                    ["ninja", "-C", own, "check"]):
        result = subprocess.run(command, text=True, capture_output=True, timeout=400,
                                env={**os.environ, "PATH": f"{LLVM}:{os.environ['PATH']}", "CCACHE_BASEDIR": str(tmp_path)})
        assert result.returncode == 0, result.stdout + result.stderr
    assert "PASS: new-pass :: count-loads.mlir" in result.stdout
