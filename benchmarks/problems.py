"""The benchmark's rows: the GEMM problems that are measured, and the compiler flags of each. Needs no GPU."""
import dataclasses
import random
import re

DENSE_M = [1, 64, 128, 4096]
DENSE_NK = [(2112, 7168), (24576, 1536), (32768, 512), (7168, 16384), (4096, 7168), (7168, 2048), (576, 7168)]
CONTIGUOUS = [(4, 8192, 4096, 7168), (4, 8192, 7168, 2048), (8, 4096, 4096, 7168), (8, 4096, 7168, 2048)]
MASKED = [
    (1, 1024, 4096, 7168), (1, 1024, 7168, 2048), (2, 512, 4096, 7168), (2, 512, 7168, 2048),
    (4, 256, 4096, 7168), (4, 256, 7168, 2048), (32, 192, 6144, 7168), (32, 20, 7168, 3072),
]  # fmt: skip
ROW_ALIGNMENT = 128

# The project's goals for the geometric means of time(DeepGEMM) / time(ours), by class of rows.
GOALS = {"M = 1": 1.20, "M = 64, 128": 1.12, "M = 4096": 1.08, "contiguous": 1.05, "masked": 1.15}


class RowError(ValueError):
    """A row's text is malformed."""


def ceil_div(a, b):
    return -(-a // b)


@dataclasses.dataclass(frozen=True)
class Row:
    """One problem. `m`: rows; contiguous and masked: expected rows of a group; real rows are drawn near it."""

    layout: str
    groups: int
    m: int
    n: int
    k: int

    def __str__(self):
        sizes = f"{self.m}x{self.n}x{self.k}"
        return sizes if self.layout == "dense" else f"{self.layout}:{self.groups}x{sizes}"

    @property
    def slug(self):
        """The file name of the row."""
        return f"{self.layout}-{self.groups}x{self.m}x{self.n}x{self.k}"

    @property
    def kind(self):
        """The class of the row in the goals."""
        if self.layout != "dense":
            return self.layout
        return "M = 64, 128" if self.m in (64, 128) else f"M = {self.m}"

    def group_rows(self):
        """Rows of each group: 0.7 to 1.3 times m, drawn with a fixed seed. With up to 4 masked groups, each has exactly m."""
        if self.layout == "dense" or (self.layout == "masked" and self.groups <= 4):
            return [self.m] * self.groups
        draw = random.Random(0)
        return [int(self.m * draw.uniform(0.7, 1.3)) for _ in range(self.groups)]

    @property
    def rows(self):
        """The kernel's M: rows of A and D of all groups together, or of one group for a masked layout."""
        if self.layout == "contiguous":
            return sum(ceil_div(rows, ROW_ALIGNMENT) * ROW_ALIGNMENT for rows in self.group_rows())
        if self.layout == "masked":
            return ceil_div(max(2 * self.m, 128), 64) * 64
        return self.m

    @property
    def tokens(self):
        """Rows that count as work, including padding of a contiguous layout, which every kernel computes."""
        return self.rows if self.layout == "contiguous" else sum(self.group_rows())

    @property
    def flop(self):
        return 2 * self.tokens * self.n * self.k

    @property
    def bytes(self):
        """The least bytes to move: each operand once."""
        k_blocks = ceil_div(self.k, 128)
        matrix_b = self.n * self.k + 4 * ceil_div(self.n, 128) * k_blocks
        return self.tokens * (self.k + 4 * k_blocks + 2 * self.n) + self.groups * matrix_b

    def flags(self):
        """The flags of dgemm-gen for the problem."""
        flags = [f"--m={self.rows}", f"--n={self.n}", f"--k={self.k}"]
        if self.layout != "dense":
            flags += [f"--layout={self.layout}", f"--groups={self.groups}"]
        if self.layout == "contiguous":
            flags.append(f"--row-alignment={ROW_ALIGNMENT}")
        if self.layout == "masked":
            flags.append(f"--expected-m={self.m}")
        return flags

    def sizes(self):
        """Values for the sizes of a launch descriptor."""
        sizes = {"M": self.rows, "N": self.n, "K": self.k}
        if self.layout != "dense":
            sizes["G"] = self.groups
        return sizes

    def as_dict(self):
        return dataclasses.asdict(self)


def from_dict(fields):
    return Row(*(fields[name] for name in ("layout", "groups", "m", "n", "k")))


def all_rows():
    """Every row of the peers' table, in its order."""
    dense = [Row("dense", 1, m, n, k) for m in DENSE_M for n, k in DENSE_NK]
    return dense + [Row("contiguous", *row) for row in CONTIGUOUS] + [Row("masked", *row) for row in MASKED]


def quick_rows():
    """A few rows of each class."""
    chosen = ["1x7168x2048", "64x2112x7168", "128x4096x7168", "4096x7168x16384", "4096x2112x7168",
              "contiguous:4x8192x7168x2048", "masked:4x256x4096x7168"]  # fmt: skip
    return [parse_row(text) for text in chosen]


def parse_row(text):
    """Reads MxNxK, contiguous:GxMxNxK or masked:GxMxNxK, as `str(row)` writes it."""
    match = re.fullmatch(r"(?:(contiguous|masked):(\d+)x)?(\d+)x(\d+)x(\d+)", text.strip())
    if not match:
        raise RowError(f"'{text}' is not a row; expected MxNxK, contiguous:GxMxNxK or masked:GxMxNxK")
    layout, groups, *sizes = match.groups()
    row = Row(layout or "dense", int(groups or 1), *map(int, sizes))
    if min(row.groups, row.m, row.n, row.k) < 1:
        raise RowError(f"'{text}': every size is at least 1")
    return row


def select_rows(text):
    """Rows named in `text`, separated by commas: rows, or the words all, quick, dense, m=1, m=64, m=128, m=4096,
    contiguous and masked, which pick from the table."""
    rows = []
    for word in filter(None, (word.strip() for word in text.split(","))):
        if word == "all":
            picked = all_rows()
        elif word == "quick":
            picked = quick_rows()
        elif word in ("dense", "contiguous", "masked"):
            picked = [row for row in all_rows() if row.layout == word]
        elif re.fullmatch(r"m=\d+", word):
            picked = [row for row in all_rows() if row.layout == "dense" and row.m == int(word[2:])]
            if not picked:
                raise RowError(f"'{word}': the table has dense rows of M = {', '.join(map(str, DENSE_M))}")
        else:
            picked = [parse_row(word)]
        rows += [row for row in picked if row not in rows]
    if not rows:
        raise RowError("no rows are named")
    return rows
