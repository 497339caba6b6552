"""Times calls on the GPU: kernel durations from CUPTI with a cold L2, and back to back at the power limit."""
import ctypes
import datetime
import json
import threading
import time

import torch
from torch.profiler import ProfilerActivity, profile

import launcher
from gputrace import split_at_flushes

QUICK_FLUSH_BYTES = 256 << 20


class MeasureError(Exception):
    """The profiler lost events."""


class HangError(Exception):
    """A kernel does not end."""


def wait(seconds):
    """Waits for all queued work. Error: HangError after this many seconds; the process can then only exit."""
    event = torch.cuda.Event()
    event.record()
    end = time.monotonic() + seconds
    while not event.query():
        if time.monotonic() > end:
            raise HangError(f"not done after {seconds:g} s")
        time.sleep(0.0002)


class Stopwatch:
    def __init__(self, flush_bytes):
        self._flush = torch.empty(flush_bytes // 4, dtype=torch.int32, device="cuda")

    def time(self, calls):
        """Microseconds of each of `calls`, in order, and the names of its kernels: [(us, [name])]. A call's time is the
        sum over its kernels. Each call has run before."""
        for _ in range(3):
            timed = split_at_flushes(self._record(calls))
            if len(timed) == len(calls) and all(timed):
                return [(sum(us for us, _ in call), [name for _, name in call]) for call in timed]
        raise MeasureError(f"the profiler saw {len(timed)} of {len(calls)} calls")

    def interleave(self, calls, samples):
        """`calls`: {name: function}. {name: ([us], [kernel names])}; each round calls all of them, in rotating order."""
        names = list(calls)
        order = [names[(i + turn) % len(names)] for turn in range(samples) for i in range(len(names))]
        timed = self.time([calls[name] for name in order])
        result = {name: ([], None) for name in names}
        for name, (us, kernels) in zip(order, timed):
            result[name][0].append(us)
            result[name] = (result[name][0], kernels)
        return result

    def _record(self, calls):
        torch.cuda.synchronize()
        with profile(activities=[ProfilerActivity.CUDA]) as profiler:
            for call in calls:
                self._flush.fill_(1)
                call()
            torch.cuda.synchronize()
        return [
            (event.time_range.start, event.time_range.elapsed_us(), event.name)
            for event in profiler.events()
            if event.device_type == torch.autograd.DeviceType.CUDA
        ]


def time_rows(rows, time_row, path):
    """[time_row(row, driver, stopwatch)] of `rows`. After each row, the JSON file at `path` has the results so far, and the machine
    and software of the measurement."""
    torch.cuda.init()
    torch.zeros(1, device="cuda")
    driver, stopwatch = launcher.Driver(), Stopwatch(QUICK_FLUSH_BYTES)
    results = []
    for row in rows:
        results.append(time_row(row, driver, stopwatch))
        with open(path, "w") as file:
            json.dump({"gpu": torch.cuda.get_device_name(0), "driver": Nvml().driver(), "torch": torch.__version__,
                       "date": datetime.date.today().isoformat(), "results": results}, file)  # fmt: skip
    return results


# ---------------------------------------------------------------------------------------------------------------------
# Back to back
# ---------------------------------------------------------------------------------------------------------------------


class Nvml:
    """Clock and power of the first GPU; every reading is None if NVML is missing."""

    def __init__(self):
        self._device = None
        try:
            self._library = ctypes.CDLL("libnvidia-ml.so.1")
        except OSError:
            return
        device = ctypes.c_void_p()
        if self._library.nvmlInit_v2() == 0:
            if self._library.nvmlDeviceGetHandleByIndex_v2(ctypes.c_uint(0), ctypes.byref(device)) == 0:
                self._device = device

    def sm_mhz(self):
        return self._read("nvmlDeviceGetClockInfo", ctypes.c_int(1))

    def watts(self):
        milliwatts = self._read("nvmlDeviceGetPowerUsage")
        return None if milliwatts is None else milliwatts / 1000

    def driver(self):
        text = ctypes.create_string_buffer(96)
        if self._device is None or self._library.nvmlSystemGetDriverVersion(text, ctypes.c_uint(96)):
            return None
        return text.value.decode()

    def _read(self, function, *arguments):
        value = ctypes.c_uint()
        if self._device is None or getattr(self._library, function)(self._device, *arguments, ctypes.byref(value)):
            return None
        return value.value


class _Sampler(threading.Thread):
    """Reads clock and power every few milliseconds until stopped."""

    def __init__(self, nvml):
        super().__init__(daemon=True)
        self._nvml, self._stopped = nvml, threading.Event()
        self.readings = []

    def run(self):
        while not self._stopped.wait(0.005):
            self.readings.append((self._nvml.sm_mhz(), self._nvml.watts()))

    def stop(self):
        self._stopped.set()
        self.join()
        means = []
        for readings in zip(*self.readings):
            known = [reading for reading in readings if reading is not None]
            means.append(sum(known) / len(known) if known else None)
        return means or [None, None]


def _capture(call, count):
    """A CUDA graph of `count` calls: the host cannot fall behind."""
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for _ in range(count):
            call()
    return graph


def run_back_to_back(call, guess_us, seconds, nvml):
    """Time of a call in microseconds, SM clock in MHz and power in W, without the first half of `seconds`, the warm-up.
    L2 is not flushed."""
    count = max(1, min(200, int(5000 / guess_us)))
    graph = _capture(call, count)
    replays = max(1, int(seconds / 2 / (count * guess_us * 1e-6)))
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    for _ in range(replays):
        graph.replay()
    start.record()
    for _ in range(replays):
        graph.replay()
    end.record()
    while not start.query():
        time.sleep(0.001)
    sampler = _Sampler(nvml)
    sampler.start()
    end.synchronize()
    mhz, watts = sampler.stop()
    return {"us": start.elapsed_time(end) * 1000 / (replays * count), "sm_mhz": mhz, "watts": watts}
