#!/usr/bin/env python3
"""Epilogues by their names and as files of functions, on the emulator or a GPU, each against double precision.

usage: check-epilogue-options.py [--bin build/bin] [--count 80] [--random 40] [--seed 0] [--jobs N] [--device gpu] [--only TEXT]

The first problems have each ready-made epilogue once in each layout; then come chains of them, and --random problems with random
regions of up to eight ops on operands of every kind. Each has a type of D, which may be quantised, odd sizes, static or dynamic,
and a config that is chosen for it, or a part of one. D starts out as NaN, and what lies around it must not change (dgemm-run). Each element is held
against the bounds that follow from those of its sum, op by op (docs/epilogues.md). A quantised D of a random region must also be what
the quantiser makes of the f32 D of the same region and config, bit for bit. Prints the command of each problem that fails, and
exits with 1 if one does.
"""
import argparse
import array
import concurrent.futures
import json
import math
import os
import random
import struct
import subprocess
import sys
import tempfile

READY_MADE = ["bias", "residual", "alpha", "scale", "row_scale", "relu", "relu2", "gelu", "gelu_erf", "silu", "sigmoid", "tanh"]
GATED = ["swiglu", "geglu", "swiglu+row_scale", "geglu+bias+residual"]
LAYOUTS = ["dense", "contiguous", "masked"]
CHAINS = ["bias+gelu", "bias+relu", "bias+silu+row_scale", "scale+bias+residual", "row_scale+residual", "bias+tanh+scale+residual",
          "residual+relu2", "alpha+bias+gelu+scale"]
CONFIGS = ["", "", "", "cluster = 2x1, rotate = false", "cluster = 1x2", "split_k = 2", "split_k = 3", "unroll = 2, rotate = false",
           "warpgroups = 2", "early_store = true", "pingpong = true", "block = 64x64x128, warpgroups = 1"]
UNARY = ["arith.negf", "math.exp", "math.exp2", "math.log", "math.tanh", "math.erf", "math.sqrt", "math.rsqrt", "math.absf",
         "math.floor", "math.ceil", "math.trunc", "math.roundeven", "math.log1p", "math.expm1", "math.log2"]
BINARY = ["arith.addf", "arith.subf", "arith.mulf", "arith.divf", "arith.maximumf", "arith.minimumf", "arith.maxnumf", "arith.minnumf",
          "math.copysign"]
FUNCTIONS = ("math.exp", "math.log", "math.tanh", "math.erf", "math.sqrt", "math.rsqrt", "math.expm1")
PREDICATES = ["oeq", "ogt", "oge", "olt", "ole", "une", "ugt", "ult", "ord", "uno"]


def make_region(r, layout, gated):
    """A function of the element (gated: of two) and of up to three operands, with up to eight ops. At least half of the
    time, one op is a function. Quotients and roots of any values give elements without bounds, so they are rare."""
    axes = ["n", "m", "mn", "none"] + (["g"] if layout != "dense" else [])
    operands = [(f"operand{i}", r.choice(axes), r.choice(["f32", "f32", "bf16", "f16"])) for i in range(r.randint(0, 3))]
    elements = ["%x", "%up"] if gated else ["%x"]
    numbers, truths, lines = elements + [f"%{name}" for name, _, _ in operands], [], []
    for index in range(r.randint(1, 8)):
        kind, result = r.random(), f"%v{index}"
        pick = lambda: r.choice(numbers[-3:] + numbers)  # noqa: E731, the newest more often
        fast = " fastmath<afn>" if r.random() < 0.5 else ""
        if kind < 0.15:
            lines.append(f"{result} = arith.constant {r.choice([0.0, 0.5, -1.0, 2.0, 1.5, r.uniform(-3, 3)]):.6e} : f32")
        elif kind < 0.4:
            name = r.choice(UNARY)
            lines.append(f"{result} = {name} {pick()}{fast if name.startswith('math.') and name in FUNCTIONS else ''} : f32")
        elif kind < 0.75:
            name = r.choice(BINARY)
            lines.append(f"{result} = {name} {pick()}, {pick()}{fast if name == 'arith.divf' else ''} : f32")
        elif kind < 0.85:
            lines.append(f"{result} = math.fma {pick()}, {pick()}, {pick()} : f32")
        elif kind < 0.93 or not truths:
            lines.append(f"{result} = arith.cmpf {r.choice(PREDICATES)}, {pick()}, {pick()} : f32")
            truths.append(result)
            continue
        else:
            lines.append(f"{result} = arith.select {r.choice(truths)}, {pick()}, {pick()} : f32")
        numbers.append(result)
    arguments = [f"{element}: f32" for element in elements] + [
        f'%{name}: f32 {{dgemm.operand = #dgemm.epilogue_operand<name = "{name}", along = {axis}, element = {element}>}}'
        for name, axis, element in operands]  # fmt: skip
    body = "".join(f"  {line}\n" for line in lines)
    attributes = "attributes {dgemm.gated} " if gated else ""
    return f"func.func @region({', '.join(arguments)}) -> f32 {attributes}{{\n{body}  return {numbers[-1]} : f32\n}}\n"


def make_problem(seed, index, count):
    """The flags of dgemm-gen, those of dgemm-run, and the text of a region or the names of ready-made ones."""
    r = random.Random(seed * 1000003 + index)
    gated = index >= 3 * len(READY_MADE) and r.random() < 0.25
    layout = LAYOUTS[index % 3] if index < 3 * len(READY_MADE) else r.choice(LAYOUTS)
    if index < 3 * len(READY_MADE):
        epilogue = READY_MADE[index // 3]
    elif index < count:
        epilogue = r.choice(GATED if gated else CHAINS + READY_MADE)
    else:
        epilogue = make_region(r, layout, gated)
    m, n = r.choice([1, 7, 33, 64, 100, 129, 200]), r.choice([8, 24, 40, 120, 136, 200, 264, 33, 130])
    k = r.choice([16, 128, 144, 400, 512, 640, 130, 77])
    scale = r.choice([("1x128", "128x128"), ("1x128", "128x128"), ("row", "row"), ("tensor", "row"), ("1x128", "1x128")])
    if gated:  # halves of B with whole scales, in one CTA
        scale = r.choice([("1x128", "128x128"), ("row", "tensor"), ("tensor", "tensor")])
        n = r.choice([256, 512, 768] if scale[1] == "128x128" else [256, 40, 130, 600])
    flags = [f"--n={n}", f"--k={k}", f"--scale-a={scale[0]}", f"--scale-b={scale[1]}", f"--layout={layout}"]
    quantized = index >= 3 * len(READY_MADE) and r.random() < 0.3
    flags += [f"--out={r.choice(['e4m3', 'e4m3', 'e5m2'] if quantized else ['bf16', 'f16', 'f32'])}"]
    if quantized and r.random() < 0.4:
        flags.append("--scale-d-n-innermost")
    if layout != "dense":
        groups = r.choice([1, 2, 3])
        flags.append(f"--groups={groups}")
        m = {"contiguous": 128 * r.choice([groups, groups + 1]), "masked": r.choice([64, 72])}[layout]
    flags.append(f"--m={m}")
    if set(scale) <= {"tensor", "row"} and r.random() < 0.5:
        flags.append("--accuracy=fast")
    config = r.choice([config for config in CONFIGS if not (gated or quantized) or "split" not in config])
    wide = f"block = 128x{256 if gated else 128}x128" if quantized else "block = 128x64x128"
    if quantized and "block" in config:
        config = config.replace("block = 64x64x128", "block = 64x256x128")
    if ("cluster" in config and k % 16) or (layout == "contiguous" and "block" not in config):
        config = "" if "cluster" in config else config
        config = ", ".join(filter(None, [config, wide if layout == "contiguous" else ""]))
    if "early_store" in config and scale != ("1x128", "128x128"):
        config = ""  # it is for scales that vary along K, and for one of B in a tile
    if config:
        flags.append(f"--config={config}")
    if r.random() < 0.2:
        flags.append("--dynamic=m")
    return flags, [f"--m={m}"], epilogue


def to_f32(value):
    """A double rounded to f32. A product, quotient or reciprocal of f32 is thereby rounded once, as 53 bits are enough for that."""
    return struct.unpack("f", struct.pack("f", value))[0]


def encode(value, bits, bias, largest):
    """The code of FP8 with so many bits of mantissa that is nearest to a number of at most `largest`, to even between two."""
    exponent = max(math.frexp(abs(value))[1] - 1, 1 - bias) if value else 1 - bias  # at least that of the least normal number
    steps = round(min(abs(value), largest) * 2.0 ** (bits - exponent))
    code = steps if exponent == 1 - bias else (exponent + bias - 1 << bits) + steps
    return code | (0x80 if math.copysign(1, value) < 0 else 0)


def read_npy(path, kind):
    with open(path, "rb") as file:
        data = file.read()
    start = 10 + int.from_bytes(data[8:10], "little")
    shape = eval(data[10:start].decode())["shape"]  # a dict of Python by the format
    return array.array(kind, data[start:]), shape


def compare_exactly(folder, is_e4m3):
    """The number of scales and of elements that are not those of the quantiser (dgemm.per_token_cast_to_fp8) for the f32 D."""
    wide, shape = read_npy(f"{folder}/wide.npy", "f")
    codes, scales = read_npy(f"{folder}/d.npy", "B")[0], read_npy(f"{folder}/scale.npy", "f")[0]
    (*front, rows, columns), blocks = shape, -(-shape[-1] // 128)
    bits, bias, largest, first_nan = (3, 7, 448.0, 0x7F) if is_e4m3 else (2, 15, 57344.0, 0x7D)
    wrong_scales = wrong = 0
    for row in range(math.prod(front) * rows):
        for block in range(blocks):
            place = slice(row * columns + block * 128, min(row * columns + block * 128 + 128, (row + 1) * columns))
            values = wide[place]
            scale = scales[(row // rows * blocks + block) * rows + row % rows]
            amax = math.nan if any(map(math.isnan, values)) else max(max(map(abs, values)), to_f32(1e-4))
            wanted = to_f32(amax * to_f32(1 / largest))
            wrong_scales += scale != wanted and not (math.isnan(scale) and math.isnan(wanted))
            factor = to_f32(1 / wanted)
            for value, code in zip(values, codes[place]):
                scaled = math.nan if math.isinf(value) else to_f32(value * factor)
                if math.isnan(scaled):
                    wrong += code & 0x7F < first_nan
                else:
                    wrong += code != encode(scaled, bits, bias, largest)
    return wrong_scales, wrong


def check_exactly(options, folder, flags, run, seed):
    """Runs the same region with an f32 D and compares; a text if they differ."""
    with open(f"{folder}/kernel.json") as file:
        config = json.load(file)["config"].removeprefix("#dgemm.config")
    wide = [flag for flag in flags if not flag.startswith(("--out=", "--config=", "--scale-d"))] + ["--out=f32", f"--config={config}"]
    kernel = "wide.ptx" if options.device == "emulator" else "wide.cubin"
    common = [*run, f"--device={options.device}", "--check=none", f"--seed={seed}", "--no-time"]
    commands = [[f"{options.bin}/dgemm-gen", *wide, f"--emit={kernel[5:]}", "-o", f"{folder}/{kernel}"],
                [f"{options.bin}/dgemm-gen", *wide, "--emit=launch", "-o", f"{folder}/wide.json"],
                [f"{options.bin}/dgemm-run", f"--kernel={folder}/{kernel}", f"--launch={folder}/wide.json", *common,
                 f"--save-d={folder}/wide.npy"]]  # fmt: skip
    for command in commands:
        result = subprocess.run(command, capture_output=True, text=True, timeout=300)
        if result.returncode:
            return "with an f32 D: " + (result.stdout + result.stderr).strip()[:600]
    scales, elements = compare_exactly(folder, "--out=e4m3" in flags)
    return f"{scales} scales and {elements} elements are not those of the f32 D" if scales or elements else ""


def run_problem(options, index):
    flags, run, epilogue = make_problem(options.seed, index, options.count)
    text = " ".join(f"'{flag}'" if " " in flag else flag for flag in flags)
    if options.only not in text + epilogue:
        return None
    with tempfile.TemporaryDirectory() as folder:
        given = epilogue
        if "func.func" in epilogue:
            given = f"{folder}/region.mlir"
            with open(given, "w") as file:
                file.write(epilogue)
        flags.append(f"--epilogue={given}")
        quantized = "--out=e4m3" in flags or "--out=e5m2" in flags
        saved = [f"--save-d={folder}/d.npy", f"--save-scale-d={folder}/scale.npy"] if quantized else []
        # A driver assembles PTX otherwise than the pinned ptxas.
        kernel = "kernel.ptx" if options.device == "emulator" else "kernel.cubin"
        commands = [[f"{options.bin}/dgemm-gen", *flags, f"--emit={kernel[7:]}", "-o", f"{folder}/{kernel}"],
                    [f"{options.bin}/dgemm-gen", *flags, "--emit=launch", "-o", f"{folder}/kernel.json"],
                    [f"{options.bin}/dgemm-run", f"--kernel={folder}/{kernel}", f"--launch={folder}/kernel.json", *run,
                     f"--device={options.device}", "--check=full", f"--seed={index}", "--no-time", *saved]]  # fmt: skip
        for command in commands:
            result = subprocess.run(command, capture_output=True, text=True, timeout=300)
            if result.returncode and "no legal config" in result.stderr:
                return "no config"
            if result.returncode:
                lines = (result.stdout + result.stderr).strip().splitlines()
                what = epilogue if given != epilogue else f"--epilogue={epilogue}\n"
                return f"FAIL problem {index}: dgemm-gen {text} {what}  " + "\n  ".join(lines[:6])
        if quantized and "func.func" in epilogue and (fault := check_exactly(options, folder, flags, run, index)):
            return f"FAIL problem {index}: dgemm-gen {text} {epilogue}  {fault}"
    return ""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin", default="build/bin", help="folder of the tools")
    parser.add_argument("--count", type=int, default=80, help="problems with ready-made epilogues")
    parser.add_argument("--random", type=int, default=40, help="problems with random regions")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--device", default="emulator", help="emulator or gpu")
    parser.add_argument("--only", default="", help="problems whose flags or regions have this text")
    options = parser.parse_args()
    indices = [*range(options.count), *range(max(options.count, 3 * len(READY_MADE)), max(options.count, 3 * len(READY_MADE)) +
                                             options.random)]  # fmt: skip
    if options.count < 3 * len(READY_MADE):
        options.count = 3 * len(READY_MADE)
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        results = [result for result in pool.map(lambda i: run_problem(options, i), indices) if result is not None]
    failed = [result for result in results if result.startswith("FAIL")]
    for result in failed:
        print(result)
    print(f"{len(results)} problems, {results.count('no config')} of them without a config, {len(failed)} failed")
    return 1 if failed or len(results) == results.count("no config") else 0


if __name__ == "__main__":
    sys.exit(main())
