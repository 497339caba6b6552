"""Operands of a row as torch tensors on the GPU, the reference in double precision, and the difference of a result from it."""
import torch

import launcher

DTYPES = {"f8E4M3FN": torch.uint8, "bf16": torch.bfloat16, "f32": torch.float32, "i32": torch.int32}
# Largest 1 - 2 sum(xy) / sum(xx + yy) that passes; rounding D to bf16 costs about 1.4e-6 of it.
MAX_DIFFERENCE = 5e-6
SCALE_BLOCK = 128
FP8_MAX = 448.0


def _pad(x, multiple_rows):
    """Pads with zeros to complete scale blocks."""
    rows, columns = x.shape
    padding = (0, -columns % SCALE_BLOCK, 0, -rows % multiple_rows)
    return torch.nn.functional.pad(x, padding)


def quantize_tokens(x):
    """[m, k] to e4m3 [m, k] and scales [m, ceil(k/128)]."""
    m, k = x.shape
    blocks = _pad(x, 1).view(m, -1, SCALE_BLOCK)
    scales = blocks.abs().amax(2).clamp(1e-4) / FP8_MAX
    values = (blocks / scales.unsqueeze(2)).to(torch.float8_e4m3fn).view(m, -1)
    return values[:, :k].contiguous(), scales


def quantize_blocks(x):
    """[n, k] to e4m3 [n, k] and scales [ceil(n/128), ceil(k/128)]."""
    n, k = x.shape
    padded = _pad(x, SCALE_BLOCK)
    blocks = padded.view(-1, SCALE_BLOCK, padded.shape[1] // SCALE_BLOCK, SCALE_BLOCK)
    scales = blocks.abs().amax(dim=(1, 3), keepdim=True).clamp(1e-4) / FP8_MAX
    values = (blocks / scales).to(torch.float8_e4m3fn).view(padded.shape)
    return values[:n, :k].contiguous(), scales.view(blocks.shape[0], blocks.shape[2])


def difference(result, reference):
    """1 - 2 sum(xy) / sum(xx + yy), NaN if any is NaN. Written so that f32 does not cancel."""
    result, reference = result.float(), reference.float()
    error = (result - reference).square().sum(dtype=torch.float64)
    return float(error / (result.square().sum(dtype=torch.float64) + reference.square().sum(dtype=torch.float64)))


class Inputs:
    """a, b: e4m3 [(G,) rows, K] and [(G,) N, K]; scale_a [(G,) M, K/128], scale_b [(G,) N/128, K/128]; `groups`:
    m_indices or masked_m, or None. `segments`: (group or None, index of the rows of D that it computes)."""

    def __init__(self, row, device="cuda"):
        torch.manual_seed(0)
        self.row, self.device = row, device
        self._placed = {}
        self._reference = None
        weights = [quantize_blocks(torch.randn((row.n, row.k), device=device)) for _ in range(row.groups)]
        if row.layout == "dense":
            self.b, self.scale_b = weights[0]
        else:
            self.b = torch.stack([values for values, _ in weights])
            self.scale_b = torch.stack([scales for _, scales in weights])
        del weights
        if row.layout == "masked":
            tokens = [quantize_tokens(torch.randn((row.rows, row.k), device=device)) for _ in range(row.groups)]
            self.a = torch.stack([values for values, _ in tokens])
            self.scale_a = torch.stack([scales for _, scales in tokens])
        else:
            self.a, self.scale_a = quantize_tokens(torch.randn((row.rows, row.k), device=device))
        self._place_groups()

    def _place_groups(self):
        row, counts = self.row, self.row.group_rows()
        self.groups = None
        self.segments = [(None, slice(None))]
        if row.layout == "masked":
            self.groups = torch.tensor(counts, device=self.device, dtype=torch.int32)
            self.segments = [(group, (group, slice(0, count))) for group, count in enumerate(counts)]
        elif row.layout == "contiguous":
            self.groups = torch.full((row.rows,), -1, device=self.device, dtype=torch.int32)
            self.segments, start = [], 0
            for group, count in enumerate(counts):
                self.groups[start : start + count] = group
                self.segments.append((group, slice(start, start + count)))
                start += -(-count // 128) * 128

    @property
    def d_shape(self):
        return (*self.a.shape[:-1], self.row.n)

    def reference(self):
        """One f32 tensor for each segment: the sums in double precision."""
        if self._reference is None:
            self._reference = [self._multiply(group, index) for group, index in self.segments]
        return self._reference

    def _multiply(self, group, index):
        k = self.row.k
        b, scale_b = (self.b, self.scale_b) if group is None else (self.b[group], self.scale_b[group])
        expanded = scale_b.repeat_interleave(SCALE_BLOCK, 0)[: self.row.n].repeat_interleave(SCALE_BLOCK, 1)[:, :k]
        right = b.float().to(torch.float64) * expanded
        left = self.a[index].float().to(torch.float64) * self.scale_a[index].repeat_interleave(SCALE_BLOCK, -1)[:, :k]
        return (left @ right.t()).float()

    def check(self, d, was_poisoned=True):
        """None if `d` is correct; else the error. `was_poisoned`: elements that no kernel may write must still be NaN."""
        error = weight = 0.0
        for (_, index), reference in zip(self.segments, self.reference()):
            if not reference.numel():
                continue
            value = difference(d[index], reference)
            size = float(reference.square().sum(dtype=torch.float64))
            error, weight = error + value * size, weight + size
        total = error / weight if weight else 0.0
        if not total < MAX_DIFFERENCE:
            return f"difference {total:.3g} (limit {MAX_DIFFERENCE:g})"
        return self._check_untouched(d) if was_poisoned else None

    def _check_untouched(self, d):
        if self.row.layout != "masked":
            return None
        for group, count in enumerate(self.row.group_rows()):
            if not bool((d[group, count:].view(torch.int16) == -1).all()):
                return f"rows of group {group} past its {count} rows were written"
        return None

    def bind(self, kernel, driver, multiprocessors):
        """A compiled kernel as (launcher.Kernel, D). Kernels share operands, and D, of the same layout."""
        launch = launcher.parse(kernel.launch)
        sizes = launcher.bind_sizes(launch, self.row.sizes())
        layouts = launcher.operand_layouts(launch, sizes)
        tensors = {name: self._place(name, *layout) for name, layout in layouts.items()}
        addresses = {name: tensor.data_ptr() for name, tensor in tensors.items()}
        return launcher.Kernel(driver, kernel.image, launch, sizes, addresses, multiprocessors), tensors["d"]

    def _find(self, name):
        if name == "scale_a":
            return self.scale_a.transpose(-1, -2)
        if name in ("m_indices", "masked_m"):
            return self.groups
        return {"a": self.a, "b": self.b, "scale_b": self.scale_b}.get(name)

    def _place(self, name, element_type, shape, strides, is_output):
        """The operand in the descriptor's layout. An operand that the problem does not have is workspace, which starts as 0."""
        key = (name, element_type, tuple(shape), tuple(strides))
        if key not in self._placed:
            storage = torch.zeros(
                max(1, launcher.storage_elements(shape, strides)), dtype=DTYPES[element_type], device=self.device
            )
            view = storage.as_strided(shape, strides)
            source = self._find(name)
            if source is not None:
                if element_type == "f8E4M3FN":
                    source = source.view(torch.uint8)
                if tuple(source.shape) != tuple(shape):
                    raise launcher.LaunchError(f"operand '{name}' is {shape}, expected {list(source.shape)}")
                view.copy_(source)
            elif is_output:
                poison(view)
            self._placed[key] = view
        elif self._find(name) is None and not is_output:
            self._placed[key].zero_()  # a kernel that failed may have left garbage in it
        return self._placed[key]


def count_differing(d, other):
    """The number of elements whose bits differ; NaNs are equal."""
    return int((d.view(torch.int16) != other.view(torch.int16)).sum())


def poison(d):
    """Fills D with NaN, so that an element that was not written is found."""
    d.view(torch.int16).fill_(-1)
