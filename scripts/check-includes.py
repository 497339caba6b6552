#!/usr/bin/env python3
"""Checks that each C++ file of a build compiles by itself, as it must where files are not joined (the quick start, a wheel).

usage: check-includes.py [--build build] [--jobs N] [--only TEXT]

CI joins the files of a library into a few (DGEMM_QUICK_BUILD), where a file can use what another one includes. This runs the compiler's
front end alone on each of these files, with the flags of the joined one. The build must be complete. Prints the errors, and exits with 1
if there are any.

Parsing MLIR's headers takes most of the time, so the largest headers are precompiled for each set of flags. The check does not see that a
file lacks one of these.
"""
import argparse
import concurrent.futures
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile

OUTPUTS = ("-o", "-MT", "-MF")
# What is precompiled where the joined file uses it. NVVM's header takes 20 s.
LARGE_HEADERS = ("dgemm/IR/DGemm.h", "mlir/Dialect/LLVMIR/NVVMDialect.h")


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


def get_large_headers(build):
    """The large headers that each object of the build uses."""
    printed = subprocess.run(["ninja", "-C", build, "-t", "deps"], capture_output=True, text=True, check=True).stdout
    used = {}
    for block in printed.split("\n\n"):
        name, _, rest = block.strip().partition(":")
        used[name.split("\n")[-1]] = tuple(header for header in LARGE_HEADERS if f"/{header}\n" in rest + "\n")
    return used


def is_ours(source):
    return not os.path.relpath(source).startswith((".venv", ".."))


def find_jobs(build):
    """(file, its position in the command, command, folder, large headers) of each file that a joined one includes."""
    large = get_large_headers(build)
    printed = subprocess.run(["ninja", "-C", build, "-t", "compdb"], capture_output=True, text=True, check=True).stdout
    for entry in json.loads(printed[printed.index("["):]):
        joined = os.path.join(entry["directory"], entry["file"])
        if "/Unity/" not in joined or not joined.endswith("cxx.cxx") or not os.path.exists(joined):
            continue
        command = to_check(entry["command"])
        place = next(i for i, word in enumerate(command) if os.path.basename(word) == os.path.basename(joined))
        with open(joined) as file:
            sources = re.findall(r'^#include "(.*)"$', file.read(), re.MULTILINE)
        for source in filter(is_ours, sources):
            yield source, place, command, entry["directory"], large[entry["output"]]


def precompile(folder, name, place, command, cwd, headers):
    """Precompiles `headers` with the flags of `command`; returns the file."""
    header, output = os.path.join(folder, f"{name}.h"), os.path.join(folder, f"{name}.pch")
    with open(header, "w") as file:
        file.writelines(f'#include "{each}"\n' for each in headers)
    subprocess.run([*command[:place], "-xc++-header", "-fpch-instantiate-templates", header, *command[place + 1:-1], "-o", output], cwd=cwd, check=True)
    return output


def check(job, precompiled):
    source, place, command, folder, headers = job
    flags = ["-include-pch", precompiled.result()] if precompiled else []
    result = subprocess.run([*command[:place], *flags, source, *command[place + 1:]], cwd=folder, capture_output=True, text=True)
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
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool, tempfile.TemporaryDirectory() as folder:
        precompiled, running = {}, []
        for job in jobs:
            _, place, command, cwd, headers = job
            key = (*command[:place], *command[place + 1:], *headers)
            if headers and key not in precompiled:
                precompiled[key] = pool.submit(precompile, folder, len(precompiled), place, command, cwd, headers)
            running.append(pool.submit(check, job, precompiled[key] if headers else None))
        for source, errors in (each.result() for each in running):
            failed += bool(errors)
            if errors:
                print(f"{source} does not compile by itself:\n{errors}", file=sys.stderr, flush=True)
    print(f"{len(jobs)} files, {failed} do not compile by themselves")
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main())
