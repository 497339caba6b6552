#!/usr/bin/env python3
"""Checks that the compiler still writes the same PTX, by a hash for each problem of a list.

usage: ptx-hashes.py [--gen build/bin/dgemm-gen] [--update] [--keep FOLDER] [--only TEXT] [LIST]

LIST (test/Pipelines/ptx-hashes.txt) has a line for each problem: its hash, then the flags of dgemm-gen. It must have
each row of the tuned table. The hash is of the code; comments and empty lines do not count.
A change that only moves code changes no hash. To see the effect of another change, keep the PTX of both compilers:
    ptx-hashes.py --gen OLD/dgemm-gen --keep old; ptx-hashes.py --keep new; diff -r old new
If the difference is intended, write the new hashes with --update, and say in the commit why they differ. If only the
spelling of flags changes, edit the flags in LIST: the hashes must not change.
"""
import argparse
import concurrent.futures
import dataclasses
import hashlib
import json
import os
import re
import shlex
import subprocess
import sys

REPOSITORY = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LIST = os.path.join(REPOSITORY, "test/Pipelines/ptx-hashes.txt")
TABLE = os.path.join(REPOSITORY, "lib/Analysis/TunedTables/h100.json")
UNKNOWN = "-" * 16

sys.path.insert(0, os.path.join(REPOSITORY, "benchmarks"))
import problems  # noqa: E402


@dataclasses.dataclass
class Problem:
    hash: str
    flags: str

    @property
    def slug(self):
        return re.sub(r"[^A-Za-z0-9?]+", "_", self.flags).strip("_")


def read_lines(path):
    """The lines of the list: a Problem for each problem; other lines (comments, empty ones) unchanged."""
    lines = []
    with open(path) as file:
        for number, line in enumerate(file, 1):
            match = re.fullmatch(r"([0-9a-f]{16}|-{16})  (\S.*)\n?", line)
            if match:
                lines.append(Problem(*match.groups()))
            elif line.strip() and not line.startswith("#"):
                raise SystemExit(f"error: {path}:{number}: expected a hash of 16 digits, two spaces and flags: {line.rstrip()}")
            else:
                lines.append(line.rstrip("\n"))
    return lines


def table_flags():
    """The flags of the benchmark's rows, which are the rows of the tuned table. Error: an entry that is not such a row."""
    rows = {(row.layout, row.groups, row.m if row.layout == "masked" else row.rows, row.n, row.k): row
            for row in problems.all_rows()}  # fmt: skip
    with open(TABLE) as file:
        entries = json.load(file)["entries"]
    flags = []
    for entry in entries:
        row = rows.get(tuple(entry[name] for name in ("layout", "groups", "m", "n", "k")))
        if not row:
            raise SystemExit(f"error: {TABLE} has an entry that is not a row of benchmarks/problems.py: {entry}")
        flags.append(" ".join(row.flags()))
    return flags


def hash_code(ptx):
    code = [line for line in (line.partition("//")[0].rstrip() for line in ptx.split("\n")) if line]
    return hashlib.sha256("\n".join(code).encode()).hexdigest()[: len(UNKNOWN)]


def compile_problem(gen, problem, keep):
    """(hash, error): the hash of the PTX that `gen` writes; the PTX is stored in the folder `keep` if one is given."""
    done = subprocess.run([gen, *shlex.split(problem.flags), "--emit=ptx"], capture_output=True, text=True)
    if done.returncode:
        return None, done.stderr.strip() or f"exit code {done.returncode}"
    if keep:
        with open(os.path.join(keep, f"{problem.slug}.ptx"), "w") as file:
            file.write(done.stdout)
    return hash_code(done.stdout), None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gen", default=os.path.join(REPOSITORY, "build/bin/dgemm-gen"), help="the compiler")
    parser.add_argument("--update", action="store_true", help="write the hashes of this compiler, and add missing rows")
    parser.add_argument("--keep", metavar="FOLDER", help="write the PTX of each problem into this folder")
    parser.add_argument("--only", metavar="TEXT", default="", help="only problems whose flags contain TEXT")
    parser.add_argument("list", nargs="?", default=LIST)
    args = parser.parse_args()
    lines = read_lines(args.list)
    listed = {line.flags for line in lines if isinstance(line, Problem)}
    missing = [Problem(UNKNOWN, flags) for flags in table_flags() if flags not in listed]
    lines += missing
    chosen = [line for line in lines if isinstance(line, Problem) and args.only in line.flags]
    if not chosen:
        raise SystemExit(f"error: {args.list} has no problem with '{args.only}' in its flags")
    if args.keep:
        os.makedirs(args.keep, exist_ok=True)
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(lambda problem: compile_problem(args.gen, problem, args.keep), chosen))

    failed = [f"{problem.flags}: {error}" for problem, (_, error) in zip(chosen, results) if error]
    changed = [problem for problem, (new, _) in zip(chosen, results) if new and new != problem.hash]
    for failure in failed:
        print(f"does not compile: {failure}", file=sys.stderr)
    if args.update and not failed:
        for problem, (new, _) in zip(chosen, results):
            problem.hash = new
        with open(args.list, "w") as file:
            file.writelines(f"{line.hash}  {line.flags}\n" if isinstance(line, Problem) else f"{line}\n" for line in lines)
    elif not args.update:
        for problem in changed:
            print(f"{'not listed' if problem in missing else 'different PTX'}: {problem.flags}", file=sys.stderr)
        if changed:
            print("scripts/ptx-hashes.py --help says how to see the differences, and what to do", file=sys.stderr)
    print(f"{len(chosen)} problems, {len(changed)} with different PTX, {len(failed)} do not compile")
    return 1 if failed or (changed and not args.update) else 0


if __name__ == "__main__":
    sys.exit(main())
