"""Products of batches: any strides, scales of any order, and DeepGEMM's einsum."""

import numpy as np
import pytest
from conftest import BF16, FP8, LIMIT, difference

import dgemm


def batch(groups, m, n, k, seed=0):
    """A, B and their scales, and the expected D."""
    rng = np.random.default_rng(seed)
    a, b = (rng.standard_normal((groups, rows, k)).astype(FP8) for rows in (m, n))
    scale_a = (rng.random((groups, m, -(-k // 128))) + 0.5).astype(np.float32)
    scale_b = (rng.random((groups, -(-n // 128), -(-k // 128))) + 0.5).astype(np.float32)
    left = a.astype(np.float64) * np.repeat(scale_a, 128, 2)[:, :, :k]
    right = b.astype(np.float64) * np.repeat(np.repeat(scale_b, 128, 1)[:, :n], 128, 2)[:, :, :k]
    return (a, scale_a), (b, scale_b), left @ right.swapaxes(1, 2)


@pytest.mark.parametrize("m", [1, 70])
@pytest.mark.parametrize("out", [BF16, np.float32])
def test_bmm(m, out):
    a, b, expected = batch(3, m, 136, 272)
    d = np.full(expected.shape, 7, out)
    dgemm.bmm(a, b, d)
    assert difference(d, expected) < LIMIT


def test_adds_to_d():
    a, b, expected = batch(2, 20, 72, 256)
    d = np.random.default_rng(1).standard_normal(expected.shape).astype(np.float32)
    expected = expected + d
    dgemm.bmm(a, b, d, c=d)
    assert difference(d, expected) < LIMIT


def test_matrices_between_each_others_rows():
    """x[:, g] of operands and of the result, a gap between rows, and a batch stride that TMA does not take."""
    (a, scale_a), (b, scale_b), expected = batch(3, 20, 136, 272)
    between = np.zeros((20, 3, 280), FP8)[:, :, :272]
    between[...] = a.swapaxes(0, 1)
    gaps = np.zeros((3, 136 * 272 + 5), FP8)[:, : 136 * 272].reshape(3, 136, 272, copy=False)
    gaps[...] = b
    d = np.full((20, 3, 136), 7, BF16)
    dgemm.bmm((between.swapaxes(0, 1), scale_a), (gaps, scale_b), d.swapaxes(0, 1))
    assert difference(d.swapaxes(0, 1), expected) < LIMIT


@pytest.mark.parametrize("recipe", ["row", "1x128"])
def test_scales_of_any_order(recipe):
    (a, _), (b, _), _ = batch(2, 9, 40, 256)
    rng = np.random.default_rng(3)
    blocks = 1 if recipe == "row" else 2
    scale_a = (rng.random((9, 2, blocks)) + 0.5).astype(np.float32).swapaxes(0, 1)
    scale_b = (rng.random((40, 2, blocks)) + 0.5).astype(np.float32).swapaxes(0, 1)
    left, right = (x.astype(np.float64) * np.repeat(scale, 256 // blocks, 2) for x, scale in ((a, scale_a), (b, scale_b)))
    d = np.full((2, 9, 40), 7, BF16)
    dgemm.bmm((a, scale_a), (b, scale_b), d, recipe_a=recipe, recipe_b=recipe)
    assert difference(d, left @ right.swapaxes(1, 2)) < LIMIT


@pytest.mark.parametrize("adds", [False, True])
def test_einsum(adds):
    (a, scale_a), b, expected = batch(3, 5, 136, 272)
    x, scale = (np.ascontiguousarray(t.swapaxes(0, 1)) for t in (a, scale_a))
    d = np.full((5, 3, 136), 2, np.float32 if adds else BF16)
    dgemm.fp8_einsum("bhr,hdr->bhd", (x, scale), b, d, c=d if adds else None)
    assert difference(d.swapaxes(0, 1), expected + (2 if adds else 0)) < LIMIT


def test_refuses():
    a, b, expected = batch(2, 8, 72, 256)
    d = np.zeros(expected.shape, BF16)
    with pytest.raises(ValueError, match="expr is 'bhd,hdr->bhr'; allowed is 'bhr,hdr->bhd'"):
        dgemm.fp8_einsum("bhd,hdr->bhr", a, b, d)
    with pytest.raises(ValueError, match="a\\[0\\] has 2 dimensions"):
        dgemm.bmm((a[0][0], a[1]), b, d)
    with pytest.raises(ValueError, match="its matrices must not overlap"):
        overlapping = np.lib.stride_tricks.as_strided(d, (2, 8, 72), (2 * 80, 2 * 72, 2))
        dgemm.bmm(a, b, overlapping)
    with pytest.raises(ValueError, match="its last dimension must have stride 1"):
        dgemm.bmm(a, b, np.zeros((2, 72, 8), BF16).swapaxes(1, 2))
    with pytest.raises(TypeError, match="a is"):
        dgemm.bmm(3, b, d)


def test_kernel_by_its_problem():
    kernel = dgemm.compile(136, 256, layout="batched", groups=2, assemble=False)
    assert kernel.launch["layout"] == "batched" and "batched G=2" in repr(kernel)
    a, b, expected = batch(2, 8, 136, 256)
    d = np.zeros(expected.shape, BF16)
    kernel.launch_on(a[0], dgemm.get_mn_major_tma_aligned_tensor(a[1]), *b, d)
    assert difference(d, expected) < LIMIT
