#!/usr/bin/env python3
"""Times the other scaling recipes against torch (cuBLASLt and CUTLASS), all kernels interleaved in one run with a cold L2.

  recipes.py --gen build-static/bin/dgemm-gen --out out/recipes.json [--configs 10] [--samples 15] [--only row_fast]
  recipes.py ... --only 1x128 --configs 40 --fields 'warpgroups = 1' --fields 'block = 128x256x128'    a sweep

For each recipe and row: the config that the compiler chooses, the next best ones by its cost model (with --fields the best with each
of these fields, too), and torch's kernel
for the same recipe. Prints medians in microseconds; writes all samples. Every result is compared with torch's if torch has one.
"""
import argparse
import dataclasses
import datetime
import json
import math
import statistics
import sys

import torch

import kernels
import launcher
import measure

NK = [(4096, 7168), (7168, 2048), (24576, 1536), (7168, 16384), (2112, 7168)]
ROWS = [(m, n, k) for m in (16, 64, 128, 512, 4096) for n, k in NK]
RECIPES = {
    "row_fast": ["--scale-a=row", "--scale-b=row", "--accuracy=fast"],
    "row_exact": ["--scale-a=row", "--scale-b=row"],
    "tensor_fast": ["--scale-a=tensor", "--scale-b=tensor", "--accuracy=fast"],
    "1x128": ["--scale-a=1x128", "--scale-b=1x128"],
}


@dataclasses.dataclass(frozen=True)
class Row:
    recipe: str
    m: int
    n: int
    k: int

    def flags(self):
        return [f"--m={self.m}", f"--n={self.n}", f"--k={self.k}", "--machine=h200", *RECIPES[self.recipe]]

    @property
    def slug(self):
        return f"{self.recipe}-{self.m}x{self.n}x{self.k}"


def ceil_div(a, b):
    return -(-a // b)


class Problem:
    """The operands of a row, in our layout and in torch's."""

    def __init__(self, row):
        m, n, k = row.m, row.n, row.k
        generator = torch.Generator(device="cuda").manual_seed(0)

        def normal(*shape):
            return torch.randn(*shape, device="cuda", generator=generator).clamp(-8, 8).to(torch.float8_e4m3fn)

        def scale(*shape):
            return torch.rand(*shape, device="cuda", generator=generator) + 0.5

        self.row, self.a, self.b = row, normal(m, k), normal(n, k)
        blocks = ceil_div(k, 128)
        # Rows innermost, with a pitch of a multiple of 4.
        shapes = {"row": (1, 1), "tensor": (0, 1), "1x128": (1, blocks)}
        per_row, depth = shapes[row.recipe.split("_")[0]]
        self.scale_a = scale(depth, ceil_div(m, 4) * 4 if per_row else 1)
        self.scale_b = scale(depth, ceil_div(n, 4) * 4 if per_row else 1)
        self.d = torch.empty(m, n, device="cuda", dtype=torch.bfloat16)

    def addresses(self):
        return {"a": self.a.data_ptr(), "b": self.b.data_ptr(), "d": self.d.data_ptr(),
                "scale_a": self.scale_a.data_ptr(), "scale_b": self.scale_b.data_ptr()}  # fmt: skip

    def peers(self):
        """{name: function that returns D}. Calls that torch refuses are left out, and a line says why."""
        m, n = self.row.m, self.row.n
        b = self.b.t()
        if self.row.recipe == "1x128":
            from torch.nn.functional import ScalingType, SwizzleType, scaled_mm

            scale_a, scale_b = self.scale_a[:, :m].t(), self.scale_b[:, :n].t()
            calls = {
                "torch": lambda: scaled_mm(
                    self.a, b, scale_a, ScalingType.BlockWise1x128, scale_b, ScalingType.BlockWise1x128,
                    swizzle_a=SwizzleType.NO_SWIZZLE, swizzle_b=SwizzleType.NO_SWIZZLE, output_dtype=torch.bfloat16)
            }  # fmt: skip
        else:
            rows = self.row.recipe.startswith("row")
            scale_a = self.scale_a[0, :m].reshape(m, 1) if rows else self.scale_a[0, 0]
            scale_b = self.scale_b[0, :n].reshape(1, n) if rows else self.scale_b[0, 0]

            def scaled(fast):
                return lambda: torch._scaled_mm(self.a, b, scale_a, scale_b, out_dtype=torch.bfloat16, use_fast_accum=fast)

            calls = {"torch": scaled(not self.row.recipe.endswith("exact"))}
        for name, call in list(calls.items()):
            try:
                call()
                torch.cuda.synchronize()
            except Exception as error:  # what torch has no kernel for
                print(f"{self.row.slug}: no {name}: {str(error).splitlines()[0]}", flush=True)
                del calls[name]
        return calls


def difference(x, y):
    """1 - 2 sum(xy) / sum(xx + yy)."""
    x, y = x.double(), y.double()
    return float(1 - 2 * (x * y).sum() / (x * x + y * y).sum())


def time_row(row, configs, store, driver, stopwatch, options):
    problem = Problem(row)
    peers = problem.peers()
    multiprocessors = torch.cuda.get_device_properties(0).multi_processor_count
    bound, result = {}, {"row": dataclasses.asdict(row), "errors": []}
    for name, config in configs.items():
        try:
            compiled = store.get(row, config)
        except kernels.CompileError as error:
            result["errors"].append(str(error).splitlines()[0][:200])
            continue
        kernel = launcher.Kernel(driver, compiled.image, json.loads(compiled.launch), {}, problem.addresses(), multiprocessors)
        problem.d.fill_(float("nan"))
        kernel()
        measure.wait(20)
        result[f"config {name}"] = json.loads(compiled.launch)["config"]
        if peers:
            result[f"difference {name}"] = difference(problem.d, peers["torch"]())
        bound[name] = kernel
    timed = stopwatch.interleave({**bound, **peers}, options.samples)
    result["us"] = {name: us for name, (us, _) in timed.items()}
    result["torch kernels"] = timed["torch"][1] if "torch" in timed else None
    for kernel in bound.values():
        kernel.unload()
    return result


def report(results):
    print(f"{'row':32} {'chosen':>8} {'best':>8} {'torch':>8} {'t/chosen':>9} {'t/best':>7}  difference")
    ratios = {}
    for result in results:
        median = {name: statistics.median(us) for name, us in result["us"].items()}
        ours = {name: us for name, us in median.items() if name != "torch"}
        row = Row(**result["row"])
        chosen, best, torch_us = ours.get("chosen", math.nan), min(ours.values()), median.get("torch", math.nan)
        worst = max((value for key, value in result.items() if key.startswith("difference")), default=math.nan)
        best_name = min(ours, key=ours.get)
        print(f"{row.slug:32} {chosen:8.2f} {best:8.2f} {torch_us:8.2f} {torch_us / chosen:9.3f} {torch_us / best:7.3f}"
              f"  {worst:.1e} {'' if best_name == 'chosen' else result['config ' + best_name]}")  # fmt: skip
        ratios.setdefault((row.recipe, "M <= 128" if row.m <= 128 else "M >= 512"), []).append(
            (torch_us / chosen, torch_us / best))  # fmt: skip
    for (recipe, rows), values in ratios.items():
        for what, column in (("chosen", 0), ("best", 1)):
            numbers = [value[column] for value in values if not math.isnan(value[column])]
            if numbers:
                print(f"{recipe:12} {rows}: torch / {what}: geomean {statistics.geometric_mean(numbers):.3f}, "
                      f"least {min(numbers):.3f}, of {len(numbers)}")  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gen", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--kernels", default="/tmp/dgemm-recipes", help="where compiled kernels are kept")
    parser.add_argument("--configs", type=int, default=10)
    parser.add_argument("--fields", action="append", default=[], help="config fields, of which the best are tried, too")
    parser.add_argument("--samples", type=int, default=15)
    parser.add_argument("--only", default="", help="rows whose name has this text")
    options = parser.parse_args()
    store = kernels.KernelStore(options.kernels, options.gen)
    rows = [Row(recipe, *row) for recipe in RECIPES for row in ROWS]
    rows = [row for row in rows if options.only in row.slug]
    configs = {}
    for row in rows:
        listed = store.list_configs(row)[1 : options.configs] if options.configs else []
        for fields in options.fields:
            listed += store.list_configs(row, fields)[: options.configs]
        configs[row] = {"chosen": "", **{str(i): config for i, config in enumerate(dict.fromkeys(listed), 1)}}
        for config in configs[row].values():
            store.submit(row, config)
    store.wait_for_all()
    torch.cuda.init()
    torch.zeros(1, device="cuda")
    driver, stopwatch = launcher.Driver(), measure.Stopwatch(measure.QUICK_FLUSH_BYTES)
    results = []
    for row in rows:
        results.append(time_row(row, configs[row], store, driver, stopwatch, options))
        with open(options.out, "w") as file:
            json.dump({"gpu": torch.cuda.get_device_name(0), "driver": measure.Nvml().driver(), "torch": torch.__version__,
                       "date": datetime.date.today().isoformat(), "results": results}, file)  # fmt: skip
    report(results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
