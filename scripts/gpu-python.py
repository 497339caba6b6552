#!/usr/bin/env python3
"""Checks of the Python package on a Hopper GPU; run by gpu-python.sh. Each part exits with 1 if it fails.

graph       a captured masked GEMM, 1000 replays with changing masked_m, each checked bit by bit
overhead    microseconds on the host of a repeated call, compared with DeepGEMM's if it can be imported
first-call  milliseconds of the first call of a shape, with an empty and with a warm disk cache
threads     8 threads, 1000 mixed shapes each, results checked, resident memory flat after the first round
"""

from __future__ import annotations

import gc
import os
import statistics
import subprocess
import sys
import tempfile
import time

import torch

import dgemm

MAX_OVERHEAD_US = 6.0
MAX_FIRST_CALL_MS = 600.0
MAX_WARM_CALL_MS = 10.0
MAX_GROWTH_MB = 16


def make(m, n, k, a_groups=(), b_groups=(), mn_major=True, seed=0):
    generator = torch.Generator("cuda").manual_seed(seed)
    options = {"device": "cuda", "generator": generator}
    a = torch.randn(*a_groups, m, k, **options).to(torch.float8_e4m3fn)
    b = torch.randn(*b_groups, n, k, **options).to(torch.float8_e4m3fn)
    scale_a = torch.rand(*a_groups, m, -(-k // 128), **options) + 0.5
    scale_b = torch.rand(*b_groups, -(-n // 128), -(-k // 128), **options) + 0.5
    if mn_major:
        scale_a = dgemm.get_mn_major_tma_aligned_tensor(scale_a)
    return (a, scale_a), (b, scale_b), torch.full((*a_groups, m, n), float("nan"), device="cuda", dtype=torch.bfloat16)


def reference(lhs, rhs):
    (a, scale_a), (b, scale_b) = lhs, rhs
    k, n = a.shape[-1], b.shape[-2]
    a = a.float() * scale_a.repeat_interleave(128, -1)[..., :k]
    b = b.float() * scale_b.repeat_interleave(128, -1)[..., :k].repeat_interleave(128, -2)[..., :n, :]
    return a @ b.mT


def check(good: bool, text: str) -> bool:
    print(("ok    " if good else "FAILED ") + text, flush=True)
    return good


def graph() -> bool:
    groups, m, n, k = 8, 128, 1024, 2048
    lhs, rhs, d = make(m, n, k, (groups,), (groups,))
    masked_m = torch.full((groups,), m, device="cuda", dtype=torch.int32)
    dgemm.m_grouped_fp8_gemm_nt_masked(lhs, rhs, d, masked_m, 64)
    full = d.clone()
    right = check(dgemm.calc_diff(full, reference(lhs, rhs)) < 1e-5, "result of all rows")
    captured = torch.cuda.CUDAGraph()
    with torch.cuda.graph(captured):
        dgemm.m_grouped_fp8_gemm_nt_masked(lhs, rhs, d, masked_m, 64)
    rows = torch.arange(m, device="cuda")
    wrong = 0
    generator = torch.Generator().manual_seed(1)
    for _ in range(1000):
        masked_m.copy_(torch.randint(0, m + 1, (groups,), generator=generator, dtype=torch.int32))
        d.fill_(float("nan"))
        captured.replay()
        computed = (rows < masked_m[:, None])[..., None]
        same = torch.where(computed, d.view(torch.int16) == full.view(torch.int16), d.isnan()).all()
        wrong += not bool(same)
    return check(wrong == 0, f"1000 replays with changing masked_m, {wrong} of them wrong") and right


def host_microseconds(call) -> float:
    for _ in range(50):
        call()
    torch.cuda.synchronize()
    times = []
    for _ in range(100):
        start = time.perf_counter_ns()
        for _ in range(100):  # fewer than the launch queue holds; reading the clock costs a good part of a call
            call()
        times.append((time.perf_counter_ns() - start) / 100)
        torch.cuda.synchronize()
    return statistics.median(times) / 1e3


def launch_microseconds(lhs, rhs, d) -> float:
    """Microseconds of the prepared launch, which is little more than the driver's call."""
    (a, scale_a), (b, scale_b) = lhs, rhs
    kernel = dgemm.compile(b.shape[0], a.shape[1], m=a.shape[0])
    launch = kernel.prepare(0, {"M": a.shape[0], "N": b.shape[0], "K": a.shape[1]}, 0)
    tensors = {"a": a, "scale_a": scale_a, "b": b, "scale_b": scale_b, "d": d}
    addresses = [tensors[name].data_ptr() for name in kernel.handle.operands]
    stream = torch.cuda.current_stream().cuda_stream
    return host_microseconds(lambda: launch.launch(addresses, stream))


def overhead() -> bool:
    good = True
    for m, n, k in ((64, 2112, 7168), (8, 512, 512)):
        lhs, rhs, d = make(m, n, k)
        ours = host_microseconds(lambda: dgemm.fp8_gemm_nt(lhs, rhs, d))
        outputs = [torch.empty_like(d) for _ in range(4)]
        turn = iter(range(1 << 30))
        changing = host_microseconds(lambda: dgemm.fp8_gemm_nt(lhs, rhs, outputs[next(turn) % 4]))
        good &= check(ours <= MAX_OVERHEAD_US, f"M={m} N={n} K={k}: {ours:.2f} us per call, at most {MAX_OVERHEAD_US}; "
                      f"{changing:.2f} us with another output each time")
        print(f"      of it the launch alone: {launch_microseconds(lhs, rhs, d):.2f} us")
        try:
            import deep_gemm
        except Exception as error:
            print(f"      DeepGEMM cannot be imported: {error}")
            continue
        try:
            theirs = host_microseconds(lambda: deep_gemm.fp8_gemm_nt(lhs, rhs, d))
            good &= check(ours < theirs, f"DeepGEMM {getattr(deep_gemm, '__version__', '?')}: {theirs:.2f} us")
        except Exception as error:
            print(f"      DeepGEMM fails: {error}")
    return good


FIRST_CALL = """
import time, torch, sys
sys.path.insert(0, {scripts!r})
gpu = __import__("importlib.util", fromlist=["x"]).spec_from_file_location("gpu", {this!r})
module = __import__("importlib.util", fromlist=["x"]).module_from_spec(gpu); gpu.loader.exec_module(module)
import dgemm
calls = [module.make(m, n, k, seed=1) for m, n, k in ((4096, 7168, 2048), (128, 2112, 7168), (64, 4096, 7168))]
torch.cuda.synchronize()
for lhs, rhs, d in calls:
    start = time.perf_counter()
    dgemm.fp8_gemm_nt(lhs, rhs, d)
    print(f"{{(time.perf_counter() - start) * 1e3:.1f}}")
torch.cuda.synchronize()
for lhs, rhs, d in calls:
    assert dgemm.calc_diff(d, module.reference(lhs, rhs)) < 1e-5
"""


def first_call() -> bool:
    good = True
    this = os.path.abspath(__file__)
    code = FIRST_CALL.format(scripts=os.path.dirname(this), this=this)
    with tempfile.TemporaryDirectory() as cache:
        for state, limit in (("empty", MAX_FIRST_CALL_MS), ("warm", MAX_WARM_CALL_MS)):
            run = subprocess.run([sys.executable, "-c", code], env={**os.environ, "DGEMM_CACHE_DIR": cache},
                                 capture_output=True, text=True)
            if run.returncode:
                print(run.stderr)
                return check(False, f"first calls with the cache {state}")
            times = [float(line) for line in run.stdout.split()]
            good &= check(max(times[1:]) <= limit, f"cache {state}: first calls of new shapes take {times[1:]} ms, at "
                          f"most {limit}; the very first of the process {times[0]} ms")
    return good


def resident_mb() -> float:
    gc.collect()
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def threads() -> bool:
    import random
    from concurrent.futures import ThreadPoolExecutor

    weights = [(n, k, make(1, n, k)[1]) for n, k in ((512, 1024), (1024, 512), (256, 2048), (2112, 512))]

    def work(seed: int) -> int:
        rng, wrong = random.Random(seed), 0
        with torch.cuda.stream(torch.cuda.Stream()):
            for index in range(1000):
                n, k, rhs = rng.choice(weights)
                lhs, _, d = make(rng.randrange(1, 1025), 16, k, seed=index, mn_major=bool(index % 2))
                d = torch.full((d.shape[0], n), float("nan"), device="cuda", dtype=torch.bfloat16)
                dgemm.fp8_gemm_nt(lhs, rhs, d)
                if index % 10 == 0:
                    wrong += not bool(dgemm.calc_diff(d, reference(lhs, rhs)) < 1e-5)
        return wrong

    sizes = []
    wrong = 0
    for _ in range(3):
        start = time.perf_counter()
        with ThreadPoolExecutor(8) as pool:
            wrong += sum(pool.map(work, range(8)))
        torch.cuda.synchronize()
        sizes.append(resident_mb())
        print(f"      8 x 1000 calls in {time.perf_counter() - start:.1f} s, {sizes[-1]:.0f} MB resident", flush=True)
    good = check(wrong == 0, f"{wrong} wrong results of those checked, every tenth")
    return check(sizes[2] - sizes[1] < MAX_GROWTH_MB, f"resident memory from the second round to the third: "
                 f"{sizes[2] - sizes[1]:+.1f} MB, at most {MAX_GROWTH_MB}") and good


if __name__ == "__main__":
    torch.backends.cuda.matmul.allow_tf32 = False
    parts = {"graph": graph, "overhead": overhead, "first-call": first_call, "threads": threads}
    chosen = sys.argv[1:] or list(parts)
    sys.exit(0 if all([parts[name]() for name in chosen]) else 1)
