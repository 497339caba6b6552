//===- ConfigAttr.cpp - #dgemm.config and #dgemm.tensor_map -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dgemm/IR/DGemm.h"
#include "dgemm/IR/HopperLimits.h"
#include "dgemm/IR/RegisterBudget.h"
#include "dgemm/IR/SharedMemoryLayout.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace dgemm;

//===----------------------------------------------------------------------===//
// ConfigAttr
//===----------------------------------------------------------------------===//

/// `block = MxNxK`, `cluster = MxN`, `evict_first = b` and integer fields, in any order.
Attribute ConfigAttr::parse(AsmParser &parser, Type) {
  SmallVector<int64_t> block, cluster;
  std::optional<int64_t> stages, mathWarpgroups, groupM, splitK, unrollK;
  std::optional<bool> evictFirstB, rotateKLoop, evenWaves, earlyStore, serpentineK, pdl;
  auto parseInteger = [&](std::optional<int64_t> &field) -> ParseResult {
    if (field)
      return parser.emitError(parser.getCurrentLocation(), "field given twice");
    return parser.parseInteger(field.emplace());
  };
  auto parseEvictFirst = [&]() -> ParseResult {
    StringRef operand;
    SMLoc loc = parser.getCurrentLocation();
    if (evictFirstB)
      return parser.emitError(loc, "field given twice");
    if (parser.parseKeyword(&operand))
      return failure();
    if (operand != "b" && operand != "none")
      return parser.emitError(loc) << "expected 'evict_first' of #dgemm.config to be b or none, but got " << operand;
    evictFirstB = operand == "b";
    return success();
  };
  auto parseBool = [&](StringRef key, std::optional<bool> &field) -> ParseResult {
    StringRef value;
    SMLoc loc = parser.getCurrentLocation();
    if (field)
      return parser.emitError(loc, "field given twice");
    if (parser.parseKeyword(&value) || (value != "true" && value != "false"))
      return parser.emitError(loc) << "expected '" << key << "' of #dgemm.config to be true or false";
    field = value == "true";
    return success();
  };
  SMLoc start = parser.getCurrentLocation();
  auto parseField = [&]() -> ParseResult {
    StringRef key;
    SMLoc loc = parser.getCurrentLocation();
    if (parser.parseKeyword(&key) || parser.parseEqual())
      return failure();
    if (key == "block")
      return parser.parseDimensionList(block, /*allowDynamic=*/false, /*withTrailingX=*/false);
    if (key == "stages")
      return parseInteger(stages);
    if (key == "math_warpgroups")
      return parseInteger(mathWarpgroups);
    if (key == "group_m")
      return parseInteger(groupM);
    if (key == "cluster")
      return parser.parseDimensionList(cluster, /*allowDynamic=*/false, /*withTrailingX=*/false);
    if (key == "split_k")
      return parseInteger(splitK);
    if (key == "evict_first")
      return parseEvictFirst();
    if (key == "rotate_k_loop")
      return parseBool(key, rotateKLoop);
    if (key == "unroll_k")
      return parseInteger(unrollK);
    if (key == "even_waves")
      return parseBool(key, evenWaves);
    if (key == "early_store")
      return parseBool(key, earlyStore);
    if (key == "serpentine_k")
      return parseBool(key, serpentineK);
    if (key == "pdl")
      return parseBool(key, pdl);
    return parser.emitError(loc) << "unknown field '" << key << "' of #dgemm.config; known are " << kConfigFieldNames;
  };
  if (parser.parseCommaSeparatedList(AsmParser::Delimiter::LessGreater, parseField))
    return {};
  if (block.size() != 3 || !stages || !mathWarpgroups || !groupM) {
    parser.emitError(start, "expected #dgemm.config to give block = MxNxK, stages, math_warpgroups and group_m");
    return {};
  }
  if (cluster.empty())
    cluster = {1, 1};
  if (cluster.size() != 2) {
    parser.emitError(start, "expected 'cluster' of #dgemm.config to give MxN");
    return {};
  }
  return parser.getChecked<ConfigAttr>(
      start, parser.getContext(), block[0], block[1], block[2], *stages, *mathWarpgroups, *groupM, cluster[0],
      cluster[1], splitK.value_or(1), evictFirstB.value_or(false), rotateKLoop.value_or(false), unrollK.value_or(1),
      evenWaves.value_or(false), earlyStore.value_or(false), serpentineK.value_or(false), pdl.value_or(false));
}

void ConfigAttr::print(AsmPrinter &printer) const {
  printer << "<block = " << getBlockM() << "x" << getBlockN() << "x" << getBlockK() << ", stages = " << getStages()
          << ", math_warpgroups = " << getMathWarpgroups() << ", group_m = " << getGroupM();
  if (isMulticast())
    printer << ", cluster = " << getClusterM() << "x" << getClusterN();
  if (getSplitK() != 1)
    printer << ", split_k = " << getSplitK();
  if (getEvictFirstB())
    printer << ", evict_first = b";
  if (getRotateKLoop())
    printer << ", rotate_k_loop = true";
  if (getUnrollK() != 1)
    printer << ", unroll_k = " << getUnrollK();
  if (getEvenWaves())
    printer << ", even_waves = true";
  if (getEarlyStore())
    printer << ", early_store = true";
  if (getSerpentineK())
    printer << ", serpentine_k = true";
  if (getPdl())
    printer << ", pdl = true";
  printer << ">";
}

ConfigAttr ConfigAttr::withPdl(bool pdl) const {
  return get(getContext(), getBlockM(), getBlockN(), getBlockK(), getStages(), getMathWarpgroups(), getGroupM(),
             getClusterM(), getClusterN(), getSplitK(), getEvictFirstB(), getRotateKLoop(), getUnrollK(),
             getEvenWaves(), getEarlyStore(), getSerpentineK(), pdl);
}

bool ConfigAttr::fitsRegisters(bool loadsByTMA, bool isMasked, bool hasOneGroup) const {
  return getMathRegisters({getBlockM(), getBlockN(), getMathWarpgroups(), getSplitK(), isMulticast(), getRotateKLoop(),
                           getUnrollK(), getEarlyStore(), isMasked, hasOneGroup}) <=
         RegisterBudget::get(getMathWarpgroups(), getSplitK(), loadsByTMA, isMulticast()).consumer;
}

/// C1 to C6: each field for itself.
static LogicalResult verifyFields(function_ref<InFlightDiagnostic()> emitError, int64_t blockM, int64_t blockN,
                                  int64_t blockK, int64_t stages, int64_t mathWarpgroups, int64_t groupM) {
  if (mathWarpgroups < 1 || mathWarpgroups > 3)
    return emitError() << "expected 'math_warpgroups' to be 1 to 3, but got " << mathWarpgroups;
  int64_t slice = hopper::kWgmmaM * mathWarpgroups;
  if (blockM != slice && blockM != 2 * slice)
    return emitError() << "expected block M to be " << slice << " or " << 2 * slice << " for " << mathWarpgroups
                       << " math warpgroups (64 or 128 rows each), but got " << blockM;
  if (blockM > hopper::kTmaMaxBox)
    return emitError() << "expected block M to be at most " << hopper::kTmaMaxBox << " (TMA box limit), but got "
                       << blockM;
  if (blockN < hopper::kWgmmaNStep || blockN > hopper::kWgmmaMaxN || blockN % hopper::kWgmmaNStep)
    return emitError() << "expected block N to be a multiple of 8 from 8 to 256, but got " << blockN;
  if (int64_t columns = getMmaColumns(blockN); columns != blockN && columns % hopper::kWgmmaNStep)
    return emitError() << "expected block N to be a multiple of 16 where each half has an mma of its own, but got "
                       << blockN;
  if (blockK != kScaleBlock)
    return emitError() << "expected block K to be 128 (one scale block), but got " << blockK;
  if (stages < 2 || stages > 32)
    return emitError() << "expected 'stages' to be 2 to 32, but got " << stages;
  if (groupM < 1)
    return emitError() << "expected 'group_m' to be at least 1, but got " << groupM;
  return success();
}

LogicalResult ConfigAttr::verify(function_ref<InFlightDiagnostic()> emitError, int64_t blockM, int64_t blockN,
                                 int64_t blockK, int64_t stages, int64_t mathWarpgroups, int64_t groupM,
                                 int64_t clusterM, int64_t clusterN, int64_t splitK, bool, bool rotateKLoop,
                                 int64_t unrollK, bool, bool earlyStore, bool serpentineK, bool) {
  if (failed(verifyFields(emitError, blockM, blockN, blockK, stages, mathWarpgroups, groupM)))
    return failure();
  // C7.
  int64_t need = getMathRegisters(
      {blockM, blockN, mathWarpgroups, splitK, clusterM * clusterN > 1, rotateKLoop, unrollK, earlyStore});
  int64_t have = RegisterBudget::get(mathWarpgroups, splitK, /*loadsByTMA=*/true, clusterM * clusterN > 1).consumer;
  if (need > have)
    return emitError() << "block " << blockM << "x" << blockN << " needs about " << need
                       << " registers in each math thread, but " << mathWarpgroups << " math warpgroups leave " << have;
  // C10, on which the layout of shared memory depends.
  if (splitK < 1 || splitK > hopper::kMaxCluster)
    return emitError() << "expected 'split_k' to be 1 to " << hopper::kMaxCluster << ", but got " << splitK;
  if (splitK > 1 && clusterM * clusterN != 1)
    return emitError() << "expected no 'cluster' with split_k, but got " << clusterM << "x" << clusterN;
  if ((splitK - 1) * getSplitColumns(blockN, splitK) >= blockN)
    return emitError() << "expected block N to give each of " << splitK << " CTAs columns to sum, but got " << blockN
                       << ", of which the last has none";
  // C8.
  int64_t bytes = SharedMemoryLayout::get(blockM, blockN, blockK, stages, splitK, earlyStore).totalBytes;
  if (bytes > hopper::kMaxSharedMemory) {
    int64_t fit = SharedMemoryLayout::getMaxStages(blockM, blockN, blockK, kMaxStages, splitK, earlyStore);
    return emitError() << stages << " stages of block " << blockM << "x" << blockN << "x" << blockK << " need " << bytes
                       << " bytes of shared memory, but a CTA has " << hopper::kMaxSharedMemory << "; at most " << fit
                       << " stages fit";
  }
  // C9.
  if (clusterM < 1 || clusterM > 2 || clusterN < 1 || clusterN > 2)
    return emitError() << "expected 'cluster' to be 1x1, 1x2, 2x1 or 2x2, but got " << clusterM << "x" << clusterN;
  if (blockN % (hopper::kWgmmaNStep * clusterM))
    return emitError() << "expected block N to be a multiple of 16 with two CTAs of a cluster along M, but got "
                       << blockN;
  // C11.
  if (unrollK != 1 && unrollK != 2 && unrollK != 4)
    return emitError() << "expected 'unroll_k' to be 1, 2 or 4, but got " << unrollK;
  // C12.
  bool hasOneMma = blockM == hopper::kWgmmaM * mathWarpgroups && getMmaColumns(blockN) == blockN;
  if (earlyStore && splitK > 1)
    return emitError() << "expected 'early_store' to be false with split_k = " << splitK;
  if (earlyStore && hasOneMma && blockN % (2 * hopper::kWgmmaNStep))
    return emitError() << "expected block N to be a multiple of 16 with 'early_store', as each half is stored for "
                          "itself, but got "
                       << blockN;
  if (earlyStore && hasOneMma && rotateKLoop)
    return emitError()
           << "expected 'rotate_k_loop' to be false with 'early_store' where a warpgroup has one mma in a K "
              "block, as in "
           << blockM << "x" << blockN << " with " << mathWarpgroups << " math warpgroups";
  // C13.
  if (serpentineK && splitK > 1)
    return emitError() << "expected 'serpentine_k' to be false with split_k = " << splitK;
  return success();
}

//===----------------------------------------------------------------------===//
// DivisorsAttr
//===----------------------------------------------------------------------===//

LogicalResult DivisorsAttr::verify(function_ref<InFlightDiagnostic()> emitError, int64_t n, int64_t k, int64_t lda,
                                   int64_t ldb, int64_t ldd) {
  for (int64_t divisor : {n, k, lda, ldb, ldd})
    if (divisor < 1)
      return emitError() << "expected positive divisors, but got " << divisor;
  return success();
}

//===----------------------------------------------------------------------===//
// TensorMapAttr
//===----------------------------------------------------------------------===//

LogicalResult TensorMapAttr::verify(function_ref<InFlightDiagnostic()> emitError, StringRef operand, Type element,
                                    AffineMap dims, AffineMap strides, DenseI64ArrayAttr box, int64_t swizzle,
                                    AffineMap rows) {
  if (!element.isIntOrFloat() || element.getIntOrFloatBitWidth() % 8)
    return emitError() << "expected an element type of whole bytes, but got " << element;
  unsigned rank = dims.getNumResults();
  if (rank < 1 || rank > 5)
    return emitError() << "expected 1 to 5 dims, but got " << rank;
  if (dims.getNumDims() != strides.getNumDims() || dims.getNumDims() < 3 || dims.getNumDims() > std::size(kSizeNames))
    return emitError() << "expected 'dims' and 'strides' to be maps of (M, N, K), (M, N, K, G) or "
                          "(M, N, K, G, LDA, LDB, LDD)";
  if (strides.getNumResults() + 1 != rank || box.size() != static_cast<int64_t>(rank))
    return emitError() << "expected " << rank - 1 << " strides and " << rank << " box extents, but got "
                       << strides.getNumResults() << " and " << box.size();
  for (int64_t extent : box.asArrayRef())
    if (extent < 1 || extent > hopper::kTmaMaxBox)
      return emitError() << "expected box extents of 1 to 256, but got " << extent;
  if (rows && (rank < 2 || rows.getNumDims() != dims.getNumDims() || rows.getNumResults() != 1))
    return emitError() << "expected 'rows' to be a map of as many sizes as 'dims' to one extent, but got "
                       << AffineMapAttr::get(rows);
  if (swizzle != 0 && swizzle != 32 && swizzle != 64 && swizzle != 128)
    return emitError() << "expected swizzle to be 0, 32, 64 or 128 bytes, but got " << swizzle;
  int64_t rowBytes = box[0] * element.getIntOrFloatBitWidth() / 8;
  if (rowBytes % hopper::kTmaAlignment || (swizzle && rowBytes > swizzle))
    return emitError() << "expected box rows of a multiple of 16 bytes" << (swizzle ? " within the swizzle width" : "")
                       << ", but got " << rowBytes << " bytes";
  return success();
}

#define GET_ATTRDEF_CLASSES
#include "dgemm/IR/DGemmAttrs.cpp.inc"

void DGemmDialect::registerAttributes() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "dgemm/IR/DGemmAttrs.cpp.inc"
      >();
}
