#!/usr/bin/env python3
"""Compares the outputs of the emulator and of a GPU, kernel by kernel, on the same inputs.

  gpu-agreement.py prepare --gen build/bin/dgemm-gen --out FOLDER [--seed S] [--kernels N]
  FOLDER/run.sh DGEMM_RUN gpu OUT            (on the GPU machine: writes OUT/<kernel>.npy)
  FOLDER/run.sh DGEMM_RUN emulator OUT       (anywhere)
  gpu-agreement.py compare GPU_OUT EMULATOR_OUT

The seed draws shape, tails and config of a kernel, and for every second kernel also its recipe and layout (check-recipes.py).
Inputs have one of the distributions of dgemm-run. The emulator sums as the tensor core does, so outputs are bitwise equal.
`compare` prints the number of elements that differ in each pair, and 1 - 2 sum(xy) / sum(x^2 + y^2), and fails if any differs.
"""
import argparse
import importlib.util
import pathlib
import random
import subprocess
import sys

# (math warpgroups, block M, largest block N)
TILES = [(1, 64, 200), (1, 128, 128), (2, 128, 192), (2, 256, 128), (3, 192, 128)]
DISTRIBUTIONS = ["normal", "heavy-tailed", "same-sign"]
RUN = """#!/usr/bin/env bash
# run.sh DGEMM_RUN DEVICE OUT: runs every kernel of this folder and keeps its output.
set -u
cd "$(dirname "$0")" && mkdir -p "$3"
failed=0
while read -r stem m seed distribution; do
  suffix=cubin
  [ "$2" = emulator ] && suffix=ptx
  timeout 120 "$1" --device="$2" --kernel="$stem.$suffix" --launch="$stem.json" --m="$m" --seed="$seed" --no-time \\
    --distribution="$distribution" --check=none --save-d="$3/$stem.npy" || failed=1
done <list.txt
exit $failed
"""


def load_recipes():
    path = pathlib.Path(__file__).parent / "check-recipes.py"
    spec = importlib.util.spec_from_file_location("check_recipes", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def draw_config(draw, index):
    """The flags of dgemm-gen for a random tile, and M."""
    warpgroups, block_m, widest = TILES[index % len(TILES)]
    block_n = draw.randrange(8, widest + 1, 8)
    m, n, k = draw.randrange(8, 401, 8), draw.randrange(8, 601, 8), draw.randrange(16, 1537, 16)
    config = f"block={block_m}x{block_n}x128,warpgroups={warpgroups},group_m={draw.choice([1, 4, 8])}"
    return [f"--m={'?' if index % 2 else m}", f"--n={n}", f"--k={k}", f"--config={config}"], m


def prepare(args):
    out = pathlib.Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    draw = random.Random(args.seed)
    recipes = load_recipes()
    lines = []
    for index in range(args.kernels):
        if index % 2:
            flags, run = recipes.make_problem(args.seed, index // 2)
            m = next(flag for flag in run if flag.startswith("--m=")).partition("=")[2]
        else:
            flags, m = draw_config(draw, index // 2)
        stem = f"k{index:03}"
        for stage, suffix in (("cubin", "cubin"), ("ptx", "ptx"), ("launch", "json")):
            subprocess.run([args.gen, *flags, f"--emit={stage}", "-o", str(out / f"{stem}.{suffix}")], check=True)
        (out / f"{stem}.txt").write_text(" ".join(flags) + "\n")
        distribution = draw.choice(DISTRIBUTIONS)
        lines.append(f"{stem} {m} {draw.randrange(1 << 30)} {distribution}\n")
    (out / "list.txt").write_text("".join(lines))
    script = out / "run.sh"
    script.write_text(RUN)
    script.chmod(0o755)


def read(path):
    """The bits of D, and its values."""
    import numpy

    values = numpy.load(path)
    bits = values.view(numpy.uint32 if values.dtype.itemsize == 4 else numpy.uint16)
    if values.dtype == numpy.uint16:  # the bits of bf16
        values = (values.astype(numpy.uint32) << 16).view(numpy.float32)
    return bits, values.astype(numpy.float64)


def compare(args):
    import numpy

    unequal = 0
    names = sorted(path.name for path in pathlib.Path(args.gpu).glob("*.npy"))
    if not names:
        sys.exit(f"{args.gpu} holds no outputs")
    for name in names:
        (x_bits, x), (y_bits, y) = read(pathlib.Path(args.gpu) / name), read(pathlib.Path(args.emulator) / name)
        # Rows that are not computed are NaN, with any bits.
        differs = (x_bits != y_bits) & ~(numpy.isnan(x) & numpy.isnan(y))
        x, y = x[~numpy.isnan(x) & ~numpy.isnan(y)], y[~numpy.isnan(x) & ~numpy.isnan(y)]
        difference = 1 - 2 * (x * y).sum() / max((x * x + y * y).sum(), 1e-300)
        unequal += differs.any()
        print(f"{name[:-4]:6} {differs.sum():8} of {differs.size:8} elements differ, difference {difference:9.2e}")
    print(f"{len(names)} kernels, {unequal} differ")
    return 1 if unequal else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("prepare")
    command.add_argument("--gen", default="build/bin/dgemm-gen")
    command.add_argument("--out", required=True)
    command.add_argument("--seed", type=int, default=0)
    command.add_argument("--kernels", type=int, default=20)
    command.set_defaults(run=prepare)
    command = commands.add_parser("compare")
    command.add_argument("gpu")
    command.add_argument("emulator")
    command.set_defaults(run=compare)
    args = parser.parse_args()
    return args.run(args)


if __name__ == "__main__":
    sys.exit(main())
