"""The shipped build loads on glibc 2.28, whatever glibc it was linked on (docs/building-wheels.md)."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

import dgemm

ROOT = Path(__file__).resolve().parents[2]
COMPAT = ROOT / "lib" / "GlibcCompat" / "GlibcCompat.c"


@pytest.mark.skipif(not COMPAT.exists() or shutil.which("objdump") is None, reason="no sources, or no objdump")
def test_each_newer_symbol_has_a_stand_in():
    """What the development build takes from later glibcs must have a stand-in, or the build of the next wheel ends with an error."""
    module = Path(dgemm._dgemm.__file__)
    tools = [path for path in (module.parents[2] / "bin").glob("dgemm-*") if path.is_file()]
    printed = subprocess.run([ROOT / "scripts" / "check-glibc.sh", module, *tools], capture_output=True, text=True).stderr
    newer = set(re.findall(r"^(\w+) \(GLIBC_", printed, re.MULTILINE))
    if not newer:
        pytest.skip("this build has the stand-ins linked in")
    newer.discard("__libc_start_main")  # of the start of a program, which the compiler brings
    stands_in = set(re.findall(r"\w+", COMPAT.read_text()))
    assert newer <= stands_in
