"""Reports of a benchmark: tables in markdown, comparison with an earlier run. Works on the JSON alone; needs no GPU."""
import json
import os

import problems
import stats

# Column of each contender, in order; `ours` is what the others are measured against.
TITLES = {
    "ours": "ours",
    "deep_gemm": "DeepGEMM",
    "cublas_blocks": "cuBLASLt",
    "cublas_tensorwise": "no scales",
}
FLOOR_NAMES = ("read_bulk", "read_loads")
TENSOR_FLOP_PER_SECOND = 1700e12


class ReportError(Exception):
    """A report cannot be read, or has nothing to compare."""


def load(path):
    try:
        with open(path) as file:
            report = json.load(file)
    except (OSError, ValueError) as error:
        raise ReportError(f"cannot read '{path}': {error}") from error
    if report.get("kind") != "dgemm-benchmark" or report.get("version") != 1:
        raise ReportError(f"'{path}' is not a benchmark report of version 1")
    return report


def save(path, report):
    """Writes the file completely or not at all."""
    partial = f"{path}.partial"
    with open(partial, "w") as file:
        json.dump(report, file, indent=1)
        file.write("\n")
    os.replace(partial, path)


def row_of(entry):
    return problems.from_dict(entry["row"])


def median(entry, name):
    """Microseconds, or None if it was not measured or failed."""
    return entry["results"].get(name, {}).get("median")


def floor_us(entry):
    """The larger of a cold read of the row's bytes and its FLOPs at what tensor cores sustain; None without reads."""
    reads = [us for us in (median(entry, name) for name in FLOOR_NAMES) if us is not None]
    if not reads:
        return None
    return max(min(reads), row_of(entry).flop / TENSOR_FLOP_PER_SECOND * 1e6)


def speed_up(entry, over="deep_gemm"):
    """Time of the peer over ours."""
    ours, peer = median(entry, "ours"), median(entry, over)
    return peer / ours if ours and peer else None


def _table(header, lines):
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [header, ["---"] * len(header), *lines])


def _cell(result):
    if not result:
        return "-"
    if "error" in result:
        return "failed"
    return f"{result['median']:.1f} ({result['p10']:.1f}..{result['p90']:.1f})"


def _number(value, digits=2):
    return "-" if value is None else f"{value:.{digits}f}"


def times_table(report):
    """One line for each row: medians with p10 and p90, ratios of medians, and the rate of our kernel."""
    names = [name for name in TITLES if any(name in entry["results"] for entry in report["rows"])]
    header = ["row", *(f"{TITLES[name]}, us" for name in names), "floor, us"]
    header += ["DeepGEMM / ours", "no scales / ours", "ours / floor", "ours TFLOPS", "ours GB/s"]
    lines = []
    for entry in report["rows"]:
        row, ours, floor = row_of(entry), median(entry, "ours"), floor_us(entry)
        lines.append([
            str(row),
            *(_cell(entry["results"].get(name)) for name in names),
            _number(floor, 1),
            _number(speed_up(entry)),
            _number(speed_up(entry, "cublas_tensorwise")),
            _number(ours / floor if ours and floor else None),
            _number(row.flop / ours * 1e-6 if ours else None, 0),
            _number(row.bytes / ours * 1e-3 if ours else None, 0),
        ])  # fmt: skip
    return _table(header, lines)


def goals_table(report):
    """Geometric mean of the speed-up over DeepGEMM of each class of rows, and the worst row."""
    lines = []
    kinds = dict.fromkeys(row_of(entry).kind for entry in report["rows"])
    for kind in kinds:
        ratios = [(ratio, str(row_of(entry))) for entry in report["rows"]
                  if row_of(entry).kind == kind and (ratio := speed_up(entry))]  # fmt: skip
        if not ratios:
            continue
        mean, worst = stats.geomean([ratio for ratio, _ in ratios]), min(ratios)
        goal = problems.GOALS.get(kind)
        lines.append([kind, str(len(ratios)), _number(mean, 3), _number(goal), f"{worst[0]:.3f} ({worst[1]})",
                      "-" if goal is None else "yes" if mean >= goal else "no"])  # fmt: skip
    return _table(["rows", "measured", "DeepGEMM / ours, geomean", "goal", "worst row", "reached"], lines)


def sustained_table(report):
    """Back to back, L2 warm, at the power limit."""
    names = [name for name in TITLES if any(name in entry for entry in report["sustained"])]
    header = ["row"]
    for name in names:
        header += [f"{TITLES[name]}, us", "TFLOPS", "MHz", "W"]
    lines = []
    for entry in report["sustained"]:
        row, cells = row_of(entry), []
        for name in names:
            result = entry.get(name)
            if not result:
                cells += ["-"] * 4
                continue
            cells += [_number(result["us"], 1), _number(row.flop / result["us"] * 1e-6, 0),
                      _number(result["sm_mhz"], 0), _number(result["watts"], 0)]  # fmt: skip
        lines.append([str(row), *cells])
    return _table(header, lines)


def failures(report):
    """[(row, contender, what went wrong)]"""
    return [(str(row_of(entry)), name, result["error"]) for entry in report["rows"]
            for name, result in entry["results"].items() if "error" in result]  # fmt: skip


def to_markdown(report):
    about = report["about"]
    lines = [f"# Benchmark, {about['date']}", "", ", ".join(f"{key} {value}" for key, value in about.items() if value), ""]
    lines += ["Kernel durations of CUPTI in microseconds, median (p10..p90), L2 flushed before each call, all contenders",
              "in turn in one process on the same inputs. Floor: the larger of a cold read of the same bytes and the",
              "FLOPs at 1700 TFLOPS. \"no scales\" does less work than the others.", "", times_table(report), ""]  # fmt: skip
    repeated = [entry["results"].get("ours", {}).get("repeated") for entry in report["rows"]]
    if any(repeated):
        lines += [f"{sum(map(bool, repeated))} kernels of ours gave the same D bit for bit in {1 + max(filter(None, repeated))} runs.", ""]
    if any(speed_up(entry) for entry in report["rows"]):
        lines += [goals_table(report), ""]
    if report.get("sustained"):
        lines += ["Back to back, L2 not flushed, at the power limit:", "", sustained_table(report), ""]
    configs = [(str(row_of(entry)), entry["results"]["ours"].get("config")) for entry in report["rows"]
               if "ours" in entry["results"]]  # fmt: skip
    lines += [_table(["row", "config"], [[row, config or "-"] for row, config in configs]), ""]
    lines += [f"- {name} failed at {row}: {error}" for row, name, error in failures(report)]
    return "\n".join(lines).rstrip() + "\n"


# ---------------------------------------------------------------------------------------------------------------------
# Against an earlier run
# ---------------------------------------------------------------------------------------------------------------------


def compare(old, new, threshold):
    """(table, rows that got slower by more than `threshold`, a fraction). If a peer was measured in both runs, times
    are relative to it, which cancels the clocks of the day. The spread of both runs counts as noise."""
    before = {row_of(entry): entry for entry in old["rows"]}
    lines, slower = [], []
    for entry in new["rows"]:
        row = row_of(entry)
        if row not in before or not median(entry, "ours") or not median(before[row], "ours"):
            continue
        change = median(entry, "ours") / median(before[row], "ours") - 1
        peer = next((name for name in TITLES if name != "ours" and median(entry, name) and median(before[row], name)), None)
        relative = change
        if peer:
            relative = (1 + change) * median(before[row], peer) / median(entry, peer) - 1
        noise = sum((run["results"]["ours"]["p90"] - run["results"]["ours"]["p10"]) / 2 / median(run, "ours")
                    for run in (entry, before[row]))  # fmt: skip
        verdict = ""
        if abs(relative) > max(threshold, noise):
            verdict = "slower" if relative > 0 else "faster"
        if verdict == "slower":
            slower.append(str(row))
        lines.append([str(row), _number(median(before[row], "ours"), 1), _number(median(entry, "ours"), 1),
                      f"{change:+.1%}", f"{relative:+.1%} to {TITLES[peer]}" if peer else "-", f"{noise:.1%}", verdict])  # fmt: skip
    if not lines:
        raise ReportError("the two reports have no measured row in common")
    return _table(["row", "before, us", "now, us", "change", "relative", "noise", ""], lines), slower
