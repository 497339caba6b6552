//===- Formats.h - FP8 and bfloat16 in software -----------------*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_RUNTIME_FORMATS_H
#define DGEMM_RUNTIME_FORMATS_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/bit.h"
#include <cstdint>

namespace dgemm {

/// The value of an e4m3fn byte; 0x7f and 0xff are NaN and there is no infinity. Exact.
float decodeF8E4M3FN(uint8_t bits);
/// The 256 values in double precision, for loops.
const double *getF8E4M3FNTable();
/// Rounds to nearest, ties to even; NaN and what rounds beyond 448 give NaN.
uint8_t encodeF8E4M3FN(float value);

inline float decodeBF16(uint16_t bits) { return llvm::bit_cast<float>(uint32_t(bits) << 16); }
/// Rounds to nearest, ties to even.
uint16_t encodeBF16(float value);

/// out[i] = encodeF8E4M3FN(values[i] / scale), quickly.
void encodeScaledF8E4M3FN(llvm::ArrayRef<float> values, float scale, uint8_t *out);

} // namespace dgemm

#endif // DGEMM_RUNTIME_FORMATS_H
