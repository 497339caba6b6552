"""A dense product and a masked one with NumPy, on the emulator: needs no GPU. ml_dtypes has the types that NumPy lacks."""

import ml_dtypes
import numpy as np

import dgemm

rng = np.random.default_rng(0)


def quantise_rows(x):
    """e4m3 with one scale for each row and 128 columns."""
    blocks = x.reshape(*x.shape[:-1], -1, 128)
    scale = np.abs(blocks).max(-1) / 448
    return (blocks / scale[..., None]).astype(ml_dtypes.float8_e4m3fn).reshape(x.shape), scale.astype(np.float32)


def quantise_blocks(x):
    """e4m3 with one scale for each 128x128 block."""
    rows, columns = x.shape[-2] // 128, x.shape[-1] // 128
    blocks = x.reshape(*x.shape[:-2], rows, 128, columns, 128)
    scale = np.abs(blocks).max((-3, -1)) / 448
    return (blocks / scale[..., :, None, :, None]).astype(ml_dtypes.float8_e4m3fn).reshape(x.shape), scale.astype(np.float32)


def main():
    m, n, k = 100, 256, 512
    a, b = rng.standard_normal((m, k)), rng.standard_normal((n, k))
    d = np.empty((m, n), ml_dtypes.bfloat16)
    dgemm.fp8_gemm_nt(quantise_rows(a), quantise_blocks(b), d)
    error = dgemm.calc_diff(d, a @ b.T)
    print(f"dense {m}x{n}x{k}: difference {error:.1e} to the product in double precision")
    assert error < 2e-3, "FP8 has no more than this"

    groups = 3
    a, b = rng.standard_normal((groups, m, k)), rng.standard_normal((groups, n, k))
    rows = np.array([100, 0, 37], np.int32)  # how many rows of each group there are
    d = np.empty((groups, m, n), ml_dtypes.bfloat16)
    dgemm.m_grouped_fp8_gemm_nt_masked(quantise_rows(a), quantise_blocks(b), d, rows, 64)
    for group, count in enumerate(rows):
        if count:
            error = dgemm.calc_diff(d[group, :count], a[group, :count] @ b[group].T)
            print(f"masked, group {group}, {count} rows: difference {error:.1e}")
            assert error < 2e-3


if __name__ == "__main__":
    main()
