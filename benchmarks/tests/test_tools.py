"""The programs, as far as they go without a GPU, with a stand-in for dgemm-gen."""
import contextlib
import io
import json
import os
import tempfile
import textwrap
import unittest

import bench
import kernels
import problems
import report as reports

from tests.test_tables import entry, make_report

FAKE_GEN = textwrap.dedent("""\
    #!/bin/sh
    config=chosen
    for flag; do
      case $flag in
        --version) echo "dgemm-gen 0.0"; exit ;;
        --list-configs) printf '<tile = <block = 64x64x128>>\\n<tile = <block = 128x64x128>>\\n'; exit ;;
        --list-neighbours=*) echo '<tile = <block = 128x64x128>>'; exit ;;
        --list-orders=*) printf '%s, other order\\n' "${flag#*=}"; exit ;;
        --config=*) config=${flag#*=} ;;
        --output-dir=*) folder=${flag#*=} ;;
      esac
    done
    case $config in *spill*) echo "dgemm-gen: error: spills" >&2; exit 1 ;; esac
    mkdir -p "$folder"
    for suffix in ptx cubin json; do printf %s "$config" >"$folder/kernel.$suffix"; done
    echo compiled >>"$0.log"
    """)


class ToolTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.gen = os.path.join(self.folder, "stand-in")
        with open(self.gen, "w") as file:
            file.write(FAKE_GEN)
        os.chmod(self.gen, 0o755)
        self.row = problems.parse_row("1x576x7168")

    def run_bench(self, *arguments):
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = bench.main(list(arguments))
        return code, out.getvalue(), err.getvalue()


class KernelStoreTest(ToolTest):
    def make(self, gen=True):
        store = kernels.KernelStore(os.path.join(self.folder, "kernels"), self.gen if gen else None, jobs=2)
        self.addCleanup(store.close)
        return store

    def test_compiles_once_and_serves_without_compiler(self):
        self.assertEqual(self.make().get(self.row, "block = 64x64x128").image, b"block = 64x64x128")
        found = self.make().get(self.row, "block = 64x64x128")
        self.assertIsNone(found.seconds)
        self.assertEqual(self.make(gen=False).get(self.row, "block = 64x64x128").launch, "block = 64x64x128")
        with open(f"{self.gen}.log") as file:
            self.assertEqual(len(file.readlines()), 1)
        with self.assertRaisesRegex(kernels.CompileError, "no dgemm-gen to make it"):
            self.make(gen=False).get(self.row)

    def test_another_compiler_meets_no_old_kernels(self):
        first = self.make()
        first.get(self.row)
        with open(self.gen, "a") as file:
            file.write("# changed\n")
        self.assertNotEqual(self.make().folder, first.folder)

    def test_failure_leaves_nothing(self):
        store = self.make()
        with self.assertRaisesRegex(kernels.CompileError, "spills"):
            store.get(self.row, "spill = 1")
        self.assertEqual([name for name in os.listdir(os.path.join(store.folder, self.row.slug)) if "partial" not in name], [])

    def test_lists_configs(self):
        store = self.make()
        self.assertEqual(store.list_configs(self.row), ["<tile = <block = 64x64x128>>", "<tile = <block = 128x64x128>>"])
        self.assertEqual(store.list_neighbours(self.row, "<tile = <block = 64x64x128>>", "split_k = 2"), ["<tile = <block = 128x64x128>>"])
        self.assertEqual(store.list_orders("<stages = 5>"), ["<stages = 5>, other order"])


class BenchTest(ToolTest):
    def test_compile_only(self):
        code, out, _ = self.run_bench("--compile-only", "--rows=m=1", f"--gen={self.gen}", f"--kernels={self.folder}/k")
        self.assertEqual(code, 0)
        self.assertIn("7 of 7 kernels", out)

    def test_prints_and_compares_stored_reports(self):
        paths = {}
        for name, us in [("old", 10), ("new", 20)]:
            paths[name] = os.path.join(self.folder, f"{name}.json")
            reports.save(paths[name], make_report(entry("1x576x7168", ours=us)))
        code, out, err = self.run_bench(f"--input={paths['new']}", f"--compare={paths['old']}")
        self.assertEqual(code, 1)
        self.assertIn("| 1x576x7168 | 10.0 | 20.0 | +100.0% |", out)
        self.assertIn("slower than before: 1x576x7168", err)
        self.assertEqual(self.run_bench(f"--input={paths['old']}", f"--compare={paths['old']}")[0], 0)

    def test_bad_usage(self):
        self.assertEqual(self.run_bench("--rows=nonsense", "--compile-only", f"--gen={self.gen}")[0], 2)
        self.assertEqual(self.run_bench("--input=/nonexistent.json")[0], 2)
        with self.assertRaises(SystemExit), contextlib.redirect_stderr(io.StringIO()):
            bench.parse_arguments(["--peers=nobody", "--out=x"])

    def test_configs_of_rows(self):
        path = os.path.join(self.folder, "configs.json")
        with open(path, "w") as file:
            json.dump({"1x576x7168": "stages = 4"}, file)
        self.assertEqual(bench.read_configs(path), {self.row: "stages = 4"})


if __name__ == "__main__":
    unittest.main()
