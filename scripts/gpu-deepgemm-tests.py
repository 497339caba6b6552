#!/usr/bin/env python3
"""Runs DeepGEMM's own tests, unmodified, against the package deep_gemm of this project, on a Hopper GPU.

FOLDER has a folder for each version of DeepGEMM with the `tests` of its repository, e.g. FOLDER/1.0/tests/test_core.py. Nothing
else of DeepGEMM is needed. Each test function runs in its own process, as the file's `__main__` block would run it. A function
that takes its cases from an enumerator of `generators.py` runs once for each case, so that a refused case does not hide later
ones. With --whole, each file also runs as DeepGEMM's authors run it: `python FILE`.

Prints one line for each case, then each reason of a refusal with its count, then the count of each outcome:
  ok       the test passed
  refused  dgemm does not have what the case asks for, and says so: a NotImplementedError or a ValueError of the package
  failed   any other exception
  timeout  the function was stopped; its remaining cases did not run
Writes cases.json and the output of each function into the output folder. The exit code is 1 if anything failed or was stopped,
else 0. Install the package first, or give its wheels with --wheel.
"""

from __future__ import annotations

import argparse
import ast
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path
from unittest import mock

OUTCOMES = ("ok", "refused", "failed", "timeout")


def main_block(path: Path) -> list[ast.stmt]:
    """The statements under `if __name__ == '__main__'`."""
    for statement in ast.parse(path.read_text()).body:
        if isinstance(statement, ast.If) and "__main__" in ast.unparse(statement.test):
            return statement.body
    return []


def called_test(statement: ast.stmt) -> str | None:
    """The name of the test function that the statement calls, if that is all it does."""
    call = statement.value if isinstance(statement, ast.Expr) else None
    if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id.startswith("test_"):
        return call.func.id
    return None


def tests_of(path: Path) -> list[str]:
    """The test functions that the file runs, in its order."""
    return [name for statement in main_block(path) if (name := called_test(statement))]


def load(path: Path):
    """The module of a test file, with its own folder first in the path, as for `python FILE`."""
    sys.path.insert(0, str(path.parent))
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def check_imports(files: list[Path]) -> int:
    """Loads each file, with a fake torch if there is none. Returns the number of files that do not load."""
    if importlib.util.find_spec("torch") is None:
        sys.modules["torch"] = mock.MagicMock(name="torch", __version__="2.0", __spec__=None)
        for name in ("torch.distributed", "torch.multiprocessing", "torch.utils", "torch.utils.cpp_extension"):
            sys.modules[name] = mock.MagicMock(name=name)
        print("torch is a fake: only names are checked")
    broken = 0
    for path in files:
        for name in ("generators", path.stem):
            sys.modules.pop(name, None)
        before = list(sys.path)
        try:
            load(path)
            print(f"ok      {path}: {', '.join(tests_of(path))}")
        except Exception as error:  # DeepGEMM's file may raise anything
            broken += 1
            print(f"failed  {path}: {type(error).__name__}: {error}")
        sys.path[:] = before
    return broken


def attempt(function) -> tuple[str, str]:
    """The outcome of a call, and its error."""
    try:
        function()
        return "ok", ""
    except Exception as error:  # DeepGEMM's test may raise anything
        traceback.print_exc()
        last = traceback.extract_tb(error.__traceback__)[-1]
        if isinstance(error, ZeroDivisionError) and Path(last.filename).name.startswith("test_"):
            # A speed, or the average of one case's speeds, where the profiler saw no kernel of the name asked for.
            return "ok", f"but its own statistics divide by zero: {last.line}"
        raised_in = Path(last.filename).parts
        if isinstance(error, (NotImplementedError, ValueError)) and ("dgemm" in raised_in or "deep_gemm" in raised_in):
            return "refused", str(error)
        return "failed", f"{type(error).__name__}: {error}"


def run_function(path: Path, name: str, journal: Path) -> None:
    """Runs one test function; appends one JSON line for each case to the journal."""
    module = load(path)
    for statement in main_block(path):
        if not called_test(statement):
            exec(compile(ast.Module([statement], []), str(path), "exec"), module.__dict__)
    function = getattr(module, name)

    def note(case: str, call) -> None:
        start = time.monotonic()
        outcome, reason = attempt(call)
        with journal.open("a") as out:
            print(json.dumps({"case": case, "outcome": outcome, "reason": reason, "seconds": time.monotonic() - start}), file=out)

    enumerator = next((each for each in function.__code__.co_names if each.startswith("enumerate_")), None)
    if enumerator is None:
        note("", function)
        return
    original = getattr(module, enumerator)
    asked: list[tuple[tuple, dict]] = []

    def remember(*arguments, **keywords):
        asked.append((arguments, keywords))
        return iter(())

    setattr(module, enumerator, remember)
    try:
        function()  # only to enumerate the cases; without cases it may divide by their number
    except ZeroDivisionError:
        pass
    if not asked:  # it returned before, as a test of another GPU does
        setattr(module, enumerator, original)
        note("", function)
        return
    arguments, keywords = asked[0]
    for case in original(*arguments, **keywords):
        setattr(module, enumerator, lambda *_, **__: iter([case]))
        text = ", ".join(getattr(part, "name", None) or str(part) for part in (case if isinstance(case, tuple) else (case,)))
        note(text, function)


def run_in_process(command: list[str], log: Path, seconds: float) -> int | None:
    """The exit code; None if it was stopped."""
    with log.open("w") as out:
        try:
            return subprocess.run(command, stdout=out, stderr=subprocess.STDOUT, timeout=seconds).returncode
        except subprocess.TimeoutExpired:
            return None


def last_line(log: Path) -> str:
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1] if lines else ""


def run_file(path: Path, label: str, output: Path, options: argparse.Namespace) -> list[dict]:
    results = []
    if options.whole:
        log = output / f"{label}-whole.log"
        code = run_in_process([sys.executable, str(path)], log, options.timeout)
        results.append({"test": f"{label} as a whole", "case": "", "outcome": {0: "ok", None: "timeout"}.get(code, "failed"),
                        "reason": "" if code == 0 else last_line(log)})
    for name in tests_of(path):
        log, journal = output / f"{label}-{name}.log", output / f"{label}-{name}.jsonl"
        journal.write_text("")
        code = run_in_process([sys.executable, __file__, "--one", name, "--journal", str(journal), str(path)], log, options.timeout)
        cases = [json.loads(line) for line in journal.read_text().splitlines()]
        if code is None:
            cases.append({"case": "the rest", "outcome": "timeout", "reason": f"stopped after {options.timeout:g} s"})
        elif code != 0:
            cases.append({"case": "", "outcome": "failed", "reason": last_line(log)})
        results += [{"test": f"{label} {name}", **case} for case in cases]
    for result in results:
        print(f"{result['outcome']:8} {result['test']} ({result['case']})" + (f": {result['reason']}" if result["reason"] else ""),
              flush=True)
    return results


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="holds VERSION/tests/test_*.py")
    parser.add_argument("--wheel", type=Path, action="append", default=[],
                        help="install this wheel into a private folder; may be given for dgemm and for deep_gemm")
    parser.add_argument("--only", default="", help="only files whose path contains this text")
    parser.add_argument("--timeout", type=float, default=300, help="seconds for one function or one whole file (default: 300)")
    parser.add_argument("--whole", action="store_true", help="also run each file as a whole")
    parser.add_argument("--output", type=Path, default=Path(os.environ.get("OUT", "out")) / "deepgemm-tests",
                        help="folder for logs (default: $OUT/deepgemm-tests, else out/deepgemm-tests)")
    parser.add_argument("--imports", action="store_true", help="only load the files; needs neither a GPU nor torch")
    parser.add_argument("--one", help=argparse.SUPPRESS)  # for processes of run_file
    parser.add_argument("--journal", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        run_function(options.folder, options.one, options.journal)
        return 0

    files = [path for path in sorted(options.folder.glob("*/tests/test_*.py")) if options.only in str(path)]
    if not files:
        parser.error(f"{options.folder} holds no VERSION/tests/test_*.py" + (f" with {options.only}" if options.only else ""))
    with tempfile.TemporaryDirectory() as site:
        if options.wheel:
            subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--target", site,
                            *map(str, options.wheel)], check=True)
            os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (site, os.environ.get("PYTHONPATH"))))
            sys.path.insert(0, site)
        if options.imports:
            return min(check_imports(files), 1)
        options.output.mkdir(parents=True, exist_ok=True)
        results = []
        for path in files:
            results += run_file(path, f"{path.parents[1].name}-{path.stem}", options.output, options)
    (options.output / "cases.json").write_text(json.dumps(results, indent=1) + "\n")
    for reason, count in Counter(result["reason"] for result in results if result["outcome"] == "refused").most_common():
        print(f"refused {count}x: {reason}")
    counts = Counter(result["outcome"] for result in results)
    print(", ".join(f"{counts[outcome]} {outcome}" for outcome in OUTCOMES))
    return 1 if counts["failed"] or counts["timeout"] else 0


if __name__ == "__main__":
    sys.exit(main())
