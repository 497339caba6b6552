//===- Compiler.h - Problem in, kernel out ----------------------*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The library's front door, shared by the tools and by embedders. Every function may be called from several threads at
// once; each call makes its own MLIRContext, but for compileModule of a module in a context of the caller's. Nothing
// here prints, exits or aborts: a failure is an llvm::Error whose message carries the MLIR diagnostics.
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_DRIVER_COMPILER_H
#define DGEMM_DRIVER_COMPILER_H

#include "dgemm/Launch/LaunchDescriptor.h"
#include "dgemm/Sass/Interleave.h"
#include "dgemm/Target/Assembler.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace mlir {
class ModuleOp;
} // namespace mlir

namespace dgemm {

/// What of A (rows: M, tokens) or of B (rows: N, channels) one scale belongs to.
enum class ScaleGranularity {
  Tensor,     ///< all of it
  Row,        ///< a row
  RowBlock,   ///< 128 elements of a row
  SquareBlock ///< 128 x 128
};
/// "tensor", "row", "1x128", "128x128".
llvm::StringRef toString(ScaleGranularity granularity);
std::optional<ScaleGranularity> parseScaleGranularity(llvm::StringRef name);

/// D[M,N] = A[M,K] x B[N,K]^T: sizes in elements, kDynamic for one that is given at launch, and how it lies in memory.
struct GemmShape {
  static constexpr int64_t kDynamic = -1;
  /// Masked: rows that each group has memory for.
  int64_t m = kDynamic;
  int64_t n = kDynamic;
  int64_t k = kDynamic;
  GemmLayout layout = GemmLayout::Dense;
  /// Of a grouped layout.
  int64_t groups = kDynamic;
  /// Contiguous and offsets: each group starts at a multiple of so many rows. Contiguous: block M of the config divides
  /// it. K-grouped: of so many columns of K, a multiple of 128.
  int64_t rowAlignment = 128;
  /// A guess at a dynamic M, or at the rows of a group of a masked or offsets layout, for the choice of the config; 0
  /// for none.
  int64_t expectedM = 0;
  /// Elements from one row of A, B and D to the next; 0 for no padding. A dynamic one is a size "LDA", "LDB" or "LDD"
  /// of the launch.
  int64_t lda = 0, ldb = 0, ldd = 0;
  /// What dynamic sizes are promised to be multiples of, in elements. TMA wants rows of multiples of 16 bytes: K (or
  /// the leading dimension) of 16 for A and B, N of 8 for D. Without the promise a kernel does without TMA and takes
  /// every value; with it a launch refuses what breaks it.
  int64_t nDivisor = 1, kDivisor = 1, ldaDivisor = 1, ldbDivisor = 1, lddDivisor = 1;
  /// Scales are f32. Those for each row are [K/128, M] or [1, M], M innermost with a padded stride (of B: N), those of
  /// square blocks [M/128, K/128]; one scale is [1, 1].
  ScaleGranularity scaleA = ScaleGranularity::RowBlock, scaleB = ScaleGranularity::SquareBlock;
  /// F8E4M3FN or F8E5M2, in any mix.
  ElementType aType = ElementType::F8E4M3FN, bType = ElementType::F8E4M3FN;
  /// Of D: BF16, F16 or F32.
  ElementType outType = ElementType::BF16;
  /// The product is added to what D holds.
  bool accumulate = false;
  /// Fast wants scales that are the same along K: tensor or row.
  Accuracy accuracy = Accuracy::Exact;
  /// scale_A, by 1x128 or row, lies as [M, K/128] row-major, as quantisers write it, instead of M-innermost with a
  /// padded stride.
  bool scaleAKInnermost = false;
  /// The same of scale_B: as [N, K/128] row-major instead of N-innermost.
  bool scaleBKInnermost = false;
  /// scale_B, by 128x128, lies N-innermost instead of K-innermost.
  bool scaleBNInnermost = false;
  /// Programmatic dependent launch: the kernel sets itself up while the one in front of it in the stream still runs,
  /// and waits for it before it reads.
  bool pdl = false;
  /// What becomes of the sums before they are stored (docs/epilogues.md): names of ready-made epilogues with + between
  /// them, "bias+gelu", or MLIR text, one or more functions of the element and of operands. Empty for nothing.
  std::string epilogue = "";
};

/// Names of the ready-made epilogues, with commas between.
std::string listEpilogues();

/// What can be had from the compiler, in the order in which it is made.
enum class Stage {
  Problem,
  Configured,
  Tiled,
  Promoted,
  Specialized,
  TMA,
  WGMMA,
  NVVM,
  LLVM,
  PTX,
  Cubin,
  SASS,
  Launch
};
/// "problem", "configured", ... as `dgemm-gen --emit` spells them.
llvm::StringRef toString(Stage stage);
std::optional<Stage> parseStage(llvm::StringRef name);

struct CompileOptions {
  /// Fields of #dgemm.config to take as given, for example "block = 128x192x128, stages = 4"; the tuned table, or else
  /// the cost model, chooses the rest. Between < and >, as listConfigs gives it: a whole config.
  std::string config;
  /// Kernel symbol, a name as PTX has them; empty for a name made of the shape.
  std::string entry;
  /// File that IR text comes from: "kernel.mlir:3:7: ..." starts a diagnostic, and the line of the text stands behind
  /// it. Empty for text that makeProblem made: diagnostics name no place in it.
  std::string irName = "input";
  /// The only supported chip is "sm_90a".
  std::string chip = "sm_90a";
  /// GPU that configs are chosen for: h100, h100-pcie, h200, gh200 or h20; empty for that of the module, or h100.
  std::string machine;
  /// Multiprocessors that the cost model assumes; 0 for those of the machine.
  int64_t multiprocessors = 0;
  /// File of a tuned table (docs/tuning.md) to look into before those of the library; empty for none.
  std::string tunedTable;
  /// File that says which configs ptxas spills (docs/tuning.md), in place of the library's; empty for that one.
  std::string spillData;
  /// Whole configs that are not to be chosen.
  std::vector<std::string> avoidedConfigs;
  /// ptxas to use; empty to search as findAssembler does.
  std::string ptxas;
  /// nvdisasm to use for Stage::SASS; empty to search as findDisassembler does.
  std::string nvdisasm;
  /// Which FFMAs of the promotion yield to other warps; rewritten in the cubin, whatever ptxas chose.
  sass::InterleavePolicy interleaveFFMA = sass::InterleavePolicy::None;
};

/// Milliseconds of wall time spent in each step, in order.
using StageTimes = std::vector<std::pair<std::string, double>>;

/// Who chose the config of a kernel, as far as no fields were given.
enum class ConfigSource { Input, TunedTable, CostModel };
/// "the input", "the tuned table", "the cost model".
llvm::StringRef toString(ConfigSource source);

struct CompiledKernel {
  std::string ptx;
  /// ELF image; empty unless the cubin was asked for.
  std::string cubin;
  /// Disassembly of `cubin`; empty unless asked for.
  std::string sass;
  LaunchDescriptor launch;
  ConfigSource configSource = ConfigSource::CostModel;
  /// Set together with `cubin`.
  std::optional<KernelResources> resources;
  /// Configs that were chosen before this one and that ptxas spills or serialises, each with ptxas' reason.
  std::vector<std::string> remarks;
  /// What CompileOptions::interleaveFFMA changed; nothing with the policy `none`.
  std::optional<sass::InterleaveChanges> interleaved;
  StageTimes times;
};

/// IR text of the problem: one func.func that holds one dgemm.gemm. Error: a size, a stride or an alignment outside of
/// its limits, one that is no multiple of its divisor, or an entry that is no name.
llvm::Expected<std::string> makeProblem(const GemmShape &shape, const CompileOptions &options = {});

/// Every legal config of the problem, as #dgemm.config text without the name, that has the fields of options.config; in
/// the order in which the cost model would choose. Error: a malformed field.
llvm::Expected<std::vector<std::string>> listConfigs(const GemmShape &shape, const CompileOptions &options = {});

/// The configs of listConfigs that are one step away from a whole `config`: one field differs, a number by the next
/// lower or next higher value.
llvm::Expected<std::vector<std::string>> listNeighbours(const GemmShape &shape, llvm::StringRef config,
                                                        const CompileOptions &options = {});
/// Legal variants of a whole `config` in the order of tiles and K blocks alone, which listConfigs does not vary.
llvm::Expected<std::vector<std::string>> listOrders(llvm::StringRef config);

/// How many rows the start of each group has to be a multiple of, for the kernel that these arguments compile to: block
/// M of its config. At most shape.rowAlignment, which it divides; 64 where the config has such tiles.
llvm::Expected<int64_t> getMAlignmentForContiguousLayout(const GemmShape &shape, const CompileOptions &options = {});

/// Some lines on the config that the compiler chooses for the problem: what it is expected to take on the machine, what
/// bounds it, and what is the best other. Error: no legal config has the fields of options.config.
llvm::Expected<std::string> explainConfig(const GemmShape &shape, const CompileOptions &options = {});

/// The config that the compiler chooses for the problem, in full, as #dgemm.config text without the name. Error: no
/// legal config has the fields of options.config.
llvm::Expected<std::string> chooseConfig(const GemmShape &shape, const CompileOptions &options = {});

/// Compiles each kernel of IR text, of any level from problem to nvvm, in order: each dgemm.gemm, wherever it stands
/// among other ops, or what it became; those of equal problems and configs are one. An input that has a config takes no
/// other. With `last` = PTX the cubins stay empty. Where ptxas spills the registers of a config that was chosen, or
/// serialises its wgmmas, the next best is taken, with a remark; of a config that was given that is an error. Error:
/// its first line says what is wrong, and where if that is a place in the text.
llvm::Expected<std::vector<CompiledKernel>> compileModule(llvm::StringRef ir, const CompileOptions &options = {},
                                                          Stage last = Stage::Cubin);
/// The same of a module in a context of the caller's, which stays as it is. The context gets the dialects that passes
/// need; nothing else may use it meanwhile.
llvm::Expected<std::vector<CompiledKernel>> compileModule(mlir::ModuleOp module, const CompileOptions &options = {},
                                                          Stage last = Stage::Cubin);
/// Compiles the problem `shape`.
llvm::Expected<CompiledKernel> compileKernel(const GemmShape &shape, const CompileOptions &options = {},
                                             Stage last = Stage::Cubin);

/// The IR of `ir` lowered as far as `stage`, which is one of Problem to LLVM, as text.
llvm::Expected<std::string> lowerToText(llvm::StringRef ir, Stage stage, const CompileOptions &options = {},
                                        StageTimes *times = nullptr);
/// The same of the problem `shape`.
llvm::Expected<std::string> lowerToText(const GemmShape &shape, Stage stage, const CompileOptions &options = {},
                                        StageTimes *times = nullptr);

} // namespace dgemm

#endif // DGEMM_DRIVER_COMPILER_H
