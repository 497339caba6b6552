"""The compiler as an object, precompile, and the command line."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from conftest import LIMIT, difference, make_case, run_python

import dgemm
from dgemm import _jit
from dgemm._errors import SlowKernelError


def test_kernel():
    kernel = dgemm.compile(64, 256)
    assert kernel.cubin.startswith(b"\x7fELF")
    assert ".entry" in kernel.ptx and "sm_90a" in kernel.ptx
    assert kernel.launch["target"] == "sm_90a" and kernel.launch["sizes"]["M"] == "?"
    assert kernel.launch["config"] in kernel.config.strip("<>") or "block" in kernel.config
    assert kernel.resources["spill_store_bytes"] == 0 and kernel.resources["registers"] > 0
    assert "dgemm.gemm" in kernel.mlir("problem") and "config" not in kernel.mlir("problem")
    assert "config <" in kernel.mlir("configured")
    assert "dgemm.scaled_mma" in kernel.mlir("tiled")
    assert "llvm" in kernel.mlir("nvvm")
    assert "N=64" in repr(kernel) and "block" in repr(kernel) and "ptxas" in repr(kernel)
    assert kernel.config in kernel.explain()
    with pytest.raises(ValueError, match="stage = 'sass' is not allowed"):
        kernel.mlir("sass")


def test_explanation():
    kernel = dgemm.compile(4096, 7168, config="block = 64x64x128, stages = 3", assemble=False)
    explanation = kernel.explain(m=64, count=3, machine="h200")
    assert "us expected on h200 with 132 multiprocessors, bound by" in explanation.summary
    assert "the best other by the cost model" in explanation.summary
    assert len(explanation.configs) == 3 and kernel.config not in explanation.configs
    assert explanation.rank is None or explanation.rank > 3
    assert str(explanation).splitlines()[-1].split(maxsplit=2)[0] == "*"
    page = explanation._repr_html_()
    assert page.count("<tr") == 1 + 3 + 1 and "&lt;tile = &lt;block = 64x64x128" in page
    assert "on h20 with 78 multiprocessors" in kernel.explain(m=64, machine="h20")
    with pytest.raises(dgemm.CompileError, match="b200"):
        kernel.explain(machine="b200")
    with pytest.raises(ValueError, match="m is 0"):
        kernel.explain(m=0)


def test_config_is_a_choice_of_the_caller():
    kernel = dgemm.compile(128, 256, config="block = 64x64x128, stages = 3", assemble=False)
    assert "block = 64x64x128" in kernel.config and "stages = 3" in kernel.config
    with pytest.raises(dgemm.CompileError, match="unknown config field 'blocks'"):
        dgemm.compile(128, 256, config="blocks = 3")
    configs = dgemm.list_configs(128, 256, 64)
    assert len(configs) > 10 and all("block" in config for config in configs)


@pytest.mark.parametrize("arguments, message", [
    ((0, 128), "n is 0; allowed are integers of 1 to"), ((64, -5), "k is -5"), ((64, 128, 1.5), "m is 1.5"),
    ((True, 128), "n is True"), ((64, np.int64(2**40)), "k is .*1099511627776")])
def test_wrong_sizes(arguments, message):
    with pytest.raises(ValueError, match=message):
        dgemm.compile(*arguments)


@pytest.mark.parametrize("arguments, error, message", [
    ({"expected_m": 2.5}, ValueError, "expected_m is 2.5"), ({"expected_m": 0}, ValueError, "expected_m is 0"),
    ({"config": 5}, TypeError, "config is 5; allowed is a string"), ({"lda": -1}, ValueError, "lda is -1"),
    ({"layout": "contiguous", "groups": 2, "row_alignment": 100}, ValueError, "row_alignment is 100; allowed are positive"),
    ({"layout": ["dense"]}, ValueError, "layout is \\['dense'\\]; allowed are 'dense', 'contiguous', 'masked', 'offsets', 'k_grouped' and 'batched'")])
def test_wrong_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        dgemm.compile(64, 256, **arguments)


@pytest.mark.parametrize("arguments, message", [
    ({"m": (1, 2, 3)}, "m is \\(1, 2, 3\\); allowed is a number of rows, or"), ({"m": 2.5}, "m is 2.5"),
    ({"m": None}, "m is None"), ({"workers": 0}, "workers is 0"), ({"num_sms": -1}, "num_sms is -1"),
    ({"device": "cuda"}, "device is 'cuda'"), ({"scale_a": "n"}, "scale_a is 'n'; allowed are 'mn', 'k' and 'any'")])
def test_wrong_arguments_of_precompile(arguments, message):
    with pytest.raises(ValueError, match=message):
        dgemm.precompile(64, 256, **arguments)


def test_integers_of_numpy():
    assert dgemm.compile(np.int64(64), np.int32(256), assemble=False) is dgemm.compile(64, 256, assemble=False)
    assert dgemm.list_configs(64, 256, np.int64(100)) == dgemm.list_configs(64, 256, 100)
    with pytest.raises(ValueError, match="stream is 'legacy'; allowed are integers"):
        dgemm.compile(64, 256, assemble=False).launch_on(stream="legacy")
    with pytest.raises(ValueError, match="device is 'cuda:0'"):
        dgemm.compile(64, 256, assemble=False).load("cuda:0")
    with pytest.raises(TypeError, match="stage is 5"):
        dgemm.compile(64, 256, assemble=False).mlir(5)
    with pytest.raises(ValueError, match="m is -1"):
        dgemm.compile(64, 256, assemble=False).explain(m=-1)


def test_wrong_layout():
    with pytest.raises(ValueError, match="layout is 'sparse'; allowed are 'dense', 'contiguous', 'masked', 'offsets', 'k_grouped' and 'batched'"):
        dgemm.compile(64, 128, layout="sparse")
    with pytest.raises(ValueError, match="groups is None with layout 'masked'"):
        dgemm.compile(64, 128, layout="masked")


def test_launch_on(library):
    case = make_case(20, 64, 256)
    kernel = dgemm.compile(64, 256, scale_a_k_innermost=True, assemble=library.name != "numpy")
    out = library.put(case.empty())
    tensors = [library.put(x) for x in (case.a, case.scale_a, case.b, case.scale_b)]
    kernel.launch_on(*tensors, out)
    assert difference(library.get(out), case.expected) < LIMIT
    with pytest.raises(TypeError, match="launch_on got 4 tensors; this kernel takes a, scale_a, b, scale_b, d"):
        kernel.launch_on(*tensors)
    with pytest.raises(ValueError, match="this kernel is for dense M=. N=128"):
        dgemm.compile(128, 256, scale_a_k_innermost=True, assemble=False).launch_on(*tensors, out)


def test_buckets_are_few_and_cover():
    for m in (1, 16, 17, 64, 65, 500, 512, 513, 4096, 4097, 100000):
        assert _jit.bucket(m) >= m
    assert _jit.bucket(4096) == 4096 and _jit.bucket(513) == 640
    assert len(_jit.buckets(1, 8192)) < 32
    assert {_jit.bucket(m) for m in range(1, 8193)} == set(_jit.buckets(1, 8192))


def test_precompile_compiles_what_calls_need(empty_cache, monkeypatch):
    kernels = dgemm.precompile(64, 256, m=(1, 300), scale_a="k", progress=False)
    assert kernels and all(kernel.origin == "compiled" for kernel in kernels)
    for m in (1, 16, 65, 129, 257, 300):
        case = dgemm._problem.Problem(n=64, k=256, scale_a_k_innermost=True)
        config = _jit.choose_config(case, m)
        assert config in {kernel.config for kernel in kernels}, m
    monkeypatch.setattr(_jit, "_kernels", {})
    assert all(kernel.origin == "disk" for kernel in dgemm.precompile(64, 256, m=(1, 300), scale_a="k", progress=False))


@pytest.fixture
def slow_first(empty_cache, monkeypatch):
    """The first config that is compiled for each problem is one that ptxas spills; [(problem, config)] of all compilations."""
    compiled, assemble = [], _jit.assemble

    def spill(problem, config, assembler):
        first = not any(other == problem for other, _ in compiled)
        compiled.append((problem, config))
        if first:
            raise SlowKernelError("registers spill")
        return assemble(problem, config, assembler)

    monkeypatch.setattr(_jit, "assemble", spill)
    monkeypatch.setattr(_jit, "_kernels", {})
    monkeypatch.setattr(_jit, "_slow", {})
    return compiled


def forget(monkeypatch):
    """Forgets all kernels and slow configs, as in a new process."""
    monkeypatch.setattr(_jit, "_kernels", {})
    monkeypatch.setattr(_jit, "_slow", {})


def test_next_best_config_where_ptxas_spills(slow_first, monkeypatch):
    kernel = dgemm.compile(64, 256, 128)
    assert [config for _, config in slow_first] == [slow_first[0][1], kernel.config] and slow_first[0][1] != kernel.config
    forget(monkeypatch)
    again = dgemm.compile(64, 256, 128)  # the cache also holds what spills
    assert again.config == kernel.config and again.origin == "disk" and len(slow_first) == 2
    listed = run_module("cache", "list").stdout
    assert listed.count("not used: ptxas spills or serialises it") == 1 and "\n1 kernels, " in listed
    assert run_module("cache", "verify").stdout == "0 damaged\n"


def test_given_config_that_ptxas_spills(slow_first):
    config = dgemm.list_configs(64, 256, 128)[0]
    for _ in range(2):
        with pytest.raises(dgemm.CompileError, match="registers spill"):
            dgemm.compile(64, 256, 128, config=config)
    assert len(slow_first) == 1


def test_precompile_takes_the_next_best_config(slow_first, monkeypatch):
    monkeypatch.setattr(dgemm._device, "torch_device", lambda: None)
    kernels = dgemm.precompile(64, 256, m=(1, 300), scale_a="k", progress=False)
    slow = slow_first[0][1]
    configs = {kernel.config for kernel in kernels}
    assert slow not in configs and len(kernels) == len(configs)
    forget(monkeypatch)
    for m in (1, 16, 65, 300):
        assert _jit.get_chosen(kernels[0].problem, m).config in configs
    assert len(slow_first) == len(kernels) + 1


def test_no_config_is_left(empty_cache, monkeypatch):
    def spill(problem, config, assembler):
        raise SlowKernelError(f"{config} spills")

    forget(monkeypatch)
    monkeypatch.setattr(_jit, "assemble", spill)
    with pytest.raises(dgemm.CompileError, match="spills"):
        dgemm.compile(64, 256, 128, config="block = 64x64x128, stages = 3, warpgroups = 1")
    with pytest.raises(dgemm.CompileError, match="spills"):
        dgemm.precompile(64, 256, m=128, scale_a="k", progress=False)


def test_sum_into_f32_does_not_spill(empty_cache):
    """Weight gradients of 1x128 scales of both, some of whose best configs spill."""
    for n, k in ((1536, 4096), (4096, 7168)):
        (kernel,) = dgemm.precompile(n, k, m=4096, scale_a="mn", scale_b="mn", recipe_b="1x128", out="f32", accumulate=True,
                                     progress=False)
        assert kernel.resources["spill_store_bytes"] == 0


def test_precompile_masked(empty_cache):
    kernels = dgemm.precompile(64, 256, layout="masked", groups=4, m=(16, 32), max_m=64, progress=False)
    assert {kernel.problem.m for kernel in kernels} == {-1, 64}
    with pytest.raises(ValueError, match="m is"):
        dgemm.precompile(64, 256, m=(5, 2))


def run_module(*arguments, **environment):
    run = run_python("", **environment)
    return subprocess.run([run["args"][0], "-m", "dgemm", *arguments], env=run["env"], capture_output=True, text=True)


def test_command_line(empty_cache):
    assert run_module("--version").stdout.startswith("dgemm 0.")
    result = run_module("precompile", "--n=64", "--k=256", "--m=1:64", "--scale-a=mn")
    assert result.returncode == 0, result.stderr
    assert "kernels" in result.stdout
    listing = run_module("cache").stdout
    assert "N=64 K=256" in listing
    (path, *_) = empty_cache.glob("*.dgemm")
    path.write_bytes(path.read_bytes()[:100])
    result = run_module("cache", "verify")
    assert result.returncode == 1 and "truncated" in result.stdout
    assert run_module("cache", "verify", "--repair").returncode == 0
    assert "removed" in run_module("cache", "clear").stdout
    assert not list(empty_cache.glob("*.dgemm"))
    assert "assembler  ptxas" in run_module("info").stdout
    result = run_module("precompile", "--n=0", "--k=256")
    assert result.returncode == 1 and result.stderr.startswith("error: n is 0")
    assert run_module("nonsense").returncode == 2


def test_install_ptxas_leaves_out_what_ptxas_does_not_need(monkeypatch):
    from dgemm import __main__

    commands = []
    monkeypatch.setattr(__main__.subprocess, "run", lambda command: commands.append(command) or subprocess.CompletedProcess(command, 3))
    assert __main__.main(["install-ptxas"]) == 3
    assert commands == [[sys.executable, "-m", "pip", "install", "--no-deps", "nvidia-cuda-nvcc==13.0.*"]]


def test_torch_is_not_imported():
    run = run_python("import sys, numpy, dgemm; dgemm.compile(64, 256, assemble=False)\n"
                     "print([m for m in ('torch', 'cupy', 'jax') if m in sys.modules])")
    assert subprocess.run(run["args"], env=run["env"], capture_output=True, text=True).stdout == "[]\n"


def test_stub_matches_the_names():
    for name in dgemm.__all__:
        assert getattr(dgemm, name) is not None
        documented = getattr(dgemm, name)
        assert not callable(documented) or documented.__doc__ or name in ("get_pdl", "get_tc_util")


def test_emulated_result_is_the_same_for_any_order():
    case = make_case(64, 64, 256)
    kernel = dgemm.compile(64, 256, scale_a_k_innermost=True, assemble=False)
    results = []
    for seed in (1, 2):
        out = case.empty()
        from dgemm import _operands
        operands = _operands.view_all(("a", "scale_a", "b", "scale_b", "d", ""),
                                      (case.a, case.scale_a, case.b, case.scale_b, out, None))
        report = kernel.emulate(operands, {"M": 64, "N": 64, "K": 256}, seed)
        assert report["wgmmas"] > 0
        results.append(out.view(np.uint16))
    assert (results[0] == results[1]).all()
