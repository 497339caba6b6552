"""dgemm.jax: under jit, vmap, grad and shard_map, on JAX's CPU by the emulator, or on the GPU that JAX has."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

os.environ.setdefault("XLA_FLAGS", "--xla_force_host_platform_device_count=2")
jax = pytest.importorskip("jax", reason="jax is not installed: scripts/setup.sh --python does that")

import jax.numpy as jnp  # noqa: E402

import dgemm.jax  # noqa: E402
from dgemm import _dgemm  # noqa: E402

RECIPES = [("1x128", "128x128"), ("1x128", "1x128"), ("128x128", "1x128"), ("row", "row"), ("tensor", "tensor"), ("row", "128x128")]


def make(rows, k, granularity, seed=0, dtype="float8_e4m3fn"):
    """FP8 and scales, and what they stand for."""
    x = jax.random.normal(jax.random.key(seed), (rows, k)).astype(dtype)
    high = {"tensor": 1, "128x128": -(-rows // 128)}.get(granularity, rows)
    scale = jax.random.uniform(jax.random.key(seed + 1), (high, -(-k // 128) if granularity.endswith("128") else 1), minval=0.5)
    wide = np.asarray(scale)
    wide = np.repeat(wide, 128, 0)[:rows] if granularity == "128x128" else np.broadcast_to(wide, (rows, wide.shape[1]))
    wide = np.repeat(wide, 128, 1)[:, :k] if granularity.endswith("128") else wide
    return (x, scale), np.asarray(x, np.float64) * wide


def difference(x, expected):
    x = np.asarray(x, np.float64)
    return 1 - 2 * (x * expected).sum() / (x * x + expected * expected).sum()


@pytest.mark.parametrize("recipe", RECIPES)
def test_recipes_under_jit(recipe):
    (a, wide_a), (b, wide_b) = make(64, 256, recipe[0]), make(192, 256, recipe[1], 2)
    d = jax.jit(lambda a, b: dgemm.jax.gemm(a, b, recipe_a=recipe[0], recipe_b=recipe[1]))(a, b)
    assert d.shape == (64, 192) and d.dtype == jnp.bfloat16
    assert difference(d, wide_a @ wide_b.T) < 5e-6
    eager = dgemm.jax.gemm(a, b, recipe_a=recipe[0], recipe_b=recipe[1])
    assert np.array_equal(np.asarray(eager), np.asarray(d))


def test_same_bits_as_numpy():
    (a, _), (b, _) = make(64, 256, "1x128"), make(128, 256, "128x128", 2)
    d = np.asarray(jax.jit(dgemm.jax.gemm)(a, b))
    if jax.default_backend() != "cpu":
        pytest.skip("JAX has a GPU")
    expected = np.zeros_like(d)
    arrays = [tuple(map(np.array, pair)) for pair in (a, b)]
    dgemm.fp8_gemm_nt(*arrays, expected)
    assert np.array_equal(d, expected)


def test_without_jit():
    (a, wide_a), (b, wide_b) = make(16, 128, "1x128"), make(32, 128, "128x128", 2)
    with jax.disable_jit():
        assert difference(jax.jit(dgemm.jax.gemm)(a, b), wide_a @ wide_b.T) < 5e-6


def test_among_other_operations():
    """What is in front is quantised in the same program, and what is behind reads D."""
    x, w = jax.random.normal(jax.random.key(0), (48, 256)), jax.random.normal(jax.random.key(1), (128, 256))

    @jax.jit
    def layer(x, w):
        return jax.nn.silu(dgemm.jax.gemm(dgemm.jax.quantize(x), dgemm.jax.quantize(w, "128x128"), "f32"))

    expected = np.asarray(x, np.float64) @ np.asarray(w, np.float64).T
    assert difference(layer(x, w), expected / (1 + np.exp(-expected))) < 2e-3


@pytest.mark.parametrize("out, dtype", [("f32", jnp.float32), (jnp.float16, jnp.float16), ("bfloat16", jnp.bfloat16)])
@pytest.mark.parametrize("m, n, k", [(1, 16, 16), (66, 130, 144), (5, 64, 128)])
def test_shapes_and_types(m, n, k, out, dtype):
    (a, wide_a), (b, wide_b) = make(m, k, "1x128", dtype="float8_e5m2"), make(n, k, "128x128", 2)
    d = jax.jit(lambda a, b: dgemm.jax.gemm(a, b, out))(a, b)
    assert d.dtype == dtype and difference(d, wide_a @ wide_b.T) < 5e-6


def test_nothing_to_compute():
    (a, _), (b, _) = make(64, 256, "1x128"), make(128, 256, "128x128", 2)
    assert dgemm.jax.gemm((a[0][:0], a[1][:0]), b).shape == (0, 128)
    d = dgemm.jax.gemm((a[0][:, :0], a[1][:, :0]), (b[0][:, :0], b[1][:, :0]))
    assert d.shape == (64, 128) and not np.asarray(d, np.float32).any()


@pytest.mark.parametrize("recipe", RECIPES)
def test_scaled_mm(recipe):
    (a, wide_a), (b, wide_b) = make(64, 256, recipe[0]), make(192, 256, recipe[1], 2)
    scale_b = b[1].T if recipe[1] == "row" else b[1]
    d = jax.jit(lambda a, b, x, y: dgemm.jax.scaled_mm(a, b.T, x, recipe[0], y, recipe[1], jnp.float32))(a[0], b[0], a[1], scale_b)
    assert d.dtype == jnp.float32 and difference(d, wide_a @ wide_b.T) < 1e-6


def test_fast_accumulation():
    (a, wide_a), (b, wide_b) = make(16, 4096, "row"), make(16, 4096, "row", 2)
    call = jax.jit(lambda a, b, fast: dgemm.jax.scaled_mm(a[0], b[0].T, a[1], "RowWise", b[1], "RowWise", "f32", fast),
                   static_argnums=2)
    exact, fast = (np.asarray(call(a, b, each), np.float32) for each in (False, True))
    assert difference(exact, wide_a @ wide_b.T) < 5e-6 and difference(fast, wide_a @ wide_b.T) < 1e-4
    assert not np.array_equal(exact, fast)


# ----------------------------------------------------------------------------
# Transformations
# ----------------------------------------------------------------------------


def stack(pairs):
    return jax.tree.map(lambda *x: jnp.stack(x), *pairs)


@pytest.mark.parametrize("recipe", [("1x128", "128x128"), ("tensor", "row"), ("128x128", "1x128")])
@pytest.mark.parametrize("axes", [(0, 0), (0, None), (None, 0)])
def test_vmap(axes, recipe):
    call = lambda a, b: dgemm.jax.gemm(a, b, "f32", recipe_a=recipe[0], recipe_b=recipe[1])  # noqa: E731
    a = [make(20, 256, recipe[0], seed)[0] for seed in range(3)]
    b = [make(64, 256, recipe[1], 10 + seed)[0] for seed in range(3)]
    of_a, of_b = stack(a) if axes[0] == 0 else a[0], stack(b) if axes[1] == 0 else b[0]
    d = jax.jit(jax.vmap(call, in_axes=axes))(of_a, of_b)
    for i in range(3):
        expected = call(a[i if axes[0] == 0 else 0], b[i if axes[1] == 0 else 0])
        np.testing.assert_allclose(d[i], expected, rtol=1e-5, atol=1e-5)


def test_vmap_of_other_axes_and_twice():
    a, b = [make(16, 128, "1x128", seed)[0] for seed in range(4)], [make(32, 128, "128x128", 10 + seed)[0] for seed in range(4)]
    call = lambda a, b: dgemm.jax.gemm(a, b, "f32")  # noqa: E731
    each = np.stack([call(x, y) for x, y in zip(a, b)])
    batch_a, batch_b = stack(a), stack(b)
    middle = jax.vmap(call, in_axes=((1, 2), 0), out_axes=1)((jnp.moveaxis(batch_a[0], 0, 1), jnp.moveaxis(batch_a[1], 0, 2)), batch_b)
    np.testing.assert_allclose(jnp.moveaxis(middle, 1, 0), each, rtol=1e-5)
    twice = jax.vmap(jax.vmap(call))(*jax.tree.map(lambda x: x.reshape(2, 2, *x.shape[1:]), (batch_a, batch_b)))
    np.testing.assert_allclose(twice.reshape(each.shape), each, rtol=1e-5)


def test_gradients_of_linear():
    keys = jax.random.split(jax.random.key(0), 3)
    x, w, target = (jax.random.normal(key, shape) for key, shape in zip(keys, ((2, 32, 128), (64, 128), (2, 32, 64))))
    loss = lambda product: lambda x, w: ((product(x, w) - target)**2).sum()  # noqa: E731
    value, gradients = jax.jit(jax.value_and_grad(loss(dgemm.jax.linear), (0, 1)))(x, w)
    expected, wanted = jax.value_and_grad(loss(lambda x, w: x @ w.T), (0, 1))(x, w)
    assert abs(float(value) / float(expected) - 1) < 0.02
    for gradient, right in zip(gradients, wanted):
        assert gradient.shape == right.shape and gradient.dtype == right.dtype
        assert difference(gradient, np.asarray(right, np.float64)) < 3e-3


def test_no_gradient_of_gemm():
    def loss(x):
        return dgemm.jax.gemm(dgemm.jax.quantize(x), dgemm.jax.quantize(jnp.ones((32, 128)), "128x128"), "f32").sum()

    with pytest.raises(TypeError, match="a product of FP8 operands has no gradient.*dgemm.jax.linear"):
        jax.grad(loss)(jnp.ones((16, 128)))


def test_shard_map():
    if len(jax.devices()) < 2:
        pytest.skip("one device")
    shard_map = getattr(jax, "shard_map", None)
    if shard_map is None:
        from jax.experimental.shard_map import shard_map
    spec = jax.sharding.PartitionSpec
    mesh = jax.sharding.Mesh(np.array(jax.devices()[:2]), ("rows",))
    (a, wide_a), (b, wide_b) = make(64, 256, "1x128"), make(128, 256, "128x128", 2)
    call = shard_map(dgemm.jax.gemm, mesh=mesh, in_specs=((spec("rows"), spec("rows")), (spec(), spec())), out_specs=spec("rows"))
    d = jax.jit(call)(a, b)
    assert len(d.sharding.device_set) == 2 and difference(d, wide_a @ wide_b.T) < 5e-6


def test_scan():
    """One call site that runs again and again."""
    (a, wide_a), (b, wide_b) = make(16, 128, "1x128"), make(128, 128, "128x128", 2)
    total, _ = jax.jit(lambda a, b: jax.lax.scan(lambda sum, _: (sum + dgemm.jax.gemm(a, b, "f32"), None), jnp.zeros((16, 128)),
                                                 length=3))(a, b)
    assert difference(total, 3 * (wide_a @ wide_b.T)) < 5e-6


# ----------------------------------------------------------------------------
# Errors
# ----------------------------------------------------------------------------


@pytest.mark.parametrize("change, error, message", [
    (lambda a, b: (a[0], b), TypeError, r"a is a .*; allowed is a pair \(A, scale\)"),
    (lambda a, b: ((a[0].astype(jnp.float32), a[1]), b), TypeError, r"a\[0\] has dtype float32; allowed are float8_e4m3fn"),
    (lambda a, b: ((a[0][None], a[1]), b), ValueError, r"a\[0\] has shape \[1, 16, 256\]; allowed is \[M, K\]; jax.vmap"),
    (lambda a, b: ((a[0], a[1][:, :1]), b), ValueError, r"a\[1\] has shape \[16, 1\]; allowed is \[16, 2\], scales for '1x128'"),
    (lambda a, b: (a, (b[0], b[1].astype(jnp.bfloat16))), TypeError, r"b\[1\] has dtype bfloat16; allowed is float32"),
    (lambda a, b: (a, (b[0][:, :128], b[1][:, :1])), ValueError, r"b\[0\] has shape \[128, 128\]; allowed is \[N, 256\] with K"),
])
def test_wrong_operands(change, error, message):
    (a, _), (b, _) = make(16, 256, "1x128"), make(128, 256, "128x128", 2)
    with pytest.raises(error, match=message):
        jax.jit(lambda a, b: dgemm.jax.gemm(*change(a, b)))(a, b)


def test_wrong_options():
    (a, _), (b, _) = make(16, 256, "1x128"), make(128, 256, "128x128", 2)
    with pytest.raises(ValueError, match="recipe_a is '2x2'"):
        dgemm.jax.gemm(a, b, recipe_a="2x2")
    with pytest.raises(ValueError, match="recipe_a is 'none'; allowed are 'tensor', 'row', '1x128', '128x128', and"):
        dgemm.jax.gemm((a[0], None), b, recipe_a="none")
    with pytest.raises(ValueError, match="out_dtype is 'int8'"):
        dgemm.jax.gemm(a, b, "int8")
    with pytest.raises(ValueError, match="accuracy is 'fast' with scales for '1x128'"):
        dgemm.jax.gemm(a, b, accuracy="fast")
    with pytest.raises(ValueError, match=r"mat_b has shape \[3\]; allowed is \[K, N\]"):
        dgemm.jax.scaled_mm(a[0], jnp.ones(3), a[1], "row", b[1], "row")
    with pytest.raises(ValueError, match=r"x has shape \[3\]; allowed are 2 dimensions"):
        dgemm.jax.quantize(jnp.ones(3))


def test_call_that_carries_no_kernel():
    """An executable of another version: an error in words, and the process goes on."""
    dgemm.jax.gemm(*[make(rows, 128, each)[0] for rows, each in ((16, "1x128"), (32, "128x128"))])
    if jax.default_backend() != "cpu":
        pytest.skip("JAX has a GPU")
    call = jax.ffi.ffi_call("dgemm_gemm", jax.ShapeDtypeStruct((4, 4), jnp.float32))
    with pytest.raises(Exception, match="dgemm: expected an attribute 'm'"):
        call(jnp.ones((4, 4))).block_until_ready()
    call = jax.ffi.ffi_call("dgemm_gemm", jax.ShapeDtypeStruct((4, 4), jnp.float32))
    with pytest.raises(Exception, match="dgemm: .*"):
        call(jnp.ones((4, 4)), id="another", m=np.int64(4), multiprocessors=np.int64(0), ptx="no PTX", launch="{}",
             cubin=np.zeros(0, np.uint8)).block_until_ready()


# ----------------------------------------------------------------------------
# The interface
# ----------------------------------------------------------------------------


def test_interface_is_that_of_jaxlib(tmp_path):
    """python/src/XlaFfi.h says what xla/ffi/api/c_api.h of jaxlib does."""
    import jaxlib

    include = Path(jaxlib.__file__).parent / "include"
    compiler = shutil.which("g++") or shutil.which("clang++-22")
    source = Path(__file__).resolve().parents[2] / "python/src/XlaFfi.h"
    if compiler is None or not (include / "xla/ffi/api/c_api.h").exists():
        pytest.skip("no C++ compiler, or no headers in jaxlib")
    # Renamed in 0.4 of the interface, jaxlib 0.11.1.
    extension = "XLA_FFI_InternalExtension" if "XLA_FFI_InternalExtension" in (include / "xla/ffi/api/c_api.h").read_text() else (
        "XLA_FFI_Extension_Base")
    fields = {
        "Extension": (extension, {"structSize": "struct_size", "type": "type", "next": "next"}),
        "ApiVersion": ("XLA_FFI_Api_Version", {"majorVersion": "major_version", "minorVersion": "minor_version"}),
        "Metadata": ("XLA_FFI_Metadata", {"apiVersion": "api_version", "traits": "traits"}),
        "MetadataExtension": ("XLA_FFI_Metadata_Extension", {"base": "extension_base", "metadata": "metadata"}),
        "ErrorCreateArgs": ("XLA_FFI_Error_Create_Args", {"message": "message", "code": "errc"}),
        "StreamGetArgs": ("XLA_FFI_Stream_Get_Args", {"context": "ctx", "stream": "stream"}),
        "DeviceOrdinalGetArgs": ("XLA_FFI_DeviceOrdinal_Get_Args", {"context": "ctx", "deviceOrdinal": "device_ordinal"}),
        "Api": ("XLA_FFI_Api", {"version": "api_version", "createError": "XLA_FFI_Error_Create", "getStream": "XLA_FFI_Stream_Get",
                                "getDeviceOrdinal": "XLA_FFI_DeviceOrdinal_Get"}),
        "Buffer": ("XLA_FFI_Buffer", {"dtype": "dtype", "data": "data", "rank": "rank", "dims": "dims"}),
        "ByteSpan": ("XLA_FFI_ByteSpan", {"data": "ptr", "size": "len"}),
        "Scalar": ("XLA_FFI_Scalar", {"dtype": "dtype", "value": "value"}),
        "Array": ("XLA_FFI_Array", {"dtype": "dtype", "size": "size", "data": "data"}),
        "Args": ("XLA_FFI_Args", {"size": "size", "types": "types", "values": "args"}),
        "Attrs": ("XLA_FFI_Attrs", {"size": "size", "types": "types", "names": "names", "values": "attrs"}),
        "CallFrame": ("XLA_FFI_CallFrame", {"extensions": "extension_start", "api": "api", "context": "ctx", "stage": "stage",
                                            "args": "args", "results": "rets", "attrs": "attrs"}),
    }
    values = {"kMajorVersion": "XLA_FFI_API_MAJOR", "kMetadataExtension": "XLA_FFI_Extension_Metadata",
              "kInternal": "XLA_FFI_Error_Code_INTERNAL", "kArray": "XLA_FFI_AttrType_ARRAY", "kScalar": "XLA_FFI_AttrType_SCALAR",
              "kString": "XLA_FFI_AttrType_STRING", "kS64": "XLA_FFI_DataType_S64", "kU8": "XLA_FFI_DataType_U8",
              "kInitialize": "XLA_FFI_ExecutionStage_INITIALIZE", "kExecute": "XLA_FFI_ExecutionStage_EXECUTE",
              "kCommandBufferCompatible": "XLA_FFI_HANDLER_TRAITS_COMMAND_BUFFER_COMPATIBLE"}
    lines = ["#include <cstddef>", "#include <cstdint>", '#include "xla/ffi/api/c_api.h"', f'#include "{source}"']
    lines += [f"static_assert(offsetof(dgemm::xla::{ours}, {mine}) == offsetof({theirs}, {name}));"
              for ours, (theirs, names) in fields.items() for mine, name in names.items()]
    lines += [f"static_assert(int(dgemm::xla::{mine}) == int({name}));" for mine, name in values.items()]
    lines += ["static_assert(dgemm::xla::kMinorVersion <= XLA_FFI_API_MINOR);"]
    (tmp_path / "same.cpp").write_text("\n".join(lines))
    subprocess.run([compiler, "-std=c++17", "-fsyntax-only", "-w", f"-I{include}", str(tmp_path / "same.cpp")], check=True)


def test_handlers():
    handlers = _dgemm.xla_handlers()
    assert set(handlers["cpu"]) == {"execute"} and set(handlers["CUDA"]) == {"initialize", "execute"}


def test_import_of_dgemm_imports_no_jax():
    code = "import sys, dgemm; assert 'jax' not in sys.modules; dgemm.jax.gemm; assert 'jax' in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
