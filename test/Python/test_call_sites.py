"""Calls of deep_gemm as serving engines make them, with NumPy on the emulator: order of arguments, keywords, layouts.

What is checked is the form of each call, which was read in the sources of vLLM (vllm/utils/deep_gemm.py), SGLang
(layers/deep_gemm_wrapper), TensorRT-LLM (modules/fused_moe/fused_moe_deepgemm.py) and Transformers (integrations, finegrained
FP8). test_compat.py has the names.
"""

from __future__ import annotations

import importlib

import deep_gemm
import numpy as np
import pytest
from conftest import BF16, FP8, LIMIT, _multiply, ceil_div, difference, make_case

from dgemm import _jit


def resolve(newer: str, older: str):
    """As vLLM looks a function up."""
    module = importlib.import_module("deep_gemm")
    return getattr(module, newer, None) or getattr(module, older)


def test_vllm():
    """Positional operands; the wrapper adds disable_ue8m0_cast to every call."""
    case = make_case(20, 128, 256)
    out = np.full((20, 128), np.nan, BF16)
    gemm = resolve("fp8_gemm_nt", "gemm_fp8_fp8_bf16_nt")
    gemm((case.a, case.scale_a), (case.b, case.scale_b), out, disable_ue8m0_cast=True)
    assert difference(out, case.expected) < LIMIT

    case = make_case(128, 128, 256, b_groups=(2,))
    labels = np.concatenate([np.full(100, 1, np.int32), np.full(28, -1, np.int32)])
    out = np.zeros((128, 128), BF16)
    grouped = resolve("m_grouped_fp8_gemm_nt_contiguous", "m_grouped_gemm_fp8_fp8_bf16_nt_contiguous")
    grouped((case.a, case.scale_a), (case.b, case.scale_b), out, labels, disable_ue8m0_cast=True)
    expected = _multiply(case.a[:100], case.scale_a[:100], case.b[1], case.scale_b[1])
    assert difference(out[:100], expected) < LIMIT

    case = make_case(16, 128, 256, a_groups=(2,), b_groups=(2,))
    out = np.full((2, 16, 128), np.nan, BF16)
    masked = resolve("fp8_m_grouped_gemm_nt_masked", "m_grouped_gemm_fp8_fp8_bf16_nt_masked")
    masked((case.a, case.scale_a), (case.b, case.scale_b), out, np.array([16, 16], np.int32), 16, disable_ue8m0_cast=True)
    assert difference(out, case.expected) < LIMIT


def test_sglang():
    """No keywords where the recipe is the usual one; the number of multiprocessors is set for a call and put back."""
    case = make_case(16, 64, 256, a_groups=(2,), b_groups=(2,))
    out = np.full((2, 16, 64), np.nan, BF16)
    before = deep_gemm.get_num_sms()
    deep_gemm.set_num_sms(4)
    try:
        deep_gemm.fp8_m_grouped_gemm_nt_masked((case.a, case.scale_a), (case.b, case.scale_b), out,
                                               np.array([16, 16], np.int32), 16, recipe_a=(1, 128), recipe_b=(128, 128))
    finally:
        deep_gemm.set_num_sms(before)
    assert difference(out, case.expected) < LIMIT


@pytest.fixture
def emulated(monkeypatch):
    """The kernels that calls run."""
    from dgemm import Kernel

    ran = []
    emulate = Kernel.emulate
    monkeypatch.setattr(Kernel, "emulate", lambda self, *rest, **more: ran.append(self) or emulate(self, *rest, **more))
    return ran


def test_warm_up_of_sglang(empty_cache, emulated):
    """Slices of buffers of the largest M, in a mode that compiles and launches nothing; afterwards nothing is compiled."""
    n, k, groups, most = 64, 256, 2, 256
    lhs = np.zeros((most, k), FP8), np.zeros((most, k // 128), np.float32)
    rhs = np.zeros((n, k), FP8), np.zeros((ceil_div(n, 128), k // 128), np.float32)
    weights = tuple(np.stack([x] * groups) for x in rhs)
    out, labels = np.full((most, n), 7, np.float32).astype(BF16), np.zeros(most, np.int32)
    masked_lhs = tuple(np.stack([x[:64]] * groups) for x in lhs)
    masked_out = np.zeros((groups, 64, n), BF16)

    old = deep_gemm.get_compile_mode()
    deep_gemm.set_compile_mode(1)
    try:
        for m in range(1, most + 1, 15):
            deep_gemm.fp8_gemm_nt((lhs[0][:m], lhs[1][:m]), rhs, out[:m])
        alignment = deep_gemm.get_mk_alignment_for_contiguous_layout()
        for m in range(alignment, most + 1, alignment):
            deep_gemm.m_grouped_fp8_gemm_nt_contiguous((lhs[0][:m], lhs[1][:m]), weights, out[:m], m_indices=labels[:m])
        for m in range(1, 65, 9):
            deep_gemm.fp8_m_grouped_gemm_nt_masked(masked_lhs, weights, masked_out, masked_m=np.zeros(groups, np.int32),
                                                   expected_m=m)
    finally:
        deep_gemm.set_compile_mode(old)
    assert not emulated and (out == 7).all()
    compiled = set(_jit._kernels)
    assert {problem.layout for problem, _, _ in compiled} == {"dense", "contiguous", "masked"}

    case = make_case(100, n, k)
    deep_gemm.fp8_gemm_nt((case.a, case.scale_a), (case.b, case.scale_b), out[:100])
    assert difference(out[:100], case.expected) < LIMIT and len(emulated) == 1
    assert set(_jit._kernels) == compiled
    with pytest.raises(ValueError, match="mode is 2; allowed are 0 and 1"):
        deep_gemm.set_compile_mode(2)


def test_tensorrt_llm():
    """Scales of A and B through transform_sf_into_required_layout by keyword, masked by position."""
    groups, m, n, k = 2, 12, 64, 256
    case = make_case(m, n, k, a_groups=(groups,), b_groups=(groups,))
    scales = [deep_gemm.transform_sf_into_required_layout(scale, mn=mn, k=k, recipe=(1, 128, 128), num_groups=groups,
                                                          is_sfa=is_sfa)
              for scale, mn, is_sfa in ((case.scale_a, m, True), (case.scale_b, n, False))]
    d = np.full((groups, m, n), np.nan, BF16)
    deep_gemm.fp8_m_grouped_gemm_nt_masked((case.a, scales[0]), (case.b, scales[1]), d, np.array([m, m], np.int32), m,
                                           disable_ue8m0_cast=True)
    assert difference(d, case.expected) < LIMIT


def test_transformers():
    """Tokens sorted by expert into rows that are padded with -1, M no multiple of anything; scales M innermost."""
    experts, n, k, alignment = 3, 256, 256, 128
    rng = np.random.default_rng(1)
    ids = np.sort(rng.integers(0, experts, 40))
    counts = np.bincount(ids, minlength=experts)
    starts = np.concatenate([[0], np.cumsum(ceil_div(counts, alignment) * alignment)])
    places = np.concatenate([start + np.arange(count) for start, count in zip(starts, counts)])
    rows = len(ids) + min(len(ids), experts) * (alignment - 1)
    labels = np.full(rows, -1, np.int32)
    labels[places] = ids

    tokens = rng.standard_normal((40, k), np.float32)
    weights = rng.standard_normal((experts, n, k), np.float32)
    q, scale = deep_gemm.utils.per_token_cast_to_fp8(tokens, use_ue8m0=False, gran_k=128)
    w, w_scale = (np.stack(parts) for parts in zip(*(deep_gemm.utils.per_block_cast_to_fp8(x, False) for x in weights)))
    act, act_scale = np.zeros((rows, k), FP8), np.zeros((rows, k // 128), np.float32)
    act[places], act_scale[places] = q, scale
    out = np.zeros((rows, n), BF16)
    deep_gemm.m_grouped_fp8_fp4_gemm_nt_contiguous(
        (act, deep_gemm.get_mn_major_tma_aligned_tensor(act_scale)), (w, w_scale), out, labels, recipe=None,
        use_psum_layout=False)
    assert difference(out[places], np.einsum("tk,tnk->tn", tokens.astype(np.float64), weights[ids])) < 1e-3

    dense = np.zeros((40, n), BF16)
    deep_gemm.fp8_fp4_gemm_nt((q, deep_gemm.get_mn_major_tma_aligned_tensor(scale)), (w[0], w_scale[0]), dense, recipe=None)
    assert difference(dense, tokens.astype(np.float64) @ weights[0].T) < 1e-3
