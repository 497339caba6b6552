"""Casts to FP8 with scales: what they mean for every block, and through a product."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
from conftest import FP8, ceil_div, difference
from test_recipes import scaled

import dgemm


@pytest.mark.parametrize("use_ue8m0", [False, True])
@pytest.mark.parametrize("shape", [(5, 300), (130, 128), (1, 1), (3, 129)])
@pytest.mark.parametrize("cast, granularity", [(dgemm.per_token_cast_to_fp8, "1x128"), (dgemm.per_block_cast_to_fp8, "128x128")])
def test_elements_come_back(cast, granularity, shape, use_ue8m0):
    rng = np.random.default_rng(0)
    x = (rng.standard_normal(shape) * np.exp(rng.uniform(-6, 6, (shape[0], 1)))).astype(np.float32)
    y, scale = cast(x, use_ue8m0=use_ue8m0)
    assert y.dtype == FP8 and y.shape == shape and scale.dtype == np.float32
    assert np.isfinite(y.astype(np.float32)).all()
    back = scaled(y, scale, granularity)
    # Half of the last of 3 bits; below the normal numbers, half of the least one.
    full = scaled(np.ones(shape, FP8), scale, granularity)
    assert (np.abs(back - x) <= np.maximum(np.abs(x) * 2.0**-4, full * 2.0**-10) * (1 + 1e-6)).all()
    if use_ue8m0:
        assert (scale == np.exp2(np.round(np.log2(scale)))).all()


def test_the_largest_element_is_the_largest_of_fp8():
    """Also where rounding would need it beyond."""
    x = np.random.default_rng(1).uniform(1e-3, 1e3, (512, 128)).astype(np.float32)
    y, _ = dgemm.per_token_cast_to_fp8(x)
    assert (y.astype(np.float32).max(axis=1) == 448).all()
    y, scale = dgemm.per_token_cast_to_fp8(x, use_ue8m0=True)
    assert (y.astype(np.float32).max(axis=1) <= 448).all() and (y.astype(np.float32).max(axis=1) >= 224).all()
    exact = x.max(axis=1) / np.float32(448)
    assert (scale[:, 0] >= exact).all() and (scale[:, 0] < 2 * exact).all()


@pytest.mark.parametrize("use_ue8m0", [False, True])
def test_blocks_of_zeros(use_ue8m0):
    x = np.zeros((200, 300), np.float32)
    x[150, 200] = 3
    for cast in (dgemm.per_token_cast_to_fp8, dgemm.per_block_cast_to_fp8):
        y, scale = cast(x, use_ue8m0=use_ue8m0)
        assert (scale > 0).all() and np.isfinite(1 / scale).all()
        assert (np.flatnonzero(y.astype(np.float32)) == [150 * 300 + 200]).all()


@pytest.mark.parametrize("value, least", [(1.0, 1.0), (1.0000001, 2.0), (0.75, 1.0), (2.0**-126, 2.0**-126), (3.0, 4.0), (448.0, 512.0)])
def test_rounding_up_to_powers_of_two(value, least):
    assert dgemm.ceil_to_ue8m0(np.array([value], np.float32))[0] == least


def test_channels():
    x = np.random.default_rng(2).standard_normal((256, 40)).astype(np.float32)
    y, scale = dgemm.per_channel_cast_to_fp8(x)
    assert y.shape == (256, 40) and scale.shape == (2, 40)
    same, transposed = dgemm.per_token_cast_to_fp8(np.ascontiguousarray(x.T))
    assert (y == same.T).all() and (scale == transposed.T).all()


def test_product_of_casts():
    rng = np.random.default_rng(3)
    x, weight = rng.standard_normal((70, 400)).astype(ml_dtypes.bfloat16), rng.standard_normal((136, 400)).astype(np.float32)
    (a, scale_a), (b, scale_b) = dgemm.per_token_cast_to_fp8(x), dgemm.per_block_cast_to_fp8(weight)
    d = dgemm.scaled_mm(a, b.T, scale_a, "1x128", scale_b, "128x128")
    assert difference(d, x.astype(np.float64) @ weight.T) < 2e-3
    assert scale_a.shape == (70, ceil_div(400, 128))
