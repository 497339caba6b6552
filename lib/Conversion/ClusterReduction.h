//===- ClusterReduction.h - K divided between the CTAs of a cluster -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_LIB_CONVERSION_CLUSTERREDUCTION_H
#define DGEMM_LIB_CONVERSION_CLUSTERREDUCTION_H

#include "dgemm/IR/DGemm.h"
#include "mlir/Transforms/DialectConversion.h"

namespace dgemm {

/// dgemm.send_fragment and dgemm.add_received, for dgemm-lower-wgmma.
void populateClusterReductionPatterns(const TypeConverter &converter, RewritePatternSet &patterns);

/// Rewrites `op` on arith, for dgemm-lower-to-nvvm.
void lowerKRange(KRangeOp op);

} // namespace dgemm

#endif // DGEMM_LIB_CONVERSION_CLUSTERREDUCTION_H
