"""What a kernel is compiled for."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace

from . import _dgemm, _settings

DYNAMIC = -1
BLOCK = 128
"""Columns of K and of N for which there is one scale."""
LAYOUTS = ("dense", "contiguous", "masked")


def ceil_div(x: int, y: int) -> int:
    """x / y, rounded up."""
    return -(-x // y)


def align(x: int, y: int) -> int:
    """The least multiple of y that is not below x."""
    return ceil_div(x, y) * y


@dataclass(frozen=True)
class Problem:
    """D[M, N] = A[M, K] x B[N, K]^T with FP8 operands and scales per 1x128 (A) and 128x128 (B).

    One kernel serves every M unless `m` is given. Sizes are in elements; a leading dimension of 0 means that rows
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
    scale_a_k_innermost: bool = False
    scale_b_n_innermost: bool = False
    pdl: bool = field(default_factory=lambda: _settings.current().pdl)

    def canonical(self) -> Problem:
        """The one form of all descriptions of the same memory: what calls are analysed into, and kernels compiled for.

        Scales of one block of K (B: or of N) have one order; a leading dimension of the row's own length, or of a single
        row, is no leading dimension.
        """
        one_matrix = self.layout == "dense" or self.groups == 1
        one_row = self.m == 1 and (one_matrix or self.layout == "contiguous")
        # Between groups, M innermost has rows padded to 16 bytes.
        same_pitch = one_matrix or self.layout == "contiguous" or (self.m != DYNAMIC and self.m % 4 == 0)
        return replace(
            self, lda=0 if self.lda == self.k or one_row else self.lda,
            ldb=0 if self.ldb == self.k or (self.n == 1 and one_matrix) else self.ldb,
            ldd=0 if self.ldd == self.n or one_row else self.ldd,
            scale_a_k_innermost=self.scale_a_k_innermost and not (self.k <= BLOCK and same_pitch),
            scale_b_n_innermost=self.scale_b_n_innermost and self.k > BLOCK and self.n > BLOCK)

    @property
    def needs_m(self) -> bool:
        """True where the strides between groups depend on M, so that a kernel serves one M only."""
        return self.layout == "masked" and bool(self.scale_a_k_innermost or self.lda or self.ldd)

    @property
    def symbol(self) -> str:
        """Name of the kernel, in which those who profile find "fp8_gemm", as in DeepGEMM's."""
        layout = "" if self.layout == "dense" else f"_{self.layout}_g{self.groups}"
        return f"dgemm_fp8_gemm{layout}_n{self.n}_k{self.k}"

    def shape(self, m: int | None = None, expected_m: int = 0) -> _dgemm.Shape:
        """For the compiler; `m` and `expected_m` as the choice of a config wants them."""
        fields = asdict(self)
        fields["m"] = self.m if m is None else m
        return _dgemm.Shape(**fields, expected_m=expected_m)

    def describe(self) -> str:
        """One line for a person."""
        parts = [self.layout] if self.layout == "dense" else [f"{self.layout} G={self.groups}"]
        parts += [f"M={'?' if self.m == DYNAMIC else self.m}", f"N={self.n}", f"K={self.k}"]
        parts += [f"{name}={getattr(self, name)}" for name in ("lda", "ldb", "ldd") if getattr(self, name)]
        if self.layout == "contiguous":
            parts.append(f"row_alignment={self.row_alignment}")
        if self.scale_a_k_innermost:
            parts.append("scale_a=k-innermost")
        if self.scale_b_n_innermost:
            parts.append("scale_b=n-innermost")
        if self.pdl:
            parts.append("pdl")
        return " ".join(parts)
