#!/usr/bin/env python3
"""Times the search for groups on a GPU: masked problems in which eight groups have rows, by the number of groups.

usage: PYTHONPATH=build/python gpu-groups.py [--groups 8 32 128 1000] [--m 16] [--n 4096] [--k 2048] [--rows 1] [--limit 1.3]

Checks the rows of the busy groups against single precision. Prints microseconds (median, cold L2), and exits with 1 if a
number of groups takes more than --limit times as long as eight, or if a result is wrong.
"""
import argparse
import statistics
import sys

import torch

import dgemm


def make(options, groups):
    generator = torch.Generator("cuda").manual_seed(groups)
    m, n, k = options.m, options.n, options.k
    a = torch.randn(groups, m, k, device="cuda", generator=generator).to(torch.float8_e4m3fn)
    b = torch.empty(groups, n, k, device="cuda", dtype=torch.float8_e4m3fn)
    for group in range(groups):
        b[group] = torch.randn(n, k, device="cuda", generator=generator).to(torch.float8_e4m3fn)
    scale_a = torch.rand(groups, m, k // 128, device="cuda", generator=generator) + 0.5
    scale_b = torch.rand(groups, n // 128, k // 128, device="cuda", generator=generator) + 0.5
    masked_m = torch.zeros(groups, device="cuda", dtype=torch.int32)
    masked_m[:: groups // 8][:8] = options.rows
    return (a, dgemm.get_mn_major_tma_aligned_tensor(scale_a)), (b, scale_b), masked_m, scale_a


def is_right(options, lhs, rhs, scale_a, masked_m, d):
    worst = 0.0
    for group in masked_m.nonzero().flatten().tolist():
        a = lhs[0][group, : options.rows].float() * scale_a[group, : options.rows].repeat_interleave(128, 1)
        scale = rhs[1][group].repeat_interleave(128, 0).repeat_interleave(128, 1)
        expected = a @ (rhs[0][group].float() * scale).T
        worst = max(worst, float(dgemm.calc_diff(d[group, : options.rows], expected)))
    return worst < 1e-5, worst


def measure(options, groups):
    lhs, rhs, masked_m, scale_a = make(options, groups)
    d = torch.full((groups, options.m, options.n), float("nan"), device="cuda", dtype=torch.bfloat16)
    flush = torch.empty(256 << 20, device="cuda", dtype=torch.uint8)

    def call():
        dgemm.m_grouped_fp8_gemm_nt_masked(lhs, rhs, d, masked_m, options.rows)

    call()
    torch.cuda.synchronize()
    right, worst = is_right(options, lhs, rhs, scale_a, masked_m, d)
    untouched = bool(d[masked_m == 0].isnan().all()) if groups > 8 else True
    times = []
    for _ in range(50):
        flush.zero_()
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        call()
        end.record()
        end.synchronize()
        times.append(begin.elapsed_time(end) * 1000)
    return statistics.median(times), right and untouched, worst


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--groups", type=int, nargs="+", default=[8, 32, 128, 1000])
    parser.add_argument("--m", type=int, default=16, help="rows that each group has memory for")
    parser.add_argument("--n", type=int, default=4096)
    parser.add_argument("--k", type=int, default=2048)
    parser.add_argument("--rows", type=int, default=1, help="of each busy group")
    parser.add_argument("--limit", type=float, default=1.3)
    options = parser.parse_args()
    first, failed = None, False
    for groups in options.groups:
        microseconds, right, worst = measure(options, groups)
        first = first or microseconds
        late = microseconds > options.limit * first
        failed |= late or not right
        print(f"{groups:5} groups: {microseconds:7.1f} us, {microseconds / first:.2f} of {options.groups[0]} groups, difference "
              f"{worst:.1e}{'' if right else ' WRONG'}{' TOO LONG' if late else ''}")
        torch.cuda.empty_cache()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
