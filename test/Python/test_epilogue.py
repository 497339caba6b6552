"""Epilogues: functions of Python in the kernel."""

from __future__ import annotations

import math

import numpy as np
import pytest
from conftest import BF16, difference
from test_recipes import OUT, Operands

import dgemm
from dgemm import _dgemm, _epilogue, _trace
from dgemm._problem import Problem

M, N, K = 70, 136, 272
PAIR = ("1x128", "128x128")
LIMITS = {"bf16": 1e-5, "f16": 1e-6, "f32": 1e-6}


def make_operands(out="bf16", m=M, a_front=(), b_front=(), seed=0) -> Operands:
    """With sums of about 2, where activations bend."""
    x = Operands(PAIR, m, N, K, out=out, a_front=a_front, b_front=b_front, seed=seed)
    x.scale_a *= np.float32(0.08)
    x.wide_a *= np.float32(0.08)
    return x


def run(function, x: Operands, **operands) -> np.ndarray:
    dgemm.fp8_gemm_nt((x.a, x.scale_a), (x.b, x.scale_b), x.d, epilogue=dgemm.epilogue(function, **operands))
    return x.d


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


# ----------------------------------------------------------------------------
# What is computed
# ----------------------------------------------------------------------------


@pytest.mark.parametrize("out", OUT)
@pytest.mark.parametrize("function, expected", [
    (dgemm.relu, lambda x: np.maximum(x, 0)),
    (dgemm.silu, lambda x: x * sigmoid(x)),
    (dgemm.sigmoid, sigmoid),
    (dgemm.gelu, lambda x: x / 2 * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))),
    (lambda x: dgemm.gelu(x, "none"), lambda x: x / 2 * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))),
    (dgemm.tanh, np.tanh),
], ids=["relu", "silu", "sigmoid", "gelu", "gelu_erf", "tanh"])
def test_activations(out, function, expected):
    x = make_operands(out)
    assert difference(run(function, x), expected(x.wide_a @ x.wide_b.T)) < LIMITS[out]


@pytest.mark.parametrize("function, expected", [
    (lambda x: 2 - x / 3, lambda x: 2 - x / 3),
    (lambda x: -x + abs(x) * np.float32(0.5), lambda x: -x + abs(x) / 2),
    (lambda x: x**3 - 1 / (x**2 + 1), lambda x: x**3 - 1 / (x**2 + 1)),
    (lambda x: dgemm.where((x > 0) & ~(x >= 2) | (x < -3), x, 0.25), lambda x: np.where((x > 0) & (x < 2) | (x < -3), x, 0.25)),
    (lambda x: dgemm.where((x != x) | True, dgemm.exp(x), x), np.exp),
    (lambda x: dgemm.minimum(dgemm.maximum(x, -1), 1.5), lambda x: np.clip(x, -1, 1.5)),
    (lambda x: dgemm.log1p(dgemm.exp(x)), lambda x: np.log1p(np.exp(x))),
    (lambda x: dgemm.rsqrt(x * x + 1) + dgemm.sqrt(abs(x)), lambda x: 1 / np.sqrt(x * x + 1) + np.sqrt(abs(x))),
    (lambda x: dgemm.exp2(x) + dgemm.expm1(x), lambda x: np.exp2(x) + np.expm1(x)),
    (lambda x: dgemm.copysign(dgemm.log2(abs(x) + 1) + dgemm.log(abs(x) + 1), x),
     lambda x: np.sign(x) * (np.log2(abs(x) + 1) + np.log(abs(x) + 1))),
    (lambda x: 0.75, lambda x: np.full_like(x, 0.75)),
])  # fmt: skip
def test_operators_and_functions(function, expected):
    x = make_operands("f32")
    assert difference(run(function, x), expected(x.wide_a @ x.wide_b.T)) < LIMITS["f32"]


def test_rounding():
    x = make_operands("f32")
    sums = x.wide_a @ x.wide_b.T
    wanted = np.floor(sums) + 2 * np.ceil(sums) + 4 * np.trunc(sums) + 8 * np.rint(sums)
    result = run(lambda x: dgemm.floor(x) + 2 * dgemm.ceil(x) + 4 * dgemm.trunc(x) + 8 * dgemm.rint(x), x)
    # But for what lies next to where a function jumps.
    assert np.mean(result == wanted.astype(np.float32)) > 0.99


# ----------------------------------------------------------------------------
# Operands
# ----------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, BF16, np.float16])
@pytest.mark.parametrize("shape", [(N,), (1, N), (M, 1), (M, N), (1,), ()])
def test_dense_operands(dtype, shape):
    x = make_operands("f32")
    other = np.asarray(np.random.default_rng(1).standard_normal(shape)).astype(dtype)
    result = run(lambda x, other: x + 2 * other, x, other=other)
    assert difference(result, x.wide_a @ x.wide_b.T + 2 * other.astype(np.float64)) < LIMITS["f32"]


def test_alpha():
    """A scalar on the device serves every value; a number in the function is a constant of the kernel."""
    x = make_operands("f32")
    alpha, sums = np.full(1, 0.37, np.float32), x.wide_a @ x.wide_b.T
    scaled = dgemm.epilogue(lambda x, alpha: alpha * x, alpha=alpha)
    for value in (0.37, -2.5):
        alpha[0] = value
        dgemm.fp8_gemm_nt((x.a, x.scale_a), (x.b, x.scale_b), x.d, epilogue=scaled)
        assert difference(x.d, value * sums) < LIMITS["f32"]
    assert difference(run(lambda x: 0.37 * x, x), 0.37 * sums) < LIMITS["f32"]


def test_several_operands_in_the_order_of_the_function():
    x = make_operands()
    rng = np.random.default_rng(2)
    bias, weight, residual = (rng.standard_normal(shape).astype(np.float32) for shape in ((N,), (M, 1), (M, N)))
    residual.flags.writeable = False  # it is read
    result = run(lambda x, bias, weight, residual: weight * dgemm.relu(x + bias) + residual, x, residual=residual, bias=bias,
                 weight=weight)
    assert difference(result, weight * np.maximum(x.wide_a @ x.wide_b.T + bias, 0) + residual) < LIMITS["bf16"]


@pytest.mark.parametrize("shape", [(2, N), (256, 1), (256, N), (2, 1), (1,)])
def test_contiguous(shape):
    x = make_operands(m=256, b_front=(2,))
    groups = np.repeat(np.arange(2, dtype=np.int32), 128)
    groups[200:] = -1
    other = np.random.default_rng(3).standard_normal(shape).astype(np.float32)
    dgemm.m_grouped_fp8_gemm_nt_contiguous((x.a, x.scale_a), (x.b, x.scale_b), x.d, groups,
                                           epilogue=dgemm.epilogue(lambda x, other: dgemm.silu(x) * other, other=other))
    sums = np.concatenate([x.wide_a[:128] @ x.wide_b[0].T, x.wide_a[128:200] @ x.wide_b[1].T])
    of_row = other[groups[:200]] if shape[0] == 2 else other if shape == (1,) else other[:200]
    assert difference(x.d[:200], sums * sigmoid(sums) * of_row) < LIMITS["bf16"]


@pytest.mark.parametrize("shape", [(2, N), (2, 1, N), (2, 72, 1), (2, 72, N), (2, 1, 1), (1,)])
def test_masked(shape):
    x = make_operands(m=72, a_front=(2,), b_front=(2,))
    rows = np.array([50, 7], np.int32)
    other = np.random.default_rng(3).standard_normal(shape).astype(np.float32)
    dgemm.m_grouped_fp8_gemm_nt_masked((x.a, x.scale_a), (x.b, x.scale_b), x.d, rows, 40,
                                       epilogue=dgemm.epilogue(lambda x, other: dgemm.silu(x) * other, other=other))
    full = other.reshape(2, 1, N) if shape == (2, N) else other
    for group, count in enumerate(rows):
        sums = x.wide_a[group, :count] @ x.wide_b[group].T
        wanted = sums * sigmoid(sums) * np.broadcast_to(full, (2, 72, N))[group, :count]
        assert difference(x.d[group, :count], wanted) < LIMITS["bf16"]
        assert np.isnan(x.d[group, count:].astype(np.float32)).all()


def test_bias_of_scaled_mm():
    for dtype in (np.float32, BF16):
        x = make_operands()
        bias = np.random.default_rng(4).standard_normal(N).astype(dtype)
        result = dgemm.scaled_mm(x.a, x.b.T, x.scale_a, "1x128", x.scale_b, "128x128", bias=bias)
        assert difference(result, x.wide_a @ x.wide_b.T + bias.astype(np.float64)) < LIMITS["bf16"]
    with pytest.raises(ValueError, match=r"bias has shape \[16\]; allowed is \[136\], N of mat_b"):
        dgemm.scaled_mm(x.a, x.b.T, x.scale_a, "1x128", x.scale_b, "128x128", bias=np.zeros(16, np.float32))


def test_each_library(library):
    """Tensors of torch, CuPy and JAX, where there is a GPU."""
    x = make_operands()
    bias, residual = np.random.default_rng(5).standard_normal(N).astype(np.float32), np.zeros((M, N), BF16)
    residual[...] = np.random.default_rng(6).standard_normal((M, N)).astype(BF16)
    put = library.put
    function = dgemm.epilogue(lambda x, bias, residual: dgemm.gelu(x + bias) + residual, bias=put(bias), residual=put(residual))
    d = put(x.d)
    for _ in range(2):  # compiled, and known
        dgemm.fp8_gemm_nt((put(x.a), put(x.scale_a)), (put(x.b), put(x.scale_b)), d, epilogue=function)
    sums = x.wide_a @ x.wide_b.T + bias
    wanted = sums / 2 * (1 + np.tanh(math.sqrt(2 / math.pi) * (sums + 0.044715 * sums**3))) + residual.astype(np.float64)
    assert difference(library.get(d), wanted) < LIMITS["bf16"]


# ----------------------------------------------------------------------------
# Gated
# ----------------------------------------------------------------------------


def make_gated(m=M, out="bf16", a_front=(), b_front=(), seed=0) -> tuple[Operands, np.ndarray]:
    """Of 512 rows of B, and a D of half as many columns."""
    x = Operands(PAIR, m, 512, K, out=out, a_front=a_front, b_front=b_front, seed=seed)
    x.scale_a *= np.float32(0.08)
    x.wide_a *= np.float32(0.08)
    return x, np.full((*x.d.shape[:-1], 256), np.nan, x.d.dtype)


def swiglu(gate, up):
    return gate * sigmoid(gate) * up


@pytest.mark.parametrize("out", OUT)
@pytest.mark.parametrize("function, expected", [
    (dgemm.swiglu, swiglu),
    (dgemm.geglu, lambda x, up: x / 2 * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))) * up),
    (lambda gate, up: dgemm.relu(gate) - 2 * up, lambda gate, up: np.maximum(gate, 0) - 2 * up),
], ids=["swiglu", "geglu", "lambda"])
def test_gated(out, function, expected):
    x, d = make_gated(out=out)
    dgemm.fp8_gemm_nt((x.a, x.scale_a), (x.b, x.scale_b), d, epilogue=dgemm.epilogue(function))
    sums = x.wide_a @ x.wide_b.T
    assert difference(d, expected(sums[:, :256], sums[:, 256:])) < LIMITS[out]


def test_gated_with_operands_and_a_pitch():
    x, _ = make_gated()
    d = np.full((M, 264), np.nan, BF16)
    rng = np.random.default_rng(7)
    bias, residual = rng.standard_normal(256).astype(np.float32), rng.standard_normal((M, 256)).astype(np.float32)
    function = dgemm.epilogue(lambda gate, up, bias, residual: dgemm.swiglu(gate, up + bias) + residual, bias=bias, residual=residual)
    assert repr(function).startswith("<dgemm.Epilogue of gate, up, bias, residual: ")
    dgemm.fp8_gemm_nt((x.a, x.scale_a), (x.b, x.scale_b), d[:, :256], epilogue=function)
    sums = x.wide_a @ x.wide_b.T
    assert difference(d[:, :256], swiglu(sums[:, :256], sums[:, 256:] + bias) + residual) < LIMITS["bf16"]
    assert np.isnan(d[:, 256:].astype(np.float32)).all()


def test_gated_groups():
    x, d = make_gated(m=256, b_front=(2,))
    groups = np.repeat(np.arange(2, dtype=np.int32), 128)
    dgemm.m_grouped_fp8_gemm_nt_contiguous((x.a, x.scale_a), (x.b, x.scale_b), d, groups, epilogue=dgemm.epilogue(dgemm.swiglu))
    sums = np.concatenate([x.wide_a[:128] @ x.wide_b[0].T, x.wide_a[128:] @ x.wide_b[1].T])
    assert difference(d, swiglu(sums[:, :256], sums[:, 256:])) < LIMITS["bf16"]
    x, d = make_gated(m=72, a_front=(2,), b_front=(2,))
    rows = np.array([50, 7], np.int32)
    dgemm.m_grouped_fp8_gemm_nt_masked((x.a, x.scale_a), (x.b, x.scale_b), d, rows, 40, epilogue=dgemm.epilogue(dgemm.swiglu))
    for group, count in enumerate(rows):
        sums = x.wide_a[group, :count] @ x.wide_b[group].T
        assert difference(d[group, :count], swiglu(sums[:, :256], sums[:, 256:])) < LIMITS["bf16"]
        assert np.isnan(d[group, count:].astype(np.float32)).all()


def test_gated_shapes():
    x, d = make_gated()
    with pytest.raises(ValueError, match=r"d has shape \[70, 512\]; allowed is \[70, 256\], \[M, N/2\] with M of a\[0\] and N of "
                                         r"b\[0\], as the function of the epilogue takes two elements"):
        dgemm.fp8_gemm_nt((x.a, x.scale_a), (x.b, x.scale_b), x.d, epilogue=dgemm.epilogue(dgemm.swiglu))
    with pytest.raises(ValueError, match=r"operand bias of the epilogue has shape \[512\]; .* with M = 70, N = 256"):
        dgemm.fp8_gemm_nt((x.a, x.scale_a), (x.b, x.scale_b), d,
                          epilogue=dgemm.epilogue(lambda gate, up, bias: gate * up + bias, bias=np.zeros(512, np.float32)))
    x = make_operands()
    with pytest.raises(dgemm.CompileError, match="expected N to be a multiple of 256 for a gated epilogue"):
        dgemm.fp8_gemm_nt((x.a, x.scale_a), (x.b, x.scale_b), np.zeros((M, N // 2), BF16), epilogue=dgemm.epilogue(dgemm.swiglu))


# ----------------------------------------------------------------------------
# Traces
# ----------------------------------------------------------------------------


def test_text():
    text = _trace.trace(lambda x, bias: dgemm.where(x > 0, dgemm.tanh(x + bias), x / 2), ("bias",))
    assert text.text(("n",), ("bfloat16",), exact=False) == """\
func.func @epilogue(%0: f32, %1: f32 {dgemm.operand = #dgemm.epilogue_operand<name = "bias", along = n, element = bf16>}) -> f32 {
  %2 = arith.constant 0x00000000 : f32
  %3 = arith.cmpf ogt, %0, %2 : f32
  %4 = arith.addf %0, %1 : f32
  %5 = math.tanh %4 fastmath<afn> : f32
  %6 = arith.constant 0x40000000 : f32
  %7 = arith.divf %0, %6 fastmath<afn> : f32
  %8 = arith.select %3, %5, %7 : f32
  return %8 : f32
}
"""
    assert "afn" not in text.text(("n",), ("bfloat16",), exact=True)


def test_text_of_a_gated_one():
    trace = _trace.trace(lambda gate, up, bias: gate * up + bias, ("bias",), gated=True)
    text = trace.text(("n",), ("float32",), exact=False)
    assert "(%0: f32, %1: f32, %2: f32 {dgemm.operand" in text and "-> f32 attributes {dgemm.gated} {" in text
    assert "%3 = arith.mulf %0, %1" in text and "%4 = arith.addf %3, %2" in text
    assert _trace.load(trace.dump()) == trace and trace != _trace.trace(lambda x, up, bias: x * up + bias, ("up", "bias"))
    assert Problem(512, K, epilogue=text).columns == Problem(512, K, epilogue="swiglu+bias").columns == 256


def test_equal_traces_are_one_kernel():
    one, other = dgemm.epilogue(lambda x: x * 2), dgemm.epilogue(lambda value: value * 2.0)
    assert one.trace == other.trace and hash(one.trace) == hash(other.trace)
    assert one.trace != dgemm.epilogue(lambda x: x * 3).trace
    # Zeros, and truth values, are told apart.
    assert _trace.trace(lambda x: x + 0.0, ()) != _trace.trace(lambda x: x + -0.0, ())
    # What is computed twice is recorded once.
    assert len(_trace.trace(lambda x: dgemm.exp(x) + dgemm.exp(x), ()).ops) == 2


def test_other_tensors_for_the_same_function():
    first = dgemm.epilogue(lambda x, bias: x + bias, bias=np.zeros(N, np.float32))
    x = make_operands()
    bias = np.ones(N, np.float32)
    dgemm.fp8_gemm_nt((x.a, x.scale_a), (x.b, x.scale_b), x.d, epilogue=first(bias=bias))
    assert difference(x.d, x.wide_a @ x.wide_b.T + 1) < LIMITS["bf16"]
    assert repr(first) == "<dgemm.Epilogue of x, bias: 1 ops>"
    with pytest.raises(TypeError, match="the epilogue is given base; its function takes bias beside the element"):
        first(base=bias)


def test_is_part_of_the_problem():
    plain, fused = Problem(N, K), Problem(N, K, epilogue="bias+gelu")
    assert plain != fused and plain.symbol != fused.symbol
    assert "epilogue=bias+gelu" in fused.describe()
    text = _trace.trace(lambda x: x + 1, ()).text((), (), exact=False)
    assert Problem(N, K, epilogue=text).describe() != Problem(N, K, epilogue=text.replace("0x3F8", "0x3F0")).describe()
    assert "epilogue(%" in _dgemm.lower(fused.shape(), "problem", _dgemm.Options())


# ----------------------------------------------------------------------------
# Errors
# ----------------------------------------------------------------------------


@pytest.mark.parametrize("function, error", [
    (lambda x: x if x > 0 else 0.0, "an epilogue cannot branch on a value"),
    (lambda x: max(x, 0.0), "an epilogue cannot branch on a value"),
    (lambda x: x > 0, "an epilogue gives a Truth; allowed is one number"),
    (lambda x: (x, x), "an epilogue gives a tuple; allowed is one number"),
    (lambda x: None, "an epilogue gives a NoneType; allowed is one number"),
    (lambda x: math.exp(x), "an epilogue cannot take a value out of the kernel"),
    (lambda x: float(x), "an epilogue cannot take a value out of the kernel"),
    (lambda x: x[0], "an epilogue cannot take a value out of the kernel"),
    (lambda x: x + "1", "an epilogue uses a builtins.str; allowed are numbers"),
    (lambda x: x + np.ones(3), "an epilogue uses a numpy.ndarray; allowed are numbers, .* a tensor is an operand"),
    (lambda x: x * (x > 0), "an epilogue uses a comparison as a number"),
    (lambda x: (x > 0) & x, "an epilogue combines a comparison with a Value"),
    (lambda x: x**0.5, "an epilogue raises a value to the power of 0.5; allowed are integers of 1 to 16"),
    (lambda x: dgemm.where(True, x, 0), "where is given a bool as its condition"),
    (lambda x: dgemm.exp(1.0), "exp is for values of an epilogue .* and got float"),
    (lambda: 0.0, "the function of an epilogue has no parameter"),
    (lambda x, bias: x, "the epilogue is given no operands; its function takes bias beside the element"),
    (3, "function is a int; allowed is a function"),
])  # fmt: skip
def test_what_cannot_be_traced(function, error):
    with pytest.raises(TypeError, match=error):
        dgemm.epilogue(function)


def test_values_of_another_trace():
    kept = []
    dgemm.epilogue(lambda x: kept.append(x) or x + 1)
    with pytest.raises(TypeError, match="an epilogue uses a value of another trace"):
        dgemm.epilogue(lambda x: x + kept[0])


def test_names():
    with pytest.raises(ValueError, match="an operand of an epilogue is called scale_a"):
        dgemm.epilogue(lambda x, scale_a: x * scale_a, scale_a=np.ones(1, np.float32))
    with pytest.raises(ValueError, match="an epilogue has 9 operands; allowed are 8"):
        operands = {f"o{i}": 0 for i in range(9)}
        dgemm.epilogue(eval(f"lambda x, {', '.join(operands)}: x"), **operands)


@pytest.mark.parametrize("operand, error, message", [
    (np.zeros(M, np.float32), ValueError, r"operand bias of the epilogue has shape \[70\]; allowed are \[N\], \[M, 1\], \[M, N\] and "
                                          r"\[1\], with M = 70, N = 136"),
    (np.zeros(N, np.int32), TypeError, "operand bias of the epilogue has dtype int32; allowed"),
    (np.zeros(2 * N, np.float32)[::2], ValueError, r"operand bias of the epilogue has shape \[136\] and strides \[2\]"),
    (np.zeros(N + 1, np.float32)[1:], ValueError, "operand bias of the epilogue starts at address"),
    (3.0, TypeError, "bias is a builtins.float"),
])
def test_operands_that_do_not_fit(operand, error, message):
    x = make_operands()
    with pytest.raises(error, match=message):
        run(lambda x, bias: x + bias, x, bias=operand)


def test_what_is_no_epilogue():
    x = make_operands()
    with pytest.raises(TypeError, match="epilogue is a function; allowed is what dgemm.epilogue returns"):
        dgemm.fp8_gemm_nt((x.a, x.scale_a), (x.b, x.scale_b), x.d, epilogue=lambda x: x)


def test_without_any_k():
    x = make_operands()
    with pytest.raises(ValueError, match=r"a\[0\] has shape \[70, 0\]; allowed is K of at least 1 with an epilogue"):
        dgemm.fp8_gemm_nt((x.a[:, :0].copy(), x.scale_a[:, :0].copy()), (x.b[:, :0].copy(), x.scale_b[:, :0].copy()), x.d,
                          epilogue=dgemm.epilogue(dgemm.relu))


@pytest.mark.parametrize("layout, allowed", [("dense", r"\[N\], \[M, 1\]"), ("contiguous", r"\[G, N\], \[M, 1\]"),
                                             ("masked", r"\[G, N\], \[G, M, 1\]"), ("batched", r"\[G, N\], \[G, M, 1\]")])
def test_shape_of_an_operand(layout, allowed):
    with pytest.raises(ValueError, match=rf"operand bias of the epilogue has shape \[5\]; allowed are {allowed}"):
        _epilogue.find_axis("bias", (5,), layout, 2, 16, 3)


def test_trace_as_text():
    """What operators of torch carry."""
    trace = _trace.trace(lambda x, bias: dgemm.where(x > bias, _trace.exact_tanh(x), 0.5), ("bias",))
    assert _trace.load(trace.dump()) == trace and hash(_trace.load(trace.dump())) == hash(trace)
    assert "math.tanh %0 : f32" in trace.text(("n",), ("float32",), exact=False)
