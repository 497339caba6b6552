#!/usr/bin/env python3
"""Checks the cost model against measurement: on 40 problems that are in no tuned table, how much slower is its choice than
the best config that a sweep finds?

  check_choice.py --gen build-static/bin/dgemm-gen --out results/      sweeps (a GPU; options of sweep.py), then judges
  check_choice.py --judge results/sweep.json                           judges a sweep that is there; needs no GPU

Exit code 1: more than 5 % slower in the geometric mean, or more than 15 % on any problem.
"""
import argparse
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import problems
import report as reports
import stats
import sweep as sweeps
import table_from_sweep

MEAN_LIMIT, WORST_LIMIT = 1.05, 1.15
# (N, K) of dense layers of published models and some odd ones, none of them in the peers' table.
_NK = [(1536, 7168), (3072, 1536), (18432, 7168), (7168, 18432), (5120, 5120), (13824, 5120), (2560, 8192), (28672, 4096),
       (1024, 4096), (6144, 6144), (3200, 2560), (129280, 1024)]  # fmt: skip
_M = [2, 16, 32, 48, 96, 160, 256, 384, 512, 768, 1000, 1536, 2048, 3000, 6144, 8192]
_GROUPED = ["contiguous:4x2048x3072x4096", "contiguous:16x512x4096x2048", "contiguous:8x1024x2048x5120",
            "contiguous:2x4096x6144x3072", "masked:8x64x4096x4096", "masked:16x128x3072x2048", "masked:2x384x5120x5120",
            "masked:64x16x2048x4096"]  # fmt: skip


def check_rows():
    """32 dense problems, which take every M twice and the (N, K) in turn, and 8 grouped ones."""
    dense = [problems.Row("dense", 1, m, *_NK[(i + 5 * turn) % len(_NK)]) for turn in range(2) for i, m in enumerate(_M)]
    return dense + [problems.parse_row(text) for text in _GROUPED]


def judge(sweep):
    """([(loss, row text, chosen, best)] the worst first, rows that have no answer). A loss of 1.1: 10 % slower."""
    losses, unanswered = [], []
    for found in sweep["rows"]:
        row, times = str(problems.from_dict(found["row"])), {final["config"]: final["median"] for final in found["finals"]}
        if found.get("chosen") not in times:
            unanswered.append(row)
            continue
        best = min(times, key=times.get)
        losses.append((times[found["chosen"]] / times[best], row, found["chosen"], best))
    return sorted(losses, reverse=True), unanswered


def print_verdict(sweep):
    """The exit code."""
    losses, unanswered = judge(sweep)
    for loss, row, chosen, best in losses:
        print(f"{loss:6.3f}  {row}: {chosen}" + ("" if chosen == best else f"; best: {best}"))
    for row in unanswered:
        print(f"no measured choice: {row}")
    if not losses:
        print("nothing was measured", file=sys.stderr)
        return 1
    mean, worst = stats.geomean([loss for loss, *_ in losses]), losses[0][0]
    print(f"{len(losses)} problems: geometric mean {mean:.3f} (limit {MEAN_LIMIT}), worst {worst:.3f} (limit {WORST_LIMIT})")
    return 0 if mean <= MEAN_LIMIT and worst <= WORST_LIMIT and not unanswered else 1


def main(arguments=None):
    arguments = sys.argv[1:] if arguments is None else arguments
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--judge", metavar="sweep.json", help="judge this sweep")
    parser.add_argument("--print-rows", action="store_true", help="print the problems, as --rows takes them")
    options, rest = parser.parse_known_args(arguments)
    if options.print_rows:
        print(",".join(map(str, check_rows())))
        return 0
    try:
        path = options.judge
        if not path:
            sweep_arguments = ["--rows", ",".join(map(str, check_rows())), *rest]
            code = sweeps.main(sweep_arguments)
            if code == 2:
                return code
            path = os.path.join(sweeps.parse_arguments(sweep_arguments).out, "sweep.json")
        return print_verdict(table_from_sweep.read(path, "dgemm-sweep"))
    except reports.ReportError as error:
        print(f"check_choice.py: error: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
