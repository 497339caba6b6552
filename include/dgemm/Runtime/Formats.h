//===- Formats.h - FP8 and 16-bit floats in software ------------*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_RUNTIME_FORMATS_H
#define DGEMM_RUNTIME_FORMATS_H

#include "dgemm/Launch/LaunchDescriptor.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/bit.h"
#include <cstdint>

namespace dgemm {

/// The value of an e4m3fn byte; 0x7f and 0xff are NaN and there is no infinity. Exact.
float decodeF8E4M3FN(uint8_t bits);
/// Rounds to nearest, ties to even; NaN and values that round beyond 448 give NaN.
uint8_t encodeF8E4M3FN(float value);

/// The value of an e5m2 byte, which has infinities and NaNs as IEEE 754 has them. Exact.
float decodeF8E5M2(uint8_t bits);
/// Rounds to nearest, ties to even; values that round beyond 57344 give an infinity.
uint8_t encodeF8E5M2(float value);

/// 2^(bits - 127); 0xff is NaN. Exact.
float decodeF8E8M0FNU(uint8_t bits);
/// Rounds `value` up, from 2^-127 to 2^127; NaN for NaN.
uint8_t encodeUpF8E8M0FNU(float value);

inline float decodeBF16(uint16_t bits) { return llvm::bit_cast<float>(uint32_t(bits) << 16); }
/// Rounds to nearest, ties to even.
uint16_t encodeBF16(float value);

/// IEEE 754 binary16. Exact.
float decodeF16(uint16_t bits);
/// Rounds to nearest, ties to even.
uint16_t encodeF16(float value);

/// The 256 values of f8E4M3FN or f8E5M2 in double precision, for loops.
const double *getFP8Table(ElementType type);
/// Its largest finite value.
float getLargestFP8(ElementType type);
/// out[i] = values[i] / scale in f8E4M3FN or f8E5M2, quickly.
void encodeScaledFP8(ElementType type, llvm::ArrayRef<float> values, float scale, uint8_t *out);

} // namespace dgemm

#endif // DGEMM_RUNTIME_FORMATS_H
