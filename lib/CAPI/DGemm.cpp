//===- DGemm.cpp - The compiler for programs in C -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dgemm-c/DGemm.h"
#include "dgemm/Driver/Compiler.h"
#include "dgemm/Runtime/CudaLaunch.h"
#include "llvm/ADT/StringExtras.h"
#include <cstdlib>
#include <cstring>
#include <mutex>

using namespace dgemm;

struct dgemm_problem {
  GemmShape shape;
};
struct dgemm_options {
  CompileOptions options;
};
struct dgemm_kernels {
  struct Kernel {
    CompiledKernel compiled;
    std::string launch, remarks;
    /// For launches; null before the first launcher, under the mutex.
    std::unique_ptr<CudaKernel> cuda;
  };
  std::vector<Kernel> kernels;
  std::mutex mutex;
};
struct dgemm_launcher {
  std::unique_ptr<CudaLaunch> launch;
};

//===----------------------------------------------------------------------===//
// Strings and errors
//===----------------------------------------------------------------------===//

static char *copy(llvm::StringRef text) {
  char *result = static_cast<char *>(std::malloc(text.size() + 1));
  if (!result)
    std::abort();
  std::memcpy(result, text.data(), text.size());
  result[text.size()] = 0;
  return result;
}

static char *fail(llvm::Error error) { return copy(llvm::toString(std::move(error))); }
static char *fail(const llvm::Twine &message) { return copy(message.str()); }

/// `*result` becomes a copy of the text of `value`.
static char *give(llvm::Expected<std::string> value, char **result) {
  if (!value)
    return fail(value.takeError());
  *result = copy(*value);
  return nullptr;
}

/// Error: one of these is NULL.
template <typename... Pointers>
static bool isAnyNull(Pointers... pointers) {
  return (!pointers || ...);
}
static char *failForNull(llvm::StringRef function) { return fail(function + " got NULL, which is not allowed"); }

/// The entry of `fields` with this name, or null.
template <typename Field, size_t N>
static const Field *find(const Field (&fields)[N], llvm::StringRef name) {
  const Field *found = llvm::find_if(fields, [&](const Field &field) { return name == field.name; });
  return found == std::end(fields) ? nullptr : found;
}
template <typename Field, size_t N>
static char *failForField(const Field (&fields)[N], llvm::StringRef what, llvm::StringRef name) {
  std::string names = llvm::join(llvm::map_range(fields, [](const Field &field) { return field.name.str(); }), ", ");
  return fail("expected " + what + " to be one of " + names + ", but got '" + name + "'");
}

uint32_t dgemm_c_api_version() { return DGEMM_C_API_VERSION; }
const char *dgemm_version() { return DGEMM_VERSION; }
void dgemm_string_free(char *string) { std::free(string); }

//===----------------------------------------------------------------------===//
// Problem
//===----------------------------------------------------------------------===//

namespace {
struct SizeField {
  llvm::StringLiteral name;
  int64_t GemmShape::*size;
};
struct FlagField {
  llvm::StringLiteral name;
  bool GemmShape::*flag;
};
} // namespace
static constexpr SizeField kSizeFields[] = {{"m", &GemmShape::m},
                                            {"n", &GemmShape::n},
                                            {"k", &GemmShape::k},
                                            {"groups", &GemmShape::groups},
                                            {"row_alignment", &GemmShape::rowAlignment},
                                            {"expected_m", &GemmShape::expectedM},
                                            {"lda", &GemmShape::lda},
                                            {"ldb", &GemmShape::ldb},
                                            {"ldd", &GemmShape::ldd},
                                            {"batch_stride_a", &GemmShape::batchStrideA},
                                            {"batch_stride_b", &GemmShape::batchStrideB},
                                            {"batch_stride_d", &GemmShape::batchStrideD},
                                            {"scale_a_pitch", &GemmShape::scaleAPitch},
                                            {"scale_b_pitch", &GemmShape::scaleBPitch},
                                            {"n_divisor", &GemmShape::nDivisor},
                                            {"k_divisor", &GemmShape::kDivisor},
                                            {"lda_divisor", &GemmShape::ldaDivisor},
                                            {"ldb_divisor", &GemmShape::ldbDivisor},
                                            {"ldd_divisor", &GemmShape::lddDivisor}};
static constexpr FlagField kFlagFields[] = {{"scale_a_k_innermost", &GemmShape::scaleAKInnermost},
                                            {"scale_b_k_innermost", &GemmShape::scaleBKInnermost},
                                            {"scale_b_n_innermost", &GemmShape::scaleBNInnermost},
                                            {"scale_d_n_innermost", &GemmShape::scaleDNInnermost},
                                            {"pdl", &GemmShape::pdl},
                                            {"accumulate", &GemmShape::accumulate}};

dgemm_problem *dgemm_problem_create(int64_t m, int64_t n, int64_t k) {
  auto *problem = new dgemm_problem;
  problem->shape.m = m;
  problem->shape.n = n;
  problem->shape.k = k;
  return problem;
}
void dgemm_problem_destroy(dgemm_problem *problem) { delete problem; }

char *dgemm_problem_set_int(dgemm_problem *problem, const char *field, int64_t value) {
  if (isAnyNull(problem, field))
    return failForNull("dgemm_problem_set_int");
  if (const FlagField *flag = find(kFlagFields, field)) {
    if (value != 0 && value != 1)
      return fail("expected " + flag->name + " to be 0 or 1, but got " + llvm::Twine(value));
    problem->shape.*flag->flag = value;
    return nullptr;
  }
  const SizeField *size = find(kSizeFields, field);
  if (!size)
    return failForField(kSizeFields, "a number of the problem", field);
  problem->shape.*size->size = value; // checked when it is compiled
  return nullptr;
}

namespace {
/// A field of an enumeration, read by its name. False: there is no such value.
struct NamedField {
  llvm::StringLiteral name;
  bool (*set)(GemmShape &shape, llvm::StringRef value);
};
} // namespace
template <auto parse, auto member>
static bool setNamed(GemmShape &shape, llvm::StringRef value) {
  auto parsed = parse(value);
  if (parsed)
    shape.*member = *parsed;
  return bool(parsed);
}
static bool setEpilogue(GemmShape &shape, llvm::StringRef value) {
  shape.epilogue = value.str();
  return true; // it is read when the problem is compiled
}
static constexpr NamedField kNamedFields[] = {{"layout", setNamed<parseGemmLayout, &GemmShape::layout>},
                                              {"scale_a", setNamed<parseScaleGranularity, &GemmShape::scaleA>},
                                              {"scale_b", setNamed<parseScaleGranularity, &GemmShape::scaleB>},
                                              {"a_type", setNamed<parseElementType, &GemmShape::aType>},
                                              {"b_type", setNamed<parseElementType, &GemmShape::bType>},
                                              {"out_type", setNamed<parseElementType, &GemmShape::outType>},
                                              {"accuracy", setNamed<parseAccuracy, &GemmShape::accuracy>},
                                              {"epilogue", setEpilogue}};

char *dgemm_problem_set_string(dgemm_problem *problem, const char *field, const char *value) {
  if (isAnyNull(problem, field, value))
    return failForNull("dgemm_problem_set_string");
  const NamedField *found = find(kNamedFields, field);
  if (!found)
    return failForField(kNamedFields, "a text of the problem", field);
  // Whether the problem may have this value is checked when it is compiled.
  return found->set(problem->shape, value)
             ? nullptr
             : fail(found->name + " has no value '" + llvm::Twine(value) + "'; include/dgemm-c/DGemm.h lists them");
}

//===----------------------------------------------------------------------===//
// Options
//===----------------------------------------------------------------------===//

namespace {
struct TextField {
  llvm::StringLiteral name;
  /// Null for interleave_ffma.
  std::string CompileOptions::*text;
};
} // namespace
static constexpr TextField kTextFields[] = {{"config", &CompileOptions::config},
                                            {"entry", &CompileOptions::entry},
                                            {"ir_name", &CompileOptions::irName},
                                            {"machine", &CompileOptions::machine},
                                            {"tuned_table", &CompileOptions::tunedTable},
                                            {"spill_data", &CompileOptions::spillData},
                                            {"ptxas", &CompileOptions::ptxas},
                                            {"nvdisasm", &CompileOptions::nvdisasm},
                                            {"interleave_ffma", nullptr}};
static constexpr sass::InterleavePolicy kPolicies[] = {sass::InterleavePolicy::None, sass::InterleavePolicy::Alternate,
                                                       sass::InterleavePolicy::AlternateNineSixteenths,
                                                       sass::InterleavePolicy::All, sass::InterleavePolicy::Never};

dgemm_options *dgemm_options_create() { return new dgemm_options; }
void dgemm_options_destroy(dgemm_options *options) { delete options; }

char *dgemm_options_set_string(dgemm_options *options, const char *field, const char *value) {
  if (isAnyNull(options, field, value))
    return failForNull("dgemm_options_set_string");
  const TextField *found = find(kTextFields, field);
  if (!found)
    return failForField(kTextFields, "a text of the options", field);
  if (found->text) {
    options->options.*found->text = value;
    return nullptr;
  }
  const auto *policy =
      llvm::find_if(kPolicies, [&](sass::InterleavePolicy known) { return sass::toString(known) == value; });
  if (policy == std::end(kPolicies))
    return fail("expected interleave_ffma to be none, alternate, alternate-9/16, all or never, but got '" +
                llvm::Twine(value) + "'");
  options->options.interleaveFFMA = *policy;
  return nullptr;
}

char *dgemm_options_set_int(dgemm_options *options, const char *field, int64_t value) {
  if (isAnyNull(options, field))
    return failForNull("dgemm_options_set_int");
  if (llvm::StringRef(field) != "multiprocessors")
    return fail("expected the name of a number of the options to be multiprocessors, but got '" + llvm::Twine(field) +
                "'");
  options->options.multiprocessors = value;
  return nullptr;
}

static CompileOptions getOptions(const dgemm_options *options) { return options ? options->options : CompileOptions(); }

//===----------------------------------------------------------------------===//
// Compiling
//===----------------------------------------------------------------------===//

/// Null for none.
static std::optional<Stage> getStage(int last) {
  if (last == DGEMM_TO_PTX)
    return Stage::PTX;
  return last == DGEMM_TO_CUBIN ? std::optional(Stage::Cubin) : std::nullopt;
}
static char *failForStage(int last) {
  return fail("expected to compile to DGEMM_TO_PTX (0) or DGEMM_TO_CUBIN (1), but got " + llvm::Twine(last));
}

static dgemm_kernels *toHandle(std::vector<CompiledKernel> compiled) {
  auto *result = new dgemm_kernels;
  for (CompiledKernel &kernel : compiled) {
    std::string launch = kernel.launch.toJSON(), remarks;
    for (const std::string &remark : kernel.remarks)
      remarks += remark + "\n";
    result->kernels.push_back({std::move(kernel), std::move(launch), std::move(remarks), nullptr});
  }
  return result;
}

char *dgemm_compile_problem(const dgemm_problem *problem, const dgemm_options *options, int last,
                            dgemm_kernels **kernels) {
  if (isAnyNull(problem, kernels))
    return failForNull("dgemm_compile_problem");
  std::optional<Stage> stage = getStage(last);
  if (!stage)
    return failForStage(last);
  std::vector<CompiledKernel> compiled(1);
  if (llvm::Error error = compileKernel(problem->shape, getOptions(options), *stage).moveInto(compiled.front()))
    return fail(std::move(error));
  *kernels = toHandle(std::move(compiled));
  return nullptr;
}

char *dgemm_compile_ir(const char *ir, size_t length, const dgemm_options *options, int last, dgemm_kernels **kernels) {
  if (isAnyNull(ir, kernels))
    return failForNull("dgemm_compile_ir");
  std::optional<Stage> stage = getStage(last);
  if (!stage)
    return failForStage(last);
  llvm::Expected<std::vector<CompiledKernel>> compiled =
      compileModule(llvm::StringRef(ir, length), getOptions(options), *stage);
  if (!compiled)
    return fail(compiled.takeError());
  *kernels = toHandle(std::move(*compiled));
  return nullptr;
}

/// `shape` with a guess at how many rows there will be.
static GemmShape expectRows(GemmShape shape, int64_t rows) {
  shape.expectedM = rows;
  return shape;
}

char *dgemm_precompile(const dgemm_problem *problem, const dgemm_options *options, const int64_t *rows, size_t count,
                       int last, dgemm_kernels **kernels, size_t *indices) {
  if (isAnyNull(problem, kernels) || (count && isAnyNull(rows, indices)))
    return failForNull("dgemm_precompile");
  std::optional<Stage> stage = getStage(last);
  if (!stage)
    return failForStage(last);
  if (problem->shape.m != DGEMM_DYNAMIC && problem->shape.layout != GemmLayout::Masked)
    return fail("expected m of a problem for many numbers of rows to be dynamic, but got " +
                llvm::Twine(problem->shape.m));
  std::vector<CompiledKernel> compiled;
  std::vector<size_t> found;
  llvm::StringMap<size_t> known;
  for (int64_t each : llvm::ArrayRef(rows, count)) {
    llvm::Expected<std::string> config = chooseConfig(expectRows(problem->shape, each), getOptions(options));
    if (!config)
      return fail(config.takeError());
    auto [entry, isNew] = known.try_emplace(*config, compiled.size());
    found.push_back(entry->second);
    if (!isNew)
      continue;
    CompileOptions fixed = getOptions(options);
    fixed.config = *config;
    if (llvm::Error error =
            compileKernel(expectRows(problem->shape, each), fixed, *stage).moveInto(compiled.emplace_back()))
      return fail(std::move(error));
  }
  *kernels = toHandle(std::move(compiled));
  llvm::copy(found, indices);
  return nullptr;
}

void dgemm_kernels_destroy(dgemm_kernels *kernels) { delete kernels; }
size_t dgemm_kernels_count(const dgemm_kernels *kernels) { return kernels ? kernels->kernels.size() : 0; }

static const dgemm_kernels::Kernel *getKernel(const dgemm_kernels *kernels, size_t index) {
  return index < dgemm_kernels_count(kernels) ? &kernels->kernels[index] : nullptr;
}
const char *dgemm_kernels_entry(const dgemm_kernels *kernels, size_t index) {
  const auto *kernel = getKernel(kernels, index);
  return kernel ? kernel->compiled.launch.entry.c_str() : nullptr;
}
const char *dgemm_kernels_ptx(const dgemm_kernels *kernels, size_t index) {
  const auto *kernel = getKernel(kernels, index);
  return kernel ? kernel->compiled.ptx.c_str() : nullptr;
}
const void *dgemm_kernels_cubin(const dgemm_kernels *kernels, size_t index, size_t *size) {
  const auto *kernel = getKernel(kernels, index);
  if (size)
    *size = kernel ? kernel->compiled.cubin.size() : 0;
  return kernel && !kernel->compiled.cubin.empty() ? kernel->compiled.cubin.data() : nullptr;
}
const char *dgemm_kernels_launch(const dgemm_kernels *kernels, size_t index) {
  const auto *kernel = getKernel(kernels, index);
  return kernel ? kernel->launch.c_str() : nullptr;
}
const char *dgemm_kernels_config(const dgemm_kernels *kernels, size_t index) {
  const auto *kernel = getKernel(kernels, index);
  return kernel ? kernel->compiled.launch.config.c_str() : nullptr;
}
const char *dgemm_kernels_config_source(const dgemm_kernels *kernels, size_t index) {
  const auto *kernel = getKernel(kernels, index);
  return kernel ? toString(kernel->compiled.configSource).data() : nullptr; // of a literal
}
const char *dgemm_kernels_remarks(const dgemm_kernels *kernels, size_t index) {
  const auto *kernel = getKernel(kernels, index);
  return kernel ? kernel->remarks.c_str() : nullptr;
}

//===----------------------------------------------------------------------===//
// Launching
//===----------------------------------------------------------------------===//

/// Loads the kernel once for all launchers.
static CudaKernel &getCudaKernel(dgemm_kernels &kernels, size_t index) {
  std::lock_guard<std::mutex> lock(kernels.mutex);
  dgemm_kernels::Kernel &kernel = kernels.kernels[index];
  if (!kernel.cuda)
    kernel.cuda =
        std::make_unique<CudaKernel>(KernelImage{kernel.compiled.ptx, kernel.compiled.cubin, kernel.compiled.launch});
  return *kernel.cuda;
}

char *dgemm_launcher_create(dgemm_kernels *kernels, size_t index, int device, const char *const *names,
                            const int64_t *values, size_t count, int64_t multiprocessors, dgemm_launcher **launcher) {
  if (isAnyNull(kernels, launcher) || (count && isAnyNull(names, values)))
    return failForNull("dgemm_launcher_create");
  if (index >= dgemm_kernels_count(kernels))
    return fail("expected a kernel below " + llvm::Twine(dgemm_kernels_count(kernels)) + ", but got " +
                llvm::Twine(index));
  Sizes sizes;
  for (size_t i = 0; i < count; ++i) {
    if (!names[i])
      return failForNull("dgemm_launcher_create");
    sizes[names[i]] = values[i];
  }
  auto launch = getCudaKernel(*kernels, index).prepare(device, sizes, multiprocessors);
  if (!launch)
    return fail(launch.takeError());
  *launcher = new dgemm_launcher{std::move(*launch)};
  return nullptr;
}

void dgemm_launcher_destroy(dgemm_launcher *launcher) { delete launcher; }

char *dgemm_launcher_launch(dgemm_launcher *launcher, const uint64_t *addresses, size_t count, void *stream) {
  if (isAnyNull(launcher, addresses))
    return failForNull("dgemm_launcher_launch");
  if (llvm::Error error = launcher->launch->launch(llvm::ArrayRef(addresses, count), stream))
    return fail(std::move(error));
  return nullptr;
}

//===----------------------------------------------------------------------===//
// IR and configs
//===----------------------------------------------------------------------===//

char *dgemm_lower_problem(const dgemm_problem *problem, const dgemm_options *options, const char *stage, char **text) {
  if (isAnyNull(problem, stage, text))
    return failForNull("dgemm_lower_problem");
  std::optional<Stage> parsed = parseStage(stage);
  if (!parsed)
    return fail("expected a stage of the compiler, but got '" + llvm::Twine(stage) + "'");
  return give(lowerToText(problem->shape, *parsed, getOptions(options)), text);
}

char *dgemm_lower_ir(const char *ir, size_t length, const dgemm_options *options, const char *stage, char **text) {
  if (isAnyNull(ir, stage, text))
    return failForNull("dgemm_lower_ir");
  std::optional<Stage> parsed = parseStage(stage);
  if (!parsed)
    return fail("expected a stage of the compiler, but got '" + llvm::Twine(stage) + "'");
  return give(lowerToText(llvm::StringRef(ir, length), *parsed, getOptions(options)), text);
}

char *dgemm_choose_config(const dgemm_problem *problem, const dgemm_options *options, char **config) {
  if (isAnyNull(problem, config))
    return failForNull("dgemm_choose_config");
  return give(chooseConfig(problem->shape, getOptions(options)), config);
}

char *dgemm_list_configs(const dgemm_problem *problem, const dgemm_options *options, char **configs) {
  if (isAnyNull(problem, configs))
    return failForNull("dgemm_list_configs");
  llvm::Expected<std::vector<std::string>> lines = listConfigs(problem->shape, getOptions(options));
  if (!lines)
    return fail(lines.takeError());
  *configs = copy(llvm::join(*lines, "\n"));
  return nullptr;
}
