//===- SizeExprTest.cpp - Integer expressions over problem sizes ----------===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dgemm/Launch/SizeExpr.h"
#include "gtest/gtest.h"

using namespace dgemm;
using namespace llvm;
using Op = SizeExpr::Op;

namespace {

/// The value of the JSON expression `text`, or the error's message.
std::string evaluate(StringRef text, int64_t m = 200, int64_t n = 576) {
  Expected<json::Value> json = json::parse(text);
  if (!json)
    return toString(json.takeError());
  Expected<SizeExpr> expr = SizeExpr::fromJSON(*json);
  if (!expr)
    return toString(expr.takeError());
  Sizes sizes;
  sizes["M"] = m;
  sizes["N"] = n;
  Expected<int64_t> value = expr->evaluate(sizes);
  return value ? std::to_string(*value) : toString(value.takeError());
}

TEST(SizeExpr, EvaluatesEveryOperation) {
  EXPECT_EQ(evaluate("42"), "42");
  EXPECT_EQ(evaluate("\"M\""), "200");
  EXPECT_EQ(evaluate(R"(["+", "M", "N"])"), "776");
  EXPECT_EQ(evaluate(R"(["*", ["ceildiv", "M", 128], ["ceildiv", "N", 128]])"), "10");
  EXPECT_EQ(evaluate(R"(["floordiv", "M", 128])"), "1");
  EXPECT_EQ(evaluate(R"(["mod", "M", 128])"), "72");
  EXPECT_EQ(evaluate(R"(["min", "M", "N"])"), "200");
  EXPECT_EQ(evaluate(R"(["max", "M", "N"])"), "576");
}

TEST(SizeExpr, RoundsTowardsMinusInfinity) {
  EXPECT_EQ(evaluate(R"(["floordiv", -1, 4])"), "-1");
  EXPECT_EQ(evaluate(R"(["ceildiv", -1, 4])"), "0");
  EXPECT_EQ(evaluate(R"(["mod", -1, 4])"), "3");
}

TEST(SizeExpr, ReportsWhatCannotBeEvaluated) {
  EXPECT_EQ(evaluate("\"K\""), "size 'K' has no value");
  EXPECT_EQ(evaluate(R"(["mod", "M", 0])"), "'mod' by 0 in a size expression; a divisor must be at least 1");
  EXPECT_EQ(evaluate(R"(["*", "M", 9223372036854775807])"),
            "200 * 9223372036854775807 in a size expression does not fit 64 bits");
  EXPECT_EQ(evaluate(R"(["+", "M", 9223372036854775807])"),
            "200 + 9223372036854775807 in a size expression does not fit 64 bits");
}

TEST(SizeExpr, RefusesOtherJSON) {
  EXPECT_EQ(evaluate(R"(["-", "M", 1])"),
            "'-' is not an operation of size expressions; allowed: + * floordiv ceildiv mod min max");
  for (StringRef text : {"1.5", "\"\"", "true", "{}", "[]", R"(["+", "M"])", R"(["+", "M", null])", R"([1, 2, 3])"})
    EXPECT_TRUE(StringRef(evaluate(text)).starts_with("expected an integer, a size name or [op, lhs, rhs]"))
        << text.str();
}

TEST(SizeExpr, RoundTrips) {
  SizeExpr expr = SizeExpr::binary(Op::Mul, SizeExpr::binary(Op::CeilDiv, SizeExpr::name("M"), 4), 4);
  json::Value json = expr.toJSON();
  EXPECT_EQ(json, json::Value(json::Array{"*", json::Array{"ceildiv", "M", 4}, 4}));
  Expected<SizeExpr> again = SizeExpr::fromJSON(json);
  ASSERT_TRUE(bool(again));
  EXPECT_EQ(again->toJSON(), json);
}

TEST(SizeExpr, FoldsConstants) {
  SizeExpr tiles = SizeExpr::mul(SizeExpr::ceilDiv(200, 128), 3);
  EXPECT_TRUE(tiles.isConstant());
  EXPECT_EQ(tiles.toJSON(), json::Value(6));
  EXPECT_EQ(SizeExpr::ceilDiv(SizeExpr::name("M"), 128).toJSON(), json::Value(json::Array{"ceildiv", "M", 128}));
  EXPECT_FALSE(SizeExpr::ceilDiv(200, 0).isConstant()); // an error for whoever evaluates it
}

} // namespace
