//===- Compiler.cpp - The compiler as seen from Python --------------------===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dgemm/Driver/Compiler.h"
#include "Bindings.h"
#include "dgemm/Target/Assembler.h"
#include "llvm/Support/FormatVariadic.h"
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

using namespace dgemm;
using namespace dgemm::python;

/// ptxas spills registers of a kernel or serialises its wgmmas.
struct SlowKernel : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// The result of compile(): plain values, which the disk cache stores.
static nb::dict toDict(const CompiledKernel &kernel) {
  nb::dict result;
  result["ptx"] = nb::str(kernel.ptx.data(), kernel.ptx.size());
  result["cubin"] = nb::bytes(kernel.cubin.data(), kernel.cubin.size());
  std::string launch = kernel.launch.toJSON();
  result["launch"] = nb::str(launch.data(), launch.size());
  nb::dict resources;
  if (kernel.resources) {
    resources["registers"] = kernel.resources->registers;
    resources["barriers"] = kernel.resources->barriers;
    resources["spill_store_bytes"] = kernel.resources->spillStoreBytes;
    resources["spill_load_bytes"] = kernel.resources->spillLoadBytes;
    resources["stack_bytes"] = kernel.resources->stackBytes;
    resources["static_shared_bytes"] = kernel.resources->staticSharedBytes;
  }
  result["resources"] = resources;
  nb::dict times;
  for (const auto &[stage, milliseconds] : kernel.times)
    times[nb::str(stage.data(), stage.size())] = milliseconds;
  result["times_ms"] = times;
  return result;
}

static nb::dict compile(const GemmShape &shape, const CompileOptions &options, bool assemble) {
  llvm::Expected<CompiledKernel> kernel = [&] {
    nb::gil_scoped_release release;
    return compileKernel(shape, options, assemble ? Stage::Cubin : Stage::PTX);
  }();
  if (kernel)
    return toDict(*kernel);
  llvm::Error error = kernel.takeError();
  bool isSlow = error.isA<SlowKernelError>();
  std::string message = llvm::toString(std::move(error));
  if (isSlow)
    throw SlowKernel(message);
  throw std::runtime_error(message);
}

/// Raises ValueError for `name` = `value`, which is not one of `allowed`.
[[noreturn]] static void refuse(const char *name, const std::string &value, const char *allowed) {
  throw nb::value_error(
      llvm::formatv("{0} = '{1}' is not allowed; allowed are {2}", name, value, allowed).str().c_str());
}

static std::string lower(const GemmShape &shape, const std::string &stageName, const CompileOptions &options) {
  nb::gil_scoped_release release;
  std::optional<Stage> stage = parseStage(stageName);
  if (!stage || *stage > Stage::LLVM)
    refuse("stage", stageName, "problem, configured, tiled, promoted, specialized, tma, wgmma, nvvm and llvm");
  return take(lowerToText(shape, *stage, options));
}

static GemmLayout readLayout(const std::string &name) {
  std::optional<GemmLayout> layout = parseGemmLayout(name);
  if (!layout)
    refuse("layout", name, "'dense', 'contiguous', 'masked', 'offsets', 'k_grouped' and 'batched'");
  return *layout;
}

static ScaleGranularity readGranularity(const char *name, const std::string &value) {
  std::optional<ScaleGranularity> granularity = parseScaleGranularity(value);
  if (!granularity)
    refuse(name, value, "'tensor', 'row', '1x128', '128x128' and 'none'");
  return *granularity;
}

/// The names in the options of the tools.
static ElementType readFP8Type(const char *name, const std::string &value) {
  if (value != "e4m3" && value != "e5m2")
    refuse(name, value, "'e4m3' and 'e5m2'");
  return value == "e4m3" ? ElementType::F8E4M3FN : ElementType::F8E5M2;
}
static ElementType readOutType(const std::string &value) {
  if (value == "bf16")
    return ElementType::BF16;
  if (value == "f16")
    return ElementType::F16;
  if (value == "e4m3" || value == "e5m2") // quantised
    return readFP8Type("out", value);
  if (value != "f32")
    refuse("out", value, "'bf16', 'f16', 'f32', 'e4m3' and 'e5m2'");
  return ElementType::F32;
}

static Accuracy readAccuracy(const std::string &value) {
  std::optional<Accuracy> accuracy = parseAccuracy(value);
  if (!accuracy)
    refuse("accuracy", value, "'exact', 'balanced' and 'fast'");
  return *accuracy;
}

static void bindShape(nb::module_ &module) {
  nb::class_<GemmShape>(module, "Shape", "D[M, N] = A[M, K] x B[N, K]^T; -1 for a size that is given at launch.")
      .def(
          "__init__",
          [](GemmShape *self, int64_t m, int64_t n, int64_t k, const std::string &layout, int64_t groups,
             int64_t rowAlignment, int64_t expectedM, int64_t lda, int64_t ldb, int64_t ldd, bool scaleAKInnermost,
             bool scaleBNInnermost, bool pdl, const std::string &scaleA, const std::string &scaleB,
             const std::string &aType, const std::string &bType, const std::string &out, bool scaleBKInnermost,
             const std::string &accuracy, bool accumulate, int64_t kDivisor, const std::string &epilogue,
             int64_t batchStrideA, int64_t batchStrideB, int64_t batchStrideD, bool scaleDNInnermost,
             int64_t scaleAPitch, int64_t scaleBPitch) {
            GemmShape *shape = new (self) GemmShape();
            shape->m = m;
            shape->n = n;
            shape->k = k;
            shape->layout = readLayout(layout);
            shape->groups = groups;
            shape->rowAlignment = rowAlignment;
            shape->expectedM = expectedM;
            shape->lda = lda;
            shape->ldb = ldb;
            shape->ldd = ldd;
            shape->batchStrideA = batchStrideA;
            shape->batchStrideB = batchStrideB;
            shape->batchStrideD = batchStrideD;
            shape->scaleAKInnermost = scaleAKInnermost;
            shape->scaleBNInnermost = scaleBNInnermost;
            shape->scaleBKInnermost = scaleBKInnermost;
            shape->scaleDNInnermost = scaleDNInnermost;
            shape->scaleAPitch = scaleAPitch;
            shape->scaleBPitch = scaleBPitch;
            shape->pdl = pdl;
            shape->scaleA = readGranularity("scale_a", scaleA);
            shape->scaleB = readGranularity("scale_b", scaleB);
            shape->aType = readFP8Type("a_type", aType);
            shape->bType = readFP8Type("b_type", bType);
            shape->outType = readOutType(out);
            shape->accuracy = readAccuracy(accuracy);
            shape->epilogue = epilogue;
            shape->accumulate = accumulate;
            shape->kDivisor = kDivisor;
          },
          nb::arg("m"), nb::arg("n"), nb::arg("k"), nb::kw_only(), nb::arg("layout") = "dense", nb::arg("groups") = -1,
          nb::arg("row_alignment") = 128, nb::arg("expected_m") = 0, nb::arg("lda") = 0, nb::arg("ldb") = 0,
          nb::arg("ldd") = 0, nb::arg("scale_a_k_innermost") = false, nb::arg("scale_b_n_innermost") = false,
          nb::arg("pdl") = false, nb::arg("scale_a") = "1x128", nb::arg("scale_b") = "128x128",
          nb::arg("a_type") = "e4m3", nb::arg("b_type") = "e4m3", nb::arg("out") = "bf16",
          nb::arg("scale_b_k_innermost") = false, nb::arg("accuracy") = "exact", nb::arg("accumulate") = false,
          nb::arg("k_divisor") = 1, nb::arg("epilogue") = "", nb::arg("batch_stride_a") = 0,
          nb::arg("batch_stride_b") = 0, nb::arg("batch_stride_d") = 0, nb::arg("scale_d_n_innermost") = false,
          nb::arg("scale_a_pitch") = 0, nb::arg("scale_b_pitch") = 0);
}

void dgemm::python::bindCompiler(nb::module_ &module) {
  bindShape(module);
  nb::class_<CompileOptions>(module, "Options", "Options of the compiler.")
      .def(
          "__init__",
          [](CompileOptions *self, std::string config, int64_t multiprocessors, std::string ptxas, std::string chip,
             std::string tunedTable, std::string entry, std::string machine, std::vector<std::string> avoidedConfigs) {
            CompileOptions *options = new (self) CompileOptions();
            options->config = std::move(config);
            options->multiprocessors = multiprocessors;
            options->ptxas = std::move(ptxas);
            options->chip = std::move(chip);
            options->tunedTable = std::move(tunedTable);
            options->machine = std::move(machine);
            options->entry = std::move(entry);
            options->avoidedConfigs = std::move(avoidedConfigs);
          },
          nb::kw_only(), nb::arg("config") = "", nb::arg("multiprocessors") = 0, nb::arg("ptxas") = "",
          nb::arg("chip") = "sm_90a", nb::arg("tuned_table") = "", nb::arg("entry") = "", nb::arg("machine") = "",
          nb::arg("avoided_configs") = std::vector<std::string>());
  nb::exception<SlowKernel>(module, "SlowKernelError", PyExc_RuntimeError).attr("__doc__") =
      "ptxas spills registers of a kernel or serialises its wgmmas, so it would run far below its speed.";
  module.def("compile", &compile, nb::arg("shape"), nb::arg("options"), nb::arg("assemble"),
             "Compiles; a dict of ptx, cubin (empty unless assembled), launch (JSON), resources and times_ms.");
  module.def("lower", &lower, nb::arg("shape"), nb::arg("stage"), nb::arg("options"),
             "The text of a problem's IR at a stage.");
  module.def(
      "choose_config",
      [](const GemmShape &shape, const CompileOptions &options) {
        nb::gil_scoped_release release;
        return take(chooseConfig(shape, options));
      },
      nb::arg("shape"), nb::arg("options"), "The config that the compiler chooses.");
  module.def(
      "list_configs",
      [](const GemmShape &shape, const CompileOptions &options) {
        nb::gil_scoped_release release;
        return take(listConfigs(shape, options));
      },
      nb::arg("shape"), nb::arg("options"), "Every legal config, in the order of the cost model.");
  module.def(
      "explain",
      [](const GemmShape &shape, const CompileOptions &options) {
        nb::gil_scoped_release release;
        return take(explainConfig(shape, options));
      },
      nb::arg("shape"), nb::arg("options"),
      "The predicted time of the config, what bounds it, and the best other config.");
  module.def(
      "find_assembler",
      [](const std::string &path) {
        nb::gil_scoped_release release;
        Assembler assembler = take(findAssembler(path));
        return std::pair(assembler.path, llvm::formatv("{0}.{1}", assembler.major, assembler.minor).str());
      },
      nb::arg("path") = "", "Path and CUDA release of the ptxas in use.");
}
