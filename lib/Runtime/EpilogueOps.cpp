//===- EpilogueOps.cpp - What the ops of an epilogue compute --------------===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "EpilogueOps.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include <cmath>

using namespace llvm;

namespace dgemm {

using Kind = EpilogueOp::Kind;

/// Of a number that is rounded to f32 once, and a little more.
static constexpr double kRounded = 1.01 * 0x1p-24;
/// Of a function of a library: a few units in the last place.
static constexpr double kLibrary = 0x1p-20;
/// Of the hardware's approximations (PTX ISA 9.0: 2^-22 or so each, several of which may make up a function).
static constexpr double kApproximate = 0x1p-19;
/// Of tanh.approx.f32: 2^-11.
static constexpr double kApproximateTanh = 1.01 * 0x1p-11;

// IEEE 754-2019 minimum and maximum, as MLIR's minimumf and maximumf: NaN if one of the arguments is.
static double getMinimum(double x, double y) { return std::isnan(x) || std::isnan(y) ? NAN : std::fmin(x, y); }
static double getMaximum(double x, double y) { return std::isnan(x) || std::isnan(y) ? NAN : std::fmax(x, y); }

static bool isUnordered(const double *x) { return std::isnan(x[0]) || std::isnan(x[1]); }

static const EpilogueOp kOps[] = {
    {"arith.addf", 2, [](const double *x) { return x[0] + x[1]; }, kRounded, kRounded},
    {"arith.subf", 2, [](const double *x) { return x[0] - x[1]; }, kRounded, kRounded},
    {"arith.mulf", 2, [](const double *x) { return x[0] * x[1]; }, kRounded, kRounded},
    {"arith.divf", 2, [](const double *x) { return x[0] / x[1]; }, kRounded, kApproximate, Kind::Divide},
    {"arith.negf", 1, [](const double *x) { return -x[0]; }},
    {"arith.maximumf", 2, [](const double *x) { return getMaximum(x[0], x[1]); }},
    {"arith.minimumf", 2, [](const double *x) { return getMinimum(x[0], x[1]); }},
    {"arith.maxnumf", 2, [](const double *x) { return std::fmax(x[0], x[1]); }},
    {"arith.minnumf", 2, [](const double *x) { return std::fmin(x[0], x[1]); }},
    {"arith.select", 3, [](const double *x) { return x[0] != 0 ? x[1] : x[2]; }, 0, 0, Kind::Select},
    {"arith.andi", 2, [](const double *x) { return double(x[0] != 0 && x[1] != 0); }},
    {"arith.ori", 2, [](const double *x) { return double(x[0] != 0 || x[1] != 0); }},
    {"arith.xori", 2, [](const double *x) { return double((x[0] != 0) != (x[1] != 0)); }},
    {"math.fma", 3, [](const double *x) { return std::fma(x[0], x[1], x[2]); }, kRounded, kRounded},
    {"math.exp", 1, [](const double *x) { return std::exp(x[0]); }, kLibrary, kApproximate},
    {"math.exp2", 1, [](const double *x) { return std::exp2(x[0]); }, kLibrary, kApproximate},
    {"math.expm1", 1, [](const double *x) { return std::expm1(x[0]); }, kLibrary, kApproximate},
    {"math.log", 1, [](const double *x) { return std::log(x[0]); }, kLibrary, kApproximate},
    {"math.log2", 1, [](const double *x) { return std::log2(x[0]); }, kLibrary, kApproximate},
    {"math.log1p", 1, [](const double *x) { return std::log1p(x[0]); }, kLibrary, kApproximate},
    {"math.tanh", 1, [](const double *x) { return std::tanh(x[0]); }, kLibrary, kApproximateTanh},
    {"math.erf", 1, [](const double *x) { return std::erf(x[0]); }, kLibrary, kApproximate},
    {"math.sqrt", 1, [](const double *x) { return std::sqrt(x[0]); }, kRounded, kApproximate},
    {"math.rsqrt", 1, [](const double *x) { return 1 / std::sqrt(x[0]); }, kLibrary, kApproximate},
    {"math.absf", 1, [](const double *x) { return std::fabs(x[0]); }},
    {"math.floor", 1, [](const double *x) { return std::floor(x[0]); }},
    {"math.ceil", 1, [](const double *x) { return std::ceil(x[0]); }},
    {"math.round", 1, [](const double *x) { return std::round(x[0]); }},
    {"math.roundeven", 1, [](const double *x) { return std::nearbyint(x[0]); }},
    {"math.trunc", 1, [](const double *x) { return std::trunc(x[0]); }},
    {"math.copysign", 2, [](const double *x) { return std::copysign(x[0], x[1]); }},
    {"math.sin", 1, [](const double *x) { return std::sin(x[0]); }, kLibrary, kApproximate, Kind::Periodic},
    {"math.cos", 1, [](const double *x) { return std::cos(x[0]); }, kLibrary, kApproximate, Kind::Periodic},
    {"math.powf", 2, [](const double *x) { return std::pow(x[0], x[1]); }, kLibrary, kApproximate, Kind::Power},
};

/// Of arith.cmpf, by their predicates.
static const EpilogueOp kComparisons[] = {
    {"false", 2, [](const double *) { return 0.0; }, 0, 0, Kind::Compare},
    {"oeq", 2, [](const double *x) { return double(x[0] == x[1]); }, 0, 0, Kind::Compare},
    {"ogt", 2, [](const double *x) { return double(x[0] > x[1]); }, 0, 0, Kind::Compare},
    {"oge", 2, [](const double *x) { return double(x[0] >= x[1]); }, 0, 0, Kind::Compare},
    {"olt", 2, [](const double *x) { return double(x[0] < x[1]); }, 0, 0, Kind::Compare},
    {"ole", 2, [](const double *x) { return double(x[0] <= x[1]); }, 0, 0, Kind::Compare},
    {"one", 2, [](const double *x) { return double(x[0] < x[1] || x[0] > x[1]); }, 0, 0, Kind::Compare},
    {"ord", 2, [](const double *x) { return double(!isUnordered(x)); }, 0, 0, Kind::Compare},
    {"ueq", 2, [](const double *x) { return double(!(x[0] < x[1] || x[0] > x[1])); }, 0, 0, Kind::Compare},
    {"ugt", 2, [](const double *x) { return double(!(x[0] <= x[1])); }, 0, 0, Kind::Compare},
    {"uge", 2, [](const double *x) { return double(!(x[0] < x[1])); }, 0, 0, Kind::Compare},
    {"ult", 2, [](const double *x) { return double(!(x[0] >= x[1])); }, 0, 0, Kind::Compare},
    {"ule", 2, [](const double *x) { return double(!(x[0] > x[1])); }, 0, 0, Kind::Compare},
    {"une", 2, [](const double *x) { return double(!(x[0] == x[1])); }, 0, 0, Kind::Compare},
    {"uno", 2, [](const double *x) { return double(isUnordered(x)); }, 0, 0, Kind::Compare},
    {"true", 2, [](const double *) { return 1.0; }, 0, 0, Kind::Compare},
};

static const EpilogueOp kConstant = {"arith.constant", 0, [](const double *) { return 0.0; }, kRounded, kRounded};

static const EpilogueOp *findIn(ArrayRef<EpilogueOp> ops, StringRef name) {
  const EpilogueOp *found = find_if(ops, [&](const EpilogueOp &op) { return op.name == name; });
  return found == ops.end() ? nullptr : found;
}

static Expected<const EpilogueOp *> findByName(const EpilogueOpInfo &info) {
  if (info.op == "arith.constant") {
    if (!info.value)
      return createStringError("'arith.constant' has no value");
    return &kConstant;
  }
  if (info.op == "arith.cmpf") {
    if (const EpilogueOp *op = findIn(kComparisons, info.predicate))
      return op;
    return createStringError(formatv("'arith.cmpf' has an unknown predicate, '{0}'", info.predicate));
  }
  if (const EpilogueOp *op = findIn(kOps, info.op))
    return op;
  return createStringError(formatv("'{0}' is not known", info.op));
}

Expected<const EpilogueOp *> findEpilogueOp(const EpilogueOpInfo &info) {
  Expected<const EpilogueOp *> op = findByName(info);
  if (op && (*op)->numArgs != info.args.size())
    return createStringError(
        formatv("'{0}' has {1} arguments, expected {2}", info.op, info.args.size(), (*op)->numArgs));
  return op;
}

} // namespace dgemm
