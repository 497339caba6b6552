"""The pass of Inductor's: what follows a product and becomes its epilogue, computed on the emulator."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("torch._inductor.custom_graph_pass")

from torch._subclasses.fake_tensor import FakeTensorMode  # noqa: E402
from torch.fx.experimental.proxy_tensor import make_fx  # noqa: E402
from torch.fx.experimental.symbolic_shapes import ShapeEnv  # noqa: E402
from test_inductor import hopper, rows, scales  # noqa: E402, F401

import dgemm.torch  # noqa: E402
from dgemm import _epilogue, _matmul, _override, _torch_ops, _trace  # noqa: E402

MINE = torch.ops.dgemm.scaled_mm.default
WITH_EPILOGUE = torch.ops.dgemm.scaled_mm_epilogue.default
BF16, E4M3 = torch.bfloat16, torch.float8_e4m3fn
F = torch.nn.functional
M, N, K = 32, 128, 256


def to_numpy(tensor):
    import ml_dtypes

    small = {E4M3: (torch.uint8, ml_dtypes.float8_e4m3fn), BF16: (torch.uint16, ml_dtypes.bfloat16)}.get(tensor.dtype)
    return tensor.numpy() if small is None else tensor.view(small[0]).numpy().view(small[1])


@pytest.fixture
def emulator(monkeypatch):
    """The operators on the CPU, as dgemm has them for NumPy."""
    monkeypatch.setattr(_override, "is_hopper", lambda device: True)

    def multiply(a, b, scale_a, recipe_a, scale_b, recipe_b, out, accuracy, text, operands):
        epilogue = _epilogue.Epilogue(_trace.load(text), tuple(to_numpy(_torch_ops._packed(each)) for each in operands))
        result = _matmul.multiply(to_numpy(a), to_numpy(b.t()).T, to_numpy(scale_a), recipe_a, to_numpy(scale_b), recipe_b, out,
                                 accuracy, epilogue=epilogue)
        return torch.from_numpy(result.view(np.uint16)).view(BF16) if out == "bf16" else torch.from_numpy(result)

    library = torch.library.Library("dgemm", "IMPL")
    library.impl("scaled_mm_epilogue", multiply, "CPU")
    yield
    library._destroy()


def lower(function, *arguments, epilogues=True):
    """The graph of a function as Inductor has it behind its patterns, behind the pass."""
    from torch._inductor.decomposition import select_decomp_table

    module = make_fx(function, decomposition_table=select_decomp_table(), tracing_mode="fake")(*arguments)
    dgemm.torch.inductor_pass(epilogues=epilogues)(module.graph)
    module.graph.eliminate_dead_code()
    module.graph.lint()
    module.recompile()
    return module


def count(module, target):
    return sum(node.target is target for node in module.graph.nodes)


def product(a, b, scale_a, scale_b, **keywords):
    return torch.ops.aten._scaled_mm(a, b.t(), scale_a, scale_b, out_dtype=BF16, **keywords)


def make_operands():
    generator = torch.Generator().manual_seed(1)
    halves = lambda *shape: torch.randint(-2, 3, shape, generator=generator).mul(0.5).to(E4M3)  # noqa: E731: sums are exact
    return halves(M, K), halves(N, K), torch.full((1, 1), 0.5), torch.full((1, 1), 0.5)


def silu_of_views(x, bias, residual, row):
    return torch.nn.functional.silu(x.view(4, 8, N) + bias) * row.view(4, 8, 1) + residual.view(4, 8, N)


EPILOGUES = {
    "relu": lambda x, *_: F.relu(x), "silu": lambda x, *_: F.silu(x), "gelu": lambda x, *_: F.gelu(x),
    "gelu by tanh": lambda x, *_: F.gelu(x, approximate="tanh"), "sigmoid": lambda x, *_: torch.sigmoid(x),
    "tanh": lambda x, *_: torch.tanh(x), "leaky_relu": lambda x, *_: F.leaky_relu(x), "hardswish": lambda x, *_: F.hardswish(x),
    "elu": lambda x, *_: F.elu(x), "softplus": lambda x, *_: F.softplus(x), "mish": lambda x, *_: F.mish(x),
    "square of relu": lambda x, *_: F.relu(x)**2, "both signs": lambda x, *_: torch.where((x > 1) | ~(x >= -1), x, 0.5 * x),
    "float": lambda x, *_: x.float(), "half": lambda x, *_: (x * 2).half(), "alpha": lambda x, *_: torch.sub(x, x, alpha=0.25),
    "bias": lambda x, bias, *_: x + bias, "bias, relu": lambda x, bias, *_: F.relu(x + bias),
    "row": lambda x, bias, residual, row: x * row, "residual": lambda x, bias, residual, row: x + residual,
    "one": lambda x, bias, *_: x * bias[:1] + bias[3], "row of a matrix": lambda x, bias, *_: x / (2 + bias.view(1, N).abs()),
    "constant": lambda x, *_: torch.maximum(x, torch.full((), 0.5, dtype=BF16)),
    "views": silu_of_views,
}


@pytest.mark.parametrize("name", EPILOGUES)
def test_epilogue(emulator, name):
    """All of it is in the kernel, and is what torch computes of the sum, but for one rounding."""
    function, operands = EPILOGUES[name], make_operands()
    others = torch.randn(N).to(BF16), torch.randn(M, N).to(BF16), torch.rand(M, 1)
    module = lower(lambda a, b, x, y, *others: function(product(a, b, x, y), *others), *operands, *others)
    assert count(module, torch.ops.aten._scaled_mm.default) == 0
    behind = next(node for node in module.graph.nodes if node.target in (WITH_EPILOGUE, MINE)).users
    assert all(user.op == "output" or user.target is torch.ops.aten.reshape.default for user in behind)
    if count(module, MINE):
        assert name == "float"  # for which the kernel stores another type
        return
    a, b, x, y = operands
    expected = function((a.float() @ b.float().t()) * (x * y), *others)
    result = module(*operands, *others)
    assert result.shape == expected.shape and result.dtype == function(product(*operands), *others).dtype
    torch.testing.assert_close(result.float(), expected.float(), rtol=2**-8, atol=2e-4)


def test_bias_of_the_operator(emulator):
    operands, bias = make_operands(), torch.randn(N).to(BF16)
    module = lower(lambda a, b, x, y, bias: F.relu(product(a, b, x, y, bias=bias)), *operands, bias)
    a, b, x, y = operands
    assert count(module, WITH_EPILOGUE) == 1 and count(module, torch.ops.aten.relu.default) == 0
    expected = F.relu((a.float() @ b.float().t()) * (x * y) + bias)
    torch.testing.assert_close(module(*operands, bias).float(), expected, rtol=2**-8, atol=1e-4)


def total_of(x, *_):
    return x, F.relu(x)


def row_of_itself(x, *_):
    return F.relu(x) * x.sum(1, keepdim=True)


def needed_twice(x, *_):
    y = F.relu(x)
    return y * y.sin()


def nine_operands(x, *_):
    for _ in range(9):
        x = x + torch.ones(N, dtype=BF16).cumsum(0)
    return x


@pytest.mark.parametrize("function, inside", [
    (total_of, 0), (row_of_itself, 0), (lambda x, *_: torch.sin(x), 0), (lambda x, bias, residual, row: x.view(4, 8, N) + residual[:8], 0),
    (lambda x, *_: x.double() + 1, 0), (lambda x, *_: (x + 1).sin(), 1), (needed_twice, 1),
    (lambda x, *_: (x + 1).view(M // 2, 2 * N) + 1, 1), (lambda x, *_: x ** 2.5, 0), (lambda x, bias, *_: x > bias, 0),
    (nine_operands, 1), (lambda x, *_: (x.float() + 1).sum(1), 0), (lambda x, *_: (x.float() + 1).half().sum(1), 1),
], ids=["product is needed", "row of itself", "sin", "part of the rows", "double", "up to sin", "result is needed twice", "other columns",
        "power", "comparison", "nine operands", "wider than the product", "wider in between"])
def test_what_stays_behind(emulator, function, inside):
    operands = make_operands()
    others = torch.randn(N).to(BF16), torch.randn(M, N).to(BF16), torch.rand(M, 1)
    module = lower(lambda a, b, x, y, *others: function(product(a, b, x, y), *others), *operands, *others)
    assert (count(module, WITH_EPILOGUE), count(module, MINE)) == (inside, 1 - inside)


def test_what_is_written_in_between(emulator):
    """An operand of the product changes: the product stays in front of that."""
    def layer(a, b, x, y):
        first = product(a, b, x, y)
        x.copy_(x + 1)
        return F.relu(first)

    module = lower(layer, *make_operands())
    targets = [node.target for node in module.graph.nodes]
    assert targets.index(MINE) < targets.index(torch.ops.aten.copy_.default)


def test_without_epilogues(emulator):
    module = lower(lambda *arguments: F.relu(product(*arguments)), *make_operands(), epilogues=False)
    assert count(module, MINE) == 1 and count(module, torch.ops.aten.relu.default) == 1


def test_sizes_of_the_graph(hopper):
    """Two dimensions of rows, of any size."""
    from torch._dynamo.source import ConstantSource
    from torch.fx.experimental.symbolic_shapes import DimDynamic

    def layer(batch, length, a, scale_a, b, scale_b, bias):
        first = torch.ops.aten._scaled_mm(a, b.t(), scale_a, scale_b, out_dtype=BF16)
        return F.relu(first.view(batch, length, 512) + bias)

    with FakeTensorMode(shape_env=ShapeEnv()) as mode:
        batch, length = (mode.shape_env.create_symintnode(mode.shape_env.create_symbol(hint, ConstantSource(name), DimDynamic.DYNAMIC),
                                                          hint=hint) for name, hint in (("s", 4), ("t", 16)))
        graph = make_fx(layer)(batch, length, rows(batch * length, 1024), scales(batch * length, 1), rows(512, 1024), scales(1, 512),
                               torch.empty(512, device="cuda")).graph
    known = len(mode.shape_env.guards)
    dgemm.torch.inductor_pass()(graph)
    graph.lint()
    assert any(node.target is WITH_EPILOGUE for node in graph.nodes) and len(mode.shape_env.guards) == known
    (result,) = graph.output_node().args
    assert result.args[1][1].op == "placeholder" and len(result.meta["val"].shape) == 3
