"""Trains a two-layer MLP of several experts in FP8 and in bfloat16 on the same data. dgemm multiplies in the forward pass, for the
gradients of activations and for those of weights. A step is one CUDA graph, and each expert has another number of tokens in each step.

Tokens of an expert start at a multiple of 128 rows, with rows of zeros before them. So no block of 1x128 along the tokens has two
experts. `ends` has the end of each expert on the device, and all five products of a step read it there.

Prints both losses, and fails if they differ by more than 2 %. Needs a Hopper GPU and torch.
"""

import argparse
import sys

import torch

import dgemm

EXPERTS, INPUT, HIDDEN, OUTPUT = 4, 512, 1024, 256
ROWS = 2048 + EXPERTS * 128  # memory for the tokens of a step, with their padding
BATCHES, RATE, LIMIT = 16, 1.0, 0.02
DEVICE = "cuda"


def per_block(weights):
    """[G, N, K] in FP8 with a scale for each block of 128 x 128, and the same blocks of the transposed weights."""
    groups, n, k = weights.shape
    values, scales = dgemm.per_block_cast_to_fp8(weights.reshape(groups * n, k))
    values, scales = values.view(groups, n, k), scales.view(groups, n // 128, k // 128)
    return (values, scales), (values.mT.contiguous(), scales.mT.contiguous())


class Linear(torch.autograd.Function):
    """y = x w.T for the rows of each expert. x [T, K] and y [T, N] are bfloat16, w [G, N, K] float32; rows of no expert are zero."""

    @staticmethod
    def forward(context, x, w, ends):
        rows, columns = dgemm.quantize_transposed(x)
        weights, transposed = per_block(w)
        y = torch.zeros(x.shape[0], w.shape[1], dtype=torch.bfloat16, device=x.device)
        dgemm.m_grouped_fp8_gemm_nt_offsets(rows, weights, y, ends, 128)
        context.save_for_backward(*columns, *transposed, ends)
        return y

    @staticmethod
    def backward(context, dy):
        *saved, ends = context.saved_tensors
        columns, transposed = saved[:2], saved[2:]
        rows, dy_columns = dgemm.quantize_transposed(dy)
        dx = None
        if context.needs_input_grad[0]:
            dx = torch.zeros(dy.shape[0], transposed[0].shape[1], dtype=torch.bfloat16, device=dy.device)
            dgemm.m_grouped_fp8_gemm_nt_offsets(rows, transposed, dx, ends, 128)
        dw = torch.empty(len(ends), dy.shape[1], columns[0].shape[0], dtype=torch.float32, device=dy.device)
        dgemm.k_grouped_fp8_gemm_nt_offsets(dy_columns, columns, dw, ends)
        return dx, dw, None


def plain_linear(x, w, sizes):
    """The same in bfloat16, with the numbers of tokens on the host."""
    parts, start = [], 0
    for expert, size in enumerate(sizes):
        end = start + -(-size // 128) * 128
        parts.append(x[start:end] @ w[expert].to(torch.bfloat16).T)
        start = end
    parts.append(x.new_zeros(ROWS - start, w.shape[1]))
    return torch.cat(parts)


def loss_of(x, target, count, first, second):
    y = second(torch.relu(first(x)))
    return ((y.float() - target) ** 2).sum() / (count * OUTPUT)


def make_weights(seed):
    generator = torch.Generator(DEVICE).manual_seed(seed)
    return [torch.randn(EXPERTS, n, k, device=DEVICE, generator=generator) * (2 / k) ** 0.5
            for n, k in ((HIDDEN, INPUT), (OUTPUT, HIDDEN))]


def make_batch(index):
    """Tokens, their targets, the number of tokens of each expert, and their ends."""
    generator = torch.Generator(DEVICE).manual_seed(1000 + index)
    shares = torch.rand(EXPERTS, device=DEVICE, generator=generator) ** 2
    sizes = (shares / shares.sum() * 2000).int().tolist()
    if index % 5 == 1:
        sizes[index % EXPERTS] = 0  # an expert without tokens
    x, ends, start = torch.zeros(ROWS, INPUT, dtype=torch.bfloat16, device=DEVICE), [], 0
    for size in sizes:
        x[start : start + size] = torch.randn(size, INPUT, device=DEVICE, generator=generator)
        ends.append(start + size)
        start += -(-size // 128) * 128
    teacher = make_weights(seed=7)
    target = plain_linear(torch.relu(plain_linear(x, teacher[0], sizes)), teacher[1], sizes).float()
    target += 0.3 * torch.randn(ROWS, OUTPUT, device=DEVICE, generator=generator) * (x != 0).any(1, keepdim=True)
    return x, target, sizes, torch.tensor(ends, dtype=torch.int32, device=DEVICE)


def train_plain(batches, steps):
    weights = [w.requires_grad_() for w in make_weights(seed=0)]
    losses = []
    for step in range(steps):
        x, target, sizes, _ = batches[step % BATCHES]
        loss = loss_of(x, target, sum(sizes), *(lambda t, w=w: plain_linear(t, w, sizes) for w in weights))
        for w, gradient in zip(weights, torch.autograd.grad(loss, weights)):
            w.data -= RATE * gradient
        losses.append(loss.detach())
    return torch.stack(losses)


def train_fp8(batches, steps):
    """A step is one CUDA graph. Only the values of x, target, count and ends change."""
    weights = [w.requires_grad_() for w in make_weights(seed=0)]
    x, target, sizes, ends = (t.clone() if isinstance(t, torch.Tensor) else t for t in batches[0])
    count, loss = torch.tensor(float(sum(sizes)), device=DEVICE), torch.zeros((), device=DEVICE)

    def step():
        new = loss_of(x, target, count, *(lambda t, w=w: Linear.apply(t, w, ends) for w in weights))
        for w, gradient in zip(weights, torch.autograd.grad(new, weights)):
            w.data -= RATE * gradient
        loss.copy_(new.detach())

    replay = step
    if DEVICE == "cuda":
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):  # compiles and loads, which a capture may not do
            for _ in range(3):
                step()
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            step()
        replay = graph.replay
    for w, first in zip(weights, make_weights(seed=0)):
        w.data.copy_(first)
    losses = []
    for index in range(steps):
        for buffer, value in zip((x, target, ends), (batches[index % BATCHES][i] for i in (0, 1, 3))):
            buffer.copy_(value)
        count.fill_(float(sum(batches[index % BATCHES][2])))
        replay()
        losses.append(loss.clone())
    return torch.stack(losses)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=200)
    steps = parser.parse_args().steps
    batches = [make_batch(index) for index in range(BATCHES)]
    plain, fp8 = train_plain(batches, steps), train_fp8(batches, steps)
    for index in sorted({*range(0, steps, max(1, steps // 8)), steps - 1}):
        print(f"step {index:3}: loss {float(plain[index]):.4f} in bfloat16, {float(fp8[index]):.4f} in FP8, "
              f"tokens {batches[index % BATCHES][2]}")
    worst = float(((fp8 - plain).abs() / plain).max())
    print(f"the losses of {steps} steps differ by at most {worst:.2%} (limit {LIMIT:.0%})")
    assert plain[-1] < 0.7 * plain[0], "nothing was learnt"
    return 0 if worst < LIMIT else 1  # also for NaN


if __name__ == "__main__":
    sys.exit(main())
