"""Granularities of scales, FP8 types and types of D: every pair, on the emulator and on each library with a GPU."""

from __future__ import annotations

import itertools

import ml_dtypes
import numpy as np
import pytest
from conftest import BF16, ceil_div, difference, m_innermost

import dgemm
from dgemm import _dgemm
from dgemm._problem import Problem

GRANULARITIES = ["tensor", "row", "1x128", "128x128", "none"]
FP8 = {"e4m3": ml_dtypes.float8_e4m3fn, "e5m2": ml_dtypes.float8_e5m2}
OUT = {"bf16": BF16, "f16": np.float16, "f32": np.float32}
PAIRS = list(itertools.product(GRANULARITIES, GRANULARITIES))
LIMITS = {"bf16": 1e-5, "f16": 1e-6, "f32": 1e-6}


def make_scales(rng, granularity: str, rows: int, k: int, front: tuple = ()) -> np.ndarray | None:
    if granularity == "none":
        return None
    high = {"tensor": 1, "128x128": ceil_div(rows, 128)}.get(granularity, rows)
    wide = ceil_div(k, 128) if granularity.endswith("128") else 1
    return rng.uniform(0.5, 2, front + (high, wide)).astype(np.float32)


def scaled(x: np.ndarray, scale: np.ndarray | None, granularity: str) -> np.ndarray:
    """Elements times their scales, in double precision."""
    if scale is None:
        return x.astype(np.float64)
    rows, k = x.shape[-2:]
    full = scale.astype(np.float64)
    full = np.repeat(full, {"tensor": rows, "128x128": 128}.get(granularity, 1), -2)[..., :rows, :]
    full = np.repeat(full, 128 if granularity.endswith("128") else k, -1)[..., :k]
    return x.astype(np.float64) * full


class Operands:
    def __init__(self, pair, m, n, k, types=("e4m3", "e4m3"), out="bf16", a_front=(), b_front=(), seed=0):
        rng = np.random.default_rng(seed)
        self.a = rng.standard_normal(a_front + (m, k)).astype(FP8[types[0]])
        self.b = rng.standard_normal(b_front + (n, k)).astype(FP8[types[1]])
        self.scale_a, self.scale_b = make_scales(rng, pair[0], m, k, a_front), make_scales(rng, pair[1], n, k, b_front)
        self.wide_a, self.wide_b = scaled(self.a, self.scale_a, pair[0]), scaled(self.b, self.scale_b, pair[1])
        self.d = np.full(a_front + (m, n), np.nan, OUT[out])


@pytest.mark.parametrize("index, pair", enumerate(PAIRS))
def test_dense(index, pair):
    """Every pair, in turn with the types; sizes that no tile divides."""
    types = (("e4m3", "e5m2")[index % 2], ("e4m3", "e5m2")[index // 2 % 2])
    out = ("bf16", "f16", "f32")[index % 3]
    x = Operands(pair, 70, 136, 400, types, out)
    dgemm.fp8_gemm_nt((x.a, x.scale_a), (x.b, x.scale_b), x.d, recipe_a=pair[0], recipe_b=pair[1])
    assert difference(x.d, x.wide_a @ x.wide_b.T) < LIMITS[out]


@pytest.mark.parametrize("types", itertools.product(FP8, FP8))
@pytest.mark.parametrize("out", OUT)
def test_types(types, out):
    x = Operands(("row", "row"), 9, 33, 130, types, out)
    dgemm.fp8_gemm_nt((x.a, x.scale_a), (x.b, x.scale_b), x.d, recipe_a="row", recipe_b="row")
    assert difference(x.d, x.wide_a @ x.wide_b.T) < LIMITS[out]


@pytest.mark.parametrize("recipe, pair", [((1, 1, 128), ("1x128", "1x128")), ((128, 128, 128), ("128x128", "128x128")),
                                          ((128, 1, 128), ("128x128", "1x128")), ((1, 128, 128), ("1x128", "128x128"))])
def test_recipes_of_deepgemm(recipe, pair):
    x = Operands(pair, 65, 130, 272)
    dgemm.fp8_gemm_nt((x.a, x.scale_a), (x.b, x.scale_b), x.d, recipe=recipe)
    assert difference(x.d, x.wide_a @ x.wide_b.T) < LIMITS["bf16"]
    x.d[...] = np.nan
    dgemm.fp8_gemm_nt((x.a, x.scale_a), (x.b, x.scale_b), x.d, recipe_a=(recipe[0], 128), recipe_b=(recipe[1], 128))
    assert difference(x.d, x.wide_a @ x.wide_b.T) < LIMITS["bf16"]


def test_scales_of_b_that_are_n_innermost():
    x = Operands(("1x128", "1x128"), 66, 130, 272)
    dgemm.fp8_gemm_nt((x.a, m_innermost(x.scale_a)), (x.b, m_innermost(x.scale_b)), x.d, recipe=(1, 1, 128))
    assert difference(x.d, x.wide_a @ x.wide_b.T) < LIMITS["bf16"]


@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize("innermost", ["k", "mn"])
def test_masked(pair, innermost):
    """7 rows and 33 columns: scales of a group end before a multiple of 16 bytes."""
    x = Operands(pair, 7, 33, 200, a_front=(2,), b_front=(2,))
    masked_m = np.array([5, 7], np.int32)
    order = m_innermost if innermost == "mn" else np.asarray
    scale_a = order(x.scale_a) if pair[0] in ("row", "1x128") else x.scale_a
    scale_b = order(x.scale_b) if pair[1] in ("row", "1x128") else x.scale_b
    dgemm.m_grouped_fp8_gemm_nt_masked((x.a, scale_a), (x.b, scale_b), x.d, masked_m, 6, recipe_a=pair[0], recipe_b=pair[1])
    expected = x.wide_a @ x.wide_b.swapaxes(-1, -2)
    for group, rows in enumerate(masked_m):
        assert difference(x.d[group, :rows], expected[group, :rows]) < LIMITS["bf16"]
        assert np.isnan(x.d[group, rows:].astype(np.float32)).all()


@pytest.mark.parametrize("pair", PAIRS[::3])
def test_contiguous(pair):
    x = Operands(pair, 256, 40, 144, b_front=(2,))
    labels = np.repeat(np.array([1, 0], np.int32), 128)
    dgemm.m_grouped_fp8_gemm_nt_contiguous((x.a, x.scale_a), (x.b, x.scale_b), x.d, labels, recipe_a=pair[0],
                                           recipe_b=pair[1])
    expected = np.concatenate([x.wide_a[:128] @ x.wide_b[1].T, x.wide_a[128:] @ x.wide_b[0].T])
    assert difference(x.d, expected) < LIMITS["bf16"]


def test_compile_and_launch():
    x = Operands(("tensor", "row"), 20, 48, 160, ("e5m2", "e4m3"), "f32")
    kernel = dgemm.compile(48, 160, recipe_a="tensor", recipe_b="row", a_type="e5m2", out="f32", assemble=False)
    assert "e5m2 tensor e4m3 row f32" in repr(kernel) and kernel.launch["operands"][0]["type"] == "f8E5M2"
    kernel.launch_on(x.a, x.scale_a, x.b, x.scale_b, x.d)
    assert difference(x.d, x.wide_a @ x.wide_b.T) < LIMITS["f32"]
    assert dgemm.compile(48, 160, recipe_a="TensorWise", recipe_b="RowWise", a_type=FP8["e5m2"], out=np.float32,
                         assemble=False) is kernel
    with pytest.raises(ValueError, match=r"the tensors are of the problem dense M=\? N=48 K=160 e4m3 tensor"):
        kernel.launch_on(x.a.view(FP8["e4m3"]), x.scale_a, x.b, x.scale_b, x.d)
    assert dgemm.list_configs(48, 160, 64, recipe_a="row", recipe_b="row", out="f16")


def test_precompile(empty_cache):
    kernels = dgemm.precompile(64, 256, m=16, recipe_a="1x128", recipe_b="1x128", scale_a="mn", scale_b="k", out="f32",
                               progress=False)
    assert {kernel.problem for kernel in kernels} == {
        Problem(n=64, k=256, scale_b="1x128", out="f32", scale_b_k_innermost=True)}


def test_orders_of_one_block_are_one():
    assert not Problem(n=64, k=256, scale_a="row", scale_a_k_innermost=True).canonical().scale_a_k_innermost
    assert not Problem(n=64, k=128, scale_b="1x128", scale_b_k_innermost=True).canonical().scale_b_k_innermost
    assert Problem(n=64, k=256, scale_b="1x128", scale_b_k_innermost=True).canonical().scale_b_k_innermost
    grouped = {"layout": "masked", "groups": 2, "k": 256, "scale_b": "row", "scale_b_k_innermost": True}
    assert Problem(n=33, **grouped).canonical().scale_b_k_innermost
    assert not Problem(n=64, **grouped).canonical().scale_b_k_innermost


def test_recipes_have_names_of_their_own():
    """In the cache, and in what a profiler shows."""
    plain, other = Problem(n=64, k=256), Problem(n=64, k=256, scale_a="row", scale_b="row", b_type="e5m2")
    assert plain.describe() == "dense M=? N=64 K=256" and plain.symbol == "dgemm_fp8_gemm_n64_k256"
    assert other.describe() == "dense M=? N=64 K=256 e4m3 row e5m2 row bf16"
    assert other.symbol == "dgemm_fp8_gemm_e4m3_row_e5m2_row_bf16_n64_k256"


@pytest.mark.parametrize("arguments, message", [
    ({"recipe_a": "1x32"}, "recipe_a is '1x32'; allowed are 'tensor', 'row', '1x128', '128x128', 'none', and TensorWise"),
    ({"recipe_b": "BlockWise1x32"}, "recipe_b is 'BlockWise1x32'; .*; Hopper has no MXFP8 and MXFP4"),
    ({"recipe_b": (1, 32)}, r"recipe_b is \(1, 32\); allowed are"),
    ({"a_type": "e4m3fnuz"}, "a_type is 'e4m3fnuz'; allowed are 'e4m3', 'e5m2', and the types"),
    ({"out": "f64"}, "out is 'f64'; allowed are 'bf16', 'f16', 'f32'"),
    ({"accuracy": "fast"}, "accuracy is 'fast' with scales for '1x128' and '128x128'; it is allowed with 'tensor', 'row' and 'none'"),
    ({"accuracy": "quick"}, "accuracy is 'quick'; allowed are 'exact', 'balanced' and 'fast'"),
    ({"recipe_a": "tensor", "scale_a_k_innermost": True},
     "scale_a_k_innermost is True with scales for 'tensor'; allowed are 'row' and '1x128'"),
    ({"recipe_b": "row", "scale_b_n_innermost": True},
     "scale_b_n_innermost is True with scales for 'row'; allowed is '128x128'")])
def test_refused_recipes(arguments, message):
    with pytest.raises(ValueError, match=message):
        dgemm.compile(64, 128, **arguments)


@pytest.mark.parametrize("arguments, message", [
    ({"scale_a": "2x2"}, "scale_a = '2x2' is not allowed; allowed are 'tensor', 'row', '1x128', '128x128' and 'none'"),
    ({"b_type": "e3m4"}, "b_type = 'e3m4' is not allowed; allowed are 'e4m3' and 'e5m2'"),
    ({"accuracy": "best"}, "accuracy = 'best' is not allowed; allowed are 'exact', 'balanced' and 'fast'"),
    ({"out": "fp16"}, "out = 'fp16' is not allowed; allowed are 'bf16', 'f16', 'f32', 'e4m3' and 'e5m2'")])
def test_refused_by_the_extension(arguments, message):
    with pytest.raises(ValueError, match=message):
        _dgemm.Shape(1, 2, 3, **arguments)


def test_orders_that_there_are_not():
    for operand, granularity in (("a", "tensor"), ("b", "128x128")):
        shape = _dgemm.Shape(64, 64, 256, **{f"scale_{operand}": granularity, f"scale_{operand}_k_innermost": True})
        with pytest.raises(RuntimeError, match=f"expected scales of {operand.upper()} by 1x128 or row if K is innermost, "
                           f"but got {granularity}"):
            _dgemm.lower(shape, "problem", _dgemm.Options())


def test_no_scales():
    """The kernel has no operands for them, and more of them are refused."""
    x = Operands(("none", "none"), 20, 48, 160, out="f32")
    kernel = dgemm.compile(48, 160, recipe_a="none", recipe_b="none", out="f32", accuracy="fast", assemble=False)
    assert [operand["name"] for operand in kernel.launch["operands"]] == ["a", "b", "d"]
    kernel.launch_on(x.a, None, x.b, None, x.d)
    assert difference(x.d, x.wide_a @ x.wide_b.T) < 1e-5
    scale = np.ones((1, 1), np.float32)
    with pytest.raises(TypeError, match="scale_b is a ndarray; allowed is None by the recipe 'none'"):
        kernel.launch_on(x.a, None, x.b, scale, x.d)
    with pytest.raises(TypeError, match=r"a\[1\] is a ndarray; allowed is None by the recipe 'none'"):
        dgemm.fp8_gemm_nt((x.a, scale), (x.b, scale), x.d, recipe_a="none", recipe_b="tensor")
    with pytest.raises(TypeError, match=r"b\[1\] is a builtins.NoneType; allowed are tensors"):
        dgemm.fp8_gemm_nt((x.a, None), (x.b, None), x.d, recipe_a="none", recipe_b="tensor")
    with pytest.raises(RuntimeError, match="expected scales of A by 1x128 or row if K is innermost, but got none"):
        _dgemm.lower(_dgemm.Shape(64, 64, 256, scale_a="none", scale_a_k_innermost=True), "problem", _dgemm.Options())


def test_scales_of_another_recipe():
    x = Operands(("row", "row"), 8, 64, 256)
    with pytest.raises(ValueError, match=r"a\[1\] has shape \[8, 1\]; allowed is \[8, 2\], \[M, ceil\(K/128\)\]"):
        dgemm.fp8_gemm_nt((x.a, x.scale_a), (x.b, x.scale_b), x.d)
    with pytest.raises(ValueError, match=r"b\[1\] has shape \[64, 1\]; allowed is \[1, 1\], \[1, 1\]"):
        dgemm.fp8_gemm_nt((x.a, x.scale_a), (x.b, x.scale_b), x.d, recipe_a="row", recipe_b="tensor")
    with pytest.raises(ValueError, match="recipe is given together with recipe_a or recipe_b"):
        dgemm.fp8_gemm_nt((x.a, x.scale_a), (x.b, x.scale_b), x.d, recipe=(1, 1, 128), recipe_a="row")
    wide = np.repeat(x.scale_a, 2, axis=1)
    dgemm.fp8_gemm_nt((x.a, wide[:, :1]), (x.b, x.scale_b), x.d, recipe_a="row", recipe_b="row")
    assert difference(x.d, x.wide_a @ x.wide_b.T) < LIMITS["bf16"]
