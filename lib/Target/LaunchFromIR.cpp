//===- LaunchFromIR.cpp - The launch descriptor of a kernel in IR -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dgemm/Target/LaunchFromIR.h"
#include "dgemm/IR/OperandGeometry.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/AffineExpr.h"

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
  if (isa<Float8E4M3FNType>(type))
    return ElementType::F8E4M3FN;
  if (type.isBF16())
    return ElementType::BF16;
  return type.isF32() ? ElementType::F32 : ElementType::I32;
}

static TensorMapInfo convert(TensorMapAttr map) {
  TensorMapInfo info;
  info.operand = map.getOperand().str();
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
  return info;
}

/// The operands of the problem, as dgemm.gemm describes them.
static std::vector<OperandInfo> makeOperands(MLIRContext *context, Layout layout, ArrayRef<int64_t> sizes,
                                             DictionaryAttr strides) {
  SmallVector<StringRef> names = {"a", "scale_a", "b", "scale_b", "d"};
  if (layout != Layout::Dense)
    names.push_back(layout == Layout::Masked ? "masked_m" : "m_indices");
  std::vector<OperandInfo> operands;
  for (StringRef name : names) {
    auto explicitStrides = strides.getAs<DenseI64ArrayAttr>(name);
    OperandGeometry geometry = OperandGeometry::get(
        context, layout, name, sizes, explicitStrides ? explicitStrides.asArrayRef() : ArrayRef<int64_t>());
    OperandInfo &operand = operands.emplace_back();
    operand.name = name.str();
    operand.type = convert(geometry.element);
    for (auto [extent, stride] : llvm::zip_equal(geometry.shape, geometry.strides)) {
      operand.shape.push_back(convert(extent));
      operand.strides.push_back(convert(stride));
    }
    operand.isOutput = name == "d";
  }
  return operands;
}

static ParameterInfo makeParameter(LLVM::LLVMFuncOp func, unsigned index, llvm::StringMap<int> &mapsOf) {
  ParameterInfo parameter;
  if (auto map = func.getArgAttrOfType<TensorMapAttr>(index, kTensorMapAttr)) {
    parameter.kind = ParameterInfo::Kind::TensorMap;
    parameter.tensorMap = convert(map);
    parameter.name = (map.getOperand() + "_map").str();
    // D has a map for each panel width.
    if (int earlier = mapsOf[map.getOperand()]++)
      parameter.name += std::to_string(earlier);
  } else if (auto operand = func.getArgAttrOfType<StringAttr>(index, kOperandAttr)) {
    parameter.kind = ParameterInfo::Kind::Pointer;
    parameter.operand = parameter.name = operand.getValue().str();
  } else if (auto size = func.getArgAttrOfType<StringAttr>(index, kSizeAttr)) {
    parameter.kind = ParameterInfo::Kind::Size;
    parameter.name = size.getValue().str();
    parameter.value = SizeExpr::name(size.getValue());
  }
  return parameter;
}

llvm::Expected<LaunchDescriptor> dgemm::getLaunchDescriptor(ModuleOp module, StringRef chip) {
  SmallVector<LLVM::LLVMFuncOp> kernels;
  for (auto func : module.getOps<LLVM::LLVMFuncOp>())
    if (func->hasAttr("dgemm.launch"))
      kernels.push_back(func);
  if (kernels.size() != 1)
    return llvm::createStringError(llvm::inconvertibleErrorCode(),
                                   "expected one kernel in the module, but got " + llvm::Twine(kernels.size()));
  LLVM::LLVMFuncOp func = kernels.front();
  auto launch = func->getAttrOfType<DictionaryAttr>("dgemm.launch");
  auto config = launch.getAs<ConfigAttr>("config");
  ArrayRef<int64_t> sizes = launch.getAs<DenseI64ArrayAttr>("sizes").asArrayRef();

  LaunchDescriptor descriptor;
  descriptor.entry = func.getSymName().str();
  descriptor.target = chip.str();
  descriptor.generator = "dgemm " DGEMM_VERSION;
  llvm::raw_string_ostream(descriptor.config) << config;
  Layout layout = *symbolizeLayout(launch.getAs<StringAttr>("layout").getValue());
  descriptor.layout = *parseGemmLayout(stringifyLayout(layout));
  if (layout == Layout::Contiguous)
    descriptor.rowAlignment = config.getBlockM();
  SizeExpr extents[4];
  for (size_t i = 0; i < sizes.size(); ++i) {
    descriptor.sizes.emplace_back(kSizeNames[i].str(), sizes[i]);
    extents[i] = sizes[i] < 0 ? SizeExpr::name(kSizeNames[i]) : SizeExpr(sizes[i]);
  }
  auto strides = launch.getAs<DictionaryAttr>("strides");
  for (auto [operand, name] : {std::pair("a", "LDA"), {"b", "LDB"}, {"d", "LDD"}})
    if (auto own = strides.getAs<DenseI64ArrayAttr>(operand); own && hasDynamicLeadingDimension(own))
      descriptor.sizes.emplace_back(name, -1);
  if (auto divisors = launch.getAs<DivisorsAttr>("divisors"))
    for (auto [name, divisor] : llvm::zip_equal(kSizeNames, divisors.getAll()))
      if (divisor != 1)
        descriptor.divisors.emplace_back(name.str(), divisor);
  descriptor.operands = makeOperands(module.getContext(), layout, sizes, strides);
  descriptor.threads = launch.getAs<IntegerAttr>("threads").getInt();
  descriptor.sharedMemory = launch.getAs<IntegerAttr>("shared_memory").getInt();
  // Whole clusters.
  int64_t clusterSize = config.getClusterSize();
  descriptor.cluster = {clusterSize, 1, 1};
  descriptor.tiles = SizeExpr::mul(SizeExpr::ceilDiv(extents[0], config.getBlockM() * config.getClusterM()),
                                   SizeExpr::ceilDiv(extents[1], config.getBlockN() * config.getClusterN()));
  if (clusterSize > 1)
    descriptor.tiles = SizeExpr::mul(descriptor.tiles, SizeExpr(clusterSize));
  descriptor.programmaticStreamSerialization = launch.getAs<BoolAttr>("pdl").getValue();
  // How many tiles a masked layout has, the kernel knows.
  descriptor.evenWaves = config.getOrder().getEvenWaves() && layout != Layout::Masked;
  if (layout == Layout::Masked) // at most
    descriptor.tiles = SizeExpr::mul(descriptor.tiles, extents[3]);
  llvm::StringMap<int> mapsOf;
  for (unsigned i = 0; i < func.getNumArguments(); ++i)
    descriptor.parameters.push_back(makeParameter(func, i, mapsOf));
  return descriptor;
}
