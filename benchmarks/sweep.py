#!/usr/bin/env python3
"""Measures many configs of our kernel for each row, on one Hopper GPU, and ranks them.

  sweep.py --gen build-static/bin/dgemm-gen --out out/sweep --rows m=4096 --best 60
  sweep.py ... --configs candidates.json          {"4096x7168x2048": ["block = 256x128x128", ...], ...}
  sweep.py ... --fields 'split_k = 4' --fields 'cluster = 2x1'    also the model's best configs with each of these fields

Each config is compiled, checked against double precision, and timed a few times with a flush of 256 MiB. The neighbours of
the best (one field, one step away) follow. The finalists, which include the model's choice, run again in turn with a full
flush, and must give the same bits each time. Each result is added to the journal OUT/sweep.jsonl, and a run with the same
--out continues where the last one stopped. If a kernel hangs or faults, the process is started again without that kernel.
The results are OUT/sweep.json and a table. Exit code 1 if any kernel did not compile, was wrong, hung or faulted; 2: bad usage.
"""
import argparse
import concurrent.futures
import json
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import bench
import kernels
import problems
import report as reports
import stats

SCREEN_SAMPLES = 5
FINAL_SAMPLES = 20
BATCH = 32
log = bench.log


class Journal:
    """The configs that have been tried, one JSON object a line: {"row", "config"} and one of "trying", "right", "error", "us"; and the
    finals of each row. A line is complete before a kernel is launched, so a fault is attributed to the right kernel."""

    def __init__(self, path):
        self.path = path
        self.tried, self.finals, self.about = {}, {}, {}
        if not os.path.exists(path):
            return
        with open(path) as file:
            text = file.read()
        for line in text.splitlines():
            try:
                self._take(json.loads(line))
            except ValueError:
                continue  # the process died in the middle of it
        if text and not text.endswith("\n"):
            with open(path, "a") as file:
                file.write("\n")

    def add(self, record):
        self._take(record)
        with open(self.path, "a") as file:
            file.write(json.dumps(record) + "\n")

    def close_open_trials(self):
        """Configs that were tried without a result: they killed their process."""
        for (row, config), record in list(self.tried.items()):
            if record.get("trying"):
                self.add({"row": row, "config": config, "error": "hangs, or faults"})

    def is_settled(self, row, config):
        record = self.tried.get((str(row), config), {})
        return "us" in record or "error" in record

    def screened(self, row):
        """[(us, config)], the fastest first."""
        return sorted((record["us"], config) for (of, config), record in self.tried.items() if of == str(row) and "us" in record)

    def failed(self):
        return [(row, config, record["error"]) for (row, config), record in self.tried.items() if "error" in record]

    def _take(self, record):
        if "about" in record:
            self.about = record["about"]
        elif "finals" in record:
            self.finals[record["row"]] = record
        else:
            self.tried[record["row"], record["config"]] = record


class Sweep:
    def __init__(self, options, store, journal):
        self.bench = bench.Bench(options, store)
        self.options, self.store, self.journal = options, store, journal
        self.screen = self.bench.measure.Stopwatch(self.bench.measure.QUICK_FLUSH_BYTES)
        journal.add({"about": self.bench.report["about"]})

    def out_of_time(self):
        return time.monotonic() - self.bench.start > self.options.time_limit

    def run_row(self, row, candidates, chosen):
        import inputs as operands

        data = operands.Inputs(row)
        self._screen(row, candidates, data)
        for _ in range(self.options.neighbour_rounds):
            best = [config for _, config in self.journal.screened(row)[: self.options.finalists // 2]]
            near = self._list_neighbours(row, best)
            self._screen(row, near, data)
        if self.options.tile_orders:
            best = [config for _, config in self.journal.screened(row)[: self.options.finalists // 2]]
            self._screen(row, [other for config in best for other in self.store.list_orders(config)], data)
        if not self.out_of_time():
            self._final(row, data, chosen)

    def _list_neighbours(self, row, configs):
        """None if nothing can be compiled."""
        fields = ["", *self.options.fields] if self.store.gen else []
        return [other for config in configs for given in fields for other in self.store.list_neighbours(row, config, given)]

    # -- first round --------------------------------------------------------------------------------------------------

    def _screen(self, row, candidates, data):
        new = [config for config in dict.fromkeys(candidates) if not self.journal.is_settled(row, config)]
        for config in new:
            self.store.submit(row, config)
        for start in range(0, len(new), BATCH):
            if self.out_of_time():
                return
            calls = {}
            for config in new[start : start + BATCH]:
                kernel = self._load(row, config, data)
                if kernel:
                    calls[config] = kernel
            if calls:
                launches = {config: self._launch(kernel) for config, kernel in calls.items()}
                timed = self.screen.interleave(launches, SCREEN_SAMPLES)
                for config, (us, _) in timed.items():
                    self.journal.add({"row": str(row), "config": config, "us": stats.quantile(us, 0.5)})
            for kernel in calls.values():
                kernel.unload()

    def _load(self, row, config, data):
        """The kernel if it compiles and is correct; else the journal has the reason."""
        import inputs as operands

        names = {"row": str(row), "config": config}
        try:
            compiled = self.store.get(row, config)
        except kernels.CompileError as error:
            self.journal.add({**names, "error": str(error)})
            return None
        self.journal.add({**names, "trying": True})
        try:
            kernel, d = data.bind(compiled, self.bench.driver, self.bench.multiprocessors)
            operands.poison(d)
            self._launch(kernel)()
            self.bench.measure.wait(10)
        except self.bench.measure.HangError:
            self.journal.add({**names, "error": "hangs"})
            os._exit(3)
        except Exception as error:  # a fault leaves the context unusable
            self.journal.add({**names, "error": f"{type(error).__name__}: {error}"[:300]})
            if _is_context_alive(self.bench.torch):
                return None
            os._exit(3)
        wrong = data.check(d)
        if wrong:
            self.journal.add({**names, "error": f"wrong: {wrong}"})
            kernel.unload()
            return None
        self.journal.add({**names, "right": True})
        return kernel

    def _launch(self, kernel):
        return lambda: kernel(self.bench.torch.cuda.current_stream().cuda_stream)

    # -- last round ---------------------------------------------------------------------------------------------------

    def _final(self, row, data, chosen):
        calls, loaded = {}, {}
        for config in self._pick_finalists(row, chosen):
            kernel, d = data.bind(self.store.get(row, config), self.bench.driver, self.bench.multiprocessors)
            loaded[config] = kernel
            difference = self._find_difference(kernel, d)
            if difference:
                self.journal.add({"row": str(row), "config": config, "error": difference})
            else:
                calls[config] = self._launch(kernel)
        entry = {"results": {}}
        for peer in self.bench.peers:
            call = self.bench.make_call(peer.name, lambda: peer.prepare(data), data, entry)
            if call:
                calls[peer.name] = call
        finals = []
        if calls:
            timed = self.bench.stopwatch.interleave(calls, FINAL_SAMPLES)
            finals = [{"config": name, **stats.summarize(us)} for name, (us, _) in timed.items()]
        peers = {peer.name for peer in self.bench.peers}
        ranking = sorted((final for final in finals if final["config"] not in peers), key=lambda final: final["median"])
        record = {"row": str(row), "finals": ranking, "chosen": chosen, "peers": [final for final in finals if final["config"] in peers]}
        self.journal.add(record)
        for kernel in loaded.values():
            kernel.unload()
        if ranking:
            log(f"{row}: " + "; ".join(f"{final['median']:.1f} {final['config']}" for final in [*record["peers"], *ranking[:3]]))

    def _pick_finalists(self, row, chosen):
        """The fastest configs, and the model's choice."""
        screened = [config for _, config in self.journal.screened(row)]
        finalists = screened[: self.options.finalists]
        return finalists + [config for config in screened if config == chosen and config not in finalists]

    def _find_difference(self, kernel, d):
        """Several launches must give the same bits."""
        import inputs as operands

        results = []
        for _ in range(3):
            operands.poison(d)
            self._launch(kernel)()
            results.append(d.view(self.bench.torch.int16).clone())
        self.bench.measure.wait(10)
        if all(self.bench.torch.equal(results[0], result) for result in results[1:]):
            return None
        return "two launches gave different results"


def _is_context_alive(torch):
    try:
        torch.cuda.synchronize()
        return True
    except RuntimeError:
        return False


def choose_candidates(store, row, given, options):
    """(what to try, the model's choice): the configs given for the row, and the model's best of each set of fields."""
    legal = store.list_configs(row) if store.gen else []
    candidates = list(given) + legal[: options.best]
    for fields in options.fields:
        candidates += store.list_configs(row, fields)[: options.best]
    return candidates, legal[0] if legal else None


def read_candidates(path):
    """{row: [config, ...]}"""
    if not path:
        return {}
    with open(path) as file:
        listed = json.load(file)
    return {problems.parse_row(row): texts for row, texts in listed.items()}


def run_worker(options):
    """Sweeps what the journal does not know yet; the exit code."""
    journal = Journal(os.path.join(options.out, "sweep.jsonl"))
    journal.close_open_trials()
    given = read_candidates(options.configs)
    rows = [row for row in problems.select_rows(options.rows) if str(row) not in journal.finals]
    store = kernels.KernelStore(options.kernels, options.gen)
    try:
        with concurrent.futures.ThreadPoolExecutor() as pool:
            chosen = dict(zip(rows, pool.map(lambda row: choose_candidates(store, row, given.get(row, []), options), rows)))
        jobs = [(row, config) for row in rows for config in dict.fromkeys(chosen[row][0]) if not journal.is_settled(row, config)]
        if options.compile_only:
            return bench.compile_all(store, jobs)
        for job in jobs:
            store.submit(*job)
        sweep = Sweep(options, store, journal) if rows else None
        for row in rows:
            if sweep.out_of_time():
                log("warning: out of time; run again with the same --out to go on")
                break
            sweep.run_row(row, *chosen[row])
            sweep.bench.torch.cuda.empty_cache()
    finally:
        store.close()
    return 0


def supervise(options, arguments):
    """Runs workers until one ends by itself; each that dies has at least one kernel to show for it."""
    path, end = os.path.join(options.out, "sweep.jsonl"), time.monotonic() + options.time_limit
    while True:
        before = len(Journal(path).tried)
        left = max(1, end - time.monotonic())
        code = subprocess.call([sys.executable, os.path.abspath(__file__), *arguments, "--worker", f"--time-limit={left:.0f}"])
        if code == 0 or code == 2 or time.monotonic() > end or len(Journal(path).tried) == before:
            return code
        log(f"the worker ended with code {code}; starting another")


def summarize(options):
    journal = Journal(os.path.join(options.out, "sweep.jsonl"))
    journal.close_open_trials()
    rows = [{"row": problems.parse_row(row).as_dict(), **{key: finals[key] for key in ("finals", "chosen", "peers")}}
            for row, finals in journal.finals.items()]  # fmt: skip
    failed = [{"row": row, "config": config, "error": error} for row, config, error in journal.failed()]
    screened = [{"row": row, "config": config, "us": record["us"]} for (row, config), record in journal.tried.items()
                if "us" in record]  # fmt: skip
    result = {"kind": "dgemm-sweep", "version": 1, "about": journal.about, "rows": rows, "screened": screened, "failed": failed}
    reports.save(os.path.join(options.out, "sweep.json"), result)
    for entry in rows:
        print(f"\n{problems.from_dict(entry['row'])}")
        for final in entry["peers"] + entry["finals"]:
            print(f"  {final['median']:9.2f} ({final['p10']:.2f}..{final['p90']:.2f})  {final['config']}")
    print(f"\n{len(rows)} rows ranked, {len(screened)} configs timed, {len(failed)} failed")
    for failure in failed:
        log(f"failed: {failure['row']}: {failure['config']}: {failure['error'][:300]}")
    return 1 if failed else 0


def parse_arguments(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", default="all", help="rows, as bench.py takes them (default all)")
    parser.add_argument("--best", type=int, default=40, help="configs to try, the model's best (default 40)")
    parser.add_argument("--fields", action="append", default=[], help="and as many with these fields; may be repeated")
    parser.add_argument("--configs", metavar="FILE", help="JSON object of row to a list of configs to try as well")
    parser.add_argument("--tile-orders", action="store_true", help="try other group_m and even_waves of the best, too")
    parser.add_argument("--neighbour-rounds", type=int, default=1, help="times to try the neighbours of the best (default 1)")
    parser.add_argument("--finalists", type=int, default=6, help="configs of a row to measure again (default 6)")
    parser.add_argument("--peers", default="", help="peers to measure beside the finalists, such as deep_gemm (default none)")
    parser.add_argument("--gen", default=os.environ.get("DGEMM_GEN"), help="dgemm-gen to compile with (DGEMM_GEN)")
    parser.add_argument("--kernels", default="/tmp/dgemm-kernels", help="folder of compiled kernels (default %(default)s)")
    parser.add_argument("--compile-only", action="store_true", help="fill --kernels, measure nothing; needs no GPU")
    parser.add_argument("--out", required=True, metavar="FOLDER", help="where the journal and the results lie")
    parser.add_argument("--time-limit", type=float, default=480, metavar="SECONDS", help="stop after (default 480)")
    parser.add_argument("--commit", help="commit to note (default: of the checkout)")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    options.peers = [name for name in options.peers.split(",") if name]
    if unknown := [name for name in options.peers if name not in bench.PEERS]:
        parser.error(f"unknown peer '{unknown[0]}'; known are {', '.join(bench.PEERS)}")
    options.samples, options.flush_mib = FINAL_SAMPLES, 7629
    return options


def main(arguments=None):
    arguments = sys.argv[1:] if arguments is None else arguments
    options = parse_arguments(arguments)
    try:
        os.makedirs(options.out, exist_ok=True)
        if options.worker:
            return run_worker(options)
        code = supervise(options, arguments)
        if code == 2 or options.compile_only:
            return code
        return max(summarize(options), 1 if code else 0)
    except (reports.ReportError, problems.RowError, kernels.CompileError, OSError, ValueError) as error:
        log(f"sweep.py: error: {error}")
        return 2


if __name__ == "__main__":
    sys.exit(main())
