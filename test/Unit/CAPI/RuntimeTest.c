/*===- RuntimeTest.c - include/dgemm-c/Runtime.h as compiled host code uses it ------------------------------------===*\
|*                                                                                                                    *|
|* Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.                                     *|
|* See LICENSE for license information.                                                                               *|
|* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception                                                            *|
|*                                                                                                                    *|
\*===--------------------------------------------------------------------------------------------------------------===*/

#include "dgemm-c/Runtime.h"
#include "dgemm-c/DGemm.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* MLIR's StridedMemRefType of rank 2. */
typedef struct {
  void *allocated, *aligned;
  int64_t offset, sizes[2], strides[2];
} matrix;

enum { kM = 20, kN = 64, kK = 128 };

static int failures = 0;

static void expect(char *error, const char *text, int line) {
  if (text ? !error || !strstr(error, text) : error != NULL) {
    fprintf(stderr, "RuntimeTest.c:%d: expected %s, but got %s\n", line, text ? text : "success",
            error ? error : "success");
    ++failures;
  }
  dgemm_runtime_string_free(error);
}
#define EXPECT(call, text) expect((call), (text), __LINE__)

static matrix makeMatrix(int64_t rows, int64_t columns, int64_t pitch, size_t elementBytes) {
  size_t bytes = (size_t)(rows * pitch) * elementBytes;
  void *data = aligned_alloc(256, (bytes + 255) / 256 * 256);
  memset(data, 0, bytes);
  matrix result = {data, data, 0, {rows, columns}, {pitch, 1}};
  return result;
}

/* All elements of A and B are 1, all scales 2 and 0.5: D is K everywhere. */
static void checkResult(const matrix *d, int line) {
  const uint16_t *data = (const uint16_t *)d->aligned + d->offset;
  for (int64_t m = 0; m < kM; ++m)
    for (int64_t n = 0; n < kN; ++n)
      if (data[m * d->strides[0] + n] != 0x4300) { /* 128 in bf16 */
        fprintf(stderr, "RuntimeTest.c:%d: D[%d, %d] has bits %#x\n", line, (int)m, (int)n,
                data[m * d->strides[0] + n]);
        ++failures;
        return;
      }
}

int main(void) {
  dgemm_problem *problem = dgemm_problem_create(DGEMM_DYNAMIC, kN, kK);
  dgemm_kernels *kernels = NULL;
  dgemm_string_free(dgemm_problem_set_int(problem, "lda", DGEMM_DYNAMIC));
  dgemm_string_free(dgemm_problem_set_int(problem, "lda_divisor", 16));
  char *error = dgemm_compile_problem(problem, NULL, DGEMM_TO_PTX, &kernels);
  dgemm_problem_destroy(problem);
  if (error)
    return fprintf(stderr, "%s\n", error), EXIT_FAILURE;
  const char *ptx = dgemm_kernels_ptx(kernels, 0), *launch = dgemm_kernels_launch(kernels, 0);
  dgemm_kernel kernel = {DGEMM_KERNEL_VERSION, ptx, strlen(ptx), launch, strlen(launch), NULL};

  matrix a = makeMatrix(kM, kK, 256, 1), b = makeMatrix(kN, kK, kK, 1), d = makeMatrix(kM, kN, kN, 2);
  matrix scaleA = makeMatrix(1, kM, kM, 4), scaleB = makeMatrix(1, 1, 1, 4);
  a.offset = 32;
  for (int64_t m = 0; m < kM; ++m)
    memset((char *)a.aligned + a.offset + m * 256, 0x38, kK); /* 1 in e4m3 */
  memset(b.aligned, 0x38, kN * kK);
  for (int64_t m = 0; m < kM; ++m)
    ((float *)scaleA.aligned)[m] = 2;
  *(float *)scaleB.aligned = 0.5f;
  void *operands[] = {&a, &scaleA, &b, &scaleB, &d};

  /* M and LDA are those of the memrefs; A begins at its offset. */
  EXPECT(dgemm_launch(&kernel, 5, operands, NULL), NULL);
  checkResult(&d, __LINE__);
  /* Again, with what the runtime has made of the kernel. */
  memset(d.aligned, 0, kM * kN * 2);
  EXPECT(dgemm_launch(&kernel, 5, operands, NULL), NULL);
  checkResult(&d, __LINE__);

  EXPECT(dgemm_launch(&kernel, 4, operands, NULL), "expected 5 operands, but got 4");
  EXPECT(dgemm_launch(NULL, 5, operands, NULL), "got NULL, which is not allowed");
  EXPECT(dgemm_launch(&kernel, 5, operands, &a), "the emulator has no streams");
  b.sizes[0] = 32;
  EXPECT(dgemm_launch(&kernel, 5, operands, NULL), "expected the shape of 'b' to be [64, 128], but got [32, 128]");
  b.sizes[0] = kN;
  d.strides[0] = 80;
  EXPECT(dgemm_launch(&kernel, 5, operands, NULL), "expected the strides of 'd' to be [64, 1], but got [80, 1]");
  d.strides[0] = kN;
  scaleA.sizes[1] = 16;
  EXPECT(dgemm_launch(&kernel, 5, operands, NULL), "expected the shape of 'scale_a' to be [1, 20], but got [1, 16]");
  scaleA.sizes[1] = kM;
  /* A promise that was made of LDA. */
  a.strides[0] = 250;
  EXPECT(dgemm_launch(&kernel, 5, operands, NULL), "LDA");
  a.strides[0] = 256;
  /* TMA wants 16 bytes. */
  a.offset = 8;
  EXPECT(dgemm_launch(&kernel, 5, operands, NULL), "8 bytes past a multiple of 16");
  a.offset = 32;
  dgemm_kernel unknown = kernel;
  unknown.version = 7;
  EXPECT(dgemm_launch(&unknown, 5, operands, NULL), "expected a kernel of version 1, but got 7");
  dgemm_kernel broken = {DGEMM_KERNEL_VERSION, ptx, strlen(ptx), "{", 1, NULL};
  EXPECT(dgemm_launch(&broken, 5, operands, NULL), "launch descriptor is not JSON");

  matrix *all[] = {&a, &b, &d, &scaleA, &scaleB};
  for (int i = 0; i < 5; ++i)
    free(all[i]->allocated);
  dgemm_kernels_destroy(kernels);
  return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
