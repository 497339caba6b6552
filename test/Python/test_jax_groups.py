"""dgemm.jax: groups, epilogues, and both under vmap, on the emulator or on the GPU that JAX has."""

from __future__ import annotations

import numpy as np
import pytest
from test_jax import difference, jax, jnp, make, stack

import dgemm.jax

G, M, N, K = 3, 256, 64, 128


def make_groups(rows, granularity="128x128", k=K, seed=20):
    """[G, rows, K], and what it stands for."""
    made = [make(rows, k, granularity, seed + 2 * group) for group in range(G)]
    return stack([pair for pair, _ in made]), np.stack([wide for _, wide in made])


def make_indices():
    """Group 2, then 0, with padding."""
    indices = np.full(M, -1, np.int32)
    indices[:100], indices[128:256] = 2, 0
    return indices


def multiply_rows(wide_a, wide_b, indices):
    return np.stack([wide_a[row] @ wide_b[group].T if group >= 0 else np.zeros(len(wide_b[0])) for row, group in enumerate(indices)])


def test_contiguous():
    (a, wide_a), (b, wide_b), indices = make(M, K, "1x128"), make_groups(N), make_indices()
    d = np.asarray(jax.jit(dgemm.jax.gemm_contiguous)(a, b, indices), np.float64)
    real = indices >= 0
    assert d.shape == (M, N) and difference(d[real], multiply_rows(wide_a, wide_b, indices)[real]) < 5e-6


@pytest.mark.parametrize("m", [64, 20])
def test_masked(m):
    (a, wide_a), (b, wide_b) = make_groups(m, "1x128", seed=1), make_groups(N)
    counts = np.array([m, 0, 7], np.int32)
    d = jax.jit(lambda a, b, counts: dgemm.jax.gemm_masked(a, b, counts, 16, "f32"))(a, b, counts)
    assert d.shape == (G, m, N) and d.dtype == jnp.float32
    for group, count in enumerate(counts):
        if count:
            assert difference(d[group, :count], wide_a[group, :count] @ wide_b[group].T) < 5e-6


def activation(x, bias, row, residual):
    return dgemm.maximum(x * row + bias, 0.0) + residual


def epilogue_of(bias, row, residual):
    return dgemm.epilogue(activation, bias=bias, row=row, residual=residual)


def make_others(*front, rows=M, seed=0):
    keys = jax.random.split(jax.random.key(seed), 3)
    return (jax.random.normal(keys[0], (*front, N)), jax.random.normal(keys[1], (*front, rows, 1)),
            jax.random.normal(keys[2], (*front, rows, N)).astype(jnp.bfloat16))


def expected_of(product, bias, row, residual):
    return np.maximum(product * np.asarray(row) + np.asarray(bias), 0) + np.asarray(residual, np.float64)


def test_epilogue():
    (a, wide_a), (b, wide_b), others = make(M, K, "1x128"), make(N, K, "128x128", 2), make_others()
    call = jax.jit(lambda a, b, *others: dgemm.jax.gemm(a, b, "f32", epilogue=epilogue_of(*others)))
    assert difference(call(a, b, *others), expected_of(wide_a @ wide_b.T, *others)) < 5e-6


def test_epilogue_of_groups():
    (a, wide_a), (b, wide_b), indices = make(M, K, "1x128"), make_groups(N), make_indices()
    bias, _, _ = make_others(G)
    _, row, residual = make_others(seed=1)
    call = jax.jit(lambda *others: dgemm.jax.gemm_contiguous(a, b, indices, "f32", epilogue=epilogue_of(*others)))
    real = indices >= 0
    expected = expected_of(multiply_rows(wide_a, wide_b, indices), np.asarray(bias)[indices], row, residual)
    assert difference(np.asarray(call(bias, row, residual))[real], expected[real]) < 5e-6

    (a, wide_a) = make_groups(32, "1x128", seed=1)
    others = make_others(G, rows=32)
    counts = np.array([32, 32, 32], np.int32)
    d = dgemm.jax.gemm_masked(a, b, counts, out_dtype="f32", epilogue=epilogue_of(*others))
    assert difference(d, expected_of(wide_a @ wide_b.swapaxes(1, 2), others[0][:, None], *others[1:])) < 5e-6


def gated_of(gate, up, row):
    return gate * up * row


def test_gated():
    """D has half as many columns as B has rows."""
    (a, wide_a), (b, wide_b), row = make(M, K, "1x128"), make(512, K, "128x128", 2), make_others()[1]
    call = lambda a, b, row: dgemm.jax.gemm(a, b, "f32", epilogue=dgemm.epilogue(gated_of, row=row))  # noqa: E731
    d = jax.jit(call)(a, b, row)
    sums = wide_a @ wide_b.T
    assert d.shape == (M, 256) and difference(d, sums[:, :256] * sums[:, 256:] * np.asarray(row)) < 5e-6
    b2, a2 = stack([b, make(512, K, "128x128", 3)[0]]), stack([a, make(M, K, "1x128", 4)[0]])
    check_vmap(call, (0, None, None), (a2, b, row), 2)
    check_vmap(call, (0, 0, None), (a2, b2, row), 2)
    with pytest.raises(ValueError, match=r"operand row of the epilogue has shape \[512\]; .* N = 256"):
        call(a, b, jnp.ones(512))


# ----------------------------------------------------------------------------
# vmap
# ----------------------------------------------------------------------------


def each_of(call, axes, arguments, size):
    """The calls one by one."""
    def pick(argument, axis, index):
        return argument if axis is None else jax.tree.map(lambda x: x[index], argument)

    return [call(*(pick(argument, axis, index) for argument, axis in zip(arguments, axes))) for index in range(size)]


def check_vmap(call, axes, arguments, size, real=slice(None)):
    together = jax.jit(jax.vmap(call, in_axes=axes))(*arguments)
    for got, expected in zip(together, each_of(call, axes, arguments, size)):
        np.testing.assert_allclose(np.asarray(got)[real], np.asarray(expected)[real], rtol=1e-5, atol=1e-5)


# A, B, bias, row, residual
@pytest.mark.parametrize("axes", [(0, None, None, 0, 0), (0, None, None, None, 0), (0, 0, 0, 0, None), (0, 0, None, None, None),
                                  (None, None, 0, None, None)])
def test_vmap_of_epilogues(axes):
    def some(index, make_one):
        return jax.tree.map(lambda *x: jnp.stack(x), *map(make_one, range(2))) if axes[index] == 0 else make_one(0)

    a, b = some(0, lambda seed: make(20, K, "1x128", seed)[0]), some(1, lambda seed: make(N, K, "128x128", 10 + seed)[0])
    others = [some(index + 2, lambda seed: make_others(rows=20, seed=seed)[index]) for index in range(3)]  # noqa: B023
    check_vmap(lambda a, b, *others: dgemm.jax.gemm(a, b, "f32", epilogue=epilogue_of(*others)), axes, (a, b, *others), 2)


def test_vmap_of_a_number():
    a, b = make(20, K, "1x128")[0], stack([make(N, K, "128x128", seed)[0] for seed in range(2)])
    call = lambda b, number: dgemm.jax.gemm(a, b, "f32", epilogue=dgemm.epilogue(lambda x, number: x * number, number=number))  # noqa: E731
    check_vmap(call, (0, 0), (b, jnp.array([2.0, 3.0])), 2)
    check_vmap(call, (0, None), (b, jnp.array([2.0])), 2)


@pytest.mark.parametrize("axes", [(0, 0, 0, 0), (0, None, None, 0)])
def test_vmap_of_masked(axes):
    a = jax.tree.map(lambda *x: jnp.stack(x), *(make_groups(16, "1x128", seed=seed)[0] for seed in (1, 40)))
    of_b = [make_groups(N, seed=seed)[0] for seed in (20, 60)]
    b = jax.tree.map(lambda *x: jnp.stack(x), *of_b) if axes[1] == 0 else of_b[0]
    counts = jnp.full((2, G), 16, jnp.int32) if axes[2] == 0 else jnp.full(G, 16, jnp.int32)
    number = jnp.array([2.0, 3.0])
    check_vmap(lambda a, b, counts, number: dgemm.jax.gemm_masked(
        a, b, counts, out_dtype="f32", epilogue=dgemm.epilogue(lambda x, number: x * number, number=number)), axes,
        (a, b, counts, number), 2)


@pytest.mark.parametrize("axes", [(0, None, None, None), (0, 0, None, None), (0, None, 0, 0), (None, 0, 0, None)])
def test_vmap_of_contiguous(axes):
    of_a, of_b = [make(M, K, "1x128", seed)[0] for seed in (0, 1)], [make_groups(N, seed=seed)[0] for seed in (20, 60)]
    a, b = stack(of_a) if axes[0] == 0 else of_a[0], stack(of_b) if axes[1] == 0 else of_b[0]
    first = make_indices()
    other = np.where(first == 2, 1, first).astype(np.int32)
    indices = jnp.stack([first, other]) if axes[2] == 0 else jnp.asarray(first)
    biases = [make_others(G, seed=seed)[0] for seed in (0, 1)]
    bias = jnp.stack(biases) if axes[3] == 0 else biases[0]
    check_vmap(lambda a, b, indices, bias: dgemm.jax.gemm_contiguous(
        a, b, indices, "f32", epilogue=dgemm.epilogue(lambda x, bias: x + bias, bias=bias)), axes, (a, b, indices, bias), 2,
        first >= 0)


def test_vmap_of_contiguous_refuses():
    a, b, indices = make(100, K, "1x128")[0], make_groups(N)[0], np.zeros(100, np.int32)
    with pytest.raises(ValueError, match="100 rows; allowed under jax.vmap is a multiple of 128"):
        jax.vmap(dgemm.jax.gemm_contiguous, in_axes=(0, None, None))(jax.tree.map(lambda x: x[None], a), b, indices)
    a = stack([make(M, K, "tensor", seed)[0] for seed in range(2)])
    with pytest.raises(ValueError, match="one scale, or one number, for all rows of a contiguous layout must not have a batch"):
        jax.vmap(lambda a: dgemm.jax.gemm_contiguous(a, b, make_indices(), recipe_a="tensor"))(a)


# ----------------------------------------------------------------------------
# Errors
# ----------------------------------------------------------------------------


def test_wrong_operands():
    a, b, indices = make(M, K, "1x128")[0], make_groups(N)[0], make_indices()
    with pytest.raises(ValueError, match=r"b\[0\] has shape \[64, 128\]; allowed is \[G, N, K\]"):
        dgemm.jax.gemm_contiguous(a, jax.tree.map(lambda x: x[0], b), indices)
    with pytest.raises(ValueError, match=r"m_indices has shape \[255\] and dtype int32; allowed is \[256\] of int32, one for each row"):
        dgemm.jax.gemm_contiguous(a, b, indices[:-1])
    masked_a = make_groups(16, "1x128")[0]
    with pytest.raises(ValueError, match=r"masked_m has shape \[3\] and dtype float32; allowed is \[3\] of int32, one for each group"):
        dgemm.jax.gemm_masked(masked_a, b, np.ones(3, np.float32))
    with pytest.raises(ValueError, match="expected_m is -1"):
        dgemm.jax.gemm_masked(masked_a, b, np.ones(3, np.int32), -1)
    with pytest.raises(ValueError, match=r"b\[0\] has shape \[2, 64, 128\]; allowed is \[3, N, 128\] with G and K of a\[0\]"):
        dgemm.jax.gemm_masked(masked_a, jax.tree.map(lambda x: x[:2], b), np.ones(3, np.int32))
    b = make(N, K, "128x128")[0]
    with pytest.raises(TypeError, match="epilogue is a function; allowed is what dgemm.epilogue returns"):
        dgemm.jax.gemm(a, b, epilogue=activation)
    with pytest.raises(TypeError, match="operand bias of the epilogue has dtype int32; allowed are float32, bfloat16 and float16"):
        dgemm.jax.gemm(a, b, epilogue=dgemm.epilogue(lambda x, bias: x + bias, bias=jnp.ones(N, jnp.int32)))
    with pytest.raises(ValueError, match=r"operand bias of the epilogue has shape \[63\]; allowed are \[N\], \[M, 1\]"):
        dgemm.jax.gemm(a, b, epilogue=dgemm.epilogue(lambda x, bias: x + bias, bias=jnp.ones(63)))
    with pytest.raises(ValueError, match="no columns; allowed is K of at least 1 with an epilogue"):
        dgemm.jax.gemm((a[0][:, :0], a[1][:, :0]), (b[0][:, :0], b[1][:, :0]), epilogue=dgemm.epilogue(lambda x: x + 1))
