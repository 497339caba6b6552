"""The pass of Inductor's: which calls it replaces, by graphs of tensors without data. What follows them: test_inductor_epilogue.py; what
runs on a GPU: test_torch.py."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("torch._inductor.custom_graph_pass")

from torch._subclasses.fake_tensor import FakeTensorMode  # noqa: E402
from torch.fx.experimental.proxy_tensor import make_fx  # noqa: E402
from torch.fx.experimental.symbolic_shapes import ShapeEnv  # noqa: E402

import dgemm.torch  # noqa: E402
from dgemm import _override  # noqa: E402

MINE = torch.ops.dgemm.scaled_mm.default
BF16 = torch.bfloat16
E4M3 = torch.float8_e4m3fn


@pytest.fixture
def hopper(monkeypatch):
    monkeypatch.setattr(_override, "is_hopper", lambda device: device.type == "cuda")


def rows(high, wide, dtype=E4M3):
    return torch.empty(high, wide, dtype=dtype, device="cuda")


def scales(high, wide):
    return rows(high, wide, torch.float32)


def m_innermost(high, wide):
    return scales(wide, high).t()


def apply(function, *make, first=None):
    """The graph of a function of what `make` makes, behind the pass."""
    with FakeTensorMode(shape_env=ShapeEnv()):
        arguments = [call() for call in make]
        graph = make_fx(lambda a, b, c, d: function(a, b, c, d))(*arguments)
    dgemm.torch.inductor_pass(first)(graph.graph)
    graph.graph.lint()
    return graph.graph


def find(graph):
    """The arguments of the only call of dgemm."""
    (node,) = [node for node in graph.nodes if node.target is MINE]
    assert "eager_input_vals" not in node.meta
    return node.args


def scaled_mm(a, b, scale_a, scale_b, **keywords):
    return torch.ops.aten._scaled_mm(a, b.t(), scale_a, scale_b, out_dtype=BF16, **keywords).sin()


@pytest.mark.parametrize("recipes, of_a, of_b", [
    (("tensor", "tensor"), lambda: scales(1, 1), lambda: scales(1, 1)),
    (("row", "row"), lambda: scales(64, 1), lambda: scales(1, 512)),
    (("1x128", "128x128"), lambda: m_innermost(64, 8), lambda: scales(4, 8).t()),
    (("128x128", "1x128"), lambda: scales(1, 8), lambda: scales(8, 512)),
    (("1x128", "1x128"), lambda: m_innermost(64, 8), lambda: scales(8, 512)),
])
def test_scaled_mm(hopper, recipes, of_a, of_b):
    graph = apply(scaled_mm, lambda: rows(64, 1024), lambda: rows(512, 1024), of_a, of_b)
    a, b, _, recipe_a, scale_b, recipe_b, out, accuracy = find(graph)
    assert (recipe_a, recipe_b, out, accuracy) == (*recipes, "bf16", "exact")
    assert a.op == "placeholder" and b.meta["val"].shape == (1024, 512)
    # Scales of B by 1x128 are [N, K/128] in dgemm, and [K/128, N] in torch.
    assert (scale_b.target is torch.ops.aten.permute.default) == (recipe_b == "1x128")
    assert not any(node.target is torch.ops.aten._scaled_mm.default for node in graph.nodes)


def test_fast_accumulation(hopper):
    graph = apply(lambda *x: scaled_mm(*x, use_fast_accum=True), lambda: rows(64, 1024), lambda: rows(512, 1024),
                  lambda: scales(64, 1), lambda: scales(1, 512))
    assert find(graph)[-1] == "fast"


def test_scaled_mm_v2(hopper):
    def layer(a, b, scale_a, scale_b):
        return torch.ops.aten._scaled_mm_v2(a, b.t(), [scale_a], [4], [], [scale_b.t()], [5], [], None, BF16)

    graph = apply(layer, lambda: rows(64, 1024), lambda: rows(512, 1024), lambda: m_innermost(64, 8), lambda: scales(4, 8))
    assert find(graph)[3] == "1x128" and find(graph)[5] == "128x128"


def test_any_number_of_rows(hopper):
    """Nothing is asked of M, so that the graph still serves any."""
    from torch._dynamo.source import ConstantSource
    from torch.fx.experimental.symbolic_shapes import DimDynamic

    def layer(a, scale_a, b, scale_b):
        return torch.ops.aten._scaled_mm(a, b.t(), scale_a, scale_b, out_dtype=BF16)

    with FakeTensorMode(shape_env=ShapeEnv()) as mode:
        symbol = mode.shape_env.create_symbol(64, ConstantSource("m"), DimDynamic.DYNAMIC)
        m = mode.shape_env.create_symintnode(symbol, hint=64)
        graph = make_fx(layer)(rows(m, 1024), scales(m, 1), rows(512, 1024), scales(1, 512)).graph
    known = len(mode.shape_env.guards)
    dgemm.torch.inductor_pass()(graph)
    assert find(graph)[3] == "row" and not isinstance(find(graph)[0].meta["val"].shape[0], int)
    assert len(mode.shape_env.guards) == known


@pytest.mark.parametrize("function", [
    lambda a, b, x, y: torch.ops.aten._scaled_mm(a, b.t(), x, y, out_dtype=E4M3),
    lambda a, b, x, y: a.float() @ b.float().t(),
], ids=["type of the result", "another operator"])
def test_left_alone(hopper, function):
    graph = apply(function, lambda: rows(64, 1024), lambda: rows(512, 1024), lambda: scales(64, 1), lambda: scales(1, 512))
    assert not any(node.target is MINE for node in graph.nodes)


def test_other_gpus(monkeypatch):
    monkeypatch.setattr(_override, "is_hopper", lambda device: False)
    graph = apply(scaled_mm, lambda: rows(64, 1024), lambda: rows(512, 1024), lambda: scales(64, 1), lambda: scales(1, 512))
    assert not any(node.target is MINE for node in graph.nodes)


@pytest.fixture
def torchao():
    """torchao's operator, by name: torchao itself need not be there."""
    library = torch.library.Library("ao", "FRAGMENT")
    library.define("blockwise_fp8_gemm(Tensor a, Tensor a_s, Tensor b, Tensor b_s, int block_size=128) -> Tensor")
    torch.library.register_fake("ao::blockwise_fp8_gemm", lambda a, a_s, b, b_s, block_size=128: a.new_empty(
        *a.shape[:-1], b.shape[0], dtype=BF16), lib=library)
    yield torch.ops.ao.blockwise_fp8_gemm.default
    library._destroy()


# As BlockwiseQuantLinear has the scales of A, and as Float8Tensor has them.
@pytest.mark.parametrize("shape", [(64, 8), (512, 1)])
def test_torchao(hopper, torchao, shape):
    graph = apply(torchao, lambda: rows(64, 1024), lambda: scales(*shape), lambda: rows(512, 1024), lambda: scales(4, 8))
    a, b, scale_a, recipe_a, _, recipe_b, out, _ = find(graph)
    assert (recipe_a, recipe_b, out) == ("1x128", "128x128", "bf16")
    assert b.target is torch.ops.aten.permute.default and scale_a.meta["val"].shape == (64, 8)


def test_torchao_of_more_dimensions(hopper, torchao):
    graph = apply(torchao, lambda: torch.empty(2, 32, 1024, dtype=E4M3, device="cuda"), lambda: torch.empty(2, 32, 8, device="cuda"),
                  lambda: rows(512, 1024), lambda: scales(4, 8))
    assert find(graph)[0].meta["val"].shape == (64, 1024) and find(graph)[2].meta["val"].shape == (64, 8)
    (result,) = graph.output_node().args
    assert result.meta["val"].shape == (2, 32, 512)


@pytest.mark.parametrize("scale, block_size", [((32, 16), 128), ((64, 9), 128), ((64, 8), 64)], ids=["order", "number", "block"])
def test_torchao_left_alone(hopper, torchao, scale, block_size):
    def of_a():
        return scales(*scale) if scale[0] == 64 else scales(scale[1], scale[0]).t()

    graph = apply(lambda a, a_s, b, b_s: torchao(a, a_s, b, b_s, block_size), lambda: rows(64, 1024), of_a, lambda: rows(512, 1024),
                  lambda: scales(4, 8))
    assert not any(node.target is MINE for node in graph.nodes)


def test_torchao_training(hopper):
    library = torch.library.Library("torchao", "FRAGMENT")
    library.define("blockwise_scaled_mm(Tensor a, Tensor b, Tensor a_s, int scale_recipe_a, Tensor b_s, int scale_recipe_b, "
                   "ScalarType out_dtype) -> Tensor")
    torch.library.register_fake("torchao::blockwise_scaled_mm", lambda a, b, a_s, x, b_s, y, out_dtype: a.new_empty(
        a.shape[0], b.shape[1], dtype=out_dtype), lib=library)
    try:
        graph = apply(lambda a, b, x, y: torch.ops.torchao.blockwise_scaled_mm(a, b.t(), x, 4, y.t(), 5, BF16),
                      lambda: rows(64, 1024), lambda: rows(512, 1024), lambda: m_innermost(64, 8), lambda: scales(4, 8))
        assert find(graph)[3] == "1x128" and find(graph)[5] == "128x128"
    finally:
        library._destroy()


def test_runs_behind_another_pass(hopper):
    seen = []
    graph = apply(scaled_mm, lambda: rows(64, 1024), lambda: rows(512, 1024), lambda: scales(64, 1), lambda: scales(1, 512),
                  first=lambda graph: seen.append(len(list(graph.nodes))))
    assert seen and find(graph)


def test_key_of_the_cache():
    own = dgemm.torch.inductor_pass()
    assert own.uuid() == dgemm.torch.inductor_pass().uuid() is not None
    assert dgemm.torch.inductor_pass(lambda graph: None).uuid() is None
    assert dgemm.torch.inductor_pass(own).uuid() != own.uuid()


def test_dynamo_traces_scaled_mm():
    """In torch 2.10 and 2.11 Dynamo does not know what torch.nn.functional.scaled_mm calls."""
    functional = pytest.importorskip("torch.nn.functional")
    if not hasattr(functional, "scaled_mm"):
        pytest.skip("torch has no scaled_mm")
    dgemm.torch.inductor_pass()
    recipe = functional.ScalingType.RowWise
    graphs = []

    def keep(graph, inputs):
        graphs.append(graph)
        return lambda *arguments: (torch.zeros(()),)

    def layer(a, b, scale_a, scale_b):
        return functional.scaled_mm(a, b.t(), scale_a, recipe, scale_b, recipe, output_dtype=BF16)

    a, b = torch.zeros(64, 1024).to(E4M3), torch.zeros(512, 1024).to(E4M3)
    torch.compile(layer, fullgraph=True, backend=keep)(a, b, torch.ones(64, 1), torch.ones(1, 512))
    assert "_scaled_mm_v2" in graphs[0].code


def test_compiles(monkeypatch):
    """Inductor makes code of the graph, on the CPU, where a function of this test takes the place of the kernel."""
    import shutil

    import torch._inductor.config as config

    if shutil.which("g++") is None and shutil.which("clang++") is None:
        pytest.skip("Inductor needs a C++ compiler")
    monkeypatch.setattr(_override, "is_hopper", lambda device: True)
    strides = []

    def product(a, b, scale_a, recipe_a, scale_b, recipe_b, out_type, accuracy="exact"):
        strides.append((a.stride(), b.stride()))
        return ((a.float() * scale_a) @ (b.float() * scale_b)).to(BF16)

    def product_with_epilogue(*arguments):
        *arguments, epilogue, operands = arguments
        assert "math.exp" in epilogue and operands == []
        return torch.nn.functional.silu(product(*arguments)) + 1

    library = torch.library.Library("dgemm", "IMPL")
    library.impl("scaled_mm", product, "CPU")
    library.impl("scaled_mm_epilogue", product_with_epilogue, "CPU")
    try:
        def layer(x, weight, scale_x, scale_weight):
            a = (x / scale_x).to(E4M3)
            first = torch.ops.aten._scaled_mm(a, weight.t(), scale_x, scale_weight, out_dtype=BF16)
            second = torch.ops.aten._scaled_mm(a, weight.t(), scale_x, scale_weight, out_dtype=BF16)
            return torch.nn.functional.silu(first) + 1, second.sin()

        x = torch.randn(64, 256)
        weight = torch.randn(512, 256).to(E4M3)
        scale_x, scale_weight = torch.full((1, 1), 0.5), torch.full((1, 1), 2.0)
        with config.patch(post_grad_custom_post_pass=dgemm.torch.inductor_pass(), force_disable_caches=True):
            result, _ = torch.compile(layer, fullgraph=True)(x, weight, scale_x, scale_weight)
        expected = ((x / 0.5).to(E4M3).float() * 0.5) @ (weight.float() * 2).T
        assert strides == [((256, 1), (1, 256))] * 2
        torch.testing.assert_close(result.float(), torch.nn.functional.silu(expected.to(BF16)).float() + 1, rtol=0.02, atol=0.02)
    finally:
        library._destroy()


def test_options_are_in_the_key():
    assert dgemm.torch.inductor_pass(epilogues=False).uuid() != dgemm.torch.inductor_pass().uuid()
