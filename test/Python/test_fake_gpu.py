"""The paths of torch, CuPy and JAX where there is no GPU: with stand-ins for the libraries and for the driver."""

from __future__ import annotations

from conftest import run_with_fake_driver
from test_launch import SETUP as LAUNCH

SETUP = "from fakes import CudaArray, JaxArray, Tensor, torch\n" + LAUNCH + """
import dgemm
from dgemm import _jit, _launch, _settings

class Stub:
    "What _jit.get would have compiled; the driver's stand-in multiplies."
    config = "<a config>"
    prepare = staticmethod(lambda device, sizes, most: kernel.prepare(device, sizes, most))

compiled = []
_jit.get = lambda problem, config, assembler: compiled.append((problem, config)) or Stub

def error(call, kind):
    try:
        call()
    except kind as caught:
        return str(caught)
    raise AssertionError("no error")
"""


def run(tmp_path, code):
    result = run_with_fake_driver(tmp_path, SETUP + code)
    assert result.returncode == 0, result.stderr


def test_every_library_multiplies(tmp_path):
    run(tmp_path, """
for make_tensor in (Tensor, CudaArray):
    case, arrays = make(8)
    a, scale_a, b, scale_b, d = [make_tensor(array) for array in arrays]
    for _ in range(3):
        arrays[4][...] = np.nan
        dgemm.fp8_gemm_nt((a, scale_a), (b, scale_b), d)
        assert difference(arrays[4], case.expected) < LIMIT, make_tensor
case, arrays = make(8)
scale_a = aligned(case.scale_a)     # JAX has no strides; what the stand-in for a driver reads is M innermost
a, scale, b, scale_b, d = [JaxArray(array) for array in (arrays[0], scale_a, *arrays[2:])]
dgemm.fp8_gemm_nt((a, scale), (b, scale_b), d)
assert not np.isnan(arrays[4].astype(np.float32)).any()
assert len(compiled) == 2 and [problem.scale_a_k_innermost for problem, _ in compiled] == [False, True]
""")


def test_the_second_call_looks_at_nothing(tmp_path):
    run(tmp_path, """
case, arrays = make(8)
a, scale_a, b, scale_b, d = [Tensor(array) for array in arrays]
dgemm.fp8_gemm_nt((a, scale_a), (b, scale_b), d)
_launch.analyze = _launch.view_all = None
dgemm.fp8_gemm_nt((a, scale_a), (b, scale_b), d)
assert difference(arrays[4], case.expected) < LIMIT
dgemm.set_pdl(True)     # a setting that launches depend on
assert "NoneType" in error(lambda: dgemm.fp8_gemm_nt((a, scale_a), (b, scale_b), d), TypeError)
dgemm.set_pdl(False)
""")


def test_operators_of_torch(tmp_path):
    run(tmp_path, """
case, arrays = make(8)
a, scale_a, b, scale_b, d = [Tensor(array) for array in arrays]
torch.ops.dgemm.fp8_gemm_nt(a, scale_a, b, scale_b, d)
assert difference(arrays[4], case.expected) < LIMIT
called = []
torch.ops.dgemm.fp8_gemm_nt = lambda *tensors: called.append(len(tensors))
a.is_meta = True     # holds no data, as the tensors of tracers; of a shape that was not seen before
other = Tensor(arrays[4][:7])
dgemm.fp8_gemm_nt((a, scale_a), (b, scale_b), other)
assert called == [10]
torch.compiler.is_dynamo_compiling = lambda: True
import dgemm._gemm
dgemm._gemm.TRACER.see_torch()
""")


def test_dtypes_have_names(tmp_path):
    run(tmp_path, """
import ml_dtypes
case, arrays = make(8)
_, scale_a, b, scale_b, d = [Tensor(array) for array in arrays]
for dtype in (ml_dtypes.float8_e4m3fnuz, np.float16, np.uint32, np.bool_):
    a = Tensor(np.zeros((8, K), dtype))
    message = error(lambda: dgemm.fp8_gemm_nt((a, scale_a), (b, scale_b), d), TypeError)
    assert message == f"a[0] has dtype {np.dtype(dtype).name}; allowed are float8_e4m3fn and float8_e5m2", message
a = CudaArray(np.zeros((8, K), ">u2"))
assert "a[0] has dtype >u2" in error(lambda: dgemm.fp8_gemm_nt((a, scale_a), (b, scale_b), d), TypeError)
wide = CudaArray(np.zeros((8, 2), np.float32), strides=(6, 4))
a = CudaArray(arrays[0])
assert "a[1] has strides of [6, 4] bytes; allowed are multiples of its 4-byte elements" in error(
    lambda: dgemm.fp8_gemm_nt((a, wide), (b, scale_b), d), ValueError)
assert "a[0] is a JAX array on cpu" in error(
    lambda: dgemm.fp8_gemm_nt((JaxArray(arrays[0], "cpu"), scale_a), (b, scale_b), d), ValueError)
""")


def test_k_of_zero_zeroes_d(tmp_path):
    run(tmp_path, """
for make_tensor in (Tensor, CudaArray, JaxArray):
    room = aligned(np.full((8, 48), 7, np.float32).astype(make(8)[0].empty().dtype))
    out = room if make_tensor is JaxArray else room[:, :32]
    n = out.shape[1]
    a, b = aligned(make(8)[0].a)[:, :0], aligned(np.zeros((n, 0), make(8)[0].a.dtype))
    scale_a, scale_b = aligned(np.zeros((8, 0), np.float32)), aligned(np.zeros((1, 0), np.float32))
    dgemm.fp8_gemm_nt((make_tensor(a), make_tensor(scale_a)), (make_tensor(b), make_tensor(scale_b)), make_tensor(out))
    assert (out == 0).all() and (room[:, n:] == 7).all(), make_tensor
assert compiled == []
""")


def test_the_driver_names_the_machine(tmp_path):
    run(tmp_path, """
import os
chosen = []
_jit.choose_config = lambda problem, m, expected_m, count, machine: chosen.append((count, machine)) or "config"
case, arrays = make(8)
a, scale_a, b, scale_b, d = [Tensor(array) for array in arrays]
for name, machine in ("NVIDIA H200", "h200"), ("NVIDIA H100 PCIe", "h100-pcie"), ("Fake", "h100"):
    os.environ["FAKE_CUDA_NAME"] = name
    assert _dgemm.device_info(0)["machine"] == machine
    dgemm.set_num_sms(4 + len(chosen))
    dgemm.fp8_gemm_nt((a, scale_a), (b, scale_b), d)
assert chosen == [(4, "h200"), (5, "h100-pcie"), (6, "h100")], chosen
""")


def test_expected_m(tmp_path):
    run(tmp_path, """
case, arrays = make(8)
groups = aligned(np.array([8], np.int32))
tensors = [Tensor(array[None]) for array in arrays] + [Tensor(groups)]
def call(expected_m):
    a, scale_a, b, scale_b, d, masked_m = tensors
    dgemm.m_grouped_fp8_gemm_nt_masked((a, scale_a), (b, scale_b), d, masked_m, expected_m)
for wrong in (2.5, "8", None, -1, 2**31, 2**70, [8], True):
    message = error(lambda: call(wrong), ValueError)
    assert message == f"expected_m is {wrong!r}; allowed are integers of 0 to 2147483647", message
chosen = []
_jit.choose_config = lambda problem, m, expected_m, count, machine: chosen.append(expected_m) or "config"
class Launched(Exception): pass
def stop(*_): raise Launched
_jit.get = stop
for good in (8, np.int64(8), np.int32(8)):
    error(lambda: call(good), Launched)
assert chosen == [8] * 3 and all(type(m) is int for m in chosen)
""")


def test_check_groups(tmp_path):
    run(tmp_path, """
good = np.repeat(np.array([0, 1], np.int32), 128)
bad = good.copy()
bad[100:128] = 1
for make_tensor in (Tensor, CudaArray):
    dgemm.check_groups(make_tensor(good), 2)
    assert "m_indices[100] is 1 after 0 in row 99" in error(lambda: dgemm.check_groups(make_tensor(bad), 2), ValueError)
assert "m_indices is a builtins.list" in error(lambda: dgemm.check_groups([0, 1], 2), TypeError)
""")


def test_compile_only(tmp_path):
    run(tmp_path, """
case, arrays = make(8)
a, scale_a, b, scale_b, d = [Tensor(array) for array in arrays]
loaded = []
Stub.load = staticmethod(loaded.append)
dgemm.fp8_gemm_nt((a, scale_a), (b, scale_b), d)
arrays[4][...] = 7
dgemm.set_compile_only(True)
dgemm.fp8_gemm_nt((a, scale_a), (b, scale_b), d)     # though it is known
assert loaded == [0] and (arrays[4] == 7).all()
dgemm.set_compile_only(False)
dgemm.fp8_gemm_nt((a, scale_a), (b, scale_b), d)
assert difference(arrays[4], case.expected) < LIMIT
""")


def test_settings_of_the_device(tmp_path):
    run(tmp_path, """
assert dgemm.get_num_sms() == 4
torch.cuda = type(torch)("cuda")
torch.cuda.is_initialized = lambda: True
torch.cuda.current_device = lambda: 0
assert dgemm.get_num_sms() == 4
loaded = []
Stub.config, Stub.load = "config", staticmethod(loaded.append)
count = len(dgemm.precompile(N, K, m=8, scale_a="mn", progress=False))
assert loaded == [0] * count and count == 1
""")
