"""The path of a launch, from tensors to the driver, on the C++ tests' stand-in for a driver: its memory is ours."""

from __future__ import annotations

from conftest import run_with_fake_driver

SETUP = """
import json
import numpy as np
from conftest import LIMIT, difference, m_innermost, make_case
from dgemm import _dgemm

K, N = 256, 136
def up(a, b): return ["*", ["ceildiv", a, b], b]
def tensor_map(operand, type, dims, stride, box, swizzle):
    return {"kind": "tensor_map", "name": f"map_{operand}", "operand": operand, "type": type, "dims": dims,
            "strides": [stride], "box": [box, 1], "element_strides": [1, 1], "swizzle": swizzle, "interleave": 0,
            "l2_promotion": 256, "oob_fill": "zero"}
def operand(name, type, shape, strides, output=False):
    return {"name": name, "type": type, "shape": shape, "strides": strides, "output": output}
LAUNCH = {
    "version": 3, "generator": "test", "entry": "good", "target": "sm_90a", "layout": "dense", "config": "",
    "sizes": {"M": "?", "N": N, "K": K}, "threads": 384, "cluster": [1, 1, 1], "shared_memory": 200000,
    "grid": {"rule": "persistent", "tiles": ["ceildiv", "M", 8]},
    "operands": [operand("a", "f8E4M3FN", ["M", K], [K, 1]), operand("scale_a", "f32", [2, "M"], [up("M", 4), 1]),
                 operand("b", "f8E4M3FN", [N, K], [K, 1]), operand("scale_b", "f32", [2, 2], [2, 1]),
                 operand("d", "bf16", ["M", N], [N, 1], True)],
    "parameters": [tensor_map("a", "f8E4M3FN", [K, "M"], K, 128, 128),
                   tensor_map("scale_a", "f32", ["M", 2], ["*", up("M", 4), 4], 128, 0),
                   tensor_map("b", "f8E4M3FN", [K, N], K, 128, 128),
                   tensor_map("d", "bf16", [N, "M"], 2 * N, 64, 128),
                   {"kind": "pointer", "name": "scale_b", "operand": "scale_b"},
                   {"kind": "size", "name": "k", "type": "i32", "value": K}]}
kernel = _dgemm.Kernel("", b"\\x7fELF", json.dumps(LAUNCH))

def aligned(array):
    "A copy whose address is a multiple of 256 bytes, as those of GPU allocators."
    room = np.zeros(array.nbytes + 256, np.uint8)
    start = -room.ctypes.data % 256
    copy = room[start:start + array.nbytes].view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy

def view(array):
    return _dgemm.TensorView(array.ctypes.data, array.shape, [s // array.itemsize for s in array.strides],
                             array.dtype.name, 0)

def make(m, seed=0):
    case = make_case(m, N, K, seed=seed)
    scale = aligned(np.ascontiguousarray(np.pad(case.scale_a, ((0, -m % 4), (0, 0))).T)).T[:m]
    return case, (aligned(case.a), scale, aligned(case.b), aligned(case.scale_b), aligned(case.empty()))
"""


def run(tmp_path, code):
    result = run_with_fake_driver(tmp_path, SETUP + code)
    assert result.returncode == 0, result.stderr


def test_known_calls_are_launched_and_others_missed(tmp_path):
    run(tmp_path, """
missed = []
dispatcher = _dgemm.Dispatcher(lambda *arguments: missed.append(len(arguments)))
for seed in range(3):
    for m in (5, 18):
        case, arrays = make(m, seed)
        views = [view(array) for array in arrays]
        known = dispatcher.launch(*views, None, 0, 0)
        assert known == (seed > 0), (seed, m)
        if not known:
            dispatcher.add(*views, None, 0, kernel.prepare(0, {"M": m}))
            assert dispatcher.launch(*views, None, 0, 0)
        assert difference(arrays[4], case.expected) < LIMIT
assert len(dispatcher) == 2 and missed == []
dispatcher(*views, None, 0)     # views have no current stream: whoever made them knows it
dispatcher("text", *views[1:], None, 0)
assert missed == [8, 8]
dispatcher.clear()
assert not dispatcher.launch(*views, None, 0, 0)
""")


def test_other_facts_are_other_calls(tmp_path):
    run(tmp_path, """
dispatcher = _dgemm.Dispatcher(lambda *arguments: None)
case, arrays = make(8)
views = [view(array) for array in arrays]
dispatcher.add(*views, None, 0, kernel.prepare(0, {"M": 8}))
a = arrays[0]
def with_a(shape=(8, K), strides=(K, 1), dtype="float8_e4m3fn", device=0):
    return _dgemm.TensorView(a.ctypes.data, shape, strides, dtype, device)
assert dispatcher.launch(with_a(), *views[1:], None, 0, 0)
for other in (with_a(shape=(7, K)), with_a(strides=(2 * K, 1)), with_a(dtype="uint8"), with_a(device=1)):
    assert not dispatcher.launch(other, *views[1:], None, 0, 0)
assert not dispatcher.launch(*views, None, 1, 0), "expected_m counts"
assert not dispatcher.launch(*views, views[0], 0, 0), "an operand more"
""")


def test_tensor_maps_follow_the_addresses(tmp_path):
    run(tmp_path, """
launch = kernel.prepare(0, {"M": 8})
assert launch.grid == 1
outputs = []
for seed in range(4):
    case, arrays = make(8, seed)
    launch.launch([array.ctypes.data for array in arrays], 0)
    assert difference(arrays[4], case.expected) < LIMIT
    outputs.append(arrays)
""")


def test_refusals(tmp_path):
    run(tmp_path, """
case, arrays = make(8)
launch = kernel.prepare(0, {"M": 8})
addresses = [array.ctypes.data for array in arrays]
def error(call):
    try:
        call()
    except RuntimeError as caught:
        return str(caught)
    raise AssertionError("no error")
assert "base address" in error(lambda: launch.launch([addresses[0] + 1] + addresses[1:], 0))
launch.launch(addresses, 0)     # the failure is not remembered
assert difference(arrays[4], case.expected) < LIMIT
assert "5 operands, but 4 addresses" in error(lambda: launch.launch(addresses[:4], 0))
assert "size M of kernel 'good' is dynamic" in error(lambda: kernel.prepare(0, {}))
kernel.prepare(0, {"M": 0}).launch(addresses, 0)
assert kernel.prepare(0, {"M": 80}).grid == 4 and kernel.prepare(0, {"M": 80}, 3).grid == 3
""")


def test_threads_launch_one_kernel(tmp_path):
    run(tmp_path, """
from concurrent.futures import ThreadPoolExecutor
launch = kernel.prepare(0, {"M": 8})
def work(seed):
    case, arrays = make(8, seed)
    for _ in range(20):
        arrays[4][...] = np.nan
        launch.launch([array.ctypes.data for array in arrays], 0)
        if not difference(arrays[4], case.expected) < LIMIT:
            return False
    return True
with ThreadPoolExecutor(4) as pool:
    assert all(pool.map(work, range(4)))
""")
