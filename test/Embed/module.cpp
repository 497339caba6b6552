// What a compiler with IR of its own writes: a function in whose midst gemms stand, compiled from its module.
#include "dgemm/Driver/Compiler.h"
#include "dgemm/IR/GemmBuilder.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include <cstdio>

using namespace mlir;

/// D = A x B^T and E = A x C^T in one function.
static OwningOpRef<ModuleOp> buildLayer(MLIRContext &context) {
  context.loadDialect<dgemm::DGemmDialect, func::FuncDialect>();
  OpBuilder b(&context);
  Location loc = b.getUnknownLoc();
  OwningOpRef<ModuleOp> module = ModuleOp::create(loc);
  b.setInsertionPointToEnd(module->getBody());
  Type f8 = b.getType<Float8E4M3FNType>(), f32 = b.getF32Type(), bf16 = b.getBF16Type();
  Type a = MemRefType::get({ShapedType::kDynamic, 512}, f8), scaleA = MemRefType::get({4, ShapedType::kDynamic}, f32);
  Type weights = MemRefType::get({256, 512}, f8), scaleB = MemRefType::get({2, 4}, f32);
  Type d = MemRefType::get({ShapedType::kDynamic, 256}, bf16);
  auto func =
      func::FuncOp::create(b, loc, "layer", b.getFunctionType({a, scaleA, weights, scaleB, d, weights, scaleB, d}, {}));
  Block *body = func.addEntryBlock();
  b.setInsertionPointToEnd(body);
  for (unsigned first : {2, 5})
    dgemm::GemmBuilder(b, loc)
        .lhs(body->getArgument(0), body->getArgument(1))
        .rhs(body->getArgument(first), body->getArgument(first + 1))
        .out(body->getArgument(first + 2))
        .create();
  func::ReturnOp::create(b, loc);
  return module;
}

int main() {
  MLIRContext context;
  OwningOpRef<ModuleOp> module = buildLayer(context);
  auto kernels = dgemm::compileModule(*module, {}, dgemm::Stage::PTX);
  if (!kernels)
    return std::fprintf(stderr, "%s\n", llvm::toString(kernels.takeError()).c_str()), 1;
  for (const dgemm::CompiledKernel &kernel : *kernels) // one: both gemms are the same problem
    std::printf("%s\n%s", kernel.ptx.c_str(), kernel.launch.toJSON().c_str());
}
