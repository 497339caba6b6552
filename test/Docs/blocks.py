"""The code blocks of Markdown pages, and what the pages say about them.

A comment on the line above a block says how it is tested:
  <!-- output -->           it is what the block above prints: its lines, one after the other. `...` in a line stands for anything,
                            a line of `...` alone for any lines
  <!-- output, numbers vary -->  the same, and any number may stand where one stands
  <!-- from FILE -->        its lines stand in FILE, in this order
  <!-- needs gpu -->        it runs where there are torch and a Hopper GPU
  <!-- needs jax -->        it runs where there is JAX
  <!-- not run: REASON -->  it is not run
Every other block of sh or python is run: those of one page in their order, in one folder, which looks like the checkout after a build.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

RUN = ("sh", "python")


@dataclass
class Block:
    path: Path
    line: int
    language: str
    note: str
    text: str


def read_blocks(path: Path) -> list[Block]:
    """The fenced blocks of a page, in its order."""
    blocks, lines = [], path.read_text().split("\n")
    number = 0
    while number < len(lines):
        fence = re.match(r"( *)```([\w-]*)", lines[number])
        if not fence:
            number += 1
            continue
        above = lines[number - 1].strip() if number else ""
        note = re.fullmatch(r"<!-- (.*) -->", above)
        end = next(i for i in range(number + 1, len(lines)) if lines[i].strip() == "```")
        body = [line[len(fence[1]):] for line in lines[number + 1:end]]
        blocks.append(Block(path, number + 1, fence[2], note[1] if note else "", "\n".join(body) + "\n"))
        number = end + 1
    return blocks


def _pattern(line: str, numbers_vary: bool) -> str:
    parts = []
    for part in line.strip().split("..."):
        escaped = re.escape(part)
        parts.append(re.sub(r"\d+(\\\.\d+)?", r"\\d+(\\.\\d+)?", escaped) if numbers_vary else escaped)
    # Columns of numbers are as wide as these are.
    return r" *".join(re.split(r"(?:\\ )+", ".*".join(parts))) if numbers_vary else ".*".join(parts)


def find_difference(expected: str, actual: str, numbers_vary: bool = False) -> str | None:
    """The first expected line that is not there, else None."""
    printed = [line.strip() for line in actual.split("\n")]
    wanted = [line for line in expected.split("\n") if line.strip()]
    printed = [line for line in printed if line]
    at, anywhere = 0, True
    for line in wanted:
        if line.strip() in ("...", "// ..."):
            anywhere = True
            continue
        pattern = re.compile(_pattern(line, numbers_vary))
        last = len(printed) if anywhere else min(at + 1, len(printed))
        found = next((i for i in range(at, last) if pattern.fullmatch(printed[i])), None)
        if found is None:
            return line
        at, anywhere = found + 1, False
    return None
