//===- LowerTMA.cpp - dgemm-lower-tma -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Expects kernels after dgemm-warp-specialize. Tensor maps are made here; the ring is rewritten in TMAPipeline.cpp, the
// stores in TMAStore.cpp.
//
//===----------------------------------------------------------------------===//

#include "TMALowering.h"
#include "dgemm/Conversion/Passes.h"
#include "dgemm/IR/HopperLimits.h"

namespace dgemm {
#define GEN_PASS_DEF_LOWERTMAPASS
#include "dgemm/Conversion/Passes.h.inc"
} // namespace dgemm

using namespace mlir;
using namespace dgemm;

//===----------------------------------------------------------------------===//
// Tensor maps
//===----------------------------------------------------------------------===//

/// The map of an operand with the box `columns` x `rows`, innermost dimension first.
static TensorMapAttr makeTensorMap(KernelOp kernel, StringRef operand, int64_t rows, int64_t columns, int64_t swizzle) {
  MLIRContext *context = kernel.getContext();
  OperandGeometry geometry = OperandGeometry::get(kernel, operand);
  SmallVector<AffineExpr> dims = geometry.getMapDims(), strides = geometry.getMapStrides();
  SmallVector<int64_t> box = {columns, rows};
  box.resize(dims.size(), 1);
  int64_t lastSize = static_cast<int64_t>(kernel.getSizes().size()) - 1, lastSymbol = -1;
  getMaxDimAndSymbol<ArrayRef<AffineExpr>>({dims, strides}, lastSize, lastSymbol);
  unsigned sizes = lastSize + 1;
  return TensorMapAttr::get(context, operand, geometry.element, AffineMap::get(sizes, 0, dims, context),
                            AffineMap::get(sizes, 0, strides, context), DenseI64ArrayAttr::get(context, box), swizzle);
}

/// Appends an argument for `map`, unless the operand has one of that box width.
static void addTensorMap(TMALowering &lowering, Value operand, TensorMapAttr map) {
  Value &argument = lowering.tensorMaps[{operand, map.getBox()[0]}];
  if (argument)
    return;
  KernelOp kernel = lowering.kernel;
  Type pointer = LLVM::LLVMPointerType::get(kernel.getContext());
  unsigned position = kernel.getNumArguments();
  auto attrs = DictionaryAttr::get(kernel.getContext(),
                                   NamedAttribute(StringAttr::get(kernel.getContext(), kTensorMapAttr), map));
  (void)kernel.insertArgument(position, pointer, attrs, operand.getLoc());
  argument = kernel.getArgument(position);
}

LogicalResult dgemm::addTensorMaps(TMALowering &lowering) {
  KernelOp kernel = lowering.kernel;
  WalkResult result = kernel.walk([&](LoadAsyncOp load) {
    TileType tile = load.getStage().getType().getTiles()[load.getIndex()];
    StringRef name = kernel.getOperandName(load.getSource());
    if (!load.getMovement())
      return load.emitOpError("expected 'by'; run dgemm-choose-data-movement first"), WalkResult::interrupt();
    if (!isBy(load, MovementKind::TMA))
      return WalkResult::advance();
    addTensorMap(
        lowering, load.getSource(),
        makeTensorMap(kernel, name, tile.getRows() / lowering.getSlices(load), tile.getColumns(), tile.getSwizzle()));
    return WalkResult::advance();
  });
  if (result.wasInterrupted())
    return failure();
  kernel.walk([&](StoreOp store) {
    FragType frag = store.getValue().getType();
    if (isBy(store, MovementKind::TMA))
      for (OutputPanel panel : getOutputPanels(store.getNumColumns()))
        addTensorMap(lowering, store.getDest(),
                     makeTensorMap(kernel, "d", frag.getRows(), panel.columns, panel.getSwizzle()));
  });
  return success();
}

//===----------------------------------------------------------------------===//
// Pass
//===----------------------------------------------------------------------===//

/// The symbol of dynamic shared memory, one for the module.
static LLVM::GlobalOp getSharedMemory(ModuleOp module) {
  constexpr StringLiteral kName = "dgemm_shared";
  if (auto global = module.lookupSymbol<LLVM::GlobalOp>(kName))
    return global;
  auto b = ImplicitLocOpBuilder::atBlockBegin(module.getLoc(), module.getBody());
  Type bytes = LLVM::LLVMArrayType::get(b.getI8Type(), 0);
  return LLVM::GlobalOp::create(b, bytes, /*isConstant=*/false, LLVM::Linkage::External, kName, Attribute{},
                                hopper::kSwizzleAtom, static_cast<unsigned>(NVVM::NVVMMemorySpace::Shared));
}

/// Drops memref arguments that tensor maps have replaced.
static void eraseUnusedOperands(TMALowering &lowering) {
  KernelOp kernel = lowering.kernel;
  auto hasMap = [&](Value operand) {
    return llvm::any_of(lowering.tensorMaps, [&](auto &entry) { return entry.first.first == operand; });
  };
  for (unsigned i = kernel.getNumArguments(); i-- > 0;)
    if (isa<MemRefType>(kernel.getArgument(i).getType()) && kernel.getArgument(i).use_empty() &&
        hasMap(kernel.getArgument(i)))
      (void)kernel.eraseArgument(i);
}

static LogicalResult lowerKernel(KernelOp kernel, LLVM::GlobalOp shared) {
  auto rings = llvm::to_vector(kernel.getBody().getOps<RingOp>());
  auto roles = llvm::to_vector(kernel.getBody().getOps<WarpSpecializeOp>());
  if (rings.size() != 1 || roles.size() != 1)
    return kernel.emitOpError("expected one dgemm.ring and one dgemm.warp_specialize; run dgemm-warp-specialize first");
  TMALowering lowering = {kernel, SharedMemoryLayout::get(kernel.getConfig()), {}, {}, {}, {}};
  if (failed(addTensorMaps(lowering)))
    return failure();
  NVVMBuilder b(rings.front().getLoc(), kernel.getContext());
  b.setInsertionPointToStart(&kernel.getBody().front());
  lowering.shared = LLVM::AddressOfOp::create(b, shared);
  if (kernel.getConfig().isMulticast())
    std::tie(lowering.clusterRow, lowering.clusterColumn) = b.clusterPosition(kernel.getConfig().getClusterN());
  b.setInsertionPoint(rings.front());
  // The next kernel may come as soon as there is room for it: it waits for the whole of this one.
  if (kernel.getConfig().getPdl())
    NVVM::GriddepcontrolOp::create(b, NVVM::GridDepActionKind::launch_dependents);
  LogicalResult prefetched = success();
  b.when(b.equal(b.threadIndex(), 0), [&] {
    prefetched = prefetchFirstTile(lowering, b, roles.front());
    for (auto &[key, map] : lowering.tensorMaps)
      NVVM::PrefetchOp::create(b, NVVM::PrefetchCacheLevelAttr{}, NVVM::CacheEvictionPriorityAttr{}, map, Value{},
                               /*tensormap=*/true);
  });
  if (failed(prefetched) || failed(lowerRing(lowering, rings.front(), roles.front())))
    return failure();
  lowerReductions(lowering, roles.front());
  lowerStores(lowering, roles.front());
  eraseUnusedOperands(lowering);
  return success();
}

namespace {
struct LowerTMA : dgemm::impl::LowerTMAPassBase<LowerTMA> {
  void runOnOperation() override {
    SmallVector<KernelOp> kernels;
    getOperation()->walk([&](KernelOp kernel) { kernels.push_back(kernel); });
    for (KernelOp kernel : kernels)
      if (failed(lowerKernel(kernel, getSharedMemory(kernel->getParentOfType<ModuleOp>()))))
        return signalPassFailure();
  }
};
} // namespace
