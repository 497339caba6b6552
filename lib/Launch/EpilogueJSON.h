//===- EpilogueJSON.h - Epilogue of a launch descriptor, as JSON -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_LIB_LAUNCH_EPILOGUEJSON_H
#define DGEMM_LIB_LAUNCH_EPILOGUEJSON_H

#include "dgemm/Launch/LaunchDescriptor.h"

namespace dgemm {

/// Writes `value` on one line: lists of expressions are easier to read that way.
void writeCompact(llvm::json::OStream &os, llvm::StringRef key, const llvm::json::Value &value);
bool fromJSON(const llvm::json::Value &value, ElementType &out, llvm::json::Path path);

/// Writes the attribute "epilogue".
void write(llvm::json::OStream &os, const EpilogueInfo &epilogue);
/// Each op takes values that are there before it.
bool fromJSON(const llvm::json::Value &value, EpilogueInfo &out, llvm::json::Path path);
/// Each operand of the epilogue is an operand of the descriptor, of the same type. `path` is that of the epilogue.
bool checkEpilogueOperands(const LaunchDescriptor &launch, llvm::json::Path path);

} // namespace dgemm

#endif // DGEMM_LIB_LAUNCH_EPILOGUEJSON_H
