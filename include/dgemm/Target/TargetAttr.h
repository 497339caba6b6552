//===- TargetAttr.h - #dgemm.target makes objects of gpu.modules *- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_TARGET_TARGETATTR_H
#define DGEMM_TARGET_TARGETATTR_H

#include "mlir/IR/DialectRegistry.h"

namespace dgemm {

/// Gives `#dgemm.target` upstream's gpu::TargetAttrInterface, once the dialect is loaded. `dgemm::registerDialects`
/// does so, too.
void registerTarget(mlir::DialectRegistry &registry);

} // namespace dgemm

#endif // DGEMM_TARGET_TARGETATTR_H
