/* What a program in C writes: a problem in, PTX and its launch descriptor out. */
#include "dgemm-c/DGemm.h"
#include <stdio.h>

int main(void) {
  dgemm_problem *problem = dgemm_problem_create(4096, 7168, 16384);
  dgemm_kernels *kernels;
  char *error = dgemm_compile_problem(problem, NULL, DGEMM_TO_PTX, &kernels);
  dgemm_problem_destroy(problem);
  if (error) {
    fprintf(stderr, "%s\n", error);
    dgemm_string_free(error);
    return 1;
  }
  printf("%s\n%s", dgemm_kernels_ptx(kernels, 0), dgemm_kernels_launch(kernels, 0));
  dgemm_kernels_destroy(kernels);
  return 0;
}
