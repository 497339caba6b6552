//===- EpilogueTest.cpp - Operations behind the sum, and their check ------===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dgemm/Runtime/Epilogue.h"
#include "dgemm/Runtime/Formats.h"
#include "dgemm/Runtime/Reference.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include "gtest/gtest.h"
#include <cmath>

using namespace dgemm;
using namespace llvm;

namespace {

EpilogueOpInfo op(StringRef name, std::vector<int64_t> args) { return {name.str(), std::move(args)}; }
EpilogueOpInfo constant(double value) { return {"arith.constant", {}, value}; }
EpilogueOpInfo compare(StringRef predicate, std::vector<int64_t> args) {
  return {"arith.cmpf", std::move(args), std::nullopt, /*isBool=*/false, predicate.str()};
}

/// Of the sum and `operands` more numbers, the last op's value.
EpilogueFunction makeFunction(std::vector<EpilogueOpInfo> ops, unsigned operands = 0) {
  EpilogueInfo info;
  info.operands.resize(operands);
  info.ops = std::move(ops);
  info.result = info.getNumArguments() + int64_t(info.ops.size()) - 1;
  return cantFail(EpilogueFunction::create(info));
}

/// `name` of as many numbers as are given.
double apply(StringRef name, std::vector<double> args) {
  std::vector<int64_t> numbers;
  for (size_t i = 0; i < args.size(); ++i)
    numbers.push_back(int64_t(i));
  return makeFunction({op(name, numbers)}, args.size() - 1).evaluate(args);
}

//===----------------------------------------------------------------------===//
// Ops
//===----------------------------------------------------------------------===//

TEST(Epilogue, KnowsTheOpsOfMLIR) {
  EXPECT_EQ(apply("arith.addf", {3, 4}), 7);
  EXPECT_EQ(apply("arith.subf", {3, 4}), -1);
  EXPECT_EQ(apply("arith.mulf", {3, 4}), 12);
  EXPECT_EQ(apply("arith.divf", {3, 4}), 0.75);
  EXPECT_EQ(apply("arith.negf", {3}), -3);
  EXPECT_EQ(apply("arith.maximumf", {3, 4}), 4);
  EXPECT_TRUE(std::isnan(apply("arith.maximumf", {NAN, 4})));
  EXPECT_EQ(apply("arith.maxnumf", {NAN, 4}), 4);
  EXPECT_TRUE(std::isnan(apply("arith.minimumf", {3, NAN})));
  EXPECT_EQ(apply("arith.minnumf", {3, NAN}), 3);
  EXPECT_EQ(apply("arith.select", {1, 3, 4}), 3);
  EXPECT_EQ(apply("arith.select", {0, 3, 4}), 4);
  EXPECT_EQ(apply("arith.andi", {1, 0}), 0);
  EXPECT_EQ(apply("arith.ori", {1, 0}), 1);
  EXPECT_EQ(apply("arith.xori", {1, 1}), 0);
  EXPECT_EQ(apply("math.fma", {2, 3, 4}), 10);
  EXPECT_DOUBLE_EQ(apply("math.exp", {1}), std::exp(1.0));
  EXPECT_EQ(apply("math.exp2", {3}), 8);
  EXPECT_DOUBLE_EQ(apply("math.expm1", {1e-9}), std::expm1(1e-9));
  EXPECT_DOUBLE_EQ(apply("math.log", {2}), std::log(2.0));
  EXPECT_EQ(apply("math.log2", {8}), 3);
  EXPECT_DOUBLE_EQ(apply("math.log1p", {1e-9}), std::log1p(1e-9));
  EXPECT_DOUBLE_EQ(apply("math.tanh", {0.5}), std::tanh(0.5));
  EXPECT_DOUBLE_EQ(apply("math.erf", {0.5}), std::erf(0.5));
  EXPECT_EQ(apply("math.sqrt", {9}), 3);
  EXPECT_EQ(apply("math.rsqrt", {16}), 0.25);
  EXPECT_EQ(apply("math.absf", {-2}), 2);
  EXPECT_EQ(apply("math.floor", {-1.5}), -2);
  EXPECT_EQ(apply("math.ceil", {-1.5}), -1);
  EXPECT_EQ(apply("math.round", {2.5}), 3);
  EXPECT_EQ(apply("math.roundeven", {2.5}), 2);
  EXPECT_EQ(apply("math.trunc", {-1.5}), -1);
  EXPECT_EQ(apply("math.copysign", {2, -0.0}), -2);
  EXPECT_DOUBLE_EQ(apply("math.sin", {0.5}), std::sin(0.5));
  EXPECT_DOUBLE_EQ(apply("math.cos", {0.5}), std::cos(0.5));
  EXPECT_EQ(apply("math.powf", {2, 10}), 1024);
}

TEST(Epilogue, ComparesAsMLIRDoes) {
  auto getTruths = [](StringRef predicate) {
    std::string truths;
    for (auto [x, y] : {std::pair(1.0, 2.0), {2.0, 2.0}, {3.0, 2.0}, {double(NAN), 2.0}})
      truths += makeFunction({compare(predicate, {0, 1})}, 1).evaluate({x, y}) ? '1' : '0';
    return truths;
  };
  // Below, equal, above, unordered.
  for (auto [predicate, truths] : {std::pair("false", "0000"),
                                   {"oeq", "0100"},
                                   {"ogt", "0010"},
                                   {"oge", "0110"},
                                   {"olt", "1000"},
                                   {"ole", "1100"},
                                   {"one", "1010"},
                                   {"ord", "1110"},
                                   {"ueq", "0101"},
                                   {"ugt", "0011"},
                                   {"uge", "0111"},
                                   {"ult", "1001"},
                                   {"ule", "1101"},
                                   {"une", "1011"},
                                   {"uno", "0001"},
                                   {"true", "1111"}})
    EXPECT_EQ(getTruths(predicate), truths) << predicate;
}

TEST(Epilogue, EvaluatesAListOfOps) {
  // The larger of x + y and 0.5 x.
  EpilogueFunction function = makeFunction(
      {op("arith.addf", {0, 1}), constant(0.5), op("arith.mulf", {0, 3}), op("arith.maximumf", {2, 4})}, 1);
  EXPECT_EQ(function.evaluate({4, 1}), 5);
  EXPECT_EQ(function.evaluate({4, -3}), 2);
}

TEST(Epilogue, SaysWhatItDoesNotKnow) {
  auto getError = [](EpilogueOpInfo last) {
    EpilogueInfo info;
    info.ops = {constant(1), std::move(last)};
    return toString(EpilogueFunction::create(info).takeError());
  };
  EXPECT_EQ(getError(op("math.gamma", {0})), "op 1 of the epilogue: 'math.gamma' is not known");
  EXPECT_EQ(getError(op("arith.addf", {0})), "op 1 of the epilogue: 'arith.addf' has 1 arguments, expected 2");
  EXPECT_EQ(getError(compare("lt", {0, 1})), "op 1 of the epilogue: 'arith.cmpf' has an unknown predicate, 'lt'");
  EXPECT_EQ(getError(op("arith.constant", {})), "op 1 of the epilogue: 'arith.constant' has no value");
}

//===----------------------------------------------------------------------===//
// Intervals
//===----------------------------------------------------------------------===//

/// The bounds hold the value at each of many points, and are no wider than `most`.
void expectBounds(const EpilogueFunction &function, Interval x, double most) {
  Interval bound = function.bound(x);
  for (int i = 0; i <= 100; ++i) {
    double value = function.evaluate(x.low + (x.high - x.low) * i / 100);
    EXPECT_LE(bound.low, value) << i;
    EXPECT_GE(bound.high, value) << i;
  }
  EXPECT_LE(bound.high - bound.low, most);
}

TEST(Epilogue, BoundsWhatAnInexactSumBecomes) {
  expectBounds(makeFunction({op("math.exp", {0})}), {1, 1.01}, 0.03);
  expectBounds(makeFunction({op("math.absf", {0})}), {-0.1, 0.1}, 0.1);
  expectBounds(makeFunction({op("math.absf", {0})}), {-0.125, 0.375}, 0.375);
  expectBounds(makeFunction({constant(1), op("math.copysign", {0, 1})}), {-0.125, 0.375}, 0.375);
  expectBounds(makeFunction({op("arith.mulf", {0, 0})}), {-0.1, 0.1}, 0.021);
  expectBounds(makeFunction({op("math.sin", {0})}), {-100, 100}, 2.001);
  expectBounds(makeFunction({op("math.floor", {0})}), {0.9, 1.1}, 1);
  // One where x is positive, and minus one elsewhere.
  EpilogueFunction sign =
      makeFunction({constant(0), compare("ogt", {0, 1}), constant(1), constant(-1), op("arith.select", {2, 3, 4})});
  expectBounds(sign, {-0.1, 0.1}, 2.1);
  expectBounds(sign, {0.1, 0.2}, 1e-6);
}

TEST(Epilogue, AddsTheErrorsOfF32) {
  // What (x + 1e6) - 1e6 loses.
  EpilogueFunction function = makeFunction({constant(1e6), op("arith.addf", {0, 1}), op("arith.subf", {2, 1})});
  Interval bound = function.bound(Interval{1.3, 1.3});
  EXPECT_LE(bound.low, double(1.3f + 1e6f - 1e6f));
  EXPECT_GE(bound.high, double(1.3f + 1e6f - 1e6f));
  EXPECT_LE(bound.high - bound.low, 0.25);

  EpilogueOpInfo tanh = op("math.tanh", {0}), approximate = tanh;
  approximate.isApproximate = true;
  auto getWidth = [](const EpilogueOpInfo &info) {
    Interval bound = makeFunction({info}).bound(Interval{0.5, 0.5});
    return bound.high - bound.low;
  };
  EXPECT_LT(getWidth(tanh), 2e-6);
  EXPECT_GT(getWidth(approximate), 2 * 0.46 * 0x1p-11);
  EXPECT_LT(getWidth(approximate), 1e-3);
}

TEST(Epilogue, KnowsWhereNothingIsKnown) {
  EXPECT_TRUE(makeFunction({op("arith.divf", {1, 0})}, 1).bound({Interval{-0.1, 0.1}, {1, 1}}).isUnbounded());
  EXPECT_FALSE(makeFunction({op("arith.divf", {1, 0})}, 1).bound({Interval{0.1, 0.2}, {1, 1}}).isUnbounded());
  EXPECT_TRUE(makeFunction({op("math.log", {0})}).bound(Interval{-0.1, 0.1}).isUnbounded());
  EXPECT_TRUE(makeFunction({op("math.powf", {0, 0})}).bound(Interval{-0.1, 0.1}).isUnbounded());
  EXPECT_TRUE(makeFunction({constant(NAN)}).bound(Interval{0, 0}).isUnbounded());
  // Past the largest f32.
  Interval large = makeFunction({op("math.exp", {0})}).bound(Interval{100, 101});
  EXPECT_EQ(large.high, INFINITY);
  EXPECT_FALSE(large.isUnbounded());
}

//===----------------------------------------------------------------------===//
// Operands
//===----------------------------------------------------------------------===//

/// x + bias[n] * weight[m] + residual, of a kernel for `sizes`.
LaunchDescriptor makeDescriptor(const GemmSizes &sizes, ElementType residual = ElementType::BF16) {
  LaunchDescriptor launch;
  launch.layout = sizes.layout;
  bool isMasked = sizes.layout == GemmLayout::Masked, isGrouped = sizes.layout != GemmLayout::Dense;
  auto add = [&](StringRef name, ElementType type, EpilogueAxis along, std::vector<SizeExpr> shape) {
    std::vector<SizeExpr> strides(shape.size(), 1);
    for (size_t i = shape.size(); i-- > 1;)
      strides[i - 1] = SizeExpr::mul(strides[i], shape[i]);
    launch.operands.push_back({name.str(), type, std::move(shape), std::move(strides), false});
    launch.epilogue->operands.push_back({name.str(), along, type});
  };
  SizeExpr m = sizes.m, n = sizes.n, g = sizes.groups;
  using Shape = std::vector<SizeExpr>;
  launch.epilogue.emplace();
  add("bias", ElementType::F32, EpilogueAxis::N, isGrouped ? Shape{g, n} : Shape{n});
  add("weight", ElementType::F16, EpilogueAxis::M, isMasked ? Shape{g, m} : Shape{m});
  add("residual", residual, EpilogueAxis::MN, isMasked ? Shape{g, m, n} : Shape{m, n});
  launch.epilogue->ops = {op("math.fma", {1, 2, 0}), op("arith.addf", {4, 3})};
  launch.epilogue->result = 5;
  return launch;
}

GemmInputs makeInputs(GemmSizes sizes, const LaunchDescriptor &launch, uint64_t seed = 3) {
  GemmInputs inputs = cantFail(makeRandomInputs(sizes, seed, {}, 16));
  shrinkSums(inputs);
  inputs.epilogue = cantFail(Epilogue::makeRandom(launch, sizes.toSizes(), seed));
  return inputs;
}

TEST(Epilogue, FindsItsOperands) {
  for (GemmLayout layout : {GemmLayout::Dense, GemmLayout::Contiguous, GemmLayout::Masked}) {
    GemmSizes sizes{48, 24, 256, layout, layout == GemmLayout::Dense ? 1 : 3};
    GemmInputs inputs = makeInputs(sizes, makeDescriptor(sizes));
    const HostTensor *bias = inputs.find("bias"), *weight = inputs.find("weight"), *residual = inputs.find("residual");
    ASSERT_TRUE(bias && weight && residual);
    Reference reference = Reference::compute(inputs, CheckMode::Full, 0);
    for (const auto &[i, row] : enumerate(reference.getRows()))
      for (int64_t column = 0; column < 24; ++column) {
        int64_t group = inputs.groupOfRow[row];
        double expected = reference.getRow(i)[column] +
                          double(bias->as<float>()[group * 24 + column]) * decodeF16(weight->as<uint16_t>()[row]) +
                          decodeBF16(residual->as<uint16_t>()[row * 24 + column]);
        EXPECT_NEAR(reference.getExpectedRow(i)[column], expected, 1e-12)
            << toString(layout).str() << row << ", " << column;
      }
  }
}

TEST(Epilogue, RefusesAnOperandOfAnotherShape) {
  GemmSizes sizes{48, 24, 256};
  LaunchDescriptor launch = makeDescriptor(sizes);
  launch.epilogue->operands[0].along = EpilogueAxis::M;
  EXPECT_EQ(toString(Epilogue::makeRandom(launch, sizes.toSizes(), 0).takeError()),
            "operand 'bias' of 24 elements cannot be one along m");
  launch.epilogue->operands[0].along = EpilogueAxis::G;
  EXPECT_EQ(toString(Epilogue::makeRandom(launch, sizes.toSizes(), 0).takeError()),
            "operand 'bias' of 24 elements cannot be one along g");
  launch.epilogue->operands[0].name = "base";
  EXPECT_EQ(toString(Epilogue::makeRandom(launch, sizes.toSizes(), 0).takeError()),
            "the launch descriptor has no operand 'base', which its epilogue takes");
}

//===----------------------------------------------------------------------===//
// Checks
//===----------------------------------------------------------------------===//

/// What a right kernel has, rounded.
HostTensor makeResult(const GemmInputs &inputs, ElementType type) {
  Reference reference = Reference::compute(inputs, CheckMode::Full, 0);
  HostTensor d = cantFail(HostTensor::create("d", type, {inputs.sizes.m, inputs.sizes.n}));
  for (int64_t row = 0; row < inputs.sizes.m; ++row)
    for (const auto &[column, value] : enumerate(reference.getExpectedRow(row))) {
      int64_t at = row * inputs.sizes.n + int64_t(column);
      if (type == ElementType::F32)
        d.as<float>()[at] = float(value);
      else
        d.as<uint16_t>()[at] = type == ElementType::F16 ? encodeF16(float(value)) : encodeBF16(float(value));
    }
  return d;
}

TEST(Epilogue, IsPartOfTheCheck) {
  GemmSizes sizes{80, 136, 384};
  for (ElementType type : {ElementType::BF16, ElementType::F16, ElementType::F32})
    for (CheckMode mode : {CheckMode::Full, CheckMode::Sample}) {
      GemmInputs inputs = makeInputs(sizes, makeDescriptor(sizes));
      inputs.recipe.out = type;
      HostTensor d = makeResult(inputs, type);
      CheckResult check = Reference::compute(inputs, mode, 0).compare(d);
      EXPECT_TRUE(check.passed()) << check.describe();
      EXPECT_EQ(check.unbounded, 0);
      EXPECT_EQ(check.describe().find("checksum"), std::string::npos);

      // The first row is in every sample.
      std::fill_n(d.data.begin() + 5 * getByteWidth(type), getByteWidth(type), 0);
      EXPECT_FALSE(Reference::compute(inputs, mode, 0).compare(d).passed());

      // Without its operands, or with others, D is wrong.
      GemmInputs others = makeInputs(sizes, makeDescriptor(sizes));
      others.epilogue = cantFail(Epilogue::makeRandom(makeDescriptor(sizes), sizes.toSizes(), 4));
      EXPECT_FALSE(Reference::compute(others, mode, 0).compare(makeResult(inputs, type)).passed());
      others.epilogue.reset();
      EXPECT_FALSE(Reference::compute(others, mode, 0).compare(makeResult(inputs, type)).passed());
    }
}

/// The check of a right result of `ops`, with one element replaced.
CheckResult checkWith(std::vector<EpilogueOpInfo> ops, ElementType type, int64_t at, float replaced) {
  GemmSizes sizes{40, 72, 384};
  LaunchDescriptor launch;
  EpilogueInfo &info = launch.epilogue.emplace();
  info.ops = std::move(ops);
  info.result = int64_t(info.ops.size());
  GemmInputs inputs = makeInputs(sizes, launch);
  inputs.recipe.out = type;
  HostTensor d = makeResult(inputs, type);
  if (at >= 0)
    d.as<float>()[at] = replaced;
  return Reference::compute(inputs, CheckMode::Full, 0).compare(d);
}

TEST(Epilogue, MayOverflowOrBeUndefined) {
  // exp(exp(x)) overflows each type here and there, and log(x) has no value for half of the sums.
  for (ElementType type : {ElementType::BF16, ElementType::F16, ElementType::F32}) {
    CheckResult check = checkWith({op("math.exp", {0}), op("math.exp", {1})}, type, -1, 0);
    EXPECT_TRUE(check.passed()) << check.describe();
    check = checkWith({op("math.log", {0})}, type, -1, 0);
    EXPECT_TRUE(check.passed()) << check.describe();
    EXPECT_GT(check.unbounded, 40 * 72 / 3);
    EXPECT_NE(check.describe().find(" of these may be anything"), std::string::npos);
    EXPECT_EQ(check.toJSON().getInteger("unbounded"), check.unbounded);
  }
  // What has a value must have it.
  CheckResult check = checkWith({constant(0), op("arith.maximumf", {0, 1})}, ElementType::F32, 100, NAN);
  EXPECT_FALSE(check.passed());
  EXPECT_EQ(check.beyondBounds, 1);
  EXPECT_NE(check.describe().find("1 elements are further off than their sums explain"), std::string::npos);
  EXPECT_EQ(check.toJSON().getInteger("beyond_bounds"), 1);
  EXPECT_FALSE(checkWith({op("math.exp", {0}), op("math.exp", {1})}, ElementType::F32, 100, -1).passed());
}

} // namespace
