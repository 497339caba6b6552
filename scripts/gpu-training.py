#!/usr/bin/env python3
"""Times what training needs on a GPU: weight gradients, groups along K, and groups of rows without padding.

usage: PYTHONPATH=build/python gpu-training.py [--only wgrad] [--samples 30]

wgrad      D += A B^T with scales by 1x128 of both and float32 D, beside DeepGEMM 2.6.1 where it is installed
k_grouped  the same for each group of columns of K, whose sizes are on the device
offsets    groups of rows without padding, beside the same tokens in a contiguous layout of 128-aligned groups

Each kernel has a cold L2. Prints medians in microseconds; results are compared with single precision, and a wrong one ends the
script with 1.
"""
import argparse
import statistics
import sys

import torch

import dgemm

try:
    import deep_gemm
except ImportError:
    deep_gemm = None

WGRAD = [(2112, 7168, 4096), (24576, 1536, 4096), (7168, 16384, 4096), (4096, 7168, 4096), (7168, 2048, 4096), (576, 7168, 4096)]
K_GROUPED = [(4, 4096, 7168, 8192), (4, 7168, 2048, 8192), (8, 4096, 7168, 4096), (16, 7168, 2048, 2048)]
OFFSETS = [(8, 4096, 4096, 7168), (32, 192, 4096, 7168), (32, 96, 7168, 2048), (64, 64, 4096, 7168), (128, 20, 4096, 7168)]
LIMIT = 1e-3


def random_side(rows, k, generator):
    x = torch.randn(rows, k, device="cuda", generator=generator).to(torch.float8_e4m3fn)
    scale = torch.rand(rows, -(-k // 128), device="cuda", generator=generator) + 0.5
    return x, dgemm.get_mn_major_tma_aligned_tensor(scale)


def dequantise(pair):
    x, scale = pair
    return x.float() * scale.repeat_interleave(128, 1)[:, : x.shape[1]]


def measure(call, samples):
    flush = torch.empty(256 << 20, device="cuda", dtype=torch.uint8)
    times = []
    for _ in range(samples):
        flush.zero_()
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        call()
        end.record()
        end.synchronize()
        times.append(begin.elapsed_time(end) * 1000)
    return statistics.median(times)


class Report:
    failed = False

    def line(self, name, difference, flops, ours, **others):
        wrong = not difference < LIMIT
        self.failed |= wrong
        text = ", ".join(f"{other.replace('_', ' ')} {time:.1f} ({time / ours:.2f})" for other, time in others.items())
        print(f"{name:32} {ours:8.1f} us {flops / ours / 1e6:6.0f} TFLOPS  {text}  difference {difference:.1e}{' WRONG' if wrong else ''}",
              flush=True)


def wgrad(options, report):
    for m, n, k in WGRAD:
        generator = torch.Generator("cuda").manual_seed(0)
        a, b = random_side(m, k, generator), random_side(n, k, generator)
        d = torch.randn(m, n, device="cuda", generator=generator) * 32
        expected = d + dequantise(a) @ dequantise(b).T
        recipe = (1, 1, 128)
        dgemm.fp8_gemm_nt(a, b, d, c=d, recipe=recipe)
        difference = float(dgemm.calc_diff(d, expected))
        others = {}
        if deep_gemm is not None:
            others["DeepGEMM"] = measure(lambda: deep_gemm.fp8_gemm_nt(a, b, d, c=d, recipe=recipe, disable_ue8m0_cast=True),
                                         options.samples)
        others["overwritten"] = measure(lambda: dgemm.fp8_gemm_nt(a, b, d, recipe=recipe), options.samples)
        ours = measure(lambda: dgemm.fp8_gemm_nt(a, b, d, c=d, recipe=recipe), options.samples)
        report.line(f"wgrad {m}x{n}x{k}", difference, 2 * m * n * k, ours, **others)


def flat(side, ends):
    """The blocks of all groups one behind the other, as DeepGEMM takes them."""
    x, begin, blocks = side[0], 0, []
    for end in ends:
        blocks.append(x[:, begin:end].reshape(-1))
        begin = end
    return torch.cat(blocks)


def k_grouped(options, report):
    for groups, m, n, mean in K_GROUPED:
        generator = torch.Generator("cuda").manual_seed(0)
        sizes = [128 * max(1, round(mean / 128 * (0.7 + 0.6 * g / max(1, groups - 1)))) for g in range(groups)]
        ends = torch.tensor(sizes).cumsum(0)
        k = int(ends[-1])
        a, b = random_side(m, k, generator), random_side(n, k, generator)
        d = torch.randn(groups, m, n, device="cuda", generator=generator) * 32
        expected, begin = d.clone(), 0
        for group, end in enumerate(ends.tolist()):
            part = [(x[:, begin:end], s[:, begin // 128 : end // 128]) for x, s in (a, b)]
            expected[group] += dequantise(part[0]) @ dequantise(part[1]).T
            begin = end
        offsets = ends.to("cuda", torch.int32)
        dgemm.k_grouped_fp8_gemm_nt_offsets(a, b, d, offsets, d)
        difference = float(dgemm.calc_diff(d, expected))
        del expected
        others = {}
        if deep_gemm is not None:
            blocks = [(flat(side, ends.tolist()), side[1]) for side in (a, b)]
            on_device = torch.tensor(sizes, device="cuda", dtype=torch.int32)
            others["DeepGEMM"] = measure(
                lambda: deep_gemm.k_grouped_fp8_gemm_nt_contiguous(*blocks, d, sizes, on_device, d, recipe=(1, 1, 128)), options.samples)
            del blocks
        ours = measure(lambda: dgemm.k_grouped_fp8_gemm_nt_offsets(a, b, d, offsets, d), options.samples)
        report.line(f"k_grouped {groups}x{m}x{n}x{mean}", difference, 2 * m * n * k, ours, **others)
        del d
        torch.cuda.empty_cache()


def offsets(options, report):
    for groups, mean, n, k in OFFSETS:
        generator = torch.Generator("cuda").manual_seed(0)
        sizes = [max(1, int(mean * (0.7 + 0.6 * ((7 * g) % groups) / groups))) for g in range(groups)]
        ends = torch.tensor(sizes).cumsum(0)
        m = int(ends[-1])
        a = random_side(m, k, generator)
        b = torch.randn(groups, n, k, device="cuda", generator=generator).to(torch.float8_e4m3fn)
        scale_b = torch.rand(groups, n // 128, k // 128, device="cuda", generator=generator) + 0.5
        d = torch.empty(m, n, device="cuda", dtype=torch.bfloat16)
        on_device = ends.to("cuda", torch.int32)

        def call(a=a, b=b, scale_b=scale_b, d=d, on_device=on_device, mean=mean):
            dgemm.m_grouped_fp8_gemm_nt_offsets(a, (b, scale_b), d, on_device, 1, mean)

        call()
        expected, begin = torch.empty(m, n, device="cuda"), 0
        for group, end in enumerate(ends.tolist()):
            weight = b[group].float() * scale_b[group].repeat_interleave(128, 0).repeat_interleave(128, 1)
            expected[begin:end] = dequantise((a[0][begin:end], a[1][begin:end])) @ weight.T
            begin = end
        difference = float(dgemm.calc_diff(d, expected))
        # The same tokens, each group padded to 128 rows.
        labels = torch.cat([torch.full((-(-size // 128) * 128,), g, dtype=torch.int32) for g, size in enumerate(sizes)]).cuda()
        padded = random_side(len(labels), k, generator)
        wide = torch.empty(len(labels), n, device="cuda", dtype=torch.bfloat16)
        contiguous = measure(lambda: dgemm.m_grouped_fp8_gemm_nt_contiguous(padded, (b, scale_b), wide, labels), options.samples)
        report.line(f"offsets {groups}x{mean}x{n}x{k}", difference, 2 * m * n * k, measure(call, options.samples),
                    contiguous=contiguous)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=("wgrad", "k_grouped", "offsets"))
    parser.add_argument("--samples", type=int, default=30)
    options = parser.parse_args()
    report = Report()
    for part in (wgrad, k_grouped, offsets):
        if options.only in (None, part.__name__):
            part(options, report)
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
