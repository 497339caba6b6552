//===- DGemmOps.td - All operations ---*- tablegen -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_IR_OPS
#define DGEMM_IR_OPS

include "DGemmProblemOps.td"
include "DGemmTileOps.td"
include "DGemmPipelineOps.td"

#endif // DGEMM_IR_OPS
