"""What a program without our Python package writes: libdgemm through ctypes. usage: main.py LIBDGEMM"""
import ctypes
import sys

lib = ctypes.CDLL(sys.argv[1])
lib.dgemm_problem_create.restype = ctypes.c_void_p
lib.dgemm_problem_create.argtypes = [ctypes.c_int64] * 3
lib.dgemm_problem_destroy.argtypes = [ctypes.c_void_p]
lib.dgemm_compile_problem.restype = ctypes.c_void_p  # an error, which is ours to free: c_char_p would lose its address
lib.dgemm_compile_problem.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.POINTER(ctypes.c_void_p)]
lib.dgemm_string_free.argtypes = [ctypes.c_void_p]
lib.dgemm_kernels_destroy.argtypes = [ctypes.c_void_p]
for name in ("ptx", "launch"):
    function = getattr(lib, f"dgemm_kernels_{name}")
    function.restype, function.argtypes = ctypes.c_char_p, [ctypes.c_void_p, ctypes.c_size_t]


def compile(m, n, k):
    """PTX and launch descriptor."""
    problem, kernels = lib.dgemm_problem_create(m, n, k), ctypes.c_void_p()
    error = lib.dgemm_compile_problem(problem, None, 0, ctypes.byref(kernels))
    lib.dgemm_problem_destroy(problem)
    if error:
        message = ctypes.string_at(error).decode()
        lib.dgemm_string_free(error)
        raise ValueError(message)
    texts = lib.dgemm_kernels_ptx(kernels, 0).decode(), lib.dgemm_kernels_launch(kernels, 0).decode()
    lib.dgemm_kernels_destroy(kernels)
    return texts


print(*compile(4096, 7168, 16384), sep="\n")
try:
    compile(0, 7168, 16384)
except ValueError as error:
    print(f"an error: {error}")
