/*===- DGemm.h - The compiler for programs in C -------------------*- C -*-===*\
|*                                                                            *|
|* Part of the DGemm project, under the Apache License v2.0 with LLVM         *|
|* Exceptions. See LICENSE for license information.                           *|
|* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception                    *|
|*                                                                            *|
\*===----------------------------------------------------------------------===*/

/* Compiles a problem, or IR, to PTX, a cubin and a launch descriptor. Link libdgemm (CMake: DGemm::DGemmC). It exports
 * only the symbols below. The shipped library contains its own LLVM, and can be in a process that has another LLVM.
 *
 * A function that can fail returns NULL on success. On failure it returns the text of the error, which the caller
 * frees with dgemm_string_free, and writes no results. No function prints or exits. Several threads may use different
 * handles at once. They may also use one handle at once, as long as no thread changes it. Strings are UTF-8 and end
 * with 0. */

#ifndef DGEMM_C_DGEMM_H
#define DGEMM_C_DGEMM_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Increases with each addition. What exists does not change within one SONAME of the library. */
#define DGEMM_C_API_VERSION 2

/* The DGEMM_C_API_VERSION that the library was built with. Do not use a library if this is below that of the header. */
uint32_t dgemm_c_api_version(void);
/* The version of the project, such as "0.2.0". */
const char *dgemm_version(void);

void dgemm_string_free(char *string);

/*===- Problem --------------------------------------------------------------===*/

/* A size or stride that is given at launch. */
#define DGEMM_DYNAMIC (-1)

/* D[M, N] = A[M, K] x B[N, K]^T, scaled. */
typedef struct dgemm_problem dgemm_problem;

/* A dense problem of these sizes, each from 1 or DGEMM_DYNAMIC. */
dgemm_problem *dgemm_problem_create(int64_t m, int64_t n, int64_t k);
void dgemm_problem_destroy(dgemm_problem *problem);

/* Sets a field of the problem, as GemmShape of dgemm/Driver/Compiler.h describes it:
 *   m, n, k                          elements
 *   groups                           number of groups of a grouped layout
 *   row_alignment                    contiguous, offsets: each group starts at a multiple of this many rows; k_grouped:
 *                                    of this many columns of K; 128 by default
 *   expected_m                       a guess at a dynamic M, or at the rows of a group if the kernel reads them; 0 for
 *                                    none
 *   lda, ldb, ldd                    elements from row to row; 0 if rows follow each other
 *   batch_stride_a, batch_stride_b, batch_stride_d
 *                                    batched: elements from matrix to matrix; 0 if matrices follow each other
 *   scale_a_pitch, scale_b_pitch     elements from one line of scales to the next; 0 for lines without gaps, or padded
 *                                    to 16 bytes where rows are innermost
 *   n_divisor, k_divisor, lda_divisor, ldb_divisor, ldd_divisor
 *                                    what a dynamic size is promised to be a multiple of
 *   scale_a_k_innermost, scale_b_k_innermost, scale_b_n_innermost, scale_d_n_innermost, pdl, accumulate
 *                                    0 or 1
 * Error: there is no such field, or it does not take this value. */
char *dgemm_problem_set_int(dgemm_problem *problem, const char *field, int64_t value);
/*   layout                           "dense", "contiguous", "masked", "offsets", "k_grouped" or "batched"
 *   scale_a, scale_b                 "tensor", "row", "1x128" or "128x128": what has a scale of its own; or "none"
 *   a_type, b_type                   "f8E4M3FN" or "f8E5M2"
 *   out_type                         "bf16", "f16" or "f32", or "f8E4M3FN" or "f8E5M2": quantised, with scales
 *   accuracy                         "exact", "balanced" or "fast"
 *   epilogue                         "bias+gelu": names of ready-made epilogues, or MLIR functions (docs/epilogues.md)
 */
char *dgemm_problem_set_string(dgemm_problem *problem, const char *field, const char *value);

/*===- Options --------------------------------------------------------------===*/

typedef struct dgemm_options dgemm_options;

dgemm_options *dgemm_options_create(void);
void dgemm_options_destroy(dgemm_options *options);

/* Sets a field, as CompileOptions of dgemm/Driver/Compiler.h describes it:
 *   config                           given fields of a config, or a complete one between < and >
 *   entry                            name of the kernel of a problem
 *   ir_name                          what diagnostics call the file of IR text
 *   machine                          GPU that configs are chosen for, such as "h200"
 *   tuned_table, spill_data          files
 *   ptxas, nvdisasm                  programs; searched for if not given
 *   interleave_ffma                  "none", "alternate", "alternate-9/16", "all" or "never" */
char *dgemm_options_set_string(dgemm_options *options, const char *field, const char *value);
/*   multiprocessors                  that the cost model assumes; 0 for those of the machine */
char *dgemm_options_set_int(dgemm_options *options, const char *field, int64_t value);

/*===- Compiling ------------------------------------------------------------===*/

/* Compiled kernels. What the functions below return lives as long as these. */
typedef struct dgemm_kernels dgemm_kernels;

/* How far to compile. A cubin needs ptxas. */
enum { DGEMM_TO_PTX = 0, DGEMM_TO_CUBIN = 1 };

/* `options` may be NULL. The result holds one kernel. */
char *dgemm_compile_problem(const dgemm_problem *problem, const dgemm_options *options, int last,
                            dgemm_kernels **kernels);
/* IR text of any level; the result holds a kernel for each problem in it, in order. */
char *dgemm_compile_ir(const char *ir, size_t length, const dgemm_options *options, int last, dgemm_kernels **kernels);
/* Compiles ahead of time the best kernels for launches with each of the `count` numbers of rows in `rows` (masked: rows
 * that a group is expected to have). The m of the problem is DGEMM_DYNAMIC. The result holds each kernel once;
 * `indices[i]` becomes the index of the kernel for `rows[i]`. Since version 2. */
char *dgemm_precompile(const dgemm_problem *problem, const dgemm_options *options, const int64_t *rows, size_t count,
                       int last, dgemm_kernels **kernels, size_t *indices);
void dgemm_kernels_destroy(dgemm_kernels *kernels);

size_t dgemm_kernels_count(const dgemm_kernels *kernels);
/* The following return NULL if `index` is not below the count. */
const char *dgemm_kernels_entry(const dgemm_kernels *kernels, size_t index);
const char *dgemm_kernels_ptx(const dgemm_kernels *kernels, size_t index);
/* An ELF image of `*size` bytes; NULL if only PTX was requested. */
const void *dgemm_kernels_cubin(const dgemm_kernels *kernels, size_t index, size_t *size);
/* The launch descriptor as JSON (docs/launch-descriptor.md). */
const char *dgemm_kernels_launch(const dgemm_kernels *kernels, size_t index);
/* The config, and who chose it: "the input", "the tuned table" or "the cost model". */
const char *dgemm_kernels_config(const dgemm_kernels *kernels, size_t index);
const char *dgemm_kernels_config_source(const dgemm_kernels *kernels, size_t index);
/* Remarks of the compiler on a kernel that is correct, one a line; usually empty. */
const char *dgemm_kernels_remarks(const dgemm_kernels *kernels, size_t index);

/*===- Launching ------------------------------------------------------------===*/

/* A kernel with its grid and tensor maps for one combination of sizes, on one Hopper GPU. Since version 2. */
typedef struct dgemm_launcher dgemm_launcher;

/* Loads the kernel into the primary context of `device`, as CUDA numbers it, unless it is there, and prepares launches.
 * `names` and `values` are the `count` sizes that the launch descriptor leaves open, such as "M". The launcher uses at
 * most `multiprocessors`; 0 for all. `kernels` must live as long as the launcher. The module stays loaded until the
 * process ends. */
char *dgemm_launcher_create(dgemm_kernels *kernels, size_t index, int device, const char *const *names,
                            const int64_t *values, size_t count, int64_t multiprocessors, dgemm_launcher **launcher);
void dgemm_launcher_destroy(dgemm_launcher *launcher);
/* Queues one launch on `stream`, a CUstream of the device. `addresses` are the `count` addresses of the operands, in
 * the order of the launch descriptor. Waits for nothing and allocates nothing, so that a CUDA graph can capture it. */
char *dgemm_launcher_launch(dgemm_launcher *launcher, const uint64_t *addresses, size_t count, void *stream);

/*===- IR and configs -------------------------------------------------------===*/

/* The IR at a stage ("problem", "configured", "tiled", "promoted", "specialized", "tma", "wgmma", "nvvm" or "llvm").
 * The caller frees `*text`. */
char *dgemm_lower_problem(const dgemm_problem *problem, const dgemm_options *options, const char *stage, char **text);
char *dgemm_lower_ir(const char *ir, size_t length, const dgemm_options *options, const char *stage, char **text);

/* The complete config that the compiler chooses, as the option `config` takes it. The caller frees `*config`. */
char *dgemm_choose_config(const dgemm_problem *problem, const dgemm_options *options, char **config);
/* All legal configs, one a line, the best by the cost model first. The caller frees `*configs`. */
char *dgemm_list_configs(const dgemm_problem *problem, const dgemm_options *options, char **configs);

#ifdef __cplusplus
}
#endif

#endif /* DGEMM_C_DGEMM_H */
