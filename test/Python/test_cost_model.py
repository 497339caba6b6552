"""benchmarks/fit_cost_model.py fits the constants of a model that it has in numpy; the library has it in C++."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from dgemm import _dgemm
from dgemm._problem import Problem

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))
import fit_cost_model  # noqa: E402
import problems  # noqa: E402


def load(machine):
    return json.loads((ROOT / f"lib/Analysis/Machines/{machine}.json").read_text())


@pytest.mark.parametrize("machine", ["h100", "h200"])
@pytest.mark.parametrize("row", ["8x7168x16384", "100x2112x7168", "333x4096x4096", "1000x24576x1536", "4096x7168x2048"])
def test_both_models_rank_alike(machine, row):
    about, problem = load(machine), problems.parse_row(row)
    shape = Problem(n=problem.n, k=problem.k).shape(problem.m)
    configs = _dgemm.list_configs(shape, _dgemm.Options(machine=machine))
    assert len(configs) > 100
    lines = [fit_cost_model.parse_config(config) | {"row": row, "commit": "", "microseconds": "1"} for config in configs]
    assert [fit_cost_model.config_text(line) for line in lines] == configs
    times = fit_cost_model.estimate(fit_cost_model.Sweep(lines), about["costs"], about["clusters"])
    assert (np.diff(times) >= -1e-9 * times[1:]).all()


def test_constants_are_what_the_fit_finds_good():
    """With the constants of the H200 the choices of its sweep lose little, also of (N, K) that were held out."""
    lines = fit_cost_model.read_lines(ROOT / "benchmarks/data/h200-2026-11-30.csv.xz")
    about, sweep = load("h200"), fit_cost_model.Sweep(lines)
    loss, _ = fit_cost_model.choose(sweep, fit_cost_model.estimate(sweep, about["costs"], about["clusters"]))
    assert np.exp(np.log(loss).mean()) < 1.03
    assert np.exp(np.log(loss[sweep.held_out]).mean()) < 1.03
    wrong = {**about["costs"], "dram": about["costs"]["dram"] * 3, "l2": about["costs"]["l2"] * 9}
    loss, _ = fit_cost_model.choose(sweep, fit_cost_model.estimate(sweep, wrong, about["clusters"]))
    assert np.exp(np.log(loss).mean()) > 1.03


def test_judging_constants_needs_no_scipy():
    command = [sys.executable, str(ROOT / "benchmarks/fit_cost_model.py"), str(ROOT / "benchmarks/data/h100-2026-11-27.csv.xz"),
               "--machine", str(ROOT / "lib/Analysis/Machines/h100.json")]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0 and "| all | 124 |" in result.stdout, result.stdout + result.stderr
