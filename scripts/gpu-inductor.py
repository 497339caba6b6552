#!/usr/bin/env python3
"""dgemm.torch.inductor_pass under torchao's float8 layers, on a Hopper GPU: results, and the kernels that a profile shows.

usage: gpu-inductor.py [--rows 512]

Needs dgemm, torch 2.10 or later and torchao 0.18. torch.compile compiles each layer three times: without the pass, with it, and with it in
a CUDA graph of Inductor's. With the pass, the profile must show our kernel and no other GEMM, in one graph. The activation after the first
product must be its epilogue, unless a gradient needs the input of the activation. The results must be as close to the product of the
quantised operands as torch's, up to the rounding of bfloat16. Prints PASS or FAIL for each; the exit code is 1 if one fails.
"""

import argparse
import sys

import torch
import torch._inductor.config
from torch import nn
from torchao.float8 import Float8LinearConfig, convert_to_float8_training
from torchao.prototype.blockwise_fp8_training.linear import Float8BlockwiseLinear
from torchao.quantization import Float8DynamicActivationFloat8WeightConfig, PerRow, PerTensor, quantize_
from torchao.quantization.granularity import PerBlock
from torchao.quantization.quantize_.common import KernelPreference

import dgemm
import dgemm.torch

# Parts of the names of other libraries' GEMM kernels.
OTHERS = ("cutlass", "nvjet", "gemm_e4m3", "sm90_xmma", "cublas", "blockwise_fp8_gemm", "triton_fp8_gemm", "scaled_mm")
# Parts of the names of our kernels, and of Inductor's kernels of element-wise ops and reductions. Inductor names these after nearby ops.
NO_GEMM = ("dgemm", "triton_poi_", "triton_red_", "triton_per_")
LIMIT = 2e-4
failed = 0


def report(ok, text):
    global failed
    failed += not ok
    print(("PASS " if ok else "FAIL ") + text, flush=True)


def linear():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(2048, 4096, bias=False), nn.SiLU(), nn.Linear(4096, 2048, bias=False)).cuda().bfloat16()


def for_inference(granularity):
    def make():
        model = linear()
        quantize_(model, Float8DynamicActivationFloat8WeightConfig(granularity=granularity, kernel_preference=KernelPreference.TORCH))
        return model

    return make


def for_training():
    return convert_to_float8_training(linear(), config=Float8LinearConfig.from_recipe_name("rowwise"))


def blockwise():
    model = linear()
    for index in (0, 2):
        layer = Float8BlockwiseLinear(model[index].in_features, model[index].out_features, bias=False, device="cuda", dtype=torch.bfloat16)
        layer.weight = model[index].weight
        model[index] = layer
    return model


# Layers, and whether they are also run backwards.
LAYERS = {
    "row-wise, inference": (for_inference(PerRow()), False),
    "tensor-wise, inference": (for_inference(PerTensor()), False),
    "block-wise, inference": (for_inference((PerBlock([1, 128]), PerBlock([128, 128]))), False),
    "row-wise, training": (for_training, True),
    "block-wise, training": (blockwise, True),
}


def run(model, x, backward):
    """The result, and the gradients of the weights and of x."""
    if not backward:
        with torch.no_grad():
            return [model(x)]
    x = x.detach().requires_grad_()
    model.zero_grad()
    y = model(x)
    y.backward(torch.ones_like(y) / 64)
    return [y.detach(), x.grad, *(parameter.grad for parameter in model.parameters())]


def kernels_of(model, x, backward):
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
        run(model, x, backward)
        torch.cuda.synchronize()
    return {event.key for event in profile.key_averages()}


def compile_with(inductor_pass, make, mode=None):
    torch._dynamo.reset()
    torch._inductor.config.post_grad_custom_post_pass = inductor_pass
    return torch.compile(make(), fullgraph=True, mode=mode)


def check(name, make, backward, rows):
    x = torch.randn(rows, 2048, device="cuda", dtype=torch.bfloat16, generator=torch.Generator("cuda").manual_seed(1))
    expected = run(compile_with(None, make), x, backward)
    ours = compile_with(dgemm.torch.inductor_pass(), make)
    actual = run(ours, x, backward)
    differences = [float(dgemm.calc_diff(one.double(), other.double())) for one, other in zip(actual, expected)]
    report(max(differences) < LIMIT, f"{name}: results like torch's, differences " + ", ".join(f"{each:.1e}" for each in differences))
    names = kernels_of(ours, x, backward)
    mine = sorted(each for each in names if each.startswith("dgemm"))
    others = sorted(each for each in names if any(part in each.lower() for part in OTHERS) and not each.startswith(NO_GEMM))
    report(bool(mine), f"{name}: the profile shows {', '.join(mine) or 'no kernel of dgemm'}")
    report(not others, f"{name}: no GEMM of others" + (f", but {', '.join(each[:80] for each in others)}" if others else ""))
    if not backward:
        report(any("_epilogue_" in each for each in mine), f"{name}: the activation is in a kernel of ours")
        graphed = compile_with(dgemm.torch.inductor_pass(), make, mode="reduce-overhead")
        for _ in range(3):
            again = run(graphed, x, backward)[0].clone()
        report(torch.equal(again, actual[0]), f"{name}: the same bits in a CUDA graph of Inductor's")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=512)
    options = parser.parse_args()
    for name, (make, backward) in LAYERS.items():
        try:
            check(name, make, backward, options.rows)
        except Exception as error:  # what torchao or Inductor may raise
            report(False, f"{name}: {type(error).__name__}: {str(error).splitlines()[0][:300]}")
    print(f"{failed} failed")
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main())
