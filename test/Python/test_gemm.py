"""Results of the three layouts, with every library there is."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import LIMIT, _multiply, difference, m_innermost, make_case

import dgemm

# The peers' failures among them: N=16 (DeepGEMM 147), odd numbers of K blocks (25), scales whose M is no multiple of 4
# (140), a tail of N (kernels-community 1153).
DENSE = [(1, 16, 128), (64, 128, 256), (13, 33, 144), (70, 16, 640), (130, 200, 384), (5, 1, 1)]


@pytest.mark.parametrize("m, n, k", DENSE)
def test_dense(library, m, n, k):
    case = make_case(m, n, k)
    out = library.put(case.empty())
    dgemm.fp8_gemm_nt((library.put(case.a), library.put(case.scale_a)), (library.put(case.b), library.put(case.scale_b)),
                      out)
    assert difference(library.get(out), case.expected) < LIMIT


def test_dense_old_name_and_m_innermost_scales(library):
    case = make_case(70, 136, 384)
    out = library.put(case.empty())
    dgemm.gemm_fp8_fp8_bf16_nt((library.put(case.a), library.put(m_innermost(case.scale_a))),
                               (library.put(case.b), library.put(case.scale_b)), out)
    assert difference(library.get(out), case.expected) < LIMIT


def test_dense_n_innermost_scales_of_b(library):
    case = make_case(64, 256, 512)
    scale_b = np.ascontiguousarray(case.scale_b.T).T
    out = library.put(case.empty())
    dgemm.fp8_gemm_nt((library.put(case.a), library.put(case.scale_a)), (library.put(case.b), library.put(scale_b)), out)
    assert difference(library.get(out), case.expected) < LIMIT


def test_dense_padded_rows(library):
    case = make_case(40, 64, 256)
    wide_a = np.zeros((40, 320), case.a.dtype)
    wide_a[:, :256] = case.a
    wide_d = np.full((40, 96), np.nan, case.empty().dtype)
    out = library.put(wide_d[:, :64])
    dgemm.fp8_gemm_nt((library.put(wide_a[:, :256]), library.put(case.scale_a)),
                      (library.put(case.b), library.put(case.scale_b)), out)
    assert difference(library.get(out), case.expected) < LIMIT


def test_one_kernel_serves_many_m(library):
    """Repeated shapes and changing M, so that launches are found again and tensor maps are made anew."""
    n, k = 64, 256
    for round_ in range(3):
        for m in (1, 7, 64, 64, 3):
            case = make_case(m, n, k, seed=round_)
            out = library.put(case.empty())
            dgemm.fp8_gemm_nt((library.put(case.a), library.put(case.scale_a)),
                              (library.put(case.b), library.put(case.scale_b)), out)
            assert difference(library.get(out), case.expected) < LIMIT, (round_, m)


@pytest.mark.parametrize("name", ["m_grouped_fp8_gemm_nt_contiguous", "m_grouped_gemm_fp8_fp8_bf16_nt_contiguous"])
def test_contiguous(library, name):
    groups, n, k, alignment = 3, 64, 256, dgemm.get_mk_alignment_for_contiguous_layout()
    rows = [100, 0, alignment + 1]
    m_indices = []
    for group, count in enumerate(rows):
        padded = dgemm.ceil_div(count, alignment) * alignment
        m_indices += [group] * count + [-1] * (padded - count)
    m_indices = np.array(m_indices, np.int32)
    m = len(m_indices)
    case = make_case(m, n, k, b_groups=(groups,))
    out = library.put(np.full((m, n), np.nan, case.empty().dtype))
    getattr(dgemm, name)((library.put(case.a), library.put(case.scale_a)),
                         (library.put(case.b), library.put(case.scale_b)), out, library.put(m_indices))
    result = library.get(out)
    for group in (0, 2):
        where = m_indices == group
        expected = _multiply(case.a[where], case.scale_a[where], case.b[group], case.scale_b[group])
        assert difference(result[where], expected) < LIMIT, group


@pytest.mark.parametrize("innermost", ["k", "m"])
@pytest.mark.parametrize("name", ["m_grouped_fp8_gemm_nt_masked", "m_grouped_gemm_fp8_fp8_bf16_nt_masked"])
def test_masked(library, name, innermost):
    groups, rows, n, k = 3, 72, 64, 256
    masked_m = np.array([5, 0, 72], np.int32)
    case = make_case(rows, n, k, a_groups=(groups,), b_groups=(groups,))
    scale_a = m_innermost(case.scale_a) if innermost == "m" else case.scale_a
    out = library.put(case.empty())
    getattr(dgemm, name)((library.put(case.a), library.put(scale_a)), (library.put(case.b), library.put(case.scale_b)),
                         out, library.put(masked_m), 26)
    result = library.get(out)
    for group, count in enumerate(masked_m):
        if count:
            assert difference(result[group, :count], case.expected[group, :count]) < LIMIT, group
        assert np.isnan(result[group, count:].astype(np.float32)).all(), f"rows past masked_m of group {group} written"


@pytest.mark.parametrize("rows", [8, 16, 32])
def test_masked_with_few_rows(library, rows):
    """DeepGEMM 268."""
    case = make_case(rows, 64, 256, a_groups=(2,), b_groups=(2,))
    out = library.put(case.empty())
    dgemm.m_grouped_fp8_gemm_nt_masked((library.put(case.a), library.put(case.scale_a)),
                                       (library.put(case.b), library.put(case.scale_b)), out,
                                       library.put(np.array([rows, rows], np.int32)), rows)
    assert difference(library.get(out), case.expected) < LIMIT


def test_empty(library):
    case = make_case(1, 64, 128)
    out = library.put(case.empty()[:0].copy())
    dgemm.fp8_gemm_nt((library.put(case.a[:0].copy()), library.put(case.scale_a[:0].copy())),
                      (library.put(case.b), library.put(case.scale_b)), out)


def test_k_of_zero(library):
    """D is zero, as in DeepGEMM; only D is, where its rows are padded."""
    room = np.full((8, 48), 7, np.float32).astype(make_case(1, 1, 1).empty().dtype)
    n = 48 if library.name == "jax" else 32
    out = library.put(room[:, :n])
    a, b = np.zeros((8, 0), make_case(1, 1, 1).a.dtype), np.zeros((n, 0), make_case(1, 1, 1).b.dtype)
    scale_a, scale_b = np.zeros((8, 0), np.float32), np.zeros((1, 0), np.float32)
    dgemm.fp8_gemm_nt((library.put(a), library.put(scale_a)), (library.put(b), library.put(scale_b)), out)
    assert (library.get(out) == 0).all()
    if library.name == "numpy":
        assert (room[:, n:] == 7).all()
    labels = library.put(np.zeros(8, np.int32))
    dgemm.m_grouped_fp8_gemm_nt_contiguous((library.put(a), library.put(scale_a)),
                                           (library.put(b[None]), library.put(scale_b[None])), out, labels)
    with pytest.raises(ValueError, match=r"a\[0\] has shape \[1, 8, 0\]; allowed is K of at least 1 in a masked layout"):
        dgemm.m_grouped_fp8_gemm_nt_masked((library.put(a[None]), library.put(scale_a[None])),
                                           (library.put(b[None]), library.put(scale_b[None])),
                                           library.put(np.zeros((1, 8, n), room.dtype)), labels[:1], 1)


def test_integers_of_numpy(library):
    case = make_case(8, 64, 256, a_groups=(2,), b_groups=(2,))
    out = library.put(case.empty())
    dgemm.m_grouped_fp8_gemm_nt_masked((library.put(case.a), library.put(case.scale_a)),
                                       (library.put(case.b), library.put(case.scale_b)), out,
                                       library.put(np.array([8, 8], np.int32)), np.int64(8))
    assert difference(library.get(out), case.expected) < LIMIT


def test_num_sms(library):
    case = make_case(200, 256, 256)
    before = dgemm.get_num_sms()
    try:
        dgemm.set_num_sms(2)
        assert dgemm.get_num_sms() == 2
        out = library.put(case.empty())
        dgemm.fp8_gemm_nt((library.put(case.a), library.put(case.scale_a)),
                          (library.put(case.b), library.put(case.scale_b)), out)
        assert difference(library.get(out), case.expected) < LIMIT
    finally:
        dgemm.set_num_sms(before)
    with pytest.raises(ValueError, match="num_sms is 0"):
        dgemm.set_num_sms(0)


def test_pdl(library, monkeypatch, capsys):
    monkeypatch.setenv("DGEMM_PRINT_CONFIGS", "1")
    case = make_case(3, 64, 128)
    for enable in (True, False):
        dgemm.set_pdl(enable)
        assert dgemm.get_pdl() is enable
        out = library.put(case.empty())
        dgemm.fp8_gemm_nt((library.put(case.a), library.put(case.scale_a)),
                          (library.put(case.b), library.put(case.scale_b)), out)
        assert difference(library.get(out), case.expected) < LIMIT
        assert (" pdl with M=3" in capsys.readouterr().err) is enable


def test_alignment_of_contiguous_groups(library):
    dgemm.set_mk_alignment_for_contiguous_layout(64)
    try:
        assert dgemm.get_m_alignment_for_contiguous_layout() == 64
        m_indices = np.repeat(np.array([0, 1], np.int32), 64)
        case = make_case(128, 64, 128, b_groups=(2,))
        out = library.put(np.full((128, 64), np.nan, case.empty().dtype))
        dgemm.m_grouped_fp8_gemm_nt_contiguous((library.put(case.a), library.put(case.scale_a)),
                                               (library.put(case.b), library.put(case.scale_b)), out,
                                               library.put(m_indices))
        result = library.get(out)
        for group in (0, 1):
            rows = slice(64 * group, 64 * group + 64)
            assert difference(result[rows], _multiply(case.a[rows], case.scale_a[rows], case.b[group],
                                                      case.scale_b[group])) < LIMIT
    finally:
        dgemm.set_mk_alignment_for_contiguous_layout(128)
    with pytest.raises(ValueError, match="value is 100"):
        dgemm.set_mk_alignment_for_contiguous_layout(100)


def test_threads(library):
    """Several threads, mixed shapes, one process."""
    from concurrent.futures import ThreadPoolExecutor

    def run(seed):
        m, n, k = 1 + seed % 5, 16 * (1 + seed % 2), 128
        case = make_case(m, n, k, seed=seed)
        out = library.put(case.empty())
        dgemm.fp8_gemm_nt((library.put(case.a), library.put(case.scale_a)),
                          (library.put(case.b), library.put(case.scale_b)), out)
        return difference(library.get(out), case.expected)

    with ThreadPoolExecutor(8) as pool:
        assert max(pool.map(run, range(24))) < LIMIT
