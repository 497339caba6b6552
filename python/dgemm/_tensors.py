"""Views of other libraries' tensors, without copies, and without importing a library whose tensors are not given."""

from __future__ import annotations

import sys
from typing import Any

from . import _check, _dgemm
from ._dgemm import TensorView
from ._problem import OUT_DTYPES

# CuPy has neither type, and __cuda_array_interface__ has no name for them. They come as integers, which mean the first of the allowed
# types.
_BYTES = {"uint8": "float8", "int8": "float8", "void8": "float8", "uint16": "bfloat16", "int16": "bfloat16",
          "void16": "bfloat16"}
MAX_RANK = 4
OUTPUT = tuple(OUT_DTYPES.values())
"""Dtypes of what is written."""
_TYPESTR = {"f4": "float32", "f8": "float64", "f2": "float16", "i4": "int32", "i8": "int64", "i1": "int8",
            "u1": "uint8", "u2": "uint16", "i2": "int16", "V1": "void8", "V2": "void16"}


def library(tensor: Any) -> str:
    """The top-level package that defines the type of `tensor`; "torch" for every subclass of its Tensor."""
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(tensor, torch.Tensor):
        return "torch"
    root = type(tensor).__module__.partition(".")[0]
    return {"jaxlib": "jax"}.get(root, root)


def _make(name, address, shape, strides, size, dtype, device, wanted, names_bytes=False) -> TensorView:
    """A view; `strides` are in bytes, elements have `size`. `names_bytes`: the library has no name for FP8 and bfloat16,
    whose bytes come as integers. Raises TypeError and ValueError, naming the argument."""
    if names_bytes and dtype in _BYTES:
        dtype = next((name for name in wanted if name.startswith(_BYTES[dtype])), dtype)
    if dtype not in _dgemm.DTYPES:
        raise TypeError(f"{name} has dtype {dtype}; {_check.allowed(wanted)}")
    if len(shape) > MAX_RANK:
        raise ValueError(f"{name} has {len(shape)} dimensions, shape {list(shape)}; allowed are {MAX_RANK} at most")
    if any(stride % size for extent, stride in zip(shape, strides) if extent > 1):
        raise ValueError(f"{name} has strides of {list(strides)} bytes; allowed are multiples of its {size}-byte elements")
    return TensorView(address, list(shape), [stride // size for stride in strides], dtype, device)


def _dense_strides(shape, size) -> list[int]:
    """Strides of packed rows in bytes."""
    strides, step = [], size
    for extent in reversed(shape):
        strides.insert(0, step)
        step *= extent
    return strides


def _view_numpy(name, array, wanted) -> TensorView:
    if wanted == OUTPUT and not array.flags.writeable:
        raise ValueError(f"{name} is a read-only array; the result is written into it")
    if not array.dtype.isnative:
        raise TypeError(f"{name} has dtype {array.dtype.str}, whose byte order is not that of this machine; "
                        f"{_check.allowed(wanted)} in this machine's byte order")
    return _make(name, array.ctypes.data, array.shape, array.strides, array.dtype.itemsize, array.dtype.name, -1, wanted)


def _view_jax(name, array, wanted) -> TensorView:
    devices = array.devices()
    if len(devices) != 1:
        raise ValueError(f"{name} is sharded over {len(devices)} devices; allowed is one")
    device = next(iter(devices))
    if device.platform not in ("gpu", "cuda"):
        raise ValueError(f"{name} is a JAX array on {device.platform}; allowed is a CUDA device")
    array.block_until_ready()  # JAX does not say which stream it uses
    size = array.dtype.itemsize
    return _make(name, array.unsafe_buffer_pointer(), array.shape, _dense_strides(array.shape, size), size,
                 array.dtype.name, device.local_hardware_id or 0, wanted)


def _view_cuda_array(name, array, wanted) -> TensorView:
    interface = array.__cuda_array_interface__
    typestr, shape = interface["typestr"], interface["shape"]
    dtype = _TYPESTR.get(typestr[1:], "")
    if not dtype or typestr[0] == ">":
        raise TypeError(f"{name} has dtype {typestr}; {_check.allowed(wanted)}")
    address, read_only = interface["data"]
    if wanted == OUTPUT and read_only:
        raise ValueError(f"{name} is read-only; the result is written into it")
    size = int(typestr[2:])
    strides = interface.get("strides") or _dense_strides(shape, size)
    device = getattr(getattr(array, "device", None), "id", 0)
    return _make(name, address, shape, strides, size, dtype, device, wanted, names_bytes=True)


def view(name: str, tensor: Any, wanted: tuple[str, ...]) -> TensorView:
    """A view of `tensor`, the argument `name`, which should have one of the dtypes `wanted`. Raises TypeError for other objects,
    and ValueError for a tensor that a kernel cannot access."""
    if isinstance(tensor, TensorView):
        return tensor
    if (found := _dgemm.read_tensor(tensor)) is not None:
        if found.device == "cpu":
            raise ValueError(f"{name} is a torch tensor on cpu; allowed is a CUDA device (NumPy arrays run on the "
                             "emulator)")
        return found
    kind = library(tensor)
    if kind == "torch":
        raise ValueError(f"{name} is a {type(tensor).__name__} of dtype {tensor.dtype} on {tensor.device} with "
                         f"{tensor.dim()} dimensions; {_check.allowed(wanted)} on a CUDA device")
    if kind == "numpy" and hasattr(tensor, "ctypes"):
        return _view_numpy(name, tensor, wanted)
    if kind == "jax":
        return _view_jax(name, tensor, wanted)
    if hasattr(tensor, "__cuda_array_interface__"):
        return _view_cuda_array(name, tensor, wanted)
    raise TypeError(f"{name} is a {type(tensor).__module__}.{type(tensor).__qualname__}; allowed are tensors of torch, "
                    "CuPy, JAX and NumPy, and objects with __cuda_array_interface__")


def current_stream(tensor: Any, device: int) -> int:
    """The current CUstream of the library of `tensor`; 0, the default stream, if the library does not say."""
    stream = _dgemm.current_stream(tensor, device)
    if stream is not None:
        return stream
    kind = library(tensor)
    if kind == "torch":
        return sys.modules["torch"].cuda.current_stream(device).cuda_stream
    if kind == "cupy":
        return sys.modules["cupy"].cuda.get_current_stream(device).ptr
    if kind != "jax" and hasattr(tensor, "__cuda_array_interface__"):
        # 1 and 2 name the legacy and the per-thread default stream, in the interface as in the driver.
        return tensor.__cuda_array_interface__.get("stream") or 0
    return 0
