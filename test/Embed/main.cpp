// What an embedder writes: a problem in, PTX and its launch descriptor out. With `using namespace mlir`, as passes have
// it, `dgemm::` still means one namespace.
#include "dgemm/Driver/Compiler.h"
#include "dgemm/IR/DGemm.h"
#include <cstdio>

using namespace mlir;

static_assert(std::is_base_of_v<OpState, dgemm::GemmOp>);

int main() {
  auto kernel = dgemm::compileKernel({/*m=*/4096, /*n=*/7168, /*k=*/16384}, {}, dgemm::Stage::PTX);
  if (!kernel)
    return std::fprintf(stderr, "%s\n", llvm::toString(kernel.takeError()).c_str()), 1;
  std::printf("%s\n%s", kernel->ptx.c_str(), kernel->launch.toJSON().c_str());
}
