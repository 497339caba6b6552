//===- OutOfMemory.h - Memory that runs out is an error ---------*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_TOOLS_COMMON_OUTOFMEMORY_H
#define DGEMM_TOOLS_COMMON_OUTOFMEMORY_H

namespace dgemm {

/// Makes a failed allocation end `tool` with "TOOL: error: out of memory", exit code 1 and no temporary file left,
/// where LLVM would abort with a stack dump. HostMemory.h checks sizes that are known in advance; this is for all
/// others. Call it after InitLLVM.
void exitWhereMemoryRunsOut(const char *tool);

} // namespace dgemm

#endif // DGEMM_TOOLS_COMMON_OUTOFMEMORY_H
