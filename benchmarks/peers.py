"""The peers. They are imported from PYTHONPATH; each returns a call, or None, for the inputs of a row."""
import ctypes
import importlib
import os
import subprocess
import tempfile

import torch

import launcher

FLOP_PER_SECOND = 1700e12  # about the rate that the tensor cores of an H100 sustain at full power


class PeerMissing(Exception):
    """The peer is not available."""


class DeepGemm:
    """DeepGEMM, version 1 or 2."""

    name = "deep_gemm"

    def __init__(self):
        try:
            self.module = importlib.import_module("deep_gemm")
        except ImportError as error:
            raise PeerMissing(f"deep_gemm: {error}") from error
        self.version = getattr(self.module, "__version__", "?")

    def prepare(self, inputs):
        d = torch.empty(inputs.d_shape, device="cuda", dtype=torch.bfloat16)
        call = (self._prepare2 if hasattr(self.module, "fp8_gemm_nt") else self._prepare1)(inputs, d)
        return call, d

    def _prepare2(self, inputs, d):
        dg, row = self.module, inputs.row
        a = (inputs.a, dg.get_mn_major_tma_aligned_tensor(inputs.scale_a))
        b = (inputs.b, inputs.scale_b)
        if row.layout == "dense":
            return lambda: dg.fp8_gemm_nt(a, b, d, disable_ue8m0_cast=True)
        if row.layout == "contiguous":
            dg.set_mk_alignment_for_contiguous_layout(128)
            return lambda: dg.m_grouped_fp8_gemm_nt_contiguous(a, b, d, inputs.groups, disable_ue8m0_cast=True)
        return lambda: dg.m_grouped_fp8_gemm_nt_masked(a, b, d, inputs.groups, row.m, disable_ue8m0_cast=True)

    def _prepare1(self, inputs, d):
        dg, row = self.module, inputs.row
        a = (inputs.a, dg.get_col_major_tma_aligned_tensor(inputs.scale_a))
        b = (inputs.b, inputs.scale_b)
        if row.layout == "dense":
            return lambda: dg.gemm_fp8_fp8_bf16_nt(a, b, d)
        if row.layout == "contiguous":
            return lambda: dg.m_grouped_gemm_fp8_fp8_bf16_nt_contiguous(a, b, d, inputs.groups)
        return lambda: dg.m_grouped_gemm_fp8_fp8_bf16_nt_masked(a, b, d, inputs.groups, row.m)


class CublasBlocks:
    """cuBLASLt with 1x128 and 128x128 scales."""

    name = "cublas_blocks"

    def __init__(self):
        try:
            from torch.nn.functional import ScalingType, SwizzleType, scaled_mm
        except ImportError as error:
            raise PeerMissing(f"scaled_mm of PyTorch {torch.__version__}: {error}") from error
        self._scaled_mm, self._scaling, self._swizzle = scaled_mm, ScalingType, SwizzleType
        self.version = torch.__version__

    def prepare(self, inputs):
        if inputs.row.layout != "dense" or inputs.row.m == 1:
            return None
        scale_a = inputs.scale_a.t().contiguous().t()
        # cuBLASLt requires the pitch of B's scales to be a multiple of 4.
        k_blocks = inputs.scale_b.shape[1]
        padded = torch.nn.functional.pad(inputs.scale_b, (0, -k_blocks % 4))
        scale_b = padded[:, :k_blocks].t()
        out = {}

        def call():
            out["d"] = self._scaled_mm(
                inputs.a, inputs.b.t(), scale_a, self._scaling.BlockWise1x128, scale_b, self._scaling.BlockWise128x128,
                swizzle_a=self._swizzle.NO_SWIZZLE, swizzle_b=self._swizzle.NO_SWIZZLE, output_dtype=torch.bfloat16,
            )  # fmt: skip

        call()
        return call, out["d"]


class CublasTensorwise:
    """cuBLASLt with one scale for each tensor and fast accumulation: less work than the others, and a different result."""

    name = "cublas_tensorwise"

    def __init__(self):
        self.version = torch.__version__

    def prepare(self, inputs):
        if inputs.row.layout != "dense" or inputs.row.m == 1:
            return None
        one = torch.ones((), device="cuda")
        return (
            lambda: torch._scaled_mm(inputs.a, inputs.b.t(), one, one, out_dtype=torch.bfloat16, use_fast_accum=True),
            None,
        )


class ReadFloor:
    """Cold reads of as many bytes as the row must move, by bulk copies into shared memory or by 16-byte loads."""

    version = "1"
    _buffer = None

    def __init__(self, entry, name):
        self.name, self._entry = name, entry
        self._function = self._compile().function(entry)
        self._multiprocessors = torch.cuda.get_device_properties(0).multi_processor_count

    _module = None

    @classmethod
    def _compile(cls):
        if ReadFloor._module is None:
            source = os.path.join(os.path.dirname(__file__), "floor.cu")
            with tempfile.TemporaryDirectory() as folder:
                cubin = os.path.join(folder, "floor.cubin")
                try:
                    subprocess.run(["nvcc", "-O3", "-arch=sm_90a", "-cubin", source, "-o", cubin], check=True,
                                   capture_output=True, text=True)  # fmt: skip
                except (OSError, subprocess.CalledProcessError) as error:
                    raise PeerMissing(f"read floor: {getattr(error, 'stderr', None) or error}") from error
                with open(cubin, "rb") as image:
                    ReadFloor._driver = launcher.Driver()
                    ReadFloor._module = launcher.Module(ReadFloor._driver, image.read())
        return ReadFloor._module

    def prepare(self, inputs):
        size = inputs.row.bytes // 16384 * 16384
        if ReadFloor._buffer is None or ReadFloor._buffer.numel() < size:
            ReadFloor._buffer = torch.randint(0, 255, (max(size, 1 << 30),), dtype=torch.uint8, device="cuda")
        values = [ctypes.c_uint64(ReadFloor._buffer.data_ptr()), ctypes.c_int64(size)]
        pointers = (ctypes.c_void_p * len(values))(*(ctypes.addressof(value) for value in values))
        shared, threads, ctas = (16384 * 12, 128, 1) if self._entry == "read_bulk" else (0, 512, 4)
        driver, grid = self._driver, self._multiprocessors * ctas
        driver.call("cuFuncSetAttribute", self._function, ctypes.c_int(8), ctypes.c_int(shared))

        def call():
            stream = ctypes.c_void_p(torch.cuda.current_stream().cuda_stream)
            values  # the launch reads them
            driver.call("cuLaunchKernel", self._function, *map(ctypes.c_uint, (grid, 1, 1, threads, 1, 1, shared)), stream,
                        pointers, None)  # fmt: skip

        return call, None


MAKERS = {
    "deep_gemm": DeepGemm,
    "cublas_blocks": CublasBlocks,
    "cublas_tensorwise": CublasTensorwise,
    "read_bulk": lambda: ReadFloor("read_bulk", "read_bulk"),
    "read_loads": lambda: ReadFloor("read_loads", "read_loads"),
}
