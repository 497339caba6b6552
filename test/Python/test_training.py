"""What training wants: accumulation, and groups without padding."""

import numpy as np
import pytest
from conftest import BF16, FP8, LIMIT, difference, make_case

import dgemm


@pytest.mark.parametrize("dtype", [np.float32, BF16])
def test_adds_to_d(dtype):
    case = make_case(40, 136, 256)
    d = np.random.default_rng(1).standard_normal((40, 136)).astype(dtype)
    expected = d.astype(np.float64) + case.expected
    dgemm.fp8_gemm_nt((case.a, case.scale_a), (case.b, case.scale_b), d, c=d)
    assert difference(d, expected) < LIMIT


def test_adds_to_a_copy_of_c():
    case = make_case(40, 136, 256)
    c = np.random.default_rng(1).standard_normal((40, 136)).astype(np.float32)
    before, d = c.copy(), np.full_like(c, np.nan)
    dgemm.fp8_gemm_nt((case.a, case.scale_a), (case.b, case.scale_b), d, c=c)
    assert difference(d, c + case.expected) < LIMIT
    assert (c == before).all()


def test_adds_nothing_where_k_is_0():
    d = np.ones((8, 128), np.float32)
    dgemm.fp8_gemm_nt((np.zeros((8, 0), make_case(1, 1, 128).a.dtype), np.zeros((8, 0), np.float32)),
                      (np.zeros((128, 0), make_case(1, 1, 128).a.dtype), np.zeros((1, 0), np.float32)), d, c=d)
    assert (d == 1).all()


def grouped(rows, alignment, tail):
    """A case of one A and D, the ends of its groups, what D has to be, and which of its rows are of a group."""
    ends, start = [], 0
    for count in rows:
        ends.append(start + count)
        start = -(-ends[-1] // alignment) * alignment
    m = ends[-1] + tail
    case = make_case(m, 72, 256, b_groups=(len(rows),))
    expected, valid = np.zeros((m, 72)), np.zeros(m, bool)
    for group, (count, end) in enumerate(zip(rows, ends)):
        of_group = slice(end - count, end)
        one = case.a[of_group].astype(np.float64) * np.repeat(case.scale_a[of_group], 128, 1)
        other = case.b[group].astype(np.float64) * np.repeat(np.repeat(case.scale_b[group], 128, 0)[:72], 128, 1)
        expected[of_group] = one @ other.T
        valid[of_group] = True
    return case, np.array(ends, np.int32), expected, valid


@pytest.mark.parametrize("alignment", [1, 24, 128])
def test_offsets(alignment):
    case, ends, expected, valid = grouped([3, 0, 130, 64, 1], alignment, tail=20)
    d = np.full((len(valid), 72), 7, BF16)
    dgemm.m_grouped_fp8_gemm_nt_offsets((case.a, case.scale_a), (case.b, case.scale_b), d, ends, alignment, 40)
    assert difference(d[valid], expected[valid]) < LIMIT
    assert (d[~valid] == 7).all()


def test_psum_layout():
    case, ends, expected, valid = grouped([3, 0, 130, 64, 1], dgemm.get_mk_alignment_for_contiguous_layout(), tail=0)
    d = np.full((len(valid), 72), 7, BF16)
    dgemm.m_grouped_fp8_gemm_nt_contiguous((case.a, case.scale_a), (case.b, case.scale_b), d, ends, use_psum_layout=True,
                                           expected_m_for_psum_layout=40)
    assert difference(d[valid], expected[valid]) < LIMIT


def test_kernels_say_what_they_do():
    kernel = dgemm.compile(256, 512, layout="offsets", groups=4, row_alignment=1, accumulate=True, out="f32", assemble=False)
    assert kernel.launch["layout"] == "offsets" and kernel.launch["accumulate"]
    assert "accumulate" in kernel.problem.symbol
    assert "offsets G=4" in repr(kernel) and "row_alignment=1" in repr(kernel)


@pytest.mark.parametrize("c, message", [(np.zeros((8, 64), BF16), "c has shape"), (np.zeros((8, 128), np.float32), "c has dtype"),
                                        (3.0, "c has shape float")])
def test_refuses_another_c(c, message):
    case = make_case(8, 128, 256)
    with pytest.raises(ValueError, match=message):
        dgemm.fp8_gemm_nt((case.a, case.scale_a), (case.b, case.scale_b), case.empty(), c=c)


def test_refuses_other_offsets():
    case, ends, _, valid = grouped([3, 5], 1, tail=0)
    d = np.zeros((len(valid), 72), BF16)
    with pytest.raises(ValueError, match=r"offsets has shape \[1\]; allowed is \[2\], one for each group"):
        dgemm.m_grouped_fp8_gemm_nt_offsets((case.a, case.scale_a), (case.b, case.scale_b), d, ends[:1])
    with pytest.raises(ValueError, match="alignment is -1"):
        dgemm.m_grouped_fp8_gemm_nt_offsets((case.a, case.scale_a), (case.b, case.scale_b), d, ends, -1)


@pytest.mark.parametrize("adds", [False, True])
def test_groups_along_k(adds):
    columns, alignment = [200, 0, 128, 17], 128
    ends, start = [], 0
    for count in columns:
        ends.append(start + count)
        start = -(-ends[-1] // alignment) * alignment
    k = start
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal((rows, k)).astype(FP8) for rows in (70, 72))
    scale_a, scale_b = (rng.uniform(0.5, 2, (rows, k // 128)).astype(np.float32) for rows in (70, 72))
    d = rng.standard_normal((4, 70, 72)).astype(np.float32)
    expected = d.astype(np.float64) * adds
    for group, (count, end) in enumerate(zip(columns, ends)):
        padding = -(-end // 128) * 128
        a[:, end:padding] = b[:, end:padding] = 0
        one, other = (x[:, end - count:end].astype(np.float64) * np.repeat(s, 128, 1)[:, end - count:end]
                      for x, s in ((a, scale_a), (b, scale_b)))
        expected[group] += one @ other.T
    dgemm.k_grouped_fp8_gemm_nt_offsets((a, scale_a), (b, scale_b), d, np.array(ends, np.int32), d if adds else None)
    assert difference(d, expected) < LIMIT
    assert adds or (d[1] == 0).all()


def test_one_kernel_for_every_k():
    """What groups of tokens have differs from step to step."""
    from dgemm import _launch
    from dgemm._problem import Recipe

    kernels = set()
    for k in (128, 384):
        a, b = np.zeros((8, k), FP8), np.zeros((16, k), FP8)
        views = [np.zeros((rows, k // 128), np.float32) for rows in (8, 16)]
        operands = _launch.view_all(("a", "b", "c", "d", "e", "offsets"),
                                    (a, views[0], b, views[1], np.zeros((2, 8, 16), np.float32), np.zeros(2, np.int32)))
        problem, sizes = _launch.analyze(operands, "k_grouped", 128, Recipe("1x128", "1x128", any_k=True))
        assert sizes["K"] == k
        kernels.add(problem.symbol)
    assert kernels == {"dgemm_fp8_gemm_k_grouped_g2_e4m3_1x128_e4m3_1x128_f32_n16_kx"}


def test_refuses_other_groups_along_k():
    a, b = np.zeros((8, 256), FP8), np.zeros((16, 256), FP8)
    scale_a, scale_b, d = np.zeros((8, 2), np.float32), np.zeros((16, 2), np.float32), np.zeros((3, 8, 16), np.float32)
    for arguments, message in (((d, np.zeros(2, np.int32)), r"offsets has shape \[2\]; allowed is \[3\]"),
                               ((d[0], np.zeros(3, np.int32)), "d has 2 dimensions"),
                               ((d, np.zeros(3, np.int32), None, 64), "alignment is 64; allowed are multiples of 128")):
        with pytest.raises(ValueError, match=message):
            dgemm.k_grouped_fp8_gemm_nt_offsets((a, scale_a), (b, scale_b), *arguments)
    with pytest.raises(ValueError, match="row_alignment is 64; allowed are multiples of 128 with layout 'k_grouped'"):
        dgemm.compile(256, 512, layout="k_grouped", groups=2, row_alignment=64, assemble=False)
