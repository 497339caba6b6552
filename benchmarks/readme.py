#!/usr/bin/env python3
"""Writes the README's speed table and the picture docs/images/speed.svg from a benchmark.json.

readme.py [benchmark.json] [--check]: without a file, the newest run that benchmarks/results keeps. --check writes nothing, and
exits with 1 if the README or the picture differs from the run.
"""
import argparse
import pathlib
import re
import sys
import xml.sax.saxutils

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import problems
import report as reports
import stats

ROOT = pathlib.Path(__file__).resolve().parents[1]
PICTURE = ROOT / "docs/images/speed.svg"
README = ROOT / "README.md"
BEGIN, END = "<!-- speed: benchmarks/readme.py writes this -->", "<!-- /speed -->"

# One row of each class: the sizes of DeepSeek-V3's second attention projection, and of its experts.
SHOWN = ["1x4096x7168", "128x4096x7168", "4096x4096x7168", "contiguous:8x4096x4096x7168", "masked:32x192x6144x7168"]
KINDS = {"M = 1": "decode, M = 1", "M = 64, 128": "M = 64, 128", "M = 4096": "prefill, M = 4096", "contiguous": "contiguous groups",
         "masked": "masked groups"}

# These colours are distinct on white and on black; text uses the reader's colour scheme.
STYLE = """
  text { font: 12px system-ui, sans-serif; fill: #24292f }
  .small { font-size: 10px }
  .title { font-size: 14px; font-weight: 600 }
  .line { stroke: #57606a; stroke-width: 1 }
  .grid { stroke: #57606a; stroke-width: .5; opacity: .35 }
  .bar { fill: #2f81f7 }
  .slow { fill: #d1242f }
  @media (prefers-color-scheme: dark) { text { fill: #e6edf3 } .line, .grid { stroke: #8b949e } }
"""


def newest():
    """The benchmark.json in benchmarks/results."""
    return sorted((ROOT / "benchmarks/results").glob("*/benchmark.json"))[-1]


def by_kind(report):
    """The speed-ups over DeepGEMM, class by class."""
    kinds = {kind: [] for kind in problems.GOALS}
    for entry in report["rows"]:
        if reports.speed_up(entry):
            kinds[reports.row_of(entry).kind].append((str(reports.row_of(entry)), reports.speed_up(entry)))
    return {kind: rows for kind, rows in kinds.items() if rows}


def where(report):
    about = report["about"]
    return f"{about['gpu']}, driver {about['driver']}, {about['date'][:10]}, commit {about['commit']}, DeepGEMM {about['deep_gemm']}"


def draw(report):
    """The SVG text of the picture: the height of a problem's bar is the time of DeepGEMM over ours."""
    width, height, left, top, bottom = 860, 320, 44, 40, 48
    kinds = by_kind(report)
    highest = max(ratio for rows in kinds.values() for _, ratio in rows)
    scale = (height - top - bottom) / (int(highest * 4) + 1) * 4
    base = height - bottom
    lines = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
             'aria-label="Time of DeepGEMM over time of dgemm, for each problem">', f"<style>{STYLE}</style>",
             f'<text class="title" x="{left}" y="18">Time of DeepGEMM / time of dgemm: above 1, dgemm is faster</text>']
    for tick in range(0, int(highest * 2) + 1):
        y = base - tick / 2 * scale
        lines.append(f'<line class="{"line" if tick in (0, 2) else "grid"}" x1="{left}" x2="{width - 8}" y1="{y:.1f}" y2="{y:.1f}"/>')
        lines.append(f'<text x="{left - 8}" y="{y + 4:.1f}" text-anchor="end">{tick / 2:.1f}</text>')
    count, gap = sum(map(len, kinds.values())), 1.2
    step = (width - left - 16) / (count + gap * (len(kinds) - 1))
    x = left + 6
    for kind, rows in kinds.items():
        first = x
        for name, ratio in rows:
            tall = ratio * scale
            lines.append(f'<rect class="bar{"" if ratio >= 1 else " slow"}" x="{x:.1f}" y="{base - tall:.1f}" width="{step * 0.78:.1f}" '
                         f'height="{tall:.1f}"><title>{xml.sax.saxutils.escape(name)}: {ratio:.2f}</title></rect>')
            x += step
        middle = (first + x - step * 0.22) / 2
        mean = stats.geomean([ratio for _, ratio in rows])
        lines.append(f'<text x="{middle:.1f}" y="{base + 16}" text-anchor="middle">{KINDS[kind]}</text>')
        lines.append(f'<text class="small" x="{middle:.1f}" y="{base + 30}" text-anchor="middle">geomean {mean:.2f}</text>')
        x += step * gap
    lines.append(f'<text class="small" x="{left}" y="{height - 4}">{xml.sax.saxutils.escape(where(report))}</text>')
    return "\n".join([*lines, "</svg>"]) + "\n"


def table(report, folder):
    """The README's table."""
    kinds = by_kind(report)
    entries = {str(reports.row_of(entry)): entry for entry in report["rows"]}
    lines = [f"Microseconds, cold L2: {where(report)} ([all 40 problems]({folder}/benchmark.md)).", "",
             "| problem (groups x M x N x K) | dgemm | DeepGEMM | faster by | geomean of its class |", "|---|---|---|---|---|"]
    for name in SHOWN:
        entry = entries[name]
        kind = reports.row_of(entry).kind
        mean = stats.geomean([ratio for _, ratio in kinds[kind]])
        ours, theirs = (reports.median(entry, contender) for contender in ("ours", "deep_gemm"))
        lines.append(f"| {name} | {ours:.1f} | {theirs:.1f} | {theirs / ours:.2f}x | {mean:.2f}x ({KINDS[kind]}) |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("input", nargs="?", type=pathlib.Path, default=newest())
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    report = reports.load(options.input)
    folder = options.input.resolve().parent.relative_to(ROOT)
    readme = README.read_text()
    new = {PICTURE: draw(report), README: re.sub(f"(?s)({re.escape(BEGIN)}\n).*?(\n{re.escape(END)})",
                                                lambda match: match[1] + table(report, folder) + match[2], readme)}  # fmt: skip
    stale = [path for path, text in new.items() if not path.exists() or path.read_text() != text]
    if options.check:
        for path in stale:
            print(f"error: {path.relative_to(ROOT)} differs from {options.input}: run benchmarks/readme.py", file=sys.stderr)
        return 1 if stale or BEGIN not in readme else 0
    for path in stale:
        path.write_text(new[path])
        print(f"wrote {path.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
