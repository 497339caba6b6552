"""The kernel cache loads nothing that others could have written, and nothing in its folder stops a call."""

from __future__ import annotations

import json
import multiprocessing
import os
import pwd
import stat
import subprocess
import warnings
from pathlib import Path

import pytest
from conftest import run_python

import dgemm
from dgemm import _cache, _env, _files, _jit, _tune
from dgemm._problem import Problem


def compile_again(monkeypatch):
    """As a new process does."""
    monkeypatch.setattr(_jit, "_kernels", {})
    return dgemm.compile(64, 256, assemble=False)


def entry(folder: Path) -> Path:
    (path,) = folder.glob("*" + _cache.SUFFIX)
    return path


def give_away(path: Path, monkeypatch) -> None:
    """Makes `path` belong to somebody who is neither this user nor root."""
    if os.geteuid() == 0:
        os.chown(path, 12345, 12345)
    else:
        monkeypatch.setattr(_files.os, "geteuid", lambda: 12345)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_folder_and_files_are_for_the_user_alone(empty_cache):
    before = os.umask(0o002)
    try:
        dgemm.compile(64, 256, assemble=False)
    finally:
        os.umask(before)
    assert mode(empty_cache) == 0o700
    assert all(mode(path) & 0o022 == 0 for path in empty_cache.iterdir())


@pytest.mark.parametrize("distrust", [lambda path, _: path.chmod(0o777), lambda path, _: path.chmod(0o770), give_away],
                         ids=["all write", "group writes", "of another"])
def test_folder_of_others_is_not_used(empty_cache, monkeypatch, distrust):
    dgemm.compile(64, 256, assemble=False)
    planted = entry(empty_cache).read_bytes()
    distrust(empty_cache, monkeypatch)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert compile_again(monkeypatch).origin == "compiled"
        dgemm.compile(128, 256, assemble=False)
    assert len(caught) == 1 and "cannot be used (EPERM: " in str(caught[0].message)
    assert [path.read_bytes() for path in empty_cache.glob("*" + _cache.SUFFIX)] == [planted], "nothing is written there"
    assert run_module("cache", "list").returncode == 1 and run_module("cache", "clear").returncode == 1
    assert "not used: " in run_module("info").stdout


@pytest.mark.parametrize("distrust", [lambda path, _: path.chmod(0o666), give_away], ids=["all write", "of another"])
def test_file_of_others_is_replaced(empty_cache, monkeypatch, distrust):
    dgemm.compile(64, 256, assemble=False)
    if distrust is give_away and os.geteuid() != 0:
        pytest.skip("only root can give a file away")
    distrust(entry(empty_cache), monkeypatch)
    with pytest.warns(RuntimeWarning, match="is not read: EPERM"):
        assert compile_again(monkeypatch).origin == "compiled"
    assert compile_again(monkeypatch).origin == "disk"


def make_link(path: Path) -> None:
    target = path.with_suffix(".elsewhere")
    path.rename(target)
    path.symlink_to(target)


def make_fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def make_huge(path: Path) -> None:
    with open(path, "r+b") as file:
        file.truncate(1 << 40)


def make_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("make", [make_link, make_fifo, make_huge])
def test_what_is_no_file_of_ours_is_not_read(empty_cache, monkeypatch, make):
    dgemm.compile(64, 256, assemble=False)
    make(entry(empty_cache))
    with pytest.warns(RuntimeWarning, match="is not read: "):
        assert compile_again(monkeypatch).origin == "compiled"
    assert compile_again(monkeypatch).origin == "disk"
    assert entry(empty_cache).is_file() and not entry(empty_cache).is_symlink()


def test_a_folder_in_the_place_of_an_entry(empty_cache, monkeypatch):
    dgemm.compile(64, 256, assemble=False)
    make_folder(entry(empty_cache))
    with pytest.warns(RuntimeWarning):
        assert compile_again(monkeypatch).origin == "compiled"


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/full"), lambda path: path.mkdir()],
                         ids=["fifo", "link", "folder"])
def test_planted_locks_are_not_followed(empty_cache, monkeypatch, make):
    dgemm.compile(64, 256, assemble=False)
    path = entry(empty_cache)
    lock = path.with_name(path.name + ".lock")
    path.unlink()
    lock.unlink()
    make(lock)
    with pytest.warns(RuntimeWarning, match="cannot be used"):
        assert compile_again(monkeypatch).origin == "compiled"


def test_temporaries_cannot_be_guessed(empty_cache, monkeypatch):
    names = []
    replace = os.replace
    monkeypatch.setattr(_files.os, "replace", lambda source, *rest, **more: names.append(source) or
                        replace(source, *rest, **more))
    for n in (64, 128):
        dgemm.compile(n, 256, assemble=False)
    random = [name.split(".")[-2] for name in names]
    assert len(random) == 2 and random[0] != random[1] and all(len(part) == 32 for part in random)


def test_root_may_have_filled_the_cache(empty_cache, monkeypatch):
    """As in the image of a container: its files are read, though nothing can be added."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    dgemm.compile(64, 256, assemble=False)
    monkeypatch.setattr(_files.os, "geteuid", lambda: 12345)
    assert compile_again(monkeypatch).origin == "disk"


def test_no_home_directory(empty_cache, monkeypatch):
    for name in ("DGEMM_CACHE_DIR", "DG_JIT_CACHE_DIR", "XDG_CACHE_HOME", "HOME", "DGEMM_TUNED_TABLE"):
        monkeypatch.delenv(name, raising=False)

    def unknown(_):
        raise KeyError

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    with pytest.warns(RuntimeWarning, match="there is no home directory") as caught:
        assert dgemm.compile(64, 256, assemble=False).origin == "compiled"
        assert _jit.choose_config(Problem(n=64, k=256), 100)
        assert dgemm.compile(64, 256).cubin
    assert len(caught) == 1
    monkeypatch.setenv("DGEMM_CACHE_DIR", "~nobody-of-this-name/kernels")
    assert _env.cache_dir() is None


def test_planted_table_is_not_used(empty_cache, monkeypatch):
    own = "<tile = <block = 64x16x128>, schedule = <stages = 3, warpgroups = 1>>"
    problem = Problem(n=512, k=256)
    entries = [{"layout": "dense", "groups": 1, "m": 100, "n": 512, "k": 256, "config": own}]
    before = _jit.choose_config(problem, 100)
    empty_cache.mkdir(mode=0o700, exist_ok=True)
    table = empty_cache / "tuned.json"
    table.write_text(json.dumps({"version": 2, "machine": "h100", "multiprocessors": 132, "entries": entries}))
    table.chmod(0o644)
    assert _jit.choose_config(problem, 100) == own != before
    table.chmod(0o666)
    with pytest.warns(RuntimeWarning, match="tuned.json is not used: others can write to it"):
        assert _jit.choose_config(problem, 100) == before
    table.unlink()
    os.mkfifo(table)
    assert _jit.choose_config(problem, 100) == before
    named = empty_cache / "named.json"
    table.rename(named)
    monkeypatch.setenv("DGEMM_TUNED_TABLE", str(named))
    with pytest.warns(RuntimeWarning, match="DGEMM_TUNED_TABLE names .*, which cannot be read: it is not a regular file"):
        assert _jit.choose_config(problem, 100) == before


def tune_one(path: Path, m: int, barrier) -> None:
    table = _tune.Table(path, "h100", 132, "Fake")  # reads what is there now
    barrier.wait()
    table.insert(Problem(n=64, k=256), m, "<config>", 1.0)


def test_two_tuners_keep_all_entries(tmp_path):
    path = tmp_path / "tables" / "tuned.json"
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(4)
    workers = [context.Process(target=tune_one, args=(path, m, barrier)) for m in range(1, 5)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sorted(entry["m"] for entry in json.loads(path.read_text())["entries"]) == [1, 2, 3, 4]


def test_table_behind_a_link_is_written(tmp_path):
    (tmp_path / "real").mkdir()
    link = tmp_path / "tuned.json"
    link.symlink_to(tmp_path / "real" / "tuned.json")
    _tune.Table(link, "h100", 132, "Fake").insert(Problem(n=64, k=256), 5, "<config>", 1.0)
    assert link.is_symlink() and json.loads((tmp_path / "real" / "tuned.json").read_text())["entries"]
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(ValueError, match="fifo is not a regular file"):
        _tune.Table(tmp_path / "fifo", "h100", 132, "Fake").insert(Problem(n=64, k=256), 5, "<config>", 1.0)


def make_tool(path: Path, text: str) -> str:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize("text", ["echo no such target >&2; exit 3", "sleep 60"])
def test_failing_nvdisasm_stops_no_call(empty_cache, monkeypatch, tmp_path, text):
    from dgemm import _kernel

    monkeypatch.setattr(_kernel, "NVDISASM_SECONDS", 0.5)
    monkeypatch.setenv("DGEMM_NVDISASM", make_tool(tmp_path / "nvdisasm", text))
    monkeypatch.setenv("DGEMM_DUMP", str(tmp_path / "dump"))
    with pytest.warns(RuntimeWarning, match="DGEMM_DUMP: .* is not complete: nvdisasm .*(exit code 3: no such|timed out)"):
        kernel = dgemm.compile(64, 256)
    assert kernel.cubin
    with pytest.raises(dgemm.CompileError, match="nvdisasm"):
        kernel.sass()


def test_dump_does_not_follow_links(empty_cache, monkeypatch, tmp_path):
    monkeypatch.setenv("DGEMM_DUMP", str(tmp_path / "dump"))
    dgemm.compile(64, 256, assemble=False)
    (folder,) = (tmp_path / "dump").iterdir()
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (folder / "kernel.ptx").unlink()
    (folder / "kernel.ptx").symlink_to(victim)
    compile_again(monkeypatch)
    assert victim.read_text() == "precious" and (folder / "kernel.ptx").read_text().startswith("//")


def run_module(*arguments, **more):
    run = run_python("")
    return subprocess.run([run["args"][0], "-m", "dgemm", *arguments], env=run["env"], capture_output=True, text=True, **more)


def test_a_reader_that_goes_away(empty_cache):
    dgemm.compile(64, 256, assemble=False)
    run = run_python("")
    for unbuffered in ("", "1"):
        process = subprocess.Popen([run["args"][0], "-m", "dgemm", "cache", "list"], stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, env={**run["env"], "PYTHONUNBUFFERED": unbuffered}, text=True)
        process.stdout.close()
        assert process.stderr.read() == "" and process.wait() == 1
        process.stderr.close()


def test_precompile_that_keeps_nothing_fails(empty_cache, tmp_path):
    (tmp_path / "file").write_text("")
    run = run_python("", DGEMM_CACHE_DIR=str(tmp_path / "file" / "kernels"))
    result = subprocess.run([run["args"][0], "-m", "dgemm", "precompile", "--n=64", "--k=256", "--m=64", "--scale-a=mn",
                             "--quiet"], env=run["env"], capture_output=True, text=True)
    assert result.returncode == 1 and "error: 1 of 1 kernels could not be stored in" in result.stderr
