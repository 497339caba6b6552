"""Multiplication: the functions of both generations of DeepGEMM."""

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


def call_operator(layout: str, tensors: tuple[Any, ...], expected_m: int,
                   recipe: Recipe = DEFAULT_RECIPE, alignment: int = 0) -> None:
    from . import _torch_ops  # which torch must be there for

    _torch_ops.call(layout, tensors, expected_m, recipe, alignment)


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
        """Replaces _is_compiling by torch's own function, which costs each call less. Tracers other than torch.compile pass
        tensors of their own types, which the dispatcher does not take."""
        if self.has_seen_torch:
            return
        from . import _torch_ops  # so that the operators exist from the first call on

        self.has_seen_torch = True
        global _is_compiling
        _is_compiling = _torch_ops.is_compiling

    def call(self, layout: str, tensors: tuple[Any, ...], expected_m: int, recipe: Recipe, alignment: int = 0) -> None:
        call_operator(layout, tensors, expected_m, recipe, alignment)


TRACER = _TorchTracer()
_launch.set_tracer(TRACER)

# ----------------------------------------------------------------------------
# Newer names
# ----------------------------------------------------------------------------

Pair = tuple[Any, Any]


def _check_alpha(alpha: Any) -> None:
    """Refuses what would change the result; what merely steers Blackwell's kernels passes."""
    if alpha is not None:
        raise ValueError(f"alpha is {alpha!r}; allowed is None on Hopper")


def begin_with(d: Any, c: Any) -> None:
    """d = c, where that is another tensor."""
    if c is d:
        return
    for fact in ("shape", "dtype"):
        given, wanted = getattr(c, fact, None), getattr(d, fact, None)
        if given != wanted:
            raise ValueError(f"c has {fact} {given if given is not None else type(c).__name__}; allowed is that of d, {wanted}")
    if hasattr(d, "copy_"):
        d.copy_(c)
    else:
        d[...] = c


def read_recipe(recipe: Any, recipe_a: Any, recipe_b: Any) -> Recipe:
    """`recipe` is (rows of A, rows of B, columns of K), as in DeepGEMM."""
    if recipe is not None:
        if recipe_a is not None or recipe_b is not None:
            raise ValueError("recipe is given together with recipe_a or recipe_b; allowed is one of them")
        rows_a, rows_b, columns = _check.recipe("recipe", recipe, [(x, y, 128) for x in (1, 128) for y in (128, 1)])
        return Recipe(_recipes.granularity("recipe", (rows_a, columns)), _recipes.granularity("recipe", (rows_b, columns)))
    of_a, of_b = DEFAULT_RECIPE[:2]
    return Recipe(of_a if recipe_a is None else _recipes.granularity("recipe_a", recipe_a),
                  of_b if recipe_b is None else _recipes.granularity("recipe_b", recipe_b))


def check_pairs(**pairs: Any) -> None:
    """A call has failed: raises a clear error if an operand is not a pair."""
    for name, value in pairs.items():
        _check.pair(name, value, f"({name[0].upper()}, scale)" if name in "ab" else "(tensor, scale)")


_PAIR = (tuple, list)
"""A D of these types is quantised: its values and their scales."""


def _call_with(epilogue: Any, layout: str, a: Pair, b: Pair, d: Any, groups: Any, expected_m: int, recipe: Recipe,
               alignment: int = 0) -> None:
    """A call with an epilogue, or with a D that is quantised."""
    if epilogue is not None:
        _epilogue.check("epilogue", epilogue)
    check_pairs(a=a, b=b)
    if isinstance(d, _PAIR):
        check_pairs(d=d)
        if recipe.accumulate:
            raise ValueError("c is given, but d is a pair of values and scales; allowed is None: the scales are those of the "
                             "product")
    if _is_compiling():
        raise ValueError(f"{'epilogue' if epilogue is not None else 'a pair d'} is given under torch.compile; allowed is "
                         f"{'None' if epilogue is not None else 'a tensor'} there")
    _launch.call_with(epilogue, layout, (*a, *b, d, groups), expected_m, recipe, alignment)


def fp8_gemm_nt(a: Pair, b: Pair, d: Any, c: Any = None, recipe: tuple[int, int, int] | None = None,
                recipe_a: tuple[int, int] | None = None, recipe_b: tuple[int, int] | None = None,
                compiled_dims: str = "nk", disable_ue8m0_cast: bool = False, alpha: None = None,
                epilogue: _epilogue.Epilogue | None = None) -> None:
    """d = a @ b.T, or c + a @ b.T, with FP8 operands that have scales.

    Args:
        a: (A, scale): A is [M, K] float8_e4m3fn or float8_e5m2, rows contiguous; scale is [M, ceil(K/128)] float32, K
            innermost as a quantiser writes it, or M innermost as get_mn_major_tma_aligned_tensor makes it.
        b: (B, scale): B is [N, K] float8_e4m3fn or float8_e5m2; scale is [ceil(N/128), ceil(K/128)] float32, either order.
        d: [M, N] bfloat16, float16 or float32, written. Or a pair (D, scale) for a quantised result, which another product
            may take as its a: D is [M, N] float8_e4m3fn or float8_e5m2, and scale [M, ceil(N/128)] float32, M innermost as
            get_mn_major_tma_aligned_tensor makes it, or N innermost. The kernel writes what per_token_cast_to_fp8 makes of
            its float32 result.
        c: None, or what the product is added to, of d's shape and dtype: d itself, which the kernel adds to on the way out, or a
            tensor that is copied to d before. In bfloat16 and float16 the product is rounded before it is added.
        alpha: None; anything else would change the result and is refused.
        recipe: None, or (rows of A, rows of B, columns) that one scale belongs to: (1, 128, 128), as above, (1, 1, 128),
            (128, 128, 128) or (128, 1, 128).
        recipe_a, recipe_b: the same of one operand: None, (1, 128) or (128, 128); or "1x128", "128x128", "row" for one scale a
            row, [M, 1] and [N, 1], or "tensor" for one in all, [1, 1].
        compiled_dims, disable_ue8m0_cast: mean nothing on Hopper.
        epilogue: the result of dgemm.epilogue. It is applied to each element of the product before the store.

    D is zero where K is 0, or c. Runs on the tensors' device and the current stream of their library; NumPy arrays run on
    the emulator. Raises TypeError or ValueError, naming the argument; CompileError; DeviceError for a GPU that is no
    Hopper.
    """
    if alpha is not None:
        _check_alpha(alpha)
    call, known = call_dense, DEFAULT_RECIPE
    if recipe is not None or recipe_a is not None or recipe_b is not None or c is not None:
        known = read_recipe(recipe, recipe_a, recipe_b)._replace(accumulate=c is not None)
        call = _launch.dispatcher("dense", known)
    if epilogue is not None or isinstance(d, _PAIR):
        if c is not None and not isinstance(d, _PAIR):
            begin_with(d, c)
        return _call_with(epilogue, "dense", a, b, d, None, 0, known)
    if c is not None:
        begin_with(d, c)
    if _is_compiling():
        return call_operator("dense", (*a, *b, d, None), 0, known)
    try:
        (x, scale_x), (y, scale_y) = a, b
        call(x, scale_x, y, scale_y, d, None, 0)
    except (TypeError, ValueError):
        check_pairs(a=a, b=b)
        raise


def multiply_group(a: Pair, b: Pair, d: Any, c: Any, recipe: tuple[int, int, int]) -> None:
    """fp8_gemm_nt by one kernel for every K, which groups of tokens have."""
    known = read_recipe(recipe, None, None)._replace(accumulate=c is not None, any_k=True)
    if c is not None:
        begin_with(d, c)
    (x, scale_x), (y, scale_y) = a, b
    _launch.dispatcher("dense", known)(x, scale_x, y, scale_y, d, None, 0)


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
        d: [M, N], or a pair with scales as in fp8_gemm_nt, written; rows of padding may hold anything afterwards.
        m_indices: [M] int32, the group of each row, -1 for padding.
        use_psum_layout: True: m_indices is [G] int32, the row behind the last of each group, as the offsets of
            m_grouped_fp8_gemm_nt_offsets; rows in no group are not written.
        expected_m_for_psum_layout: about how many rows a group will have; steers the choice of the config.
        others: as in fp8_gemm_nt.
    """
    if use_psum_layout:
        return m_grouped_fp8_gemm_nt_offsets(a, b, d, m_indices, 0, expected_m_for_psum_layout or 0, recipe, recipe_a, recipe_b)
    call, known = call_contiguous, DEFAULT_RECIPE
    if recipe is not None or recipe_a is not None or recipe_b is not None:
        known = read_recipe(recipe, recipe_a, recipe_b)
        call = _launch.dispatcher("contiguous", known)
    if expected_m_for_psum_layout is not None:
        raise ValueError(f"expected_m_for_psum_layout is {expected_m_for_psum_layout!r}; allowed is None without "
                         "use_psum_layout")
    if epilogue is not None or isinstance(d, _PAIR):
        return _call_with(epilogue, "contiguous", a, b, d, m_indices, 0, known)
    if _is_compiling():
        return call_operator("contiguous", (*a, *b, d, m_indices), 0, known)
    try:
        (x, scale_x), (y, scale_y) = a, b
        call(x, scale_x, y, scale_y, d, m_indices, 0)
    except (TypeError, ValueError):
        check_pairs(a=a, b=b)
        raise


def m_grouped_fp8_gemm_nt_offsets(a: Pair, b: Pair, d: Any, offsets: Any, alignment: int = 1, expected_m: int = 0,
                                  recipe: tuple[int, int, int] | None = None,
                                  recipe_a: tuple[int, int] | None = None,
                                  recipe_b: tuple[int, int] | None = None) -> None:
    """d[i] = a[i] @ b[g].T for each row i of each group g; rows in no group are not written.

    Args:
        a: (A, scale) of [M, K] and [M, ceil(K/128)], as in fp8_gemm_nt: the rows of all groups.
        b: (B, scale) of [G, N, K] and [G, ceil(N/128), ceil(K/128)].
        d: [M, N], or a pair with scales as in fp8_gemm_nt, written.
        offsets: [G] int32, the row behind the last of each group, ascending; read on the device when the kernel runs: one CUDA
            graph serves any values.
        alignment: a group starts at the end of the one before it, rounded up to a multiple of so many rows: 1 for no padding; 0
            for get_mk_alignment_for_contiguous_layout().
        expected_m: about how many rows a group will have, or 0; steers the choice of the config, not the result.
        others: as in fp8_gemm_nt.
    """
    known = DEFAULT_RECIPE
    if recipe is not None or recipe_a is not None or recipe_b is not None:
        known = read_recipe(recipe, recipe_a, recipe_b)
    alignment = _check.integer("alignment", alignment, 0)
    if isinstance(d, _PAIR):
        return _call_with(None, "offsets", a, b, d, offsets, expected_m, known, alignment)
    if _is_compiling():
        return call_operator("offsets", (*a, *b, d, offsets), expected_m, known, alignment)
    try:
        (x, scale_x), (y, scale_y) = a, b
        _launch.dispatcher("offsets", known, alignment=alignment)(x, scale_x, y, scale_y, d, offsets, expected_m)
    except (TypeError, ValueError):
        check_pairs(a=a, b=b)
        raise


def k_grouped_fp8_gemm_nt_offsets(a: Pair, b: Pair, d: Any, offsets: Any, c: Any = None, alignment: int = 128,
                                  recipe: tuple[int, int, int] | None = (1, 1, 128),
                                  recipe_a: tuple[int, int] | None = None,
                                  recipe_b: tuple[int, int] | None = None) -> None:
    """d[g] = a[:, of g] @ b[:, of g].T, or c[g] + that, for each group g and its columns of K: gradients of the weights of experts.

    Args:
        a: (A, scale) of [M, K] and [M, ceil(K/128)], as in fp8_gemm_nt: K of all groups, one behind the other.
        b: (B, scale) of [N, K] and [N, ceil(K/128)]; by another recipe as there.
        d: [G, M, N], written; zero, or as c is, for a group without columns.
        offsets: [G] int32, the column of K behind the last of each group, ascending; read on the device when the kernel runs: one
            CUDA graph serves any values.
        c: None, or what the products are added to, as in fp8_gemm_nt.
        alignment: a group starts at the end of the one before it, rounded up to a multiple of so many columns, itself one of 128.
            Columns between the end of a group and the next multiple of 128 hold zeros.
        others: as in fp8_gemm_nt.
    """
    if recipe_a is not None or recipe_b is not None:
        recipe = None
    known = read_recipe(recipe, recipe_a, recipe_b)._replace(accumulate=c is not None, any_k=True)
    alignment = _check.integer("alignment", alignment)
    if alignment % 128:
        raise ValueError(f"alignment is {alignment}; allowed are multiples of 128")
    if c is not None:
        begin_with(d, c)
    if _is_compiling():
        return call_operator("k_grouped", (*a, *b, d, offsets), 0, known, alignment)
    try:
        (x, scale_x), (y, scale_y) = a, b
        _launch.dispatcher("k_grouped", known, alignment=alignment)(x, scale_x, y, scale_y, d, offsets, 0)
    except (TypeError, ValueError):
        check_pairs(a=a, b=b)
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
        d: [G, M, N], or a pair with scales [G, M, ceil(N/128)] as in fp8_gemm_nt, written.
        masked_m: [G] int32, read on the device when the kernel runs, so one CUDA graph serves any values.
        expected_m: the expected rows of a group; affects the choice of the config, not the result.
        others: as in fp8_gemm_nt.
    """
    call, known = call_masked, DEFAULT_RECIPE
    if recipe is not None or recipe_a is not None or recipe_b is not None:
        known = read_recipe(recipe, recipe_a, recipe_b)
        call = _launch.dispatcher("masked", known)
    if epilogue is not None or isinstance(d, _PAIR):
        return _call_with(epilogue, "masked", a, b, d, masked_m, expected_m, known)
    if _is_compiling():
        return call_operator("masked", (*a, *b, d, masked_m), expected_m, known)
    try:
        (x, scale_x), (y, scale_y) = a, b
        call(x, scale_x, y, scale_y, d, masked_m, expected_m)
    except (TypeError, ValueError):
        check_pairs(a=a, b=b)
        raise


# ----------------------------------------------------------------------------
# Older names
# ----------------------------------------------------------------------------


def gemm_fp8_fp8_bf16_nt(lhs: Pair, rhs: Pair, out: Any) -> None:
    """fp8_gemm_nt under its older name."""
    if _is_compiling():
        return call_operator("dense", (*lhs, *rhs, out, None), 0)
    try:
        (x, scale_x), (y, scale_y) = lhs, rhs
        call_old_dense(x, scale_x, y, scale_y, out, None, 0)
    except (TypeError, ValueError):
        check_pairs(lhs=lhs, rhs=rhs)
        raise


def m_grouped_gemm_fp8_fp8_bf16_nt_contiguous(lhs: Pair, rhs: Pair, out: Any, m_indices: Any) -> None:
    """m_grouped_fp8_gemm_nt_contiguous under its older name."""
    if _is_compiling():
        return call_operator("contiguous", (*lhs, *rhs, out, m_indices), 0)
    try:
        (x, scale_x), (y, scale_y) = lhs, rhs
        call_old_contiguous(x, scale_x, y, scale_y, out, m_indices, 0)
    except (TypeError, ValueError):
        check_pairs(lhs=lhs, rhs=rhs)
        raise


def m_grouped_gemm_fp8_fp8_bf16_nt_masked(lhs: Pair, rhs: Pair, out: Any, masked_m: Any, expected_m: int) -> None:
    """m_grouped_fp8_gemm_nt_masked under its older name."""
    if _is_compiling():
        return call_operator("masked", (*lhs, *rhs, out, masked_m), expected_m)
    try:
        (x, scale_x), (y, scale_y) = lhs, rhs
        call_old_masked(x, scale_x, y, scale_y, out, masked_m, expected_m)
    except (TypeError, ValueError):
        check_pairs(lhs=lhs, rhs=rhs)
        raise
