"""Multiplication: the functions that DeepGEMM users call, of both generations."""

from __future__ import annotations

import sys
from typing import Any

from . import _check, _epilogue, _launch, _recipes
from ._launch import call_contiguous, call_dense, call_masked, call_old_contiguous, call_old_dense, call_old_masked
from ._problem import DEFAULT_RECIPE, Recipe

# ----------------------------------------------------------------------------
# torch.compile
# ----------------------------------------------------------------------------


def _is_compiling() -> bool:
    """True while torch.compile traces the caller; torch is not imported for it."""
    torch = sys.modules.get("torch")
    return torch is not None and torch.compiler.is_compiling()


def _call_operator(layout: str, tensors: tuple[Any, ...], expected_m: int,
                   recipe: Recipe = DEFAULT_RECIPE) -> None:
    from . import _torch_ops  # which torch must be there for

    _torch_ops.call(layout, tensors, expected_m, recipe)


def call_scaled_mm(*arguments: Any) -> Any:
    """The operator of scaled_mm."""
    from . import _torch_ops

    return _torch_ops.scaled_mm(*arguments)


def is_compiling() -> bool:
    """True while torch.compile traces the caller."""
    return _is_compiling()


class _TorchTracer(_launch.Tracer):
    has_seen_torch = False

    def see_torch(self) -> None:
        """From now on torch's own function takes the place of _is_compiling, which costs each call less. Tracers other
        than torch.compile hand over tensors of their own types, which the dispatcher does not take."""
        if self.has_seen_torch:
            return
        from . import _torch_ops  # so that the operators are known from the first call on

        self.has_seen_torch = True
        global _is_compiling
        _is_compiling = _torch_ops.is_compiling

    def call(self, layout: str, tensors: tuple[Any, ...], expected_m: int, recipe: Recipe) -> None:
        _call_operator(layout, tensors, expected_m, recipe)


TRACER = _TorchTracer()
_launch.set_tracer(TRACER)

# ----------------------------------------------------------------------------
# Newer names
# ----------------------------------------------------------------------------

Pair = tuple[Any, Any]


def _check_keywords(c: Any, alpha: Any) -> None:
    """Refuses what would change the result; what merely steers Blackwell's kernels passes."""
    if c is not None:
        raise ValueError(f"c is {type(c).__name__}; allowed is None: accumulating into an output is not supported")
    if alpha is not None:
        raise ValueError(f"alpha is {alpha!r}; allowed is None on Hopper")


def _read_recipe(recipe: Any, recipe_a: Any, recipe_b: Any) -> Recipe:
    """`recipe` is (rows of A, rows of B, columns of K), as in DeepGEMM."""
    if recipe is not None:
        if recipe_a is not None or recipe_b is not None:
            raise ValueError("recipe is given beside recipe_a or recipe_b; allowed is either")
        rows_a, rows_b, columns = _check.recipe("recipe", recipe, [(x, y, 128) for x in (1, 128) for y in (128, 1)])
        return Recipe(_recipes.granularity("recipe", (rows_a, columns)), _recipes.granularity("recipe", (rows_b, columns)))
    of_a, of_b, _ = DEFAULT_RECIPE
    return Recipe(of_a if recipe_a is None else _recipes.granularity("recipe_a", recipe_a),
                  of_b if recipe_b is None else _recipes.granularity("recipe_b", recipe_b))


def _check_pairs(**pairs: Any) -> None:
    """A call has failed: says so if that is because its operands are no pairs."""
    for name, value in pairs.items():
        _check.pair(name, value, f"({name[0].upper()}, scale)" if name in "ab" else "(tensor, scale)")


def _call_with(epilogue: Any, layout: str, a: Pair, b: Pair, d: Any, groups: Any, expected_m: int, recipe: Recipe) -> None:
    """A call with an epilogue."""
    _epilogue.check("epilogue", epilogue)
    _check_pairs(a=a, b=b)
    if _is_compiling():
        raise ValueError("epilogue is given under torch.compile; allowed is None there")
    _launch.call_with(epilogue, layout, (*a, *b, d, groups), expected_m, recipe)


def fp8_gemm_nt(a: Pair, b: Pair, d: Any, c: None = None, recipe: tuple[int, int, int] | None = None,
                recipe_a: tuple[int, int] | None = None, recipe_b: tuple[int, int] | None = None,
                compiled_dims: str = "nk", disable_ue8m0_cast: bool = False, alpha: None = None,
                epilogue: _epilogue.Epilogue | None = None) -> None:
    """d = a @ b.T, with FP8 operands that have scales.

    Args:
        a: (A, scale): A is [M, K] float8_e4m3fn or float8_e5m2, rows contiguous; scale is [M, ceil(K/128)] float32, K
            innermost as a quantiser writes it, or M innermost as get_mn_major_tma_aligned_tensor makes it.
        b: (B, scale): B is [N, K] float8_e4m3fn or float8_e5m2; scale is [ceil(N/128), ceil(K/128)] float32, either order.
        d: [M, N] bfloat16, float16 or float32, written.
        c, alpha: None; anything else would change the result and is refused.
        recipe: None, or (rows of A, rows of B, columns) that one scale belongs to: (1, 128, 128), as above, (1, 1, 128),
            (128, 128, 128) or (128, 1, 128).
        recipe_a, recipe_b: the same of one operand: None, (1, 128) or (128, 128); or "1x128", "128x128", "row" for one scale a
            row, [M, 1] and [N, 1], or "tensor" for one in all, [1, 1].
        compiled_dims, disable_ue8m0_cast: mean nothing on Hopper.
        epilogue: what dgemm.epilogue returns: what becomes of each element of the product before it is stored.

    D is zero where K is 0. Runs on the tensors' device and the current stream of their library; NumPy arrays run on
    the emulator. Raises TypeError or ValueError, naming the argument; CompileError; DeviceError for a GPU that is no
    Hopper.
    """
    if c is not None or alpha is not None:
        _check_keywords(c, alpha)
    call, known = call_dense, DEFAULT_RECIPE
    if recipe is not None or recipe_a is not None or recipe_b is not None:
        known = _read_recipe(recipe, recipe_a, recipe_b)
        call = _launch.dispatcher("dense", known)
    if epilogue is not None:
        return _call_with(epilogue, "dense", a, b, d, None, 0, known)
    if _is_compiling():
        return _call_operator("dense", (*a, *b, d, None), 0, known)
    try:
        (x, scale_x), (y, scale_y) = a, b
        call(x, scale_x, y, scale_y, d, None, 0)
    except (TypeError, ValueError):
        _check_pairs(a=a, b=b)
        raise


def m_grouped_fp8_gemm_nt_contiguous(a: Pair, b: Pair, d: Any, m_indices: Any,
                                     recipe: tuple[int, int, int] | None = None,
                                     recipe_a: tuple[int, int] | None = None, recipe_b: tuple[int, int] | None = None,
                                     compiled_dims: str = "nk", disable_ue8m0_cast: bool = False,
                                     use_psum_layout: bool = False,
                                     expected_m_for_psum_layout: int | None = None,
                                     epilogue: _epilogue.Epilogue | None = None) -> None:
    """d[i] = a[i] @ b[m_indices[i]].T for each row i.

    Args:
        a: (A, scale) of [M, K] and [M, ceil(K/128)], as in fp8_gemm_nt: the rows of all groups, each group at a multiple
            of get_mk_alignment_for_contiguous_layout() rows.
        b: (B, scale) of [G, N, K] and [G, ceil(N/128), ceil(K/128)].
        d: [M, N], written; rows of padding may hold anything afterwards.
        m_indices: [M] int32, the group of each row, -1 for padding.
        use_psum_layout: False; another meaning of m_indices is refused.
        others: as in fp8_gemm_nt.
    """
    call, known = call_contiguous, DEFAULT_RECIPE
    if recipe is not None or recipe_a is not None or recipe_b is not None:
        known = _read_recipe(recipe, recipe_a, recipe_b)
        call = _launch.dispatcher("contiguous", known)
    if use_psum_layout or expected_m_for_psum_layout is not None:
        raise ValueError("use_psum_layout and expected_m_for_psum_layout are given; allowed are False and None: "
                         "m_indices holds the group of each row")
    if epilogue is not None:
        return _call_with(epilogue, "contiguous", a, b, d, m_indices, 0, known)
    if _is_compiling():
        return _call_operator("contiguous", (*a, *b, d, m_indices), 0, known)
    try:
        (x, scale_x), (y, scale_y) = a, b
        call(x, scale_x, y, scale_y, d, m_indices, 0)
    except (TypeError, ValueError):
        _check_pairs(a=a, b=b)
        raise


def m_grouped_fp8_gemm_nt_masked(a: Pair, b: Pair, d: Any, masked_m: Any, expected_m: int,
                                 recipe: tuple[int, int, int] | None = None,
                                 recipe_a: tuple[int, int] | None = None, recipe_b: tuple[int, int] | None = None,
                                 compiled_dims: str = "nk", disable_ue8m0_cast: bool = False,
                                 epilogue: _epilogue.Epilogue | None = None) -> None:
    """d[g, i] = a[g, i] @ b[g].T for each group g and its first masked_m[g] rows i; no other rows are written.

    Args:
        a: (A, scale) of [G, M, K] and [G, M, ceil(K/128)].
        b: (B, scale) of [G, N, K] and [G, ceil(N/128), ceil(K/128)].
        d: [G, M, N], written.
        masked_m: [G] int32, read on the device when the kernel runs: one CUDA graph serves any values.
        expected_m: about how many rows a group will have; steers the choice of the config, not the result.
        others: as in fp8_gemm_nt.
    """
    call, known = call_masked, DEFAULT_RECIPE
    if recipe is not None or recipe_a is not None or recipe_b is not None:
        known = _read_recipe(recipe, recipe_a, recipe_b)
        call = _launch.dispatcher("masked", known)
    if epilogue is not None:
        return _call_with(epilogue, "masked", a, b, d, masked_m, expected_m, known)
    if _is_compiling():
        return _call_operator("masked", (*a, *b, d, masked_m), expected_m, known)
    try:
        (x, scale_x), (y, scale_y) = a, b
        call(x, scale_x, y, scale_y, d, masked_m, expected_m)
    except (TypeError, ValueError):
        _check_pairs(a=a, b=b)
        raise


# ----------------------------------------------------------------------------
# Older names
# ----------------------------------------------------------------------------


def gemm_fp8_fp8_bf16_nt(lhs: Pair, rhs: Pair, out: Any) -> None:
    """fp8_gemm_nt under its older name."""
    if _is_compiling():
        return _call_operator("dense", (*lhs, *rhs, out, None), 0)
    try:
        (x, scale_x), (y, scale_y) = lhs, rhs
        call_old_dense(x, scale_x, y, scale_y, out, None, 0)
    except (TypeError, ValueError):
        _check_pairs(lhs=lhs, rhs=rhs)
        raise


def m_grouped_gemm_fp8_fp8_bf16_nt_contiguous(lhs: Pair, rhs: Pair, out: Any, m_indices: Any) -> None:
    """m_grouped_fp8_gemm_nt_contiguous under its older name."""
    if _is_compiling():
        return _call_operator("contiguous", (*lhs, *rhs, out, m_indices), 0)
    try:
        (x, scale_x), (y, scale_y) = lhs, rhs
        call_old_contiguous(x, scale_x, y, scale_y, out, m_indices, 0)
    except (TypeError, ValueError):
        _check_pairs(lhs=lhs, rhs=rhs)
        raise


def m_grouped_gemm_fp8_fp8_bf16_nt_masked(lhs: Pair, rhs: Pair, out: Any, masked_m: Any, expected_m: int) -> None:
    """m_grouped_fp8_gemm_nt_masked under its older name."""
    if _is_compiling():
        return _call_operator("masked", (*lhs, *rhs, out, masked_m), expected_m)
    try:
        (x, scale_x), (y, scale_y) = lhs, rhs
        call_old_masked(x, scale_x, y, scale_y, out, masked_m, expected_m)
    except (TypeError, ValueError):
        _check_pairs(lhs=lhs, rhs=rhs)
        raise
