"""Every refusal names the argument, what it was, and what is allowed."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
from conftest import BF16, FP8, make_case, run_with_fake_driver

import dgemm


@pytest.fixture
def case():
    return make_case(8, 128, 256)


def call(case, **changes):
    given = {"a": case.a, "scale_a": case.scale_a, "b": case.b, "scale_b": case.scale_b, "d": case.empty(), **changes}
    keywords = {name: value for name, value in given.items() if name not in ("a", "scale_a", "b", "scale_b", "d")}
    dgemm.fp8_gemm_nt((given["a"], given["scale_a"]), (given["b"], given["scale_b"]), given["d"], **keywords)


@pytest.mark.parametrize("changes, error, message", [
    ({"a": np.zeros((8, 256), np.float32)}, TypeError,
     r"a\[0\] has dtype float32; allowed are float8_e4m3fn and float8_e5m2"),
    ({"d": np.zeros((8, 128), np.float64)}, TypeError, "d has dtype float64; allowed are bfloat16, float16 and float32"),
    ({"scale_a": np.zeros((8, 2), np.int32)}, TypeError, r"a\[1\] has dtype int32; allowed is float32; packed UE8M0"),
    ({"d": np.zeros((8, 120), BF16)}, ValueError, r"d has shape \[8, 120\]; allowed is \[8, 128\]"),
    ({"b": np.zeros((128, 128), FP8)}, ValueError, r"b\[0\] has shape \[128, 128\]; allowed is \[128, 256\]"),
    ({"scale_b": np.zeros((2, 2), np.float32)}, ValueError, r"b\[1\] has shape \[2, 2\]; allowed is \[1, 2\]"),
    ({"scale_a": np.zeros((2, 8), np.float32)}, ValueError, r"a\[1\] has shape \[2, 8\]; allowed is \[8, 2\]"),
    ({"a": np.zeros((1, 8, 256), FP8)}, ValueError, r"a\[0\] has 3 dimensions, shape \[1, 8, 256\]; allowed are 2"),
    ({"a": np.zeros((256, 8), FP8).T}, ValueError, r"a\[0\] has strides \[1, 8\]; its last dimension must have stride 1"),
    ({"scale_a": np.zeros((8, 4), np.float32)[:, ::2]}, ValueError, r"a\[1\] .*strides \[4, 2\]; allowed are strides"),
    ({"d": None}, TypeError, "d is a builtins.NoneType; allowed are tensors"),
    ({"a": "text"}, TypeError, r"a\[0\] is a builtins.str; allowed are tensors"),
    ({"c": np.zeros((8, 127), BF16)}, ValueError, "c has shape"),
    ({"alpha": 2.0}, ValueError, "alpha is 2.0; allowed is None"),
    ({"a": np.zeros((8, 256), np.complex64)}, TypeError, r"a\[0\] has dtype complex64; allowed are float8_e4m3fn"),
    ({"a": np.zeros((8, 256), "U1")}, TypeError, r"a\[0\] has dtype str32; allowed are float8_e4m3fn"),
    ({"a": np.zeros((8, 256), object)}, TypeError, r"a\[0\] has dtype object; allowed are float8_e4m3fn"),
    ({"a": np.zeros((8, 256), ml_dtypes.float8_e4m3fnuz)}, TypeError,
     r"a\[0\] has dtype float8_e4m3fnuz; allowed are float8_e4m3fn"),
    ({"a": np.zeros((1, 1, 1, 8, 256), FP8)}, ValueError, r"a\[0\] has 5 dimensions"),
    ({"scale_a": np.ones((8, 2), ">f4")}, TypeError, r"a\[1\] has dtype >f4, whose byte order is not that of this machine"),
    ({"scale_b": np.ones((1, 2), ">f4")}, TypeError, r"b\[1\] has dtype >f4, whose byte order"),
    ({"scale_a": np.zeros((8, 2), [("x", "f4"), ("y", "u1")])["x"]}, ValueError,
     r"a\[1\] has strides of \[10, 5\] bytes; allowed are multiples of its 4-byte elements"),
    ({"recipe": 128}, ValueError, r"recipe is 128; allowed are \(1, 128, 128\), \(1, 1, 128\)"),
    ({"recipe": (1, 1, 32)}, ValueError, r"recipe is \(1, 1, 32\); allowed are \(1, 128, 128\), \(1, 1, 128\)"),
])
def test_refused(case, changes, error, message):
    with pytest.raises(error, match=message):
        call(case, **changes)


def test_accepted_keywords_of_blackwell(case):
    call(case, recipe=(1, 128, 128), compiled_dims="mnk", disable_ue8m0_cast=True)


def test_old_names_of_arguments(case):
    with pytest.raises(TypeError, match=r"lhs\[0\] has dtype float32"):
        dgemm.gemm_fp8_fp8_bf16_nt((case.a.astype(np.float32), case.scale_a), (case.b, case.scale_b), case.empty())
    with pytest.raises(TypeError, match="out has dtype float64"):
        dgemm.gemm_fp8_fp8_bf16_nt((case.a, case.scale_a), (case.b, case.scale_b), np.zeros((8, 128), np.float64))


def test_operands_without_scales(case):
    d = case.empty()
    for a, b, error, message in (
            (case.a, (case.b, case.scale_b), TypeError, r"a is a numpy.ndarray; allowed is a pair \(A, scale\)"),
            (case.a[:2], (case.b, case.scale_b), TypeError, "a is a numpy.ndarray"),
            ((case.a, case.scale_a), None, TypeError, "b is a builtins.NoneType; allowed is a pair"),
            ((case.a, case.scale_a, 1), (case.b, case.scale_b), ValueError, "a has 3 elements; allowed is a pair"),
            ((case.a, case.scale_a), (case.b,), ValueError, "b has 1 elements; allowed is a pair")):
        with pytest.raises(error, match=message):
            dgemm.fp8_gemm_nt(a, b, d)
        with pytest.raises(error, match="lhs " if message[0] == "a" else "rhs "):
            dgemm.gemm_fp8_fp8_bf16_nt(a, b, d)
        labels = np.zeros(8, np.int32)
        with pytest.raises(error):
            dgemm.m_grouped_fp8_gemm_nt_contiguous(a, b, d, labels)
        with pytest.raises(error):
            dgemm.m_grouped_fp8_gemm_nt_masked(a, b, d, labels, 1)


@pytest.mark.parametrize("expected_m", [2.5, "8", None, -1, 2**31, 2**70, [8]])
def test_expected_m(expected_m):
    case = make_case(8, 16, 128, a_groups=(2,), b_groups=(2,))
    with pytest.raises(ValueError, match="expected_m is .*; allowed are integers of 0 to 2147483647"):
        dgemm.m_grouped_fp8_gemm_nt_masked((case.a, case.scale_a), (case.b, case.scale_b), case.empty(),
                                           np.array([8, 8], np.int32), expected_m)


def test_groups(case):
    b, scale_b = np.zeros((2, 128, 256), FP8), np.zeros((2, 1, 2), np.float32)
    with pytest.raises(ValueError, match=r"m_indices has shape \[7\]; allowed is \[8\], one for each row"):
        dgemm.m_grouped_fp8_gemm_nt_contiguous((case.a, case.scale_a), (b, scale_b), case.empty(), np.zeros(7, np.int32))
    with pytest.raises(TypeError, match="m_indices has dtype int64; allowed is int32"):
        dgemm.m_grouped_fp8_gemm_nt_contiguous((case.a, case.scale_a), (b, scale_b), case.empty(), np.zeros(8, np.int64))
    with pytest.raises(ValueError, match="expected_m_for_psum_layout is 5; allowed is None without use_psum_layout"):
        dgemm.m_grouped_fp8_gemm_nt_contiguous((case.a, case.scale_a), (b, scale_b), case.empty(), np.zeros(8, np.int32),
                                               expected_m_for_psum_layout=5)
    with pytest.raises(ValueError, match=r"offsets has shape \[8\]; allowed is \[2\], one for each group"):
        dgemm.m_grouped_fp8_gemm_nt_contiguous((case.a, case.scale_a), (b, scale_b), case.empty(), np.zeros(8, np.int32),
                                               use_psum_layout=True)


def test_read_only_output(case):
    out = case.empty()
    out.flags.writeable = False
    with pytest.raises(ValueError, match="d is a read-only array"):
        call(case, d=out)


def test_misaligned_address(case):
    wide = np.zeros(8 * 256 + 1, FP8)
    with pytest.raises(ValueError, match=r"a\[0\] starts at address 0x[0-9a-f]+; it must be a multiple of 16 bytes"):
        offset = 1 if wide.ctypes.data % 16 == 0 else 0
        call(case, a=wide[offset:offset + 8 * 256].reshape(8, 256))


FAKE_GPU = """
import dgemm
dgemm.compile(64, 128).load(0)
"""


@pytest.mark.parametrize("arch", ["89", "120"])
def test_other_gpus_are_named(tmp_path, arch):
    result = run_with_fake_driver(tmp_path, FAKE_GPU, FAKE_CUDA_ARCH=arch)
    assert f"GPU 0 'Fake' is sm_{arch}; dgemm kernels run only on sm_90a (H100, H200, GH200)" in result.stderr
    assert "DeviceError" in result.stderr


def test_no_driver():
    try:
        dgemm._dgemm.driver_version()
    except RuntimeError as error:
        assert "no NVIDIA driver" in str(error)
    else:
        pytest.skip("there is a driver")


def test_wrong_ptxas_is_named(monkeypatch, tmp_path, empty_cache):
    monkeypatch.setenv("DGEMM_PTXAS", str(tmp_path / "none"))
    with pytest.raises(dgemm.CompileError, match="no ptxas at '.*none', which DGEMM_PTXAS names"):
        dgemm.compile(64, 128)
