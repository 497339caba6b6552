"""Tuned tables of the user, and what fills them. The measuring itself needs a GPU; here a stand-in gives the times."""

from __future__ import annotations

import json

import pytest
from conftest import _has_hopper, run_python

import dgemm
from dgemm import _jit, _tune
from dgemm._problem import Problem

PROBLEM = Problem(n=512, k=256)
OWN = "<tile = <block = 64x16x128>, schedule = <stages = 3, warpgroups = 1>>"


def write_table(path, config, multiprocessors=132, m=100):
    entry = {"layout": "dense", "groups": 1, "m": m, "n": PROBLEM.n, "k": PROBLEM.k, "config": config}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"version": 2, "machine": "h100", "multiprocessors": multiprocessors, "entries": [entry]}))


def test_calls_look_into_the_table_of_the_user(empty_cache, monkeypatch, tmp_path):
    before = _jit.choose_config(PROBLEM, 100)
    write_table(empty_cache / "tuned.json", OWN)
    assert _jit.choose_config(PROBLEM, 100) == OWN != before
    assert _jit.choose_config(PROBLEM, 100, multiprocessors=114) != OWN, "it was measured on another GPU"
    assert _jit.choose_config(PROBLEM, 4000) != OWN, "it is for about 100 rows"
    named = tmp_path / "named.json"
    write_table(named, OWN.replace("stages = 3", "stages = 4"))
    monkeypatch.setenv("DGEMM_TUNED_TABLE", str(named))
    assert "stages = 4" in _jit.choose_config(PROBLEM, 100)
    named.write_text("{")
    with pytest.raises(dgemm.CompileError, match="named.json"):
        _jit.choose_config(PROBLEM, 100)
    monkeypatch.setenv("DGEMM_TUNED_TABLE", str(tmp_path / "nothing.json"))
    with pytest.warns(RuntimeWarning, match="DGEMM_TUNED_TABLE names .*nothing.json, which cannot be read: No such file"):
        assert _jit.choose_config(PROBLEM, 100) == before
    monkeypatch.delenv("DGEMM_TUNED_TABLE")
    monkeypatch.setenv("DGEMM_CACHE_DIR", str(named / "below a file"))
    assert _jit.choose_config(PROBLEM, 100) == before, "a folder that cannot be used holds no table"


class FakeBench:
    """Times by the width of a block, of which 8 wins; blocks of 64 columns are wrong."""

    seen: list[tuple[str, int]] = []

    def __init__(self, problem, m):
        self.m = m

    def measure(self, kernel, repeat):
        self.seen.append((kernel.config, repeat))
        assert kernel.cubin
        width = int(kernel.config.split("x")[1])
        if width == 64:
            raise ArithmeticError("the result is wrong: difference 1")
        return 8.0 + abs(width - 8)


@pytest.fixture
def gpu(monkeypatch):
    monkeypatch.setattr(_tune, "_find_device", lambda: (0, {"name": "Fake", "machine": "h100", "multiprocessors": 132}))
    monkeypatch.setattr(_tune, "Bench", FakeBench)
    monkeypatch.setattr(FakeBench, "seen", [])


def test_the_quickest_right_config_is_kept(empty_cache, gpu, capsys):
    fields = ["block = 64x64x128", "block = 64x24x128", "block = 64x8x128, stages = 3"]
    ranked = dgemm.tune(PROBLEM.n, PROBLEM.k, 100, config=fields, best=1, workers=2)
    assert ranked[0][0] == 8.0 and "block = 64x8x128" in ranked[0][1] and "stages = 3" in ranked[0][1]
    assert len(ranked) == 3 and not any("64x64" in config for _, config in ranked)
    output = capsys.readouterr().err
    assert "the result is wrong" in output and "8.00 us" in output
    assert {repeat for _, repeat in FakeBench.seen} == {_tune.SCREEN_REPEAT, _tune.FINAL_REPEAT}
    table = json.loads((empty_cache / "tuned.json").read_text())
    (entry,) = table["entries"]
    assert (entry["m"], entry["n"], entry["k"], entry["microseconds"]) == (100, PROBLEM.n, PROBLEM.k, 8.0)
    assert entry["config"] == ranked[0][1] == _jit.choose_config(PROBLEM, 100)
    dgemm.tune(PROBLEM.n, PROBLEM.k, 100, config=fields[:2], best=1, progress=False)
    dgemm.tune(PROBLEM.n, PROBLEM.k, 100, layout="masked", groups=2, config=fields[:2], best=1, progress=False)
    entries = json.loads((empty_cache / "tuned.json").read_text())["entries"]
    assert [(entry["layout"], entry["groups"]) for entry in entries] == [("dense", 1), ("masked", 2)]


def test_nothing_is_kept_of_wrong_results(empty_cache, gpu, tmp_path, monkeypatch):
    table = tmp_path / "table.json"
    monkeypatch.setattr(_jit, "choose_config", lambda *_: "<tile = <block = 64x64x128>, schedule = <stages = 4, warpgroups = 1>>")
    with pytest.raises(ArithmeticError, match="none of 2 configs gives the right result"):
        dgemm.tune(PROBLEM.n, PROBLEM.k, 100, config=["block = 64x64x128, stages = 4"], best=1, table=table, progress=False)
    assert not table.exists()


def test_refusals(empty_cache, gpu, tmp_path):
    for arguments, message in (({"m": 5, "config": "block = 3"}, "config is 'block = 3'"), ({"m": 5, "best": 0}, "best is 0"),
                               ({"m": 5, "workers": 0}, "workers is 0"), ({"m": 0}, "m is 0"), ({"m": 5, "config": ["block = 3"]}, "config is 'block = 3'"),
                               ({"m": 5, "groups": 2}, "groups is 2"),
                               ({"m": 5, "groups": 2, "layout": "batched"}, "layout is 'batched'; allowed are 'dense', 'contiguous' and 'masked'")):
        with pytest.raises(ValueError, match=message):
            dgemm.tune(64, 256, **arguments, progress=False)
    other = tmp_path / "other.json"
    write_table(other, OWN, multiprocessors=114)
    with pytest.raises(ValueError, match="other.json is of version 2 for h100 with 114 multiprocessors; allowed are 2, h100 and 132"):
        dgemm.tune(64, 256, 5, table=other, progress=False)
    other.write_text("[]")
    with pytest.raises(ValueError, match="other.json does not parse"):
        dgemm.tune(64, 256, 5, table=other, progress=False)


def test_command_line_names_what_is_missing(empty_cache):
    if _has_hopper():
        pytest.skip("nothing is missing")
    import subprocess

    run = run_python("")
    result = subprocess.run([run["args"][0], "-m", "dgemm", "tune", "--n=64", "--k=256", "--m", "5"], env=run["env"],
                            capture_output=True, text=True)
    assert result.returncode == 1 and result.stderr.startswith("error: tune needs")
