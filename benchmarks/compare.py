#!/usr/bin/env python3
"""Times the kernels of several compilers on the same rows, interleaved in one run with a cold L2, to show the effect of a change.

  compare.py --gen old=/tmp/old/dgemm-gen --gen new=build-static/bin/dgemm-gen --out out/compare.json
             [--rows 64x4096x7168,masked:8x64x4096x7168] [--samples 25] [--flags=--machine=h200] [--limit 1.01]
  compare.py --gen old=build/bin/dgemm-gen --kernels /tmp/old --compile-only      needs no GPU; then --gen old=/tmp/old

The other compilers are compared with the first. Each chooses its own config. Every D is checked against double precision.
Prints medians in microseconds, with the spread of the middle half, and ratios, and names the rows above --limit. Exit code 1:
a result is wrong or a kernel fails.
"""
import argparse
import dataclasses
import datetime
import json
import os
import statistics
import sys

import kernels
import launcher
import problems


@dataclasses.dataclass(frozen=True)
class FlaggedRow:
    """A row of problems.py with more flags for the compiler."""

    row: problems.Row
    more: tuple

    @property
    def slug(self):
        return self.row.slug

    def flags(self):
        return [*self.row.flags(), *self.more]


def open_store(path, folder):
    """The kernels of a dgemm-gen, which `folder` keeps, or of a folder that was filled on another machine."""
    return kernels.KernelStore(path) if os.path.isdir(path) else kernels.KernelStore(folder, path)


def time_row(row, stores, driver, stopwatch, samples):
    """{"row", "us": {name: [us]}, "configs": {name: config}, "errors": [text]}."""
    import torch

    import inputs as operands
    import measure

    multiprocessors = torch.cuda.get_device_properties(0).multi_processor_count
    problem, bound = operands.Inputs(row.row), {}
    result = {"row": str(row.row), "configs": {}, "errors": []}
    for name, store in stores.items():
        try:
            compiled = store.get(row)
            kernel, d = problem.bind(compiled, driver, multiprocessors)
        except (kernels.CompileError, launcher.LaunchError) as error:
            result["errors"].append(f"{name}: {str(error).splitlines()[0][:200]}")
            continue
        operands.poison(d)
        kernel()
        measure.wait(20)
        wrong = problem.check(d)
        if wrong:
            result["errors"].append(f"{name}: {wrong}")
        result["configs"][name] = json.loads(compiled.launch)["config"]
        bound[name] = kernel
    result["us"] = {name: us for name, (us, _) in stopwatch.interleave(bound, samples).items()} if bound else {}
    for kernel in bound.values():
        kernel.unload()
    return result


def spread(us):
    """The middle half of the samples, as a share of their median."""
    quarters = statistics.quantiles(us, n=4)
    return (quarters[2] - quarters[0]) / statistics.median(us)


def report(results, names, limit):
    """Prints the table. The exit code."""
    first, others = names[0], names[1:]
    width = max(len(result["row"]) for result in results)
    ratios, above, failed = {}, [], False
    for result in results:
        for error in result["errors"]:
            failed = True
            print(f"{result['row']}: {error}")
        if first not in result["us"]:
            continue
        base = statistics.median(result["us"][first])
        line = f"{result['row']:{width}} {base:9.2f} ({spread(result['us'][first]):.1%})"
        for name in others:
            if name not in result["us"]:
                continue
            us = statistics.median(result["us"][name])
            line += f"  {name} {us:9.2f} ({spread(result['us'][name]):.1%}) {us / base:.3f}"
            ratios.setdefault((name, problems.parse_row(result["row"]).kind), []).append(us / base)
            if us / base > limit:
                above.append(f"{result['row']} ({name} {us / base:.3f})")
        print(line)
    for (name, kind), values in ratios.items():
        print(f"{name} / {first}, {kind}: geomean {statistics.geometric_mean(values):.3f}, worst {max(values):.3f}, of {len(values)}")
    for name in others:
        values = [value for (other, _), found in ratios.items() if other == name for value in found]
        if values:
            print(f"{name} / {first}, all: geomean {statistics.geometric_mean(values):.4f}, of {len(values)}")
    print(f"above {limit}: {', '.join(above) or 'none'}")
    return 1 if failed else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gen", action="append", required=True, metavar="NAME=PATH")
    parser.add_argument("--out", default="compare.json")
    parser.add_argument("--compile-only", action="store_true", help="compile into --kernels and end")
    parser.add_argument("--rows", default="", help="default: all rows of problems.py")
    parser.add_argument("--flags", default="--machine=h200", help="more flags for dgemm-gen, with spaces between")
    parser.add_argument("--samples", type=int, default=25)
    parser.add_argument("--limit", type=float, default=1.01)
    parser.add_argument("--kernels", default="/tmp/dgemm-compare", help="where compiled kernels are kept")
    options = parser.parse_args()
    gens = dict(text.split("=", 1) for text in options.gen)
    rows = problems.select_rows(options.rows) if options.rows else problems.all_rows()
    rows = [FlaggedRow(row, tuple(options.flags.split())) for row in rows]
    stores = {name: open_store(path, options.kernels) for name, path in gens.items()}
    for row in rows:
        for store in stores.values():
            store.submit(row)
    for store in stores.values():
        store.wait_for_all()
    if options.compile_only:
        return 0
    import torch

    import measure

    torch.cuda.init()
    torch.zeros(1, device="cuda")
    driver, stopwatch, results = launcher.Driver(), measure.Stopwatch(measure.QUICK_FLUSH_BYTES), []
    for row in rows:
        results.append(time_row(row, stores, driver, stopwatch, options.samples))
        with open(options.out, "w") as file:
            json.dump({"gpu": torch.cuda.get_device_name(0), "driver": measure.Nvml().driver(), "results": results,
                       "date": datetime.date.today().isoformat()}, file)  # fmt: skip
        torch.cuda.empty_cache()
    print(f"{torch.cuda.get_device_name(0)}, driver {measure.Nvml().driver()}")
    return report(results, list(gens), options.limit)


if __name__ == "__main__":
    sys.exit(main())
