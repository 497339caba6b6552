"""A product of JAX arrays. Needs a Hopper GPU and JAX. A call waits for its inputs and for its result;
jax_jit.py does not."""

import jax
import jax.numpy as jnp

import dgemm


def main():
    m, n, k = 256, 512, 1024
    keys = jax.random.split(jax.random.key(0), 4)
    a = jax.random.normal(keys[0], (m, k)).astype(jnp.float8_e4m3fn)
    b = jax.random.normal(keys[1], (n, k)).astype(jnp.float8_e4m3fn)
    scale_a = jax.random.uniform(keys[2], (m, k // 128), minval=0.5)
    scale_b = jax.random.uniform(keys[3], (n // 128, k // 128), minval=0.5)
    # The result is written into the memory of d, behind JAX's back; so d is an array that nothing else shares.
    d = jnp.zeros((m, n), jnp.bfloat16).block_until_ready()
    dgemm.fp8_gemm_nt((a, scale_a), (b, scale_b), d)

    wide_a = a.astype(jnp.float32) * jnp.repeat(scale_a, 128, 1)
    wide_b = b.astype(jnp.float32) * jnp.repeat(jnp.repeat(scale_b, 128, 0), 128, 1)
    expected = jnp.matmul(wide_a, wide_b.T, precision="highest")
    error = float(dgemm.calc_diff(jnp.array(d, copy=True), expected))
    print(f"difference {error:.1e} to the product in f32")
    assert error < 5e-6


if __name__ == "__main__":
    main()
