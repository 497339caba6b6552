#!/usr/bin/env python3
"""What epilogues cost: kernels with and without one, interleaved in one run with a cold L2, on a Hopper GPU.

  epilogues.py --gen build-static/bin/dgemm-gen --out out/epilogues.json [--samples 15] [--only 4096x7168]
  epilogues.py --gen build/bin/dgemm-gen --kernels FOLDER --compile-only      needs no GPU; then without --gen

For each row: the plain kernel, the same with a bias, with bias and GELU, with bias, SiLU and a factor for each row, with a
residual, and with SwiGLU, whose D has half of the columns, each with the config that the compiler chooses for it. Then SwiGLU
and quantisation to e4m3 with 1x128 scales: in the kernel, and as a plain kernel followed by a Triton kernel, of which the time and
the bandwidth are printed alone, too. Times are of kernels alone, without gaps between them. Prints medians in microseconds and ratios to the plain kernel;
writes all samples. Every result is compared with the reference in double precision.
"""
import argparse
import dataclasses
import json
import math
import statistics
import sys

import torch
import triton
import triton.language as tl

import inputs as operands
import kernels
import measure
import problems

NK = [(4096, 7168), (7168, 2048)]
DENSE_M = [64, 128, 1024, 4096]
EPILOGUES = {
    "plain": "",
    "bias": "bias",
    "bias+gelu": "bias+gelu",
    "bias+silu+row_scale": "bias+silu+row_scale",
    "residual": "residual",
    "swiglu": "swiglu",
}
FUSED = ["--epilogue=swiglu", "--out=e4m3"]


def all_rows():
    rows = [problems.Row("dense", 1, m, n, k) for m in DENSE_M for n, k in NK]
    return rows + [row for row in problems.all_rows() if row.layout != "dense"]


@dataclasses.dataclass(frozen=True)
class FusedRow:
    """A row with an epilogue, as kernels.KernelStore takes it."""

    row: problems.Row
    more: tuple

    def flags(self):
        return [*self.row.flags(), "--machine=h200", *self.more]

    @property
    def slug(self):
        return f"{self.row.slug}-{kernels.config_slug(' '.join(self.more))}"


def with_epilogue(row, epilogue):
    return FusedRow(row, (f"--epilogue={epilogue}",) if epilogue else ())


class Inputs(operands.Inputs):
    """With sums of about 2, and operands of epilogues."""

    def __init__(self, row):
        super().__init__(row)
        self.scale_a *= 2 / math.sqrt(row.k)
        front = () if row.layout == "dense" else (row.groups,)
        rows = (row.groups, row.rows) if row.layout == "masked" else (row.rows,)
        self.others = {
            "bias": torch.randn((*front, row.n), device="cuda"),
            "row_scale": torch.randn(rows, device="cuda"),
            "residual": torch.randn((*rows, row.n), device="cuda").bfloat16(),
        }

    def _find(self, name):
        return self.others[name] if name in self.others else super()._find(name)

    def expected(self, epilogue):
        """The reference of each segment behind the epilogue."""
        for (group, index), sums in zip(self.segments, self.reference()):
            x = sums.double()
            for name in filter(None, epilogue.split("+")):
                if name == "bias":
                    x = x + self.others["bias"][... if group is None else group].double()
                elif name == "row_scale":
                    x = x * self.others["row_scale"][index].double().unsqueeze(-1)
                elif name == "swiglu":
                    gate, up = x.chunk(2, dim=-1)
                    x = torch.nn.functional.silu(gate) * up
                elif name == "residual":
                    x = x + self.others["residual"][index].double()
                else:
                    x = {"gelu": lambda y: torch.nn.functional.gelu(y, approximate="tanh"),
                         "silu": torch.nn.functional.silu}[name](x)  # fmt: skip
            yield index, x

    def check_fused(self, d):
        """None if `d`, with the scales beside it, is SwiGLU of the sums, quantised."""
        scales = next(view for (name, *_), view in self._placed.items() if name == "scale_d").transpose(-1, -2)
        values = d.view(torch.float8_e4m3fn)
        for index, expected in self.expected("swiglu"):
            got = values[index].float() * scales[index].repeat_interleave(128, -1)
            if expected.numel() and (error := operands.difference(got, expected.float())) > 1e-3:
                return f"difference {error:.3g}"
        return None

    def check_epilogue(self, d, epilogue):
        """None if `d` is right; else what is wrong with it."""
        error = weight = 0.0
        for index, expected in self.expected(epilogue):
            value = d[index].double()
            error += float((value - expected).square().sum())
            weight += float(value.square().sum() + expected.square().sum())
        difference = error / weight if weight else 0.0
        return None if difference < operands.MAX_DIFFERENCE else f"difference {difference:.3g}"


# ---------------------------------------------------------------------------------------------------------------------
# SwiGLU and quantisation in Triton
# ---------------------------------------------------------------------------------------------------------------------


@triton.autotune([triton.Config({"ROWS": rows}, num_warps=warps) for rows in (1, 2, 4, 8, 16, 32) for warps in (1, 2, 4, 8)
                  if 32 * warps <= 64 * rows], key=["columns", "rows"])  # fmt: skip
@triton.jit
def swiglu_quantize_kernel(d, out, scales, counts, rows, columns, pitch, HAS_COUNTS: tl.constexpr, ROWS: tl.constexpr):
    """`d` [G, rows, 2 columns] bf16, gates in front; `out` [G, rows, columns] e4m3; `scales` [G, columns / 128, pitch] f32. A
    program has ROWS rows of 128 columns. With counts, rows behind those of a group are left alone."""
    group, block, part = tl.program_id(2).to(tl.int64), tl.program_id(1), tl.program_id(0)
    count = rows
    if HAS_COUNTS:
        count = tl.load(counts + group)
        if part * ROWS >= count:
            return
    row = part * ROWS + tl.arange(0, ROWS)
    column = block * 128 + tl.arange(0, 128)
    mask = (row < count)[:, None]
    at = (group * rows + row)[:, None] * (2 * columns) + column[None, :]
    gate = tl.load(d + at, mask=mask, other=0.0).to(tl.float32)
    up = tl.load(d + at + columns, mask=mask, other=0.0).to(tl.float32)
    x = gate * tl.sigmoid(gate) * up
    scale = tl.maximum(tl.max(tl.abs(x), axis=1), 1e-4) / 448.0
    values = x * (1.0 / scale)[:, None]
    tl.store(out + (group * rows + row)[:, None] * columns + column[None, :], values.to(out.dtype.element_ty), mask=mask)
    tl.store(scales + (group * (columns // 128) + block) * pitch + row, scale, mask=row < count)


class SwigluQuantize:
    """The step between the two products of an expert."""

    def __init__(self, row, d, groups):
        self.row, self.d = row, d
        self.shape = (row.groups if row.layout == "masked" else 1, row.rows, row.n // 2)
        self.counts = groups if row.layout == "masked" else None
        self.pitch = problems.ceil_div(row.rows, 4) * 4
        self.out = torch.empty(self.shape, dtype=torch.float8_e4m3fn, device="cuda")
        self.scales = torch.empty((self.shape[0], self.shape[2] // 128, self.pitch), device="cuda")

    def __call__(self):
        groups, rows, columns = self.shape
        grid = lambda meta: (triton.cdiv(rows, meta["ROWS"]), columns // 128, groups)  # noqa: E731
        swiglu_quantize_kernel[grid](self.d, self.out, self.scales, self.counts if self.counts is not None else self.scales, rows,
                                     columns, self.pitch, HAS_COUNTS=self.counts is not None)  # fmt: skip

    @property
    def bytes(self):
        """Read and written."""
        tokens = sum(self.row.group_rows()) if self.row.layout == "masked" else self.row.rows
        return tokens * (2 * self.row.n + self.row.n // 2 + 4 * self.row.n // 256)

    def check(self):
        """None, or what is wrong with the result."""
        d = self.d.view(*self.shape[:2], 2 * self.shape[2]).float()
        x = torch.nn.functional.silu(d[..., : self.shape[2]]) * d[..., self.shape[2] :]
        blocks = x.unflatten(-1, (-1, 128))
        scales = blocks.abs().amax(-1).clamp(1e-4) / 448
        mine = self.scales[..., : self.shape[1]].transpose(-1, -2)
        for group, count in enumerate(self.row.group_rows() if self.counts is not None else [self.shape[1]]):
            count = min(count, self.shape[1])
            got = self.out[group, :count].float().unflatten(-1, (-1, 128)) * mine[group, :count].unsqueeze(-1)
            if not torch.allclose(mine[group, :count], scales[group, :count], rtol=1e-5):
                return "scales differ"
            if operands.difference(got, blocks[group, :count]) > 1e-3:
                return "values differ"
        return None


# ---------------------------------------------------------------------------------------------------------------------
# Rows
# ---------------------------------------------------------------------------------------------------------------------


def bind_fused(row, given, store, driver, multiprocessors, result):
    """The kernel that does all, or None where the compiler has none."""
    try:
        kernel, d = given.bind(store.get(FusedRow(row, tuple(FUSED))), driver, multiprocessors)
    except kernels.CompileError as error:
        result["errors"].append(f"{' '.join(FUSED)}: {str(error).splitlines()[-1][:200]}")
        return None
    kernel()
    measure.wait(20)
    if (wrong := given.check_fused(d)) is not None:
        result["errors"].append(f"{' '.join(FUSED)}: {wrong}")
    return kernel


def time_row(row, store, driver, stopwatch, options):
    given = Inputs(row)
    multiprocessors = torch.cuda.get_device_properties(0).multi_processor_count
    result = {"row": row.as_dict(), "errors": []}
    calls, unloaded = {}, []
    for name, epilogue in EPILOGUES.items():
        if name == "swiglu" and row.n % 256:
            continue
        try:
            compiled = store.get(with_epilogue(row, epilogue))
        except kernels.CompileError as error:
            result["errors"].append(f"{name}: {str(error).splitlines()[0][:200]}")
            continue
        kernel, out = given.bind(compiled, driver, multiprocessors)
        if name == "plain":
            d = out
        operands.poison(out)
        kernel()
        measure.wait(20)
        if (wrong := given.check_epilogue(out, epilogue)) is not None:
            result["errors"].append(f"{name}: {wrong}")
        result[f"config {name}"] = json.loads(compiled.launch)["config"]
        calls[name] = kernel
        unloaded.append(kernel)
    if "plain" in calls and row.n % 256 == 0:
        calls["plain"]()
        swiglu = SwigluQuantize(row, d, given.groups)
        swiglu()
        measure.wait(60)
        if (wrong := swiglu.check()) is not None:
            result["errors"].append(f"swiglu in Triton: {wrong}")
        calls["swiglu in Triton"] = swiglu
        result["swiglu bytes"] = swiglu.bytes
        if (fused := bind_fused(row, given, store, driver, multiprocessors, result)) is not None:
            calls["fused"] = fused
            unloaded.append(fused)
    result["us"] = {name: us for name, (us, _) in stopwatch.interleave(calls, options.samples).items()}
    for kernel in unloaded:
        kernel.unload()
    return result


def report(results):
    names = [name for name in EPILOGUES if name != "plain"]
    print(f"{'row':30} {'plain us':>9} " + " ".join(f"{name:>20}" for name in names) + f" {'Triton us':>10} {'TB/s':>5} {'fused us':>9}"
          " fused / both")  # fmt: skip
    ratios = {}
    for result in results:
        median = {name: statistics.median(us) for name, us in result["us"].items()}
        plain, row = median.get("plain", math.nan), problems.from_dict(result["row"])
        columns = []
        for name in names:
            ratio = median.get(name, math.nan) / plain
            columns.append(f"{median.get(name, math.nan):12.2f} {ratio:7.3f}")
            if not math.isnan(ratio):
                ratios.setdefault(name, []).append(ratio)
        triton_us, fused = median.get("swiglu in Triton", math.nan), median.get("fused", math.nan)
        both = fused / (plain + triton_us)
        if not math.isnan(both):
            ratios.setdefault("fused / both", []).append(both)
        bandwidth = result.get("swiglu bytes", math.nan) / triton_us * 1e-6
        print(f"{str(row):30} {plain:9.2f} " + " ".join(columns) + f" {triton_us:10.2f} {bandwidth:5.2f} {fused:9.2f} {both:6.3f}")
        for error in result["errors"]:
            print(f"    {error}")
    for name, values in ratios.items():
        print(f"{name}: geomean {statistics.geometric_mean(values):.4f}, most {max(values):.4f}, of {len(values)}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gen", help="dgemm-gen to compile with; without it, kernels come from --kernels")
    parser.add_argument("--out", help="JSON file for all samples")
    parser.add_argument("--kernels", default="/tmp/dgemm-epilogues", help="where compiled kernels are kept")
    parser.add_argument("--samples", type=int, default=15)
    parser.add_argument("--only", default="", help="rows whose name has this text")
    parser.add_argument("--compile-only", action="store_true", help="fill --kernels, measure nothing")
    options = parser.parse_args()
    if not options.out and not options.compile_only:
        parser.error("--out is missing")
    store = kernels.KernelStore(options.kernels, options.gen)
    rows = [row for row in all_rows() if options.only in str(row)]
    if options.gen:
        for row in rows:
            for each in [*(with_epilogue(row, epilogue) for epilogue in EPILOGUES.values()), FusedRow(row, tuple(FUSED))]:
                store.submit(each)
        for row, _, error in store.wait_for_all():
            print(f"{row.slug}: {error}", file=sys.stderr)
    if options.compile_only:
        return 0
    report(measure.time_rows(rows, lambda row, *tools: time_row(row, store, *tools, options), options.out))
    return 0


if __name__ == "__main__":
    sys.exit(main())
