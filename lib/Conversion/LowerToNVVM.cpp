//===- LowerToNVVM.cpp - dgemm-lower-to-nvvm -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Expects kernels after dgemm-lower-wgmma. First the remaining dgemm ops are rewritten on scf and arith, then all of it
// is converted to llvm with 32-bit indices.
//
//===----------------------------------------------------------------------===//

#include "Addressing.h"
#include "ClusterReduction.h"
#include "dgemm/Conversion/Passes.h"
#include "dgemm/IR/DGemm.h"
#include "dgemm/IR/HopperLimits.h"
#include "dgemm/IR/SharedMemoryLayout.h"
#include "mlir/Conversion/ArithToLLVM/ArithToLLVM.h"
#include "mlir/Conversion/ControlFlowToLLVM/ControlFlowToLLVM.h"
#include "mlir/Conversion/LLVMCommon/ConversionTarget.h"
#include "mlir/Conversion/LLVMCommon/TypeConverter.h"
#include "mlir/Conversion/SCFToControlFlow/SCFToControlFlow.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlow.h"
#include "mlir/IR/Matchers.h"
#include "mlir/Transforms/DialectConversion.h"

namespace mlir::dgemm {
#define GEN_PASS_DEF_LOWERTONVVMPASS
#include "dgemm/Conversion/Passes.h.inc"
} // namespace mlir::dgemm

using namespace mlir;
using namespace mlir::dgemm;

//===----------------------------------------------------------------------===//
// Tile loop
//===----------------------------------------------------------------------===//

/// Number of a cluster's tile to its coordinates: groups of `group_m` tile rows are walked column by column.
static std::pair<Value, Value> decodeTile(NVVMBuilder &b, ForEachTileOp op, Value tile, Value tilesM, Value tilesN) {
  // A single row of tiles wants no divisions, which would delay the first load.
  APInt m;
  if (op.getLayout() != Layout::Masked && matchPattern(op.getM(), m_ConstantInt(&m)) &&
      m.getSExtValue() <= op.getTile()[0] * op.getCluster()[0])
    return {b.index(0), tile};
  Value groupM = b.index(llvm::divideCeil(op.getGroupM(), op.getCluster()[0]));
  Value tilesOfGroup = arith::MulIOp::create(b, groupM, tilesN);
  Value group = arith::DivUIOp::create(b, tile, tilesOfGroup);
  Value inGroup = arith::RemUIOp::create(b, tile, tilesOfGroup);
  Value firstM = arith::MulIOp::create(b, group, groupM);
  Value rows = arith::MinUIOp::create(b, groupM, arith::SubIOp::create(b, tilesM, firstM));
  Value tileM = b.add(firstM, arith::RemUIOp::create(b, inGroup, rows));
  return {tileM, arith::DivUIOp::create(b, inGroup, rows)};
}

namespace {
/// Where a tile begins in D.
struct TileOffsets {
  Value m, n;
  /// Row of the first tile of the cluster: all of its CTAs decide by it.
  Value clusterM;
};

/// Turns a tile loop into scf loops over the tiles of this CTA. What is counted are the tiles of a whole cluster.
class TileLoopLowering {
public:
  explicit TileLoopLowering(ForEachTileOp op) : op(op), b(op.getLoc(), op) {}
  void lower();

private:
  /// Tiles of a cluster along dimension `dim` (0: M, 1: N) of extent `size`.
  Value tilesOf(Value size, unsigned dim) {
    int64_t extent = op.getTile()[dim] * op.getCluster()[dim];
    return arith::DivUIOp::create(b, b.add(size, b.index(extent - 1)), b.index(extent));
  }
  /// i32 element `position` of the group operand.
  Value loadGroupValue(Value position);
  /// A loop over tiles from `first` to `end`; `body` builds an iteration and returns what it carries on.
  ResultRange createLoop(Value first, Value end, Value step, ValueRange inits,
                         function_ref<SmallVector<Value>(Value, ValueRange)> body);
  /// Moves the body of the op here, for tile number `tile` of `tilesM` x `tilesN`; `tileArgs` follow m and n.
  SmallVector<Value> moveBody(TileOffsets offsets, ArrayRef<Value> tileArgs, ValueRange carried);
  TileOffsets offsetsOf(Value tile, Value tilesM);
  SmallVector<Value> createContiguousTile(TileOffsets offsets, ValueRange carried);
  ResultRange lowerMasked(Value first, Value step);

  ForEachTileOp op;
  NVVMBuilder b;
  Value tilesN;
};
} // namespace

TileOffsets TileLoopLowering::offsetsOf(Value tile, Value tilesM) {
  auto [tileM, tileN] = decodeTile(b, op, tile, tilesM, tilesN);
  ArrayRef<int64_t> extent = op.getTile(), cluster = op.getCluster();
  Value m = arith::MulIOp::create(b, tileM, b.index(extent[0] * cluster[0]));
  Value n = arith::MulIOp::create(b, tileN, b.index(extent[1] * cluster[1]));
  if (cluster[0] * cluster[1] == 1)
    return {m, n, m};
  auto [row, column] = b.clusterPosition(cluster[1]);
  return {b.add(m, b.toIndex(b.mul(row, extent[0]))), b.add(n, b.toIndex(b.mul(column, extent[1]))), m};
}

Value TileLoopLowering::loadGroupValue(Value position) {
  Type pointer = LLVM::LLVMPointerType::get(b.getContext(), static_cast<unsigned>(NVVM::NVVMMemorySpace::Global));
  Value base = UnrealizedConversionCastOp::create(b, pointer, op.getGroups()).getResult(0);
  Value address = LLVM::GEPOp::create(b, pointer, b.getI32Type(), base, ArrayRef<LLVM::GEPArg>{b.toI32(position)});
  auto load = LLVM::LoadOp::create(b, b.getI32Type(), address);
  load.setInvariant(true);
  return load;
}

ResultRange TileLoopLowering::createLoop(Value first, Value end, Value step, ValueRange inits,
                                         function_ref<SmallVector<Value>(Value, ValueRange)> body) {
  auto loop = scf::ForOp::create(b, first, end, step, inits);
  if (inits.empty()) // a loop that carries nothing comes with its terminator
    loop.getBody()->getTerminator()->erase();
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToEnd(loop.getBody());
  SmallVector<Value> carried = body(loop.getInductionVar(), loop.getRegionIterArgs());
  scf::YieldOp::create(b, carried);
  return loop.getResults();
}

SmallVector<Value> TileLoopLowering::moveBody(TileOffsets offsets, ArrayRef<Value> tileArgs, ValueRange carried) {
  SmallVector<Value> arguments = {offsets.m, offsets.n};
  llvm::append_range(arguments, tileArgs);
  llvm::append_range(arguments, carried);
  Block &body = op.getBody().front();
  for (auto [arg, value] : llvm::zip_equal(body.getArguments(), arguments))
    arg.replaceAllUsesWith(value);
  auto yield = cast<YieldOp>(body.getTerminator());
  SmallVector<Value> next(yield.getValues());
  yield.erase();
  b.getBlock()->getOperations().splice(b.getInsertionPoint(), body.getOperations());
  return next;
}

/// The group is that of the first row of the cluster's tiles; padding is skipped.
SmallVector<Value> TileLoopLowering::createContiguousTile(TileOffsets offsets, ValueRange carried) {
  Value group = loadGroupValue(offsets.clusterM);
  Value isValid = arith::CmpIOp::create(b, arith::CmpIPredicate::sge, group, b.i32(0));
  auto branch = scf::IfOp::create(b, carried.getTypes(), isValid, /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(b);
  for (Block *block : {branch.thenBlock(), branch.elseBlock()}) {
    if (!block->empty()) // a branch without results comes with its terminator
      block->back().erase();
    b.setInsertionPointToEnd(block);
    if (block == branch.thenBlock())
      scf::YieldOp::create(b, moveBody(offsets, {b.toIndex(group)}, carried));
    else
      scf::YieldOp::create(b, carried);
  }
  return SmallVector<Value>(branch.getResults());
}

/// Group after group; `next` is the next tile of this CTA's cluster, `base` the first of the group, counted over all
/// groups.
ResultRange TileLoopLowering::lowerMasked(Value first, Value step) {
  OperandGeometry geometry = OperandGeometry::get(op->getParentOfType<KernelOp>(), "masked_m");
  Value groups;
  if (auto count = dyn_cast<AffineConstantExpr>(geometry.shape[0]))
    groups = b.index(count.getValue());
  else
    groups = op->getParentOfType<KernelOp>().findArgument(kSizeAttr, "G");
  SmallVector<Value> inits = {first, b.index(0)};
  llvm::append_range(inits, op.getInitArgs());
  return createLoop(b.index(0), groups, b.index(1), inits, [&](Value group, ValueRange state) {
    Value next = state[0], base = state[1];
    Value rows = b.toIndex(loadGroupValue(group));
    Value tilesM = tilesOf(rows, 0);
    Value end = b.add(base, arith::MulIOp::create(b, tilesM, tilesN));
    ResultRange carried = createLoop(next, end, step, state.drop_front(2), [&](Value tile, ValueRange values) {
      Value inGroup = arith::SubIOp::create(b, tile, base);
      return moveBody(offsetsOf(inGroup, tilesM), {group, rows}, values);
    });
    // The first of next, next + step, ... that is not below `end`.
    Value left = arith::SubIOp::create(b, arith::MaxUIOp::create(b, end, next), next);
    Value rounds =
        arith::DivUIOp::create(b, arith::AddIOp::create(b, left, arith::SubIOp::create(b, step, b.index(1))), step);
    SmallVector<Value> yielded = {b.add(next, arith::MulIOp::create(b, rounds, step)), end};
    llvm::append_range(yielded, carried);
    return yielded;
  });
}

void TileLoopLowering::lower() {
  tilesN = tilesOf(op.getN(), 1);
  Value first = b.toIndex(NVVM::BlockIdXOp::create(b, b.getI32Type()));
  Value step = b.toIndex(NVVM::GridDimXOp::create(b, b.getI32Type()));
  if (int64_t size = op.getClusterSize(); size > 1) {
    first = arith::DivUIOp::create(b, first, b.index(size));
    step = arith::DivUIOp::create(b, step, b.index(size));
  }
  if (op.getLayout() == Layout::Masked) {
    op.replaceAllUsesWith(lowerMasked(first, step).drop_front(2));
    op.erase();
    return;
  }
  Value tilesM = tilesOf(op.getM(), 0);
  Value count = arith::MulIOp::create(b, tilesM, tilesN);
  ResultRange results = createLoop(first, count, step, op.getInitArgs(), [&](Value tile, ValueRange carried) {
    TileOffsets offsets = offsetsOf(tile, tilesM);
    if (op.getLayout() == Layout::Contiguous)
      return createContiguousTile(offsets, carried);
    return moveBody(offsets, {}, carried);
  });
  op.replaceAllUsesWith(results);
  op.erase();
}

//===----------------------------------------------------------------------===//
// Roles
//===----------------------------------------------------------------------===//

/// if (warpgroup < consumers) { more registers; consumer } else { fewer; one or all threads: producer }
static void lowerRoles(WarpSpecializeOp op) {
  NVVMBuilder b(op.getLoc(), op);
  Value thread = b.threadIndex();
  Value warp = b.uniform(b.shiftRight(thread, 5));
  Value warpgroup = b.shiftRight(warp, 2);
  Value isConsumer = arith::CmpIOp::create(b, arith::CmpIPredicate::ult, warpgroup, b.i32(op.getConsumers()));
  op.getWarpgroup().replaceAllUsesWith(b.toIndex(warpgroup));
  auto branch = scf::IfOp::create(b, isConsumer, /*withElseRegion=*/true);

  b.setInsertionPointToStart(branch.thenBlock());
  NVVM::SetMaxRegisterOp::create(b, op.getConsumerRegisters(), NVVM::SetMaxRegisterAction::increase);
  branch.thenBlock()->getOperations().splice(b.getInsertionPoint(), op.getConsumer().front().getOperations());

  b.setInsertionPointToStart(branch.elseBlock());
  NVVM::SetMaxRegisterOp::create(b, op.getProducerRegisters(), NVVM::SetMaxRegisterAction::decrease);
  auto moveProducer = [&] {
    b.getBlock()->getOperations().splice(b.getInsertionPoint(), op.getProducer().front().getOperations());
  };
  if (op.getProducerThreads() > 1) {
    moveProducer();
    op.erase();
    return;
  }
  Value isFirstWarp = b.equal(b.bitAnd(warp, hopper::kWarpgroupWarps - 1), 0);
  b.when(isFirstWarp, [&] {
    Value elected = NVVM::ElectSyncOp::create(b, b.getI1Type(), Value{});
    b.when(elected, moveProducer);
  });
  op.erase();
}

//===----------------------------------------------------------------------===//
// Scales of B
//===----------------------------------------------------------------------===//

/// Row `n / 128 + i`, no further than the last.
static void lowerBlockScales(LoadBlockScalesOp op) {
  NVVMBuilder b(op.getLoc(), op);
  auto kernel = op->getParentOfType<KernelOp>();
  OperandAccess access(b, kernel, op.getSource());
  bool mayStartPastN = kernel.getConfig().getClusterN() > 1;
  Value block = b.index(kScaleBlock);
  Value firstRow = arith::DivUIOp::create(b, op.getN(), block);
  SmallVector<Value> indices(op.getOffsets());
  Value &row = indices[indices.size() - 2];
  indices.back() = arith::DivUIOp::create(b, op.getK(), block);
  Value one = arith::ConstantOp::create(b, b.getI64IntegerAttr(1));
  auto type = cast<VectorType>(op.getScales().getType());
  Value scales = LLVM::UndefOp::create(b, type);
  for (int64_t i = 0; i < type.getNumElements(); ++i) {
    row = firstRow;
    if (i || mayStartPastN)
      row = arith::MinUIOp::create(b, access.toI64(b.add(firstRow, b.index(i))),
                                   arith::SubIOp::create(b, access.getExtent(1), one));
    auto load = LLVM::LoadOp::create(b, b.getF32Type(), access.getAddress(access.getOffset(indices)));
    load.setInvariant(true);
    scales = LLVM::InsertElementOp::create(b, scales, load, b.i32(i));
  }
  op.replaceAllUsesWith(scales);
  op.erase();
}

//===----------------------------------------------------------------------===//
// Kernel
//===----------------------------------------------------------------------===//

namespace {

/// The function that a kernel becomes, and what its arguments become.
class KernelLowering {
public:
  explicit KernelLowering(KernelOp kernel) : kernel(kernel), b(kernel.getLoc(), kernel) {}

  LogicalResult lower();

private:
  Type convertArgument(unsigned index, NamedAttrList &attrs);
  DictionaryAttr describeLaunch(int64_t threads);

  KernelOp kernel;
  NVVMBuilder b;
  LLVM::LLVMFuncOp func;
};

Type KernelLowering::convertArgument(unsigned index, NamedAttrList &attrs) {
  Type type = kernel.getArgument(index).getType();
  MLIRContext *context = b.getContext();
  if (kernel.getArgAttr(index, kTensorMapAttr)) {
    // 128 bytes by value, read only (cuda.h, CUtensorMap).
    Type map = LLVM::LLVMArrayType::get(b.getI8Type(), 128);
    attrs.set(LLVM::LLVMDialect::getByValAttrName(), TypeAttr::get(map));
    attrs.set(LLVM::LLVMDialect::getAlignAttrName(), b.getI64IntegerAttr(64));
    attrs.set(NVVM::NVVMDialect::getGridConstantAttrName(), b.getUnitAttr());
    return LLVM::LLVMPointerType::get(context);
  }
  if (isa<MemRefType>(type))
    return LLVM::LLVMPointerType::get(context, static_cast<unsigned>(NVVM::NVVMMemorySpace::Global));
  return b.getI32Type();
}

DictionaryAttr KernelLowering::describeLaunch(int64_t threads) {
  ConfigAttr config = kernel.getConfig();
  DictionaryAttr strides = kernel.getStridesAttr();
  return b.getDictionaryAttr({
      b.getNamedAttr("config", config),
      b.getNamedAttr("layout", b.getStringAttr(stringifyLayout(kernel.getLayout()))),
      b.getNamedAttr("strides", strides ? strides : b.getDictionaryAttr({})),
      b.getNamedAttr("shared_memory", b.getI64IntegerAttr(SharedMemoryLayout::get(config).totalBytes)),
      b.getNamedAttr("sizes", kernel.getSizesAttr()),
      b.getNamedAttr("threads", b.getI64IntegerAttr(threads)),
  });
}

LogicalResult KernelLowering::lower() {
  auto roles = llvm::to_vector(kernel.getBody().getOps<WarpSpecializeOp>());
  if (roles.size() != 1)
    return kernel.emitOpError("expected one dgemm.warp_specialize; run dgemm-warp-specialize first");
  int64_t threads = roles.front().getThreads();
  SmallVector<LoadBlockScalesOp> loads;
  kernel.walk([&](LoadBlockScalesOp load) { loads.push_back(load); });
  llvm::for_each(loads, lowerBlockScales);
  kernel.walk([](KRangeOp range) { lowerKRange(range); });
  SmallVector<ForEachTileOp> loops;
  kernel.walk([&](ForEachTileOp loop) { loops.push_back(loop); });
  for (ForEachTileOp loop : loops)
    TileLoopLowering(loop).lower();
  lowerRoles(roles.front());

  SmallVector<Type> types;
  SmallVector<DictionaryAttr> attrs;
  for (unsigned i = 0; i < kernel.getNumArguments(); ++i) {
    NamedAttrList list(kernel.getArgAttrDict(i));
    types.push_back(convertArgument(i, list));
    attrs.push_back(list.getDictionary(b.getContext()));
  }
  b.setInsertionPoint(kernel);
  auto type = LLVM::LLVMFunctionType::get(LLVM::LLVMVoidType::get(b.getContext()), types);
  func = LLVM::LLVMFuncOp::create(b, kernel.getSymName(), type);
  func->setAttr(NVVM::NVVMDialect::getKernelFuncAttrName(), b.getUnitAttr());
  func->setAttr(NVVM::NVVMDialect::getReqntidAttrName(), b.getDenseI32ArrayAttr({static_cast<int32_t>(threads)}));
  func->setAttr(NVVM::NVVMDialect::getMinctasmAttrName(), b.getI32IntegerAttr(1));
  if (int64_t size = kernel.getConfig().getClusterSize(); size > 1)
    func->setAttr(NVVM::NVVMDialect::getClusterDimAttrName(), b.getDenseI32ArrayAttr({static_cast<int32_t>(size)}));
  func->setAttr("dgemm.launch", describeLaunch(threads));
  func.setAllArgAttrs(attrs);
  Block *entry = func.addEntryBlock(b);
  b.setInsertionPointToStart(entry);
  for (auto [from, to] : llvm::zip_equal(kernel.getArguments(), entry->getArguments())) {
    if (from.getType().isIndex()) {
      from.replaceAllUsesWith(b.toIndex(to));
      continue;
    }
    for (Operation *user : llvm::make_early_inc_range(from.getUsers()))
      if (isa<UnrealizedConversionCastOp>(user)) {
        user->getResult(0).replaceAllUsesWith(to);
        user->erase();
      }
    from.replaceAllUsesWith(to);
  }
  entry->getOperations().splice(entry->end(), kernel.getBody().front().getOperations());
  b.setInsertionPointToEnd(entry);
  LLVM::ReturnOp::create(b, ValueRange{});
  kernel.erase();
  return success();
}

struct LowerToNVVM : mlir::dgemm::impl::LowerToNVVMPassBase<LowerToNVVM> {
  void runOnOperation() override {
    for (KernelOp kernel : llvm::to_vector(getOperation().getOps<KernelOp>()))
      if (failed(KernelLowering(kernel).lower()))
        return signalPassFailure();
    if (failed(convertToControlFlow()) || failed(convertToLLVM()))
      signalPassFailure();
  }

  LogicalResult convertToControlFlow() {
    RewritePatternSet patterns(&getContext());
    populateSCFToControlFlowConversionPatterns(patterns);
    ConversionTarget target(getContext());
    target.addIllegalDialect<scf::SCFDialect>();
    target.markUnknownOpDynamicallyLegal([](Operation *) { return true; });
    return applyPartialConversion(getOperation(), target, std::move(patterns));
  }

  LogicalResult convertToLLVM() {
    LowerToLLVMOptions options(&getContext());
    options.overrideIndexBitwidth(32); // sizes and offsets are below 2^31
    LLVMTypeConverter converter(&getContext(), options);
    RewritePatternSet patterns(&getContext());
    arith::populateArithToLLVMConversionPatterns(converter, patterns);
    cf::populateControlFlowToLLVMConversionPatterns(converter, patterns);
    ConversionTarget target(getContext());
    target.addIllegalDialect<arith::ArithDialect, cf::ControlFlowDialect>();
    target.markUnknownOpDynamicallyLegal([](Operation *) { return true; });
    return applyPartialConversion(getOperation(), target, std::move(patterns));
  }
};

} // namespace
