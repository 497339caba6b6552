/*===- Registration.h - The dialect and passes for mlir-c ---------*- C -*-===*\
|*                                                                            *|
|* Part of the DGemm project, under the Apache License v2.0 with LLVM         *|
|* Exceptions. See LICENSE for license information.                           *|
|* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception                    *|
|*                                                                            *|
\*===----------------------------------------------------------------------===*/

/* For programs that use MLIR through its own C API (mlir-c), such as bindings of another language. Link
 * DGemm::DGemmMLIRCAPI and the libMLIRCAPI*.a of MLIR that the program uses. A program that only needs kernels uses
 * dgemm-c/DGemm.h. */

#ifndef DGEMM_C_REGISTRATION_H
#define DGEMM_C_REGISTRATION_H

#include "mlir-c/IR.h"

#ifdef __cplusplus
extern "C" {
#endif

/* mlirGetDialectHandle__dgemm__: the dialect alone. */
MLIR_DECLARE_CAPI_DIALECT_REGISTRATION(DGemm, dgemm);

/* Registers the dialects that the IR uses at any level, with the interfaces that bufferization, lowering and
 * translation need. */
void dgemmRegisterDialects(MlirDialectRegistry registry);

/* Registers the passes and pipelines, under the names that textual pipelines use. May be called more than once. */
void dgemmRegisterPasses(void);

#ifdef __cplusplus
}
#endif

#endif /* DGEMM_C_REGISTRATION_H */
