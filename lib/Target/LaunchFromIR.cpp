//===- LaunchFromIR.cpp - The launch descriptor of a kernel in IR -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dgemm/Target/LaunchFromIR.h"
#include "dgemm/IR/OperandGeometry.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/AffineExpr.h"
#include "llvm/ADT/TypeSwitch.h"
#include <map>

using namespace mlir;
using namespace dgemm;

/// An affine expression of kSizeNames.
static SizeExpr convert(AffineExpr expr) {
  if (auto constant = dyn_cast<AffineConstantExpr>(expr))
    return SizeExpr(constant.getValue());
  if (auto dim = dyn_cast<AffineDimExpr>(expr))
    return SizeExpr::name(kSizeNames[dim.getPosition()]);
  auto binary = cast<AffineBinaryOpExpr>(expr);
  SizeExpr::Op op = SizeExpr::Op::Add;
  switch (expr.getKind()) {
  case AffineExprKind::Mul:
    op = SizeExpr::Op::Mul;
    break;
  case AffineExprKind::FloorDiv:
    op = SizeExpr::Op::FloorDiv;
    break;
  case AffineExprKind::CeilDiv:
    op = SizeExpr::Op::CeilDiv;
    break;
  case AffineExprKind::Mod:
    op = SizeExpr::Op::Mod;
    break;
  default:
    break;
  }
  return SizeExpr::binary(op, convert(binary.getLHS()), convert(binary.getRHS()));
}

static ElementType convert(Type type) {
  return llvm::TypeSwitch<Type, ElementType>(type)
      .Case([](Float8E4M3FNType) { return ElementType::F8E4M3FN; })
      .Case([](Float8E5M2Type) { return ElementType::F8E5M2; })
      .Case([](Float8E8M0FNUType) { return ElementType::F8E8M0FNU; })
      .Case([](BFloat16Type) { return ElementType::BF16; })
      .Case([](Float16Type) { return ElementType::F16; })
      .Case([](Float32Type) { return ElementType::F32; })
      .Default([](Type) { return ElementType::I32; });
}

static TensorMapInfo convert(TensorMapAttr map) {
  TensorMapInfo info;
  info.operand = stringifyOperand(map.getOperand()).str();
  info.type = convert(map.getElement());
  for (AffineExpr dim : map.getDims().getResults())
    info.dims.push_back(convert(dim));
  for (AffineExpr stride : map.getStrides().getResults())
    info.strides.push_back(convert(stride));
  info.box.assign(map.getBox().asArrayRef().begin(), map.getBox().asArrayRef().end());
  if (AffineMap rows = map.getRows())
    info.box[1] = convert(rows.getResult(0));
  info.elementStrides.assign(info.box.size(), 1);
  info.swizzle = map.getSwizzle();
  info.l2Promotion = 256;
  if (AffineMap offset = map.getOffset())
    info.offset = convert(offset.getResult(0));
  return info;
}

static EpilogueOpInfo convert(EpilogueStepAttr step) {
  EpilogueOpInfo op;
  op.op = step.getOp().str();
  llvm::append_range(op.args, step.getArgNumbers());
  if (auto predicate = dyn_cast_or_null<StringAttr>(step.getValue()))
    op.predicate = predicate.str();
  else if (auto flag = dyn_cast_or_null<BoolAttr>(step.getValue())) {
    op.isBool = true;
    op.value = flag.getValue();
  } else if (auto number = dyn_cast_or_null<mlir::FloatAttr>(step.getValue()))
    op.value = number.getValueAsDouble();
  auto flags = mlir::arith::symbolizeFastMathFlags(step.getFastmath());
  op.isApproximate = flags && mlir::arith::bitEnumContainsAll(*flags, mlir::arith::FastMathFlags::afn);
  return op;
}

static EpilogueInfo convert(EpilogueAttr epilogue) {
  EpilogueInfo info;
  for (EpilogueOperandAttr operand : epilogue.getOperands())
    info.operands.push_back({operand.getName().str(), *parseEpilogueAxis(stringifyEpilogueAxisKind(operand.getAlong())),
                             convert(operand.getElement())});
  for (EpilogueStepAttr step : epilogue.getOps())
    info.ops.push_back(convert(step));
  info.result = epilogue.getResult();
  info.isGated = epilogue.getGated();
  return info;
}

/// kSizeNames[index].
static SizeExpr getSize(ProblemAttr problem, unsigned index) {
  int64_t size = problem.getSizes()[index];
  return size < 0 ? SizeExpr::name(kSizeNames[index]) : SizeExpr(size);
}

/// [rows, k] of scales; a block as large as the matrix is stated with the matrix's size.
static std::array<SizeExpr, 2> getGranularity(ProblemAttr problem, Operand scale) {
  if (scale == Operand::ScaleD) // by rows and columns of D
    return {SizeExpr(problem.getQuantized().getRows()), SizeExpr(problem.getQuantized().getColumns())};
  bool isOfA = scale == Operand::ScaleA;
  ScaledAttr scaled = isOfA ? problem.getLhs() : problem.getRhs();
  auto convert = [&](int64_t extent, unsigned index) {
    return extent < 0 ? getSize(problem, index) : SizeExpr(extent);
  };
  return {convert(scaled.getRows(), isOfA ? 0 : 1), convert(scaled.getK(), 2)};
}

/// What the descriptor calls an operand.
static std::string getOperandName(ProblemAttr problem, Operand operand) {
  EpilogueOperandAttr role = problem.getEpilogueOperand(operand);
  return role ? role.getName().str() : stringifyOperand(operand).str();
}

/// The operands of the problem, as dgemm.gemm describes them.
static std::vector<OperandInfo> makeOperands(ProblemAttr problem) {
  std::vector<OperandInfo> operands;
  for (Operand role : problem.getOperands()) {
    OperandGeometry geometry = OperandGeometry::get(problem, role);
    OperandInfo &operand = operands.emplace_back();
    operand.name = getOperandName(problem, role);
    operand.type = convert(geometry.element);
    for (auto [extent, stride] : llvm::zip_equal(geometry.shape, geometry.strides)) {
      operand.shape.push_back(convert(extent));
      operand.strides.push_back(convert(stride));
    }
    operand.isOutput = role == Operand::D || role == Operand::ScaleD;
    if (isScale(role))
      operand.granularity = getGranularity(problem, role);
  }
  return operands;
}

static llvm::Expected<ParameterInfo> makeParameter(LLVM::LLVMFuncOp func, unsigned index, ProblemAttr problem,
                                                   std::map<Operand, int> &mapsOf) {
  ParameterInfo parameter;
  if (auto map = func.getArgAttrOfType<TensorMapAttr>(index, kTensorMapAttr)) {
    parameter.kind = ParameterInfo::Kind::TensorMap;
    parameter.tensorMap = convert(map);
    parameter.name = (stringifyOperand(map.getOperand()) + "_map").str();
    // D has a map for each panel width.
    if (int earlier = mapsOf[map.getOperand()]++)
      parameter.name += std::to_string(earlier);
    return parameter;
  }
  if (auto operand = func.getArgAttrOfType<StringAttr>(index, kOperandAttr)) {
    std::optional<Operand> role = symbolizeOperand(operand);
    if (role && problem.hasOperand(*role)) {
      parameter.kind = ParameterInfo::Kind::Pointer;
      parameter.operand = parameter.name = getOperandName(problem, *role);
      return parameter;
    }
  }
  if (auto size = func.getArgAttrOfType<StringAttr>(index, kSizeAttr);
      size && llvm::is_contained(problem.getDynamicSizes(), size.getValue())) {
    parameter.kind = ParameterInfo::Kind::Size;
    parameter.name = size.getValue().str();
    parameter.value = SizeExpr::name(size.getValue());
    return parameter;
  }
  return llvm::createStringError(llvm::inconvertibleErrorCode(),
                                 "argument " + llvm::Twine(index) + " of '" + func.getSymName() +
                                     "' is not an operand, size or tensor map of its problem");
}

/// The number of tiles of D, in whole clusters. If the kernel reads the groups, there are at most this many.
static SizeExpr countTiles(ProblemAttr problem, ConfigAttr config) {
  SizeExpr tilesM = SizeExpr::ceilDiv(getSize(problem, 0), config.getBlockM() * config.getClusterM());
  if (problem.getLayout() == Layout::Offsets) // a group may end in a partial tile, and each tile has a row
    tilesM = SizeExpr::min(SizeExpr::add(tilesM, getSize(problem, 3)), getSize(problem, 0));
  SizeExpr tiles =
      SizeExpr::mul(tilesM, SizeExpr::ceilDiv(getSize(problem, 1), config.getBlockN() * config.getClusterN()));
  if (config.getClusterSize() > 1)
    tiles = SizeExpr::mul(tiles, SizeExpr(config.getClusterSize()));
  bool hasTilesForEach = hasOwnRows(problem.getLayout()) || problem.getLayout() == Layout::KGrouped;
  return hasTilesForEach ? SizeExpr::mul(tiles, getSize(problem, 3)) : tiles;
}

SmallVector<LLVM::LLVMFuncOp> dgemm::findKernels(ModuleOp module) {
  SmallVector<LLVM::LLVMFuncOp> kernels;
  module.walk([&](LLVM::LLVMFuncOp func) {
    if (func->hasAttrOfType<LaunchAttr>(kLaunchAttr))
      kernels.push_back(func);
  });
  return kernels;
}

llvm::Expected<LaunchDescriptor> dgemm::getLaunchDescriptor(ModuleOp module, StringRef chip) {
  SmallVector<LLVM::LLVMFuncOp> kernels = findKernels(module);
  if (kernels.size() != 1)
    return llvm::createStringError(llvm::inconvertibleErrorCode(),
                                   "expected one kernel in the module, but got " + llvm::Twine(kernels.size()));
  return getLaunchDescriptor(kernels.front(), chip);
}

llvm::Expected<LaunchDescriptor> dgemm::getLaunchDescriptor(LLVM::LLVMFuncOp func, StringRef chip) {
  auto launch = func->getAttrOfType<LaunchAttr>(kLaunchAttr);
  ProblemAttr problem = launch.getProblem();
  ConfigAttr config = launch.getConfig();
  Layout layout = problem.getLayout();

  LaunchDescriptor descriptor;
  descriptor.entry = func.getSymName().str();
  descriptor.target = chip.str();
  descriptor.generator = "dgemm " DGEMM_VERSION;
  llvm::raw_string_ostream(descriptor.config) << config;
  descriptor.layout = *parseGemmLayout(stringifyLayout(layout));
  if (layout == Layout::Contiguous)
    descriptor.rowAlignment = config.getBlockM();
  if (layout == Layout::Offsets || layout == Layout::KGrouped)
    descriptor.rowAlignment = problem.getAlignment();
  descriptor.accumulate = problem.getAccumulate();
  for (auto [name, size] : llvm::zip(kSizeNames, problem.getSizes().asArrayRef()))
    descriptor.sizes.emplace_back(name.str(), size);
  for (StringRef name : problem.getDynamicSizes())
    if (llvm::is_contained(ArrayRef(kSizeNames).drop_front(kFirstLeadingDimension), name))
      descriptor.sizes.emplace_back(name.str(), -1);
  if (DivisorsAttr divisors = problem.getDivisors())
    for (auto [name, divisor] : llvm::zip_equal(kSizeNames, divisors.getAll()))
      if (divisor != 1)
        descriptor.divisors.emplace_back(name.str(), divisor);
  descriptor.accuracy = *parseAccuracy(stringifyAccuracyKind(problem.getAccuracy()));
  descriptor.operands = makeOperands(problem);
  if (EpilogueAttr epilogue = problem.getEpilogue())
    descriptor.epilogue = convert(epilogue);
  descriptor.threads = launch.getThreads();
  descriptor.sharedMemory = launch.getSharedMemory();
  descriptor.cluster = {config.getClusterSize(), 1, 1};
  descriptor.tiles = countTiles(problem, config);
  descriptor.programmaticStreamSerialization = problem.getPdl();
  // If the kernel searches the groups, only the kernel knows the number of tiles.
  descriptor.evenWaves = config.getOrder().getEvenWaves() && !ForEachTileOp::searchesGroups(layout);
  std::map<Operand, int> mapsOf;
  for (unsigned i = 0; i < func.getNumArguments(); ++i) {
    llvm::Expected<ParameterInfo> parameter = makeParameter(func, i, problem, mapsOf);
    if (!parameter)
      return parameter.takeError();
    descriptor.parameters.push_back(std::move(*parameter));
  }
  return descriptor;
}
