/*===- Runtime.h - What compiled host code calls -----------------*- C -*-===*\
|*                                                                            *|
|* Part of the DGemm project, under the Apache License v2.0 with LLVM         *|
|* Exceptions. See LICENSE for license information.                           *|
|* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception                    *|
|*                                                                            *|
\*===----------------------------------------------------------------------===*/

/* libdgemm_runtime launches kernels that the pipeline dgemm-to-gpu has embedded into host code: on GPU 0 if that is a
 * Hopper GPU, else on the emulator. DGEMM_RUNTIME_DEVICE=gpu or =emulator in the environment overrides this. The
 * operands are memrefs, as MLIR's host code passes them. */

#ifndef DGEMM_C_RUNTIME_H
#define DGEMM_C_RUNTIME_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Version of dgemm_kernel. */
#define DGEMM_KERNEL_VERSION 1

/* A kernel in host code. All members except `state` are constant. `state` is null at first, and then belongs to the
 * runtime. */
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
 * are checked against the descriptor. On a GPU, operands in GPU memory are used in place; operands in host memory are
 * copied to the GPU, and D is copied back. If all operands are on the GPU, the launch is queued on `stream`, a
 * CUstream, and the function does not wait. If an operand is in host memory, or if `stream` is NULL, D is complete when
 * the function returns. On the emulator, `stream` has to be NULL. Returns NULL on success, else the text of the error,
 * which the caller frees with dgemm_runtime_string_free. May be called from several threads. */
char *dgemm_launch(dgemm_kernel *kernel, int64_t count, void *const *operands, void *stream);

/* The same, for code that cannot handle an error: prints the error and ends the process. */
void dgemm_launch_or_abort(dgemm_kernel *kernel, int64_t count, void *const *operands, void *stream);

void dgemm_runtime_string_free(char *string);

#ifdef __cplusplus
}
#endif

#endif /* DGEMM_C_RUNTIME_H */
