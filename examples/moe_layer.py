"""Experts of a mixture-of-experts layer with NumPy, on the emulator: what stands between and behind the products of an expert
runs in their kernels, the quantisation to FP8 too. Needs no GPU; the sizes are small, and on a GPU tensors of torch or CuPy take
the place of the arrays.

y = weight * (silu(x Wg^T) * (x Wu^T)) Wd^T for each token and the expert that it goes to. Wg and Wu are one matrix, of which a gated
epilogue takes a column of each half. The result is quantised before it is stored, and is the A of the last product. The router's
weight of a token is a factor in the epilogue of that.
"""

import ml_dtypes
import numpy as np

import dgemm

BF16 = ml_dtypes.bfloat16
HIDDEN, INNER, EXPERTS, ALIGNMENT = 256, 128, 3, 128
rng = np.random.default_rng(0)


def quantise_weights(weights):
    """e4m3 with a scale for each 128x128 block, of each expert."""
    pairs = [dgemm.per_block_cast_to_fp8(each) for each in weights]
    return np.stack([values for values, _ in pairs]), np.stack([scales for _, scales in pairs])


def quantise_tokens(x):
    """e4m3 with a scale for each token and 128 columns."""
    values, scales = dgemm.per_token_cast_to_fp8(x.astype(np.float32).reshape(-1, x.shape[-1]))
    return values.reshape(x.shape), scales.reshape(*x.shape[:-1], -1)


def make_experts():
    """The weights in f32, and quantised."""
    plain = {name: rng.standard_normal((EXPERTS, rows, columns)).astype(np.float32) / np.sqrt(np.float32(columns))
             for name, rows, columns in (("gate", INNER, HIDDEN), ("up", INNER, HIDDEN), ("down", HIDDEN, INNER))}
    both = np.concatenate([plain["gate"], plain["up"]], axis=1)
    return plain, {"gate_up": quantise_weights(both), "down": quantise_weights(plain["down"])}


def make_inner(*shape):
    """e4m3 with a scale for each token and 128 columns, in the order that TMA loads."""
    scales = np.zeros((*shape, -(-INNER // 128)), np.float32)
    return np.zeros((*shape, INNER), ml_dtypes.float8_e4m3fn), dgemm.get_mn_major_tma_aligned_tensor(scales)


SWIGLU = dgemm.epilogue(lambda gate, up: dgemm.silu(gate) * up)


def weighted(weight):
    """The epilogue of the last product: `weight` [..., 1] has a value for each token."""
    return dgemm.epilogue(lambda x, weight: x * weight, weight=weight)


def run_contiguous(experts, tokens, weight, groups):
    """Tokens of all experts one after the other, those of each from a multiple of ALIGNMENT on."""
    rows = tokens.shape[0]
    inner, result = make_inner(rows), np.empty((rows, HIDDEN), BF16)
    dgemm.m_grouped_fp8_gemm_nt_contiguous(quantise_tokens(tokens), experts["gate_up"], inner, groups, epilogue=SWIGLU)
    dgemm.m_grouped_fp8_gemm_nt_contiguous(inner, experts["down"], result, groups, epilogue=weighted(weight))
    return result


def run_masked(experts, tokens, weight, counts):
    """Room for as many tokens in each group, `counts` of them used."""
    shape = tokens.shape[:2]
    inner, result = make_inner(*shape), np.zeros((*shape, HIDDEN), BF16)
    dgemm.m_grouped_fp8_gemm_nt_masked(quantise_tokens(tokens), experts["gate_up"], inner, counts, 16, epilogue=SWIGLU)
    dgemm.m_grouped_fp8_gemm_nt_masked(inner, experts["down"], result, counts, 16, epilogue=weighted(weight))
    return result


def compute(plain, expert, tokens, weight):
    """The same in double precision, without FP8."""
    gate, up = (tokens.astype(np.float64) @ plain[name][expert].T for name in ("gate", "up"))
    return weight * ((gate / (1 + np.exp(-gate)) * up) @ plain["down"][expert].T)


def check(name, result, expected):
    error = dgemm.calc_diff(result, expected)
    print(f"{name}: difference {error:.1e} to the layer in double precision")
    assert error < 5e-3, "FP8 has no more than this"


def main():
    plain, experts = make_experts()
    counts = np.array([20, 0, 7], np.int32)

    groups = np.full(2 * ALIGNMENT, -1, np.int32)
    groups[:20], groups[ALIGNMENT:ALIGNMENT + 7] = 0, 2
    tokens = rng.standard_normal((groups.size, HIDDEN)).astype(np.float32)
    weight = rng.uniform(0.1, 1, (groups.size, 1)).astype(np.float32)
    result = run_contiguous(experts, tokens, weight, groups)
    for expert in (0, 2):
        rows = groups == expert
        check(f"contiguous, expert {expert}", result[rows], compute(plain, expert, tokens[rows], weight[rows]))

    tokens = rng.standard_normal((EXPERTS, 32, HIDDEN)).astype(np.float32)
    weight = rng.uniform(0.1, 1, (EXPERTS, 32, 1)).astype(np.float32)
    result = run_masked(experts, tokens, weight, counts)
    for expert in (0, 2):
        count = counts[expert]
        check(f"masked, expert {expert}", result[expert, :count], compute(plain, expert, tokens[expert, :count], weight[expert, :count]))


if __name__ == "__main__":
    main()
