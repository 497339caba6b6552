"""Scales with gaps between their lines: slices of larger buffers, and rows that nobody padded. No call copies them."""

import numpy as np
import pytest
from conftest import BF16, LIMIT, difference, make_case

import dgemm

M, N, K = 70, 200, 512


def with_gaps(scales, pitch, transposed=False, start=0):
    """A view of the same scales with `pitch` elements from line to line, in memory that holds NaN between them. The first is `start`
    elements after an address that is a multiple of 64."""
    values = scales.swapaxes(-1, -2) if transposed else scales
    *front, lines, length = values.shape
    memory = np.full(int(np.prod(front)) * lines * pitch + start + 64, np.nan, np.float32)
    first = start + (-memory.ctypes.data % 64) // 4
    view = memory[first:first + int(np.prod(front)) * lines * pitch].reshape(*front, lines, pitch)[..., :length]
    view[...] = values
    return view.swapaxes(-1, -2) if transposed else view


@pytest.mark.parametrize("pitch", [M, 73, 76])
def test_rows_of_a_innermost(pitch):
    case, out = make_case(M, N, K), np.zeros((M, N), BF16)
    dgemm.fp8_gemm_nt((case.a, with_gaps(case.scale_a, pitch, transposed=True)), (case.b, case.scale_b), out)
    assert difference(out, case.expected) < LIMIT


def test_k_innermost_at_any_word():
    case, out = make_case(M, N, K), np.zeros((M, N), BF16)
    dgemm.fp8_gemm_nt((case.a, with_gaps(case.scale_a, 7, start=1)), (case.b, with_gaps(case.scale_b, 5, start=3)), out)
    assert difference(out, case.expected) < LIMIT
    out[:] = 0
    dgemm.fp8_gemm_nt((case.a, case.scale_a), (case.b, with_gaps(case.scale_b, 3, transposed=True, start=2)), out)
    assert difference(out, case.expected) < LIMIT


@pytest.mark.parametrize("orders", [(False, False), (True, False), (False, True)])
def test_both_for_each_row(orders):
    """1x128 by 1x128, where a column of scales has a pitch in one order or the other."""
    rng = np.random.default_rng(0)
    case = make_case(M, N, K)
    scales = [rng.random((rows, K // 128), np.float32) + 0.5 for rows in (M, N)]
    given = [with_gaps(values, 205 if transposed else 6, transposed) for values, transposed in zip(scales, orders)]
    left, right = (np.asarray(x, np.float64) * np.repeat(values, 128, 1) for x, values in zip((case.a, case.b), scales))
    out = np.zeros((M, N), np.float32)
    dgemm.fp8_gemm_nt((case.a, given[0]), (case.b, given[1]), out, recipe=(1, 1, 128))
    assert difference(out, left @ right.T) < LIMIT


def test_groups():
    rng = np.random.default_rng(1)
    groups, m = 3, 20
    case = make_case(m, N, K)
    a, b = (np.stack([x] * groups) for x in (case.a, case.b))
    scale_a = np.stack([case.scale_a * factor for factor in (1, 2, 4)])
    scale_b = np.stack([case.scale_b] * groups)
    masked_m = np.array([20, 0, 7], np.int32)
    for given in (with_gaps(scale_a, 21, transposed=True), with_gaps(scale_a, 9)):
        out = np.full((groups, m, N), 7, BF16)
        dgemm.m_grouped_fp8_gemm_nt_masked((a, given), (b, with_gaps(scale_b, 6)), out, masked_m, int(rng.integers(1, 20)))
        for group, rows in enumerate(masked_m):
            if rows:
                assert difference(out[group, :rows], case.expected[:rows] * (1, 2, 4)[group]) < LIMIT
            assert (out[group, rows:] == 7).all()


def test_what_stays_wrong():
    case, out = make_case(M, N, K), np.zeros((M, N), BF16)
    wide = np.zeros((M, 8), np.float32)
    with pytest.raises(ValueError, match=r"a\[1\] has shape \[70, 4\] and strides \[8, 2\]; allowed are strides .* or more from line to line"):
        dgemm.fp8_gemm_nt((case.a, wide[:, ::2]), (case.b, case.scale_b), out)
    with pytest.raises(ValueError, match=r"b\[1\] has shape \[2, 4\] and strides \[8, 2\]; allowed are strides .* or more from line to line"):
        dgemm.fp8_gemm_nt((case.a, case.scale_a), (case.b, wide[:2, ::2]), out)
    with pytest.raises(ValueError, match=r"a\[1\] starts at address 0x[0-9a-f]+; it must be a multiple of 16 bytes"):
        dgemm.fp8_gemm_nt((case.a, with_gaps(case.scale_a, 72, transposed=True, start=1)), (case.b, case.scale_b), out)
    with pytest.raises(ValueError, match=r"b\[1\] starts at address 0x[0-9a-f]+; it must be a multiple of 4 bytes"):
        between_words = np.ndarray((2, 4), np.float32, buffer=bytearray(64), offset=2)
        dgemm.fp8_gemm_nt((case.a, case.scale_a), (case.b, between_words), out)
