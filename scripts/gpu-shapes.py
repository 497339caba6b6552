#!/usr/bin/env python3
"""Compiles kernels of every layout and of odd shapes, and writes their case lists for `dgemm-run --cases`.

usage: gpu-shapes.py --gen build/bin/dgemm-gen --out FOLDER [--for-emulator --parts N]

shapes.txt: M, N and K over small and odd values (M dynamic), one kernel for M = 0 to 300, one for every M, N and K,
dynamic leading dimensions, contiguous and masked groups, strides, scale layouts, clusters. table.txt: every config of the
tuned tables. large.txt: operands of more than 2^31 elements. speed.txt: two grouped problems to time.

On the GPU machine, with copies of FOLDER and a static dgemm-run:
    for list in shapes table large; do dgemm-run --device=gpu --cases=FOLDER/$list.txt; done
    dgemm-run --device=gpu --cases=FOLDER/speed.txt --time

For the emulator, on as many cores as there are parts (shapes.0.txt, shapes.1.txt, ...):
    for list in FOLDER/shapes.*.txt FOLDER/table.*.txt; do dgemm-run --device=emulator --cases=$list --timeout=600 & done; wait
"""
import argparse
import concurrent.futures
import glob
import itertools
import json
import os
import subprocess
import sys

REPOSITORY = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
MS = [1, 7, 16, 33, 64, 100, 129, 257]
NS = [1, 8, 33, 56, 128, 576]
KS = [1, 17, 128, 200, 528, 1152]
# Multiply-adds of the largest case for the emulator, which take about two minutes.
EMULATOR_LIMIT = 1 << 34


class Cases:
    def __init__(self, for_emulator):
        self.kernel = "ptx" if for_emulator else "cubin"
        self.limit = EMULATOR_LIMIT if for_emulator else float("inf")
        self.jobs, self.lists = [], {"shapes": [], "table": [], "large": [], "speed": []}

    def add(self, name, flags, runs, where="shapes"):
        """`runs`: (m, n, k, seed) of each case, and more words for its line."""
        runs = [run for run in runs if run[0] * run[1] * run[2] <= self.limit]
        if not runs:
            return
        self.jobs.append((name, flags))
        self.lists[where] += [" ".join(map(str, (f"{name}.{self.kernel}", f"{name}.json", *run))) for run in runs]

    def write(self, out, parts):
        for name, lines in self.lists.items():
            for part in range(parts):
                suffix = f".{part}" if parts > 1 else ""
                with open(os.path.join(out, f"{name}{suffix}.txt"), "w") as file:
                    file.write("\n".join(lines[part::parts]) + "\n")


def dense(cases):
    for n, k in itertools.product(NS, KS):
        cases.add(f"dense_n{n}_k{k}", f"--m=? --n={n} --k={k}", [(m, n, k, m) for m in MS])
    cases.add("dense_every_m", "--m=? --n=576 --k=528", [(m, 576, 528, m) for m in range(301)])
    # Peers' bugs.
    cases.add("dense_147", "--m=576 --n=16 --k=7168", [(576, 16, 7168, 1)])
    cases.add("dense_25", "--m=? --n=7168 --k=1152", [(m, 7168, 1152, 1) for m in (64, 128, 4096)])
    cases.add("dense_140", "--m=? --n=4096 --k=7168", [(m, 4096, 7168, 1) for m in (1, 3, 129, 4095)])
    cases.add("dense_1153", "--m=? --n=33 --k=7168", [(m, 33, 7168, 1) for m in (16, 333)])
    for index, flags in enumerate(["--scale-a-k-innermost", "--scale-b-n-innermost", "--lda=1168 --ldb=1280 --ldd=600",
                                   "--lda=1153 --ldb=1159 --ldd=577 --scale-a-k-innermost"]):
        cases.add(f"dense_strides{index}", f"--m=? --n=576 --k=1152 {flags}", [(m, 576, 1152, m) for m in (1, 33, 129, 257)])


def dynamic(cases):
    cases.add("any", "--m=? --n=? --k=?", [(m, n, k, m) for n, k in itertools.product(NS, KS) for m in (1, 33, 129)])
    cases.add("any_block64", "--m=? --n=? --k=? --config=block=64x64 --scale-a-k-innermost --scale-b-n-innermost",
              [(m, n, k, m) for n, k in itertools.product(NS, KS) for m in (1, 100)])
    cases.add("promised", "--m=? --n=? --k=? --n-divisor=8 --k-divisor=16",
              [(m, n, k, m) for n, k in itertools.product((8, 56, 128, 576), (128, 528, 1152)) for m in (1, 33, 129)])
    for index, (promise, pitches) in enumerate([("", ("lda=1153 ldb=1152 ldd=577", "lda=1280 ldb=1159 ldd=600")),
                                                ("--lda-divisor=16 --ldb-divisor=16 --ldd-divisor=8",
                                                 ("lda=1152 ldb=1152 ldd=576", "lda=1280 ldb=1168 ldd=600"))]):
        for layout, groups, m in (("dense", "", "?"), ("contiguous", "--groups=4", "?"), ("masked", "--groups=4", 200)):
            cases.add(f"pitch{index}_{layout}",
                      f"--layout={layout} {groups} --m={m} --n=576 --k=1152 --lda=? --ldb=? --ldd=? {promise}",
                      [(m, 576, 1152, m, words) for words in pitches for m in ((1, 129) if layout == "dense" else
                                                                                (1024,) if layout == "contiguous" else (200,))])
    cases.add("any_masked", "--layout=masked --groups=4 --m=? --n=? --k=?",
              [(m, n, k, m) for m in (1, 8, 33, 200) for n, k in ((33, 200), (136, 528), (576, 1152))])
    cases.add("any_contiguous", "--layout=contiguous --groups=4 --m=? --n=? --k=?",
              [(m, n, k, m) for m in (0, 1024, 2000) for n, k in ((33, 200), (136, 528), (576, 1152))])


def clusters(cases):
    for cluster in ("1x2", "2x1", "2x2"):
        for block in ("64x64", "128x128"):
            config = f"--config=block={block},cluster={cluster}"
            cases.add(f"dense_{block}_{cluster}", f"--m=? --n=520 --k=1152 {config}",
                      [(m, 520, 1152, m) for m in (1, 64, 129, 257, 321, 1000)])
            cases.add(f"contiguous_{block}_{cluster}",
                      f"--layout=contiguous --m=? --groups=4 --n=520 --k=528 {config}",
                      [(m, 520, 528, seed) for m in (2048, 3000) for seed in (1, 2)])
            cases.add(f"masked_{block}_{cluster}", f"--layout=masked --m=200 --groups=4 --n=520 --k=528 {config}",
                      [(200, 520, 528, seed) for seed in (1, 2, 3)])


def fields(cases):
    """Each field of a config that changes the K loop or the epilogue."""
    for name, config in (("split2", "block=64x64,split_k=2"), ("split3", "block=128x72,split_k=3"),
                         ("split8", "block=64x64,split_k=8"), ("rotate", "block=256x128,rotate=true"),
                         ("plain", "block=64x64,rotate=false"), ("unroll", "block=128x144,unroll=2"),
                         ("unroll3", "block=192x96,warpgroups=3,unroll=2"),
                         ("wide", "block=128x256,even_waves=true"), ("early", "block=256x64,early_store=true"),
                         ("early_wide", "block=128x256,early_store=true"),
                         ("early_rotate", "block=256x64,early_store=true,rotate=true"),
                         ("early_halves", "block=128x144,early_store=true,even_waves=true")):
        cases.add(f"dense_{name}", f"--m=? --n=520 --k=1024 --config={config}", [(m, 520, 1024, m) for m in (1, 64, 129, 1000)])
        cases.add(f"any_{name}", f"--m=? --n=? --k=? --config={config}",
                  [(m, n, k, m) for m in (1, 300) for n, k in ((33, 200), (136, 528), (576, 1152))])
        alignment = 384 if "192x" in config else 256
        cases.add(f"contiguous_{name}",
                  f"--layout=contiguous --row-alignment={alignment} --m=? --groups=4 --n=520 --k=512 --config={config}",
                  [(m, 520, 512, seed) for m in (2048, 3000) for seed in (1, 2)])
        cases.add(f"masked_{name}", f"--layout=masked --m=200 --groups=4 --n=520 --k=512 --config={config}",
                  [(200, 520, 512, seed) for seed in (1, 2, 3)])
    # Starts while the previous case still runs, if that is in the same stream.
    for name, config in (("pdl", ""), ("pdl_split", "--config=block=64x64,split_k=2"),
                         ("pdl_pair", "--config=block=128x128,cluster=2x1")):
        cases.add(f"dense_{name}", f"--m=? --n=520 --k=1024 --pdl {config}", [(m, 520, 1024, m) for m in (1, 64, 1000)])
        cases.add(f"masked_{name}", f"--layout=masked --m=200 --groups=4 --n=520 --k=512 --pdl {config}",
                  [(200, 520, 512, 1)])
    # Several tiles for each CTA.
    config = "block=64x64,group_m=4,serpentine=true"
    for name, config in (("serpentine", config), ("serpentine_pair", config + ",cluster=2x1")):
        cases.add(f"dense_{name}", f"--m=? --n=1032 --k=4640 --config={config}", [(m, 1032, 4640, m) for m in (700, 2500)])
        cases.add(f"any_{name}", f"--m=? --n=? --k=? --config={config.replace(',cluster=2x1', '')}",
                  [(2500, n, k, m) for m in (1, 2) for n, k in ((1033, 200), (776, 1152))])
        cases.add(f"contiguous_{name}", f"--layout=contiguous --m=? --groups=4 --n=1032 --k=640 --config={config}",
                  [(m, 1032, 640, seed) for m in (2048, 5000) for seed in (1, 2)])
        cases.add(f"masked_{name}", f"--layout=masked --m=600 --groups=8 --n=1032 --k=640 --config={config}",
                  [(600, 1032, 640, seed) for seed in (1, 2)])
    # Configs for which masked groups and stores without TMA do not have enough registers.
    config = "block=128x256,early_store=true,rotate=true"
    for name, config in (("early_unroll", f"{config},unroll=4"), ("early_pair", f"{config},unroll=4,cluster=2x1")):
        cases.add(f"dense_{name}", f"--m=? --n=520 --k=1664 --config={config}",
                  [(m, 520, 1664, m) for m in (1, 64, 129, 1000)])
        cases.add(f"contiguous_{name}", f"--layout=contiguous --m=? --groups=4 --n=520 --k=512 --config={config}",
                  [(m, 520, 512, seed) for m in (2048, 3000) for seed in (1, 2)])


def grouped(cases):
    shapes = [(576, 1152, ""), (136, 528, ""), (33, 200, ""), (256, 512, "--scale-a-k-innermost --scale-b-n-innermost")]
    for (index, (n, k, flags)), groups in itertools.product(enumerate(shapes), (1, 4, 8)):
        for block in ("64x64", "128x128"):
            cases.add(f"contiguous{index}_g{groups}_{block}",
                      f"--layout=contiguous --m=? --groups={groups} --n={n} --k={k} --config=block={block} {flags}",
                      [(m, n, k, seed) for m in (1024, 2000) for seed in (1, 2)])
        for m in (1, 8, 33, 200):
            cases.add(f"masked{index}_g{groups}_m{m}",
                      f"--layout=masked --m={m} --groups={groups} --n={n} --k={k} {flags}",
                      [(m, n, k, seed) for seed in (1, 2, 3)])
    for m in (8, 16, 32):
        cases.add(f"masked_268_m{m}", f"--layout=masked --m={m} --groups=16 --n=4096 --k=7168", [(m, 4096, 7168, 1)])
    cases.add("contiguous_34", "--layout=contiguous --m=? --groups=8 --n=4096 --k=7168", [(8192, 4096, 7168, 1)])


def training(cases):
    """Groups without padding, groups along K, and sums that D takes."""
    for (n, k), alignment in itertools.product(((576, 1152), (136, 528), (33, 200)), (1, 24, 128)):
        for config in ("64x64", "128x128", "128x128,cluster=2x1", "256x128,rotate=true"):
            if "cluster" not in config or k % 16 == 0:
                cases.add(f"offsets_n{n}_a{alignment}_{config.replace(',', '_').replace('=', '')}",
                          f"--layout=offsets --row-alignment={alignment} --m=? --groups=7 --n={n} --k={k} --config=block={config}",
                          [(m, n, k, seed) for m in (700, 2000) for seed in (1, 2)])
    cases.add("offsets_many", "--layout=offsets --row-alignment=1 --m=? --groups=300 --n=256 --k=512",
              [(3000, 256, 512, seed) for seed in (1, 2)])
    cases.add("masked_many", "--layout=masked --m=16 --groups=300 --n=256 --k=512", [(16, 256, 512, seed) for seed in (1, 2)])
    for out, accumulate in itertools.product(("f32", "bf16", "f16"), ("", "--accumulate")):
        name = f"{out}{accumulate.replace('--', '_')}"
        cases.add(f"k_grouped_{name}", f"--layout=k_grouped --groups=9 --m=? --n=520 --k=? --k-divisor=16 --scale-b=1x128 --out={out} {accumulate}",
                  [(m, 520, k, seed) for m in (200, 1000) for k in (2432, 6000) for seed in (1, 2)])
        cases.add(f"wgrad_{name}", f"--m=? --n=520 --k=1152 --scale-b=1x128 --out={out} {accumulate}",
                  [(m, 520, 1152, m) for m in (1, 129, 1000)])
    for name, flags in (("split", "--n=520 --k=2048 --config=block=64x64,split_k=4"), ("early", "--n=520 --k=1024 --config=block=256x64,early_store=true"),
                        ("odd", "--n=33 --k=200"), ("pair", "--n=520 --k=1152 --config=block=128x128,cluster=2x1")):
        n, k = (int(word.split("=")[1]) for word in flags.split()[:2])
        for out in ("bf16", "f32"):
            cases.add(f"accumulate_{name}_{out}", f"--m=? {flags} --accumulate --out={out}", [(m, n, k, m) for m in (1, 64, 300)])
    # Batches: matrices one after the other, between each other's rows (x[:, g]), and with a stride that TMA does not take.
    between = "--lda=4224 --batch-stride-a=528 --ldd=4160 --batch-stride-d=520"
    for name, flags in {"packed": "", "between": between, "odd": "--batch-stride-a=270000 --batch-stride-b=300005",
                        "cluster": "--config=block=128x128,cluster=2x1", "split": "--config=block=64x64,split_k=2",
                        "added": f"{between} --accumulate --out=f32"}.items():
        static = name == "odd"
        cases.add(f"batched_{name}", f"--layout=batched --groups=8 --m={200 if static else '?'} --n=520 --k=528 {flags}",
                  [(m, 520, 528, seed) for m in ((200,) if static else (1, 33, 200)) for seed in (1, 2)])
    cases.add("accumulate_masked", "--layout=masked --m=200 --groups=4 --n=520 --k=512 --accumulate", [(200, 520, 512, 1)])


def quantized(cases):
    """D of FP8 with scales: in each layout, with an epilogue, with and without TMA."""
    for index, (n, k) in enumerate(itertools.product((128, 200, 77, 576, 1040), (128, 400, 1152))):
        order = " --scale-d-n-innermost" if index % 2 else ""
        cases.add(f"quantized_n{n}_k{k}", f"--m=? --n={n} --k={k} --out={'e5m2' if index % 4 == 3 else 'e4m3'}{order}",
                  [(m, n, k, m) for m in MS])
    for epilogue, config in (("swiglu", "block=128x256,warpgroups=2"), ("bias+gelu", "block=64x128,warpgroups=1"),
                             ("silu+residual", "block=128x256,warpgroups=2,early_store=true"), ("swiglu", "cluster=2x1")):
        name = f"quantized_{epilogue}_{config}".replace("=", "").replace(",", "_").replace("+", "_")
        cases.add(name, f"--m=? --n=1024 --k=1152 --out=e4m3 --epilogue={epilogue} --config={config}",
                  [(m, 1024, 1152, m) for m in (1, 64, 129, 1000)])
    cases.add("quantized_contiguous", "--layout=contiguous --m=? --groups=4 --n=1024 --k=1152 --out=e4m3 --epilogue=swiglu",
              [(1024, 1024, 1152, seed) for seed in (1, 2)])
    cases.add("quantized_masked", "--layout=masked --m=200 --groups=4 --n=1024 --k=1152 --out=e4m3 --epilogue=swiglu",
              [(200, 1024, 1152, seed) for seed in (1, 2, 3)])
    cases.add("quantized_offsets", "--layout=offsets --row-alignment=1 --m=? --groups=8 --n=520 --k=512 --out=e4m3",
              [(m, 520, 512, seed) for m in (1, 64, 1000) for seed in (1, 2)])


def table(cases):
    """Each config of the shipped tables, at other sizes, with tails."""
    for path in glob.glob(os.path.join(REPOSITORY, "lib/Analysis/TunedTables/*.json")):
        with open(path) as file:
            entries = json.load(file)["entries"]
        distinct = sorted({(entry["layout"], entry["config"].replace(" ", "")) for entry in entries})
        for (index, (layout, config)), (n, k) in itertools.product(enumerate(distinct), ((584, 1152), (1096, 4240))):
            groups = "" if layout == "dense" else " --groups=4"
            m = 200 if layout == "masked" else "?"
            runs = {"dense": [(m, n, k, m) for m in (1, 64, 129, 1000)],
                    "contiguous": [(m, n, k, seed) for m in (1024, 3000) for seed in (1, 2)],
                    "masked": [(200, n, k, seed) for seed in (1, 2, 3)]}[layout]  # fmt: skip
            cases.add(f"table{index}_{layout}_n{n}", f"--layout={layout} --m={m}{groups} --n={n} --k={k} --config={config}",
                      runs, "table")


def large(cases):
    cases.add("large_d", "--m=? --n=49152 --k=128", [(49160, 49152, 128, 1)], "large")
    cases.add("large_d_odd", "--m=? --n=49153 --k=136", [(49160, 49153, 136, 1)], "large")
    cases.add("large_b", "--layout=masked --m=64 --groups=40 --n=8192 --k=8192", [(64, 8192, 8192, 1)], "large")


def speed(cases):
    cases.add("speed_contiguous", "--layout=contiguous --m=32768 --groups=4 --n=4096 --k=7168", [(32768, 4096, 7168, 1)],
              "speed")
    for expected in (64, 128, 192, 256):
        cases.add(f"speed_masked_{expected}",
                  f"--layout=masked --m=1024 --expected-m={expected} --groups=32 --n=6144 --k=7168",
                  [(1024, 6144, 7168, 1)], "speed")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gen", default="build/bin/dgemm-gen")
    parser.add_argument("--out", required=True)
    parser.add_argument("--for-emulator", action="store_true",
                        help=f"PTX instead of cubins, and no case of more than {EMULATOR_LIMIT} multiply-adds in a group")
    parser.add_argument("--parts", type=int, default=1, help="files to split each list into (default 1)")
    args = parser.parse_args()
    os.makedirs(args.out, exist_ok=True)
    cases = Cases(args.for_emulator)
    for make in (dense, dynamic, clusters, fields, grouped, training, quantized, table) + (() if args.for_emulator else (large, speed)):
        make(cases)

    def compile_kernel(job):
        name, flags = job
        for stage, suffix in ((cases.kernel, cases.kernel), ("launch", "json")):
            path = os.path.join(args.out, f"{name}.{suffix}")
            done = subprocess.run([args.gen, *flags.split(), f"--emit={stage}", "-o", path], capture_output=True, text=True)
            if done.returncode:
                return f"{name}: {done.stderr.strip()}"
        return None

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        failures = [failure for failure in pool.map(compile_kernel, cases.jobs) if failure]
    for failure in failures:
        print(failure, file=sys.stderr)
    cases.write(args.out, args.parts)
    print(f"{len(cases.jobs)} kernels, " + ", ".join(f"{len(lines)} {name}" for name, lines in cases.lists.items()))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
