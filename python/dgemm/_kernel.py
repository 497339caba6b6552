"""A compiled kernel, with its IR, PTX and machine code."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from dataclasses import replace
from typing import Any

from . import _check, _dgemm, _env, _explain, _settings, _tensors
from ._assembler import Assembler
from ._errors import CompileError, DeviceError
from ._explain import Explanation
from ._operands import GROUPS, Operands, analyze, view_all
from ._problem import DYNAMIC, ELEMENT_BYTES, Problem, Recipe

NVDISASM_SECONDS = 60


class Kernel:
    """A kernel for one problem and one config; generic in M unless the problem says otherwise.

    Attributes:
        problem: what it computes.
        config: the text of its #dgemm.config.
        ptx: the PTX.
        cubin: the machine code, an ELF image; empty if the driver or the emulator takes PTX.
        launch: the launch descriptor (docs/launch-descriptor.md) as a dict.
        resources: registers, spills, barriers and shared memory, as ptxas reports them; empty without ptxas.
        times_ms: milliseconds of each stage of its compilation.
        origin: "compiled" in this process, or from "disk".
    """

    STAGES = ("problem", "configured", "tiled", "promoted", "specialized", "tma", "wgmma", "nvvm", "llvm")

    def __init__(self, problem: Problem, config: str, assembler: Assembler, compiled: dict[str, Any], origin: str):
        self.problem = problem
        self.config = config
        self.assembler = assembler
        self.ptx: str = compiled["ptx"]
        self.cubin: bytes = compiled["cubin"]
        self.launch_json: str = compiled["launch"]
        self.resources: dict[str, int] = compiled["resources"]
        self.times_ms: dict[str, float] = compiled["times_ms"]
        self.origin = origin
        self._handle = _dgemm.Kernel(self.ptx, self.cubin, self.launch_json)

    @property
    def launch(self) -> dict[str, Any]:
        return json.loads(self.launch_json)

    @property
    def handle(self) -> _dgemm.Kernel:
        """The kernel of the extension module."""
        return self._handle

    def __repr__(self) -> str:
        made = f"{len(self.cubin)} bytes of cubin" if self.cubin else "PTX only"
        registers = f", {self.resources['registers']} registers" if self.resources else ""
        return (f"<dgemm.Kernel {self.problem.describe()}, config {self.config}, {made}{registers}, "
                f"{self.assembler.describe()}, {self.origin}>")

    def mlir(self, stage: str = "problem") -> str:
        """The IR at `stage`: problem, configured, tiled, promoted, specialized, tma, wgmma, nvvm or llvm. ValueError
        for another."""
        return _dgemm.lower(self.problem.shape(), _check.text("stage", stage),
                            _dgemm.Options(config="" if stage == "problem" else self.config, entry=self.problem.symbol))

    def sass(self) -> str | None:
        """The machine code as text, by the nvdisasm that DGEMM_NVDISASM names, next to ptxas or in PATH; None where there
        is none, or no cubin. CompileError if nvdisasm fails."""
        beside = os.path.join(os.path.dirname(self.assembler.path), "nvdisasm")
        tool = shutil.which(os.environ.get("DGEMM_NVDISASM") or beside) or shutil.which("nvdisasm")
        if tool is None or not self.cubin:
            return None
        with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
            file.write(self.cubin)
            file.flush()
            try:
                run = subprocess.run([tool, file.name], capture_output=True, text=True, errors="replace",
                                     timeout=NVDISASM_SECONDS)
            except (OSError, subprocess.TimeoutExpired) as error:
                raise CompileError(f"nvdisasm {tool} cannot be run: {error}") from None
        if run.returncode:
            raise CompileError(f"nvdisasm {tool} fails with exit code {run.returncode}: {run.stderr.strip()}")
        return run.stdout

    def explain(self, m: int = 4096, count: int = 8, machine: str | None = None) -> Explanation:
        """The predicted time of the config for `m` rows, what bounds it, and the configs that the cost model prefers.

        `machine` is h100, h100-pcie, h200, gh200 or h20; without it, that of the current GPU, or h100. `count` configs are
        listed. The result is a str, which a notebook shows as tables.
        """
        return _explain.explain(self.problem, self.config, _check.integer("m", m, 1), _check.integer("count", count, 0), machine)

    def load(self, device: int = 0) -> None:
        """Loads the kernel into a device ahead of the first launch. DeviceError for a GPU that is not Hopper."""
        try:
            self._handle.load(_check.integer("device", device, 0))
        except RuntimeError as error:
            raise DeviceError(str(error)) from None

    def prepare(self, device: int, sizes: dict[str, int], max_multiprocessors: int = 0) -> _dgemm.Launch:
        """A launch of the extension module for one combination of sizes."""
        try:
            return self._handle.prepare(device, sizes, max_multiprocessors)
        except RuntimeError as error:
            raise DeviceError(str(error)) from None

    def emulate(self, operands: Operands, sizes: dict[str, int], seed: int = 1,
                timeout: float | None = None) -> dict[str, Any]:
        """Runs on CPU arrays, and returns counts of the operations. Ctrl-C ends the run.
        `timeout` is in seconds; None means DGEMM_EMULATOR_TIMEOUT, or no limit if that is not set. Raises HazardError if a
        check of the emulator stops the kernel, which values of the arrays can cause; TimeoutError; CompileError for PTX that
        the emulator does not know.
        """
        buffers = []
        for operand in self._handle.operands:
            view = operands.by_operand(operand)
            elements = 1 + sum((extent - 1) * stride for extent, stride in zip(view.shape, view.strides))
            buffers.append((operand, view.address, elements * ELEMENT_BYTES[view.dtype]))
        limit = _env.emulator_timeout() if timeout is None else timeout
        try:
            return self._handle.emulate(sizes, buffers, seed, timeout=limit or 0.0)
        except _dgemm.HazardError:
            raise
        except RuntimeError as error:
            raise CompileError(str(error)) from None

    def launch_on(self, *tensors: Any, stream: int | None = None) -> None:
        """Launches on tensors in the order a, scale_a, b, scale_b, d, and m_indices, masked_m or offsets where grouped. The
        scale of an operand without scales is None.

        `stream` is a CUstream; without it, the current one of the library of `a`. NumPy arrays run on the emulator.
        Raises ValueError or TypeError, naming the tensor, if they do not match this kernel's problem.
        """
        stream = _check.optional_integer("stream", stream, 0, 2**64 - 1)
        operands, sizes = self._bind(tensors)
        device = operands.a.device_index
        if device < 0:
            self.emulate(operands, sizes)
            return
        launch = self.prepare(device, sizes, _settings.current().num_sms or 0)
        addresses = [operands.by_operand(name).address for name in self._handle.operands]
        if stream is None:
            stream = _tensors.current_stream(tensors[0], device)
        launch.launch(addresses, stream)
        if _tensors.library(tensors[4]) == "jax":
            _dgemm.synchronize(device, stream)

    def _bind(self, tensors: tuple[Any, ...]) -> tuple[Operands, dict[str, int]]:
        """The operands and sizes of a launch on `tensors`, which must match this kernel's problem."""
        wanted = self.problem
        names = ("a", "scale_a", "b", "scale_b", "d", GROUPS[wanted.layout])
        count = 6 if names[5] else 5
        if len(tensors) != count:
            raise TypeError(f"launch_on got {len(tensors)} tensors; this kernel takes {', '.join(filter(None, names))}")
        recipe = Recipe(wanted.scale_a, wanted.scale_b, wanted.accuracy, wanted.accumulate, wanted.k == DYNAMIC)
        operands = view_all(names, tensors + (None,) * (6 - count), recipe)
        problem, sizes = analyze(operands, wanted.layout, wanted.row_alignment, recipe)
        problem = replace(problem, pdl=wanted.pdl)
        if sizes["M"] == wanted.m:
            problem = replace(problem, m=wanted.m).canonical()
        if sizes["M"] == 1 and wanted.layout != "masked":
            problem = replace(problem, lda=wanted.lda, ldd=wanted.ldd)  # there is no second row
        if problem != wanted:
            raise ValueError(f"the tensors are of the problem {problem.describe()}; this kernel is for {wanted.describe()}")
        return operands, sizes
