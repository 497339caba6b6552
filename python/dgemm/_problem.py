"""What a kernel is compiled for."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, field, replace
from typing import NamedTuple

from . import _dgemm, _settings

DYNAMIC = -1
ANY_K = 16
"""What a K that a kernel leaves to the launch is a multiple of, so that TMA takes rows of it."""
BLOCK = 128
"""Rows and columns of a block that has one scale."""
LAYOUTS = ("dense", "contiguous", "masked", "offsets", "k_grouped", "batched")
ONE_MATRIX = ("contiguous", "offsets", "k_grouped")
"""Layouts with all groups in one A."""
OWN_ROWS = ("masked", "batched")
"""Layouts in which each group has an A and a D of M rows."""
SHARED_B = ("dense", "k_grouped")
"""Layouts with one B."""
PITCHES = ("lda", "ldb", "ldd", "batch_stride_a", "batch_stride_b", "batch_stride_d", "scale_a_pitch", "scale_b_pitch")
"""The strides of rows, of matrices, and of lines of scales."""
GRANULARITIES = ("tensor", "row", "1x128", "128x128", "none")
"""The block of A (rows: tokens) or of B (rows: channels) that one scale covers; "none" for no scales."""
SAME_ALONG_K = ("tensor", "row", "none")
"""Granularities whose scales, if any, do not vary along K."""
ACCURACIES = ("exact", "balanced", "fast")
FP8_DTYPES = {"e4m3": "float8_e4m3fn", "e5m2": "float8_e5m2"}
OUT_DTYPES = {"bf16": "bfloat16", "f16": "float16", "f32": "float32"}
"""Our names of types, and the names of libraries for them."""
ELEMENT_BYTES = {"float8_e4m3fn": 1, "float8_e5m2": 1, "bfloat16": 2, "float16": 2, "float32": 4, "int32": 4}
"""The names of all types of operands."""


class Recipe(NamedTuple):
    """The part of a call that its tensors do not state; DeepGEMM's is the default."""

    scale_a: str = "1x128"
    scale_b: str = "128x128"
    accuracy: str = "exact"
    accumulate: bool = False
    any_k: bool = False
    """One kernel for every K that is a multiple of ANY_K, as groups of tokens have it."""


DEFAULT_RECIPE = Recipe()


def ceil_div(x: int, y: int) -> int:
    """x / y, rounded up."""
    return -(-x // y)


def align(x: int, y: int) -> int:
    """x, rounded up to a multiple of y."""
    return ceil_div(x, y) * y


def is_for_each_row(granularity: str) -> bool:
    return granularity in ("row", "1x128")


def scale_shape(granularity: str, rows: int, k: int) -> tuple[int, int]:
    """Extents of the scales of `rows` rows of `k` columns, as (rows, along K)."""
    high = {"tensor": 1, "128x128": ceil_div(rows, BLOCK)}.get(granularity, rows)
    return high, ceil_div(k, BLOCK) if granularity.endswith("128") else 1


@dataclass(frozen=True)
class Problem:
    """D[M, N] = A[M, K] x B[N, K]^T with FP8 operands that may have scales.

    One kernel serves every M unless `m` is given, and every multiple of `k_divisor` where `k` is DYNAMIC. Sizes are in elements; a leading dimension of 0 means that rows
    follow each other without padding.
    """

    n: int
    k: int
    layout: str = "dense"
    groups: int = DYNAMIC
    row_alignment: int = 128
    m: int = DYNAMIC
    lda: int = 0
    ldb: int = 0
    ldd: int = 0
    batch_stride_a: int = 0
    batch_stride_b: int = 0
    batch_stride_d: int = 0
    """Batched: elements from matrix to matrix; 0 if they follow each other."""
    scale_a_k_innermost: bool = False
    scale_b_n_innermost: bool = False
    scale_b_k_innermost: bool = False
    scale_d_n_innermost: bool = False
    """Of a quantised D: its scales are row-major, as a quantiser writes them."""
    scale_a_pitch: int = 0
    scale_b_pitch: int = 0
    """Elements from one line of scales to the next, where a line is what lies innermost; 0 for lines without gaps, or padded to 16
    bytes where rows are innermost."""
    scale_a: str = DEFAULT_RECIPE.scale_a
    scale_b: str = DEFAULT_RECIPE.scale_b
    a_type: str = "e4m3"
    b_type: str = "e4m3"
    out: str = "bf16"
    accuracy: str = "exact"
    epilogue: str = ""
    """As the compiler takes it: names of ready-made ones, or functions of MLIR."""
    accumulate: bool = False
    k_divisor: int = 1
    pdl: bool = field(default_factory=lambda: _settings.current().pdl)

    def canonical(self) -> Problem:
        """The canonical form of all descriptions of the same memory, for which kernels are compiled.
        Scales with one block of K (for B, also of N) have one order. A leading dimension that equals the row's length, or of
        a single row, becomes 0.
        """
        one_matrix = self.layout == "dense" or self.groups == 1
        one_row = self.m == 1 and (one_matrix or (self.layout in ONE_MATRIX and self.layout != "k_grouped"))
        # Between groups, rows of scales that are innermost are padded to 16 bytes.
        same_pitch_a = one_matrix or self.layout in ONE_MATRIX or (self.m != DYNAMIC and self.m % 4 == 0)
        same_pitch_b = one_matrix or self.layout in SHARED_B or self.n % 4 == 0

        def differs(granularity: str, same_pitch: bool) -> bool:
            return is_for_each_row(granularity) and not (scale_shape(granularity, 1, self.k)[1] <= 1 and same_pitch)

        return replace(
            self, lda=0 if self.lda == self.k or one_row else self.lda,
            ldb=0 if self.ldb == self.k or (self.n == 1 and (one_matrix or self.layout in SHARED_B)) else self.ldb,
            ldd=0 if self.ldd == self.columns or one_row else self.ldd,
            scale_a_k_innermost=self.scale_a_k_innermost and (self.scale_a_pitch > 0 or differs(self.scale_a, same_pitch_a)),
            scale_b_k_innermost=self.scale_b_k_innermost and (self.scale_b_pitch > 0 or differs(self.scale_b, same_pitch_b)),
            scale_d_n_innermost=self.scale_d_n_innermost and not (self.columns <= BLOCK and same_pitch_a),
            scale_b_n_innermost=self.scale_b_n_innermost and self.scale_b == "128x128" and
            (self.scale_b_pitch > 0 or (self.k > BLOCK and self.n > BLOCK)))

    @property
    def columns(self) -> int:
        """Columns of D: half of N with a gated epilogue."""
        gated = "dgemm.gated" in self.epilogue or not {"swiglu", "geglu"}.isdisjoint(self.epilogue.split("+"))
        return self.n // 2 if gated else self.n

    @property
    def needs_m(self) -> bool:
        """True where the strides between groups depend on M, so that a kernel serves one M only."""
        if self.layout == "k_grouped":
            return bool(self.ldd)
        return self.layout == "masked" and bool(self.scale_a_k_innermost or self.scale_d_n_innermost or self.lda or self.ldd)

    @property
    def symbol(self) -> str:
        """Name of the kernel; it contains "fp8_gemm" for profilers, as DeepGEMM's do."""
        layout = "" if self.layout == "dense" else f"_{self.layout}_g{self.groups}"
        recipe = "_" + self.recipe.replace(" ", "_") if self.recipe else ""
        accumulate = "_accumulate" if self.accumulate else ""
        epilogue = f"_epilogue_{self.digest}" if self.epilogue else ""
        return f"dgemm_fp8_gemm{layout}{recipe}{accumulate}{epilogue}_n{self.n}_k{'x' if self.k == DYNAMIC else self.k}"

    @property
    def digest(self) -> str:
        """A short name of the epilogue."""
        return hashlib.sha256(self.epilogue.encode()).hexdigest()[:16]

    @property
    def recipe(self) -> str:
        """Text of types and granularities; empty for those of DeepGEMM."""
        parts = [self.a_type, self.scale_a, self.b_type, self.scale_b, self.out]
        parts += [self.accuracy] if self.accuracy != "exact" else []
        return "" if parts == ["e4m3", "1x128", "e4m3", "128x128", "bf16"] else " ".join(parts)

    def shape(self, m: int | None = None, expected_m: int = 0) -> _dgemm.Shape:
        """The arguments of the compiler; `m` and `expected_m` are those for the choice of a config."""
        fields = asdict(self)
        fields["m"] = self.m if m is None else m
        if self.scale_a_pitch and is_for_each_row(self.scale_a) and not self.scale_a_k_innermost:
            fields["m"] = min(fields["m"], self.scale_a_pitch)  # the rows of a choice are rounded up
        return _dgemm.Shape(**fields, expected_m=expected_m)

    def describe(self) -> str:
        """A readable line."""
        parts = [self.layout] if self.layout == "dense" else [f"{self.layout} G={self.groups}"]
        parts += [f"M={'?' if self.m == DYNAMIC else self.m}", f"N={self.n}", f"K={'?' if self.k == DYNAMIC else self.k}"]
        parts += [f"{name}={getattr(self, name)}" for name in PITCHES if getattr(self, name)]
        parts += [self.recipe] if self.recipe else []
        if self.accumulate:
            parts.append("accumulate")
        if self.layout in ONE_MATRIX:
            parts.append(f"row_alignment={self.row_alignment}")
        if self.scale_a_k_innermost:
            parts.append("scale_a=k-innermost")
        if self.scale_b_n_innermost:
            parts.append("scale_b=n-innermost")
        if self.scale_b_k_innermost:
            parts.append("scale_b=k-innermost")
        if self.scale_d_n_innermost:
            parts.append("scale_d=n-innermost")
        if self.epilogue:
            parts.append(f"epilogue={self.digest if 'func.func' in self.epilogue else self.epilogue}")
        if self.pdl:
            parts.append("pdl")
        return " ".join(parts)
