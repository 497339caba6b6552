"""python -m dgemm bench: times and plots the user's shapes on the user's GPU, together with the peers that are installed."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import dgemm

_DATA_SHEETS = {"h100": (1979, 3.35), "h100-pcie": (1513, 2.0), "h200": (1979, 4.8), "gh200": (1979, 4.0), "h20": (296, 4.0)}
"""Dense FP8 TFLOPS and TB/s of memory, by NVIDIA's data sheets of the SXM, PCIe, H200, GH200 (HBM3) and H20 cards."""

OURS = "dgemm"


@dataclass
class Result:
    """Median microseconds of one problem by contender."""

    m: int
    n: int
    k: int
    us: dict[str, float] = field(default_factory=dict)

    @property
    def flop(self) -> int:
        return 2 * self.m * self.n * self.k

    @property
    def bytes(self) -> int:
        """The least bytes to move: A, B and D (bf16) once, and the scales."""
        blocks = -(-self.k // 128)
        return self.m * self.k + self.n * self.k + 2 * self.m * self.n + 4 * blocks * (self.m + -(-self.n // 128))

    def tflops(self, name: str) -> float:
        return self.flop / self.us[name] * 1e-6

    def roof(self, machine: str) -> float:
        """Upper bound of TFLOPS on this machine with a cold L2, by the data sheet: the tensor cores', or what memory can feed."""
        peak, bandwidth = _DATA_SHEETS[machine]
        return min(peak, self.flop / self.bytes * bandwidth)

    def describe(self) -> str:
        line = f"M={self.m:<5} N={self.n} K={self.k}  {self.us[OURS]:9.1f} us  {self.tflops(OURS):6.0f} TFLOPS"
        for name, us in self.us.items():
            if name != OURS:
                line += f"  {name} {us:9.1f} us ({us / self.us[OURS]:.2f}x)"
        return line


def _list_contenders(torch: Any, m: int, n: int, k: int) -> dict[str, Callable[[], Any]]:
    """Calls that compute one problem with scales of 1x128 and 128x128, for each contender that is installed."""
    a = torch.randn(m, k, device="cuda").to(torch.float8_e4m3fn)
    b = torch.randn(n, k, device="cuda").to(torch.float8_e4m3fn)
    scale_a = torch.rand(m, -(-k // 128), device="cuda") + 0.5
    scale_b = torch.rand(-(-n // 128), -(-k // 128), device="cuda") + 0.5
    d = torch.empty(m, n, device="cuda", dtype=torch.bfloat16)
    aligned = dgemm.get_mn_major_tma_aligned_tensor(scale_a)
    calls = {OURS: lambda: dgemm.fp8_gemm_nt((a, aligned), (b, scale_b), d)}
    calls[OURS]()
    try:
        import deep_gemm
        if "dgemm" not in (deep_gemm.__doc__ or ""):  # not our own package of that name
            deep_gemm.fp8_gemm_nt((a, aligned), (b, scale_b), d)
            calls["deep_gemm"] = lambda: deep_gemm.fp8_gemm_nt((a, aligned), (b, scale_b), d)
    except Exception:  # noqa: BLE001: not installed, or it refuses this shape; it is then not timed
        pass
    # The pitch of rows of scale_b is a multiple of 4, as cuBLASLt requires.
    padded = torch.zeros(scale_b.shape[0], -(-scale_b.shape[1] // 4) * 4, device="cuda")
    padded[:, :scale_b.shape[1]] = scale_b
    try:
        from torch.nn.functional import ScalingType, scaled_mm
        columns = scale_a.t().contiguous().t()

        def by_torch() -> Any:
            return scaled_mm(a, b.t(), columns, ScalingType.BlockWise1x128, padded.t(), ScalingType.BlockWise128x128,
                             output_dtype=torch.bfloat16)

        by_torch()
        calls["torch"] = by_torch
    except Exception:  # noqa: BLE001: a torch without it, or a shape that it refuses
        pass
    return calls


def run(torch: Any, rows: list[int], n: int, k: int, repeat: int, report: Callable[[str], None]) -> list[Result]:
    """Times each number of rows. All contenders take turns. A write of 256 MB before each call empties the L2."""
    flush = torch.empty(256 << 20, device="cuda", dtype=torch.uint8)
    results = []
    for m in rows:
        calls = _list_contenders(torch, m, n, k)
        times: dict[str, list[float]] = {name: [] for name in calls}
        for _ in range(repeat):
            for name, call in calls.items():
                start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
                flush.zero_()
                start.record()
                call()
                end.record()
                torch.cuda.synchronize()
                times[name].append(start.elapsed_time(end) * 1e3)
        results.append(Result(m, n, k, {name: statistics.median(us) for name, us in times.items()}))
        report(results[-1].describe())
    return results


def draw(results: list[Result], machine: str, title: str, path: str) -> None:
    """TFLOPS by rows, with the roofline, and the speed relative to each peer. ImportError without matplotlib."""
    import matplotlib
    matplotlib.use("Agg")
    from matplotlib import pyplot

    names = list(dict.fromkeys(name for result in results for name in result.us))
    figure, (rates, ratios) = pyplot.subplots(2, 1, figsize=(9, 9), sharex=True, layout="constrained")
    if machine in _DATA_SHEETS:
        rates.plot([result.m for result in results], [result.roof(machine) for result in results], "--", color="gray",
                   label=f"roofline of {machine}")
    for name in names:
        points = [(result.m, result.tflops(name)) for result in results if name in result.us]
        rates.plot(*zip(*points), marker="o", label=name)
    for name in names:
        points = [(result.m, result.us[name] / result.us[OURS]) for result in results if name in result.us]
        if name != OURS:
            ratios.plot(*zip(*points), marker="o", label=f"time of {name} / time of dgemm")
    ratios.axhline(1, color="black", linewidth=1)
    rates.set_ylabel("TFLOPS, cold L2, with launch")
    rates.set_yscale("log")
    ratios.set_ylabel("ratio of times")
    ratios.set_xlabel("rows (M)")
    ratios.set_xscale("log", base=2)
    for axes in (rates, ratios):
        axes.grid(alpha=0.4)
        if axes.get_legend_handles_labels()[0]:
            axes.legend()
    figure.suptitle(title)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
