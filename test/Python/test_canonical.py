"""Equal descriptions of a problem are one kernel, and precompile makes the kernels that calls use."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from conftest import BF16, LIMIT, difference, m_innermost, make_case

import dgemm
from dgemm import _jit
from dgemm._problem import Problem


def test_one_block_has_one_order():
    """Of the issue: neither could be launched."""
    for n, k, orders in ((80, 128, ("scale_a_k_innermost", "scale_b_n_innermost")), (128, 512, ("scale_b_n_innermost",)),
                         (512, 128, ("scale_a_k_innermost", "scale_b_n_innermost"))):
        plain = dgemm.compile(n, k, assemble=False)
        for order in orders:
            assert dgemm.compile(n, k, assemble=False, **{order: True}) is plain, (n, k, order)
    case = make_case(20, 80, 128)
    out = case.empty()
    kernel = dgemm.compile(80, 128, scale_a_k_innermost=True, assemble=False)
    kernel.launch_on(case.a, case.scale_a, case.b, case.scale_b, out)
    assert difference(out, case.expected) < LIMIT


def test_leading_dimension_of_the_row_itself():
    assert dgemm.compile(64, 256, lda=256, ldb=256, ldd=64, assemble=False) is dgemm.compile(64, 256, assemble=False)
    with pytest.raises(ValueError, match=r"lda is 255; allowed are 0, for rows without padding, and 256 \(k\) or more"):
        dgemm.compile(64, 256, lda=255)
    with pytest.raises(ValueError, match=r"ldd is 63; allowed .* 64 \(n\) or more"):
        dgemm.precompile(64, 256, ldd=63)


def test_orders_that_differ_stay_different():
    assert Problem(n=64, k=256, scale_a_k_innermost=True).canonical().scale_a_k_innermost
    assert Problem(n=256, k=256, scale_b_n_innermost=True).canonical().scale_b_n_innermost
    # With groups in front, M innermost pads M to 4 rows.
    masked = Problem(n=64, k=128, layout="masked", groups=2, scale_a_k_innermost=True)
    assert Problem(**{**masked.__dict__, "m": 7}).canonical().scale_a_k_innermost
    assert not Problem(**{**masked.__dict__, "m": 8}).canonical().scale_a_k_innermost


@pytest.fixture
def used(monkeypatch):
    """The kernels that calls take, though none is run: (problem, config)."""
    taken = set()

    class Stop(Exception):
        pass

    def get(problem, config, assembler=None):
        taken.add((problem, config))
        raise Stop

    def call(function, *arguments):
        monkeypatch.setattr(_jit, "get", get)
        with pytest.raises(Stop):
            function(*arguments)
        monkeypatch.undo()

    call.taken = taken
    return call


def padded(array: np.ndarray, columns: int) -> np.ndarray:
    room = np.zeros(array.shape[:-1] + (columns,), array.dtype)
    return room[..., :array.shape[-1]]


@pytest.mark.parametrize("n, k, scale_a, pads", [
    (80, 128, "k", (0, 0, 0)), (80, 128, "mn", (0, 0, 0)), (80, 256, "k", (0, 0, 0)), (80, 256, "mn", (320, 0, 0)),
    (80, 256, "k", (320, 512, 96)), (80, 100, "k", (0, 112, 0))])
def test_precompile_makes_what_calls_use(empty_cache, monkeypatch, used, n, k, scale_a, pads):
    lda, ldb, ldd = pads
    monkeypatch.setattr(_jit, "assemble", lambda *_: pytest.skip("unexpected"))
    made = set()

    class Kernel:
        config = ""
        load = staticmethod(lambda device: None)  # where torch has started CUDA

    def get(problem, config, assembler=None):
        made.add((problem, config))
        return Kernel

    monkeypatch.setattr(_jit, "get", get)
    dgemm.precompile(n, k, m=(1, 100), scale_a=scale_a, lda=lda, ldb=ldb, ldd=ldd, progress=False)
    for m in (1, 2, 17, 64, 100):
        case = make_case(m, n, k)
        scale = m_innermost(case.scale_a) if scale_a == "mn" else case.scale_a
        a, b, d = padded(case.a, lda or k), padded(case.b, ldb or k), padded(case.empty(), ldd or n)
        used(dgemm.fp8_gemm_nt, (a, scale), (b, case.scale_b), d)
    assert used.taken <= made
    assert {problem for problem, _ in made} == {problem for problem, _ in used.taken}


@pytest.mark.parametrize("k, max_m, innermost, lda", list(itertools.product((128, 256), (6, 8), "km", (0, 320))))
def test_precompile_of_masked_calls(empty_cache, monkeypatch, used, k, max_m, innermost, lda):
    made = set()

    class Kernel:
        config = ""
        load = staticmethod(lambda device: None)  # where torch has started CUDA

    monkeypatch.setattr(_jit, "get", lambda problem, config, assembler=None: made.add((problem, config)) or Kernel)
    dgemm.precompile(80, k, m=(1, max_m), layout="masked", groups=2, max_m=max_m,
                     scale_a={"k": "k", "m": "mn"}[innermost], lda=lda, progress=False)
    case = make_case(max_m, 80, k, a_groups=(2,), b_groups=(2,))
    scale = m_innermost(case.scale_a) if innermost == "m" else case.scale_a
    used(dgemm.m_grouped_fp8_gemm_nt_masked, (padded(case.a, lda or k), scale), (case.b, case.scale_b), case.empty(),
         np.array([1, 2], np.int32), max_m)
    assert used.taken <= made


def test_masked_strides_want_the_rows():
    with pytest.raises(ValueError, match="m is None; a masked kernel for K-innermost scales"):
        dgemm.compile(64, 256, layout="masked", groups=2, scale_a_k_innermost=True)
    with pytest.raises(ValueError, match="max_m is None; masked kernels"):
        dgemm.precompile(64, 256, layout="masked", groups=2, lda=512)
    with pytest.raises(ValueError, match="max_m is 8 with layout 'dense'"):
        dgemm.precompile(64, 256, max_m=8)


def test_a_row_of_a_padded_buffer():
    """A kernel for padded rows also takes a single one, and groups of one row each."""
    case = make_case(1, 64, 256)
    kernel = dgemm.compile(64, 256, lda=320, ldd=96, scale_a_k_innermost=True, assemble=False)
    out = padded(case.empty(), 96)
    a = padded(case.a, 320)
    a[...] = case.a
    kernel.launch_on(a, case.scale_a, case.b, case.scale_b, out)
    assert difference(out, case.expected) < LIMIT
    case = make_case(1, 64, 256, a_groups=(2,), b_groups=(2,))
    a = padded(case.a, 320)
    a[...] = case.a
    out = np.full((2, 1, 64), np.nan, BF16)
    dgemm.m_grouped_fp8_gemm_nt_masked((a, case.scale_a), (case.b, case.scale_b), out, np.ones(2, np.int32), 1)
    assert difference(out, case.expected) < LIMIT
