#!/usr/bin/env python3
"""Writes docs/generated/help.md, which holds what the tools print for --help.

usage: generate-help.py [FOLDER] [--check]     FOLDER holds the tools (default: build/bin). With --check nothing is written; ends with 1
                                               if the page is out of date
"""
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs/generated/help.md"
TOOLS = ("dgemm-gen", "dgemm-run", "dgemm-sass", "dgemm-tune")
HEAD = """<!-- Written by scripts/generate-help.py; edit the options in tools/. -->

# Options of the tools

`dgemm-opt` has the options of `mlir-opt`, and the [passes](passes.md) of this project.
"""


def main():
    folder = pathlib.Path(next((argument for argument in sys.argv[1:] if argument != "--check"), ROOT / "build/bin"))
    page = HEAD
    commands = [(tool, [folder / tool, "--help"]) for tool in TOOLS]
    for name, command in commands:
        text = subprocess.run(command, capture_output=True, text=True, check=True).stdout.rstrip()
        text = "\n".join(line.rstrip() for line in text.split("\n"))
        page += f"\n## {name}\n\n```text\n{text}\n```\n"
    if "--check" in sys.argv:
        if PAGE.read_text() != page:
            sys.exit(f"error: {PAGE.relative_to(ROOT)} is out of date: run scripts/generate-help.py")
    else:
        PAGE.write_text(page)


if __name__ == "__main__":
    main()
