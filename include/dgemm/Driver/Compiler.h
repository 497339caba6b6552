//===- Compiler.h - Problem in, kernel out ----------------------*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The library's front door, shared by the tools and by embedders. Every function may be called from several threads at
// once. Each call makes its own MLIRContext, except compileModule of a module, which uses the caller's. Nothing here
// prints, exits or aborts: a failure is an llvm::Error whose message has the MLIR diagnostics.
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

/// The block of A (rows: M, tokens) or of B (rows: N, channels) that one scale covers.
enum class ScaleGranularity {
  Tensor,      ///< all of it
  Row,         ///< a row
  RowBlock,    ///< 128 elements of a row
  SquareBlock, ///< 128 x 128
  None         ///< there are no scales
};
/// "tensor", "row", "1x128", "128x128", "none".
llvm::StringRef toString(ScaleGranularity granularity);
std::optional<ScaleGranularity> parseScaleGranularity(llvm::StringRef name);

/// D[M,N] = A[M,K] x B[N,K]^T: sizes in elements, kDynamic for one that is given at launch, and the layout in memory.
struct GemmShape {
  static constexpr int64_t kDynamic = -1;
  /// Masked: rows that each group has memory for.
  int64_t m = kDynamic;
  int64_t n = kDynamic;
  int64_t k = kDynamic;
  GemmLayout layout = GemmLayout::Dense;
  /// Number of groups of a grouped layout.
  int64_t groups = kDynamic;
  /// Contiguous and offsets: each group starts at a multiple of this many rows. Contiguous: block M of the config
  /// divides it. K-grouped: each group starts at a multiple of this many columns of K, which is a multiple of 128.
  int64_t rowAlignment = 128;
  /// A guess at a dynamic M, or at the rows of a group of a masked or offsets layout, for the choice of the config; 0
  /// for none.
  int64_t expectedM = 0;
  /// Elements from one row of A, B and D to the next; 0 for no padding. A dynamic one is a size "LDA", "LDB" or "LDD"
  /// of the launch.
  int64_t lda = 0, ldb = 0, ldd = 0;
  /// Batched: elements from one A, B and D to the next; 0 if they follow each other. The rows of one matrix may be
  /// between the rows of another, as for x[:, g], if no two elements of D have the same address.
  int64_t batchStrideA = 0, batchStrideB = 0, batchStrideD = 0;
  /// Promised divisors of dynamic sizes, in elements. TMA requires rows that are multiples of 16 bytes: K (or the
  /// leading dimension) of 16 for A and B, N of 8 for D, or of 16 if D is FP8. Without the promise, a kernel does not
  /// use TMA and takes every value. With it, a launch refuses other values.
  int64_t nDivisor = 1, kDivisor = 1, ldaDivisor = 1, ldbDivisor = 1, lddDivisor = 1;
  /// Scales are f32. Scales for each row are [K/128, M] or [1, M], with M innermost and a padded stride (for B: N).
  /// Scales of square blocks are [M/128, K/128]. A single scale is [1, 1]. With None, the kernel has no such operand.
  ScaleGranularity scaleA = ScaleGranularity::RowBlock, scaleB = ScaleGranularity::SquareBlock;
  /// F8E4M3FN or F8E5M2, in any combination.
  ElementType aType = ElementType::F8E4M3FN, bType = ElementType::F8E4M3FN;
  /// Type of D: BF16, F16, F32, or a type of FP8. D is then quantised: the kernel also writes scale_D, a scale for each
  /// row and 128 columns of D, [N/128, M] with M innermost and a padded stride (docs/epilogues.md).
  ElementType outType = ElementType::BF16;
  /// The product is added to what D holds.
  bool accumulate = false;
  /// Fast and balanced need scales that do not vary along K: tensor, row or none.
  Accuracy accuracy = Accuracy::Exact;
  /// scale_A, by 1x128 or row, is [M, K/128] row-major, as quantisers write it, instead of M-innermost with a padded
  /// stride.
  bool scaleAKInnermost = false;
  /// The same for scale_B: [N, K/128] row-major instead of N-innermost.
  bool scaleBKInnermost = false;
  /// scale_B, by 128x128, is N-innermost instead of K-innermost.
  bool scaleBNInnermost = false;
  /// scale_D is [M, N/128] row-major instead of M-innermost.
  bool scaleDNInnermost = false;
  /// Elements from one line of scales to the next, where a line is what lies innermost; 0 for lines without gaps, or
  /// padded to 16 bytes where rows are innermost. With scales of a tensor there is no line.
  int64_t scaleAPitch = 0, scaleBPitch = 0;
  /// Programmatic dependent launch: the kernel sets itself up while the previous one in the stream still runs, and
  /// waits for it before it reads.
  bool pdl = false;
  /// The epilogue of the sums before they are stored (docs/epilogues.md): names of ready-made epilogues joined by +,
  /// such as "bias+gelu", or MLIR text with one or more functions of the element and of operands. Empty for none.
  std::string epilogue = "";
};

/// Names of the ready-made epilogues, separated by commas.
std::string listEpilogues();

/// The outputs of the compiler, in the order in which they are made.
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
/// "problem", "configured", ..., the names of `dgemm-gen --emit`.
llvm::StringRef toString(Stage stage);
std::optional<Stage> parseStage(llvm::StringRef name);

struct CompileOptions {
  /// Given fields of #dgemm.config, for example "block = 128x192x128, stages = 4"; the tuned table, or else the cost
  /// model, chooses the others. Between < and >, as listConfigs returns it: a complete config.
  std::string config;
  /// Kernel symbol, a valid PTX name; empty for a name made from the shape.
  std::string entry;
  /// File of the IR text: a diagnostic starts with "kernel.mlir:3:7: ..." and ends with the line of the text. Empty for
  /// text of makeProblem: diagnostics then have no location.
  std::string irName = "input";
  /// The only supported chip is "sm_90a".
  std::string chip = "sm_90a";
  /// GPU that configs are chosen for: h100, h100-pcie, h200, gh200 or h20; empty for that of the module, or h100.
  std::string machine;
  /// Multiprocessors that the cost model assumes; 0 for those of the machine.
  int64_t multiprocessors = 0;
  /// File of a tuned table (docs/tuning.md) that precedes those of the library; empty for none.
  std::string tunedTable;
  /// File with the configs that ptxas spills (docs/tuning.md), in place of the library's; empty for the library's.
  std::string spillData;
  /// Complete configs that must not be chosen.
  std::vector<std::string> avoidedConfigs;
  /// ptxas to use; empty to search as findAssembler does.
  std::string ptxas;
  /// nvdisasm to use for Stage::SASS; empty to search as findDisassembler does.
  std::string nvdisasm;
  /// Which FFMAs of the promotion yield to other warps; the cubin is rewritten.
  sass::InterleavePolicy interleaveFFMA = sass::InterleavePolicy::None;
};

/// Milliseconds of wall time spent in each step, in order.
using StageTimes = std::vector<std::pair<std::string, double>>;

/// The source of the fields of a config that were not given.
enum class ConfigSource { Input, TunedTable, CostModel };
/// "the input", "the tuned table", "the cost model".
llvm::StringRef toString(ConfigSource source);

struct CompiledKernel {
  std::string ptx;
  /// ELF image; empty unless the cubin was requested.
  std::string cubin;
  /// Disassembly of `cubin`; empty unless requested.
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

/// IR text of the problem: one func.func with one dgemm.gemm. Error: a size, a stride or an alignment is out of range
/// or not a multiple of its divisor, or the entry is not a valid name.
llvm::Expected<std::string> makeProblem(const GemmShape &shape, const CompileOptions &options = {});

/// Every legal config of the problem with the fields of options.config, as #dgemm.config text without the name, the
/// best by the cost model first. Error: a malformed field.
llvm::Expected<std::vector<std::string>> listConfigs(const GemmShape &shape, const CompileOptions &options = {});

/// The configs of listConfigs that are one step away from a complete `config`: one field differs, a number by the next
/// lower or next higher value.
llvm::Expected<std::vector<std::string>> listNeighbours(const GemmShape &shape, llvm::StringRef config,
                                                        const CompileOptions &options = {});
/// Legal variants of a complete `config` that differ only in the order of tiles and K blocks, which listConfigs does
/// not vary.
llvm::Expected<std::vector<std::string>> listOrders(llvm::StringRef config);

/// The row alignment of groups that the kernel of these arguments requires: block M of its config. It divides
/// shape.rowAlignment, and may be as low as 64.
llvm::Expected<int64_t> getMAlignmentForContiguousLayout(const GemmShape &shape, const CompileOptions &options = {});

/// A text about the config that the compiler chooses for the problem: its predicted time on the machine, what bounds
/// it, and the best other config. Error: no legal config has the fields of options.config.
llvm::Expected<std::string> explainConfig(const GemmShape &shape, const CompileOptions &options = {});

/// The complete config that the compiler chooses for the problem, as #dgemm.config text without the name. Error: no
/// legal config has the fields of options.config.
llvm::Expected<std::string> chooseConfig(const GemmShape &shape, const CompileOptions &options = {});

/// Compiles each kernel of IR text, of any level from problem to nvvm, in order: each dgemm.gemm among other ops, or
/// its lowered form. Gemms of equal problems and configs become one kernel. A config in the input is kept. With `last`
/// = PTX the cubins stay empty. If ptxas spills registers of a chosen config or serialises its wgmmas, the next best
/// config is taken, with a remark; for a given config, this is an error. The first line of an error states it, and its
/// location if it is in the text.
llvm::Expected<std::vector<CompiledKernel>> compileModule(llvm::StringRef ir, const CompileOptions &options = {},
                                                          Stage last = Stage::Cubin);
/// The same for a module in the caller's context; the module does not change. The passes' dialects are loaded into the
/// context, and nothing else may use it meanwhile.
llvm::Expected<std::vector<CompiledKernel>> compileModule(mlir::ModuleOp module, const CompileOptions &options = {},
                                                          Stage last = Stage::Cubin);
/// Compiles the problem `shape`.
llvm::Expected<CompiledKernel> compileKernel(const GemmShape &shape, const CompileOptions &options = {},
                                             Stage last = Stage::Cubin);

/// The text of `ir` lowered to `stage`, which is one of Problem to LLVM.
llvm::Expected<std::string> lowerToText(llvm::StringRef ir, Stage stage, const CompileOptions &options = {},
                                        StageTimes *times = nullptr);
/// The same for the problem `shape`.
llvm::Expected<std::string> lowerToText(const GemmShape &shape, Stage stage, const CompileOptions &options = {},
                                        StageTimes *times = nullptr);

} // namespace dgemm

#endif // DGEMM_DRIVER_COMPILER_H
