//===- KernelOp.cpp - dgemm.kernel -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dgemm/IR/DGemm.h"
#include "dgemm/IR/OperandGeometry.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "llvm/ADT/SmallSet.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"

using namespace mlir;
using namespace dgemm;

ParseResult KernelOp::parse(OpAsmParser &parser, OperationState &result) {
  StringAttr name;
  SmallVector<OpAsmParser::Argument> args;
  ProblemAttr problem;
  ConfigAttr config;
  if (parser.parseSymbolName(name, getSymNameAttrName(result.name), result.attributes) ||
      parser.parseArgumentList(args, OpAsmParser::Delimiter::Paren, /*allowType=*/true, /*allowAttrs=*/true) ||
      parser.parseKeyword("problem") ||
      parser.parseCustomAttributeWithFallback(problem, Type{}, getProblemAttrName(result.name).strref(),
                                              result.attributes) ||
      parser.parseKeyword("config") ||
      parser.parseCustomAttributeWithFallback(config, Type{}, getConfigAttrName(result.name).strref(),
                                              result.attributes) ||
      parser.parseOptionalAttrDictWithKeyword(result.attributes))
    return failure();

  SmallVector<Type> types;
  SmallVector<Attribute> argAttrs;
  for (OpAsmParser::Argument &arg : args) {
    types.push_back(arg.type);
    argAttrs.push_back(arg.attrs ? arg.attrs : parser.getBuilder().getDictionaryAttr({}));
  }
  result.addAttribute(getFunctionTypeAttrName(result.name),
                      TypeAttr::get(FunctionType::get(parser.getContext(), types, {})));
  result.addAttribute(getArgAttrsAttrName(result.name), parser.getBuilder().getArrayAttr(argAttrs));
  Region *body = result.addRegion();
  if (parser.parseRegion(*body, args))
    return failure();
  if (body->empty())
    body->emplaceBlock();
  return success();
}

void KernelOp::print(OpAsmPrinter &printer) {
  printer << ' ';
  printer.printSymbolName(getSymName());
  printer << '(';
  llvm::interleaveComma(getArguments(), printer, [&](BlockArgument arg) {
    printer.printRegionArgument(arg, getArgAttrDict(arg.getArgNumber()) ? getArgAttrDict(arg.getArgNumber()).getValue()
                                                                        : ArrayRef<NamedAttribute>());
  });
  printer << ") problem ";
  printer.printStrippedAttrOrType(getProblem());
  printer.printNewline();
  printer << "    config ";
  printer.printStrippedAttrOrType(getConfigAttr());
  printer.printOptionalAttrDictWithKeyword((*this)->getAttrs(),
                                           {getSymNameAttrName(), getFunctionTypeAttrName(), getProblemAttrName(),
                                            getConfigAttrName(), getArgAttrsAttrName(), getResAttrsAttrName()});
  printer << ' ';
  printer.printRegion(getBody(), /*printEntryBlockArgs=*/false, /*printBlockTerminators=*/true);
}

/// Names each argument after its operand, tensor map or size.
void KernelOp::getAsmBlockArgumentNames(Region &region, OpAsmSetValueNameFn setName) {
  for (BlockArgument arg : region.getArguments()) {
    unsigned index = arg.getArgNumber();
    if (auto operand = getArgAttrOfType<StringAttr>(index, kOperandAttr))
      setName(arg, operand.getValue());
    else if (auto size = getArgAttrOfType<StringAttr>(index, kSizeAttr))
      setName(arg, size.getValue());
    else if (auto map = getArgAttrOfType<TensorMapAttr>(index, kTensorMapAttr))
      setName(arg, (stringifyOperand(map.getOperand()) + "_map").str());
  }
}

//===----------------------------------------------------------------------===//
// Verifier: attributes and arguments agree on the problem
//===----------------------------------------------------------------------===//

bool dgemm::isKernelName(StringRef name) {
  auto isLetter = [](char c) { return llvm::isAlpha(c) || c == '_' || c == '$'; };
  auto isFollow = [&](char c) { return isLetter(c) || llvm::isDigit(c); };
  return !name.empty() && isLetter(name.front()) && llvm::all_of(name, isFollow) &&
         (llvm::isAlpha(name.front()) || name.size() > 1);
}

namespace {
/// Checks the arguments one by one, and then that none is missing.
class ArgumentVerifier {
public:
  explicit ArgumentVerifier(KernelOp kernel)
      : kernel(kernel), problem(kernel.getProblem()), sizes(problem.getDynamicSizes()) {}

  LogicalResult run() {
    for (BlockArgument arg : kernel.getArguments())
      if (failed(verify(arg)))
        return failure();
    for (Operand operand : problem.getOperands())
      if (!pointers.contains(operand) && !maps.contains(operand))
        return kernel.emitOpError() << "expected an argument with " << kOperandAttr << " = \""
                                    << stringifyOperand(operand) << "\"";
    for (StringRef name : sizes)
      if (!values.contains(name))
        return kernel.emitOpError() << "expected an argument with " << kSizeAttr << " = \"" << name
                                    << "\", as that is dynamic";
    return success();
  }

private:
  InFlightDiagnostic emitError(BlockArgument arg) {
    return mlir::emitError(arg.getLoc()) << "argument " << arg.getArgNumber() << " of '" << kernel.getSymName()
                                         << "': ";
  }
  template <typename AttrTy>
  AttrTy getAttr(BlockArgument arg, StringRef name) {
    return kernel.getArgAttrOfType<AttrTy>(arg.getArgNumber(), name);
  }
  LogicalResult verify(BlockArgument arg) {
    auto operand = getAttr<StringAttr>(arg, kOperandAttr), size = getAttr<StringAttr>(arg, kSizeAttr);
    auto map = getAttr<TensorMapAttr>(arg, kTensorMapAttr);
    if (!!operand + !!size + !!map != 1)
      return emitError(arg) << "expected one of " << kOperandAttr << ", " << kSizeAttr << " and " << kTensorMapAttr
                            << " to say what it is";
    return operand ? verifyOperand(arg, operand) : size ? verifySize(arg, size) : verifyMap(arg, map);
  }
  LogicalResult verifyOperand(BlockArgument arg, StringRef name);
  LogicalResult verifySize(BlockArgument arg, StringRef name);
  LogicalResult verifyMap(BlockArgument arg, TensorMapAttr map);

  KernelOp kernel;
  ProblemAttr problem;
  SmallVector<StringRef> sizes;
  /// The arguments found so far: operands that are memrefs, operands that have a tensor map, and sizes.
  llvm::SmallSet<Operand, 8> pointers, maps;
  llvm::StringSet<> values;
};
} // namespace

LogicalResult ArgumentVerifier::verifyOperand(BlockArgument arg, StringRef name) {
  std::optional<Operand> operand = symbolizeOperand(name);
  if (!operand || !problem.hasOperand(*operand))
    return emitError(arg) << "expected an operand of " << joinNames(problem.getOperands()) << ", but got '" << name
                          << "'";
  if (!pointers.insert(*operand).second)
    return emitError(arg) << "operand '" << name << "' is given twice";
  MemRefType expected = OperandGeometry::get(problem, *operand).getType();
  auto type = dyn_cast<MemRefType>(arg.getType());
  bool isSame = type && type.getElementType() == expected.getElementType() && type.getShape() == expected.getShape() &&
                !type.getMemorySpace() && !hasOffset(type);
  if (isSame) {
    FailureOr<SmallVector<int64_t>> strides = getExplicitStrides(type);
    isSame = succeeded(strides) && ArrayRef(*strides) == problem.getStridesOf(*operand);
  }
  if (isSame)
    return success();
  return emitError(arg) << "expected operand '" << name << "' to be " << expected
                        << ", as the problem of the kernel says, but got " << arg.getType();
}

LogicalResult ArgumentVerifier::verifySize(BlockArgument arg, StringRef name) {
  if (!llvm::is_contained(sizes, name))
    return emitError(arg) << "expected a dynamic size of the kernel (" << llvm::join(sizes, ", ") << "), but got '"
                          << name << "'";
  if (!values.insert(name).second)
    return emitError(arg) << "size '" << name << "' is given twice";
  return arg.getType().isIndex()
             ? success()
             : emitError(arg) << "expected size '" << name << "' to be an index, but got " << arg.getType();
}

LogicalResult ArgumentVerifier::verifyMap(BlockArgument arg, TensorMapAttr map) {
  Operand operand = map.getOperand();
  if (!problem.hasOperand(operand))
    return emitError(arg) << "expected a tensor map of " << joinNames(problem.getOperands()) << ", but got one of '"
                          << stringifyOperand(operand) << "'";
  maps.insert(operand);
  if (arg.getType() != LLVM::LLVMPointerType::get(kernel.getContext()))
    return emitError(arg) << "expected a tensor map to be !llvm.ptr, but got " << arg.getType();
  OperandGeometry geometry = OperandGeometry::get(problem, operand);
  AffineMap offset = map.getOffset();
  bool hasWindows = offset && geometry.shape.size() > 1;
  MapGeometry expected = hasWindows ? geometry.getWindowMap(map.getBox()[1]) : geometry.getMap();
  if (map.getElement() == geometry.element && map.getDims().getResults() == ArrayRef(expected.dims) &&
      map.getStrides().getResults() == ArrayRef(expected.strides) &&
      (offset ? offset.getResult(0) : AffineExpr()) == expected.offset)
    return success();
  return emitError(arg) << "expected the tensor map of '" << stringifyOperand(operand)
                        << "' to have the element type, dims and strides of " << (offset ? "windows of " : "")
                        << geometry.getType();
}

LogicalResult KernelOp::verify() {
  if (!isKernelName(getSymName()))
    return emitOpError() << "expected the name of a kernel to be letters, digits, _ and $, no digit first, but got '"
                         << getSymName() << "'";
  if (getFunctionType().getNumResults())
    return emitOpError("expected a kernel to have no results");
  if (failed(ArgumentVerifier(*this).run()))
    return failure();
  return verifyConfigFor(*this, getConfig(), getProblem());
}

//===----------------------------------------------------------------------===//
// What the arguments are
//===----------------------------------------------------------------------===//

std::optional<Operand> KernelOp::getOperandOf(Value value) {
  auto arg = dyn_cast<BlockArgument>(value);
  if (!arg || arg.getOwner() != &getBody().front())
    return std::nullopt;
  auto name = getArgAttrOfType<StringAttr>(arg.getArgNumber(), kOperandAttr);
  return name ? symbolizeOperand(name) : std::nullopt;
}

static BlockArgument findArgument(KernelOp kernel, StringRef attr, StringRef value) {
  for (BlockArgument arg : kernel.getArguments())
    if (auto found = kernel.getArgAttrOfType<StringAttr>(arg.getArgNumber(), attr); found && found.getValue() == value)
      return arg;
  return {};
}

BlockArgument KernelOp::findOperand(Operand operand) {
  return findArgument(*this, kOperandAttr, stringifyOperand(operand));
}

BlockArgument KernelOp::findSize(StringRef name) { return findArgument(*this, kSizeAttr, name); }

bool KernelOp::isSize(Value value, unsigned index) {
  int64_t size = getSizes()[index];
  return size < 0 ? value == findSize(kSizeNames[index]) : getConstantIntValue(value) == size;
}

TileType KernelOp::getTileOf(Operand operand) {
  ProblemAttr problem = getProblem();
  ConfigAttr config = getConfig();
  bool isOfA = operand == Operand::A || operand == Operand::ScaleA;
  int64_t rows = isOfA ? config.getBlockM() : config.getBlockN();
  ScaledAttr scaled = isOfA ? problem.getLhs() : problem.getRhs();
  if (isScale(operand)) {
    int64_t scales =
        isOfA ? scaled.getScalesOfTile(rows) + problem.getScalesBeforeTile() : problem.getScalesOfTileOfB(rows);
    return TileType::get(getContext(), 1, scales, scaled.getScale(), /*swizzle=*/0);
  }
  return TileType::get(getContext(), rows, config.getBlockK(), scaled.getElement(), /*swizzle=*/128);
}
