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

/// How the columns of a fragment are divided between `ctas` CTAs: `groups` groups of 8 columns, at most `each` of them
/// for a CTA.
struct ColumnSplit {
  int64_t ctas, groups, each;

  ColumnSplit(FragType frag, int64_t ctas)
      : ctas(ctas), groups(frag.getColumns() / hopper::kWgmmaNStep),
        each(getSplitColumns(frag.getColumns(), ctas) / hopper::kWgmmaNStep) {}
  bool isEven() const { return each * ctas == groups; }
  /// Bytes that a warpgroup receives from one CTA for 64 rows.
  int64_t getBytes() const { return getSplitBytes(groups * hopper::kWgmmaNStep, ctas); }
  /// Number of groups (i32) that the CTA of rank `rank` (i32) sums.
  Value getGroupsOf(NVVMBuilder &b, Value rank) const;
};

/// Bytes of a group that one thread sends, and that a warpgroup sends.
constexpr int64_t kSentThreadBytes = 16;
constexpr int64_t kSentGroupBytes = kSentThreadBytes * hopper::kWarpgroupThreads;

/// The address in the CTA of rank `rank` (i32) that corresponds to `pointer` in this CTA.
inline Value mapToCTA(NVVMBuilder &b, Value pointer, Value rank) {
  return NVVM::MapaOp::create(b, b.clusterPointerType(), pointer, rank);
}

/// Adds the patterns for dgemm.send_fragment and dgemm.add_received to those of dgemm-lower-wgmma.
void populateClusterReductionPatterns(const TypeConverter &converter, RewritePatternSet &patterns);

/// Replaces `op` by arith ops, for dgemm-lower-to-nvvm.
void lowerKRange(KRangeOp op);

} // namespace dgemm

#endif // DGEMM_LIB_CONVERSION_CLUSTERREDUCTION_H
