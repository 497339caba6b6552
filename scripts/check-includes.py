#!/usr/bin/env python3
"""Checks that each C++ file of a build compiles by itself, as it must where files are not joined (the quick start, a wheel).

usage: check-includes.py [--build build] [--jobs N] [--only TEXT]

CI joins the files of a library into a few (DGEMM_QUICK_BUILD), where a file can use what another one includes. This runs the compiler's
front end alone on each of these files, with the flags of the joined one. The headers that the build generates must be there. Prints the
errors, and exits with 1 if there are any.
"""
import argparse
import concurrent.futures
import json
import os
import re
import shlex
import subprocess
import sys

OUTPUTS = ("-o", "-MT", "-MF")


def to_check(command):
    """The command without its outputs, for the front end alone, and without a compiler cache before it."""
    words = shlex.split(command)
    start = next(i for i, word in enumerate(words) if re.search(r"clang\+\+[-\d]*$", word))
    kept, skip = [], False
    for word in words[start:]:
        if not skip and word not in OUTPUTS and word not in ("-c", "-MD"):
            kept.append(word)
        skip = word in OUTPUTS
    return [*kept, "-fsyntax-only"]


def find_jobs(build):
    """(file, command, folder) of each file that a joined one includes."""
    printed = subprocess.run(["ninja", "-C", build, "-t", "compdb"], capture_output=True, text=True, check=True).stdout
    for entry in json.loads(printed[printed.index("["):]):
        joined = os.path.join(entry["directory"], entry["file"])
        if "/Unity/" not in joined or not joined.endswith("cxx.cxx") or not os.path.exists(joined):
            continue
        command = to_check(entry["command"])
        with open(joined) as file:
            sources = re.findall(r'^#include "(.*)"$', file.read(), re.MULTILINE)
        for source in sources:
            yield source, [source if os.path.basename(word) == os.path.basename(joined) else word for word in command], entry["directory"]


def check(job):
    source, command, folder = job
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    return source, result.stderr if result.returncode else ""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build", help="the build folder (default %(default)s)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--only", default="", help="files whose path has this text")
    options = parser.parse_args()
    jobs = [job for job in find_jobs(options.build) if options.only in job[0]]
    if not jobs:
        sys.exit(f"check-includes.py: error: {options.build} joins no files" + (f" with {options.only}" if options.only else ""))
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        for source, errors in pool.map(check, jobs):
            failed += bool(errors)
            if errors:
                print(f"{source} does not compile by itself:\n{errors}", file=sys.stderr, flush=True)
    print(f"{len(jobs)} files, {failed} do not compile by themselves")
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main())
