#include "CountLoads.h"
#include "dgemm/IR/DGemm.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/BuiltinOps.h"

namespace {
struct CountLoads : mlir::PassWrapper<CountLoads, mlir::OperationPass<mlir::ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(CountLoads)

  llvm::StringRef getArgument() const final { return "my-count-loads"; }
  llvm::StringRef getDescription() const final { return "Says at each loop of a producer what it loads"; }

  void runOnOperation() override {
    getOperation().walk([](mlir::scf::ForOp loop) {
      // Loops of other code in the module are not ours.
      if (!loop->getParentOfType<dgemm::KernelOp>())
        return;
      int64_t loads = llvm::range_size(loop.getOps<dgemm::LoadAsyncOp>());
      if (loads)
        loop.emitRemark() << loads << " loads for each K block";
    });
  }
};
} // namespace

std::unique_ptr<mlir::Pass> createCountLoadsPass() { return std::make_unique<CountLoads>(); }
