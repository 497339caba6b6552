/*===- Runtime.h - What compiled host code calls -----------------*- C -*-===*\
|*                                                                            *|
|* Part of the DGemm project, under the Apache License v2.0 with LLVM         *|
|* Exceptions. See LICENSE for license information.                           *|
|* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception                    *|
|*                                                                            *|
\*===----------------------------------------------------------------------===*/

/* libdgemm_runtime launches kernels that the pipeline dgemm-to-gpu has embedded into host code: on GPU 0 where that is
 * a Hopper, else on the emulator. DGEMM_RUNTIME_DEVICE=gpu or =emulator in the environment decides otherwise. The
 * operands are memrefs, as MLIR's host code passes them. */

#ifndef DGEMM_C_RUNTIME_H
#define DGEMM_C_RUNTIME_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Of dgemm_kernel. */
#define DGEMM_KERNEL_VERSION 1

/* A kernel in host code. Everything but `state` is constant; that is null at first, and then the runtime's. */
typedef struct dgemm_kernel {
  uint32_t version;
  const char *ptx;
  uint64_t ptx_size;
  /* JSON (docs/launch-descriptor.md). */
  const char *launch;
  uint64_t launch_size;
  void *state;
} dgemm_kernel;

/* Runs the kernel. `operands` are `count` addresses of ranked memref descriptors (MLIR's StridedMemRefType), in the
 * order of the operands of the launch descriptor. Their sizes give those of the launch; sizes, strides and alignment
 * are held against the descriptor. On a GPU, operands in memory of a GPU are used there; those in host memory are
 * copied to it, and D back. `stream`, a CUstream, is queued on without waiting where all operands are on the GPU; D is
 * there when the function returns where one is not, and where `stream` is NULL, as it has to be on the emulator.
 * Returns NULL, or an error in words, which the caller frees with dgemm_runtime_string_free. May be called from several
 * threads. */
char *dgemm_launch(dgemm_kernel *kernel, int64_t count, void *const *operands, void *stream);

/* The same, for code that cannot handle an error: prints it and ends the process. */
void dgemm_launch_or_abort(dgemm_kernel *kernel, int64_t count, void *const *operands, void *stream);

void dgemm_runtime_string_free(char *string);

#ifdef __cplusplus
}
#endif

#endif /* DGEMM_C_RUNTIME_H */
