"""A two-layer FP8 MLP under jax.jit, and a training step of a linear layer. JAX runs it on a Hopper GPU, else on the emulator."""

import jax
import jax.numpy as jnp

import dgemm


def main():
    tokens, width, hidden = 64, 256, 512
    keys = jax.random.split(jax.random.key(0), 3)
    x = jax.random.normal(keys[0], (tokens, width))
    up, down = jax.random.normal(keys[1], (hidden, width)), jax.random.normal(keys[2], (width, hidden))
    quantized = [dgemm.jax.quantize(weight, "128x128") for weight in (up, down)]

    @jax.jit
    def mlp(x, up, down):
        # The kernels are compiled when JAX lowers this; casts and silu are XLA's.
        inner = jax.nn.silu(dgemm.jax.gemm(dgemm.jax.quantize(x), up, "f32"))
        return dgemm.jax.gemm(dgemm.jax.quantize(inner), down, "f32")

    d = mlp(x, *quantized)
    expected = jax.nn.silu(x @ up.T) @ down.T
    error = float(jnp.linalg.norm(d - expected) / jnp.linalg.norm(expected))
    print(f"relative error {error:.3f} to the product in f32")
    assert error < 0.06  # of casting to FP8 four times

    def loss(weight):
        return ((dgemm.jax.linear(x, weight) - 1)**2).mean()

    before = loss(up)
    after = loss(up - 0.05 * jax.jit(jax.grad(loss))(up) * hidden)
    print(f"loss {float(before):.1f}, after a step {float(after):.1f}")
    assert after < before


if __name__ == "__main__":
    main()
