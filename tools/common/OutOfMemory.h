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
/// where LLVM would abort with a stack dump. Sizes that are known beforehand are checked beforehand (HostMemory.h);
/// this is for the rest. To be called after InitLLVM.
void exitWhereMemoryRunsOut(const char *tool);

} // namespace dgemm

#endif // DGEMM_TOOLS_COMMON_OUTOFMEMORY_H
