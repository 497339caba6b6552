"""Stand-ins for torch, CuPy and JAX, whose "GPU memory" is NumPy's, for the tests that run with a stand-in for a driver.

Importing this makes a module `torch` with a Tensor that offers DLPack's exchange API, as torch 2.10 and later do.
"""

from __future__ import annotations

import ctypes
import sys
import types

import numpy as np

_CODES = {"int": 0, "uint": 1, "float": 2, "bfloat": 4, "bool": 6, "float8_e4m3fn": 10, "float8_e4m3fnuz": 11, "float8_e5m2": 12}


class DLTensor(ctypes.Structure):
    _fields_ = [("data", ctypes.c_void_p), ("device_type", ctypes.c_int32), ("device", ctypes.c_int32),
                ("ndim", ctypes.c_int32), ("code", ctypes.c_uint8), ("bits", ctypes.c_uint8), ("lanes", ctypes.c_uint16),
                ("shape", ctypes.POINTER(ctypes.c_int64)), ("strides", ctypes.POINTER(ctypes.c_int64)),
                ("byte_offset", ctypes.c_uint64)]


_FROM_OBJECT = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.py_object, ctypes.POINTER(DLTensor))
_STREAM = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_int32, ctypes.c_int32, ctypes.POINTER(ctypes.c_void_p))


class ExchangeAPI(ctypes.Structure):
    _fields_ = [("major", ctypes.c_uint32), ("minor", ctypes.c_uint32), ("previous", ctypes.c_void_p),
                ("unused", ctypes.c_void_p * 3), ("from_object", _FROM_OBJECT), ("stream", _STREAM)]


def _code(dtype: np.dtype) -> int:
    return _CODES.get(dtype.name) or _CODES[dtype.name.rstrip("0123456789")]


@_FROM_OBJECT
def _read(tensor, out):
    out[0] = tensor.dl
    return 0


@_STREAM
def _current_stream(device_type, device, out):
    out[0] = None
    return 0


_api = ExchangeAPI(1, 3, None, (ctypes.c_void_p * 3)(), _read, _current_stream)
_NAME = b"dlpack_exchange_api"  # which the capsule does not copy
_new_capsule = ctypes.pythonapi.PyCapsule_New
_new_capsule.restype, _new_capsule.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]


class Tensor:
    """A torch.Tensor on a GPU whose memory is that of `array`; `lanes` as DLPack counts them."""

    __dlpack_c_exchange_api__ = _new_capsule(ctypes.addressof(_api), _NAME, None)
    __torch_dispatch__ = staticmethod(lambda *arguments: None)
    is_meta = False

    def __init__(self, array: np.ndarray, device: int = 0):
        self.array = array
        rank = array.ndim
        self._shape = (ctypes.c_int64 * rank)(*array.shape)
        self._strides = (ctypes.c_int64 * rank)(*(stride // array.itemsize for stride in array.strides))
        self.dl = DLTensor(array.ctypes.data, 2, device, rank, _code(array.dtype), array.itemsize * 8, 1, self._shape,
                           self._strides, 0)

    def detach(self):
        return self

    def cpu(self):
        return self

    def numpy(self):
        return self.array


class CudaArray:
    """What CuPy's ndarray shows of itself."""

    def __init__(self, array: np.ndarray, **changes):
        typestr = {"float8_e4m3fn": "|u1", "bfloat16": "<u2"}.get(array.dtype.name, array.dtype.str)
        self.array = array  # which must live on
        self.__cuda_array_interface__ = {"version": 3, "shape": array.shape, "typestr": typestr,
                                         "data": (array.ctypes.data, False), "strides": array.strides, **changes}


CudaArray.__module__ = "cupy"


class JaxArray:
    def __init__(self, array: np.ndarray, platform: str = "gpu"):
        self.array = np.ascontiguousarray(array) if array.size else array
        self.shape, self.dtype, self.platform = array.shape, array.dtype, platform

    def devices(self):
        return [types.SimpleNamespace(platform=self.platform, local_hardware_id=0)]

    def block_until_ready(self):
        return self

    def unsafe_buffer_pointer(self):
        return self.array.ctypes.data


JaxArray.__module__ = "jaxlib.xla_extension"


class _Operators:
    """torch.library, as far as it is used: the operators are kept by name."""

    def __init__(self, *_):
        pass

    def define(self, *_, **__):
        pass

    def impl(self, name, function, key):
        setattr(torch.ops.dgemm, name.partition("(")[0], function)


def _no() -> bool:
    return False


torch = types.ModuleType("torch")
torch.Tensor = Tensor
torch._C = types.SimpleNamespace()
torch.compiler = types.SimpleNamespace(is_compiling=_no, is_dynamo_compiling=_no)
torch.cuda = types.SimpleNamespace(is_initialized=_no)
torch.ops = types.SimpleNamespace(dgemm=types.SimpleNamespace())
torch.Tag = types.SimpleNamespace(pt2_compliant_tag=None, needs_fixed_stride_order=None)
torch.library = types.SimpleNamespace(Library=_Operators, register_fake=lambda *_, **__: None)
sys.modules["torch"] = torch
cupy = types.ModuleType("cupy")
cupy.asnumpy = lambda tensor: tensor.array
cupy.cuda = types.SimpleNamespace(get_current_stream=lambda device=None: types.SimpleNamespace(ptr=0))
sys.modules["cupy"] = cupy
