# lit configuration: how to run the tests below this directory. Each .mlir and .test file is a test; its RUN lines call
# the tools of the build (dgemm-opt, dgemm-gen, dgemm-run, dgemm-sass, dgemm-tune) and LLVM's FileCheck, not and split-file.
#
# Features for REQUIRES lines: `ptxas` (found by the rules of findAssembler), `nvdisasm` (of findDisassembler), `hopper` (a
# GPU of compute capability 9.0), `fake-cuda` (test/Unit/Runtime/FakeCuda.cpp is built), `plugin` (DGemmPlugin.so is),
# `runtime` (libdgemm_runtime.so is), `c-api` (libdgemm.so is) and `lsp-server` (dgemm-lsp-server is).
import glob
import os
import shutil
import subprocess

import lit.formats
from lit.llvm import llvm_config
from lit.llvm.subst import ToolSubst

config.name = "dgemm"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".mlir", ".test"]
# Unit and Embed are ctest's own; Inputs holds what tests read.
config.excludes = ["Unit", "Embed", "Inputs"]
config.test_source_root = os.path.dirname(__file__)
config.test_exec_root = config.dgemm_test_obj_root


def find_program(name):
    """The program of the CUDA toolkit that the tools will use, or None."""
    named = os.environ.get("DGEMM_" + name.upper())
    if named:
        return shutil.which(named)
    venvs = [os.environ.get("VIRTUAL_ENV"), os.path.join(config.dgemm_source_dir, ".venv")]
    wheels = [
        path
        for venv in filter(None, venvs)
        for path in glob.glob(os.path.join(venv, "lib/python*/site-packages/nvidia/cu*/bin", name))
    ]
    candidates = [name, *wheels, "/usr/local/cuda/bin/" + name]
    return next(filter(None, map(shutil.which, candidates)), None)


def has_hopper():
    """True when nvidia-smi reports a GPU of compute capability 9.0."""
    if not shutil.which("nvidia-smi"):
        return False
    query = ["nvidia-smi", "--query-gpu=compute_cap", "--format=csv,noheader"]
    result = subprocess.run(query, capture_output=True, text=True)
    return result.returncode == 0 and "9.0" in result.stdout.split()


for program in ("ptxas", "nvdisasm"):
    path = find_program(program)
    if path:
        config.available_features.add(program)
        config.substitutions.append(("%{" + program + "}", path))
# A CUDA driver without a GPU, for the tools where they look for libcuda.so.1.
fake_cuda = os.path.join(config.test_exec_root, "Unit", "libDGemmFakeCuda.so")
if os.path.exists(fake_cuda):
    config.available_features.add("fake-cuda")
    config.substitutions.append(("%{fake-cuda}", fake_cuda))
# The dialect and the passes for the distribution's mlir-opt.
plugin = os.path.join(config.dgemm_build_dir, "lib", "DGemmPlugin.so")
if os.path.exists(plugin):
    config.available_features.add("plugin")
    load = f"--load-dialect-plugin={plugin} --load-pass-plugin={plugin}"
    config.substitutions.append(("%{mlir-opt}", os.path.join(config.llvm_tools_dir, "mlir-opt") + " " + load))
    config.substitutions.append(("%{plugin}", plugin))
runtime = os.path.join(config.dgemm_build_dir, "lib", "libdgemm_runtime.so")
if os.path.exists(runtime):
    config.available_features.add("runtime")
    config.substitutions.append(("%{runtime}", runtime))
    config.substitutions.append(("%{mlir-runner}", os.path.join(config.llvm_tools_dir, "mlir-runner")))
    config.substitutions.append(("%{mlir-libs}", os.path.join(os.path.dirname(config.llvm_tools_dir), "lib")))
library = os.path.join(config.dgemm_build_dir, "lib", "libdgemm.so")
if os.path.exists(library):
    config.available_features.add("c-api")
    config.substitutions.append(("%{libdgemm}", library))
if os.path.exists(os.path.join(config.dgemm_tools_dir, "dgemm-lsp-server")):
    config.available_features.add("lsp-server")
if has_hopper():
    config.available_features.add("hopper")

llvm_config.use_default_substitutions()
llvm_config.add_tool_substitutions(
    [
        ToolSubst("dgemm-opt", unresolved="ignore"),
        ToolSubst("dgemm-gen", unresolved="ignore"),
        ToolSubst("dgemm-lsp-server", unresolved="ignore"),
        ToolSubst("dgemm-run", unresolved="ignore"),
        ToolSubst("dgemm-sass", unresolved="ignore"),
        ToolSubst("dgemm-tune", unresolved="ignore"),
    ],
    [config.dgemm_tools_dir, config.llvm_tools_dir],
)
# For scripts that are told where a tool is.
config.substitutions.append(("%{dgemm_tools}", config.dgemm_tools_dir))
llvm_config.with_environment("PATH", [config.dgemm_tools_dir, config.llvm_tools_dir], append_path=True)
# A variable without $ ends at the next CHECK-LABEL, so that a match in one function cannot serve another.
config.environment["FILECHECK_OPTS"] = "--enable-var-scope"
# lit clears the environment; these say where ptxas and nvdisasm are and where temporary files may go.
llvm_config.with_system_environment(["DGEMM_PTXAS", "DGEMM_NVDISASM", "VIRTUAL_ENV", "TMPDIR", "ASAN_OPTIONS", "UBSAN_OPTIONS"])
