#!/usr/bin/env python3
"""Fails if a Markdown file links to or names a missing file, or if code cites a dated result instead of the docs.
usage: check-links.py      (checks the files that git tracks, or would)
"""
import os
import re
import subprocess
import sys

REPOSITORY = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
# Pages of results do not change.
DATED = "benchmarks/results/"
NAMED = re.compile(r"`((?:benchmarks|cmake|dialects|docs|examples|fuzz|include|lib|python|scripts|test|tools)/[\w./-]+)`")
CODE = ("dialects/", "include/", "lib/", "python/", "tools/")


def find_faults(path, text):
    """The errors of the file, as (line number, message)."""
    for number, line in enumerate(text.split("\n"), 1):
        if path.endswith(".md"):
            for target in re.findall(r"\]\(([^)\s#]+)[^)]*\)", line):
                file = os.path.normpath(os.path.join(REPOSITORY, os.path.dirname(path), target))
                if not re.match(r"[a-z]+:", target) and not os.path.exists(file):
                    yield number, f"links to '{target}', which is not there"
            for target in [] if path.startswith(DATED) else NAMED.findall(line):
                if not re.search(r"\bNAME\b", target) and not os.path.exists(os.path.join(REPOSITORY, target)):
                    yield number, f"names '{target}', which is not there"
        elif path.startswith(CODE) and re.search(r"benchmarks/results|\d{4}-\d\d-\d\d-h100", line):
            yield number, "cites a dated result; cite the page of docs/ that links to it"


def main():
    listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=REPOSITORY,
                            capture_output=True, text=True, check=True)  # fmt: skip
    faults = 0
    for path in sorted(set(filter(None, listed.stdout.split("\0")))):
        full = os.path.join(REPOSITORY, path)
        if not os.path.isfile(full) or not (path.endswith(".md") or path.startswith(CODE)):
            continue
        with open(full, errors="replace") as file:
            for number, message in find_faults(path, file.read()):
                print(f"{path}:{number}: {message}", file=sys.stderr)
                faults += 1
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
