#!/usr/bin/env python3
"""dgemm.torch.inductor_pass on a Hopper GPU: float8 linear layers under torch.compile. usage: gpu-inductor.py [--rows 4096] [--repeat 30]

Needs dgemm and torch 2.10 or later, and torchao for layers of torchao's; without it, layers that call what torchao's call. For each layer,
alone and with what often follows it (bias, relu, gelu, silu, a residual):
  the profile of the compiled layer shows a kernel of dgemm and no other product,
  the kernels that the epilogue takes over are gone,
  the result is as close to that of the layer outside of torch.compile as one more rounding to bfloat16 is.
The same with epilogues off, and in the mode that captures CUDA graphs. Then times. PASS or FAIL for each; exit code 1 if one fails.
"""

import argparse
import statistics
import sys
import traceback

import torch
import torch._inductor.config as config
import torch.nn.functional as functional

import dgemm

BF16, E4M3 = torch.bfloat16, torch.float8_e4m3fn
failed = 0


def report(ok, text):
    global failed
    failed += not ok
    print(("PASS " if ok else "FAIL ") + text, flush=True)


# ----------------------------------------------------------------------------
# Layers
# ----------------------------------------------------------------------------


class RowWise(torch.nn.Module):
    """What torchao's row-wise layer calls."""

    def __init__(self, linear):
        super().__init__()
        scale = linear.weight.detach().abs().amax(1, keepdim=True).float() / 448
        self.weight, self.scale, self.bias = (linear.weight.detach() / scale).to(E4M3), scale, linear.bias.detach()

    def forward(self, x):
        rows = x.reshape(-1, x.shape[-1])
        scale = rows.abs().amax(1, keepdim=True).float().clamp(min=1e-12) / 448
        y = torch._scaled_mm((rows / scale).to(E4M3), self.weight.t(), scale_a=scale, scale_b=self.scale.t(), bias=self.bias,
                             out_dtype=BF16, use_fast_accum=True)
        return y.reshape(*x.shape[:-1], -1)


class BlockWise(torch.nn.Module):
    """What torchao's block-wise layer for training calls."""

    def __init__(self, linear):
        super().__init__()
        n, k = linear.weight.shape
        blocks = linear.weight.detach().float().view(n // 128, 128, k // 128, 128)
        scale = blocks.abs().amax((1, 3)) / 448
        self.weight = (blocks / scale[:, None, :, None]).view(n, k).to(E4M3)
        padded = scale.new_ones(n // 128, -(-k // 512) * 4)
        padded[:, :k // 128] = scale
        self.scale, self.bias = padded.t(), linear.bias.detach()

    def forward(self, x):
        rows = x.reshape(-1, x.shape[-1])
        blocks = rows.float().view(rows.shape[0], -1, 128)
        scale = blocks.abs().amax(2).clamp(min=1e-12) / 448
        a = (blocks / scale[..., None]).view(rows.shape).to(E4M3)
        recipes = functional.ScalingType.BlockWise1x128, functional.ScalingType.BlockWise128x128
        y = functional.scaled_mm(a, self.weight.t(), scale.t().contiguous().t(), recipes[0], self.scale, recipes[1], output_dtype=BF16)
        return (y + self.bias).reshape(*x.shape[:-1], -1)


def make_linear(n, k):
    torch.manual_seed(n + k)
    return torch.nn.Linear(k, n, bias=True, device="cuda", dtype=BF16)


def make_layers(n, k):
    """Layers by name. Those of torchao are quantised in place."""
    layers = {"row-wise": RowWise(make_linear(n, k)), "block-wise": BlockWise(make_linear(n, k))}
    try:
        from torchao.quantization import Float8DynamicActivationFloat8WeightConfig, PerRow, quantize_
        from torchao.quantization.granularity import PerBlock
        from torchao.quantization.quantize_.common import KernelPreference
    except ImportError as error:
        print(f"no layers of torchao: {error}")
        return layers
    for name, granularity in (("row-wise", PerRow()), ("block-wise", (PerBlock([1, 128]), PerBlock([128, 128])))):
        try:
            model = torch.nn.Sequential(make_linear(n, k))
            quantize_(model, Float8DynamicActivationFloat8WeightConfig(granularity=granularity, kernel_preference=KernelPreference.TORCH,
                                                                       set_inductor_config=False))
            layers[f"torchao {name}"] = model
        except Exception:  # noqa: BLE001: the other layers are of use
            traceback.print_exc()
            report(False, f"torchao makes no {name} layer here")
    return layers


FOLLOWS = {
    "nothing": lambda y, other: y, "relu": lambda y, other: functional.relu(y), "gelu": lambda y, other: functional.gelu(y),
    "silu + residual": lambda y, other: functional.silu(y) + other,
}


# ----------------------------------------------------------------------------
# Checks
# ----------------------------------------------------------------------------


def difference(x, expected):
    x, expected = x.double(), expected.double()
    return float(1 - 2 * (x * expected).sum() / (x * x + expected * expected).sum())


def profile(call):
    """The result, and the names of the kernels."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profiler:
        result = call()
        torch.cuda.synchronize()
    return result, [event.name for event in profiler.events() if "emset" not in event.name and "emcpy" not in event.name]


def is_product(name):
    return any(part in name.lower() for part in ("gemm", "cutlass", "nvjet", "xmma", "triton_tem"))


def compile_with(function, passed, mode="default"):
    """Compiled, and called until nothing is compiled any more. `passed` is a pass, or None."""
    torch._dynamo.reset()
    with config.patch(post_grad_custom_post_pass=passed, force_disable_caches=True):
        compiled = torch.compile(function, fullgraph=True, mode=mode)
        for _ in range(3):
            compiled()
    return compiled


def check(name, layer, x, other, _):
    for follows, function in FOLLOWS.items():
        call = lambda: function(layer(x), other)  # noqa: E731
        with torch.no_grad():
            expected = call()
            theirs, without = profile(compile_with(call, None))
            plain, plain_kernels = profile(compile_with(call, dgemm.torch.inductor_pass(epilogues=False)))
            fused, kernels = profile(compile_with(call, dgemm.torch.inductor_pass()))
            graph_call = compile_with(call, dgemm.torch.inductor_pass(), "reduce-overhead")
            graphs, graph_kernels = profile(lambda: graph_call().clone())
        ours = [kernel for kernel in kernels if "dgemm" in kernel]
        text = f"{name} {list(x.shape)}, {follows}"
        report(len(ours) == 1 and not any(is_product(kernel) for kernel in kernels if "dgemm" not in kernel),
               f"{text}: kernels {[kernel[:60] for kernel in kernels]}")
        report(len(kernels) <= len(plain_kernels) and any("dgemm" in kernel for kernel in plain_kernels),
               f"{text}: {len(kernels)} kernels, {len(plain_kernels)} without epilogues, {len(without)} without the pass")
        errors = [difference(result, expected) for result in (theirs, plain, fused)]
        report(max(errors[1:]) <= max(1e-5, 2 * errors[0]), f"{text}: differs from the layer outside of torch.compile by {errors[1]:.1e} "
               f"without epilogues, {errors[2]:.1e} with them; Inductor without the pass by {errors[0]:.1e}")
        report(torch.equal(graphs, fused) and any("dgemm" in kernel for kernel in graph_kernels), f"{text}: CUDA graphs give the same bits")


def time_call(call, repeat):
    samples = []
    for _ in range(repeat):
        start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        torch.cuda._sleep(200_000)  # so that the launches do not wait for the host
        start.record()
        call()
        end.record()
        samples.append((start, end))
    torch.cuda.synchronize()
    return statistics.median(start.elapsed_time(end) * 1e3 for start, end in samples)


def time_layer(name, layer, x, other, repeat):
    for follows, function in FOLLOWS.items():
        call = lambda: function(layer(x), other)  # noqa: E731
        with torch.no_grad():
            times = [time_call(compile_with(call, passed), repeat) for passed in (
                None, dgemm.torch.inductor_pass(epilogues=False), dgemm.torch.inductor_pass())]
        print(f"{name} {list(x.shape)}, {follows}: Inductor {times[0]:.1f} us, dgemm {times[1]:.1f} us, with epilogues {times[2]:.1f} us",
              flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=4096, help="rows of the activations")
    parser.add_argument("--repeat", type=int, default=30, help="calls that are timed; 0 for none")
    options = parser.parse_args()
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, dgemm {dgemm.__version__}", flush=True)
    dgemm.torch.inductor_pass()  # lets Dynamo trace torch.nn.functional.scaled_mm, also where no pass is set
    n, k = 4096, 2048
    for name, layer in make_layers(n, k).items():
        for shape in ((options.rows, k), (2, 64, k)):
            x = torch.randn(*shape, device="cuda", dtype=BF16)
            other = torch.randn(*shape[:-1], n, device="cuda", dtype=BF16)
            for part in (check, time_layer) if options.repeat and len(shape) == 2 else (check,):
                try:
                    part(name, layer, x, other, options.repeat)
                except Exception:  # noqa: BLE001: the other layers are of use
                    traceback.print_exc()
                    report(False, f"{name} {list(shape)}: an exception, above")
    print(f"{failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
