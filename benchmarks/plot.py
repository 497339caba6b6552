"""Draws a report: speed-up over DeepGEMM by row, and the roofline. Needs matplotlib."""
import report as reports

MEMORY_BYTES_PER_SECOND = 3.35e12  # HBM3 of an H100 SXM, by its data sheet


def draw(report, path):
    """Writes a picture in the format that the suffix of `path` names."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (bars, roof) = pyplot.subplots(2, 1, figsize=(14, 15), layout="constrained")
    _draw_speed_ups(bars, report)
    _draw_roofline(roof, report)
    about = report["about"]
    figure.suptitle(f"{about.get('gpu')}, {about.get('date')}, commit {about.get('commit')}")
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def _draw_speed_ups(axes, report):
    entries = [entry for entry in report["rows"] if reports.speed_up(entry)]
    ratios = [reports.speed_up(entry) for entry in entries]
    axes.bar(range(len(ratios)), ratios, color=["tab:green" if ratio >= 1 else "tab:red" for ratio in ratios])
    axes.axhline(1, color="black", linewidth=1)
    axes.set_xticks(range(len(ratios)), [str(reports.row_of(entry)) for entry in entries], rotation=60, ha="right", fontsize=8)
    axes.set_ylabel("time of DeepGEMM / time of ours")
    axes.grid(axis="y", alpha=0.4)


def _draw_roofline(axes, report):
    marks = {"ours": "o", "deep_gemm": "x", "cublas_blocks": "+", "cublas_tensorwise": "1"}
    intensities = []
    for name, mark in marks.items():
        points = []
        for entry in report["rows"]:
            row, us = reports.row_of(entry), reports.median(entry, name)
            if us:
                points.append((row.flop / row.bytes, row.flop / us * 1e-6))
        if points:
            intensities += [x for x, _ in points]
            axes.plot(*zip(*points), mark, label=reports.TITLES[name])
    if not intensities:
        return
    peak = reports.TENSOR_FLOP_PER_SECOND
    knee = peak / MEMORY_BYTES_PER_SECOND
    low, high = min([*intensities, knee / 10]) / 1.5, max([*intensities, knee * 2]) * 1.5
    axes.plot([low, knee, high], [low * MEMORY_BYTES_PER_SECOND * 1e-12, peak * 1e-12, peak * 1e-12], color="black",
              label="3.35 TB/s, 1700 TFLOPS")  # fmt: skip
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("FLOP for each byte that must move")
    axes.set_ylabel("TFLOPS")
    axes.legend()
    axes.grid(which="both", alpha=0.3)
