#!/usr/bin/env python3
"""dgemm.jax on a Hopper GPU: results, host synchronisation, and time. usage: gpu-jax.py [--repeat 100] [--rows 4096]

Needs dgemm and JAX 0.6 or later with CUDA. test/Python/test_jax.py is run by itself (pytest).
1. A two-layer FP8 MLP under jit has the same bits as its calls one by one. Operations that XLA itself rounds differently under jit are named.
2. Calls return while the GPU still works. A profile shows as many synchronisations of the host as that of a product of XLA's own.
3. The MLP, and single products, take at most 1.05 of their kernels' own time. That time is the sum of all kernels of a call in the profile,
   and for a product also the time of the kernel when dgemm launches it.
4. With two GPUs, jax.shard_map over both is right.
PASS or FAIL for each; the exit code is 1 if one fails.
"""

import argparse
import collections
import glob
import sys
import tempfile
import time
import traceback

import jax
import jax.numpy as jnp
import numpy as np

import dgemm
import dgemm.jax
from dgemm import _dgemm, _jax, _tensors

failed = 0


def report(ok, text):
    global failed
    failed += not ok
    print(("PASS " if ok else "FAIL ") + text, flush=True)


def make(rows, k, granularity, seed):
    return dgemm.jax.quantize(jax.random.normal(jax.random.key(seed), (rows, k)), granularity)


def activate(inner):
    """The operations between the products of the MLP. They call no kernels of dgemm."""
    return dgemm.jax.quantize(jax.nn.silu(inner))


def mlp(x, up, down):
    return dgemm.jax.gemm(activate(dgemm.jax.gemm(x, up, "f32")), down, "bf16")


def make_mlp(rows):
    return make(rows, 2048, "1x128", 0), make(7168, 2048, "128x128", 1), make(2048, 7168, "128x128", 2)


def count_different(x, y):
    """Elements whose bits differ, of arrays or of tuples of them."""
    pairs = zip(jax.tree.leaves(x), jax.tree.leaves(y))
    return sum(int((np.asarray(a).view(np.uint8) != np.asarray(b).view(np.uint8)).sum()) for a, b in pairs)


def check_bits(rows):
    x, up, down = make_mlp(rows)
    jitted = jax.jit(mlp)(x, up, down)
    # The calls one by one: gemm, silu, quantize, gemm. Then with every operation of JAX by itself.
    eager = mlp(x, up, down)
    with jax.disable_jit():
        single = mlp(x, up, down)
    inner = dgemm.jax.gemm(x, up, "f32")
    product = count_different(jax.jit(lambda x, up: dgemm.jax.gemm(x, up, "f32"))(x, up), inner)
    report(not product, f"a product under jit has the bits of the call by itself ({product} bytes differ)")
    # If XLA fuses silu and quantize, it may round them differently. So they are fused in both, and the products have the same inputs.
    fused = jax.jit(activate)(inner)
    xla = count_different(fused, activate(inner))
    report(not count_different(jitted, dgemm.jax.gemm(fused, down)), "an MLP under jit has the bits of its three parts, each under jit")
    for name, result in (("calls", eager), ("operations", single)):
        different = count_different(jitted, result)
        report(not different, f"an MLP under jit has the bits of its {name} one by one ({different} bytes differ; XLA's own silu and "
               f"quantize differ in {xla} bytes)")
    wide = jnp.asarray(x[0], jnp.float32) * jnp.repeat(x[1], 128, 1)
    of_b = jnp.asarray(up[0], jnp.float32) * jnp.repeat(jnp.repeat(up[1], 128, 0), 128, 1)
    expected = jnp.matmul(wide, of_b.T, precision="highest")
    error = float(1 - 2 * jnp.vdot(inner, expected) / (jnp.vdot(inner, inner) + jnp.vdot(expected, expected)))
    report(error < 5e-6, f"a product is right: {error:.1e}")


class Profile:
    """The profile of `count` calls by JAX: calls of the driver, and microseconds of kernels, by name."""

    def __init__(self, call, count):
        call().block_until_ready()
        options = jax.profiler.ProfileOptions()
        options.python_tracer_level = 0
        with tempfile.TemporaryDirectory() as folder:
            with jax.profiler.trace(folder, profiler_options=options):
                results = [call() for _ in range(count)]
                results[-1].block_until_ready()
            (file,) = glob.glob(f"{folder}/**/*.xplane.pb", recursive=True)
            planes = list(jax.profiler.ProfileData.from_file(file).planes)
        self.driver, self.kernels, self.launches = collections.Counter(), collections.Counter(), collections.Counter()
        for plane in planes:
            for line in plane.lines:
                for event in line.events:
                    if plane.name.startswith("/host") and event.name.startswith("cu"):
                        self.driver[event.name] += 1
                    elif plane.name.startswith("/device:GPU") and line.name.startswith("Stream"):
                        self.kernels[event.name] += event.duration_ns / 1e3 / count
                        self.launches[event.name] += 1
        if not self.kernels:
            names = [(plane.name, [line.name for line in plane.lines]) for plane in planes]
            print(f"the profile shows no kernels; it has {names}", flush=True)

    @property
    def synchronisations(self):
        return sum(count for name, count in self.driver.items() if "Synchronize" in name or name in ("cuMemcpyDtoH", "cuMemcpyHtoD"))

    @property
    def us(self):
        """The time of all kernels of a call."""
        return sum(self.kernels.values())

    def describe(self):
        return ", ".join(f"{name} {us:.1f} us" for name, us in self.kernels.most_common(8))


# JAX blocks a call while 32 computations of a device are in flight (max_inflight_computations of XLA's PJRT client). So a longer row of
# calls would wait for the GPU in any case.
CALLS_IN_FLIGHT = 16


def time_row(call, wait):
    """Milliseconds until CALLS_IN_FLIGHT calls have returned, and until the GPU has done them. With `wait` the host waits in each."""
    call().block_until_ready()
    start = time.perf_counter()
    results = []
    for _ in range(CALLS_IN_FLIGHT):
        results.append(call())
        if wait:
            results[-1].block_until_ready()
    returned = time.perf_counter() - start
    results[-1].block_until_ready()
    return returned * 1e3, (time.perf_counter() - start) * 1e3


def check_return():
    """Uses products of about a millisecond, so that the GPU works for longer than the host takes to launch all of them."""
    a, b = make(8192, 8192, "1x128", 0), make(8192, 8192, "128x128", 1)
    call = jax.jit(lambda a, b: dgemm.jax.gemm(a, b))
    returned, done = time_row(lambda: call(a, b), wait=False)
    report(returned < 0.5 * done, f"{CALLS_IN_FLIGHT} calls return after {returned:.1f} ms, the GPU is done after {done:.1f} ms")
    returned, done = time_row(lambda: call(a, b), wait=True)
    report(returned >= 0.5 * done, f"calls that wait are told apart: {CALLS_IN_FLIGHT} return after {returned:.1f} of {done:.1f} ms")


def check_synchronisation(rows):
    a, b = make(rows, 7168, "1x128", 0), make(4096, 7168, "128x128", 1)
    call = jax.jit(lambda a, b: dgemm.jax.gemm(a, b))
    call(a, b).block_until_ready()
    wide = jnp.ones((rows, 4096), jnp.bfloat16)
    theirs = jax.jit(lambda x: x @ x[:4096].T)
    ours, xla = Profile(lambda: call(a, b), 20), Profile(lambda: theirs(wide), 20)
    print(f"driver calls of 20 products, dgemm's: {dict(ours.driver)}; XLA's: {dict(xla.driver)}")
    is_ours = any("fp8_gemm" in name for name in ours.kernels)
    report(is_ours and bool(ours.driver), f"the profile shows our kernel and calls of the driver: {ours.describe()}")
    report(ours.synchronisations <= xla.synchronisations,
           f"20 products synchronise the host {ours.synchronisations} times, 20 of XLA's own {xla.synchronisations} times")


def find_kernel(call, *arguments):
    """The result of `call`, which JAX lowers for the first time, and the kernel in it."""
    found, find = [], _jax.find_kernel
    _jax.find_kernel = lambda *problem: found.append(find(*problem)) or found[-1]
    try:
        result = call(*arguments).block_until_ready()
    finally:
        _jax.find_kernel = find
    (kernel,) = found
    return result, kernel


def time_kernel(kernel, a, b, repeat):
    """Microseconds of a launch of the kernel that JAX has compiled, in a row of them."""
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


def time_calls(call, repeat):
    """Microseconds of a call in a row of them on XLA's stream, the least of five rows: the host is ahead of the GPU."""
    best = float("inf")
    for _ in range(5):
        call().block_until_ready()
        start = time.perf_counter()
        results = [call() for _ in range(repeat)]
        results[-1].block_until_ready()
        best = min(best, (time.perf_counter() - start) / repeat * 1e6)
        del results
    return best


def check_time(rows, repeat):
    x, up, down = make_mlp(rows)
    layer = jax.jit(mlp)
    profile, best = Profile(lambda: layer(x, up, down), 20), time_calls(lambda: layer(x, up, down), repeat)
    report(best <= 1.05 * profile.us, f"MLP, M={rows}: {best:.1f} us under jit, {profile.us:.1f} us its kernels, "
           f"x{best / max(profile.us, 1e-9):.3f} ({profile.describe()})")
    for n, k in ((7168, 2048), (4096, 7168), (24576, 1536)):
        a, b = make(rows, k, "1x128", 0), make(n, k, "128x128", 1)
        call = jax.jit(lambda a, b: dgemm.jax.gemm(a, b))
        _, kernel = find_kernel(call, a, b)
        profile, best = Profile(lambda: call(a, b), 20), time_calls(lambda: call(a, b), repeat)
        alone = min(time_kernel(kernel, a, b, repeat) for _ in range(5))
        report(best <= 1.05 * max(alone, profile.us), f"M={rows} N={n} K={k}: {best:.1f} us under jit, {profile.us:.1f} us in the profile, "
               f"{alone:.1f} us by dgemm's own launches, x{best / alone:.3f}")


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
    parser.add_argument("--repeat", type=int, default=100, help="calls in a row that is timed")
    parser.add_argument("--rows", type=int, default=4096, help="M")
    options = parser.parse_args()
    print(f"{jax.devices()}, jax {jax.__version__}, dgemm {dgemm.__version__}", flush=True)
    for part in (lambda: check_bits(options.rows), check_return, lambda: check_synchronisation(options.rows),
                 lambda: check_time(options.rows, options.repeat), check_shards):
        try:
            part()
        except Exception:  # noqa: BLE001: the other parts are of use
            traceback.print_exc()
            report(False, "an exception, above")
    print(f"{failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
