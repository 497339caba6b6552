"""Labels of a contiguous layout: misaligned ones are found before they give wrong rows."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import BF16, make_case

import dgemm


def labels(*runs) -> np.ndarray:
    return np.concatenate([np.full(count, group, np.int32) for group, count in runs])


GOOD = [labels((0, 128), (1, 128)), labels((1, 100), (-1, 28), (0, 5), (-1, 123)), labels((-1, 256)), labels((0, 256)),
        labels((0, 128), (-1, 128)), labels((1, 5)), labels((0, 128), (1, 5)), labels((0, 0))]
BAD = [(labels((0, 64), (1, 192)), 64, "1 after 0 in row 63"), (labels((-1, 1), (0, 127)), 1, "0 after -1 in row 0"),
       (labels((0, 10), (-1, 10), (0, 108)), 20, "0 after -1 in row 19"), (labels((0, 128), (1, 5), (0, 123)), 133, "0"),
       (labels((0, 100), (2, 28)), 100, "2; allowed are groups of 0 to 1"), (labels((-2, 128)), 0, "-2; allowed"),
       (labels((2**31 - 1, 1)), 0, "2147483647; allowed")]


@pytest.mark.parametrize("m_indices", GOOD)
def test_good(m_indices):
    dgemm.check_groups(m_indices, 2)


@pytest.mark.parametrize("m_indices, row, message", BAD)
def test_misaligned(m_indices, row, message):
    with pytest.raises(ValueError, match=rf"m_indices\[{row}\] is {message}"):
        dgemm.check_groups(m_indices, 2)
    m = len(m_indices)
    case = make_case(m, 16, 128, b_groups=(2,))
    with pytest.raises(ValueError, match=rf"m_indices\[{row}\] is {message}"):
        dgemm.m_grouped_fp8_gemm_nt_contiguous((case.a, case.scale_a), (case.b, case.scale_b), np.zeros((m, 16), BF16),
                                               m_indices)


def test_alignment():
    m_indices = labels((0, 64), (1, 64))
    dgemm.check_groups(m_indices, 2, 64)
    dgemm.check_groups(m_indices, np.int64(2), alignment=np.int32(64))
    with pytest.raises(ValueError, match=r"a group begins at a multiple of 128 rows"):
        dgemm.check_groups(m_indices, 2)
    dgemm.set_mk_alignment_for_contiguous_layout(64)
    try:
        dgemm.check_groups(m_indices, 2)
    finally:
        dgemm.set_mk_alignment_for_contiguous_layout(128)


def test_refusals():
    for arguments, error, message in (((labels((0, 4)), 0), ValueError, "num_groups is 0"),
                                      ((labels((0, 4)), 2, 100), ValueError, "alignment is 100; allowed are positive"),
                                      ((np.zeros(4), 2), TypeError, "m_indices has dtype float64; allowed is int32"),
                                      ((np.zeros((4, 1), np.int32), 2), ValueError, r"m_indices has shape \[4, 1\]")):
        with pytest.raises(error, match=message):
            dgemm.check_groups(*arguments)


def test_other_layouts():
    ends = np.array([100, 100, 256, 300], np.int32)
    dgemm.check_groups(ends, 4, layout="offsets")
    dgemm.check_groups(np.array([100, 100, 256], np.int32), 3, 64, "offsets", limit=256)
    dgemm.check_groups(ends, 4, 128, "k_grouped", limit=300)
    dgemm.check_groups(np.array([0, 7, 64], np.int32), 3, layout="masked", limit=64)


@pytest.mark.parametrize("values, keywords, message", [
    ([100, 90], {"layout": "offsets"}, r"offsets\[1\] is 90 after 100; allowed are 100 for no rows, and 100 or more"),
    ([100, 110], {"layout": "k_grouped"}, r"offsets\[1\] is 110 after 100; allowed are 100 for no rows, and 128 or more"),
    ([100, 300], {"layout": "offsets", "limit": 256}, r"offsets\[1\] is 300; allowed are 0 to 256"),
    ([3, 65], {"layout": "masked", "limit": 64}, r"masked_m\[1\] is 65; allowed are 0 to 64"),
    ([-1, 3], {"layout": "masked"}, r"masked_m\[0\] is -1; allowed are 0 or more"),
    ([1, 2, 3], {"layout": "masked"}, "masked_m has 3 elements; allowed is 2, one for each group"),
    ([1, 2], {"layout": "k_grouped", "alignment": 64}, "alignment is 64; allowed are multiples of 128"),
    ([1, 2], {"layout": "batched"}, "layout is 'batched'; allowed are 'contiguous'")])
def test_refusals_of_other_layouts(values, keywords, message):
    with pytest.raises(ValueError, match=message):
        dgemm.check_groups(np.array(values, np.int32), 2, **keywords)
