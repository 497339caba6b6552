// dgemm-opt with one more pass, and a pipeline in which it stands between two of dgemm's.
#include "CountLoads.h"
#include "dgemm/Pipelines/Pipelines.h"
#include "mlir/Pass/PassRegistry.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"
#include "mlir/Transforms/Passes.h"

static void buildMyPipeline(mlir::OpPassManager &pm, const dgemm::PipelineOptions &options) {
  dgemm::buildPipeline(pm, dgemm::Level::Problem, dgemm::Level::Specialized, options);
  pm.addPass(createCountLoadsPass());
  dgemm::buildPipeline(pm, dgemm::Level::Specialized, dgemm::Level::NVVM, options);
}

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  dgemm::registerDialects(registry);
  dgemm::registerPassesAndPipelines();
  mlir::registerTransformsPasses();
  mlir::registerPass(createCountLoadsPass);
  mlir::PassPipelineRegistration<dgemm::PipelineOptions>("my-pipeline", "dgemm-to-nvvm with my-count-loads in it",
                                                         buildMyPipeline);
  return mlir::asMainReturnCode(mlir::MlirOptMain(argc, argv, "my optimizer driver\n", registry));
}
