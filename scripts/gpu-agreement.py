#!/usr/bin/env python3
"""Compares the outputs of the emulator and of a GPU, kernel by kernel, on the same inputs.

  gpu-agreement.py prepare --gen build/bin/dgemm-gen --out FOLDER [--seed S] [--kernels N]
  FOLDER/run.sh DGEMM_RUN gpu OUT            (on the GPU machine: writes OUT/<kernel>.npy)
  FOLDER/run.sh DGEMM_RUN emulator OUT       (anywhere)
  gpu-agreement.py compare GPU_OUT EMULATOR_OUT

The kernels differ in shape, tails and config, drawn from the seed. `compare` prints 1 - 2 sum(xy) / sum(x^2 + y^2) of
each pair of outputs and fails where it is 1e-6 or more.
"""
import argparse
import pathlib
import random
import subprocess
import sys

# (math warpgroups, block M, largest block N)
TILES = [(1, 64, 200), (1, 128, 128), (2, 128, 192), (2, 256, 128), (3, 192, 128)]
RUN = """#!/usr/bin/env bash
# run.sh DGEMM_RUN DEVICE OUT: runs every kernel of this folder and keeps its output.
set -u
cd "$(dirname "$0")" && mkdir -p "$3"
failed=0
while read -r stem m n k seed; do
  suffix=cubin
  [ "$2" = emulator ] && suffix=ptx
  timeout 120 "$1" --device="$2" --kernel="$stem.$suffix" --launch="$stem.json" --m="$m" --n="$n" --k="$k" \\
    --seed="$seed" --no-time --save-d="$3/$stem.npy" || failed=1
done <list.txt
exit $failed
"""


def prepare(args):
    out = pathlib.Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    draw = random.Random(args.seed)
    lines = []
    for index in range(args.kernels):
        warpgroups, block_m, widest = TILES[index % len(TILES)]
        block_n = draw.randrange(8, widest + 1, 8)
        m, n, k = draw.randrange(8, 401, 8), draw.randrange(8, 601, 8), draw.randrange(16, 1537, 16)
        stem = f"k{index:02}_{m}x{n}x{k}_{block_m}x{block_n}"
        config = f"block={block_m}x{block_n}x128,warpgroups={warpgroups},group_m={draw.choice([1, 4, 8])}"
        for stage, suffix in (("cubin", "cubin"), ("ptx", "ptx"), ("launch", "json")):
            rows = "?" if index % 2 else m
            command = [args.gen, f"--m={rows}", f"--n={n}", f"--k={k}", f"--config={config}"]
            subprocess.run(command + [f"--emit={stage}", "-o", str(out / f"{stem}.{suffix}")], check=True)
        lines.append(f"{stem} {m} {n} {k} {draw.randrange(1 << 30)}\n")
    (out / "list.txt").write_text("".join(lines))
    script = out / "run.sh"
    script.write_text(RUN)
    script.chmod(0o755)


def read(path):
    import numpy

    values = numpy.load(path)
    if values.dtype == numpy.uint16:  # the bits of bf16
        values = (values.astype(numpy.uint32) << 16).view(numpy.float32)
    return values.astype(numpy.float64)


def compare(args):
    worst = 0.0
    names = sorted(path.name for path in pathlib.Path(args.gpu).glob("*.npy"))
    if not names:
        sys.exit(f"{args.gpu} holds no outputs")
    for name in names:
        x, y = read(pathlib.Path(args.gpu) / name), read(pathlib.Path(args.emulator) / name)
        difference = 1 - 2 * (x * y).sum() / (x * x + y * y).sum()
        worst = max(worst, difference) if difference == difference else float("inf")
        print(f"{name[:-4]:36} {difference:9.2e}  {(x == y).mean() * 100:7.3f} % of elements equal")
    print(f"{len(names)} kernels, largest difference {worst:.2e}")
    return 0 if worst < 1e-6 else 1


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
