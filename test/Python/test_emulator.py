"""Runs on the emulator that end before the kernel does: by Ctrl-C, a limit, or a hazard."""

from __future__ import annotations

import signal
import subprocess
import time

import numpy as np
import pytest
from conftest import make_case, run_python

import dgemm

LONG = """
import numpy as np, dgemm
from conftest import BF16, FP8
a, b, d = np.zeros((512, 8192), FP8), np.zeros((4096, 8192), FP8), np.zeros((512, 4096), BF16)
scales = np.zeros((512, 64), np.float32), np.zeros((32, 64), np.float32)
kernel = dgemm.compile(4096, 8192, scale_a_k_innermost=True, assemble=False)
print("ready", flush=True)
kernel.launch_on(a, scales[0], b, scales[1], d)
print("ended", flush=True)
"""


def test_interrupted():
    # A shell without job control starts background jobs with SIGINT ignored, and Python leaves it so.
    process = subprocess.Popen(**run_python(LONG), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    assert process.stdout.readline() == "ready\n"
    time.sleep(1)
    start = time.monotonic()
    process.send_signal(signal.SIGINT)
    output, error = process.communicate(timeout=60)
    assert output == "" and "KeyboardInterrupt" in error and time.monotonic() - start < 10


def test_limit(monkeypatch):
    case = make_case(256, 512, 4096)
    arguments = (case.a, case.scale_a), (case.b, case.scale_b), case.empty()
    monkeypatch.setenv("DGEMM_EMULATOR_TIMEOUT", "0.01")
    with pytest.raises(TimeoutError, match="longer than 0.01 s on the emulator"):
        dgemm.fp8_gemm_nt(*arguments)
    for wrong in ("soon", "-1", "nan"):
        monkeypatch.setenv("DGEMM_EMULATOR_TIMEOUT", wrong)
        with pytest.raises(ValueError, match=f"DGEMM_EMULATOR_TIMEOUT is '{wrong}'; allowed is a number of seconds"):
            dgemm.fp8_gemm_nt(*arguments)


def test_a_hazard_of_the_data_is_no_compile_error():
    """The group of the third kernel's rows is not there."""
    from dgemm import _operands

    case = make_case(128, 64, 128, b_groups=(2,))
    names = ("a", "scale_a", "b", "scale_b", "d", "m_indices")
    kernel = dgemm.compile(64, 128, layout="contiguous", groups=2, assemble=False)
    operands = _operands.view_all(names, (case.a, case.scale_a, case.b, case.scale_b, case.empty(),
                                          np.full(128, 1000, np.int32)))
    with pytest.raises(dgemm.HazardError, match="the emulator stopped the kernel: ") as caught:
        kernel.emulate(operands, {"M": 128, "N": 64, "K": 128, "G": 2})
    assert not isinstance(caught.value, dgemm.CompileError)


def test_sizes_that_are_missing():
    case = make_case(8, 64, 128)
    from dgemm import _operands

    operands = _operands.view_all(("a", "scale_a", "b", "scale_b", "d", ""),
                                  (case.a, case.scale_a, case.b, case.scale_b, case.empty(), None))
    with pytest.raises(ValueError, match="size M"):
        dgemm.compile(64, 128, assemble=False).emulate(operands, {})
