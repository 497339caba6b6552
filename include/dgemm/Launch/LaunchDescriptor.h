//===- LaunchDescriptor.h - What a kernel needs to be launched --*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A compiled kernel is PTX or a cubin plus this document. It states grid, parameters and tensor maps completely, so an
// embedder launches with the descriptor alone, as lib/Runtime and lib/Emulator do. Depends only on LLVM Support.
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_LAUNCH_LAUNCHDESCRIPTOR_H
#define DGEMM_LAUNCH_LAUNCHDESCRIPTOR_H

#include "dgemm/Launch/SizeExpr.h"
#include <array>
#include <optional>
#include <string>
#include <vector>

namespace dgemm {

/// Version of the JSON document; a reader refuses any other.
constexpr int64_t kLaunchDescriptorVersion = 3;

/// Largest M, N, K, number of groups and leading dimension: kernels take them in 32 bits.
constexpr int64_t kMaxSize = 2147483647;
/// Limits of sm_90 (CUDA C++ Programming Guide, "Compute Capabilities"): CTAs of a cluster, if the kernel allows more
/// than the portable 8, and bytes of shared memory of a CTA.
constexpr int64_t kMaxClusterCTAs = 16, kMaxSharedMemory = 232448;

/// Element types of operands and tensor maps, named as in MLIR.
enum class ElementType { F8E4M3FN, F8E5M2, F8E8M0FNU, BF16, F16, F32, I32 };
constexpr ElementType kElementTypes[] = {ElementType::F8E4M3FN, ElementType::F8E5M2, ElementType::F8E8M0FNU,
                                         ElementType::BF16,     ElementType::F16,    ElementType::F32,
                                         ElementType::I32};
unsigned getByteWidth(ElementType type);
/// "f8E4M3FN", "f8E5M2", "f8E8M0FNU", "bf16", "f16", "f32" and "i32".
llvm::StringRef toString(ElementType type);
std::optional<ElementType> parseElementType(llvm::StringRef name);
/// True for types that a tensor map knows as floats, so that it can fill with NaN: bf16, f16 and f32.
bool isFloatOfTensorMap(ElementType type);

/// How the rows of a problem are grouped.
enum class GemmLayout {
  Dense,
  Contiguous, ///< the rows of all groups in one A and D; the operand "m_indices" [M] gives each row's group
  Masked,     ///< every operand has the group in front; "masked_m" [G] says how many rows of each are computed
  Offsets,    ///< as contiguous, but the operand "offsets" [G] gives the row after the last of each group
  KGrouped,   ///< "offsets" [G] gives the column of K after the last of each group; "d" has G in front
  Batched     ///< every operand has the group in front, and all rows of each group are computed
};
/// "dense", "contiguous", "masked", "offsets", "k_grouped" and "batched".
llvm::StringRef toString(GemmLayout layout);
std::optional<GemmLayout> parseGemmLayout(llvm::StringRef name);
/// True if each group has an A and a D of its own, of M rows.
inline bool hasOwnRows(GemmLayout layout) { return layout == GemmLayout::Masked || layout == GemmLayout::Batched; }
/// True if an operand says where the groups begin or how large they are.
inline bool readsGroups(GemmLayout layout) { return layout != GemmLayout::Dense && layout != GemmLayout::Batched; }

/// The promised accuracy of a result.
enum class Accuracy {
  Exact,    ///< the tensor core's accumulator is promoted to f32 at least once for each 128 of K
  Balanced, ///< at least once for each 256 of K
  Fast      ///< it runs along all of K, with the 13 bits that it keeps behind its leading one
};
/// "exact", "balanced" and "fast".
llvm::StringRef toString(Accuracy accuracy);
std::optional<Accuracy> parseAccuracy(llvm::StringRef name);

/// One global-memory operand of the problem: "a" [M, K], "b" [N, K], "d" [M, N], "scale_a" and "scale_b", if A and B
/// have scales; with groups some have G in front, and there are "m_indices" [M] (i32, -1: padding), "masked_m" [G] or
/// "offsets" [G] (i32).
struct OperandInfo {
  std::string name;
  ElementType type = ElementType::F32;
  /// Extents in elements, outermost first.
  std::vector<SizeExpr> shape;
  /// Strides in elements, outermost first. Elements do not overlap.
  std::vector<SizeExpr> strides;
  /// True when the kernel writes the operand (and then every element of it).
  bool isOutput = false;
  /// Of scales: [rows, k], the block of elements of A or B that one scale covers.
  std::optional<std::array<SizeExpr, 2>> granularity = std::nullopt;
};

/// What an operand of an epilogue has a value for.
enum class EpilogueAxis {
  N,   ///< each column
  M,   ///< each row
  MN,  ///< each element of D
  G,   ///< each group
  None ///< nothing: there is one
};
/// "n", "m", "mn", "g" and "none".
llvm::StringRef toString(EpilogueAxis axis);
std::optional<EpilogueAxis> parseEpilogueAxis(llvm::StringRef name);

struct EpilogueOperandInfo {
  /// The name of an entry of the descriptor's operands.
  std::string name;
  EpilogueAxis along = EpilogueAxis::None;
  /// f32, bf16 or f16.
  ElementType type = ElementType::F32;
};

struct EpilogueOpInfo {
  /// Its name in MLIR: "arith.addf".
  std::string op;
  /// Numbers of earlier values.
  std::vector<int64_t> args;
  /// Of arith.constant; 0 or 1 if it is a boolean.
  std::optional<double> value = std::nullopt;
  bool isBool = false;
  /// Of arith.cmpf, as MLIR spells it: "olt".
  std::string predicate = "";
  /// It may be as inexact as the hardware's approximation.
  bool isApproximate = false;
};

/// The epilogue that turns the sum into D. Values have numbers: first the sum (gated: those of two columns), then one
/// for each operand, then one for each op, in order.
struct EpilogueInfo {
  std::vector<EpilogueOperandInfo> operands;
  std::vector<EpilogueOpInfo> ops;
  /// Number of the value that is stored.
  int64_t result = 0;
  bool isGated = false;

  int64_t getNumSums() const { return isGated ? 2 : 1; }
  /// Values before the first op.
  int64_t getNumArguments() const { return getNumSums() + int64_t(operands.size()); }
};

/// Arguments of cuTensorMapEncodeTiled, innermost dimension first as there (cuda.h, CUDA 13.0). FP8 is encoded as
/// CU_TENSOR_MAP_DATA_TYPE_UINT8.
struct TensorMapInfo {
  /// The OperandInfo whose base address the map takes.
  std::string operand;
  ElementType type = ElementType::F32;
  /// globalDim in elements, 1 to 5 of them.
  std::vector<SizeExpr> dims;
  /// globalStrides in bytes, one fewer than dims (dims[0] is contiguous).
  std::vector<SizeExpr> strides;
  /// boxDim in elements.
  std::vector<SizeExpr> box;
  /// elementStrides, each 1 unless a map says otherwise.
  std::vector<int64_t> elementStrides;
  /// Swizzle width in bytes: 0 (none), 32, 64 or 128.
  int64_t swizzle = 0;
  /// Interleave width in bytes: 0 (none), 16 or 32.
  int64_t interleave = 0;
  /// L2 promotion in bytes: 0 (none), 64, 128 or 256.
  int64_t l2Promotion = 0;
  /// Out-of-bounds elements read as NaN instead of zero.
  bool oobFillNaN = false;
  /// Bytes from the operand's base address to globalAddress. A map with an offset sees rows through windows, which
  /// overlap: dimension 1 is the rows of a window, and dimension 2 counts the windows.
  std::optional<SizeExpr> offset = std::nullopt;
};

/// One kernel parameter, in the order of the kernel's signature.
struct ParameterInfo {
  enum class Kind {
    TensorMap, ///< 128 bytes by value, 64-byte aligned (__grid_constant__ const CUtensorMap)
    Pointer,   ///< 64-bit global address of an operand
    Size       ///< 32-bit signed integer
  };
  Kind kind = Kind::Pointer;
  std::string name;
  /// TensorMap: the map. Its operand names the memory.
  TensorMapInfo tensorMap;
  /// Pointer: the operand's name.
  std::string operand;
  /// Size: the value passed.
  SizeExpr value;
};

struct LaunchDescriptor {
  /// Kernel symbol in the PTX or cubin.
  std::string entry;
  /// "sm_90a".
  std::string target;
  /// Who made it: "dgemm 0.1.0".
  std::string generator;
  /// Text of the #dgemm.config that was used; informative.
  std::string config;
  Accuracy accuracy = Accuracy::Exact;
  GemmLayout layout = GemmLayout::Dense;
  /// Contiguous and offsets: each group starts at a multiple of this many rows; k_grouped: of this many columns of K.
  int64_t rowAlignment = 1;
  /// The product is added to what "d" holds.
  bool accumulate = false;
  /// Each size name with its static value, or -1 for a size given at launch: "M", "N", "K", "G" where there are groups,
  /// and "LDA", "LDB" and "LDD" (elements from one row to the next) where these are given at launch.
  std::vector<std::pair<std::string, int64_t>> sizes;
  /// Promised divisors of sizes given at launch, by name.
  std::vector<std::pair<std::string, int64_t>> divisors;
  std::vector<OperandInfo> operands;
  /// None: D is the sum, rounded.
  std::optional<EpilogueInfo> epilogue;
  /// Threads of a CTA (x only).
  int64_t threads = 0;
  /// Cluster dimensions; 1x1x1 for none.
  std::array<int64_t, 3> cluster = {1, 1, 1};
  /// Dynamic shared memory in bytes.
  int64_t sharedMemory = 0;
  /// Launched with CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION, it starts before the previous kernel in the
  /// stream has ended, and waits for it itself.
  bool programmaticStreamSerialization = false;
  /// Number of output tiles. The kernel is persistent, see `countCTAs`.
  SizeExpr tiles;
  /// The fewest CTAs that need the same number of waves.
  bool evenWaves = false;
  std::vector<ParameterInfo> parameters;

  const OperandInfo *findOperand(llvm::StringRef name) const;

  /// Binds the static sizes and takes the dynamic ones from `given`. Error: a dynamic size is missing or not a multiple
  /// of its divisor, a given value contradicts a static one, or a name is unknown.
  llvm::Expected<Sizes> bindSizes(const Sizes &given) const;

  /// grid.x for `tiles`: min(multiprocessors, tiles), in whole clusters, but at least one, even if it has more CTAs
  /// than there are tiles; with `evenWaves`, the fewest clusters with the same number of waves. 0 for 0 tiles: nothing
  /// is launched.
  int64_t countCTAs(int64_t tiles, int64_t multiprocessors) const;

  /// The document, with two-space indentation and a final newline.
  std::string toJSON() const;
  /// Error: not JSON, another version, a missing or ill-typed member (named by its path).
  static llvm::Expected<LaunchDescriptor> fromJSON(llvm::StringRef text);
};

} // namespace dgemm

#endif // DGEMM_LAUNCH_LAUNCHDESCRIPTOR_H
