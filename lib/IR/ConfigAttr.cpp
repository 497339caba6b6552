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

/// C4, C5, C11, C14.
static LogicalResult verifySchedule(function_ref<InFlightDiagnostic()> emitError, ScheduleAttr schedule) {
  if (schedule.getWarpgroups() < 1 || schedule.getWarpgroups() > 3)
    return emitError() << "expected 'warpgroups' to be 1 to 3, but got " << schedule.getWarpgroups();
  if (schedule.getStages() < 2 || schedule.getStages() > kMaxStages)
    return emitError() << "expected 'stages' to be 2 to " << kMaxStages << ", but got " << schedule.getStages();
  if (!llvm::is_contained({1, 2, 4}, schedule.getUnroll()))
    return emitError() << "expected 'unroll' to be 1, 2 or 4, but got " << schedule.getUnroll();
  if (schedule.getPingpong() && (schedule.getWarpgroups() != kTurns || schedule.getEarlyStore()))
    return emitError() << "expected " << kTurns << " 'warpgroups' and no 'early_store' with 'pingpong', but got "
                       << schedule.getWarpgroups() << " and "
                       << (schedule.getEarlyStore() ? "'early_store'" : "no 'early_store'");
  return success();
}

/// C1 to C3.
static LogicalResult verifyBlock(function_ref<InFlightDiagnostic()> emitError, TileAttr tile, int64_t warpgroups) {
  int64_t blockM = tile.getBlockM(), blockN = tile.getBlockN(), slice = hopper::kWgmmaM * warpgroups;
  if (blockM != slice && blockM != 2 * slice)
    return emitError() << "expected block M to be " << slice << " or " << 2 * slice << " for " << warpgroups
                       << " math warpgroups (64 or 128 rows each), but got " << blockM;
  if (blockM > hopper::kTmaMaxBox)
    return emitError() << "expected block M to be at most " << hopper::kTmaMaxBox << " (TMA box limit), but got "
                       << blockM;
  if (blockN < hopper::kWgmmaNStep || blockN > hopper::kWgmmaMaxN || blockN % hopper::kWgmmaNStep)
    return emitError() << "expected block N to be a multiple of 8 from 8 to 256, but got " << blockN;
  if (int64_t columns = getMmaColumns(blockN); columns != blockN && columns % hopper::kWgmmaNStep)
    return emitError() << "expected block N to be a multiple of 16 where each half has an mma of its own, but got "
                       << blockN;
  if (tile.getBlockK() != kScaleBlock)
    return emitError() << "expected block K to be 128 (one scale block), but got " << tile.getBlockK();
  return success();
}

/// C9, C10.
static LogicalResult verifyCluster(function_ref<InFlightDiagnostic()> emitError, TileAttr tile) {
  int64_t blockN = tile.getBlockN(), splitK = tile.getSplitK();
  if (splitK < 1 || splitK > hopper::kMaxCluster)
    return emitError() << "expected 'split_k' to be 1 to " << hopper::kMaxCluster << ", but got " << splitK;
  if (splitK > 1 && tile.getCluster() != Extents<2>({1, 1}))
    return emitError() << "expected no 'cluster' with split_k, but got " << tile.getClusterM() << "x"
                       << tile.getClusterN();
  if ((splitK - 1) * getSplitColumns(blockN, splitK) >= blockN)
    return emitError() << "expected block N to give each of " << splitK << " CTAs columns to sum, but got " << blockN
                       << ", which leaves none for the last";
  if (llvm::any_of(tile.getCluster(), [](int64_t extent) { return extent < 1 || extent > 2; }))
    return emitError() << "expected 'cluster' to be 1x1, 1x2, 2x1 or 2x2, but got " << tile.getClusterM() << "x"
                       << tile.getClusterN();
  if (blockN % (hopper::kWgmmaNStep * tile.getClusterM()))
    return emitError() << "expected block N to be a multiple of 16 with two CTAs of a cluster along M, but got "
                       << blockN;
  return success();
}

/// C7, C8.
static LogicalResult verifyMemories(function_ref<InFlightDiagnostic()> emitError, TileAttr tile,
                                    ScheduleAttr schedule) {
  int64_t blockM = tile.getBlockM(), blockN = tile.getBlockN(), blockK = tile.getBlockK(), splitK = tile.getSplitK();
  int64_t warpgroups = schedule.getWarpgroups(), stages = schedule.getStages();
  bool isMulticast = tile.getClusterM() * tile.getClusterN() > 1;
  int64_t need = getAccumulatorRegisters(blockM, blockN, schedule.getTileWarpgroups());
  int64_t have = RegisterBudget::get(warpgroups, splitK, /*loadsByTMA=*/true, isMulticast).consumer;
  if (need > have)
    return emitError() << "block " << blockM << "x" << blockN << " needs " << need
                       << " registers of each math thread for accumulators, but " << warpgroups
                       << " math warpgroups leave " << have;
  int64_t bytes = SharedMemoryLayout::get(blockM, blockN, blockK, stages, splitK, schedule.getStaging()).totalBytes;
  if (bytes > hopper::kMaxSharedMemory) {
    int64_t fit = SharedMemoryLayout::getMaxStages(blockM, blockN, blockK, kMaxStages, splitK, schedule.getStaging());
    return emitError() << stages << " stages of block " << blockM << "x" << blockN << "x" << blockK << " need " << bytes
                       << " bytes of shared memory, but a CTA has " << hopper::kMaxSharedMemory << "; at most " << fit
                       << " stages fit";
  }
  return success();
}

/// C12.
static LogicalResult verifyEarlyStore(function_ref<InFlightDiagnostic()> emitError, TileAttr tile,
                                      ScheduleAttr schedule) {
  if (!schedule.getEarlyStore())
    return success();
  if (tile.getSplitK() > 1)
    return emitError() << "expected 'early_store' to be false with split_k = " << tile.getSplitK();
  int64_t blockN = tile.getBlockN();
  if (tile.getBlockM() != hopper::kWgmmaM * schedule.getTileWarpgroups() || getMmaColumns(blockN) != blockN)
    return success(); // a warpgroup has several mma in a K block
  if (blockN % (2 * hopper::kWgmmaNStep))
    return emitError() << "expected block N to be a multiple of 16 with 'early_store', as each half is stored for "
                          "itself, but got "
                       << blockN;
  if (schedule.getRotate())
    return emitError() << "expected 'rotate' to be false with 'early_store' where a warpgroup has one mma in a K "
                          "block, as in "
                       << tile.getBlockM() << "x" << blockN << " with " << schedule.getWarpgroups()
                       << " math warpgroups";
  return success();
}

LogicalResult ConfigAttr::verify(function_ref<InFlightDiagnostic()> emitError, TileAttr tile, OrderAttr order,
                                 ScheduleAttr schedule, LoadsAttr) {
  if (failed(verifySchedule(emitError, schedule)) ||
      failed(verifyBlock(emitError, tile, schedule.getTileWarpgroups())) || failed(verifyCluster(emitError, tile)) ||
      failed(verifyMemories(emitError, tile, schedule)) || failed(verifyEarlyStore(emitError, tile, schedule)))
    return failure();
  // C15.
  if (schedule.getPingpong() && tile.getSplitK() > 1)
    return emitError() << "expected 'pingpong' to be false with split_k = " << tile.getSplitK();
  // C6.
  if (order.getGroupM() < 1)
    return emitError() << "expected 'group_m' to be at least 1, but got " << order.getGroupM();
  // C13.
  if (order.getSerpentine() && tile.getSplitK() > 1)
    return emitError() << "expected 'serpentine' to be false with split_k = " << tile.getSplitK();
  return success();
}

//===----------------------------------------------------------------------===//
// MachineAttr
//===----------------------------------------------------------------------===//

LogicalResult MachineAttr::verify(function_ref<InFlightDiagnostic()> emitError, StringRef name,
                                  int64_t multiprocessors) {
  if (name.empty() || multiprocessors < 1)
    return emitError() << "expected a machine to have a name and at least 1 multiprocessor, but got '" << name
                       << "' and " << multiprocessors;
  return success();
}

//===----------------------------------------------------------------------===//
// TensorMapAttr
//===----------------------------------------------------------------------===//

LogicalResult TensorMapAttr::verify(function_ref<InFlightDiagnostic()> emitError, Operand, Type element, AffineMap dims,
                                    AffineMap strides, DenseI64ArrayAttr box, int64_t swizzle, AffineMap rows,
                                    AffineMap offset) {
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
  if (offset && (rank < 3 || offset.getNumDims() != dims.getNumDims() || offset.getNumResults() != 1))
    return emitError() << "expected 'offset' to be a map of as many sizes as 'dims' to one number of bytes, and at "
                          "least 3 dims, but got "
                       << AffineMapAttr::get(offset) << " and " << rank << " dims";
  if (swizzle != 0 && swizzle != 32 && swizzle != 64 && swizzle != 128)
    return emitError() << "expected swizzle to be 0, 32, 64 or 128 bytes, but got " << swizzle;
  int64_t rowBytes = box[0] * element.getIntOrFloatBitWidth() / 8;
  if (rowBytes % hopper::kTmaAlignment || (swizzle && rowBytes > swizzle))
    return emitError() << "expected box rows of a multiple of 16 bytes" << (swizzle ? " within the swizzle width" : "")
                       << ", but got " << rowBytes << " bytes";
  return success();
}

/// "128x256x128".
template <size_t rank>
struct mlir::FieldParser<Extents<rank>> {
  static FailureOr<Extents<rank>> parse(AsmParser &parser) {
    SmallVector<int64_t> values;
    SMLoc loc = parser.getCurrentLocation();
    if (parser.parseDimensionList(values, /*allowDynamic=*/false, /*withTrailingX=*/false))
      return failure();
    Extents<rank> extents;
    if (values.size() != rank)
      return parser.emitError(loc) << "expected " << (rank == 3 ? "MxNxK" : "MxN");
    llvm::copy(values, extents.begin());
    return extents;
  }
};

#define GET_ATTRDEF_CLASSES
#include "dgemm/IR/DGemmAttrs.cpp.inc"

void DGemmDialect::registerAttributes() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "dgemm/IR/DGemmAttrs.cpp.inc"
      >();
}
