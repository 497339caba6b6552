"""Multiplication: the functions that DeepGEMM users call, of both generations."""

from __future__ import annotations

import sys
from typing import Any

from . import _assembler, _dgemm, _env, _jit, _tensors, utils
from ._kernel import Kernel
from ._problem import Operands, analyze

_num_sms: int | None = None
_tc_util = 100


def set_num_sms(num_sms: int) -> None:
    """Kernels launched from now on take at most so many multiprocessors; the rest is left to others."""
    global _num_sms
    if not isinstance(num_sms, int) or num_sms < 1:
        raise ValueError(f"num_sms is {num_sms!r}; allowed are the multiprocessors of the GPU: 1 and more")
    _num_sms = num_sms
    forget_launches()


def get_num_sms() -> int:
    """What set_num_sms has set; else the multiprocessors of the current GPU, 132 where there is none."""
    return _num_sms or _multiprocessors(_current_device())


def set_pdl(enable: bool) -> None:
    """Programmatic dependent launch for what is launched from now on: a kernel sets itself up while the one in front of it
    in the stream still runs, and waits for it before it reads. Results are the same; off by default."""
    _jit.pdl = bool(enable)
    forget_launches()


def get_pdl() -> bool:
    return _jit.pdl


def set_tc_util(tc_util: int) -> None:
    """Kept for get_tc_util; changes nothing on Hopper. 0 to 100."""
    global _tc_util
    if not 0 <= tc_util <= 100:
        raise ValueError(f"tc_util is {tc_util!r}; allowed is 0 to 100")
    _tc_util = tc_util


def get_tc_util() -> int:
    return _tc_util


def _current_device() -> int:
    torch = sys.modules.get("torch")
    return torch.cuda.current_device() if torch is not None and torch.cuda.is_initialized() else 0


def _multiprocessors(device: int) -> int:
    try:
        return _dgemm.device_info(device)["multiprocessors"] if device >= 0 else _jit.MULTIPROCESSORS
    except RuntimeError:
        return _jit.MULTIPROCESSORS


# ----------------------------------------------------------------------------
# Calls that have not been seen before
# ----------------------------------------------------------------------------

_WANTED = ("float8_e4m3fn", "float32", "float8_e4m3fn", "float32", "bfloat16", "int32")


def _view_all(names: tuple[str, ...], tensors: tuple[Any, ...]) -> Operands:
    # The last has no name where there are no groups.
    views = [_tensors.view(name, tensor, wanted) if name else None
             for name, tensor, wanted in zip(names, tensors, _WANTED)]
    return Operands(*views, names=names)


class _Operation:
    """One layout: its dispatcher, and what happens to the calls that the dispatcher does not know."""

    def __init__(self, layout: str, names: tuple[str, ...]):
        self.layout = layout
        self.names = names
        self.dispatcher = _dgemm.Dispatcher(self.miss)

    def miss(self, *arguments: Any) -> None:
        tensors, expected_m = arguments[:6], arguments[6]
        if _is_traced(tensors):
            return _torch_ops().call(self.layout, tensors, expected_m)
        operands = _view_all(self.names, tensors)
        first = next((t for t in tensors if not isinstance(t, _dgemm.TensorView)), None)
        device = operands.a.device_index
        stream = _tensors.current_stream(first, device) if device >= 0 else 0
        aligned = not any(view.address % 16 for _, view in operands.items()[:5])
        known = device >= 0 and aligned and self.launch(operands, expected_m, stream)
        if not known:
            self.first_call(operands, expected_m, device, stream)
        if _tensors.library(tensors[4]) == "jax":
            _dgemm.synchronize(device, stream)  # JAX does not know that this stream writes its array

    def launch(self, operands: Operands, expected_m: int, stream: int) -> bool:
        return self.dispatcher.launch(operands.a, operands.scale_a, operands.b, operands.scale_b, operands.d,
                                      operands.groups, expected_m, stream)

    def first_call(self, operands: Operands, expected_m: int, device: int, stream: int) -> None:
        problem, sizes = analyze(operands, self.layout, utils.get_mk_alignment_for_contiguous_layout())
        m, n, k = sizes["M"], sizes["N"], sizes["K"]
        if m == 0 or n == 0:
            return
        if k == 0:
            raise ValueError(f"{self.names[0]} has shape {list(operands.a.shape)}; allowed is K of at least 1")
        config = _jit.choose_config(problem, m, expected_m, _num_sms or _multiprocessors(device))
        where = "the emulator" if device < 0 else operands.a.device
        if _env.print_configs():
            print(f"dgemm: {problem.describe()} with M={m}: config {config}", file=sys.stderr)
        _env.debug(f"{problem.describe()} with M={m}" + (f", expected_m={expected_m}" if expected_m else "") +
                   f" on {where}, config {config}")
        kernel = _jit.get(problem, config, _assembler.NONE if device < 0 else None)
        if device < 0:
            kernel.emulate(operands, sizes)
            return
        launch = kernel.prepare(device, sizes, _num_sms or 0)
        self.dispatcher.add(operands.a, operands.scale_a, operands.b, operands.scale_b, operands.d, operands.groups,
                            expected_m, launch)
        self.launch(operands, expected_m, stream)


# The older names of the functions go with older names of the arguments; errors name what the caller wrote.
_NEW = ("a[0]", "a[1]", "b[0]", "b[1]", "d")
_OLD = ("lhs[0]", "lhs[1]", "rhs[0]", "rhs[1]", "out")
_GROUPS = {"dense": "", "contiguous": "m_indices", "masked": "masked_m"}
_NEW_OPERATIONS = {layout: _Operation(layout, (*_NEW, groups)) for layout, groups in _GROUPS.items()}
_OLD_OPERATIONS = {layout: _Operation(layout, (*_OLD, groups)) for layout, groups in _GROUPS.items()}

_call_dense = _NEW_OPERATIONS["dense"].dispatcher
_call_contiguous = _NEW_OPERATIONS["contiguous"].dispatcher
_call_masked = _NEW_OPERATIONS["masked"].dispatcher
_call_old_dense = _OLD_OPERATIONS["dense"].dispatcher
_call_old_contiguous = _OLD_OPERATIONS["contiguous"].dispatcher
_call_old_masked = _OLD_OPERATIONS["masked"].dispatcher


def forget_launches() -> None:
    """Makes each call look at its settings again. Kernels stay in memory."""
    for operation in (*_NEW_OPERATIONS.values(), *_OLD_OPERATIONS.values()):
        operation.dispatcher.clear()


def launch_kernel(kernel: Kernel, tensors: tuple[Any, ...], stream: int | None) -> None:
    """Kernel.launch_on."""
    names = ("a", "scale_a", "b", "scale_b", "d", _GROUPS[kernel.problem.layout])
    grouped = kernel.problem.layout != "dense"
    if len(tensors) != (6 if grouped else 5):
        raise TypeError(f"launch_on got {len(tensors)} tensors; this kernel takes {', '.join(filter(None, names))}")
    operands = _view_all(names, tensors if grouped else tensors + (None,))
    problem, sizes = analyze(operands, kernel.problem.layout, kernel.problem.row_alignment)
    wanted = kernel.problem
    if wanted.m != -1 and sizes["M"] == wanted.m:
        problem = type(problem)(**{**problem.__dict__, "m": wanted.m})
    if problem != wanted:
        raise ValueError(f"the tensors are of the problem {problem.describe()}; this kernel is for {wanted.describe()}")
    device = operands.a.device_index
    if device < 0:
        kernel.emulate(operands, sizes)
        return
    launch = kernel.prepare(device, sizes, _num_sms or 0)
    addresses = [operands.by_operand(name).address for name in kernel.handle.operands]
    launch.launch(addresses, _tensors.current_stream(tensors[0], device) if stream is None else stream)
    if _tensors.library(tensors[4]) == "jax":
        _dgemm.synchronize(device, stream or 0)


# ----------------------------------------------------------------------------
# torch.compile
# ----------------------------------------------------------------------------


def _torch_ops():
    from . import _torch_ops as ops

    return ops


def _is_compiling() -> bool:
    """True while torch.compile traces the caller; torch is not imported for it. Once tensors of torch have been seen,
    torch's own function takes this one's place (_torch_ops.py), which costs each call less."""
    torch = sys.modules.get("torch")
    return torch is not None and torch.compiler.is_compiling()


def _is_traced(tensors: tuple[Any, ...]) -> bool:
    """True for tensors that hold no data: of torch.compile, torch.export and the like."""
    torch = sys.modules.get("torch")
    if torch is None or not isinstance(tensors[0], torch.Tensor):
        return False
    _torch_ops()  # so that the operators are known from the first call on
    plain = torch.Tensor.__torch_dispatch__
    return any(isinstance(t, torch.Tensor) and (type(t).__torch_dispatch__ is not plain or t.is_meta) for t in tensors)


# ----------------------------------------------------------------------------
# Newer names
# ----------------------------------------------------------------------------

Pair = tuple[Any, Any]


def _check_keywords(c: Any, recipe: Any, recipe_a: Any, recipe_b: Any, alpha: Any) -> None:
    """Refuses what would change the result; what merely steers Blackwell's kernels passes."""
    if c is not None:
        raise ValueError(f"c is {type(c).__name__}; allowed is None: accumulating into an output is not supported")
    if alpha is not None:
        raise ValueError(f"alpha is {alpha!r}; allowed is None on Hopper")
    for name, value, allowed in (("recipe", recipe, (1, 128, 128)), ("recipe_a", recipe_a, (1, 128)),
                                 ("recipe_b", recipe_b, (128, 128))):
        if value is not None and tuple(value) != allowed:
            raise ValueError(f"{name} is {tuple(value)}; allowed are None and {allowed}")


def fp8_gemm_nt(a: Pair, b: Pair, d: Any, c: None = None, recipe: tuple[int, int, int] | None = None,
                recipe_a: tuple[int, int] | None = None, recipe_b: tuple[int, int] | None = None,
                compiled_dims: str = "nk", disable_ue8m0_cast: bool = False, alpha: None = None) -> None:
    """d = a @ b.T, with FP8 operands that are scaled by block.

    Args:
        a: (A, scale): A is [M, K] float8_e4m3fn, rows contiguous; scale is [M, ceil(K/128)] float32, K innermost as a
            quantiser writes it, or M innermost as get_mn_major_tma_aligned_tensor makes it.
        b: (B, scale): B is [N, K] float8_e4m3fn; scale is [ceil(N/128), ceil(K/128)] float32, either order.
        d: [M, N] bfloat16, written.
        c, alpha: None; anything else would change the result and is refused.
        recipe, recipe_a, recipe_b: None, or the granularity above: (1, 128, 128), (1, 128) and (128, 128).
        compiled_dims, disable_ue8m0_cast: mean nothing on Hopper.

    M, N and K are 1 or more. Runs on the tensors' device and the current stream of their library; NumPy arrays run on
    the emulator. Raises TypeError or ValueError, naming the argument; CompileError; DeviceError for a GPU that is no
    Hopper.
    """
    if c is not None or recipe is not None or recipe_a is not None or recipe_b is not None or alpha is not None:
        _check_keywords(c, recipe, recipe_a, recipe_b, alpha)
    if _is_compiling():
        return _torch_ops().call("dense", (*a, *b, d, None), 0)
    (a, scale_a), (b, scale_b) = a, b
    _call_dense(a, scale_a, b, scale_b, d, None, 0)


def m_grouped_fp8_gemm_nt_contiguous(a: Pair, b: Pair, d: Any, m_indices: Any,
                                     recipe: tuple[int, int, int] | None = None,
                                     recipe_a: tuple[int, int] | None = None, recipe_b: tuple[int, int] | None = None,
                                     compiled_dims: str = "nk", disable_ue8m0_cast: bool = False,
                                     use_psum_layout: bool = False,
                                     expected_m_for_psum_layout: int | None = None) -> None:
    """d[i] = a[i] @ b[m_indices[i]].T for each row i.

    Args:
        a: (A, scale) of [M, K] and [M, ceil(K/128)], as in fp8_gemm_nt: the rows of all groups, each group at a multiple
            of get_mk_alignment_for_contiguous_layout() rows.
        b: (B, scale) of [G, N, K] and [G, ceil(N/128), ceil(K/128)].
        d: [M, N] bfloat16, written; rows of padding may hold anything afterwards.
        m_indices: [M] int32, the group of each row, -1 for padding.
        use_psum_layout: False; another meaning of m_indices is refused.
        others: as in fp8_gemm_nt.
    """
    if recipe is not None or recipe_a is not None or recipe_b is not None:
        _check_keywords(None, recipe, recipe_a, recipe_b, None)
    if use_psum_layout or expected_m_for_psum_layout is not None:
        raise ValueError("use_psum_layout and expected_m_for_psum_layout are given; allowed are False and None: "
                         "m_indices holds the group of each row")
    if _is_compiling():
        return _torch_ops().call("contiguous", (*a, *b, d, m_indices), 0)
    (a, scale_a), (b, scale_b) = a, b
    _call_contiguous(a, scale_a, b, scale_b, d, m_indices, 0)


def m_grouped_fp8_gemm_nt_masked(a: Pair, b: Pair, d: Any, masked_m: Any, expected_m: int,
                                 recipe: tuple[int, int, int] | None = None,
                                 recipe_a: tuple[int, int] | None = None, recipe_b: tuple[int, int] | None = None,
                                 compiled_dims: str = "nk", disable_ue8m0_cast: bool = False) -> None:
    """d[g, i] = a[g, i] @ b[g].T for each group g and its first masked_m[g] rows i; no other rows are written.

    Args:
        a: (A, scale) of [G, M, K] and [G, M, ceil(K/128)].
        b: (B, scale) of [G, N, K] and [G, ceil(N/128), ceil(K/128)].
        d: [G, M, N] bfloat16, written.
        masked_m: [G] int32, read on the device when the kernel runs: one CUDA graph serves any values.
        expected_m: about how many rows a group will have; steers the choice of the config, not the result.
        others: as in fp8_gemm_nt.
    """
    if recipe is not None or recipe_a is not None or recipe_b is not None:
        _check_keywords(None, recipe, recipe_a, recipe_b, None)
    if _is_compiling():
        return _torch_ops().call("masked", (*a, *b, d, masked_m), expected_m)
    (a, scale_a), (b, scale_b) = a, b
    _call_masked(a, scale_a, b, scale_b, d, masked_m, expected_m)


# ----------------------------------------------------------------------------
# Older names
# ----------------------------------------------------------------------------


def gemm_fp8_fp8_bf16_nt(lhs: Pair, rhs: Pair, out: Any) -> None:
    """fp8_gemm_nt under its older name."""
    if _is_compiling():
        return _torch_ops().call("dense", (*lhs, *rhs, out, None), 0)
    (a, scale_a), (b, scale_b) = lhs, rhs
    _call_old_dense(a, scale_a, b, scale_b, out, None, 0)


def m_grouped_gemm_fp8_fp8_bf16_nt_contiguous(lhs: Pair, rhs: Pair, out: Any, m_indices: Any) -> None:
    """m_grouped_fp8_gemm_nt_contiguous under its older name."""
    if _is_compiling():
        return _torch_ops().call("contiguous", (*lhs, *rhs, out, m_indices), 0)
    (a, scale_a), (b, scale_b) = lhs, rhs
    _call_old_contiguous(a, scale_a, b, scale_b, out, m_indices, 0)


def m_grouped_gemm_fp8_fp8_bf16_nt_masked(lhs: Pair, rhs: Pair, out: Any, masked_m: Any, expected_m: int) -> None:
    """m_grouped_fp8_gemm_nt_masked under its older name."""
    if _is_compiling():
        return _torch_ops().call("masked", (*lhs, *rhs, out, masked_m), expected_m)
    (a, scale_a), (b, scale_b) = lhs, rhs
    _call_old_masked(a, scale_a, b, scale_b, out, masked_m, expected_m)
