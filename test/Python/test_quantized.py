"""A D that the kernel quantises: FP8 with a scale for each row and 128 columns, as per_token_cast_to_fp8 makes them."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
from conftest import BF16, ceil_div, difference, m_innermost
from test_recipes import Operands

import dgemm

PAIR = ("1x128", "128x128")
E4M3 = ml_dtypes.float8_e4m3fn
NAN = 0xFF  # a byte that no kernel writes


def make_operands(m, n, k=128, a_front=(), b_front=(), seed=0) -> Operands:
    """With one K block, so that sums do not depend on the config."""
    x = Operands(PAIR, m, n, k, out="f32", a_front=a_front, b_front=b_front, seed=seed)
    x.scale_a *= np.float32(0.08)
    x.wide_a *= np.float32(0.08)
    return x


def make_d(shape, order="m") -> tuple[np.ndarray, np.ndarray]:
    """NaN everywhere, with scales that have M innermost, or N."""
    *front, m, n = shape
    d = np.full(shape, NAN, np.uint8).view(E4M3)
    scale = np.full((*front, m, ceil_div(n, 128)), np.nan, np.float32)
    return d, m_innermost(scale) if order == "m" else scale


def assert_is_cast(d, values: np.ndarray) -> None:
    """d is what the quantiser makes of `values`, bit for bit; but a NaN may have any sign."""
    wanted, scale = dgemm.per_token_cast_to_fp8(values)
    both_nan = np.isnan(d[0].astype(np.float32)) & np.isnan(wanted.astype(np.float32))
    same = (d[0].view(np.uint8) == wanted.view(np.uint8)) | both_nan
    assert same.all(), f"{np.count_nonzero(~same)} elements differ"
    np.testing.assert_array_equal(d[1], scale)


@pytest.mark.parametrize("order", ["m", "n"])
@pytest.mark.parametrize("m, n", [(70, 256), (1, 128), (130, 384), (64, 200), (33, 264), (5, 77)])
def test_dense(m, n, order):
    """Also where N has no whole blocks, and where rows of D are no multiples of 16 bytes, which TMA does not take."""
    x = make_operands(m, n)
    dgemm.fp8_gemm_nt((x.a, x.scale_a), (x.b, x.scale_b), x.d)
    d = make_d((m, n), order)
    dgemm.fp8_gemm_nt((x.a, x.scale_a), (x.b, x.scale_b), d)
    assert_is_cast(d, x.d)


def test_epilogue_runs_before():
    """With operands, and a bias that is not zero outside D, where a tile ends behind N."""
    x = make_operands(70, 200)
    rng = np.random.default_rng(1)
    bias, weight = (rng.standard_normal(shape).astype(np.float32) for shape in ((200,), (70, 1)))
    function = dgemm.epilogue(lambda x, bias, weight: dgemm.relu(x + bias) * weight, bias=bias + np.float32(100), weight=weight)
    dgemm.fp8_gemm_nt((x.a, x.scale_a), (x.b, x.scale_b), x.d, epilogue=function)
    d = make_d((70, 200))
    dgemm.fp8_gemm_nt((x.a, x.scale_a), (x.b, x.scale_b), d, epilogue=function)
    assert_is_cast(d, x.d)


@pytest.mark.parametrize("values", [[0.0], [1e-5, -1e-6, 1e-12], [np.nan, 3.0], [np.inf, 1.0, -2.0], [3e38, 1e30, -1e-30],
                                    [448.0, 1.0]])
def test_special_values(values):
    """Blocks of zeros, of values below the least scale, with NaN, with infinities, and with the largest numbers."""
    x = make_operands(70, 256)
    bias = np.zeros((70, 256), np.float32)
    bias[::3, : len(values)] = values
    bias[1::5, 128: 128 + len(values)] = values
    function = dgemm.epilogue(lambda x, bias: x * 0 + bias, bias=bias)
    d = make_d((70, 256))
    dgemm.fp8_gemm_nt((x.a, x.scale_a), (x.b, x.scale_b), d, epilogue=function)
    with np.errstate(invalid="ignore"):
        assert_is_cast(d, bias)


def test_gated():
    x = make_operands(70, 512)
    d, wide = make_d((70, 256)), np.zeros((70, 256), np.float32)
    function = dgemm.epilogue(lambda gate, up: dgemm.maximum(gate, 0) * up)
    dgemm.fp8_gemm_nt((x.a, x.scale_a), (x.b, x.scale_b), wide, epilogue=function)
    dgemm.fp8_gemm_nt((x.a, x.scale_a), (x.b, x.scale_b), d, epilogue=function)
    assert_is_cast(d, wide)


def test_contiguous():
    x = make_operands(256, 256, b_front=(2,))
    groups = np.repeat(np.arange(2, dtype=np.int32), 128)
    groups[200:] = -1
    d = make_d((256, 256))
    for out in (x.d, d):
        dgemm.m_grouped_fp8_gemm_nt_contiguous((x.a, x.scale_a), (x.b, x.scale_b), out, groups)
    assert_is_cast((d[0][:200], d[1][:200]), x.d[:200])


@pytest.mark.parametrize("order", ["m", "n"])
def test_masked(order):
    x = make_operands(72, 512, a_front=(2,), b_front=(2,))
    rows = np.array([50, 7], np.int32)
    d, wide = make_d((2, 72, 256), order), np.zeros((2, 72, 256), np.float32)
    function = dgemm.epilogue(lambda gate, up: gate * up)
    for out in (wide, d):
        dgemm.m_grouped_fp8_gemm_nt_masked((x.a, x.scale_a), (x.b, x.scale_b), out, rows, 40, epilogue=function)
    for group, count in enumerate(rows):
        assert_is_cast((d[0][group, :count], d[1][group, :count]), wide[group, :count])
        assert (d[0][group, count:].view(np.uint8) == NAN).all() and np.isnan(d[1][group, count:]).all()


def test_offsets():
    """Groups that start at any row."""
    x = make_operands(200, 256, b_front=(3,))
    ends = np.array([37, 37, 150], np.int32)
    d = make_d((200, 256))
    for out in (x.d, d):
        dgemm.m_grouped_fp8_gemm_nt_offsets((x.a, x.scale_a), (x.b, x.scale_b), out, ends)
    assert_is_cast((d[0][:150], d[1][:150]), x.d[:150])
    assert (d[0][150:].view(np.uint8) == NAN).all() and np.isnan(d[1][150:]).all()


def test_two_layers():
    """D and its scales are the A of the next product."""
    x, y = make_operands(70, 512, 400), make_operands(70, 136, 256, seed=1)
    d, result = make_d((70, 256)), np.zeros((70, 136), BF16)
    dgemm.fp8_gemm_nt((x.a, x.scale_a), (x.b, x.scale_b), d, epilogue=dgemm.epilogue(dgemm.swiglu))
    dgemm.fp8_gemm_nt(d, (y.b, y.scale_b), result)
    sums = x.wide_a @ x.wide_b.T
    hidden = sums[:, :256] / (1 + np.exp(-sums[:, :256])) * sums[:, 256:]
    assert difference(result, hidden @ y.wide_b.T) < 1e-3
    cast, scale = dgemm.per_token_cast_to_fp8(hidden.astype(np.float32))
    wanted = (cast.astype(np.float64) * np.repeat(scale, 128, 1)) @ y.wide_b.T
    assert difference(result, wanted) < 1e-4


def test_e5m2():
    x = make_operands(70, 256)
    d = np.zeros((70, 256), ml_dtypes.float8_e5m2), np.zeros((70, 2), np.float32)
    for out in (x.d, d):
        dgemm.fp8_gemm_nt((x.a, x.scale_a), (x.b, x.scale_b), out)
    amax = np.maximum(np.abs(x.d).reshape(70, 2, 128).max(2), np.float32(1e-4))
    np.testing.assert_array_equal(d[1], amax * np.float32(1 / 57344))
    wanted = (x.d.reshape(70, 2, 128) * (np.float32(1) / d[1])[..., None]).astype(ml_dtypes.float8_e5m2)
    np.testing.assert_array_equal(d[0].view(np.uint8), wanted.reshape(70, 256).view(np.uint8))


@pytest.mark.parametrize("change, error, message", [
    ({"d": (np.zeros((70, 256), BF16), np.zeros((70, 2), np.float32))}, TypeError, r"d\[0\] has dtype bfloat16; allowed are float8"),
    ({"d": (np.zeros((70, 256), E4M3), np.zeros((70, 2), BF16))}, TypeError, r"d\[1\] has dtype bfloat16; allowed is float32"),
    ({"d": (np.zeros((70, 256), E4M3), np.zeros((70, 3), np.float32))}, ValueError,
     r"d\[1\] has shape \[70, 3\]; allowed is \[70, 2\], \[M, ceil\(N/128\)\]: a scale for each row and 128 columns of d\[0\]"),
    ({"d": (np.zeros((70, 256), E4M3), np.zeros((70, 4), np.float32)[:, ::2])}, ValueError,
     r"d\[1\] has shape \[70, 2\] and strides \[4, 2\]; allowed are strides \[2, 1\] \(N innermost, .* and \[1, 72\] \(M innermost"),
    ({"d": (np.zeros((70, 256), E4M3),)}, ValueError, r"d has 1 elements; allowed is a pair \(tensor, scale\)"),
    ({"c": np.zeros((70, 256), np.float32)}, ValueError, "c is given, but d is a pair of values and scales; allowed is None"),
    ({"d": np.zeros((70, 256), E4M3)}, TypeError, "d has dtype float8_e4m3fn; allowed are bfloat16, float16"),
])  # fmt: skip
def test_what_does_not_fit(change, error, message):
    x = make_operands(70, 256)
    with pytest.raises(error, match=message):
        dgemm.fp8_gemm_nt((x.a, x.scale_a), (x.b, x.scale_b), **{"d": make_d((70, 256)), **change})


def test_without_any_k():
    x = make_operands(70, 256, k=0)
    with pytest.raises(ValueError, match="allowed is K of at least 1 for a D with scales"):
        dgemm.fp8_gemm_nt((x.a, x.scale_a), (x.b, x.scale_b), make_d((70, 256)))


@pytest.mark.parametrize("seed", range(8))
def test_random(seed):
    """Any layout, size, order and region. Regions have ops that are rounded to nearest, so that they do not depend on D's type."""
    rng = np.random.default_rng(seed)
    layout = ["dense", "contiguous", "masked"][seed % 3]
    gated = seed % 2 == 1
    n = int(rng.choice([256, 512] if gated else [77, 128, 200, 264, 384]))
    columns = n // 2 if gated else n
    front = (2,) if layout == "masked" else ()
    m = 256 if layout == "contiguous" else int(rng.integers(1, 140))
    x = make_operands(m, n, a_front=front, b_front=() if layout == "dense" else (2,), seed=seed)
    bias = (50 * rng.standard_normal(columns if layout == "dense" else (2, columns))).astype(np.float32)
    steps = rng.permutation(3)

    def body(y, bias):
        for step in steps:
            y = (dgemm.maximum(y, -0.25) if step == 0 else y + bias if step == 1 else y * abs(y))
        return y

    function = dgemm.epilogue((lambda gate, up, bias: body(gate - up, bias)) if gated else body, bias=bias)
    wide, d = np.zeros((*front, m, columns), np.float32), make_d((*front, m, columns), str(rng.choice(["m", "n"])))
    counts = np.array([m, m // 3], np.int32)
    for out in (wide, d):
        if layout == "dense":
            dgemm.fp8_gemm_nt((x.a, x.scale_a), (x.b, x.scale_b), out, epilogue=function)
        elif layout == "contiguous":
            groups = np.repeat(np.arange(2, dtype=np.int32), 128)
            dgemm.m_grouped_fp8_gemm_nt_contiguous((x.a, x.scale_a), (x.b, x.scale_b), out, groups, epilogue=function)
        else:
            dgemm.m_grouped_fp8_gemm_nt_masked((x.a, x.scale_a), (x.b, x.scale_b), out, counts, m, epilogue=function)
    if layout != "masked":
        return assert_is_cast(d, wide)
    for group, count in enumerate(counts):
        assert_is_cast((d[0][group, :count], d[1][group, :count]), wide[group, :count])
