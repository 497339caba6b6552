//===- SizeExpr.h - Integer expressions over problem sizes ------*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The launch descriptor states grids, dims and strides as expressions over the sizes of a problem (M, N, K), so that
// one compiled kernel serves every dynamic size.
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_LAUNCH_SIZEEXPR_H
#define DGEMM_LAUNCH_SIZEEXPR_H

#include "llvm/ADT/StringMap.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/JSON.h"
#include <cstdint>
#include <string>
#include <vector>

namespace dgemm {

/// Values of the size names: "M", "N", "K".
using Sizes = llvm::StringMap<int64_t>;

/// An integer expression over size names. JSON form: an integer, a name ("M"), or [op, lhs, rhs] with op one of
/// "+", "*", "floordiv", "ceildiv", "mod", "min", "max".
class SizeExpr {
public:
  enum class Op { Constant, Name, Add, Mul, FloorDiv, CeilDiv, Mod, Min, Max };

  SizeExpr() = default;
  SizeExpr(int64_t value) : value(value) {}
  static SizeExpr name(llvm::StringRef name);
  static SizeExpr binary(Op op, SizeExpr lhs, SizeExpr rhs);
  /// lhs + rhs, lhs * rhs, ceil(lhs / rhs) and the lesser of the two, folded where both are constants.
  static SizeExpr add(SizeExpr lhs, SizeExpr rhs);
  static SizeExpr mul(SizeExpr lhs, SizeExpr rhs);
  static SizeExpr ceilDiv(SizeExpr lhs, SizeExpr rhs);
  static SizeExpr min(SizeExpr lhs, SizeExpr rhs);

  Op getOp() const { return op; }
  bool isConstant() const { return op == Op::Constant; }

  /// Error: a name that `sizes` does not bind, a divisor below 1, or a result beyond 64 bits.
  llvm::Expected<int64_t> evaluate(const Sizes &sizes) const;

  llvm::json::Value toJSON() const;
  /// Error: `json` is none of the three forms.
  static llvm::Expected<SizeExpr> fromJSON(const llvm::json::Value &json);

private:
  Op op = Op::Constant;
  int64_t value = 0;
  std::string symbol;
  std::vector<SizeExpr> operands;
};

} // namespace dgemm

#endif // DGEMM_LAUNCH_SIZEEXPR_H
