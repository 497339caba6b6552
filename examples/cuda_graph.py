"""A masked GEMM in a CUDA graph: the number of rows of each expert is read on the device, and changes between replays.

Needs a Hopper GPU and torch.
"""

import torch

import dgemm


def main():
    groups, m, n, k = 8, 128, 1024, 2048
    a = torch.randn(groups, m, k, device="cuda").to(torch.float8_e4m3fn)
    b = torch.randn(groups, n, k, device="cuda").to(torch.float8_e4m3fn)
    scale_a = torch.rand(groups, m, k // 128, device="cuda")
    scale_b = torch.rand(groups, n // 128, k // 128, device="cuda")
    d = torch.zeros(groups, m, n, device="cuda", dtype=torch.bfloat16)
    rows = torch.full((groups,), m, device="cuda", dtype=torch.int32)

    # The first call compiles and loads; a capture may do neither.
    dgemm.m_grouped_fp8_gemm_nt_masked((a, scale_a), (b, scale_b), d, rows, 64)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        dgemm.m_grouped_fp8_gemm_nt_masked((a, scale_a), (b, scale_b), d, rows, 64)

    all_rows = d.clone()
    for step in range(3):
        rows.copy_(torch.randint(0, m + 1, (groups,), device="cuda", dtype=torch.int32))
        d.zero_()
        graph.replay()
        torch.cuda.synchronize()
        for group, count in enumerate(rows.tolist()):
            assert torch.equal(d[group, :count], all_rows[group, :count]) and not d[group, count:].any()
        print(f"replay {step}: {rows.tolist()} rows, right")


if __name__ == "__main__":
    main()
