//===- KernelOp.cpp - dgemm.kernel -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dgemm/IR/DGemm.h"
#include "dgemm/IR/HopperLimits.h"

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
  printer.printNewline();
  printer << "    config ";
  printer.printStrippedAttrOrType(getConfigAttr());
  printer.printOptionalAttrDictWithKeyword(
      (*this)->getAttrs(), {getSymNameAttrName(), getLayoutAttrName(), getFunctionTypeAttrName(), getSizesAttrName(),
                            getDivisorsAttrName(), getConfigAttrName(), getArgAttrsAttrName(), getResAttrsAttrName()});
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

LogicalResult KernelOp::verify() {
  size_t expected = getLayout() == Layout::Dense ? 3 : 4;
  if (getSizes().size() != expected)
    return emitOpError() << "expected 'sizes' to give M, N" << (expected == 3 ? " and K" : ", K and G") << ", but got "
                         << getSizes().size() << " values";
  if (getFunctionType().getNumResults())
    return emitOpError("expected a kernel to have no results");
  return success();
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
