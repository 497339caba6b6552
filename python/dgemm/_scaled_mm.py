"""scaled_mm, with the names and the semantics of torch.nn.functional.scaled_mm."""

from __future__ import annotations

from typing import Any

from . import _gemm, _launch, _matmul, _recipes


def _one(name: str, value: Any) -> Any:
    """A scale, which torch takes as a list, too."""
    if not isinstance(value, (list, tuple)):
        return value
    if len(value) != 1:
        raise ValueError(f"{name} has {len(value)} scales; allowed is one: two levels of scales are NVFP4's, for Blackwell")
    return value[0]


def scaled_mm(mat_a: Any, mat_b: Any, scale_a: Any, scale_recipe_a: Any, scale_b: Any, scale_recipe_b: Any,
              swizzle_a: Any = None, swizzle_b: Any = None, bias: Any = None, output_dtype: Any = "bf16",
              contraction_dim: tuple[int, ...] = (), use_fast_accum: bool = False, *, out: Any = None,
              a_type: Any = None, b_type: Any = None) -> Any:
    """(mat_a * scale_a) @ (mat_b * scale_b), as torch.nn.functional.scaled_mm does it.

    Args:
        mat_a: [M, K] float8_e4m3fn or float8_e5m2, rows contiguous.
        mat_b: [K, N] of either type, K innermost: the transpose of rows of [N, K].
        scale_a, scale_b: float32. TensorWise: one element. RowWise: [M, 1] and [1, N]. BlockWise1x128: [M, ceil(K/128)] and
            [N, ceil(K/128)], either order. BlockWise128x128: as torch has it, [ceil(K/128), ceil(rows/128)] with K innermost
            and padded to 4, or [ceil(rows/128), ceil(K/128)], K innermost.
        scale_recipe_a, scale_recipe_b: torch.nn.functional.ScalingType, its names or values, or "tensor", "row", "1x128",
            "128x128"; any pair of them. Or "none": the scale is then None, and the elements are used as they are.
        swizzle_a, swizzle_b: None or NO_SWIZZLE.
        bias: None, or [N] float32, bfloat16 or float16, added to each row before it is rounded.
        output_dtype: "bf16", "f16" or "f32", or torch's or NumPy's dtype.
        contraction_dim: () or (1, 0), which is K of both.
        use_fast_accum: with TensorWise, RowWise or no scales, the tensor cores sum along all of K, with 13 bits after the
            leading one; docs/emulator.md has the allowed error. It has no effect if scales vary along K.
        out: [M, N] tensor for the result; None for a new one.
        a_type, b_type: the type of bytes of a library without FP8 (CuPy): "e4m3", the default, or "e5m2".
    Returns the result. Scales are copied if kernels do not take their layout: 1x128 scales with rows innermost whose number is
    not a multiple of 4, 128x128 scales that are padded along K, and scales that do not start at a multiple of 16 bytes.
    Raises as fp8_gemm_nt does.
    """
    pair = _recipes.granularity("scale_recipe_a", scale_recipe_a), _recipes.granularity("scale_recipe_b", scale_recipe_b)
    _recipes.check_swizzle("swizzle_a", swizzle_a)
    _recipes.check_swizzle("swizzle_b", swizzle_b)
    if tuple(contraction_dim) not in ((), (1, 0), (-1, -2)):
        raise ValueError(f"contraction_dim is {contraction_dim!r}; allowed are () and (1, 0)")
    scale_a, scale_b = _one("scale_a", scale_a), _one("scale_b", scale_b)
    result = _recipes.out_type("output_dtype", output_dtype)
    accuracy = _recipes.accuracy(pair, use_fast_accum)
    if _gemm.is_compiling() or _launch.is_traced((mat_a, mat_b, scale_a, scale_b)):
        product = _gemm.call_scaled_mm(mat_a, mat_b, scale_a, pair[0], scale_b, pair[1], result, accuracy, bias)
        return product if out is None else out.copy_(product)
    return _matmul.multiply(mat_a, mat_b, scale_a, pair[0], scale_b, pair[1], result if out is None else out, accuracy, bias,
                            a_type, b_type)
