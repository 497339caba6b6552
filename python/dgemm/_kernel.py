"""A compiled kernel, with all that led to it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from typing import Any

from . import _dgemm, _tensors
from ._assembler import Assembler
from ._errors import CompileError, DeviceError
from ._problem import Operands, Problem


class Kernel:
    """A kernel for one problem and one config; generic in M unless the problem says otherwise.

    Attributes:
        problem: what it computes.
        config: every choice that was made, as #dgemm.config text.
        ptx: the PTX.
        cubin: the machine code, an ELF image; empty where the driver or the emulator takes PTX.
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
        return _dgemm.lower(self.problem.shape(), stage,
                            _dgemm.Options(config="" if stage == "problem" else self.config))

    def sass(self) -> str | None:
        """The machine code as text, by the nvdisasm that DGEMM_NVDISASM names, next to ptxas or in PATH; None where there
        is none, or no cubin."""
        beside = os.path.join(os.path.dirname(self.assembler.path), "nvdisasm")
        tool = shutil.which(os.environ.get("DGEMM_NVDISASM") or beside) or shutil.which("nvdisasm")
        if tool is None or not self.cubin:
            return None
        with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
            file.write(self.cubin)
            file.flush()
            return subprocess.run([tool, file.name], check=True, capture_output=True, text=True).stdout

    def explain(self, m: int = 4096, count: int = 8) -> str:
        """What the cost model thinks of `m` rows: its order of configs, the best first, and where this one stands."""
        shape = self.problem.shape(m if self.problem.layout != "masked" else None,
                                   m if self.problem.layout == "masked" else 0)
        configs = _dgemm.list_configs(shape, _dgemm.Options())
        rank = configs.index(self.config) + 1 if self.config in configs else None
        lines = [f"{self.problem.describe()}: {len(configs)} legal configs, in the order of the cost model for M={m}"]
        lines += [f"{'*' if config == self.config else ' '} {index:4d}  {config}"
                  for index, config in enumerate(configs[:count], 1)]
        if rank is None or rank > count:
            lines.append(f"* {rank if rank else '?':>4}  {self.config}")
        return "\n".join(lines)

    def load(self, device: int = 0) -> None:
        """Loads the kernel into a device, so that the first launch need not. DeviceError for a GPU that is no Hopper."""
        try:
            self._handle.load(device)
        except RuntimeError as error:
            raise DeviceError(str(error)) from None

    def prepare(self, device: int, sizes: dict[str, int], max_multiprocessors: int = 0) -> _dgemm.Launch:
        """A launch of the extension module for one combination of sizes."""
        try:
            return self._handle.prepare(device, sizes, max_multiprocessors)
        except RuntimeError as error:
            raise DeviceError(str(error)) from None

    def emulate(self, operands: Operands, sizes: dict[str, int], seed: int = 1) -> dict[str, Any]:
        """Runs on arrays of the CPU. CompileError if a check of the emulator stops the kernel."""
        buffers = []
        for operand in self._handle.operands:
            view = operands.by_operand(operand)
            elements = 1 + sum((extent - 1) * stride for extent, stride in zip(view.shape, view.strides))
            width = {"float8_e4m3fn": 1, "bfloat16": 2}.get(view.dtype, 4)
            buffers.append((operand, view.address, elements * width))
        try:
            return self._handle.emulate(sizes, buffers, seed)
        except RuntimeError as error:
            raise CompileError(str(error)) from None

    def launch_on(self, *tensors: Any, stream: int | None = None) -> None:
        """Launches on tensors in the order a, scale_a, b, scale_b, d, and m_indices or masked_m where grouped.

        `stream` is a CUstream; without it, the current one of the library of `a`. NumPy arrays run on the emulator.
        Raises ValueError or TypeError, naming the tensor, if they are not of this kernel's problem.
        """
        from . import _gemm  # which needs this module

        _gemm.launch_kernel(self, tensors, stream)
