#!/usr/bin/env python3
"""Checks the cost model against measurements: how much slower is its choice than the best config of a sweep, on 40 problems
that are in no tuned table?

  check_choice.py --gen build-static/bin/dgemm-gen --out out/choice    sweeps (a GPU; options of sweep.py), then judges
  check_choice.py --judge out/choice/sweep.json                        judges an existing sweep; needs no GPU

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
# None of them is in the peers' table or was used to fit the model (docs/cost-model.md).
_NK = [(1792, 7168), (5376, 7168), (7680, 3072), (4096, 5120), (9216, 9216), (11008, 8192), (8192, 4608), (24064, 4096),
       (1536, 5120), (6144, 1536), (3328, 2304), (48000, 2048)]  # fmt: skip
_M = [4, 12, 20, 56, 72, 112, 224, 288, 480, 704, 960, 1152, 1664, 2304, 3500, 9000]
_GROUPED = ["contiguous:4x1536x4096x3584", "contiguous:8x1792x2048x7168", "contiguous:32x384x3072x2048",
            "contiguous:2x3500x5120x2560", "masked:8x40x6144x3072", "masked:16x80x2560x4096", "masked:4x220x7680x3072",
            "masked:32x24x3072x4096"]  # fmt: skip


def check_rows():
    """32 dense problems, which take every M twice and the (N, K) in turn, and 8 grouped ones."""
    dense = [problems.Row("dense", 1, m, *_NK[(i + 5 * turn) % len(_NK)]) for turn in range(2) for i, m in enumerate(_M)]
    return dense + [problems.parse_row(text) for text in _GROUPED]


def judge(sweep):
    """([(loss, row text, chosen, best)] with the worst first, rows without an answer). A loss of 1.1 means 10 % slower."""
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
    parser.add_argument("--print-rows", action="store_true", help="print the problems in the format of --rows")
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
