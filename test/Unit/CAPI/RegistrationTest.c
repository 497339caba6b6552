/*===- RegistrationTest.c - include/dgemm-c/Registration.h with MLIR's own C API ----------------------------------===*\
|*                                                                                                                    *|
|* Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.                                     *|
|* See LICENSE for license information.                                                                               *|
|* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception                                                            *|
|*                                                                                                                    *|
\*===--------------------------------------------------------------------------------------------------------------===*/

#include "dgemm-c/Registration.h"
#include "mlir-c/Pass.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *ir =
    "func.func @layer(%a: memref<64x256xf8E4M3FN>, %sa: memref<2x64xf32>, %b: memref<128x256xf8E4M3FN>,\n"
    "                 %sb: memref<1x2xf32>, %d: memref<64x128xbf16>) {\n"
    "  dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d)\n"
    "      : (memref<64x256xf8E4M3FN>, memref<2x64xf32>, memref<128x256xf8E4M3FN>, memref<1x2xf32>, "
    "memref<64x128xbf16>)\n"
    "  return\n"
    "}\n";

/* Appends what MLIR prints to a string of 1 MB. */
static void append(MlirStringRef part, void *text) { strncat(text, part.data, part.length); }

static int failures = 0;
static void check(int holds, const char *what) {
  if (!holds) {
    fprintf(stderr, "RegistrationTest.c: %s\n", what);
    ++failures;
  }
}

int main(void) {
  MlirContext context = mlirContextCreate();
  MlirDialectRegistry registry = mlirDialectRegistryCreate();
  mlirDialectHandleInsertDialect(mlirGetDialectHandle__dgemm__(), registry);
  dgemmRegisterDialects(registry);
  dgemmRegisterPasses();
  dgemmRegisterPasses();
  mlirContextAppendDialectRegistry(context, registry);
  mlirContextLoadAllAvailableDialects(context);

  MlirModule module = mlirModuleCreateParse(context, mlirStringRefCreateFromCString(ir));
  check(!mlirModuleIsNull(module), "the module does not parse");
  char *text = calloc(1, 1 << 20);
  MlirPassManager passes = mlirPassManagerCreate(context);
  MlirStringRef pipeline = mlirStringRefCreateFromCString("builtin.module(dgemm-to-nvvm)");
  MlirOpPassManager top = mlirPassManagerGetAsOpPassManager(passes);
  check(mlirLogicalResultIsSuccess(mlirParsePassPipeline(top, pipeline, append, text)), text);
  MlirOperation op = mlirModuleGetOperation(module);
  check(mlirLogicalResultIsSuccess(mlirPassManagerRunOnOp(passes, op)), "the pipeline fails");
  mlirOperationPrint(op, append, text);
  check(strstr(text, "gpu.module @dgemm_kernels") != NULL, "there is no kernel");
  check(strstr(text, "call @layer_launch(") != NULL, "there is no call of its launch");
  free(text);
  mlirPassManagerDestroy(passes);
  mlirModuleDestroy(module);
  mlirDialectRegistryDestroy(registry);
  mlirContextDestroy(context);
  return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
