//===- Epilogue.cpp - Operations behind the sum, on the host --------------===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dgemm/Runtime/Epilogue.h"
#include "EpilogueOps.h"
#include "dgemm/Runtime/Formats.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/Support/FormatVariadic.h"
#include <cmath>
#include <limits>
#include <random>

using namespace llvm;

namespace dgemm {

//===----------------------------------------------------------------------===//
// Intervals
//===----------------------------------------------------------------------===//

static constexpr double kInfinity = std::numeric_limits<double>::infinity();
/// f32's largest number, and what is flushed to zero.
static constexpr double kLargest = std::numeric_limits<float>::max(), kSmallest = std::numeric_limits<float>::min();

Interval Interval::getUnbounded() { return {-kInfinity, kInfinity}; }
bool Interval::isUnbounded() const { return low == -kInfinity && high == kInfinity; }

static bool contains(Interval interval, double value) { return interval.low <= value && value <= interval.high; }
static Interval join(Interval a, Interval b) { return {std::min(a.low, b.low), std::max(a.high, b.high)}; }

/// Beyond f32 it may be an infinity, or its largest number.
static Interval widen(Interval interval, double relative, double absolute) {
  auto getSlack = [&](double end) { return std::isinf(end) ? 0 : relative * std::fabs(end) + absolute; };
  double low = interval.low - getSlack(interval.low), high = interval.high + getSlack(interval.high);
  return {low < -kLargest ? -kInfinity : std::min(low, kLargest),
          high > kLargest ? kInfinity : std::max(high, -kLargest)};
}

/// The least and the largest value at the ends of the intervals and in their middles.
static Interval sample(const EpilogueOp &op, ArrayRef<Interval> args) {
  Interval result{kInfinity, -kInfinity};
  unsigned points = 1;
  for (size_t i = 0; i < args.size(); ++i)
    points *= 3;
  for (unsigned point = 0; point < points; ++point) {
    double at[3] = {};
    unsigned rest = point;
    for (const auto &[index, arg] : enumerate(args)) {
      // Functions of the magnitude are least at 0.
      bool isWide = std::isinf(arg.low) || std::isinf(arg.high);
      double middle = contains(arg, 0) ? 0 : isWide ? arg.low : (arg.low + arg.high) / 2;
      at[index] = rest % 3 == 0 ? arg.low : rest % 3 == 1 ? arg.high : middle;
      rest /= 3;
    }
    double value = op.apply(at);
    if (std::isnan(value))
      return Interval::getUnbounded();
    result = join(result, {value, value});
  }
  return result;
}

static Interval applyTo(const EpilogueOp &op, ArrayRef<Interval> args) {
  bool isKnown = none_of(args, [](Interval arg) { return arg.isUnbounded(); });
  constexpr Interval kEither{0, 1};
  switch (op.kind) {
  case EpilogueOp::Kind::Plain:
    break;
  case EpilogueOp::Kind::Divide:
    isKnown &= !contains(args.back(), 0);
    break;
  case EpilogueOp::Kind::Power:
    isKnown &= args.front().low > 0;
    break;
  case EpilogueOp::Kind::Periodic:
    if (isKnown && args[0].high - args[0].low > 0.5)
      return {-1, 1};
    break;
  case EpilogueOp::Kind::Compare: {
    bool meet = args[0].low <= args[1].high && args[1].low <= args[0].high;
    bool arePoints = args[0].low == args[0].high && args[1].low == args[1].high;
    if (!isKnown || (meet && !arePoints))
      return kEither;
    break;
  }
  case EpilogueOp::Kind::Select:
    if (args[0].low == args[0].high)
      return args[0].low != 0 ? args[1] : args[2];
    return join(args[1], args[2]);
  }
  return isKnown ? sample(op, args) : Interval::getUnbounded();
}

//===----------------------------------------------------------------------===//
// EpilogueFunction
//===----------------------------------------------------------------------===//

Expected<EpilogueFunction> EpilogueFunction::create(const EpilogueInfo &info) {
  EpilogueFunction function;
  function.numArguments = info.getNumArguments();
  function.result = info.result;
  for (const auto &[index, op] : enumerate(info.ops)) {
    Expected<const EpilogueOp *> known = findEpilogueOp(op);
    if (!known)
      return createStringError(formatv("op {0} of the epilogue: {1}", index, toString(known.takeError())));
    function.steps.push_back(
        {*known, SmallVector<int64_t, 3>(op.args.begin(), op.args.end()), op.value.value_or(0), op.isApproximate});
  }
  return function;
}

double EpilogueFunction::evaluate(ArrayRef<double> arguments) const {
  assert(int64_t(arguments.size()) == numArguments && "one for each sum and operand");
  SmallVector<double, 16> values(arguments);
  for (const Step &step : steps) {
    double args[3] = {};
    for (const auto &[index, number] : enumerate(step.args))
      args[index] = values[number];
    values.push_back(step.args.empty() ? step.constant : step.op->apply(args));
  }
  return values[result];
}

Interval EpilogueFunction::bound(ArrayRef<Interval> arguments) const {
  assert(int64_t(arguments.size()) == numArguments && "one for each sum and operand");
  // What the arguments of an approximated function lose before it.
  constexpr double kReduction = 0x1p-21;
  SmallVector<Interval, 16> values(arguments);
  for (const Step &step : steps) {
    if (step.args.empty()) {
      bool isNumber = !std::isnan(step.constant);
      values.push_back(isNumber ? Interval{step.constant, step.constant} : Interval::getUnbounded());
      continue;
    }
    // Rounded ops have no other approximation; those without an error only move numbers.
    bool isExact = step.op->error == 0;
    bool isApproximate = step.isApproximate && step.op->approximateError > step.op->error;
    SmallVector<Interval, 3> args;
    for (int64_t number : step.args)
      args.push_back(isApproximate ? widen(values[number], kReduction, 0) : values[number]);
    Interval value = applyTo(*step.op, args);
    double error = isApproximate ? step.op->approximateError : step.op->error;
    // The approximations are that close to zero, and no closer, where the function passes through it.
    double absolute = isExact ? 0 : isApproximate ? kReduction / 2 : kSmallest;
    values.push_back(isExact || value.isUnbounded() ? value : widen(value, error, absolute));
  }
  return values[result];
}

//===----------------------------------------------------------------------===//
// Epilogue
//===----------------------------------------------------------------------===//

/// The extents that an operand has; none where the layout has no such operand.
static std::optional<SmallVector<int64_t, 3>> getShape(EpilogueAxis along, GemmLayout layout, const Sizes &sizes,
                                                       int64_t columns) {
  int64_t m = sizes.lookup("M"), groups = sizes.lookup("G");
  bool hasAs = hasOwnRows(layout), isGrouped = layout != GemmLayout::Dense;
  using Shape = SmallVector<int64_t, 3>;
  switch (along) {
  case EpilogueAxis::N:
    return isGrouped ? Shape{groups, columns} : Shape{columns};
  case EpilogueAxis::M:
    return hasAs ? Shape{groups, m} : Shape{m};
  case EpilogueAxis::MN:
    return hasAs ? Shape{groups, m, columns} : Shape{m, columns};
  case EpilogueAxis::G:
    return isGrouped ? std::optional<Shape>({groups}) : std::nullopt;
  case EpilogueAxis::None:
    return Shape{1};
  }
  llvm_unreachable("unknown axis");
}

static void fillRandom(HostTensor &tensor, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal;
  for (int64_t i = 0; i < tensor.getNumElements(); ++i) {
    float value = normal(random);
    if (tensor.type == ElementType::F32)
      tensor.as<float>()[i] = value;
    else
      tensor.as<uint16_t>()[i] = tensor.type == ElementType::F16 ? encodeF16(value) : encodeBF16(value);
  }
}

Expected<Epilogue> Epilogue::makeRandom(const LaunchDescriptor &launch, const Sizes &sizes, uint64_t seed) {
  const EpilogueInfo &info = *launch.epilogue;
  Expected<EpilogueFunction> function = EpilogueFunction::create(info);
  if (!function)
    return function.takeError();
  Epilogue epilogue(info, std::move(*function));
  int64_t columns = sizes.lookup("N") / info.getNumSums();
  for (const auto &[index, operand] : enumerate(info.operands)) {
    const OperandInfo *memory = launch.findOperand(operand.name);
    if (!memory)
      return createStringError(
          formatv("the launch descriptor has no operand '{0}', which its epilogue takes", operand.name));
    Expected<OperandLayout> layout = OperandLayout::evaluate(*memory, sizes);
    if (!layout)
      return layout.takeError();
    if (getShape(operand.along, launch.layout, sizes, columns) != layout->shape)
      return createStringError(formatv("operand '{0}' of {1:$[x]} elements cannot be one along {2}", operand.name,
                                       make_range(layout->shape.begin(), layout->shape.end()),
                                       toString(operand.along)));
    Expected<HostTensor> tensor = HostTensor::create(operand.name, memory->type, layout->shape);
    if (!tensor)
      return tensor.takeError();
    fillRandom(*tensor, seed * 8 + index);
    epilogue.operands.push_back(std::move(*tensor));
  }
  return epilogue;
}

double Epilogue::getOperand(size_t index, int64_t group, int64_t row, int64_t column, int64_t columns) const {
  const HostTensor &tensor = operands[index];
  int64_t at = 0;
  switch (info.operands[index].along) {
  case EpilogueAxis::N:
    at = (tensor.shape.size() > 1 ? group * columns : 0) + column;
    break;
  case EpilogueAxis::M:
    at = row;
    break;
  case EpilogueAxis::MN:
    at = row * columns + column;
    break;
  case EpilogueAxis::G:
    at = group;
    break;
  case EpilogueAxis::None:
    break;
  }
  switch (tensor.type) {
  case ElementType::F32:
    return tensor.as<float>()[at];
  case ElementType::F16:
    return decodeF16(tensor.as<uint16_t>()[at]);
  default:
    return decodeBF16(tensor.as<uint16_t>()[at]);
  }
}

double Epilogue::evaluate(ArrayRef<double> sums, int64_t group, int64_t row, int64_t column, int64_t columns) const {
  SmallVector<double, 8> arguments(sums);
  for (size_t index = 0; index < operands.size(); ++index)
    arguments.push_back(getOperand(index, group, row, column, columns));
  return function.evaluate(arguments);
}

Interval Epilogue::bound(ArrayRef<Interval> sums, int64_t group, int64_t row, int64_t column, int64_t columns) const {
  SmallVector<Interval, 8> arguments(sums);
  for (size_t index = 0; index < operands.size(); ++index) {
    double value = getOperand(index, group, row, column, columns);
    arguments.push_back({value, value});
  }
  return function.bound(arguments);
}

} // namespace dgemm
