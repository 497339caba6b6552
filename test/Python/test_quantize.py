"""quantize_transposed: the operands of a forward product and of a gradient of weights, of one tensor."""

import numpy as np
import pytest
from conftest import FP8, LIMIT, difference

import dgemm


@pytest.mark.parametrize("m, k", [(128, 256), (70, 200), (1, 1), (300, 136)])
def test_both_copies(m, k):
    x = np.random.default_rng(0).standard_normal((m, k)).astype(np.float32)
    for (values, scale), wanted in zip(dgemm.quantize_transposed(x), (x, x.T)):
        expected = dgemm.per_token_cast_to_fp8(wanted)
        assert values.dtype == FP8 and values.shape == wanted.shape and (values == expected[0]).all()
        assert (scale == expected[1]).all()
        assert values.strides[1] == 1 and (values.strides[0] % 16 == 0 or values.shape[0] == 1)


def test_operands_of_both_products():
    """y = x w.T, and the gradient of w."""
    rng = np.random.default_rng(1)
    x, dy, w = (rng.standard_normal(shape).astype(np.float32) for shape in ((200, 256), (200, 136), (136, 256)))
    forward, transposed = dgemm.quantize_transposed(x)
    y = np.empty((200, 136), np.float32)
    dgemm.fp8_gemm_nt(forward, dgemm.per_block_cast_to_fp8(w), y)
    assert difference(y, x.astype(np.float64) @ w.T) < 2e-3
    gradient = np.ones((136, 256), np.float32)
    dgemm.fp8_gemm_nt(dgemm.quantize_transposed(dy)[1], transposed, gradient, c=gradient, recipe=(1, 1, 128))
    assert difference(gradient, 1 + dy.T.astype(np.float64) @ x) < 2e-3
    exact = [np.asarray(pair[0], np.float64) * np.repeat(pair[1], 128, 1)[:, : pair[0].shape[1]]
             for pair in (dgemm.quantize_transposed(dy)[1], transposed)]
    assert difference(gradient, 1 + exact[0] @ exact[1].T) < LIMIT


def test_refuses():
    with pytest.raises(ValueError, match=r"x has shape \[3\]; allowed is \[M, K\]"):
        dgemm.quantize_transposed(np.zeros(3, np.float32))
