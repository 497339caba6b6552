//===- Scales.h - Granularity of block scales -------------------*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_SUPPORT_SCALES_H
#define DGEMM_SUPPORT_SCALES_H

#include <cstdint>

namespace dgemm {

/// Extent of a scale block in elements, along K and along N (DeepSeek-V3 Technical Report, section 3.3.2).
constexpr int64_t kScaleBlock = 128;

} // namespace dgemm

#endif // DGEMM_SUPPORT_SCALES_H
