#!/usr/bin/env python3
"""dgemm.jax on a Hopper GPU: results, host synchronisation, and time. usage: gpu-jax.py [--repeat 100]

Needs the wheel of dgemm and JAX 0.6 or later with CUDA. First test/Python/test_jax.py by itself (pytest). Then a two-layer FP8 MLP
under jit against the same calls one by one, bit by bit; whether a call returns while the GPU still works; and the time of products
at M = 4096 within one jit, against the kernel launched by itself. With two GPUs, jax.shard_map over both. PASS or FAIL for each,
exit code 1 if one fails.
"""

import argparse
import sys
import time

import jax
import jax.numpy as jnp
import numpy as np

import dgemm
import dgemm.jax
from dgemm import _dgemm, _jit, _tensors

failed = 0


def report(ok, text):
    global failed
    failed += not ok
    print(("PASS " if ok else "FAIL ") + text, flush=True)


def make(rows, k, granularity, seed):
    return dgemm.jax.quantize(jax.random.normal(jax.random.key(seed), (rows, k)), granularity)


def mlp(x, up, down):
    inner = jax.nn.silu(dgemm.jax.gemm(x, up, "f32"))
    return dgemm.jax.gemm(dgemm.jax.quantize(inner), down, "bf16")


def check_bits():
    x, up, down = make(4096, 2048, "1x128", 0), make(7168, 2048, "128x128", 1), make(2048, 7168, "128x128", 2)
    jitted = np.asarray(jax.jit(mlp)(x, up, down), np.float32)
    with jax.disable_jit():  # each operation by itself, dgemm's among them
        eager = np.asarray(mlp(x, up, down), np.float32)
    report(np.array_equal(jitted, eager), f"an MLP under jit has the bits of its calls one by one ({(jitted != eager).sum()} differ)")
    wide = jnp.asarray(x[0], jnp.float32) * jnp.repeat(x[1], 128, 1)
    first = dgemm.jax.gemm(x, up, "f32")
    of_b = jnp.asarray(up[0], jnp.float32) * jnp.repeat(jnp.repeat(up[1], 128, 0), 128, 1)
    expected = jnp.matmul(wide, of_b.T, precision="highest")
    error = float(1 - 2 * jnp.vdot(first, expected) / (jnp.vdot(first, first) + jnp.vdot(expected, expected)))
    report(error < 5e-6, f"a product is right: {error:.1e}")


def check_synchronisation():
    a, b = make(4096, 7168, "1x128", 0), make(4096, 7168, "128x128", 1)
    call = jax.jit(lambda a, b: dgemm.jax.gemm(a, b))
    call(a, b).block_until_ready()
    start = time.perf_counter()
    results = [call(a, b) for _ in range(200)]
    returned = time.perf_counter() - start
    results[-1].block_until_ready()
    done = time.perf_counter() - start
    report(returned < 0.7 * done, f"200 calls return after {returned * 1e3:.1f} ms, the GPU is done after {done * 1e3:.1f} ms")


def time_kernel(a, b, repeat):
    """Microseconds of a launch of the kernel that JAX has compiled, in a row of them."""
    kernel = list(_jit._kernels.values())[-1]
    d = jnp.zeros((a[0].shape[0], b[0].shape[0]), jnp.bfloat16).block_until_ready()
    # The kernel takes scales M-innermost, which JAX has no array for: this one has as many bytes.
    scale = jnp.asarray(np.asarray(a[1]).T.copy())
    views = {"a": a[0], "scale_a": scale, "b": b[0], "scale_b": b[1], "d": d}
    addresses = [_tensors.view(name, views[name], (str(views[name].dtype),)).address for name in kernel.handle.operands]
    launch = kernel.prepare(0, {"M": a[0].shape[0]})
    for count in (10, repeat):
        _dgemm.synchronize(0, 0)
        start = time.perf_counter()
        for _ in range(count):
            launch.launch(addresses, 0)
        _dgemm.synchronize(0, 0)
    return (time.perf_counter() - start) / repeat * 1e6


def check_time(repeat):
    for n, k in ((7168, 2048), (4096, 7168), (24576, 1536)):
        a, b = make(4096, k, "1x128", 0), make(n, k, "128x128", 1)
        # Calls follow each other on XLA's stream; the host is ahead of the GPU.
        call = jax.jit(lambda a, b: dgemm.jax.gemm(a, b))
        call(a, b).block_until_ready()
        best = float("inf")
        for _ in range(5):
            start = time.perf_counter()
            results = [call(a, b) for _ in range(repeat)]
            results[-1].block_until_ready()
            best = min(best, (time.perf_counter() - start) / repeat * 1e6)
            del results
        alone = min(time_kernel(a, b, repeat) for _ in range(5))
        report(best <= 1.05 * alone, f"M=4096 N={n} K={k}: {best:.1f} us under jit, {alone:.1f} us the kernel alone, x{best / alone:.3f}")


def check_shards():
    if len(jax.devices()) < 2:
        print("one GPU: shard_map is not checked")
        return
    shard_map = getattr(jax, "shard_map", None)
    if shard_map is None:
        from jax.experimental.shard_map import shard_map
    spec = jax.sharding.PartitionSpec
    mesh = jax.sharding.Mesh(np.array(jax.devices()[:2]), ("rows",))
    a, b = make(4096, 2048, "1x128", 0), make(7168, 2048, "128x128", 1)
    call = shard_map(dgemm.jax.gemm, mesh=mesh, in_specs=((spec("rows"), spec("rows")), (spec(), spec())), out_specs=spec("rows"))
    both, alone = jax.jit(call)(a, b), dgemm.jax.gemm(a, b)
    report(len(both.sharding.device_set) == 2 and difference(both, alone) < 1e-6, "shard_map over two GPUs is right")


def difference(x, y):
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    return 1 - 2 * (x * y).sum() / (x * x + y * y).sum()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeat", type=int, default=100)
    repeat = parser.parse_args().repeat
    print(f"{jax.devices()}, jax {jax.__version__}, dgemm {dgemm.__version__}")
    check_bits()
    check_synchronisation()
    check_time(repeat)
    check_shards()
    print(f"{failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
