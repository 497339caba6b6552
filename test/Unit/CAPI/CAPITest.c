/*===- CAPITest.c - include/dgemm-c/DGemm.h as a program in C uses it ---------------------------------------------===*\
|*                                                                                                                    *|
|* Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.                                     *|
|* See LICENSE for license information.                                                                               *|
|* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception                                                            *|
|*                                                                                                                    *|
\*===--------------------------------------------------------------------------------------------------------------===*/

#include "dgemm-c/DGemm.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int failures = 0;

static void check(int holds, const char *what, int line) {
  if (holds)
    return;
  fprintf(stderr, "CAPITest.c:%d: %s does not hold\n", line, what);
  ++failures;
}
#define CHECK(condition) check((condition), #condition, __LINE__)

/* `error` is there and says `text`. */
static void expectError(char *error, const char *text, int line) {
  if (!error || !strstr(error, text)) {
    fprintf(stderr, "CAPITest.c:%d: expected an error with\n  %s\nbut got\n  %s\n", line, text, error ? error : "none");
    ++failures;
  }
  dgemm_string_free(error);
}
#define EXPECT_ERROR(call, text) expectError((call), (text), __LINE__)
static void expectSuccess(char *error, int line) {
  if (error) {
    fprintf(stderr, "CAPITest.c:%d: unexpected error: %s\n", line, error);
    ++failures;
  }
  dgemm_string_free(error);
}
#define EXPECT_SUCCESS(call) expectSuccess((call), __LINE__)

static void testProblem(void) {
  dgemm_problem *problem = dgemm_problem_create(DGEMM_DYNAMIC, 384, 512);
  dgemm_options *options = dgemm_options_create();
  dgemm_kernels *kernels = NULL;
  EXPECT_SUCCESS(dgemm_problem_set_int(problem, "expected_m", 96));
  EXPECT_SUCCESS(dgemm_options_set_string(options, "entry", "mine"));
  EXPECT_SUCCESS(dgemm_options_set_string(options, "config", "stages = 3"));
  EXPECT_SUCCESS(dgemm_compile_problem(problem, options, DGEMM_TO_PTX, &kernels));
  CHECK(dgemm_kernels_count(kernels) == 1);
  CHECK(!strcmp(dgemm_kernels_entry(kernels, 0), "mine"));
  CHECK(strstr(dgemm_kernels_ptx(kernels, 0), ".entry mine(") != NULL);
  CHECK(strstr(dgemm_kernels_launch(kernels, 0), "\"entry\": \"mine\"") != NULL);
  CHECK(strstr(dgemm_kernels_config(kernels, 0), "stages = 3") != NULL);
  CHECK(!strcmp(dgemm_kernels_config_source(kernels, 0), "the cost model"));
  CHECK(!strcmp(dgemm_kernels_remarks(kernels, 0), ""));
  size_t size = 1;
  CHECK(dgemm_kernels_cubin(kernels, 0, &size) == NULL && size == 0);
  CHECK(dgemm_kernels_entry(kernels, 1) == NULL);
  dgemm_kernels_destroy(kernels);

  char *config = NULL, *configs = NULL;
  EXPECT_SUCCESS(dgemm_choose_config(problem, options, &config));
  EXPECT_SUCCESS(dgemm_list_configs(problem, options, &configs));
  CHECK(config[0] == '<' && strstr(config, "stages = 3") != NULL);
  CHECK(strstr(configs, config) != NULL && strchr(configs, '\n') != NULL);
  /* A whole config is an option, too. */
  EXPECT_SUCCESS(dgemm_options_set_string(options, "config", config));
  kernels = NULL;
  EXPECT_SUCCESS(dgemm_compile_problem(problem, options, DGEMM_TO_PTX, &kernels));
  CHECK(strstr(dgemm_kernels_config(kernels, 0), config) != NULL);
  dgemm_kernels_destroy(kernels);
  dgemm_string_free(config);
  dgemm_string_free(configs);
  dgemm_options_destroy(options);
  dgemm_problem_destroy(problem);
}

static void testGrouped(void) {
  dgemm_problem *problem = dgemm_problem_create(256, 128, 256);
  EXPECT_SUCCESS(dgemm_problem_set_string(problem, "layout", "masked"));
  EXPECT_SUCCESS(dgemm_problem_set_int(problem, "groups", 4));
  EXPECT_SUCCESS(dgemm_problem_set_int(problem, "pdl", 1));
  EXPECT_SUCCESS(dgemm_problem_set_string(problem, "scale_a", "row"));
  EXPECT_SUCCESS(dgemm_problem_set_string(problem, "scale_b", "tensor"));
  EXPECT_SUCCESS(dgemm_problem_set_string(problem, "b_type", "f8E5M2"));
  EXPECT_SUCCESS(dgemm_problem_set_string(problem, "out_type", "f16"));
  EXPECT_SUCCESS(dgemm_problem_set_string(problem, "accuracy", "fast"));
  char *text = NULL;
  EXPECT_SUCCESS(dgemm_lower_problem(problem, NULL, "problem", &text));
  CHECK(strstr(text, "dgemm.gemm masked(") != NULL && strstr(text, " pdl ") != NULL);
  CHECK(strstr(text, "memref<4x128x256xf8E5M2>") != NULL && strstr(text, "memref<4x256x128xf16>") != NULL);
  CHECK(strstr(text, "fast") != NULL);
  /* IR at any stage is an input again. */
  char *lowered = NULL;
  EXPECT_SUCCESS(dgemm_lower_ir(text, strlen(text), NULL, "specialized", &lowered));
  dgemm_kernels *kernels = NULL;
  EXPECT_SUCCESS(dgemm_compile_ir(lowered, strlen(lowered), NULL, DGEMM_TO_PTX, &kernels));
  CHECK(dgemm_kernels_count(kernels) == 1);
  CHECK(!strcmp(dgemm_kernels_config_source(kernels, 0), "the input"));
  dgemm_kernels_destroy(kernels);
  dgemm_string_free(lowered);
  dgemm_string_free(text);
  dgemm_problem_destroy(problem);
}

static void testQuantized(void) {
  dgemm_problem *problem = dgemm_problem_create(DGEMM_DYNAMIC, 256, 512);
  EXPECT_SUCCESS(dgemm_problem_set_string(problem, "out_type", "f8E4M3FN"));
  EXPECT_SUCCESS(dgemm_problem_set_int(problem, "scale_d_n_innermost", 1));
  char *text = NULL;
  EXPECT_SUCCESS(dgemm_lower_problem(problem, NULL, "specialized", &text));
  CHECK(strstr(text, "memref<2x?xf32, strided<[1, 2]>> {dgemm.operand = \"scale_d\"}") != NULL);
  /* IR at any stage is an input again. */
  dgemm_kernels *kernels = NULL;
  EXPECT_SUCCESS(dgemm_compile_ir(text, strlen(text), NULL, DGEMM_TO_PTX, &kernels));
  CHECK(strstr(dgemm_kernels_launch(kernels, 0), "\"name\": \"scale_d\"") != NULL);
  dgemm_kernels_destroy(kernels);
  dgemm_string_free(text);
  EXPECT_SUCCESS(dgemm_problem_set_string(problem, "out_type", "bf16"));
  EXPECT_ERROR(dgemm_lower_problem(problem, NULL, "problem", &text),
               "expected scales of D with N innermost of an FP8 D only, but got bf16");
  dgemm_problem_destroy(problem);
}

static void testPrecompile(void) {
  dgemm_problem *problem = dgemm_problem_create(DGEMM_DYNAMIC, 384, 512);
  const int64_t rows[] = {1, 4096, 2, 4096};
  size_t indices[4];
  dgemm_kernels *kernels = NULL;
  EXPECT_SUCCESS(dgemm_precompile(problem, NULL, rows, 4, DGEMM_TO_PTX, &kernels, indices));
  CHECK(dgemm_kernels_count(kernels) >= 2 && dgemm_kernels_count(kernels) <= 3);
  CHECK(indices[0] == 0 && indices[1] == 1 && indices[3] == 1 && indices[2] < dgemm_kernels_count(kernels));
  CHECK(strcmp(dgemm_kernels_config(kernels, 0), dgemm_kernels_config(kernels, 1)) != 0);
  CHECK(strstr(dgemm_kernels_launch(kernels, 1), "\"M\": \"?\"") != NULL);

  /* Launching wants a GPU; test/CAPI/launcher.test has the driver of one. */
  dgemm_launcher *launcher = NULL;
  const char *names[] = {"M"};
  EXPECT_ERROR(dgemm_launcher_create(kernels, 7, 0, names, rows, 1, 0, &launcher), "expected a kernel below ");
  EXPECT_ERROR(dgemm_launcher_create(kernels, 0, 0, NULL, rows, 1, 0, &launcher), "got NULL, which is not allowed");
  EXPECT_ERROR(dgemm_launcher_launch(launcher, NULL, 0, NULL), "got NULL, which is not allowed");
  CHECK(launcher == NULL);
  dgemm_launcher_destroy(launcher);
  dgemm_kernels_destroy(kernels);

  kernels = NULL;
  EXPECT_SUCCESS(dgemm_precompile(problem, NULL, NULL, 0, DGEMM_TO_PTX, &kernels, NULL));
  CHECK(dgemm_kernels_count(kernels) == 0);
  dgemm_kernels_destroy(kernels);
  kernels = NULL;
  EXPECT_SUCCESS(dgemm_problem_set_int(problem, "m", 64));
  EXPECT_ERROR(dgemm_precompile(problem, NULL, rows, 4, DGEMM_TO_PTX, &kernels, indices),
               "expected m of a problem for many numbers of rows to be dynamic, but got 64");
  EXPECT_ERROR(dgemm_precompile(problem, NULL, NULL, 4, DGEMM_TO_PTX, &kernels, indices), "got NULL");
  CHECK(kernels == NULL);
  dgemm_problem_destroy(problem);
}

static void testEpilogue(void) {
  dgemm_problem *problem = dgemm_problem_create(64, 128, 256);
  EXPECT_SUCCESS(dgemm_problem_set_string(problem, "epilogue", "bias+relu"));
  dgemm_kernels *kernels = NULL;
  EXPECT_SUCCESS(dgemm_compile_problem(problem, NULL, DGEMM_TO_PTX, &kernels));
  CHECK(strstr(dgemm_kernels_launch(kernels, 0), "\"name\":\"bias\"") != NULL);
  dgemm_kernels_destroy(kernels);
  char *text = NULL;
  EXPECT_SUCCESS(dgemm_problem_set_string(
      problem, "epilogue", "func.func @f(%x: f32) -> f32 {\n  %y = math.absf %x : f32\n  return %y : f32\n}"));
  EXPECT_SUCCESS(dgemm_lower_problem(problem, NULL, "problem", &text));
  CHECK(strstr(text, "math.absf") != NULL);
  dgemm_string_free(text);
  kernels = NULL;
  EXPECT_SUCCESS(dgemm_problem_set_string(problem, "epilogue", "swish"));
  EXPECT_ERROR(dgemm_compile_problem(problem, NULL, DGEMM_TO_PTX, &kernels),
               "'swish' is no epilogue; there are bias, ");
  dgemm_problem_destroy(problem);
}

static void testErrors(void) {
  dgemm_problem *problem = dgemm_problem_create(64, 64, 0);
  dgemm_options *options = dgemm_options_create();
  dgemm_kernels *kernels = NULL;
  char *text = NULL;
  EXPECT_ERROR(dgemm_compile_problem(problem, NULL, DGEMM_TO_PTX, &kernels), "expected K to be 1 to");
  EXPECT_ERROR(dgemm_compile_problem(problem, NULL, 7, &kernels), "DGEMM_TO_CUBIN (1), but got 7");
  EXPECT_ERROR(dgemm_compile_problem(NULL, NULL, DGEMM_TO_PTX, &kernels), "got NULL, which is not allowed");
  EXPECT_ERROR(dgemm_problem_set_int(problem, "rows", 1), "expected a number of the problem to be one of m, n, k, ");
  EXPECT_ERROR(dgemm_problem_set_int(problem, "pdl", 2), "expected pdl to be 0 or 1, but got 2");
  EXPECT_ERROR(dgemm_problem_set_string(problem, "layout", "sparse"), "layout has no value 'sparse'");
  EXPECT_ERROR(dgemm_problem_set_string(problem, "type", "f32"),
               "expected a text of the problem to be one of layout, ");
  EXPECT_ERROR(dgemm_options_set_string(options, "chip", "sm_80"),
               "expected a text of the options to be one of config");
  EXPECT_ERROR(dgemm_options_set_string(options, "interleave_ffma", "some"), "but got 'some'");
  EXPECT_ERROR(dgemm_lower_problem(problem, NULL, "sketch", &text), "but got 'sketch'");
  /* Diagnostics of MLIR: file, line, column, the line and a caret. */
  EXPECT_SUCCESS(dgemm_options_set_string(options, "ir_name", "kernel.mlir"));
  const char *ir = "module {\n  dgemm.gem\n}\n";
  EXPECT_ERROR(dgemm_compile_ir(ir, strlen(ir), options, DGEMM_TO_PTX, &kernels),
               "kernel.mlir:2:3: custom op 'dgemm.gem' is unknown");
  EXPECT_ERROR(dgemm_compile_ir(ir, strlen(ir), options, DGEMM_TO_PTX, &kernels), "\n  dgemm.gem\n  ^");
  /* No result is written. */
  CHECK(kernels == NULL && text == NULL);
  dgemm_options_destroy(options);
  dgemm_problem_destroy(problem);
}

int main(void) {
  CHECK(dgemm_c_api_version() == DGEMM_C_API_VERSION);
  CHECK(strchr(dgemm_version(), '.') != NULL);
  dgemm_string_free(NULL);
  testProblem();
  testGrouped();
  testQuantized();
  testEpilogue();
  testPrecompile();
  testErrors();
  return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
