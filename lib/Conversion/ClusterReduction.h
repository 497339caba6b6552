//===- ClusterReduction.h - K divided between the CTAs of a cluster -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_LIB_CONVERSION_CLUSTERREDUCTION_H
#define DGEMM_LIB_CONVERSION_CLUSTERREDUCTION_H

#include "NVVMBuilder.h"
#include "dgemm/IR/DGemm.h"
#include "dgemm/IR/HopperLimits.h"
#include "dgemm/IR/SharedMemoryLayout.h"
#include "mlir/Transforms/DialectConversion.h"

namespace dgemm {

/// How the columns of a fragment are divided, in groups of 8.
struct ColumnSplit {
  int64_t ctas, groups, each;

  ColumnSplit(FragType frag, int64_t ctas)
      : ctas(ctas), groups(frag.getColumns() / hopper::kWgmmaNStep),
        each(getSplitColumns(frag.getColumns(), ctas) / hopper::kWgmmaNStep) {}
  bool isEven() const { return each * ctas == groups; }
  /// Bytes from one sender.
  int64_t getBytes() const { return getSplitBytes(groups * hopper::kWgmmaNStep, ctas); }
  /// Groups that the CTA of rank `rank` sums, i32.
  Value getGroupsOf(NVVMBuilder &b, Value rank) const;
};

/// Bytes of a group that a thread sends, and a warpgroup.
constexpr int64_t kSentThreadBytes = 16;
constexpr int64_t kSentGroupBytes = kSentThreadBytes * hopper::kWarpgroupThreads;

/// The place of `pointer` in the CTA of rank `rank` (i32).
inline Value mapToCTA(NVVMBuilder &b, Value pointer, Value rank) {
  return NVVM::MapaOp::create(b, b.clusterPointerType(), pointer, rank);
}

/// dgemm.send_fragment and dgemm.add_received, for dgemm-lower-wgmma.
void populateClusterReductionPatterns(const TypeConverter &converter, RewritePatternSet &patterns);

/// Rewrites `op` on arith, for dgemm-lower-to-nvvm.
void lowerKRange(KRangeOp op);

} // namespace dgemm

#endif // DGEMM_LIB_CONVERSION_CLUSTERREDUCTION_H
