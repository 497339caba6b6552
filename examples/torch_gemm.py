"""An FP8 linear layer in torch, and the same under torch.compile. Needs a Hopper GPU."""

import torch

import dgemm


def quantise_rows(x):
    """e4m3 with one scale for each row and 128 columns."""
    blocks = x.view(*x.shape[:-1], -1, 128).float()
    scale = blocks.abs().amax(-1).clamp(1e-4) / 448
    return (blocks / scale.unsqueeze(-1)).to(torch.float8_e4m3fn).view(x.shape), scale


class Linear(torch.nn.Module):
    """Weights in e4m3, with one scale for each 128x128 block."""

    def __init__(self, weight):
        super().__init__()
        rows, columns = weight.shape[0] // 128, weight.shape[1] // 128
        blocks = weight.view(rows, 128, columns, 128).float()
        self.scale = blocks.abs().amax((1, 3)) / 448
        self.weight = (blocks / self.scale[:, None, :, None]).to(torch.float8_e4m3fn).view(weight.shape)

    def forward(self, x):
        out = x.new_empty(x.shape[0], self.weight.shape[0])
        dgemm.fp8_gemm_nt(quantise_rows(x), (self.weight, self.scale), out)
        return out


def main():
    torch.manual_seed(0)
    weight = torch.randn(4096, 7168, device="cuda", dtype=torch.bfloat16)
    x = torch.randn(300, 7168, device="cuda", dtype=torch.bfloat16)
    layer = Linear(weight)
    expected = x.float() @ weight.float().T
    for name, call in (("eager", layer), ("compiled", torch.compile(layer))):
        error = dgemm.calc_diff(call(x), expected)
        print(f"{name}: difference {error:.1e} to the product in f32")
        assert error < 2e-3


if __name__ == "__main__":
    main()
