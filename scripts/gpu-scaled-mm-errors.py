#!/usr/bin/env python3
"""Checks that wrong calls of torch._scaled_mm and torch.nn.functional.scaled_mm give the same errors with dgemm's override.

usage: gpu-scaled-mm-errors.py

Needs a Hopper GPU, the wheel of dgemm and torch 2.10 or later. Each call differs in one argument from a call that torch takes.
Its outcome must be the same with and without the override: the same exception with the same text, or results of the same shape
and type that are close to each other. Prints PASS or FAIL for each; the exit code is 1 if one fails.
"""

import sys

import torch
import torch.nn.functional as functional
from torch.nn.functional import ScalingType, SwizzleType

import dgemm

M, N, K = 64, 256, 512
E4M3, E5M2, BF16 = torch.float8_e4m3fn, torch.float8_e5m2, torch.bfloat16


def fp8(rows, columns, dtype=E4M3):
    return torch.randn(rows, columns, device="cuda").to(dtype)


def ones(*shape, dtype=torch.float32, device="cuda"):
    return torch.ones(*shape, dtype=dtype, device=device)


def make_v1(**changes):
    """Arguments of torch._scaled_mm by rows, with `changes`."""
    arguments = {"input": fp8(M, K), "mat2": fp8(N, K).t(), "scale_a": ones(M, 1), "scale_b": ones(1, N), "out_dtype": BF16}
    arguments.update(changes)
    return arguments


def make_v2(**changes):
    """Arguments of torch.nn.functional.scaled_mm by rows, with `changes`."""
    arguments = {"mat_a": fp8(M, K), "mat_b": fp8(N, K).t(), "scale_a": ones(M, 1), "scale_recipe_a": ScalingType.RowWise,
                 "scale_b": ones(1, N), "scale_recipe_b": ScalingType.RowWise, "output_dtype": BF16}  # fmt: skip
    arguments.update(changes)
    return arguments


def list_v1():
    """{what is wrong: arguments}."""
    tensor = {"scale_a": ones(()), "scale_b": ones(())}
    wide = {"input": fp8(M, 2 * K)[:, :K]}
    return {
        "nothing": {},
        "scales by tensor": tensor,
        "A has one dimension": {"input": fp8(1, K)[0]},
        "A has three dimensions": {"input": fp8(M, K)[None]},
        "K differs": {"mat2": fp8(N, K + 16).t()},
        "K is not a multiple of 16": {"input": fp8(M, 500), "mat2": fp8(N, 500).t()},
        "N is not a multiple of 16": {"mat2": fp8(250, K).t(), "scale_b": ones(1, 250)},
        "B is row-major": {"mat2": fp8(K, N)},
        "A is column-major": {"input": fp8(K, M).t()},
        "A is a slice": wide,
        "A begins at an odd address": {"input": fp8(1, M * K + 1)[0][1:].view(M, K)},
        "A is bf16": {"input": torch.randn(M, K, device="cuda", dtype=BF16)},
        "B is bf16": {"mat2": torch.randn(N, K, device="cuda", dtype=BF16).t()},
        "both are e5m2": {"input": fp8(M, K, E5M2), "mat2": fp8(N, K, E5M2).t()},
        "A is e5m2": {"input": fp8(M, K, E5M2)},
        "the result is int32": {"out_dtype": torch.int32},
        "the result is f16": {"out_dtype": torch.float16},
        "the result is f32": {"out_dtype": torch.float32},
        "the result is f16, scales by tensor": {"out_dtype": torch.float16, **tensor},
        "no type of the result": {"out_dtype": None},
        "a type of the result that is FP8": {"out_dtype": E4M3, **tensor},
        "scales of A in f64": {"scale_a": ones(M, 1, dtype=torch.float64)},
        "scales of A in bf16": {"scale_a": ones(M, 1, dtype=BF16)},
        "too few scales of A": {"scale_a": ones(M - 1, 1)},
        "scales of A lie as a row": {"scale_a": ones(1, M)},
        "scales of A of one dimension": {"scale_a": ones(M)},
        "too many scales of B": {"scale_b": ones(1, N + 16)},
        "scales of B lie as a column": {"scale_b": ones(N, 1)},
        "scales of A with a pitch": {"scale_a": ones(M, 2)[:, :1]},
        "scales of A on the host": {"scale_a": ones(M, 1, device="cpu")},
        "scale by tensor, and by row": {"scale_a": ones(())},
        "a bias of f32": {"bias": ones(N)},
        "a bias that is too long": {"bias": ones(N + 16, dtype=BF16)},
        "a scale of the result": {"scale_result": ones(())},
        "no rows": {"input": fp8(0, K), "scale_a": ones(0, 1)},
        "no columns": {"mat2": fp8(0, K).t(), "scale_b": ones(1, 0)},
        "K is 0": {"input": fp8(M, 0), "mat2": fp8(N, 0).t()},
        "A on the host": {"input": fp8(M, K).cpu()},
    }  # fmt: skip


def list_v2():
    row, block, tile = ScalingType.RowWise, ScalingType.BlockWise1x128, ScalingType.BlockWise128x128
    return {
        "nothing": {},
        "B is row-major": {"mat_b": fp8(K, N)},
        "K differs": {"mat_b": fp8(N, K + 16).t()},
        "scales of another recipe": {"scale_recipe_a": ScalingType.TensorWise},
        "both recipes another": {"scale_recipe_a": ScalingType.TensorWise, "scale_recipe_b": ScalingType.TensorWise},
        "too few scales of A": {"scale_a": ones(M - 1, 1)},
        "scales of A in f64": {"scale_a": ones(M, 1, dtype=torch.float64)},
        "1x128 without blocks": {"scale_recipe_a": block, "scale_recipe_b": block},
        "1x128, scales of A row-major": {
            "scale_a": ones(M, K // 128), "scale_recipe_a": block, "scale_b": ones(K // 128, N).t(), "scale_recipe_b": block},
        "128x128 by 128x128": {
            "scale_a": ones(1, K // 128), "scale_recipe_a": tile, "scale_b": ones(2, K // 128), "scale_recipe_b": tile},
        "row by 1x128": {"scale_b": ones(K // 128, N).t(), "scale_recipe_b": block},
        "MXFP8": {"scale_recipe_a": ScalingType.BlockWise1x32, "scale_recipe_b": ScalingType.BlockWise1x32},
        "a swizzle": {"swizzle_a": SwizzleType.SWIZZLE_32_4_4, "swizzle_b": SwizzleType.SWIZZLE_32_4_4},
        "two scales of A": {"scale_a": [ones(M, 1), ones(())], "scale_recipe_a": [row, ScalingType.TensorWise]},
        "the result is int32": {"output_dtype": torch.int32},
        "a bias of f32": {"bias": ones(N)},
        "a contraction dimension": {"contraction_dim": (1, 0)},
    }  # fmt: skip


def attempt(function, arguments):
    """The result, or the exception."""
    try:
        result = function(**arguments)
        torch.cuda.synchronize()
        return result
    except Exception as error:  # noqa: BLE001: any exception of torch is compared
        return error


def is_alike(theirs, ours):
    if isinstance(theirs, Exception) or isinstance(ours, Exception):
        return type(theirs) is type(ours) and str(theirs) == str(ours)
    if theirs.shape != ours.shape or theirs.dtype != ours.dtype or theirs.stride() != ours.stride():
        return False
    return torch.allclose(theirs.float(), ours.float(), rtol=2e-2, atol=1.0, equal_nan=True)


def describe(outcome):
    if isinstance(outcome, Exception):
        return f"{type(outcome).__name__}: {str(outcome).splitlines()[0][:100]}"
    return f"{tuple(outcome.shape)} {outcome.dtype}"


def main():
    failed = count = 0
    for function, make, cases in ((torch._scaled_mm, make_v1, list_v1()), (functional.scaled_mm, make_v2, list_v2())):
        for what, changes in cases.items():
            arguments = make(**changes)
            theirs = attempt(function, arguments)
            with dgemm.torch.override_scaled_mm():
                ours = attempt(function, arguments)
            good = is_alike(theirs, ours)
            failed, count = failed + (not good), count + 1
            print(f"{'PASS' if good else 'FAIL'} {function.__name__}, {what}: {describe(theirs)}" +
                  ("" if good else f"; with the override {describe(ours)}"), flush=True)  # fmt: skip
    print(f"{count} calls, {failed} differ")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
