#!/usr/bin/env python3
"""Checks functions for training on a Hopper GPU that dgemm-run does not check. gpu-training.py times the kernels.

usage: PYTHONPATH=build/python gpu-training-checks.py [--no-train]

- quantize_transposed: each bit of the Triton kernel's values and scales is that of per_token_cast_to_fp8
- bmm and fp8_einsum: operands of any batch stride, against single precision
- torch._scaled_grouped_mm and torch.nn.functional.scaled_grouped_mm under the override, against torch's own and double precision
- examples/train_mlp.py: 200 steps in a CUDA graph, within 2 % of bfloat16

Prints PASS or FAIL for each; the exit code is 1 if one fails. Needs torch and Triton; the grouped products need torch 2.10.
"""
import argparse
import subprocess
import sys
from pathlib import Path

import torch
import torch.nn.functional as functional

import dgemm

FP8 = torch.float8_e4m3fn
failed = 0


def report(ok, text):
    global failed
    failed += not ok
    print(("PASS " if ok else "FAIL ") + text, flush=True)


def check_quantize():
    for (m, k), dtype in [((128, 128), torch.bfloat16), ((4096, 7168), torch.bfloat16), ((1000, 520), torch.float32),
                          ((1, 1), torch.float16), ((130, 2000), torch.float32)]:
        x = torch.randn(m, k, device="cuda").to(dtype) * 3
        for name, ours, wanted in zip(("rows", "columns"), dgemm.quantize_transposed(x), (x, x.T)):
            values, scale = dgemm.per_token_cast_to_fp8(wanted)
            same = torch.equal(ours[0].view(torch.uint8), values.view(torch.uint8)) and torch.equal(ours[1], scale)
            aligned = ours[0].stride(0) % 16 == 0 and ours[1].stride(0) == 1
            report(same and aligned, f"quantize_transposed of [{m}, {k}] {dtype}: {name}")


def random_scale(*shape):
    return torch.rand(*shape, device="cuda") + 0.5


def check_batches():
    for b, h, r, d in [(4, 8, 4096, 1024), (128, 8, 4096, 1024), (4096, 8, 512, 128), (5, 3, 272, 136), (33, 128, 512, 128)]:
        x, y = torch.randn(b, h, r, device="cuda").to(FP8), torch.randn(h, d, r, device="cuda").to(FP8)
        scale_x, scale_y = random_scale(b, h, -(-r // 128)), random_scale(h, -(-d // 128), -(-r // 128))
        result = torch.full((b, h, d), float("nan"), device="cuda", dtype=torch.bfloat16)
        dgemm.fp8_einsum("bhr,hdr->bhd", (x, scale_x), (y, scale_y), result)
        left = x.float() * scale_x.repeat_interleave(128, 2)[..., :r]
        right = y.float() * scale_y.repeat_interleave(128, 1)[:, :d].repeat_interleave(128, 2)[..., :r]
        difference = float(dgemm.calc_diff(result, torch.einsum("bhr,hdr->bhd", left, right)))
        report(difference < 1e-5, f"fp8_einsum b={b} h={h} r={r} d={d}: {difference:.1e}")
        added = torch.ones(h, b, d, device="cuda")
        dgemm.bmm((x.transpose(0, 1), scale_x.transpose(0, 1)), (y, scale_y), added, c=added)
        difference = float(dgemm.calc_diff(added, 1 + torch.einsum("bhr,hdr->hbd", left, right)))
        report(difference < 1e-5, f"bmm, added to a float32 D: {difference:.1e}")


def check_grouped_products():
    for groups, m, n, k, sizes in [(4, 1000, 512, 1024, [100, 300, 0, 600]), (3, 70, 128, 256, [1, 60, 9]), (8, 4096, 2048, 7168, [512] * 8)]:
        a, b = torch.randn(m, k, device="cuda").to(FP8), torch.randn(groups, n, k, device="cuda").to(FP8)
        scale_a, scale_b = random_scale(m), random_scale(groups, n)
        ends = torch.tensor(sizes).cumsum(0).to("cuda", torch.int32)
        used = int(ends[-1])
        weights = b.double() * scale_b[..., None]
        groups_of_rows = torch.repeat_interleave(torch.arange(groups), torch.tensor(sizes)).cuda()
        expected = torch.cat([(a[:used].double() * scale_a[:used, None])[groups_of_rows == g] @ weights[g].T for g in range(groups)])
        batch = a[: m // groups * groups].view(groups, m // groups, k)
        batch_scale = scale_a[: m // groups * groups].view(groups, -1).contiguous()
        of_batch = (batch.double() * batch_scale[..., None]) @ weights.mT

        def v1(left, scale, offsets):
            return torch._scaled_grouped_mm(left, b.mT, scale, scale_b, offs=offsets, out_dtype=torch.bfloat16)

        def v2(left, scale, offsets):
            row_wise = functional.ScalingType.RowWise
            return functional.scaled_grouped_mm(left, b.mT, scale, row_wise, scale_b, row_wise, offs=offsets, output_dtype=torch.bfloat16)

        cases = {"rows": (a, scale_a, ends, expected), "batch": (batch, batch_scale, None, of_batch)}
        for (name, (left, scale, offsets, wanted)), call in [(case, call) for case in cases.items() for call in (v1, v2)]:
            text = f"{call.__name__} {name} G={groups} M={m} N={n} K={k}"
            try:
                theirs = float(dgemm.calc_diff(call(left, scale, offsets)[: len(wanted)], wanted))
            except Exception as error:  # noqa: BLE001: what torch refuses
                theirs, text = None, f"{text}; torch refuses it: {str(error).splitlines()[0][:80]}"
            with dgemm.torch.override_scaled_mm(), torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profiler:
                try:
                    ours = float(dgemm.calc_diff(call(left, scale, offsets)[: len(wanted)], wanted))
                except Exception as error:  # noqa: BLE001: reported
                    report(theirs is None, f"{text}; with the override: {str(error).splitlines()[0][:80]}")
                    continue
                torch.cuda.synchronize()
            is_ours = any("dgemm" in event.key for event in profiler.key_averages())
            report(is_ours and ours < 1e-5, f"{text}: {ours:.1e}, torch {theirs}" + ("" if is_ours else "; no kernel of dgemm ran"))


def check_training():
    example = Path(__file__).resolve().parents[1] / "examples" / "train_mlp.py"
    result = subprocess.run([sys.executable, example], text=True, capture_output=True)
    print(result.stdout, end="")
    report(result.returncode == 0, "examples/train_mlp.py" + (f": {result.stderr.strip().splitlines()[-1:]}" if result.returncode else ""))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--no-train", action="store_true")
    options = parser.parse_args()
    check_quantize()
    check_batches()
    check_grouped_products()
    if not options.no_train:
        check_training()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
