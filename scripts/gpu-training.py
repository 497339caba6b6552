#!/usr/bin/env python3
"""Times what training needs on a GPU against DeepGEMM 2.6.1: weight gradients, groups along K, rows without padding.

usage: PYTHONPATH=build/python:DEEPGEMM gpu-training.py [--only wgrad] [--samples 20] [--json FILE] [--compile]

wgrad      D += A B^T with scales by 1x128 of both and float32 D
k_grouped  the same for each group of columns of K, whose sizes are on the device; flat: DeepGEMM's blocks, a launch for each
offsets    groups of rows without padding, beside the same tokens in a contiguous layout of 128-aligned groups
batched    fp8_einsum("bhr,hdr->bhd"), whose matrices have their rows between each other; neither library copies the scales

All contenders of a row run in one process, in rotating order, each after a flush of the L2. Times are those of kernels, from
CUPTI: the median of the samples and, in brackets, the 10th and 90th percentile. Results are compared with single precision;
a wrong one ends the script with 1. Without `deep_gemm` ours run alone. --compile first compiles all rows in parallel, a
process each: nvcc takes tens of seconds for a kernel of DeepGEMM, which its cache on disk then has.
"""
import argparse
import json
import subprocess
import sys
from pathlib import Path

import torch

import dgemm
from dgemm._gemm import multiply_group

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))
import measure  # noqa: E402
import stats  # noqa: E402

try:
    import deep_gemm

    if not hasattr(deep_gemm, "_C"):  # the package of this project has its name
        deep_gemm = None
except ImportError:
    deep_gemm = None

ROWS = {
    "wgrad": [(2112, 7168, 4096), (24576, 1536, 4096), (7168, 16384, 4096), (4096, 7168, 4096), (7168, 2048, 4096),
              (576, 7168, 4096)],
    "k_grouped": [(4, 4096, 7168, 8192), (4, 7168, 2048, 8192), (8, 4096, 7168, 4096), (16, 7168, 2048, 2048)],
    "offsets": [(8, 4096, 4096, 7168), (32, 192, 4096, 7168), (32, 96, 7168, 2048), (64, 64, 4096, 7168),
                (128, 20, 4096, 7168)],
    "batched": [(8, 4, 1024, 4096), (8, 32, 1024, 4096), (8, 128, 1024, 4096), (8, 4096, 1024, 4096), (128, 128, 128, 512)],
}
RECIPE = (1, 1, 128)
LIMIT = 1e-3


def random_side(rows, k, generator):
    x = torch.randn(rows, k, device="cuda", generator=generator).to(torch.float8_e4m3fn)
    scale = torch.rand(rows, -(-k // 128), device="cuda", generator=generator) + 0.5
    return x, dgemm.get_mn_major_tma_aligned_tensor(scale)


def dequantise(pair):
    x, scale = pair
    return x.float() * scale.repeat_interleave(128, 1)[:, : x.shape[1]]


class Case:
    """A row: `calls` by name, the outputs that are checked, their expected values, and the number of operations."""

    def __init__(self, flops):
        self.flops, self.calls, self.outputs, self.expected = flops, {}, {}, None

    def add(self, name, call, output):
        self.calls[name], self.outputs[name] = call, output


def wgrad(m, n, k):
    generator = torch.Generator("cuda").manual_seed(0)
    a, b = random_side(m, k, generator), random_side(n, k, generator)
    before = torch.randn(m, n, device="cuda", generator=generator) * 32
    case = Case(2 * m * n * k)
    case.expected = [(slice(None), before + dequantise(a) @ dequantise(b).T)]
    d = before.clone()
    case.add("ours", lambda: dgemm.fp8_gemm_nt(a, b, d, c=d, recipe=RECIPE), d)
    if deep_gemm is not None:
        other = before.clone()
        case.add("DeepGEMM",
                 lambda: deep_gemm.fp8_gemm_nt(a, b, other, c=other, recipe=RECIPE, disable_ue8m0_cast=True), other)
    return case


def flat(side, ends):
    """The blocks of all groups one behind the other, as DeepGEMM takes them."""
    x, begin, blocks = side[0], 0, []
    for end in ends:
        blocks.append(x[:, begin:end].reshape(-1))
        begin = end
    return torch.cat(blocks)


def multiply_flat(a, b, d, sizes):
    """The call of the package deep_gemm of this project: it launches a kernel for each group."""
    (x, scale_x), (y, scale_y) = a, b
    _, m, n = d.shape
    begin = 0
    for group, k in enumerate(sizes):
        columns = slice(begin // 128, (begin + k) // 128)
        of_group = [(t[begin * rows : (begin + k) * rows].view(rows, k), scale[:, columns])
                    for t, scale, rows in ((x, scale_x, m), (y, scale_y, n))]
        own = d[group]
        multiply_group(*of_group, own, own, RECIPE)
        begin += k


def k_grouped(groups, m, n, mean):
    generator = torch.Generator("cuda").manual_seed(0)
    sizes = [128 * max(1, round(mean / 128 * (0.7 + 0.6 * g / max(1, groups - 1)))) for g in range(groups)]
    ends = torch.tensor(sizes).cumsum(0)
    k = int(ends[-1])
    a, b = random_side(m, k, generator), random_side(n, k, generator)
    before = torch.randn(groups, m, n, device="cuda", generator=generator) * 32
    case = Case(2 * m * n * k)
    expected, begin = before.clone(), 0
    for group, end in enumerate(ends.tolist()):
        part = [(x[:, begin:end], s[:, begin // 128 : end // 128]) for x, s in (a, b)]
        expected[group] += dequantise(part[0]) @ dequantise(part[1]).T
        begin = end
    case.expected = [(slice(None), expected)]
    on_device = ends.to("cuda", torch.int32)
    d = before.clone()
    case.add("ours", lambda: dgemm.k_grouped_fp8_gemm_nt_offsets(a, b, d, on_device, d), d)
    blocks = [(flat(side, ends.tolist()), side[1]) for side in (a, b)]
    each = before.clone()
    case.add("flat", lambda: multiply_flat(*blocks, each, sizes), each)
    if deep_gemm is not None:
        other = before.clone()
        sizes_on_device = torch.tensor(sizes, device="cuda", dtype=torch.int32)
        case.add("DeepGEMM",
                 lambda: deep_gemm.k_grouped_fp8_gemm_nt_contiguous(*blocks, other, sizes, sizes_on_device, other,
                                                                    recipe=RECIPE), other)
    return case


def offsets(groups, mean, n, k):
    generator = torch.Generator("cuda").manual_seed(0)
    sizes = [max(1, int(mean * (0.7 + 0.6 * ((7 * g) % groups) / groups))) for g in range(groups)]
    ends = torch.tensor(sizes).cumsum(0)
    m = int(ends[-1])
    a = random_side(m, k, generator)
    b = torch.randn(groups, n, k, device="cuda", generator=generator).to(torch.float8_e4m3fn)
    scale_b = torch.rand(groups, n // 128, k // 128, device="cuda", generator=generator) + 0.5
    case = Case(2 * m * n * k)
    case.expected, begin = [], 0
    for group, end in enumerate(ends.tolist()):
        weight = b[group].float() * scale_b[group].repeat_interleave(128, 0).repeat_interleave(128, 1)
        case.expected.append((slice(begin, end), dequantise((a[0][begin:end], a[1][begin:end])) @ weight.T))
        begin = end
    d = torch.empty(m, n, device="cuda", dtype=torch.bfloat16)
    on_device = ends.to("cuda", torch.int32)
    case.add("ours", lambda: dgemm.m_grouped_fp8_gemm_nt_offsets(a, (b, scale_b), d, on_device, 1, mean), d)
    # The same tokens, each group padded to 128 rows.
    labels = torch.cat([torch.full((-(-size // 128) * 128,), g, dtype=torch.int32) for g, size in enumerate(sizes)]).cuda()
    padded = random_side(len(labels), k, generator)
    wide = torch.empty(len(labels), n, device="cuda", dtype=torch.bfloat16)
    case.add("contiguous", lambda: dgemm.m_grouped_fp8_gemm_nt_contiguous(padded, (b, scale_b), wide, labels), None)
    if deep_gemm is not None:
        other = torch.empty_like(wide)
        deep_gemm.set_mk_alignment_for_contiguous_layout(128)
        case.add("DeepGEMM",
                 lambda: deep_gemm.m_grouped_fp8_gemm_nt_contiguous(padded, (b, scale_b), other, labels,
                                                                    disable_ue8m0_cast=True), None)
    return case


def batched(h, b, d, r):
    generator = torch.Generator("cuda").manual_seed(0)
    x, y = (torch.randn(*shape, device="cuda", generator=generator).to(torch.float8_e4m3fn) for shape in ((b, h, r), (h, d, r)))
    scale_x = torch.rand(h, b, r // 128, device="cuda", generator=generator) + 0.5
    scale_x = dgemm.get_mn_major_tma_aligned_tensor(scale_x)
    scale_y = torch.rand(h, d // 128, r // 128, device="cuda", generator=generator) + 0.5
    left = x.transpose(0, 1).float() * scale_x.repeat_interleave(128, 2)
    right = y.float() * scale_y.repeat_interleave(128, 1).repeat_interleave(128, 2)
    case = Case(2 * b * h * r * d)
    case.expected = [(slice(None), (left @ right.mT).transpose(0, 1))]
    lhs, rhs = (x, scale_x.transpose(0, 1)), (y, scale_y)
    z = torch.empty(b, h, d, device="cuda", dtype=torch.bfloat16)
    case.add("ours", lambda: dgemm.fp8_einsum("bhr,hdr->bhd", lhs, rhs, z), z)
    if deep_gemm is not None:
        other = torch.empty_like(z)
        case.add("DeepGEMM", lambda: deep_gemm.fp8_einsum("bhr,hdr->bhd", lhs, rhs, other, None, (1, 128, 128)), other)
    return case


def run(name, case, stopwatch, samples):
    """One row of the result."""
    differences = {}
    for who, call in case.calls.items():
        call()
        measure.wait(60)
        if case.outputs[who] is not None:
            differences[who] = max(float(dgemm.calc_diff(case.outputs[who][rows], value)) for rows, value in case.expected)
    case.expected = None
    timed = stopwatch.interleave(case.calls, samples)
    us = {who: stats.summarize(times) for who, (times, _) in timed.items()}
    wrong = [who for who, difference in differences.items() if not difference < LIMIT]
    text = ", ".join(f"{who} {each['median']:.1f} [{each['p10']:.1f}, {each['p90']:.1f}]" for who, each in us.items())
    ratios = {who: each["median"] / us["ours"]["median"] for who, each in us.items() if who != "ours"}
    print(f"{name:32} {text} us; {case.flops / us['ours']['median'] / 1e6:.0f} TFLOPS; "
          + ", ".join(f"{who} / ours {ratio:.3f}" for who, ratio in ratios.items())
          + f"; difference {max(differences.values()):.1e}{' WRONG: ' + ', '.join(wrong) if wrong else ''}", flush=True)
    return {"row": name, "us": us, "ratios": ratios, "differences": differences, "wrong": wrong,
            "kernels": {who: kernels for who, (_, kernels) in timed.items()}}


def compile_all(names):
    """Runs a process for each row, all at once. Both caches then have the kernels of all rows."""
    command = [sys.executable, __file__, "--samples", "0", "--row"]
    processes = [(name, subprocess.Popen([*command, name], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True))
                 for name in names]
    for name, process in processes:
        _, error = process.communicate()
        if process.returncode:
            print(f"{name} was not compiled: {error.strip().splitlines()[-1:]}", flush=True)


def summarize(results):
    """Prints geometric means and least ratios."""
    for part in ROWS:
        rows = [result for result in results if result["row"].startswith(part)]
        for who in ("DeepGEMM", "contiguous", "flat"):
            ratios = [result["ratios"][who] for result in rows if who in result["ratios"]]
            if ratios:
                print(f"{part}: {who} / ours: geomean {stats.geomean(ratios):.3f}, least {min(ratios):.3f}, "
                      f"of {len(ratios)}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=tuple(ROWS))
    parser.add_argument("--row", help="one row, as wgrad:576x7168x4096")
    parser.add_argument("--samples", type=int, default=20, help="0: only compile")
    parser.add_argument("--json", help="file for the samples")
    parser.add_argument("--compile", action="store_true")
    options = parser.parse_args()
    parts = ROWS if options.only is None else (options.only,)
    rows = {f"{part}:{'x'.join(map(str, sizes))}": (part, sizes) for part in parts for sizes in ROWS[part]}
    if options.row:
        rows = {options.row: rows[options.row]}
    if options.compile:
        compile_all(list(rows))
    print(f"DeepGEMM: {'none' if deep_gemm is None else deep_gemm.__version__}; {torch.cuda.get_device_name(0)}", flush=True)
    stopwatch = measure.Stopwatch(measure.QUICK_FLUSH_BYTES)
    results = []
    for name, (part, sizes) in rows.items():
        case = globals()[part](*sizes)
        if options.samples == 0:
            for call in case.calls.values():
                call()
            torch.cuda.synchronize()
            continue
        results.append(run(name, case, stopwatch, options.samples))
        del case
        torch.cuda.empty_cache()
    summarize(results)
    if options.json:
        Path(options.json).write_text(json.dumps(results, indent=1) + "\n")
    return 1 if any(result["wrong"] for result in results) else 0


if __name__ == "__main__":
    sys.exit(main())
