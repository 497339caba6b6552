"""An epilogue of your own, with NumPy on the emulator: a Python function of each element of the product, compiled into the kernel.

The same call takes tensors of torch, CuPy or JAX on a Hopper GPU.
"""

import ml_dtypes
import numpy as np

import dgemm

rng = np.random.default_rng(0)


def main():
    m, n, k = 72, 256, 512
    (a, scale_a), (b, scale_b) = (
        dgemm.per_token_cast_to_fp8(rng.standard_normal((m, k)).astype(np.float32)),
        dgemm.per_block_cast_to_fp8(rng.standard_normal((n, k)).astype(np.float32)))
    bias = rng.standard_normal(n).astype(np.float32)  # a value for each column of D
    residual = rng.standard_normal((m, n)).astype(ml_dtypes.bfloat16)  # one for each element
    d = np.empty((m, n), ml_dtypes.bfloat16)

    # A squared ReLU, as some models have between two layers, scaled down so that it does not run away, and a residual.
    function = dgemm.epilogue(lambda x, bias, residual: dgemm.relu(x + bias) * dgemm.relu(x + bias) * 0.01 + residual,
                              bias=bias, residual=residual)
    dgemm.fp8_gemm_nt((a, scale_a), (b, scale_b), d, epilogue=function)

    product = (a.astype(np.float64) * scale_a.repeat(128, 1)) @ (b.astype(np.float64) * scale_b.repeat(128, 0).repeat(128, 1)).T
    expected = np.maximum(product + bias, 0) ** 2 * 0.01 + residual.astype(np.float64)
    error = dgemm.calc_diff(d, expected)
    print(f"relu(x + bias)^2 / 100 + residual in the kernel: difference {error:.1e} to double precision")
    assert error < 1e-5

    # The function is compiled once; other tensors only need a call.
    dgemm.fp8_gemm_nt((a, scale_a), (b, scale_b), d, epilogue=function(bias=bias * 0, residual=residual))
    expected = np.maximum(product, 0) ** 2 * 0.01 + residual.astype(np.float64)
    assert dgemm.calc_diff(d, expected) < 1e-5


if __name__ == "__main__":
    main()
