"""Layouts, alignments and the helpers of tests."""

from __future__ import annotations

import numpy as np
import pytest

import dgemm


def test_sizes():
    assert dgemm.ceil_div(129, 128) == 2
    assert dgemm.get_tma_aligned_size(5, 4) == 8 and dgemm.get_tma_aligned_size(5, 1) == 16
    assert dgemm.get_m_alignment_for_contiguous_layout() == dgemm.get_mk_alignment_for_contiguous_layout() == 128
    with pytest.raises(ValueError, match="element_size is 3"):
        dgemm.get_tma_aligned_size(5, 3)


@pytest.mark.parametrize("shape", [(5, 3), (2, 7, 3), (8, 1), (1, 4)])
def test_mn_major(library, shape):
    if library.name == "jax":
        pytest.skip("JAX has no strides")
    x = np.random.default_rng(0).random(shape, np.float32)
    for function in (dgemm.get_mn_major_tma_aligned_tensor, dgemm.get_col_major_tma_aligned_tensor):
        y = function(library.put(x))
        strides = y.stride() if library.name == "torch" else [s // 4 for s in y.strides]
        assert tuple(y.shape) == shape and strides[-2] == 1 and strides[-1] == dgemm.get_tma_aligned_size(shape[-2], 4)
        assert (library.get(y) == x).all()
        assert function(y) is y


def test_mn_major_refuses():
    with pytest.raises(TypeError, match="x has dtype float64; allowed is float32"):
        dgemm.get_mn_major_tma_aligned_tensor(np.zeros((4, 4)))
    with pytest.raises(ValueError, match=r"x has shape \[4\]"):
        dgemm.get_mn_major_tma_aligned_tensor(np.zeros(4, np.float32))


def test_transform_sf(library):
    if library.name == "jax":
        pytest.skip("JAX has no strides")
    sf = library.put(np.ones((10, 3), np.float32))
    y = dgemm.transform_sf_into_required_layout(sf, mn=10, k=300, recipe=(1, 128, 128), is_sfa=True)
    assert tuple(y.shape) == (10, 3) and y is not sf
    sfb = library.put(np.ones((2, 3), np.float32))
    assert dgemm.transform_sf_into_required_layout(sfb, mn=200, k=300, recipe=(1, 128, 128)) is sfb
    with pytest.raises(ValueError, match=r"sf has shape \[10, 3\]; allowed is \[11, 3\]"):
        dgemm.transform_sf_into_required_layout(sf, mn=11, k=300, recipe=(1, 128))
    with pytest.raises(ValueError, match="recipe is"):
        dgemm.transform_sf_into_required_layout(sf, mn=10, k=300, recipe=(1, 32))


def test_calc_diff(library):
    x = np.random.default_rng(0).random((4, 4), np.float32)
    assert abs(float(dgemm.calc_diff(x, x))) < 1e-12
    assert float(dgemm.calc_diff(x, -x)) == pytest.approx(2)
    assert float(dgemm.calc_diff(x * 0, x * 0)) == 0


def test_settings_of_peers():
    dgemm.set_tc_util(80)
    assert dgemm.get_tc_util() == 80
    with pytest.raises(ValueError, match="tc_util is 101"):
        dgemm.set_tc_util(101)


def test_drop_in():
    deep_gemm = dgemm
    for name in ("gemm_fp8_fp8_bf16_nt", "m_grouped_gemm_fp8_fp8_bf16_nt_contiguous",
                 "m_grouped_gemm_fp8_fp8_bf16_nt_masked", "fp8_gemm_nt", "m_grouped_fp8_gemm_nt_contiguous",
                 "m_grouped_fp8_gemm_nt_masked", "set_num_sms", "get_num_sms", "ceil_div",
                 "get_m_alignment_for_contiguous_layout", "get_mk_alignment_for_contiguous_layout",
                 "set_mk_alignment_for_contiguous_layout", "get_tma_aligned_size", "get_col_major_tma_aligned_tensor",
                 "get_mn_major_tma_aligned_tensor", "transform_sf_into_required_layout", "calc_diff", "bench_kineto",
                 "set_pdl", "get_pdl", "set_tc_util", "get_tc_util"):
        assert callable(getattr(deep_gemm, name))
    assert deep_gemm.testing.calc_diff and deep_gemm.utils.ceil_div
