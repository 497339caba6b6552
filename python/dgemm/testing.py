"""Helpers of tests and benchmarks of FP8 GEMMs: the difference of two results, and the time of a kernel."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable
from typing import Any

__all__ = ["bench_kineto", "calc_diff", "silence"]


def calc_diff(x: Any, y: Any) -> Any:
    """1 - 2 sum(xy) / sum(xx + yy) in double precision: 0 for equal tensors, 0 also if both are all zero."""
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(x, torch.Tensor):
        x, y = x.double(), y.double()
        norm = (x * x + y * y).sum()
        return 1 - 2 * (x * y).sum() / norm if norm != 0 else norm
    x, y = x.astype("float64"), y.astype("float64")
    norm = (x * x + y * y).sum()
    return 1 - 2 * (x * y).sum() / norm if norm != 0 else norm


def bench_kineto(fn: Callable[[], Any], kernel_names: str | tuple[str, ...], num_tests: int = 30,
                 suppress_kineto_output: bool = False, trace_path: str | None = None, flush_l2: bool = True,
                 with_multiple_kernels: bool = False, barrier: Callable[[], Any] | None = None,
                 missing_ok: bool = False) -> float | tuple[float, ...]:
    """Mean seconds of the kernels whose names contain `kernel_names`, by torch's profiler.

    Args:
        fn: called `num_tests` times, after a first call that is not counted.
        kernel_names: part of a kernel's name, or a list of parts; the result is then a tuple.
        suppress_kineto_output: suppresses the profiler's output.
        trace_path: the file of a Chrome trace to write.
        flush_l2: overwrites the L2 cache before each call.
        with_multiple_kernels: a name may match several kernels, whose times then count together.
        barrier: called before each call of `fn`, to keep processes in step.
        missing_ok: a name that no kernel matches takes 0 seconds, as in DeepGEMM.

    Raises ValueError for a name that no kernel, or more than one, matches. With DG_USE_NVIDIA_TOOLS=1, this
    only calls `fn`, for an external profiler, and returns 1s.
    """
    import torch

    names = (kernel_names,) if isinstance(kernel_names, str) else tuple(kernel_names)
    if os.environ.get("DG_USE_NVIDIA_TOOLS", "0") not in ("", "0"):
        fn()
        return 1.0 if isinstance(kernel_names, str) else (1.0,) * len(names)
    fn()
    torch.cuda.synchronize()
    scratch = torch.empty(256 << 20, dtype=torch.uint8, device="cuda") if flush_l2 else None
    activities = [torch.profiler.ProfilerActivity.CUDA]
    # Kineto writes to the file descriptors, not to sys.stdout.
    with silence() if suppress_kineto_output else contextlib.nullcontext():
        with torch.profiler.profile(activities=activities, acc_events=True) as profiler:
            for _ in range(num_tests):
                if scratch is not None:
                    scratch.zero_()
                if barrier is not None:
                    barrier()
                fn()
            torch.cuda.synchronize()
    if trace_path is not None:
        profiler.export_chrome_trace(trace_path)
    averages = [event for event in profiler.key_averages() if event.device_time_total > 0]
    times = []
    for name in names:
        matches = [event for event in averages if name in event.key]
        if not matches and missing_ok:
            times.append(0.0)
            continue
        if not matches or (len(matches) > 1 and not with_multiple_kernels):
            raise ValueError(f"kernel_names: '{name}' matches {[event.key for event in matches]}; seen were "
                             f"{sorted(event.key for event in averages)}")
        total = sum(event.device_time_total for event in matches)
        calls = sum(event.count for event in matches) if not with_multiple_kernels else num_tests
        times.append(total / calls * 1e-6)
    return times[0] if isinstance(kernel_names, str) else tuple(times)


class silence:
    """A context in which the file descriptors of stdout and stderr are /dev/null."""

    def __enter__(self):
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        self.saved = [os.dup(descriptor) for descriptor in (1, 2)]
        null = os.open(os.devnull, os.O_WRONLY)
        for descriptor in (1, 2):
            os.dup2(null, descriptor)
        os.close(null)
        return self

    def __exit__(self, *exception):
        for descriptor, saved in zip((1, 2), self.saved):
            os.dup2(saved, descriptor)
            os.close(saved)
