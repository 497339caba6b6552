"""Compiles a kernel by libdgemm and launches it. usage: launcher.py LIBRARY"""

import ctypes
import sys

M, N, K = 64, 128, 256
lib = ctypes.CDLL(sys.argv[1])
lib.dgemm_problem_create.restype = ctypes.c_void_p
lib.dgemm_problem_create.argtypes = [ctypes.c_int64] * 3
lib.dgemm_options_create.restype = ctypes.c_void_p
for name in ("options_set_string", "compile_problem", "launcher_create", "launcher_launch"):
    getattr(lib, f"dgemm_{name}").restype = ctypes.c_void_p
lib.dgemm_options_set_string.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_char_p]
lib.dgemm_compile_problem.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p]
lib.dgemm_launcher_create.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p,
                                      ctypes.c_size_t, ctypes.c_int64, ctypes.c_void_p]
lib.dgemm_launcher_launch.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p]
lib.dgemm_launcher_destroy.argtypes = [ctypes.c_void_p]
lib.dgemm_string_free.argtypes = [ctypes.c_void_p]


def call(name, *arguments):
    """The error, or None."""
    error = getattr(lib, f"dgemm_{name}")(*arguments)
    if not error:
        return None
    text = ctypes.string_at(error).decode()
    lib.dgemm_string_free(error)
    return text


def main():
    options, kernels, launcher = lib.dgemm_options_create(), ctypes.c_void_p(), ctypes.c_void_p()
    assert not call("options_set_string", options, b"entry", b"idle")
    assert not call("options_set_string", options, b"config", b"block = 64x128x128, split_k = 1")
    assert not call("compile_problem", lib.dgemm_problem_create(-1, N, K), options, 0, ctypes.byref(kernels))
    names, values = (ctypes.c_char_p * 1)(b"M"), (ctypes.c_int64 * 1)(M)
    print("without M:", call("launcher_create", kernels, 0, 0, None, None, 0, 0, ctypes.byref(launcher)))
    error = call("launcher_create", kernels, 0, 0, names, values, 1, 0, ctypes.byref(launcher))
    print("prepared:", error)
    if error:
        return
    sizes = (M * K, 2 * M * 4, N * K, 2 * 4, M * N * 2)
    blocks = [ctypes.create_string_buffer(size + 256) for size in sizes]
    addresses = (ctypes.c_uint64 * 5)(*(-(-ctypes.addressof(block) // 256) * 256 for block in blocks))
    print("too few:", call("launcher_launch", launcher, addresses, 3, None))
    for stream in (None, 64):
        print("launched:", call("launcher_launch", launcher, addresses, 5, stream))
    lib.dgemm_launcher_destroy(launcher)


main()
