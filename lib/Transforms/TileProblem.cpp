//===- TileProblem.cpp - dgemm-tile-problem -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dgemm/IR/DGemm.h"
#include "dgemm/Transforms/Passes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace mlir::dgemm {
#define GEN_PASS_DEF_TILEPROBLEMPASS
#include "dgemm/Transforms/Passes.h.inc"
} // namespace mlir::dgemm

using namespace mlir;
using namespace mlir::dgemm;

/// The only dgemm.gemm of a function, null after an error.
static GemmOp getOnlyGemm(func::FuncOp func) {
  GemmOp gemm;
  for (Operation &op : func.getBody().front().without_terminator()) {
    auto found = dyn_cast<GemmOp>(op);
    if (!found || gemm) {
      op.emitOpError("expected a function to hold one dgemm.gemm and nothing else to become a kernel");
      return {};
    }
    gemm = found;
  }
  if (!gemm.getConfig()) {
    gemm.emitOpError("expected a config; run dgemm-select-config first");
    return {};
  }
  for (Value operand : gemm.getOperands())
    if (!isa<BlockArgument>(operand)) {
      gemm.emitOpError("expected operands to be arguments of the function");
      return {};
    }
  return gemm;
}

/// The empty kernel: operands and dynamic sizes as arguments.
static KernelOp createKernel(ImplicitLocOpBuilder &b, func::FuncOp func, GemmOp gemm) {
  SmallVector<Type> types;
  SmallVector<Attribute> attrs;
  auto addArgument = [&](Type type, StringRef name, StringRef value) {
    types.push_back(type);
    attrs.push_back(b.getDictionaryAttr(b.getNamedAttr(name, b.getStringAttr(value))));
  };
  for (auto [name, operand] :
       llvm::zip_equal(ArrayRef<StringRef>{"a", "scale_a", "b", "scale_b", "d"}, gemm->getOperands()))
    addArgument(operand.getType(), kOperandAttr, name);
  SmallVector<int64_t> sizes;
  for (auto [name, size] : {std::pair<StringRef, int64_t>{"M", gemm.getM()}, {"N", gemm.getN()}, {"K", gemm.getK()}}) {
    sizes.push_back(ShapedType::isDynamic(size) ? -1 : size);
    if (ShapedType::isDynamic(size))
      addArgument(b.getIndexType(), kSizeAttr, name);
  }
  auto kernel = KernelOp::create(b, func.getSymName(), b.getFunctionType(types, {}), sizes, *gemm.getConfig(),
                                 b.getArrayAttr(attrs), ArrayAttr{});
  Block &entry = kernel.getBody().emplaceBlock();
  for (Type type : types)
    entry.addArgument(type, gemm.getLoc());
  return kernel;
}

/// acc + A[m.., k..] * B[n.., k..]^T, scaled.
static Value createKBlock(ImplicitLocOpBuilder &b, ValueRange operands, ConfigAttr config, Value m, Value n, Value k,
                          FragType fragType, Value acc) {
  MLIRContext *context = b.getContext();
  auto tile = [&](int64_t rows) {
    return TileType::get(context, rows, config.getBlockK(), Float8E4M3FNType::get(context), 128);
  };
  Value kBlock = arith::DivUIOp::create(b, k, arith::ConstantIndexOp::create(b, kScaleBlock));
  Value columnScales = LoadBlockScalesOp::create(
      b, VectorType::get(getScaleBlocksOfTile(config.getBlockN()), b.getF32Type()), operands[3], n, k);
  Value lhs = LoadOp::create(b, tile(config.getBlockM()), operands[0], ValueRange{m, k});
  Value rhs = LoadOp::create(b, tile(config.getBlockN()), operands[2], ValueRange{n, k});
  Value scaleTile = LoadOp::create(b, TileType::get(context, 1, config.getBlockM(), b.getF32Type(), 0), operands[1],
                                   ValueRange{kBlock, m});
  Value rowScales = LoadFragmentOp::create(b, FragType::get(context, config.getBlockM(), 1), scaleTile);
  return ScaledMmaOp::create(b, fragType, lhs, rhs, rowScales, columnScales, n, acc);
}

static void tileProblem(func::FuncOp func, GemmOp gemm) {
  ImplicitLocOpBuilder b(gemm.getLoc(), func);
  KernelOp kernel = createKernel(b, func, gemm);
  ConfigAttr config = kernel.getConfig();
  b.setInsertionPointToStart(&kernel.getBody().front());
  auto sizeOf = [&](StringRef name, int64_t size) -> Value {
    if (BlockArgument arg = kernel.findArgument(kSizeAttr, name))
      return arg;
    return arith::ConstantIndexOp::create(b, size);
  };
  Value m = sizeOf("M", gemm.getM()), n = sizeOf("N", gemm.getN()), k = sizeOf("K", gemm.getK());
  Value zero = arith::ConstantIndexOp::create(b, 0);
  Value step = arith::ConstantIndexOp::create(b, config.getBlockK());

  auto tiles = ForEachTileOp::create(b, m, n, {config.getBlockM(), config.getBlockN()}, config.getGroupM());
  b.setInsertionPointToStart(&tiles.getBody().front());
  auto fragType = FragType::get(b.getContext(), config.getBlockM(), config.getBlockN());
  Value init = ZeroOp::create(b, fragType);
  ValueRange operands = kernel.getArguments();
  auto loop =
      scf::ForOp::create(b, zero, k, step, init, [&](OpBuilder &builder, Location loc, Value kOffset, ValueRange acc) {
        ImplicitLocOpBuilder body(loc, builder);
        Value next =
            createKBlock(body, operands, config, tiles.getTileM(), tiles.getTileN(), kOffset, fragType, acc.front());
        scf::YieldOp::create(body, next);
      });
  StoreOp::create(b, loop.getResult(0), operands[4], ValueRange{tiles.getTileM(), tiles.getTileN()});
  func.erase();
}

namespace {
struct TileProblem : mlir::dgemm::impl::TileProblemPassBase<TileProblem> {
  void runOnOperation() override {
    SmallVector<func::FuncOp> funcs;
    for (auto func : getOperation().getOps<func::FuncOp>())
      if (!func.isExternal() && !func.getBody().front().getOps<GemmOp>().empty())
        funcs.push_back(func);
    for (func::FuncOp func : funcs) {
      GemmOp gemm = getOnlyGemm(func);
      if (!gemm)
        return signalPassFailure();
      tileProblem(func, gemm);
    }
  }
};
} // namespace
