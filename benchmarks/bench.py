#!/usr/bin/env python3
"""Measures our kernels against DeepGEMM, cuBLASLt and the read floor, on one Hopper GPU, in one process.

  bench.py --gen build-static/bin/dgemm-gen --out out/bench         all rows of the table, all peers
  bench.py --quick --peers deep_gemm ...                            a few rows, 8 samples
  bench.py --rows m=64,4096x7168x16384 --config 'stages = 5' ...    some rows, some config fields given
  bench.py --input out/bench/benchmark.json --compare old.json      no GPU: print again, compare

Peers are imported from PYTHONPATH; a missing peer is reported and left out. Writes benchmark.json (after each row),
benchmark.md and benchmark.png into --out. Exit code 1: a kernel failed or was wrong, or --compare found a row that got
slower; 2: bad usage.
"""
import argparse
import datetime
import json
import os
import re
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import kernels
import problems
import report as reports
import stats

PEERS = ["deep_gemm", "cublas_blocks", "cublas_tensorwise", "read_bulk", "read_loads"]
REPEATS = 4  # runs of ours that must give the same D as the first one
SUSTAINED_FROM_FLOP = 5e10  # smaller rows are bound by launches and memory, not by power


def log(text):
    print(text, file=sys.stderr, flush=True)


def find_commit():
    done = subprocess.run(["git", "-C", os.path.dirname(os.path.abspath(__file__)), "rev-parse", "--short", "HEAD"],
                          capture_output=True, text=True)  # fmt: skip
    return done.stdout.strip() or None


def find_ptxas_version():
    """The version of the ptxas that dgemm-gen finds first."""
    try:
        done = subprocess.run([os.environ.get("DGEMM_PTXAS") or "ptxas", "--version"], capture_output=True, text=True)
    except OSError:
        return None
    match = re.search(r"V(\d[\d.]*)", done.stdout)
    return match[1] if match else None


def read_configs(path):
    """{row: config}: a JSON object of row text to config text."""
    with open(path) as file:
        return {problems.parse_row(row): config for row, config in json.load(file).items()}


class Bench:
    """One process's measurements."""

    def __init__(self, options, store):
        import torch

        import launcher
        import measure

        self.torch, self.measure = torch, measure
        self.options, self.store = options, store
        self.start = time.monotonic()
        torch.cuda.init()
        torch.zeros(1, device="cuda")  # makes the context current
        self.driver, self.nvml = launcher.Driver(), measure.Nvml()
        self.multiprocessors = torch.cuda.get_device_properties(0).multi_processor_count
        self.stopwatch = measure.Stopwatch(options.flush_mib << 20)
        self.peers = self._make_peers()
        self.report = {"kind": "dgemm-benchmark", "version": 1, "about": self._describe(), "rows": [], "sustained": []}

    def _make_peers(self):
        import peers

        made = []
        for name in self.options.peers:
            try:
                made.append(peers.MAKERS[name]())
            except peers.PeerMissing as error:
                log(f"warning: without {error}")
        return made

    def _describe(self):
        versions = {peer.name: peer.version for peer in self.peers if peer.name == "deep_gemm"}
        return {
            "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
            "gpu": self.torch.cuda.get_device_name(0),
            "multiprocessors": self.multiprocessors,
            "driver": self.nvml.driver(),
            "cuda": self.driver.version(),
            "torch": self.torch.__version__,
            **versions,
            "generator": self.store.generator_version(),
            "ptxas": find_ptxas_version(),
            "commit": self.options.commit or find_commit(),
            "samples": self.options.samples,
            "flush_mib": self.options.flush_mib,
        }

    # -- one row ------------------------------------------------------------------------------------------------------

    def run(self, row, config):
        """Measures one row and appends it to the report."""
        import inputs as operands

        entry = {"row": row.as_dict(), "results": {}}
        data = operands.Inputs(row)
        calls = {}
        for name, prepare in [("ours", lambda: self._prepare_ours(row, config, data, entry)),
                              *((peer.name, lambda peer=peer: peer.prepare(data)) for peer in self.peers)]:  # fmt: skip
            call = self.make_call(name, prepare, data, entry)
            if call:
                calls[name] = call
        self._time(calls, entry)
        self.report["rows"].append(entry)
        if self.options.sustained and row.flop >= SUSTAINED_FROM_FLOP:
            self._sustain(row, calls, entry)
        return entry

    def _time(self, calls, entry):
        try:
            timed = self.stopwatch.interleave(calls, self.options.samples) if calls else {}
        except self.measure.MeasureError as error:
            log(f"error: {error}")
            timed = {}
            for name in calls:
                entry["results"][name]["error"] = str(error)
        for name, (us, names) in timed.items():
            entry["results"][name].update(stats.summarize(us), kernels=names)

    def _prepare_ours(self, row, config, data, entry):
        compiled = self.store.get(row, config)
        kernel, d = data.bind(compiled, self.driver, self.multiprocessors)
        entry["results"]["ours"] |= {"config": kernel.launch["config"].removeprefix("#dgemm.config"), "ctas": kernel.ctas}
        stream = lambda: self.torch.cuda.current_stream().cuda_stream
        return (lambda: kernel(stream())), d

    def make_call(self, name, prepare, data, entry):
        """The call of a contender if it runs and is correct, or None, with the reason in `entry`."""
        import inputs as operands

        result = entry["results"].setdefault(name, {})
        try:
            prepared = prepare()
            if not prepared:
                del entry["results"][name]
                return None
            call, d = prepared
            if d is not None and name == "ours":
                operands.poison(d)
            call()
            self.measure.wait(20)
            wrong = None if d is None else data.check(d, was_poisoned=name == "ours")
            if not wrong and name == "ours":
                wrong = self._repeat(call, d)
                result["repeated"] = 0 if wrong else REPEATS
        except self.measure.HangError as error:
            result["error"] = f"hangs: {error}"
            self.report["rows"].append(entry)
            reports.save(os.path.join(self.options.out, "benchmark.json"), self.report)
            log(f"error: {data.row}: {name} hangs; the GPU is lost")
            os._exit(1)
        except Exception as error:  # a peer may raise anything; the others are still measured
            wrong = f"{type(error).__name__}: {error}"[:500]
        if wrong:
            result["error"] = wrong
            log(f"error: {data.row}: {name}: {wrong}")
            return None
        return call

    def _repeat(self, call, d):
        """None if further runs give the same bits of D; else the number of elements that differ."""
        import inputs as operands

        first = d.clone()
        for run in range(REPEATS):
            operands.poison(d)
            call()
            self.measure.wait(20)
            if differing := operands.count_differing(first, d):
                return f"run {run + 2} differs from the first one in {differing} of {d.numel()} elements"
        return None

    def _sustain(self, row, calls, entry):
        readings = {"row": row.as_dict()}
        for name in (name for name in reports.TITLES if name in calls and "median" in entry["results"][name]):
            try:
                readings[name] = self.measure.run_back_to_back(
                    calls[name], entry["results"][name]["median"], self.options.sustained, self.nvml)  # fmt: skip
            except Exception as error:  # a peer that cannot be captured
                log(f"warning: {row}: {name} back to back: {error}")
        self.report["sustained"].append(readings)

    # -- all rows -----------------------------------------------------------------------------------------------------

    def run_all(self, rows, configs):
        for row in rows:
            self.store.submit(row, configs.get(row, self.options.config))
        for row in rows:
            if time.monotonic() - self.start > self.options.time_limit:
                log(f"warning: out of time; {len(rows) - len(self.report['rows'])} rows are not measured")
                break
            entry = self.run(row, configs.get(row, self.options.config))
            reports.save(os.path.join(self.options.out, "benchmark.json"), self.report)
            times = " ".join(f"{name} {result['median']:.1f}" for name, result in entry["results"].items() if "median" in result)
            log(f"{row}: {times}")
            self.torch.cuda.empty_cache()
        return self.report


def warm_deep_gemm(rows):
    """Calls DeepGEMM once for each row, which fills its cache of kernels."""
    import torch

    import inputs as operands
    import peers

    peer = peers.DeepGemm()
    for row in rows:
        try:
            call, _ = peer.prepare(operands.Inputs(row))
            call()
            torch.cuda.synchronize()
        except Exception as error:  # it is reported when it is measured
            log(f"warning: {row}: deep_gemm: {error}")
        torch.cuda.empty_cache()


def warm_in_parallel(count, rows):
    """DeepGEMM compiles for seconds a row, one row at a time: `count` processes share the rows."""
    command = [sys.executable, os.path.abspath(__file__), "--warm-only", "--rows"]
    parts = [",".join(map(str, rows[i::count])) for i in range(count) if rows[i::count]]
    for process in [subprocess.Popen([*command, part]) for part in parts]:
        process.wait()


def finish(report, options):
    """Prints and writes the results of the report. Returns the exit code."""
    text = reports.to_markdown(report)
    if options.out:
        with open(os.path.join(options.out, "benchmark.md"), "w") as file:
            file.write(text)
        if options.plot:
            try:
                import plot

                plot.draw(report, os.path.join(options.out, "benchmark.png"))
            except ImportError as error:
                log(f"warning: no plot: {error}")
    print(text)
    status = 1 if any(name == "ours" for _, name, _ in reports.failures(report)) else 0
    if options.compare:
        table, slower = reports.compare(reports.load(options.compare), report, options.threshold / 100)
        print(f"Against {options.compare}:\n\n{table}\n")
        if slower:
            log(f"error: slower than before: {', '.join(slower)}")
            status = 1
    return status


def parse_arguments(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", default="all", help="rows to measure: MxNxK, contiguous:GxMxNxK, masked:GxMxNxK, or "
                        "all, quick, dense, m=M, contiguous, masked; separated by commas (default all)")  # fmt: skip
    parser.add_argument("--peers", default=",".join(PEERS), help=f"of {', '.join(PEERS)} (default all)")
    parser.add_argument("--quick", action="store_true", help="the quick rows, 8 samples, a flush of 256 MiB")
    parser.add_argument("--config", default="", help="config fields for all of our kernels")
    parser.add_argument("--configs", metavar="FILE", help="JSON object of row to config")
    parser.add_argument("--gen", default=os.environ.get("DGEMM_GEN"), help="dgemm-gen to compile with (DGEMM_GEN)")
    parser.add_argument("--kernels", default="/tmp/dgemm-kernels", help="folder of compiled kernels (default %(default)s)")
    parser.add_argument("--compile-only", action="store_true", help="fill --kernels, measure nothing; needs no GPU")
    parser.add_argument("--samples", type=int, help="timed calls of each contender (default 20)")
    parser.add_argument("--flush-mib", type=int, help="MiB written before each call to empty L2 (default 7629)")
    parser.add_argument("--sustained", type=float, default=0, metavar="SECONDS",
                        help="also run the large rows back to back, each contender for this time")  # fmt: skip
    parser.add_argument("--time-limit", type=float, default=480, metavar="SECONDS", help="start no row after this time (default 480)")
    parser.add_argument("--warm-peers", type=int, metavar="N", help="first let N processes fill DeepGEMM's kernel cache")
    parser.add_argument("--warm-only", action="store_true", help="only fill DeepGEMM's kernel cache for the rows")
    parser.add_argument("--out", metavar="FOLDER", help="folder of the results; required for measuring")
    parser.add_argument("--no-plot", dest="plot", action="store_false", help="draw no picture")
    parser.add_argument("--commit", help="commit to record (default: that of the checkout)")
    parser.add_argument("--input", metavar="FILE", help="measure nothing; use this report")
    parser.add_argument("--compare", metavar="FILE", help="an earlier report to compare with")
    parser.add_argument("--threshold", type=float, default=3, metavar="PERCENT", help="a row that is slower by more fails (default 3)")
    options = parser.parse_args(arguments)
    if options.quick and options.rows == "all":
        options.rows = "quick"
    options.samples = options.samples or (8 if options.quick else 20)
    options.flush_mib = options.flush_mib or (256 if options.quick else 7629)
    options.peers = [name for name in options.peers.split(",") if name]
    if unknown := [name for name in options.peers if name not in PEERS]:
        parser.error(f"unknown peer '{unknown[0]}'; known are {', '.join(PEERS)}")
    if not (options.out or options.input or options.compile_only or options.warm_only):
        parser.error("measuring wants --out=FOLDER")
    return options


def main(arguments=None):
    options = parse_arguments(arguments)
    try:
        if options.out:
            os.makedirs(options.out, exist_ok=True)
        if options.input:
            return finish(reports.load(options.input), options)
        rows = problems.select_rows(options.rows)
        if options.warm_only:
            warm_deep_gemm(rows)
            return 0
        configs = read_configs(options.configs) if options.configs else {}
        store = kernels.KernelStore(options.kernels, options.gen)
        if options.compile_only:
            return compile_all(store, [(row, configs.get(row, options.config)) for row in rows])
        if options.warm_peers:
            warm_in_parallel(options.warm_peers, rows)
        try:
            return finish(Bench(options, store).run_all(rows, configs), options)
        finally:
            store.close()
    except (reports.ReportError, problems.RowError, kernels.CompileError, OSError) as error:
        log(f"bench.py: error: {error}")
        return 2


def compile_all(store, jobs):
    """Fills the store. Returns the exit code."""
    for job in jobs:
        store.submit(*job)
    failed = store.wait_for_all()
    for _, _, error in failed:
        log(f"error: {error}")
    print(f"{len(jobs) - len(failed)} of {len(jobs)} kernels are in {store.folder}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
