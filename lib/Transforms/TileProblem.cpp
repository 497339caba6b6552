//===- TileProblem.cpp - dgemm-tile-problem -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dgemm/IR/DGemm.h"
#include "dgemm/IR/Epilogue.h"
#include "dgemm/IR/HopperLimits.h"
#include "dgemm/IR/OperandGeometry.h"
#include "dgemm/IR/SharedMemoryLayout.h"
#include "dgemm/Transforms/Passes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace dgemm {
#define GEN_PASS_DEF_TILEPROBLEMPASS
#include "dgemm/Transforms/Passes.h.inc"
} // namespace dgemm

using namespace mlir;
using namespace dgemm;

/// A function that becomes a kernel holds its gemm and nothing else.
static LogicalResult verifyBody(func::FuncOp func, GemmOp gemm) {
  if (gemm->getBlock() != &func.getBody().front())
    return gemm.emitOpError("expected to stand in the entry block of a function, which becomes a kernel; run "
                            "dgemm-outline-kernels first");
  for (Block &block : func.getBody())
    for (Operation &op : block)
      if (&op != gemm && !(isa<func::ReturnOp>(op) && block.isEntryBlock()))
        return op.emitOpError("expected a function to hold one dgemm.gemm and nothing else to become a kernel; run "
                              "dgemm-outline-kernels first");
  return success();
}

/// A kernel has the operands of the gemm as arguments, in an order of its own. It has no results, and no op calls it.
static LogicalResult verifySignature(func::FuncOp func, GemmOp gemm) {
  for (Value operand : gemm.getOperands()) {
    if (!isa<BlockArgument>(operand))
      return gemm.emitOpError("expected operands to be arguments of the function");
    if (hasOffset(cast<MemRefType>(operand.getType())))
      return gemm.emitOpError() << "expected operands of a kernel to begin at their base addresses; run "
                                   "dgemm-outline-kernels first, but got "
                                << operand.getType();
  }
  for (BlockArgument arg : func.getArguments())
    if (!llvm::is_contained(gemm.getOperands(), arg))
      return emitError(arg.getLoc()) << "argument " << arg.getArgNumber() << " of '" << func.getSymName()
                                     << "' is no operand of its dgemm.gemm, and a kernel has no other arguments";
  if (func.getNumResults())
    return func.emitOpError("expected a function without results to become a kernel");
  for (NamedAttribute attr : func->getAttrs())
    if (attr.getName() != func.getSymNameAttrName() && attr.getName() != func.getFunctionTypeAttrName() &&
        attr.getName() != kKernelAttr)
      return func.emitOpError() << "expected a function to have no attributes to become a kernel, but got '"
                                << attr.getName().getValue() << "'";
  for (NamedAttribute attr : gemm->getDiscardableAttrs())
    if (attr.getName() != kConfigSourceAttr)
      return gemm.emitOpError() << "expected no attributes that a kernel would lose, but got '"
                                << attr.getName().getValue() << "'";
  if (std::optional<SymbolTable::UseRange> uses = SymbolTable::getSymbolUses(func, func->getParentOp()))
    for (SymbolTable::SymbolUse use : *uses)
      return use.getUser()->emitError() << "'" << func.getSymName() << "' becomes a kernel, which only a host launches";
  return success();
}

/// The function that the kernel of `gemm` replaces; null after an error.
static func::FuncOp getFunction(GemmOp gemm) {
  if (failed(verifyIsBufferized(gemm)))
    return nullptr;
  auto func = dyn_cast<func::FuncOp>(gemm->getParentOp());
  if (!func)
    return gemm.emitOpError("expected to stand in the entry block of a function, which becomes a kernel; run "
                            "dgemm-outline-kernels first"),
           nullptr;
  if (failed(verifyBody(func, gemm)) || failed(verifySignature(func, gemm)))
    return nullptr;
  if (!gemm.getConfig())
    return gemm.emitOpError("expected a config; run dgemm-select-config first"), nullptr;
  return func;
}

/// Creates an empty kernel with the operands and dynamic sizes as arguments.
static KernelOp createKernel(ImplicitLocOpBuilder &b, func::FuncOp func, GemmOp gemm) {
  SmallVector<Type> types;
  SmallVector<Attribute> attrs;
  auto addArgument = [&](Type type, StringRef name, StringRef value) {
    types.push_back(type);
    attrs.push_back(b.getDictionaryAttr(b.getNamedAttr(name, b.getStringAttr(value))));
  };
  ProblemAttr problem = gemm.getProblem();
  for (auto [operand, value] : gemm.getRoles())
    addArgument(value.getType(), kOperandAttr, stringifyOperand(operand));
  for (StringRef name : problem.getDynamicSizes())
    addArgument(b.getIndexType(), kSizeAttr, name);
  auto kernel = KernelOp::create(b, func.getSymName(), b.getFunctionType(types, {}), problem, *gemm.getConfig(),
                                 b.getArrayAttr(attrs), ArrayAttr{});
  Block &entry = kernel.getBody().emplaceBlock();
  for (Type type : types)
    entry.addArgument(type, gemm.getLoc());
  return kernel;
}

namespace {
/// Where the rows of a tile begin, besides its row of D.
struct TileStart {
  /// The first column in D.
  Value column;
  /// The row of A from which scales are loaded, and the place of the tile's first scale among them; null if that is the
  /// first.
  Value scaleRow, firstScale;
};

/// Fills the loops of a kernel.
class KernelBody {
public:
  KernelBody(ImplicitLocOpBuilder &b, KernelOp kernel, ForEachTileOp tiles, const TileStart &start)
      : b(b), kernel(kernel), config(kernel.getConfig()), tiles(tiles), start(start), column(start.column) {}

  /// acc + A[m.., k..] * B[n.., k..]^T, with the scales that vary along K.
  Value createKBlock(Value k, FragType fragType, Value acc);
  /// `acc` times the scales that are the same along K.
  Value scaleSum(Value acc);
  /// Applies the epilogue of `gemm` to `acc` and stores the result to D. With split_k, `acc` is first summed over the
  /// cluster, and each CTA stores its own columns.
  void createStore(Value acc, GemmOp gemm);

private:
  Value operand(Operand operand) { return kernel.findOperand(operand); }
  /// `offsets` into an operand, with the group in front if the operand has one.
  SmallVector<Value> offsetsOf(Operand role, ArrayRef<Value> offsets) {
    SmallVector<Value> all(offsets);
    if (cast<MemRefType>(operand(role).getType()).getRank() == 3)
      all.insert(all.begin(), tiles.getGroup());
    return all;
  }
  Value load(Operand role, ArrayRef<Value> offsets) {
    return LoadOp::create(b, kernel.getTileOf(role), operand(role), offsetsOf(role, offsets), MovementAttr());
  }
  ScaledAttr lhs() { return kernel.getProblem().getLhs(); }
  ScaledAttr rhs() { return kernel.getProblem().getRhs(); }
  /// Whether scales for each row of a K block are loaded with its tiles, which needs strides and a box that TMA takes.
  bool isLoadedWithTiles(Operand scales) {
    return kernel.getProblem().getScaledOf(scales).isForEachRowOfKBlock() &&
           OperandGeometry::get(kernel, scales).allowsTMA() &&
           kernel.getTileOf(scales).getColumns() <= hopper::kTmaMaxBox;
  }
  /// Loads the tile of scales from `row` on, of the K block at `k`.
  Value loadScaleTile(Operand scales, Value k, Value row) {
    int64_t depth = kernel.getProblem().getScaledOf(scales).getK();
    return load(scales, {arith::DivUIOp::create(b, k, arith::ConstantIndexOp::create(b, depth)), row});
  }
  Value loadRowScales(Value k);
  Value loadColumnScales(Value k);
  Value mapSum(Value acc, Value n, GemmOp gemm);

  ImplicitLocOpBuilder &b;
  KernelOp kernel;
  ConfigAttr config;
  ForEachTileOp tiles;
  TileStart start;
  Value column;
};
} // namespace

/// Loads row scales by TMA through a tile, or directly, where each thread loads those of its own rows.
Value KernelBody::loadRowScales(Value k) {
  auto type = FragType::get(b.getContext(), config.getBlockM(), 1);
  Value m = tiles.getTileM();
  if (!isLoadedWithTiles(Operand::ScaleA))
    return LoadScalesOp::create(b, type, operand(Operand::ScaleA), offsetsOf(Operand::ScaleA, {m, k}), MovementAttr());
  Value tile = loadScaleTile(Operand::ScaleA, k, start.scaleRow);
  return LoadScalesOp::create(b, type, tile, start.firstScale ? ValueRange(start.firstScale) : ValueRange(),
                              MovementAttr());
}

/// Loads column scales, as loadRowScales does row scales.
Value KernelBody::loadColumnScales(Value k) {
  int64_t count = kernel.getProblem().getScalesOfTileOfB(config.getBlockN());
  Type type = rhs().isForEachRow() ? Type(FragType::get(b.getContext(), 1, count))
                                   : Type(VectorType::get(count, b.getF32Type()));
  if (isLoadedWithTiles(Operand::ScaleB))
    return LoadScalesOp::create(b, type, loadScaleTile(Operand::ScaleB, k, tiles.getTileN()));
  return LoadScalesOp::create(b, type, operand(Operand::ScaleB), offsetsOf(Operand::ScaleB, {column, k}),
                              MovementAttr());
}

Value KernelBody::createKBlock(Value k, FragType fragType, Value acc) {
  Value m = tiles.getTileM(), n = tiles.getTileN();
  Value columnScales = rhs().variesAlongK() ? loadColumnScales(k) : Value();
  Value aTile = load(Operand::A, {m, k});
  Value bTile = load(Operand::B, {column, k});
  Value rowScales = lhs().variesAlongK() ? loadRowScales(k) : Value();
  return ScaledMmaOp::create(b, fragType, aTile, bTile, rowScales, columnScales, columnScales ? n : Value(), acc);
}

Value KernelBody::scaleSum(Value acc) {
  auto isOfSum = [](ScaledAttr scaled) { return scaled.hasScales() && !scaled.variesAlongK(); };
  if (!isOfSum(lhs()) && !isOfSum(rhs()))
    return acc;
  Value zero = arith::ConstantIndexOp::create(b, 0);
  Value columnScales = isOfSum(rhs()) ? loadColumnScales(zero) : Value();
  Value rowScales = isOfSum(lhs()) ? loadRowScales(zero) : Value();
  return PromoteOp::create(b, acc.getType(), acc, rowScales, columnScales, columnScales ? tiles.getTileN() : Value(),
                           ZeroOp::create(b, acc.getType()));
}

/// Applies the epilogue of `gemm` to the columns of D from `n` on.
Value KernelBody::mapSum(Value acc, Value n, GemmOp gemm) {
  if (!gemm.hasEpilogue())
    return acc;
  SmallVector<Value> sources;
  for (size_t i = 0; i < gemm.getEpilogueOperands().size(); ++i)
    sources.push_back(operand(getEpilogueOperand(i)));
  FragType type = cast<FragType>(acc.getType());
  if (gemm.getGated())
    type = FragType::get(b.getContext(), type.getRows(), type.getColumns() / 2);
  auto map = MapOp::create(b, type, acc, tiles.getTileM(), n, tiles.getGroup(), sources,
                           /*part=*/DenseI64ArrayAttr());
  map.getBody().takeBody(gemm.getEpilogue());
  return map;
}

void KernelBody::createStore(Value acc, GemmOp gemm) {
  Value n = column, end;
  if (int64_t split = config.getSplitK(); split > 1) {
    auto type = FragType::get(b.getContext(), config.getBlockM(), getSplitColumns(config.getBlockN(), split));
    auto reduce = ReduceClusterOp::create(b, type, b.getIndexType(), acc, split);
    // The columns of the last CTAs may reach past the tile.
    if (type.getColumns() * split != config.getBlockN())
      end = arith::AddIOp::create(b, n, arith::ConstantIndexOp::create(b, config.getBlockN()));
    n = arith::AddIOp::create(b, n, reduce.getColumn());
    acc = reduce.getSum();
  }
  acc = mapSum(acc, n, gemm);
  StoreOp::create(b, acc, operand(Operand::D), offsetsOf(Operand::D, {tiles.getTileM(), n}), operand(Operand::ScaleD),
                  tiles.getGroupRows(), end, /*part=*/DenseI64ArrayAttr{}, kernel.getProblem().getAccumulate(),
                  MovementAttr());
}

static void tileProblem(func::FuncOp func, GemmOp gemm) {
  ImplicitLocOpBuilder b(gemm.getLoc(), func);
  KernelOp kernel = createKernel(b, func, gemm);
  ConfigAttr config = kernel.getConfig();
  b.setInsertionPointToStart(&kernel.getBody().front());
  auto sizeOf = [&](StringRef name, int64_t size) -> Value {
    if (BlockArgument arg = kernel.findSize(name))
      return arg;
    return arith::ConstantIndexOp::create(b, size);
  };
  Value m = sizeOf("M", gemm.getM()), n = sizeOf("N", gemm.getN()), k = sizeOf("K", gemm.getK());
  Value zero = arith::ConstantIndexOp::create(b, 0);
  Value step = arith::ConstantIndexOp::create(b, config.getBlockK());

  Value begin = zero, end = k;
  SmallVector<int64_t> cluster = {config.getClusterM(), config.getClusterN()};
  if (config.getSplitK() > 1) {
    auto range = KRangeOp::create(b, b.getIndexType(), b.getIndexType(), k, config.getSplitK());
    begin = range.getBegin();
    end = range.getEnd();
    cluster.push_back(config.getSplitK());
  }
  Value groups;
  if (std::optional<Operand> operand = kernel.getProblem().getGroupsOperand())
    groups = kernel.findOperand(*operand);
  auto tiles = ForEachTileOp::create(b, m, n, gemm.getLayout(), groups, {config.getBlockM(), config.getBlockN()},
                                     config.getOrder().getGroupM(), cluster);
  b.setInsertionPointToStart(&tiles.getBody().front());
  if (tiles.getKBegin()) {
    begin = tiles.getKBegin();
    end = tiles.getKEnd();
  }
  auto fragType = FragType::get(b.getContext(), config.getBlockM(), config.getBlockN());
  TileStart start = {/*column=*/tiles.getTileN(), /*scaleRow=*/tiles.getTileM(), /*firstScale=*/Value()};
  if (gemm.getGated())
    start.column = arith::DivUIOp::create(b, start.column, arith::ConstantIndexOp::create(b, 2));
  if (int64_t before = kernel.getProblem().getScalesBeforeTile()) {
    start.firstScale = arith::RemUIOp::create(b, start.scaleRow, arith::ConstantIndexOp::create(b, before));
    start.scaleRow = arith::SubIOp::create(b, start.scaleRow, start.firstScale);
  }
  Value init = ZeroOp::create(b, fragType);
  auto loop = scf::ForOp::create(
      b, begin, end, step, init, [&](OpBuilder &builder, Location loc, Value kOffset, ValueRange acc) {
        ImplicitLocOpBuilder inner(loc, builder);
        if (config.getOrder().getSerpentine())
          kOffset = WalkKOp::create(inner, inner.getIndexType(), kOffset, begin, end);
        Value next = KernelBody(inner, kernel, tiles, start).createKBlock(kOffset, fragType, acc.front());
        scf::YieldOp::create(inner, next);
      });
  KernelBody body(b, kernel, tiles, start);
  body.createStore(body.scaleSum(loop.getResult(0)), gemm);
  func.erase();
}

namespace {
struct TileProblem : dgemm::impl::TileProblemPassBase<TileProblem> {
  void runOnOperation() override {
    SmallVector<GemmOp> gemms;
    getOperation().walk([&](GemmOp gemm) { gemms.push_back(gemm); });
    for (GemmOp gemm : gemms) {
      func::FuncOp func = getFunction(gemm);
      if (!func)
        return signalPassFailure();
      tileProblem(func, gemm);
    }
  }
};
} // namespace
