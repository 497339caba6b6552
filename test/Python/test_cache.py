"""The kernel cache: many processes, killed processes, damaged files, folders that cannot be used."""

from __future__ import annotations

import os
import signal
import subprocess
import time
import warnings
from concurrent.futures import ThreadPoolExecutor

import pytest
from conftest import run_python

import dgemm
from dgemm import _cache, _dgemm, _jit

WORKER = """
import dgemm
kernel = dgemm.compile(64, 256, assemble=False)
assert kernel.ptx.count("wgmma.mma_async"), "not a kernel"
print(kernel.origin)
"""


def files(folder):
    return sorted(folder.glob("*" + _cache.SUFFIX))


def forget(monkeypatch):
    monkeypatch.setattr(_jit, "_kernels", {})


def test_second_process_reads_the_disk(empty_cache):
    origins = []
    for _ in range(2):
        run = run_python(WORKER)
        origins.append(subprocess.run(run["args"], env=run["env"], text=True, capture_output=True, check=True).stdout)
    assert origins == ["compiled\n", "disk\n"]


def test_sixteen_processes_on_an_empty_cache(empty_cache):
    run = run_python(WORKER)
    processes = [subprocess.Popen(**run, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(16)]
    outputs = [process.communicate(timeout=300) for process in processes]
    assert [process.returncode for process in processes] == [0] * 16, [error for _, error in outputs]
    origins = [out.strip() for out, _ in outputs]
    assert origins.count("compiled") == 1 and origins.count("disk") == 15
    assert len(files(empty_cache)) == 1


def test_threads_compile_once(empty_cache, monkeypatch):
    compiled = []
    compile_once = _dgemm.compile
    monkeypatch.setattr(_dgemm, "compile", lambda *arguments: compiled.append(1) or compile_once(*arguments))
    with ThreadPoolExecutor(8) as pool:
        kernels = list(pool.map(lambda _: dgemm.compile(64, 256, assemble=False), range(16)))
    assert len(compiled) == 1 and all(kernel is kernels[0] for kernel in kernels)


def test_compilation_releases_the_gil(empty_cache):
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(dgemm.compile, 128, 512, assemble=False)
        steps = 0
        while not future.done():
            time.sleep(0.001)
            steps += 1
    assert steps >= 10


@pytest.mark.parametrize("seconds", [0.05, 0.2, 0.5, 1.0])
def test_killed_in_the_middle(empty_cache, seconds):
    """Whenever the process dies, the next one gets the kernel."""
    run = run_python("import dgemm; print('ready', flush=True); dgemm.compile(64, 256, assemble=False)")
    process = subprocess.Popen(**run, stdout=subprocess.PIPE)
    assert process.stdout.readline() == "ready\n"
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    run = run_python(WORKER)
    result = subprocess.run(run["args"], env=run["env"], text=True, capture_output=True, timeout=120)
    assert result.returncode == 0, result.stderr
    assert len(files(empty_cache)) == 1


def test_killed_before_the_rename(empty_cache):
    """A half-written temporary file is never read."""
    run = run_python("import os, signal\nfrom dgemm import _cache\nimport dgemm\n"
                     "_cache.os.replace = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)\n"
                     "dgemm.compile(64, 256, assemble=False)")
    assert subprocess.run(run["args"], env=run["env"]).returncode == -signal.SIGKILL
    assert files(empty_cache) == [] and list(empty_cache.glob(".*.tmp"))
    assert dgemm.compile(64, 256, assemble=False).origin == "compiled"
    assert _cache.clear() == 1 and not list(empty_cache.glob(".*.tmp"))


def truncate(data):
    return data[:len(data) // 2]


def flip(data):
    return data[:-100] + bytes([data[-100] ^ 1]) + data[-99:]


def foreign(data):
    """A whole entry of another compiler."""
    key, kernel = _cache.decode(data)
    return _cache.encode({**key, "compiler": "0.0.1 0000"}, kernel)


@pytest.mark.parametrize("damage", [truncate, flip, foreign, lambda data: b"", lambda data: b"\x7fELF" + data])
def test_damaged_files_are_compiled_anew(empty_cache, monkeypatch, damage):
    kernel = dgemm.compile(64, 256, assemble=False)
    (path,) = files(empty_cache)
    good = path.read_bytes()
    path.write_bytes(damage(good))
    forget(monkeypatch)
    again = dgemm.compile(64, 256, assemble=False)
    assert again.origin == "compiled" and again.ptx == kernel.ptx
    forget(monkeypatch)
    assert dgemm.compile(64, 256, assemble=False).origin == "disk"


def test_unusable_folder_warns_once(empty_cache, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("DGEMM_CACHE_DIR", str(tmp_path / "file" / "kernels"))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        dgemm.compile(64, 256, assemble=False)
        dgemm.compile(128, 256, assemble=False)
    messages = [str(entry.message) for entry in caught]
    assert len(messages) == 1 and "cannot be used" in messages[0] and "DGEMM_CACHE_DIR" in messages[0]


def test_full_disk(empty_cache, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(_cache.os, "fsync", full)
    with pytest.warns(RuntimeWarning, match="ENOSPC: No space left on device"):
        kernel = dgemm.compile(64, 256, assemble=False)
    assert kernel.origin == "compiled" and files(empty_cache) == [] and not list(empty_cache.glob(".*.tmp"))
    assert dgemm.compile(64, 256, assemble=False) is kernel


def test_environment_is_read_when_used(monkeypatch, tmp_path):
    from dgemm import _env

    monkeypatch.delenv("DGEMM_CACHE_DIR")
    monkeypatch.delenv("DG_JIT_CACHE_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert _env.cache_dir() == tmp_path / "xdg" / "dgemm"
    monkeypatch.setenv("DG_JIT_CACHE_DIR", str(tmp_path / "deep"))
    assert _env.cache_dir() == tmp_path / "deep" / "dgemm"
    monkeypatch.setenv("DGEMM_CACHE_DIR", str(tmp_path / "own"))
    assert _env.cache_dir() == tmp_path / "own"


def test_nvcc_variables_warn(empty_cache, monkeypatch):
    monkeypatch.setenv("DG_JIT_NVCC_COMPILER", "/usr/local/cuda/bin/nvcc")
    with pytest.warns(RuntimeWarning, match="DG_JIT_NVCC_COMPILER is set, but dgemm does not use nvcc"):
        dgemm.compile(64, 256)


def test_debug_shows_the_path_taken(empty_cache, monkeypatch, capfd):
    monkeypatch.setenv("DGEMM_DEBUG", "1")
    dgemm.compile(64, 256)
    forget(monkeypatch)
    dgemm.compile(64, 256)
    error = capfd.readouterr().err
    assert "compiled in" in error and "disk in" in error and "ptxas" in error


def test_dump(empty_cache, monkeypatch, tmp_path):
    monkeypatch.setenv("DGEMM_DUMP", str(tmp_path / "dump"))
    dgemm.compile(64, 256)
    (folder,) = (tmp_path / "dump").iterdir()
    names = {path.name for path in folder.iterdir()}
    assert {"problem.mlir", "tiled.mlir", "nvvm.mlir", "llvm.ll", "kernel.ptx", "kernel.cubin", "kernel.json"} <= names


def test_lock_files_do_not_keep_other_processes_out(empty_cache):
    """A lock file that a dead process left behind is no lock."""
    dgemm.compile(64, 256, assemble=False)
    (path,) = files(empty_cache)
    os.unlink(path)
    assert path.with_name(path.name + ".lock").exists()
    run = run_python(WORKER)
    assert subprocess.run(run["args"], env=run["env"], capture_output=True, text=True, timeout=120).stdout == "compiled\n"
