//===- SharedMemory.h - Addresses in dynamic shared memory -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_LIB_CONVERSION_SHAREDMEMORY_H
#define DGEMM_LIB_CONVERSION_SHAREDMEMORY_H

#include "NVVMBuilder.h"
#include "dgemm/IR/DGemm.h"
#include "dgemm/IR/SharedMemoryLayout.h"

namespace dgemm {

/// The dynamic shared memory of a kernel. Stages, slices and slots are i32.
class SharedMemory {
public:
  /// Takes the address at the start of `kernel`, once for each kernel.
  explicit SharedMemory(KernelOp kernel);

  const SharedMemoryLayout &getLayout() const { return layout; }
  Value getStart() const { return start; }
  /// Barriers of a stage.
  Value fullBarrier(NVVMBuilder &b, Value stage) const { return barrier(b, layout.fullBarrierOffset, stage); }
  Value emptyBarrier(NVVMBuilder &b, Value stage) const { return barrier(b, layout.emptyBarrierOffset, stage); }
  /// First byte of tile `index` of the stage.
  Value tileAddress(NVVMBuilder &b, Value stage, int64_t index) const {
    return b.offsetPointer(start, b.add(b.mul(stage, layout.tileBytes[index]), layout.tileOffset[index]));
  }
  /// Address of the `count` scales of B of the K block in `slot`.
  Value blockScaleAddress(NVVMBuilder &b, Value slot, int64_t count) const {
    return b.offsetPointer(start, b.add(b.mul(slot, 4 * count), layout.blockScalesOffset));
  }
  /// Address `bytes` (i32) + `more` into all of shared memory.
  Value address(NVVMBuilder &b, Value bytes, int64_t more) const { return b.offsetPointer(start, b.add(bytes, more)); }
  /// Address `bytes` (i32) + `more` into the staging of the output.
  Value outputAddress(NVVMBuilder &b, Value bytes, int64_t more = 0) const {
    return b.offsetPointer(start, b.add(bytes, layout.outputOffset + more));
  }
  /// Barriers of a slice of 64 rows of the tile.
  Value receivedBarrier(NVVMBuilder &b, Value slice) const { return barrier(b, layout.receivedBarrierOffset, slice); }
  Value drainedBarrier(NVVMBuilder &b, Value slice) const { return barrier(b, layout.drainedBarrierOffset, slice); }
  /// Barrier of the turn of a warpgroup.
  Value turnBarrier(NVVMBuilder &b, Value warpgroup) const { return barrier(b, layout.turnBarrierOffset, warpgroup); }

private:
  Value barrier(NVVMBuilder &b, int64_t offset, Value index) const {
    return b.offsetPointer(start, b.add(b.mul(index, 8), offset));
  }

  SharedMemoryLayout layout;
  Value start;
};

} // namespace dgemm

#endif // DGEMM_LIB_CONVERSION_SHAREDMEMORY_H
