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
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"

using namespace mlir;
using namespace dgemm;

ParseResult KernelOp::parse(OpAsmParser &parser, OperationState &result) {
  StringAttr name;
  SmallVector<OpAsmParser::Argument> args;
  DenseI64ArrayAttr sizes;
  ConfigAttr config;
  if (parser.parseSymbolName(name, getSymNameAttrName(result.name), result.attributes) ||
      parser.parseArgumentList(args, OpAsmParser::Delimiter::Paren, /*allowType=*/true, /*allowAttrs=*/true) ||
      parser.parseKeyword("sizes") ||
      parser.parseCustomAttributeWithFallback(sizes, Type{}, getSizesAttrName(result.name).strref(), result.attributes))
    return failure();
  Layout layout = Layout::Dense;
  for (Layout grouped : {Layout::Contiguous, Layout::Masked})
    if (succeeded(parser.parseOptionalKeyword(stringifyLayout(grouped))))
      layout = grouped;
  result.addAttribute(getLayoutAttrName(result.name), LayoutAttr::get(parser.getContext(), layout));
  if (succeeded(parser.parseOptionalKeyword("divisible"))) {
    DivisorsAttr divisors;
    if (parser.parseCustomAttributeWithFallback(divisors, Type{}, getDivisorsAttrName(result.name).strref(),
                                                result.attributes))
      return failure();
  }
  if (succeeded(parser.parseOptionalKeyword("pdl")))
    result.addAttribute(getPdlAttrName(result.name), parser.getBuilder().getUnitAttr());
  if (parser.parseKeyword("config") ||
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
  printer << ") sizes ";
  printer.printStrippedAttrOrType(getSizesAttr());
  if (getLayout() != Layout::Dense)
    printer << ' ' << stringifyLayout(getLayout());
  if (DivisorsAttr divisors = getDivisorsAttr()) {
    printer << " divisible ";
    printer.printStrippedAttrOrType(divisors);
  }
  if (getPdl())
    printer << " pdl";
  printer.printNewline();
  printer << "    config ";
  printer.printStrippedAttrOrType(getConfigAttr());
  printer.printOptionalAttrDictWithKeyword((*this)->getAttrs(),
                                           {getSymNameAttrName(), getLayoutAttrName(), getFunctionTypeAttrName(),
                                            getSizesAttrName(), getDivisorsAttrName(), getPdlAttrName(),
                                            getConfigAttrName(), getArgAttrsAttrName(), getResAttrsAttrName()});
  printer << ' ';
  printer.printRegion(getBody(), /*printEntryBlockArgs=*/false, /*printBlockTerminators=*/true);
}

/// Arguments are named after the operand, map or size that they are.
void KernelOp::getAsmBlockArgumentNames(Region &region, OpAsmSetValueNameFn setName) {
  for (BlockArgument arg : region.getArguments()) {
    unsigned index = arg.getArgNumber();
    if (auto operand = getArgAttrOfType<StringAttr>(index, kOperandAttr))
      setName(arg, operand.getValue());
    else if (auto size = getArgAttrOfType<StringAttr>(index, kSizeAttr))
      setName(arg, size.getValue());
    else if (auto map = getArgAttrOfType<TensorMapAttr>(index, kTensorMapAttr))
      setName(arg, (map.getOperand() + "_map").str());
  }
}

//===----------------------------------------------------------------------===//
// Verifier: attributes and arguments state one problem
//===----------------------------------------------------------------------===//

/// The PTX symbol that a kernel becomes (PTX ISA 9.0, "Identifiers"), without the characters that LLVM would replace.
static bool isIdentifier(StringRef name) {
  auto isLetter = [](char c) { return llvm::isAlpha(c) || c == '_' || c == '$'; };
  return !name.empty() && isLetter(name.front()) &&
         llvm::all_of(name, [&](char c) { return isLetter(c) || llvm::isDigit(c); });
}

static LogicalResult verifySizes(KernelOp kernel) {
  size_t expected = kernel.getLayout() == Layout::Dense ? 3 : 4;
  ArrayRef<int64_t> sizes = kernel.getSizes();
  if (sizes.size() != expected)
    return kernel.emitOpError() << "expected 'sizes' to give M, N" << (expected == 3 ? " and K" : ", K and G")
                                << ", but got " << sizes.size() << " values";
  for (auto [name, size] : llvm::zip(kSizeNames, sizes))
    if (size != -1 && (size < 1 || size > INT32_MAX))
      return kernel.emitOpError() << "expected " << name
                                  << " to be 1 to 2147483647, or -1 where it is dynamic, but got " << size;
  return success();
}

static LogicalResult verifyStrides(KernelOp kernel) {
  if (!kernel.getStridesAttr())
    return success();
  SmallVector<StringRef> operands = getOperandNames(kernel.getLayout());
  for (NamedAttribute entry : kernel.getStridesAttr()) {
    StringRef name = entry.getName();
    if (!llvm::is_contained(operands, name))
      return kernel.emitOpError() << "expected 'strides' of " << llvm::join(operands, ", ") << ", but got '" << name
                                  << "'";
    auto strides = dyn_cast<DenseI64ArrayAttr>(entry.getValue());
    size_t rank = OperandGeometry::get(kernel.getContext(), kernel.getLayout(), name, {-1, -1, -1, -1}).shape.size();
    if (!strides || strides.size() != static_cast<int64_t>(rank) || !areStridesOf(name, strides))
      return kernel.emitOpError() << "expected 'strides' of '" << name << "' to be " << rank
                                  << " of at least 1, or -1 where dynamic, the innermost "
                                  << (name.starts_with("scale") ? "static" : "1") << ", but got " << entry.getValue();
  }
  return success();
}

namespace {
/// Checks the arguments one by one, and then that none is missing.
class ArgumentVerifier {
public:
  explicit ArgumentVerifier(KernelOp kernel)
      : kernel(kernel), operands(getOperandNames(kernel.getLayout())), sizes(kernel.getDynamicSizes()) {}

  LogicalResult run() {
    for (BlockArgument arg : kernel.getArguments())
      if (failed(verify(arg)))
        return failure();
    for (StringRef name : operands)
      if (!pointers.contains(name) && !maps.contains(name))
        return kernel.emitOpError() << "expected an argument with " << kOperandAttr << " = \"" << name << "\"";
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
  SmallVector<StringRef> operands, sizes;
  /// What has been found: operands that are memrefs, operands that have a tensor map, and sizes.
  llvm::StringSet<> pointers, maps, values;
};
} // namespace

LogicalResult ArgumentVerifier::verifyOperand(BlockArgument arg, StringRef name) {
  if (!llvm::is_contained(operands, name))
    return emitError(arg) << "expected an operand of " << llvm::join(operands, ", ") << ", but got '" << name << "'";
  if (!pointers.insert(name).second)
    return emitError(arg) << "operand '" << name << "' is given twice";
  MemRefType expected = OperandGeometry::get(kernel, name).getType();
  auto type = dyn_cast<MemRefType>(arg.getType());
  bool isSame = type && type.getElementType() == expected.getElementType() && type.getShape() == expected.getShape() &&
                !type.getMemorySpace();
  if (isSame) {
    FailureOr<SmallVector<int64_t>> strides = getExplicitStrides(type);
    isSame = succeeded(strides) && ArrayRef(*strides) == kernel.getExplicitStridesOf(name);
  }
  if (isSame)
    return success();
  return emitError(arg) << "expected operand '" << name << "' to be " << expected
                        << ", as the sizes and strides of the kernel say, but got " << arg.getType();
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
  StringRef name = map.getOperand();
  if (!llvm::is_contained(operands, name))
    return emitError(arg) << "expected a tensor map of " << llvm::join(operands, ", ") << ", but got one of '" << name
                          << "'";
  maps.insert(name);
  if (arg.getType() != LLVM::LLVMPointerType::get(kernel.getContext()))
    return emitError(arg) << "expected a tensor map to be !llvm.ptr, but got " << arg.getType();
  OperandGeometry geometry = OperandGeometry::get(kernel, name);
  if (map.getElement() == geometry.element && map.getDims().getResults() == ArrayRef(geometry.getMapDims()) &&
      map.getStrides().getResults() == ArrayRef(geometry.getMapStrides()))
    return success();
  return emitError(arg) << "expected the tensor map of '" << name << "' to have the element type, dims and strides of "
                        << geometry.getType();
}

LogicalResult KernelOp::verify() {
  if (!isIdentifier(getSymName()))
    return emitOpError() << "expected the name of a kernel to be letters, digits, _ and $, no digit first, but got '"
                         << getSymName() << "'";
  if (getFunctionType().getNumResults())
    return emitOpError("expected a kernel to have no results");
  if (failed(verifySizes(*this)) || failed(verifyStrides(*this)) || failed(ArgumentVerifier(*this).run()))
    return failure();
  return verifyMulticast(*this, getConfig(), OperandGeometry::get(*this, "a"), OperandGeometry::get(*this, "b"));
}

//===----------------------------------------------------------------------===//
// What the arguments are
//===----------------------------------------------------------------------===//

ArrayRef<int64_t> KernelOp::getExplicitStridesOf(StringRef operand) {
  auto strides = getStridesAttr() ? getStridesAttr().getAs<DenseI64ArrayAttr>(operand) : DenseI64ArrayAttr();
  return strides ? strides.asArrayRef() : ArrayRef<int64_t>();
}

SmallVector<StringRef> KernelOp::getDynamicSizes() {
  SmallVector<StringRef> names;
  for (auto [name, size] : llvm::zip(kSizeNames, getSizes()))
    if (size < 0)
      names.push_back(name);
  for (auto [operand, name] : llvm::zip_equal(kMatrixNames, ArrayRef(kSizeNames).drop_front(kFirstLeadingDimension)))
    if (hasDynamicLeadingDimension(getExplicitStridesOf(operand)))
      names.push_back(name);
  return names;
}

StringRef KernelOp::getOperandName(Value value) {
  auto arg = dyn_cast<BlockArgument>(value);
  auto name = arg && arg.getOwner() == &getBody().front()
                  ? getArgAttrOfType<StringAttr>(arg.getArgNumber(), kOperandAttr)
                  : StringAttr{};
  return name ? name.getValue() : "";
}

BlockArgument KernelOp::findArgument(StringRef attr, StringRef value) {
  for (BlockArgument arg : getArguments())
    if (auto found = getArgAttrOfType<StringAttr>(arg.getArgNumber(), attr); found && found.getValue() == value)
      return arg;
  return {};
}

bool KernelOp::isSize(Value value, unsigned index) {
  int64_t size = getSizes()[index];
  return size < 0 ? value == findArgument(kSizeAttr, kSizeNames[index]) : getConstantIntValue(value) == size;
}

TileType KernelOp::getTileOf(StringRef operand) {
  MLIRContext *context = getContext();
  ConfigAttr config = getConfig();
  if (operand == "a" || operand == "b")
    return TileType::get(context, operand == "a" ? config.getBlockM() : config.getBlockN(), config.getBlockK(),
                         Float8E4M3FNType::get(context), /*swizzle=*/128);
  int64_t scales = operand == "scale_a" ? config.getBlockM() : getScaleBlocksOfTile(config.getBlockN());
  return TileType::get(context, 1, scales, Float32Type::get(context), /*swizzle=*/0);
}
