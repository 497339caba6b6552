"""What only torch has: streams, CUDA graphs, torch.compile, several devices, parameters."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import LIMIT, Torch, difference, make_case

import dgemm

torch = pytest.importorskip("torch")
if not torch.cuda.is_available() or torch.cuda.get_device_capability() != (9, 0):
    pytest.skip("no Hopper GPU", allow_module_level=True)


@pytest.fixture(scope="module")
def library():
    return Torch()


def put_all(library, case):
    return [library.put(x) for x in (case.a, case.scale_a, case.b, case.scale_b)] + [library.put(case.empty())]


def test_reads_torch_without_python(library):
    """The quick way takes what the slow way takes: type, device and strides."""
    from dgemm import _dgemm

    for array in (np.zeros((3, 5), np.float32), make_case(4, 16, 128).a, make_case(4, 16, 128).empty()):
        tensor = library.put(array)
        view = _dgemm.read_tensor(tensor)
        assert view is not None and view.address == tensor.data_ptr() and view.shape == tuple(tensor.shape)
        assert view.strides == tuple(tensor.stride()) and view.device == "cuda:0"
        assert view.dtype == str(tensor.dtype).removeprefix("torch.")
    assert _dgemm.read_tensor(torch.nn.Parameter(tensor, requires_grad=False)) is not None
    assert _dgemm.current_stream(tensor, 0) == torch.cuda.current_stream().cuda_stream


def test_cpu_tensors_are_refused():
    x = torch.zeros(8, 128).to(torch.float8_e4m3fn)
    with pytest.raises(ValueError, match=r"a\[0\] is a torch tensor on cpu; allowed is a CUDA device"):
        dgemm.fp8_gemm_nt((x, x), (x, x), x)


def test_current_stream(library):
    case = make_case(64, 128, 256)
    a, scale_a, b, scale_b, d = put_all(library, case)
    stream = torch.cuda.Stream()
    # The first round loads kernels, torch's among them, and loading may wait for all streams.
    for _ in range(2):
        torch.cuda.synchronize()
        with torch.cuda.stream(stream):
            torch.cuda._sleep(50_000_000)
            d.zero_()
            dgemm.fp8_gemm_nt((a, scale_a), (b, scale_b), d)
        waited = stream.query()
    assert not waited, "the call waited for the stream"
    stream.synchronize()
    assert difference(library.get(d), case.expected) < LIMIT


def test_graph_after_precompile(library):
    """Nothing but precompile comes before the capture."""
    dgemm.precompile(192, 384, m=(1, 128), progress=False, device=0)
    cases = [make_case(m, 192, 384, seed=m) for m in (3, 100)]
    tensors = [put_all(library, case) for case in cases]
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for a, scale_a, b, scale_b, d in tensors:
            dgemm.fp8_gemm_nt((a, scale_a), (b, scale_b), d)
    for _ in range(3):
        for *_, d in tensors:
            d.fill_(float("nan"))
        graph.replay()
        for case, (*_, d) in zip(cases, tensors):
            assert difference(library.get(d), case.expected) < LIMIT


def test_launches_allocate_nothing(library):
    tensors = put_all(library, make_case(64, 128, 256))
    a, scale_a, b, scale_b, d = tensors
    dgemm.fp8_gemm_nt((a, scale_a), (b, scale_b), d)
    before = torch.cuda.mem_get_info()
    for _ in range(100):
        dgemm.fp8_gemm_nt((a, scale_a), (b, scale_b), d)
    torch.cuda.synchronize()
    assert torch.cuda.mem_get_info() == before


def test_torch_compile_keeps_one_graph(library):
    case = make_case(64, 128, 256)
    a, scale_a, b, scale_b, d = put_all(library, case)

    def layer(a, scale_a, b, scale_b, d):
        dgemm.fp8_gemm_nt((a, scale_a), (b, scale_b), d)
        return d.float() + 1

    result = torch.compile(layer, fullgraph=True)(a, scale_a, b, scale_b, d)
    torch.cuda.synchronize()
    assert difference(library.get(d), case.expected) < LIMIT
    assert torch.equal(result, d.float() + 1)


def test_fake_tensors():
    from torch._subclasses.fake_tensor import FakeTensorMode

    with FakeTensorMode():
        a = torch.empty(64, 256, dtype=torch.float8_e4m3fn, device="cuda")
        b = torch.empty(128, 256, dtype=torch.float8_e4m3fn, device="cuda")
        d = torch.empty(64, 128, dtype=torch.bfloat16, device="cuda")
        dgemm.fp8_gemm_nt((a, torch.empty(64, 2, device="cuda")), (b, torch.empty(1, 2, device="cuda")), d)


def test_every_device(library):
    if torch.cuda.device_count() < 2:
        pytest.skip("one GPU")
    case = make_case(64, 128, 256)
    for device in range(torch.cuda.device_count()):
        a, scale_a, b, scale_b, d = (x.to(f"cuda:{device}") for x in put_all(library, case))
        dgemm.fp8_gemm_nt((a, scale_a), (b, scale_b), d)  # the current device stays 0
        torch.cuda.synchronize(device)
        assert difference(library.get(d), case.expected) < LIMIT
    with pytest.raises(ValueError, match=r"a\[1\] is on cuda:0, but a\[0\] is on cuda:1"):
        dgemm.fp8_gemm_nt((a, scale_a.to("cuda:0")), (b, scale_b), d)


def test_misaligned_after_a_good_call(library):
    case = make_case(8, 128, 256)
    a, scale_a, b, scale_b, d = put_all(library, case)
    dgemm.fp8_gemm_nt((a, scale_a), (b, scale_b), d)
    room = torch.zeros(8 * 256 + 16, dtype=torch.uint8, device="cuda")
    shifted = room[1:1 + 8 * 256].view(torch.float8_e4m3fn).view(8, 256)
    with pytest.raises(ValueError, match=r"a\[0\] starts at address"):
        dgemm.fp8_gemm_nt((shifted, scale_a), (b, scale_b), d)


def test_bench_kineto(library):
    a, scale_a, b, scale_b, d = put_all(library, make_case(64, 128, 256))
    seconds = dgemm.bench_kineto(lambda: dgemm.fp8_gemm_nt((a, scale_a), (b, scale_b), d), "dgemm",
                                 suppress_kineto_output=True)
    assert 1e-7 < seconds < 1e-3


def test_deep_gemm_package(library):
    """Casts, layouts and a call by DeepGEMM's names; then the cuBLASLt baseline without scales."""
    import deep_gemm

    x, weight = torch.randn(100, 512, device="cuda"), torch.randn(384, 512, device="cuda")
    q, scale = deep_gemm.utils.per_token_cast_to_fp8(x, use_ue8m0=False)
    w, w_scale = deep_gemm.utils.per_block_cast_to_fp8(weight, use_ue8m0=True)
    out = torch.full((100, 384), float("nan"), device="cuda", dtype=torch.bfloat16)
    deep_gemm.fp8_fp4_gemm_nt((q, deep_gemm.get_mn_major_tma_aligned_tensor(scale)), (w, w_scale), out)
    assert deep_gemm.calc_diff(out, x @ weight.T) < 1e-3
    plain = torch.empty_like(out)
    deep_gemm.cublaslt_gemm_nt(q, w, plain)
    assert deep_gemm.calc_diff(plain, q.float() @ w.float().T) < 1e-3
    assert deep_gemm.testing.count_bytes((q, None), out) == 100 * 512 + 100 * 384 * 2
    seconds = deep_gemm.bench_kineto(lambda: deep_gemm.fp8_gemm_nt((q, scale), (w, w_scale), out), ("fp8_gemm", "nvjet"),
                                     suppress_kineto_output=True)
    assert seconds[0] > 0 and seconds[1] == 0


def test_labels_on_the_device(library):
    labels = torch.arange(2, device="cuda", dtype=torch.int32).repeat_interleave(128)
    dgemm.check_groups(labels, 2)
    labels[100] = 1
    with pytest.raises(ValueError, match=r"m_indices\[100\] is 1 after 0"):
        dgemm.check_groups(labels, 2)


def test_compile_only(library):
    case = make_case(8, 64, 384)
    a, scale_a, b, scale_b, d = put_all(library, case)
    dgemm.set_compile_only(True)
    try:
        dgemm.fp8_gemm_nt((a, scale_a), (b, scale_b), d)
        assert torch.isnan(d).all()
    finally:
        dgemm.set_compile_only(False)
    dgemm.fp8_gemm_nt((a, scale_a), (b, scale_b), d)
    assert difference(library.get(d), case.expected) < LIMIT


def test_other_dtypes_have_names(library):
    a, scale_a, b, scale_b, d = put_all(library, make_case(8, 64, 128))
    with pytest.raises(TypeError, match=r"a\[0\] has dtype float8_e4m3fnuz; allowed are float8_e4m3fn and"):
        dgemm.fp8_gemm_nt((a.view(torch.float8_e4m3fnuz), scale_a), (b, scale_b), d)


def make_rowwise(m=64, n=512, k=1024):
    a, b = (torch.randn(rows, k, device="cuda").to(torch.float8_e4m3fn) for rows in (m, n))
    return a, b.t(), torch.rand(m, 1, device="cuda") + 0.5, torch.rand(1, n, device="cuda") + 0.5


def test_override_of_scaled_mm():
    """scripts/gpu-scaled-mm.py has every recipe."""
    a, b, scale_a, scale_b = make_rowwise()
    expected = (a.double() * scale_a) @ (b.double() * scale_b)
    theirs = torch._scaled_mm(a, b, scale_a, scale_b, out_dtype=torch.bfloat16)
    direct = dgemm.scaled_mm(a, b, scale_a, "RowWise", scale_b, torch.nn.functional.ScalingType.RowWise,
                             output_dtype=torch.bfloat16)
    assert float(dgemm.calc_diff(direct.double(), expected)) < LIMIT
    with dgemm.torch.override_scaled_mm(), dgemm.torch.override_scaled_mm():
        assert torch.equal(torch._scaled_mm(a, b, scale_a, scale_b, out_dtype=torch.bfloat16), direct)
        bias = torch.randn(512, device="cuda", dtype=torch.bfloat16)
        with_bias = torch._scaled_mm(a, b, scale_a, scale_b, bias=bias, out_dtype=torch.bfloat16)
        assert float(dgemm.calc_diff(with_bias.double(), expected + bias.double())) < LIMIT
        with pytest.raises(Exception, match="nvalid scaling configuration"):
            torch._scaled_mm(a, b, scale_a[:3], scale_b, out_dtype=torch.bfloat16)
        compiled = torch.compile(lambda *x: torch._scaled_mm(*x, out_dtype=torch.bfloat16).float() + 1, fullgraph=True)
        assert torch.equal(compiled(a, b, scale_a, scale_b), direct.float() + 1)
    assert torch.equal(torch._scaled_mm(a, b, scale_a, scale_b, out_dtype=torch.bfloat16), theirs)


def test_fake_tensors_of_scaled_mm():
    from torch._subclasses.fake_tensor import FakeTensorMode

    with FakeTensorMode():
        d = dgemm.scaled_mm(*make_rowwise()[:2], torch.ones(64, 1, device="cuda"), "row", torch.ones(1, 512, device="cuda"), "row",
                            output_dtype=torch.float16)
        assert d.shape == (64, 512) and d.dtype is torch.float16


def test_torch_compile_keeps_scaled_mm():
    a, b, scale_a, scale_b = make_rowwise()
    recipe = torch.nn.functional.ScalingType.RowWise

    def layer(a, b, scale_a, scale_b):
        return dgemm.scaled_mm(a, b, scale_a, recipe, scale_b, recipe, output_dtype=torch.float32) + 1

    assert torch.equal(torch.compile(layer, fullgraph=True)(a, b, scale_a, scale_b), layer(a, b, scale_a, scale_b))
