import contextlib
import copy
import io
import json
import os
import tempfile
import unittest

import check_choice
import gputrace
import problems
import report as reports
import stats
import sweep
import table_from_sweep


def entry(row, **medians):
    results = {name: {"median": us, "p10": us * 0.99, "p90": us * 1.01, "min": us, "samples": 20} for name, us in medians.items()}
    return {"row": problems.parse_row(row).as_dict(), "results": results}


def make_report(*entries):
    return {"kind": "dgemm-benchmark", "version": 1, "about": {"date": "today", "gpu": "H100"}, "rows": list(entries),
            "sustained": []}  # fmt: skip


class ProblemsTest(unittest.TestCase):
    def test_all_rows_of_the_peers_table(self):
        rows = problems.all_rows()
        self.assertEqual((len(rows), len(set(rows))), (40, 40))
        self.assertEqual([str(rows[0]), str(rows[-1])], ["1x2112x7168", "masked:32x20x7168x3072"])

    def test_text_round_trip(self):
        for row in problems.all_rows():
            self.assertEqual(problems.parse_row(str(row)), row)
            self.assertEqual(problems.from_dict(row.as_dict()), row)
        for text in ["", "64x64", "0x64x64", "dense:64x64x64", "masked:64x64x64", "axbxc"]:
            with self.assertRaises(problems.RowError, msg=text):
                problems.parse_row(text)

    def test_selection(self):
        self.assertEqual(len(problems.select_rows("m=1,masked")), 15)
        self.assertEqual(len(problems.select_rows("all,m=64,64x2112x7168")), 40)
        with self.assertRaisesRegex(problems.RowError, "rows of M = 1, 64"):
            problems.select_rows("m=2")

    def test_work(self):
        row = problems.parse_row("64x2112x7168")
        self.assertEqual(row.flop, 2 * 64 * 2112 * 7168)
        self.assertEqual(row.bytes, 64 * 7168 + 4 * 64 * 56 + 2112 * 7168 + 4 * 17 * 56 + 2 * 64 * 2112)
        masked = problems.parse_row("masked:4x256x4096x7168")
        self.assertEqual((masked.rows, masked.tokens), (512, 1024))
        contiguous = problems.parse_row("contiguous:4x8192x4096x7168")
        self.assertEqual(contiguous.rows % 128, 0)
        self.assertTrue(all(0.7 * 8192 <= rows <= 1.3 * 8192 for rows in contiguous.group_rows()))

    def test_flags(self):
        self.assertEqual(problems.parse_row("masked:4x256x4096x7168").flags(),
                         ["--m=512", "--n=4096", "--k=7168", "--layout=masked", "--groups=4", "--expected-m=256"])  # fmt: skip


class StatsTest(unittest.TestCase):
    def test_quantiles(self):
        self.assertEqual(stats.quantile([3, 1, 2], 0.5), 2)
        self.assertEqual(stats.quantile([0, 10], 0.1), 1)
        self.assertAlmostEqual(stats.geomean([2, 8]), 4)


class TraceTest(unittest.TestCase):
    def test_calls_between_flushes(self):
        flush = "void vectorized_elementwise_kernel<4, FillFunctor<int>>"
        events = [(0, 9, "before"), (1, 9, flush), (2, 9, flush), (3, 5, "gemm"), (4, 1, "reduce"), (5, 2, "Context Sync"),
                  (7, 6, "gemm"), (6, 9, flush)]  # fmt: skip
        self.assertEqual(gputrace.split_at_flushes(events), [[(5, "gemm"), (1, "reduce")], [(6, "gemm")]])


class ReportTest(unittest.TestCase):
    def test_markdown(self):
        report = make_report(entry("64x2112x7168", ours=10, deep_gemm=12, read_bulk=9, read_loads=8), entry("1x576x7168", ours=5))
        report["rows"][1]["results"]["deep_gemm"] = {"error": "no such kernel"}
        text = reports.to_markdown(report)
        self.assertIn("| 64x2112x7168 | 10.0 (9.9..10.1) | 12.0 (11.9..12.1) | 8.0 | 1.20 | - | 1.25 |", text)
        self.assertIn("| M = 64, 128 | 1 | 1.200 | 1.12 | 1.200 (64x2112x7168) | yes |", text)
        self.assertIn("- deep_gemm failed at 1x576x7168: no such kernel", text)

    def test_floor_of_a_compute_bound_row(self):
        self.assertAlmostEqual(reports.floor_us(entry("4096x7168x16384", read_bulk=100)), 565.9, places=1)

    def test_sustained(self):
        report = make_report()
        report["sustained"] = [{"row": problems.parse_row("4096x7168x2048").as_dict(),
                                "ours": {"us": 100, "sm_mhz": 1500, "watts": 690.4}}]  # fmt: skip
        self.assertIn("| 4096x7168x2048 | 100.0 | 1203 | 1500 | 690 |", reports.sustained_table(report))

    def test_round_trip_and_refusal(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "report.json")
            reports.save(path, make_report(entry("1x576x7168", ours=5)))
            self.assertEqual(reports.median(reports.load(path)["rows"][0], "ours"), 5)
            with open(path, "w") as file:
                file.write("{}")
            with self.assertRaisesRegex(reports.ReportError, "not a benchmark report"):
                reports.load(path)


class CompareTest(unittest.TestCase):
    def test_slower_relative_to_the_peer(self):
        old = make_report(entry("1x576x7168", ours=10, deep_gemm=12), entry("64x576x7168", ours=10, deep_gemm=12))
        new = make_report(entry("1x576x7168", ours=11, deep_gemm=12), entry("64x576x7168", ours=11, deep_gemm=13.2))
        table, slower = reports.compare(old, new, 0.03)
        self.assertEqual(slower, ["1x576x7168"])
        self.assertIn("| 64x576x7168 | 10.0 | 11.0 | +10.0% | +0.0% to DeepGEMM | 2.0% |  |", table)

    def test_noise_hides_small_changes(self):
        old = make_report(entry("1x576x7168", ours=10))
        new = copy.deepcopy(old)
        new["rows"][0]["results"]["ours"].update(median=10.5, p10=9.5, p90=11.5)
        self.assertEqual(reports.compare(old, new, 0.03)[1], [])
        new["rows"][0]["results"]["ours"].update(p10=10.4, p90=10.6)
        self.assertEqual(reports.compare(old, new, 0.03)[1], ["1x576x7168"])

    def test_nothing_in_common(self):
        with self.assertRaises(reports.ReportError):
            reports.compare(make_report(), make_report(entry("1x576x7168", ours=10)), 0.03)


def make_sweep(*rows, multiprocessors=132):
    """`rows`: (row, {config: us}, chosen)"""
    return {"kind": "dgemm-sweep", "version": 1, "about": {"gpu": "H100", "multiprocessors": multiprocessors},
            "rows": [{"row": problems.parse_row(row).as_dict(), "chosen": chosen, "peers": [],
                      "finals": [{"config": config, "median": us} for config, us in times.items()]}
                     for row, times, chosen in rows]}  # fmt: skip


class TableTest(unittest.TestCase):
    def merge(self, *sweeps):
        with tempfile.TemporaryDirectory() as folder:
            table = os.path.join(folder, "table.json")
            for index, document in enumerate(sweeps):
                path = os.path.join(folder, f"{index}.json")
                reports.save(path, document)
                with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()) as err:
                    if table_from_sweep.main([path, "--into", table]):
                        return err.getvalue()
            with open(table) as file:
                return json.load(file)

    def test_takes_the_best_and_replaces(self):
        table = self.merge(
            make_sweep(("64x576x7168", {"<stages = 4>": 9.0, "<stages = 5>": 8.0}, None), ("1x576x7168", {}, None)),
            make_sweep(("masked:4x256x4096x7168", {"stages = 3": 70.123}, None)),
            make_sweep(("64x576x7168", {"stages = 6": 8.5}, None)),
        )
        self.assertEqual((table["version"], table["gpu"], table["multiprocessors"]), (2, "H100", 132))
        self.assertEqual(table["entries"], [
            {"layout": "dense", "groups": 1, "m": 64, "n": 576, "k": 7168, "config": "stages = 6", "microseconds": 8.5},
            {"layout": "masked", "groups": 4, "m": 256, "n": 4096, "k": 7168, "config": "stages = 3", "microseconds": 70.12},
        ])  # fmt: skip

    def test_another_gpu(self):
        one = make_sweep(("64x576x7168", {"stages = 6": 8.5}, None))
        self.assertIn("of 132 multiprocessors", self.merge(one, {**one, "about": {"gpu": "H100", "multiprocessors": 114}}))


class ChoiceTest(unittest.TestCase):
    def judge(self, *rows):
        with contextlib.redirect_stdout(io.StringIO()) as out:
            return check_choice.print_verdict(make_sweep(*rows)), out.getvalue()

    def test_forty_rows_outside_of_the_table(self):
        rows = check_choice.check_rows()
        self.assertEqual((len(rows), len(set(rows))), (40, 40))
        self.assertFalse({(row.n, row.k) for row in rows} & {(row.n, row.k) for row in problems.all_rows()})

    def test_limits(self):
        good = ("64x576x7168", {"a": 10.0, "b": 10.4}, "b")
        code, text = self.judge(good)
        self.assertEqual(code, 0)
        self.assertIn("geometric mean 1.040 (limit 1.05), worst 1.040", text)
        self.assertEqual(self.judge(*[good] * 9, ("1x576x7168", {"a": 10.0, "b": 11.6}, "b"))[0], 1)
        self.assertEqual(self.judge(("1x576x7168", {"a": 10.0, "b": 10.6}, "b"))[0], 1)
        code, text = self.judge(good, ("1x576x7168", {"a": 10.0}, "c"))
        self.assertEqual(code, 1)
        self.assertIn("no measured choice: 1x576x7168", text)


class JournalTest(unittest.TestCase):
    def test_goes_on_after_a_crash(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "sweep.jsonl")
            journal = sweep.Journal(path)
            for record in [{"config": "a", "us": 5.0}, {"config": "b", "trying": True}, {"config": "b", "right": True},
                           {"config": "c", "trying": True}, {"config": "d", "us": 4.0}]:  # fmt: skip
                journal.add({"row": "1x576x7168", **record})
            with open(path, "a") as file:
                file.write('{"row": "1x576')  # the process died here
            journal = sweep.Journal(path)
            journal.close_open_trials()
            self.assertEqual(journal.screened("1x576x7168"), [(4.0, "d"), (5.0, "a")])
            self.assertEqual(journal.failed(), [("1x576x7168", "c", "hangs, or faults")])
            settled = [config for config in "abcd" if journal.is_settled("1x576x7168", config)]
            self.assertEqual(settled, ["a", "c", "d"])
            self.assertEqual(sweep.Journal(path).failed(), journal.failed())


if __name__ == "__main__":
    unittest.main()
