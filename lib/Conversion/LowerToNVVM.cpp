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

#include "NVVMBuilder.h"
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

/// Tile number to tile coordinates: groups of `group_m` tile rows are walked column by column.
static std::pair<Value, Value> decodeTile(NVVMBuilder &b, ForEachTileOp op, Value tile, Value tilesM, Value tilesN) {
  Value groupM = b.index(op.getGroupM());
  Value tilesOfGroup = arith::MulIOp::create(b, groupM, tilesN);
  Value group = arith::DivUIOp::create(b, tile, tilesOfGroup);
  Value inGroup = arith::RemUIOp::create(b, tile, tilesOfGroup);
  Value firstM = arith::MulIOp::create(b, group, groupM);
  Value rows = arith::MinUIOp::create(b, groupM, arith::SubIOp::create(b, tilesM, firstM));
  Value tileM = b.add(firstM, arith::RemUIOp::create(b, inGroup, rows));
  return {tileM, arith::DivUIOp::create(b, inGroup, rows)};
}

static void lowerTileLoop(ForEachTileOp op) {
  NVVMBuilder b(op.getLoc(), op);
  auto tilesOf = [&](Value size, int64_t extent) -> Value {
    Value block = b.index(extent);
    return arith::DivUIOp::create(b, b.add(size, b.index(extent - 1)), block);
  };
  Value tilesM = tilesOf(op.getM(), op.getTile()[0]), tilesN = tilesOf(op.getN(), op.getTile()[1]);
  Value first = b.toIndex(NVVM::BlockIdXOp::create(b, b.getI32Type()));
  Value step = b.toIndex(NVVM::GridDimXOp::create(b, b.getI32Type()));
  Value count = arith::MulIOp::create(b, tilesM, tilesN);
  auto loop = scf::ForOp::create(b, first, count, step, op.getInitArgs());
  if (op.getInitArgs().empty()) // a loop that carries nothing comes with its terminator
    loop.getBody()->getTerminator()->erase();
  b.setInsertionPointToEnd(loop.getBody());
  auto [tileM, tileN] = decodeTile(b, op, loop.getInductionVar(), tilesM, tilesN);
  SmallVector<Value> arguments = {arith::MulIOp::create(b, tileM, b.index(op.getTile()[0])),
                                  arith::MulIOp::create(b, tileN, b.index(op.getTile()[1]))};
  llvm::append_range(arguments, loop.getRegionIterArgs());
  Block &body = op.getBody().front();
  for (auto [arg, value] : llvm::zip_equal(body.getArguments(), arguments))
    arg.replaceAllUsesWith(value);
  auto yield = cast<YieldOp>(body.getTerminator());
  SmallVector<Value> carried(yield.getValues());
  yield.erase();
  loop.getBody()->getOperations().splice(loop.getBody()->end(), body.getOperations());
  b.setInsertionPointToEnd(loop.getBody());
  scf::YieldOp::create(b, carried);
  op.replaceAllUsesWith(loop.getResults());
  op.erase();
}

//===----------------------------------------------------------------------===//
// Roles
//===----------------------------------------------------------------------===//

/// if (warpgroup < consumers) { more registers; consumer } else { fewer; one thread of the first warp: producer }
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
  Value isFirstWarp = b.equal(b.bitAnd(warp, hopper::kWarpgroupWarps - 1), 0);
  b.when(isFirstWarp, [&] {
    Value elected = NVVM::ElectSyncOp::create(b, b.getI1Type(), Value{});
    b.when(elected, [&] {
      b.getBlock()->getOperations().splice(b.getInsertionPoint(), op.getProducer().front().getOperations());
    });
  });
  op.erase();
}

//===----------------------------------------------------------------------===//
// Scales of B
//===----------------------------------------------------------------------===//

/// Row `n / 128 + i`, no further than the last, of a row-major [rows, columns] f32 matrix at `base`.
static void lowerBlockScales(LoadBlockScalesOp op, Value base, Value rows, Value columns) {
  NVVMBuilder b(op.getLoc(), op);
  Value block = b.index(kScaleBlock);
  Value firstRow = arith::DivUIOp::create(b, op.getN(), block);
  Value column = arith::DivUIOp::create(b, op.getK(), block);
  Value lastRow = arith::SubIOp::create(b, rows, b.index(1));
  auto type = cast<VectorType>(op.getScales().getType());
  Value scales = LLVM::UndefOp::create(b, type);
  for (int64_t i = 0; i < type.getNumElements(); ++i) {
    Value row = firstRow;
    if (i)
      row = arith::MinUIOp::create(b, b.add(firstRow, b.index(i)), lastRow);
    Value element = b.toI32(b.add(arith::MulIOp::create(b, row, columns), column));
    Value address = LLVM::GEPOp::create(b, base.getType(), b.getF32Type(), base, ArrayRef<LLVM::GEPArg>{element});
    auto load = LLVM::LoadOp::create(b, b.getF32Type(), address);
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
  Value sizeOf(unsigned index, StringRef name);
  void lowerScaleLoads();
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

/// M, N or K as an index at the start of the kernel.
Value KernelLowering::sizeOf(unsigned index, StringRef name) {
  int64_t size = kernel.getSizes()[index];
  return size < 0 ? Value(kernel.findArgument(kSizeAttr, name)) : b.index(size);
}

void KernelLowering::lowerScaleLoads() {
  b.setInsertionPointToStart(&kernel.getBody().front());
  auto blocks = [&](Value size) -> Value {
    return arith::DivUIOp::create(b, b.add(size, b.index(kScaleBlock - 1)), b.index(kScaleBlock));
  };
  Value rows = blocks(sizeOf(1, "N")), columns = blocks(sizeOf(2, "K"));
  SmallVector<LoadBlockScalesOp> loads;
  kernel.walk([&](LoadBlockScalesOp load) { loads.push_back(load); });
  for (LoadBlockScalesOp load : loads) {
    NVVMBuilder at(load.getLoc(), load);
    // The memref argument becomes the pointer when the body moves to the function.
    Value base =
        UnrealizedConversionCastOp::create(
            at, LLVM::LLVMPointerType::get(b.getContext(), static_cast<unsigned>(NVVM::NVVMMemorySpace::Global)),
            load.getSource())
            .getResult(0);
    lowerBlockScales(load, base, rows, columns);
  }
}

DictionaryAttr KernelLowering::describeLaunch(int64_t threads) {
  ConfigAttr config = kernel.getConfig();
  return b.getDictionaryAttr({
      b.getNamedAttr("config", config),
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
  lowerScaleLoads();
  SmallVector<ForEachTileOp> loops;
  kernel.walk([&](ForEachTileOp loop) { loops.push_back(loop); });
  llvm::for_each(loops, lowerTileLoop);
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
