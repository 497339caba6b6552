#!/usr/bin/env python3
"""The error that each interval of promotion leaves, by a model of the tensor core that has the bits of a Hopper GPU.

usage: promotion-errors.py [--update] [--check] [--run build/bin/dgemm-run --gen build/bin/dgemm-gen]

Sums e4m3 products along K as wgmma does (docs/emulator.md, "How the tensor core sums") and adds the partial sum to f32 after
each n K blocks of 128. Prints, against double precision, the largest error over the rms of D, and 1 - 2 sum(xy) / sum(xx + yy).
--update writes the table into docs/performance.md; --check fails if what stands there is another. With --gen and --run it first
compares the model with the emulator: D of kernels with accuracy = exact and fast, of each distribution, to the bit.
"""
import argparse
import pathlib
import subprocess
import sys
import tempfile

import ml_dtypes
import numpy as np

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs/performance.md"
BEGIN, END = "<!-- promotion: scripts/promotion-errors.py --update writes this -->", "<!-- /promotion -->"
ROWS, COLUMNS = 64, 32
BLOCK, DEPTH, KEPT_BITS = 128, 32, 13
INTERVALS = [1, 2, 4, 8, 16, 32, None]
DEPTHS = [512, 2048, 7168, 16384]
DATA = {
    "normal": lambda rng, shape: rng.standard_normal(shape),
    "heavy-tailed": lambda rng, shape: rng.standard_t(3, shape),
    "one sign": lambda rng, shape: np.abs(rng.standard_normal(shape)),
}


def quantise(values):
    """e4m3 with one scale for each row, whose largest magnitude becomes 448: what is multiplied, as f32."""
    scale = np.abs(values).max(axis=1, keepdims=True) / 448
    return (values / scale).astype(np.float32).astype(ml_dtypes.float8_e4m3fn).astype(np.float32)


def exponents(values, least):
    """Of each value; far below all others for a zero."""
    _, exponent = np.frexp(values)
    return np.where(values == 0, -4096, np.maximum(exponent - 1, least))


def wgmma(acc, a, b):
    """acc [M, N] + a [M, 32] b [N, 32]^T, as one wgmma of depth 32 gives it."""
    of_products = exponents(a, -6)[:, None, :] + exponents(b, -6)[None, :, :]
    largest = np.maximum(of_products.max(axis=2), exponents(acc, -126))
    unit = np.ldexp(1.0, np.maximum(largest, -28) - KEPT_BITS)
    products = a[:, None, :].astype(np.float64) * b[None, :, :]
    total = np.trunc(products / unit[..., None]).sum(axis=2) + np.trunc(acc / unit)
    kept = (total.astype(np.float32).view(np.uint32) & np.uint32(~0 << (23 - KEPT_BITS) & 0xFFFFFFFF)).view(np.float32)
    return (kept * unit).astype(np.float32) + np.float32(0)


def multiply(a, b, interval):
    """a [M, K] b [N, K]^T, promoted to f32 after each `interval` K blocks; None: never."""
    total = np.zeros((len(a), len(b)), np.float32)
    part = np.zeros_like(total)
    blocks = -(-a.shape[1] // BLOCK)
    for block in range(blocks):
        for k in range(block * BLOCK, min((block + 1) * BLOCK, a.shape[1]), DEPTH):
            part = wgmma(part, a[:, k : k + DEPTH], b[:, k : k + DEPTH])
        if block + 1 == blocks or (interval and (block + 1) % interval == 0):
            total, part = total + part, np.zeros_like(part)
    return total


def measure(name, k, interval):
    """(largest error / rms, 1 - 2 sum(xy) / sum(xx + yy))."""
    rng = np.random.default_rng([k, list(DATA).index(name)])
    a, b = (quantise(DATA[name](rng, (rows, k))) for rows in (ROWS, COLUMNS))
    expected = a.astype(np.float64) @ b.astype(np.float64).T
    given = multiply(a, b, interval).astype(np.float64)
    rms = np.sqrt((expected**2).mean())
    difference = 1 - 2 * (given * expected).sum() / (given**2 + expected**2).sum()
    return np.abs(given - expected).max() / rms, abs(difference)


def make_table():
    head = ["data", "K", *(f"{n}" if n else "never" for n in INTERVALS)]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for name in DATA:
        for k in DEPTHS:
            cells = []
            for interval in INTERVALS:
                if interval and interval > 1 and interval * BLOCK >= k:
                    cells.append("")  # as never
                    continue
                largest, difference = measure(name, k, interval)
                cells.append(f"{largest:.0e}, {difference:.0e}".replace("e-0", "e-"))
            lines.append("| " + " | ".join([name, str(k), *cells]) + " |")
    return "\n".join(lines) + "\n"


def check_model(options):
    """Prints how many elements of D the emulator gives otherwise; whether there are none."""
    good = True
    for name in DATA:
        for accuracy, interval in (("exact", 1), ("fast", None)):
            rng = np.random.default_rng(7)
            a, b = (quantise(DATA[name](rng, (rows, 640))) for rows in (ROWS, COLUMNS))
            with tempfile.TemporaryDirectory() as folder:
                for side, values in (("a", a), ("b", b)):
                    np.save(f"{folder}/{side}.npy", values.astype(ml_dtypes.float8_e4m3fn).view(np.uint8))
                    np.save(f"{folder}/scale_{side}.npy", np.ones((1, 1), np.float32))
                flags = [f"--m={ROWS}", f"--n={COLUMNS}", "--k=640", "--scale-a=tensor", "--scale-b=tensor", "--out=f32",
                         f"--accuracy={accuracy}", "--config=split_k = 1, serpentine = false"]  # fmt: skip
                inputs = [f"--input-{side.replace('_', '-')}={folder}/{side}.npy" for side in ("a", "b", "scale_a", "scale_b")]
                for emit, path in (("ptx", "kernel.ptx"), ("launch", "kernel.json")):
                    subprocess.run([options.gen, *flags, f"--emit={emit}", "-o", f"{folder}/{path}"], check=True)
                subprocess.run([options.run, "--device=emulator", f"--kernel={folder}/kernel.ptx", "--no-time",
                                f"--launch={folder}/kernel.json", *inputs, f"--save-d={folder}/d.npy"],
                               stdout=subprocess.DEVNULL)  # fast sums of one sign miss its limit  # fmt: skip
                d = np.load(f"{folder}/d.npy")
            other = int((d.view(np.uint32) != multiply(a, b, interval).view(np.uint32)).sum())
            print(f"{name}, {accuracy}: {other} of {d.size} elements are another on the emulator")
            good &= other == 0
    return good


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--update", action="store_true", help="write the table into docs/performance.md")
    parser.add_argument("--check", action="store_true", help="fail if another table stands there")
    parser.add_argument("--gen", help="dgemm-gen, to compare the model with the emulator")
    parser.add_argument("--run", help="dgemm-run, likewise")
    options = parser.parse_args()
    if options.gen and options.run and not check_model(options):
        return 1
    table = make_table()
    print(table, end="")
    page = PAGE.read_text()
    before, _, rest = page.partition(BEGIN)
    old, _, after = rest.partition(END)
    if options.update:
        PAGE.write_text(f"{before}{BEGIN}\n{table}{END}{after}")
    if options.check and old.strip() != table.strip():
        print(f"{PAGE.relative_to(ROOT)} has another table; run promotion-errors.py --update", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
