"""How the benchmark and the sweep work through rows, with stand-ins for what needs a GPU."""
import contextlib
import io
import json
import os
import sys
import tempfile
import types
import unittest
from unittest import mock

import bench
import report as reports
import sweep

from tests.test_tools import ToolTest

ROWS = "1x576x7168,64x576x7168"


class FakeKernel:
    """Takes as many microseconds as its config says, "us = 5"; a config "wrong" is wrong, "fault" raises."""

    def __init__(self, config):
        self.launch, self.ctas = {"config": f"#dgemm.config<{config}>"}, 132
        self.config = config

    def __call__(self, stream):
        if "fault" in self.config:
            raise RuntimeError("illegal address")

    def unload(self):
        pass


class FakeInputs:
    def __init__(self, row):
        self.row = row

    def bind(self, compiled, driver, multiprocessors):
        config = compiled.image.decode()
        return FakeKernel(config), mock.MagicMock(config=config)

    def check(self, d, was_poisoned=True):
        return "difference 0.5" if "wrong" in d.config else None


class FakeStopwatch:
    def __init__(self, flush_bytes):
        pass

    def interleave(self, calls, samples):
        for call in calls.values():
            call()
        return {name: ([10.0 + len(name)] * samples, ["gemm"]) for name in calls}


class FakePeer:
    name, version = "deep_gemm", "2.6.1"

    def prepare(self, inputs):
        return (None if inputs.row.m == 1 else (lambda: None, None))


def fake_modules():
    measure = types.SimpleNamespace(
        HangError=type("HangError", (Exception,), {}), MeasureError=type("MeasureError", (Exception,), {}),
        QUICK_FLUSH_BYTES=1, Stopwatch=FakeStopwatch, wait=lambda seconds: None,
        Nvml=lambda: types.SimpleNamespace(driver=lambda: "580"),
        run_back_to_back=lambda call, guess, seconds, nvml: {"us": guess, "sm_mhz": 1500, "watts": 700})  # fmt: skip
    torch = mock.MagicMock(__version__="2.11")
    torch.cuda.get_device_name.return_value = "H100"
    torch.cuda.get_device_properties.return_value.multi_processor_count = 132
    torch.equal.return_value = True
    missing = type("PeerMissing", (Exception,), {})

    def no_peer():
        raise missing("cublas: not here")

    peers = types.SimpleNamespace(PeerMissing=missing, MAKERS={"deep_gemm": FakePeer, "cublas_blocks": no_peer})
    operands = types.SimpleNamespace(Inputs=FakeInputs, poison=lambda d: None,
                                     count_differing=lambda d, other: 3 if "drifts" in other.config else 0)  # fmt: skip
    return {"torch": torch, "measure": measure, "peers": peers, "inputs": operands}


class MeasuringTest(ToolTest):
    def setUp(self):
        super().setUp()
        self.out = os.path.join(self.folder, "out")
        self.common = ["--rows", ROWS, f"--gen={self.gen}", f"--kernels={self.folder}/kernels", f"--out={self.out}"]
        driver = lambda: types.SimpleNamespace(version=lambda: "13.0")
        for patch in (mock.patch.dict("sys.modules", fake_modules()), mock.patch("launcher.Driver", driver)):
            patch.start()
            self.addCleanup(patch.stop)

    def run_quietly(self, function, *arguments):
        with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
            code = function(*arguments)
        return code, out.getvalue(), err.getvalue()

    def run_bench_here(self, *arguments):
        return self.run_quietly(bench.main, [*self.common, "--peers=deep_gemm,cublas_blocks", "--no-plot", *arguments])

    def test_benchmark(self):
        code, out, err = self.run_bench_here()
        self.assertEqual(code, 0, err)
        self.assertIn("without cublas: not here", err)
        report = reports.load(os.path.join(self.out, "benchmark.json"))
        self.assertEqual([list(entry["results"]) for entry in report["rows"]], [["ours"], ["ours", "deep_gemm"]])
        ours = report["rows"][1]["results"]["ours"]
        self.assertEqual((ours["config"], ours["median"], ours["samples"], ours["kernels"]), ("<chosen>", 14.0, 20, ["gemm"]))
        self.assertEqual((report["about"]["gpu"], report["about"]["deep_gemm"]), ("H100", "2.6.1"))
        self.assertIn("2 kernels of ours gave the same D bit for bit in 5 runs.", out)
        with open(os.path.join(self.out, "benchmark.md")) as file:
            self.assertEqual(file.read(), out[:-1])

    def test_failures_of_ours(self):
        for config, message in [("wrong", "difference 0.5"), ("fault", "RuntimeError: illegal address"), ("spill", "spills"),
                                ("drifts", "run 2 differs from the first one in 3 of")]:  # fmt: skip
            code, _, _ = self.run_bench_here(f"--config={config}")
            self.assertEqual(code, 1)
            for entry in reports.load(os.path.join(self.out, "benchmark.json"))["rows"]:
                self.assertIn(message, entry["results"]["ours"]["error"])
                self.assertNotIn("median", entry["results"]["ours"])

    def test_sustained_is_for_large_rows(self):
        self.run_bench_here("--sustained=1", "--rows=64x576x7168,4096x4096x7168")
        (readings,) = reports.load(os.path.join(self.out, "benchmark.json"))["sustained"]
        self.assertEqual((readings["row"]["m"], readings["ours"]["us"]), (4096, 14.0))

    def sweep(self, *arguments):
        options = sweep.parse_arguments([*self.common, "--peers=deep_gemm", *arguments])
        os.makedirs(self.out, exist_ok=True)
        self.run_quietly(sweep.run_worker, options)
        return self.run_quietly(sweep.summarize, options)

    def test_sweep(self):
        code, out, _ = self.sweep()
        self.assertEqual(code, 0)
        self.assertIn("2 rows ranked, 4 configs timed, 0 failed", out)
        with open(os.path.join(self.out, "sweep.json")) as file:
            first, second = json.load(file)["rows"]
        # The shorter name is the quicker one here.
        self.assertEqual([final["config"] for final in first["finals"]], ["<tile = <block = 64x64x128>>", "<tile = <block = 128x64x128>>"])
        self.assertEqual((first["chosen"], first["peers"]), ("<tile = <block = 64x64x128>>", []))
        self.assertEqual([final["config"] for final in second["peers"]], ["deep_gemm"])

    def test_sweep_goes_on(self):
        self.sweep("--time-limit=0")
        self.assertFalse(any("finals" in line for line in self.journal()))
        self.sweep()
        tried = [line for line in self.journal() if "trying" in line]
        self.assertEqual(len(tried), 4)
        self.sweep()
        self.assertEqual(len([line for line in self.journal() if "trying" in line]), 4)

    def journal(self):
        path = os.path.join(self.out, "sweep.jsonl")
        if not os.path.exists(path):
            return []
        with open(path) as file:
            return [json.loads(line) for line in file]

    def test_sweep_notes_what_fails(self):
        path = os.path.join(self.folder, "given.json")
        with open(path, "w") as file:
            json.dump({"1x576x7168": ["<wrong = 1>", "spill = 1", "fault = 1"]}, file)
        code, out, err = self.sweep(f"--configs={path}")
        self.assertEqual(code, 1)
        self.assertIn("4 configs timed, 3 failed", out)
        for text in ["<wrong = 1>: wrong: difference 0.5", "spill = 1: dgemm-gen", "fault = 1: RuntimeError: illegal address"]:
            self.assertIn(text, err)


class TimeRowsTest(unittest.TestCase):
    def test_the_file_has_what_there_is_after_each_row(self):
        torch = mock.MagicMock(__version__="2.9")
        torch.cuda.get_device_name.return_value = "NVIDIA H200"
        with mock.patch.dict(sys.modules, {"torch": torch, "torch.profiler": torch.profiler}), tempfile.TemporaryDirectory() as folder:
            import measure

            path, seen = os.path.join(folder, "rows.json"), []

            def time_row(row, driver, stopwatch):
                if row > 1:
                    with open(path) as file:
                        seen.append(json.load(file)["results"])
                if row == 3:
                    raise measure.HangError("not done")
                return {"row": row}

            with mock.patch.object(measure.launcher, "Driver"), mock.patch.object(measure, "Nvml") as nvml:
                nvml().driver.return_value = "580.159.04"
                self.assertEqual(measure.time_rows([1, 2], time_row, path), [{"row": 1}, {"row": 2}])
                with self.assertRaises(measure.HangError):
                    measure.time_rows([1, 2, 3], time_row, path)
            with open(path) as file:
                written = json.load(file)
        self.assertEqual(seen, [[{"row": 1}], [{"row": 1}], [{"row": 1}, {"row": 2}]])
        self.assertEqual(list(written), ["gpu", "driver", "torch", "date", "results"])
        self.assertEqual((written["gpu"], written["driver"], written["torch"]), ("NVIDIA H200", "580.159.04", "2.9"))


if __name__ == "__main__":
    unittest.main()
