"""The package deep_gemm: DeepGEMM's names, and calls as serving engines make them, on the emulator with NumPy."""

from __future__ import annotations

import importlib.util
import pathlib
import re
import subprocess
import sys

import deep_gemm
import ml_dtypes
import numpy as np
import pytest
from conftest import COMPAT, FP8, LIMIT, _multiply, difference, m_innermost, make_case

import dgemm

# What the __init__.py of each version imports, and its utils and testing.
V1_0 = """gemm_fp8_fp8_bf16_nt m_grouped_gemm_fp8_fp8_bf16_nt_contiguous m_grouped_gemm_fp8_fp8_bf16_nt_masked
    wgrad_gemm_fp8_fp8_fp32_nt k_grouped_wgrad_gemm_fp8_fp8_fp32_nt ceil_div set_num_sms get_num_sms
    get_col_major_tma_aligned_tensor get_m_alignment_for_contiguous_layout bench bench_kineto calc_diff cell_div"""
V2_1 = """set_num_sms get_num_sms set_tc_util get_tc_util fp8_gemm_nt fp8_gemm_nn fp8_gemm_tn fp8_gemm_tt
    fp8_gemm_nt_skip_head_mid m_grouped_fp8_gemm_nt_contiguous m_grouped_fp8_gemm_nn_contiguous
    m_grouped_fp8_gemm_nt_masked k_grouped_fp8_gemm_nt_contiguous k_grouped_fp8_gemm_tn_contiguous bf16_gemm_nt
    bf16_gemm_nn bf16_gemm_tn bf16_gemm_tt m_grouped_bf16_gemm_nt_contiguous m_grouped_bf16_gemm_nt_masked
    cublaslt_gemm_nt cublaslt_gemm_nn cublaslt_gemm_tn cublaslt_gemm_tt einsum fp8_mqa_logits
    get_paged_mqa_logits_metadata fp8_paged_mqa_logits transform_sf_into_required_layout fp8_m_grouped_gemm_nt_masked
    bf16_m_grouped_gemm_nt_masked testing utils"""
V2_6 = V2_1 + """ set_ignore_compile_dims set_block_size_multiple_of set_pdl get_pdl fp8_fp4_gemm_nt fp8_fp4_gemm_nn
    fp8_fp4_gemm_tn fp8_fp4_gemm_tt m_grouped_fp8_fp4_gemm_nt_contiguous m_grouped_fp8_fp4_gemm_nn_contiguous
    m_grouped_fp8_fp4_gemm_nt_masked m_grouped_bf16_gemm_nn_contiguous k_grouped_bf16_gemm_tn_contiguous fp8_einsum
    fp8_fp4_mqa_logits fp8_fp4_paged_mqa_logits tf32_hc_prenorm_gemm SymmBuffer get_symm_buffer_for_mega_moe
    transform_weights_for_mega_moe fp8_fp4_mega_moe bf16_mega_moe"""
UTILS = """ceil_div align ceil_to_ue8m0 pack_ue8m0_to_int unpack_ue8m0_from_int per_token_cast_to_fp8
    per_channel_cast_to_fp8 per_block_cast_to_fp8 per_custom_dims_cast_to_fp8 per_token_cast_to_fp4 transpose_packed_fp4
    cast_back_from_fp4 get_tma_aligned_size get_mn_major_tma_aligned_tensor get_mn_major_tma_aligned_packed_ue8m0_tensor
    get_k_grouped_mn_major_tma_aligned_packed_ue8m0_tensor set_mk_alignment_for_contiguous_layout
    get_mk_alignment_for_contiguous_layout get_theoretical_mk_alignment_for_contiguous_layout
    get_m_alignment_for_contiguous_layout get_k_alignment_for_contiguous_layout init_dist uneven_all_gather"""
TESTING = """bench empty_suppress suppress_stdout_stderr bench_kineto calc_diff count_bytes assert_bitwise_equal
    get_arch_major test_filter ignore_env"""


@pytest.mark.parametrize("module, names", [("", V1_0), ("", V2_1), ("", V2_6), (".utils", UTILS), ("", UTILS),
                                           (".testing", TESTING), (".jit_kernels.utils", "get_tma_aligned_size ceil_div")])
def test_every_name(module, names):
    found = importlib.import_module("deep_gemm" + module)
    missing = [name for name in names.split() if not hasattr(found, name)]
    assert not missing


def test_found_as_a_module():
    for name in ("", ".utils", ".utils.layout", ".utils.math", ".testing", ".testing.bench", ".testing.numeric",
                 ".jit_kernels.utils"):
        assert importlib.util.find_spec("deep_gemm" + name)
    from deep_gemm.testing.bench import bench_kineto, suppress_stdout_stderr  # noqa: F401
    from deep_gemm.utils.layout import get_mn_major_tma_aligned_tensor  # noqa: F401
    assert deep_gemm.__version__ == "2.6.1"


def test_versions_agree():
    """The version stands in CMakeLists.txt alone, and the changelog begins with it."""
    root = COMPAT.parents[1]
    version = re.search(r"project\(DGemm VERSION ([0-9.]+)", (root / "CMakeLists.txt").read_text())[1]
    assert dgemm.__version__ == version
    assert re.search(r"^## ([0-9.]+)", (root / "CHANGELOG.md").read_text(), re.MULTILINE)[1] == version
    for project in (root / "pyproject.toml", COMPAT / "pyproject.toml"):
        assert 'dynamic = ["version"' in project.read_text()
        assert not re.search(r'^version\s*=', project.read_text(), re.MULTILINE)
    assert '"dgemm=={project[version]}"' in (COMPAT / "pyproject.toml").read_text()


def test_the_documented_table():
    from deep_gemm import _names

    assert _names.table() in (COMPAT.parents[1] / "docs" / "coming-from-deepgemm.md").read_text()
    for name in (*_names.OPERATIONS, *_names.BASELINES, *_names.SETTINGS, *_names.LAYOUT):
        assert callable(getattr(deep_gemm, name)) and name not in _names.UNAVAILABLE
    for name in _names.MATH:
        assert callable(getattr(deep_gemm.utils, name))
    for name in _names.TESTING:
        assert callable(getattr(deep_gemm.testing, name))


def test_what_is_not_here_says_so():
    from deep_gemm import _names

    for module, names in ((deep_gemm, _names.UNAVAILABLE), (deep_gemm.utils, _names.UNAVAILABLE_UTILS)):
        for name, reason in names.items():
            with pytest.raises(NotImplementedError, match=f"{name} is not in dgemm: {re.escape(reason)}"):
                getattr(module, name)(1, a=2)


@pytest.fixture
def case():
    return make_case(20, 64, 256)


@pytest.mark.parametrize("name", ["fp8_gemm_nt", "fp8_fp4_gemm_nt", "gemm_fp8_fp8_bf16_nt"])
def test_dense(case, name):
    out = case.empty()
    getattr(deep_gemm, name)((case.a, case.scale_a), (case.b, case.scale_b), out)
    assert difference(out, case.expected) < LIMIT


@pytest.mark.parametrize("layout", ["nt", "nn", "tn", "tt"])
def test_transposed_views(case, layout):
    out = case.empty()
    a, b = (case.a, case.scale_a), (case.b, case.scale_b)
    a = a if layout[0] == "n" else tuple(x.T for x in a)
    b = b if layout[1] == "t" else tuple(x.T for x in b)
    getattr(deep_gemm, "fp8_gemm_" + layout)(a, b, out, None, recipe=(1, 128, 128), disable_ue8m0_cast=True)
    assert difference(out, case.expected) < LIMIT
    if layout == "nn":
        with pytest.raises(ValueError, match=r"b\[0\] has strides .*; its last dimension must have stride 1"):
            deep_gemm.fp8_gemm_nn(a, (np.ascontiguousarray(b[0]), b[1]), out)


def grouped():
    case = make_case(256, 64, 128, b_groups=(2,))
    labels = np.repeat(np.array([1, 0], np.int32), 128)
    expected = np.concatenate([_multiply(case.a[rows], case.scale_a[rows], case.b[group], case.scale_b[group])
                               for group, rows in ((1, slice(0, 128)), (0, slice(128, 256)))])
    return case, labels, expected


@pytest.mark.parametrize("keyword", ["grouped_layout", "m_indices"])
def test_contiguous(keyword):
    case, labels, expected = grouped()
    for positional in (True, False):
        out = case.empty()
        arguments, keywords = ((labels,), {}) if positional else ((), {keyword: labels})
        deep_gemm.m_grouped_fp8_gemm_nt_contiguous((case.a, case.scale_a), (case.b, case.scale_b), out, *arguments, **keywords,
                                                   ensure_zero_padding=False)
        assert difference(out, expected) < LIMIT
    out = case.empty()
    deep_gemm.m_grouped_fp8_gemm_nn_contiguous((case.a, case.scale_a), (case.b.mT, case.scale_b.mT), out, labels)
    assert difference(out, expected) < LIMIT


def test_contiguous_refuses():
    case, labels, _ = grouped()
    operands = (case.a, case.scale_a), (case.b, case.scale_b), case.empty()
    for keywords, error, message in (({}, TypeError, "grouped_layout is missing"),
                                     ({"grouped_layout": labels, "m_indices": labels}, TypeError, "allowed is one of them"),
                                     ({"m_indices": labels, "labels": labels}, TypeError, "labels is not an argument"),
                                     ({"m_indices": labels, "expected_m_for_psum_layout": 1}, ValueError,
                                      "expected_m_for_psum_layout")):
        with pytest.raises(error, match=message):
            deep_gemm.m_grouped_fp8_gemm_nt_contiguous(*operands, **keywords)


def along_k():
    """Groups of K in blocks of their own, one behind the other, and what is to be added to D."""
    rng = np.random.default_rng(0)
    ks, sides, added = [256, 0, 128], [], np.zeros((3, 64, 72))
    values = [[rng.standard_normal((rows, k)).astype(FP8) for k in ks] for rows in (64, 72)]
    scales = [rng.uniform(0.5, 2, (rows, 3)).astype(np.float32) for rows in (64, 72)]
    for group, blocks in enumerate((slice(0, 2), slice(2, 2), slice(2, 3))):
        x, y = (v[group].astype(np.float64) * np.repeat(s[:, blocks], 128, 1) for v, s in zip(values, scales))
        added[group] = x @ y.T
    sides = [(np.concatenate([block.reshape(-1) for block in v]), s) for v, s in zip(values, scales)]
    return ks, sides, added


@pytest.mark.parametrize("kind", ["in place", "another c", "no c", "older"])
def test_groups_along_k(kind):
    ks, (a, b), expected = along_k()
    d = np.random.default_rng(1).standard_normal((3, 64, 72)).astype(np.float32)
    c = {"in place": d, "another c": d.copy(), "no c": None, "older": d}[kind]
    expected = expected + (0 if c is None else c)
    if kind == "older":
        deep_gemm.k_grouped_wgrad_gemm_fp8_fp8_fp32_nt((a[0], a[1].T), (b[0], b[1].T), d, ks)
    else:
        deep_gemm.k_grouped_fp8_gemm_nt_contiguous(a, b, d, ks, np.array(ks, np.int32), c)
    assert difference(d, expected) < LIMIT
    with pytest.raises(NotImplementedError, match="Blackwell"):
        deep_gemm.k_grouped_fp8_gemm_nt_contiguous(a, b, d, ks, None, c, use_psum_layout=True)


def test_a_gradient_of_weights():
    _, (a, b), _ = along_k()
    x, y = a[0][: 64 * 256].reshape(64, 256), b[0][: 72 * 256].reshape(72, 256)
    d = np.ones((64, 72), np.float32)
    expected = 1 + (x.astype(np.float64) * np.repeat(a[1][:, :2], 128, 1)) @ (y.astype(np.float64) * np.repeat(b[1][:, :2], 128, 1)).T
    deep_gemm.wgrad_gemm_fp8_fp8_fp32_nt((x, a[1][:, :2].copy()), (y, b[1][:, :2].copy()), d)
    assert difference(d, expected) < LIMIT


def test_heads_with_a_gap():
    case = make_case(20, 256, 256)
    d = np.full((20, 2 * 192), 7, ml_dtypes.bfloat16)
    deep_gemm.fp8_gemm_nt_skip_head_mid((case.a, case.scale_a), (case.b, case.scale_b), d, (96, 64, 32))
    heads, expected = d.reshape(20, 2, 192), case.expected.reshape(20, 2, 128)
    assert difference(np.concatenate([heads[:, :, :96], heads[:, :, 160:]], 2), expected) < LIMIT
    assert (heads[:, :, 96:160] == 7).all()
    with pytest.raises(ValueError, match="head_splits is \\(96, 64, 64\\)"):
        deep_gemm.fp8_gemm_nt_skip_head_mid((case.a, case.scale_a), (case.b, case.scale_b), d, (96, 64, 64))


def test_einsum():
    case = make_case(5, 128, 256, a_groups=(3,), b_groups=(3,))
    x, scale = (np.ascontiguousarray(t.swapaxes(0, 1)) for t in (case.a, case.scale_a))
    d = np.empty((5, 3, 128), ml_dtypes.bfloat16)
    deep_gemm.fp8_einsum("bhr,hdr->bhd", (x, scale), (case.b, case.scale_b), d)
    assert difference(d.swapaxes(0, 1), case.expected) < LIMIT
    plain = np.empty((5, 3, 128), np.float32)
    x, y = x.astype(np.float32), case.b.astype(np.float32)
    deep_gemm.einsum("bhr,hdr->bhd", x, y, plain, use_cublaslt=True)
    assert difference(plain, np.einsum("bhr,hdr->bhd", x.astype(np.float64), y)) < LIMIT
    with pytest.raises(NotImplementedError, match="deep_gemm.einsum of use_cublaslt=False is not in dgemm"):
        deep_gemm.einsum("bhr,hdr->bhd", x, y, plain)


def test_psum_layout():
    """The rows of padding are computed where zeros are asked for."""
    case = make_case(256, 64, 256, b_groups=(2,))
    case.a[100:128] = 0
    operands = (case.a, case.scale_a), (case.b, case.scale_b)
    ends = np.array([100, 256], np.int32)
    d = np.full((256, 64), 7, ml_dtypes.bfloat16)
    deep_gemm.m_grouped_fp8_gemm_nt_contiguous(*operands, d, ends, use_psum_layout=True, ensure_zero_padding=False)
    assert (d[100:128] == 7).all()
    padded = d.copy()
    deep_gemm.m_grouped_fp8_gemm_nt_contiguous(*operands, padded, ends, use_psum_layout=True)
    assert (padded[100:128] == 0).all() and (padded[:100] == d[:100]).all() and (padded[128:] == d[128:]).all()


@pytest.mark.parametrize("name", ["fp8_m_grouped_gemm_nt_masked", "m_grouped_fp8_gemm_nt_masked",
                                  "m_grouped_fp8_fp4_gemm_nt_masked"])
def test_masked(name):
    """As SGLang's and vLLM's experts call it, by position, with scales that get_mn_major_tma_aligned_tensor makes."""
    case = make_case(24, 64, 256, a_groups=(2,), b_groups=(2,))
    out = case.empty()
    scale_a = deep_gemm.utils.layout.get_mn_major_tma_aligned_tensor(case.scale_a)
    getattr(deep_gemm, name)((case.a, scale_a), (case.b, case.scale_b), out, np.array([24, 24], np.int32), 12)
    assert difference(out, case.expected) < LIMIT


def test_a_linear_layer_of_a_server():
    """Quantise, lay scales out, multiply: the calls of vLLM's and SGLang's block-quantised linear layers."""
    rng = np.random.default_rng(0)
    x, weight = rng.standard_normal((20, 200), np.float32), rng.standard_normal((72, 200), np.float32)
    q, scale = deep_gemm.utils.per_token_cast_to_fp8(x, use_ue8m0=False)
    w, w_scale = deep_gemm.per_block_cast_to_fp8(weight, use_ue8m0=True)
    scale = deep_gemm.get_col_major_tma_aligned_tensor(scale)
    w_scale = deep_gemm.transform_sf_into_required_layout(sf=w_scale, mn=72, k=200, recipe=(1, 128, 128), is_sfa=False,
                                                          psum_layout=None)
    out = np.zeros((20, 72), ml_dtypes.bfloat16)
    deep_gemm.fp8_gemm_nt((q, scale), (w, w_scale), out, disable_ue8m0_cast=True)
    assert difference(out, x.astype(np.float64) @ weight.T) < 1e-3


@pytest.mark.parametrize("layout", ["nt", "nn", "tn", "tt"])
def test_baselines(layout):
    rng = np.random.default_rng(0)
    a, b, c = (rng.standard_normal(shape, np.float32) for shape in ((4, 6), (5, 6), (4, 5)))
    x, y = (a if layout[0] == "n" else a.T), (b if layout[1] == "t" else b.T)
    d = np.zeros((4, 5), np.float32)
    multiply = getattr(deep_gemm, "cublaslt_gemm_" + layout)
    multiply(x, y, d)
    assert np.allclose(d, a @ b.T, atol=1e-5)
    multiply(x, y, d, c=c)
    assert np.allclose(d, a @ b.T + c, atol=1e-5)


@pytest.mark.parametrize("layout", ["dense", "contiguous", "masked"])
def test_profilers_find_the_kernels(layout):
    """DeepGEMM's tests look for 'fp8_gemm' and for 'gemm_'."""
    kernel = dgemm.compile(64, 256, layout=layout, groups=None if layout == "dense" else 2, assemble=False)
    entry = kernel.launch["entry"]
    assert "fp8_gemm_" in entry and layout in entry + " dense" and f".entry {entry}(" in kernel.ptx
    assert f"@{entry}" in kernel.mlir("problem")


def test_bench_kineto_counts_what_is_missing_as_nothing(monkeypatch):
    asked = []
    monkeypatch.setattr(dgemm.testing, "bench_kineto", lambda *arguments, **keywords: asked.append((arguments, keywords)))
    deep_gemm.bench_kineto(1, ("nvjet", "reduce"), suppress_kineto_output=True)
    assert asked == [((1, ("nvjet", "reduce")), {"suppress_kineto_output": True, "missing_ok": True})]


def test_casts():
    rng = np.random.default_rng(0)
    x = (rng.standard_normal((256, 384)) * rng.uniform(0.01, 100, (256, 1))).astype(np.float32)
    x[0] = 0
    math = deep_gemm.utils.math
    for packed, (q, scale), repeat in (
            (False, math.per_token_cast_to_fp8(x, True), lambda s: np.repeat(s, 128, 1)),
            (False, math.per_channel_cast_to_fp8(x), lambda s: np.repeat(s, 128, 0)),
            (False, math.per_block_cast_to_fp8(x), lambda s: np.repeat(np.repeat(s, 128, 0), 128, 1)),
            (False, math.per_custom_dims_cast_to_fp8(x, (0,), False), lambda s: s[:, None]),
            (True, math.per_token_cast_to_fp8(x, True, gran_k=96, use_packed_ue8m0=True), lambda s: np.repeat(s, 96, 1))):
        if packed:
            assert scale.dtype == np.int32 and scale.shape == (256, 1)
            scale = math.unpack_ue8m0_from_int(scale)
        assert q.dtype == ml_dtypes.float8_e4m3fn and q.shape == x.shape and scale.dtype == np.float32
        error = np.abs(q.astype(np.float32) * repeat(scale) - x)
        assert (error <= np.abs(x) / 16 + repeat(scale) / 512).all()
    scales = np.array([1, 1.5, 2, 3e-5, 448], np.float32)
    assert (math.ceil_to_ue8m0(scales) == [1, 2, 2, 2.0**-15, 512]).all()
    with pytest.raises(ValueError, match="not a power of two"):
        math.pack_ue8m0_to_int(np.full((1, 4), 3, np.float32))
    with pytest.raises(ValueError, match=r"x has 1 dimensions"):
        math.per_token_cast_to_fp8(x[0])


def test_helpers_of_tests(monkeypatch, capsys):
    import os

    testing = deep_gemm.testing
    x = np.zeros((3, 5), np.float32)
    assert testing.count_bytes(x, (x, None, [x])) == 180
    testing.assert_bitwise_equal(x, x.copy())
    with pytest.raises(AssertionError, match=r"1 bytes differ \(x\), first in element 7"):
        y = x.copy()
        y[1, 2] = -0.0
        testing.assert_bitwise_equal(x, y, "x")
    ran = []
    testing.test_filter(lambda: True)(ran.append)(1)
    testing.test_filter(lambda: False)(ran.append)(2)
    assert ran == [1] and "Filtered by" in capsys.readouterr().out
    monkeypatch.setenv("DG_TEST", "1")
    testing.ignore_env("DG_TEST", lambda: True)(lambda: ran.append(os.environ.get("DG_TEST")))()
    assert ran == [1, None] and os.environ["DG_TEST"] == "1"
    assert deep_gemm.get_theoretical_mk_alignment_for_contiguous_layout(expected_m=64) == 128
    deep_gemm.set_ignore_compile_dims(True)
    deep_gemm.set_block_size_multiple_of((16, 64))
    before = deep_gemm.get_num_sms()
    deep_gemm.set_num_sms(7)
    assert dgemm.get_num_sms() == 7
    deep_gemm.set_num_sms(before)


FOREIGN_TEST = """
def enumerate_cases():
    yield from ((1, 2.0), (2, 0.0))

def ask_for(cases):
    raise NotImplementedError

def test_cases():
    scores = []
    for case, seconds in enumerate_cases():
        assert case < 3
        if seconds > 0:
            scores.append(1 / seconds)
    print(sum(scores) / len(scores))

def test_of_another_gpu():
    if True:
        return
    for case in enumerate_cases():
        pass

def test_wrong():
    for case, _ in enumerate_cases():
        assert case == 1

if __name__ == '__main__':
    test_cases()
    test_of_another_gpu()
    test_wrong()
"""


def test_runner_of_foreign_tests(tmp_path):
    """scripts/gpu-deepgemm-tests.py: a function that returns early has one case, and one case may have no statistics."""
    folder = tmp_path / "9.9/tests"
    folder.mkdir(parents=True)
    (folder / "test_cases.py").write_text(FOREIGN_TEST)
    script = pathlib.Path(__file__).resolve().parents[2] / "scripts/gpu-deepgemm-tests.py"
    result = subprocess.run([sys.executable, str(script), str(tmp_path), "--output", str(tmp_path / "out")], capture_output=True, text=True)
    lines = result.stdout.splitlines()
    assert [line for line in lines if line.startswith(("ok", "failed"))] == [
        "ok       9.9-test_cases test_cases (1, 2.0)",
        "ok       9.9-test_cases test_cases (2, 0.0): but its own statistics divide by zero: print(sum(scores) / len(scores))",
        "ok       9.9-test_cases test_of_another_gpu ()",
        "ok       9.9-test_cases test_wrong (1, 2.0)",
        "failed   9.9-test_cases test_wrong (2, 0.0): AssertionError: "], result.stdout + result.stderr
    assert lines[-1] == "4 ok, 0 refused, 1 failed, 0 timeout" and result.returncode == 1
