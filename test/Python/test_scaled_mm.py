"""dgemm.scaled_mm: the scales as torch has them, on the emulator and on each library with a GPU."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
from conftest import BF16, ceil_div, difference
from test_recipes import FP8, LIMITS, OUT, PAIRS, Operands

import dgemm

TORCH = {"tensor": ("TensorWise", 0), "row": ("RowWise", 1), "1x128": ("BlockWise1x128", 4), "128x128": ("BlockWise128x128", 5)}


def as_torch(scale: np.ndarray, granularity: str, of_b: bool) -> np.ndarray:
    """[rows, along K] in the shape and with the strides that torch wants."""
    if granularity == "row" and of_b:
        return np.ascontiguousarray(scale.T)
    if granularity == "1x128":
        return np.ascontiguousarray(scale.T).T
    if granularity == "128x128":
        high, wide = scale.shape
        padded = np.full((high, ceil_div(wide, 4) * 4), np.nan, np.float32)
        padded[:, :wide] = scale
        return padded.T
    return scale


def call(library, x, pair, recipes=None, **keywords):
    recipes = recipes or pair
    scales = [scale if scale is None else library.put(as_torch(scale, granularity, of_b))
              for scale, granularity, of_b in ((x.scale_a, pair[0], False), (x.scale_b, pair[1], True))]
    return dgemm.scaled_mm(library.put(x.a), library.put(x.b).T, scales[0], recipes[0], scales[1], recipes[1], **keywords)


@pytest.mark.parametrize("pair", PAIRS)
def test_pairs(library, pair):
    """M of 66 is no multiple of 4, K of 400 has four blocks, one of them cut short."""
    x = Operands(pair, 66, 144, 400)
    if library.name == "jax" and "128x128" in pair:
        pytest.skip("JAX has no strides")
    d = call(library, x, pair)
    assert difference(library.get(d), x.wide_a @ x.wide_b.T) < LIMITS["bf16"]


@pytest.mark.parametrize("m, n, k", [(1, 16, 16), (4, 4, 512), (7, 3, 900), (512, 512, 512), (300, 130, 640), (3, 8, 1024)])
@pytest.mark.parametrize("pair", [("1x128", "1x128"), ("1x128", "128x128"), ("128x128", "1x128"), ("row", "row")])
def test_shapes(m, n, k, pair):
    """Among them those whose scales are square, so that their shape does not say which dimension is K."""
    x = Operands(pair, m, n, k)
    d = dgemm.scaled_mm(x.a, x.b.T, as_torch(x.scale_a, pair[0], False), pair[0], as_torch(x.scale_b, pair[1], True), pair[1],
                        output_dtype="f32")
    assert difference(d, x.wide_a @ x.wide_b.T) < LIMITS["f32"]
    out = np.full((m, n), np.nan, np.float32)
    same = dgemm.scaled_mm(x.a, x.b.T, x.scale_a, pair[0], x.scale_b, pair[1], out=out)
    assert same is out and (out == d).all()


@pytest.mark.parametrize("spelling", [0, 1])
def test_names_and_values_of_torch(spelling):
    for pair in ((name, name) for name in TORCH):
        x = Operands(pair, 5, 16, 144)
        recipes = [TORCH[name][spelling] for name in pair]
        d = dgemm.scaled_mm(x.a, x.b.T, [x.scale_a], recipes[:1], [x.scale_b], recipes[1:], "NO_SWIZZLE", [0],
                            output_dtype=np.float16, contraction_dim=(1, 0))
        assert d.dtype == np.float16 and difference(d, x.wide_a @ x.wide_b.T) < LIMITS["f16"]


@pytest.mark.parametrize("types", [("e4m3", "e5m2"), ("e5m2", "e5m2")])
@pytest.mark.parametrize("out", OUT)
def test_types(library, types, out):
    x = Operands(("tensor", "row"), 33, 40, 144, types, out)
    if library.name == "cupy":  # which has no FP8, and no type for bfloat16
        a, b = (library.cupy.asarray(array.view(np.uint8)) for array in (x.a, x.b))
        d = dgemm.scaled_mm(a, b.T, library.put(x.scale_a), "tensor", library.put(x.scale_b), "row", output_dtype=out,
                            a_type=types[0], b_type=types[1])
    elif library.name == "torch":
        pytest.skip("test_torch.py has these")
    else:
        d = call(library, x, ("tensor", "row"), output_dtype=out)
    assert difference(library.get(d), x.wide_a @ x.wide_b.T) < LIMITS[out]


def test_one_scale_of_any_shape():
    x = Operands(("tensor", "tensor"), 8, 16, 32)
    for shape in ((), (1,), (1, 1, 1)):
        d = dgemm.scaled_mm(x.a, x.b.T, x.scale_a.reshape(shape), "tensor", x.scale_b.reshape(shape), "tensor")
        assert difference(d, x.wide_a @ x.wide_b.T) < LIMITS["bf16"]


def test_scales_between_multiples_of_16_bytes():
    x = Operands(("row", "tensor"), 8, 16, 32)
    room = np.zeros(32, np.float32)
    start = next(i for i in range(4) if (room.ctypes.data + 4 * i) % 16 == 4)
    row = room[start:start + 8]
    row[:] = x.scale_a[:, 0]
    d = dgemm.scaled_mm(x.a, x.b.T, row, "row", x.scale_b, "tensor")
    assert difference(d, x.wide_a @ x.wide_b.T) < LIMITS["bf16"]


def test_fast_accumulation(monkeypatch):
    from dgemm import _jit

    taken, get = [], _jit.get
    monkeypatch.setattr(_jit, "get", lambda problem, *rest: taken.append(problem) or get(problem, *rest))
    for pair in (("row", "tensor"), ("row", "1x128")):
        x = Operands(pair, 6, 24, 300)
        d = dgemm.scaled_mm(x.a, x.b.T, x.scale_a, pair[0], x.scale_b, pair[1], use_fast_accum=True)
        assert difference(d, x.wide_a @ x.wide_b.T) < 1e-4
    assert [problem.accuracy for problem in taken] == ["fast", "exact"]
    assert "fast" in taken[0].describe()


def test_nothing():
    x = Operands(("row", "row"), 4, 16, 32)
    empty = dgemm.scaled_mm(x.a[:0], x.b.T, x.scale_a[:0], "row", x.scale_b, "row")
    assert empty.shape == (0, 16) and empty.dtype == BF16
    zero = dgemm.scaled_mm(x.a[:, :0], x.b[:, :0].T, x.scale_a, "row", x.scale_b, "row", output_dtype="f32")
    assert zero.shape == (4, 16) and (zero == 0).all()


ROW = np.ones((8, 1), np.float32)


@pytest.mark.parametrize("changes, error, message", [
    ({"scale_recipe_a": "BlockWise1x32"}, ValueError, "scale_recipe_a is 'BlockWise1x32'; allowed are .*MXFP8 and MXFP4"),
    ({"scale_recipe_b": 2}, ValueError, "scale_recipe_b is 2; allowed are .*NVFP4"),
    ({"scale_recipe_a": None}, ValueError, "scale_recipe_a is None; allowed are 'tensor', 'row'"),
    ({"scale_recipe_a": ["RowWise", "TensorWise"]}, ValueError, r"scale_recipe_a is \['RowWise', 'TensorWise'\]; allowed are"),
    ({"scale_a": [ROW, ROW]}, ValueError, "scale_a has 2 scales; allowed is one"),
    ({"scale_a": None}, TypeError, "scale_a is None; allowed is a tensor of scales, or the recipe 'none'"),
    ({"scale_recipe_a": "none"}, TypeError, "scale_a is a ndarray; allowed is None by the recipe 'none'"),
    ({"swizzle_b": "SWIZZLE_32_4_4"}, ValueError, "swizzle_b is 'SWIZZLE_32_4_4'; allowed are None and NO_SWIZZLE"),
    ({"bias": np.zeros(8)}, ValueError, r"bias has shape \[8\]; allowed is"),
    ({"output_dtype": "e4m3"}, ValueError, "output_dtype is 'e4m3'; allowed are 'bf16', 'f16', 'f32'"),
    ({"contraction_dim": (0, 1)}, ValueError, r"contraction_dim is \(0, 1\); allowed are \(\) and \(1, 0\)"),
    ({"scale_a": np.ones((8, 2), np.float32)}, ValueError, r"scale_a has shape \[8, 2\] and strides \[2, 1\]; allowed is \[8, 1\] for"),
    ({"scale_a": np.ones((1, 8), np.float32)}, ValueError, r"scale_a has shape \[1, 8\] .*allowed is \[8, 1\] for RowWise"),
    ({"scale_b": np.ones((1, 15), np.float32)}, ValueError, r"scale_b has shape \[1, 15\] .*allowed is \[1, 16\] for RowWise"),
    ({"scale_recipe_a": "tensor"}, ValueError, "scale_a has shape .*allowed is one element, for TensorWise"),
    ({"scale_recipe_a": "1x128", "scale_a": np.ones((2, 8), np.float32)}, ValueError,
     r"scale_a has shape \[2, 8\] .*allowed is \[8, 2\], \[rows, ceil\(K/128\)\] for BlockWise1x128"),
    ({"scale_recipe_a": "128x128", "scale_a": np.ones((8, 2), np.float32)}, ValueError,
     r"scale_a has shape \[8, 2\] .*allowed is \[1, 2\] and \[4, 1\] for BlockWise128x128"),
    ({"scale_a": ROW.astype(np.float64)}, TypeError, "scale_a has dtype float64; allowed is float32"),
    ({"scale_a": ROW.astype(ml_dtypes.float8_e8m0fnu)}, TypeError, "scale_a has dtype float8_e8m0fnu; allowed is float32; UE8M0"),
    ({"mat_a": np.zeros((8, 144), np.float32)}, TypeError, "mat_a has dtype float32; allowed are float8_e4m3fn and"),
    ({"mat_a": np.zeros((8, 128), FP8["e4m3"])}, ValueError, r"mat_b has shape \[144, 16\]; allowed is \[128, N\]"),
    ({"mat_a": np.zeros((2, 8, 144), FP8["e4m3"])}, ValueError, r"mat_a is a ndarray of shape \[2, 8, 144\]; allowed is \[M, K\]"),
    ({"mat_b": np.zeros((144, 16), FP8["e4m3"])}, ValueError, r"mat_b has strides \[16, 1\]; allowed is K innermost"),
    ({"out": np.zeros((8, 15), BF16)}, ValueError, r"out has shape \[8, 15\]; allowed is \[8, 16\]"),
    ({"a_type": "e3m4"}, ValueError, "a_type is 'e3m4'; allowed are 'e4m3', 'e5m2'")])
def test_refused(changes, error, message):
    x = Operands(("row", "row"), 8, 16, 144)
    arguments = {"mat_a": x.a, "mat_b": x.b.T, "scale_a": x.scale_a, "scale_recipe_a": "row", "scale_b": x.scale_b.T,
                 "scale_recipe_b": "row", **changes}
    with pytest.raises(error, match=message):
        dgemm.scaled_mm(**arguments)
