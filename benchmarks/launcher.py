"""Launches a compiled kernel from its launch descriptor alone (docs/launch-descriptor.md), through ctypes over libcuda.

The first half evaluates the descriptor and needs no GPU; `Driver` and `Kernel` need one, with a current context, which
PyTorch makes. Addresses and the stream are plain integers, so that any array library can own the memory.

  launcher.py kernel.json M=4096      prints what would be launched on 132 multiprocessors
"""
import ctypes
import json
import math
import sys

# Version 3 has epilogues, whose operands are operands like others.
VERSIONS = (2, 3)

# CUdriver enumerations, cuda.h of CUDA 13.0.
_TENSOR_MAP_TYPES = {"f8E4M3FN": 0, "f8E5M2": 0, "f8E8M0FNU": 0, "i32": 3, "f16": 6, "f32": 7, "bf16": 9}
_MAX_DYNAMIC_SHARED_SIZE_BYTES = 8
_NON_PORTABLE_CLUSTER_SIZE_ALLOWED = 14
_ATTRIBUTE_CLUSTER_DIMENSION = 4
_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION = 6

ELEMENT_BYTES = {"f8E4M3FN": 1, "f8E5M2": 1, "f8E8M0FNU": 1, "bf16": 2, "f16": 2, "f32": 4, "i32": 4}


class LaunchError(Exception):
    """The descriptor cannot be launched with these arguments, or the driver refused."""


# ---------------------------------------------------------------------------------------------------------------------
# The document
# ---------------------------------------------------------------------------------------------------------------------

_OPERATORS = {
    "+": lambda a, b: a + b,
    "*": lambda a, b: a * b,
    "floordiv": lambda a, b: a // b,
    "ceildiv": lambda a, b: -(-a // b),
    "mod": lambda a, b: a % b,
    "min": min,
    "max": max,
}


def evaluate(expression, sizes):
    """The value of a size expression: an integer, a name in `sizes`, or [operator, lhs, rhs]."""
    if isinstance(expression, bool):
        raise LaunchError(f"{expression!r} is no size expression")
    if isinstance(expression, int):
        return expression
    if isinstance(expression, str):
        if expression not in sizes:
            raise LaunchError(f"size {expression} is not given")
        return sizes[expression]
    if isinstance(expression, list) and len(expression) == 3 and expression[0] in _OPERATORS:
        operator, lhs, rhs = expression[0], evaluate(expression[1], sizes), evaluate(expression[2], sizes)
        if operator in ("floordiv", "ceildiv", "mod") and rhs < 1:
            raise LaunchError(f"{operator} by {rhs}")
        value = _OPERATORS[operator](lhs, rhs)
        if not -(2**63) <= value < 2**63:
            raise LaunchError(f"{expression} overflows 64 bits")
        return value
    raise LaunchError(f"{expression!r} is no size expression")


def parse(text):
    """Reads a descriptor. Error: another version, or a grid rule or parameter kind that this launcher does not know."""
    launch = json.loads(text)
    if launch.get("version") not in VERSIONS:
        known = " and ".join(map(str, VERSIONS))
        raise LaunchError(f"launch descriptor of version {launch.get('version')}; only {known} are known")
    if launch["grid"]["rule"] != "persistent":
        raise LaunchError(f"unknown grid rule '{launch['grid']['rule']}'")
    for parameter in launch["parameters"]:
        if parameter["kind"] not in ("tensor_map", "pointer", "size"):
            raise LaunchError(f"parameter '{parameter.get('name')}' is of unknown kind '{parameter['kind']}'")
    return launch


def bind_sizes(launch, given):
    """The static sizes, and the dynamic ones from `given`. Error: a size is missing, contradicts, or has a wrong divisor."""
    sizes = {}
    for name, value in launch["sizes"].items():
        if value == "?":
            if name not in given:
                raise LaunchError(f"size {name} is not given")
            value = given[name]
        elif name in given and given[name] != value:
            raise LaunchError(f"the kernel was compiled for {name} = {value}, not {given[name]}")
        sizes[name] = value
    for name, divisor in launch.get("divisors", {}).items():
        if sizes[name] % divisor:
            raise LaunchError(f"{name} = {sizes[name]} is not a multiple of {divisor}, which the kernel was promised")
    return sizes


def operand_layouts(launch, sizes):
    """{name: (element type, shape, strides, is output)}, extents and strides in elements, outermost first."""
    return {
        operand["name"]: (
            operand["type"],
            [evaluate(extent, sizes) for extent in operand["shape"]],
            [evaluate(stride, sizes) for stride in operand["strides"]],
            bool(operand["output"]),
        )
        for operand in launch["operands"]
    }


def storage_elements(shape, strides):
    """Elements that an operand takes in memory: the largest of its extents times its stride."""
    return max((extent * stride for extent, stride in zip(shape, strides)), default=0)


def count_ctas(launch, sizes, concurrent):
    """grid.x on a device that runs `concurrent` CTAs of this kernel at a time; 0 when there is nothing to do."""
    tiles = evaluate(launch["grid"]["tiles"], sizes)
    if tiles == 0:
        return 0
    cluster = math.prod(launch["cluster"])
    clusters = max(min(concurrent, tiles) // cluster, 1)
    if launch["grid"].get("even_waves"):
        waves = -(-tiles // (clusters * cluster))
        clusters = -(-tiles // (waves * cluster))
    return clusters * cluster


def _width_code(width, first):
    """The driver's number of a width in bytes: 0, 1, 2, 3 for 0, first, 2 first, 4 first."""
    if width == 0:
        return 0
    code = (width // first).bit_length()
    if width != first << (code - 1) or code > 3:
        raise LaunchError(f"a tensor map has no width of {width} bytes")
    return code


def tensor_map_arguments(parameter, sizes):
    """The arguments of cuTensorMapEncodeTiled except the address. Error: names an argument that the hardware does not support."""
    name = parameter["name"]
    dims = [evaluate(dim, sizes) for dim in parameter["dims"]]
    strides = [evaluate(stride, sizes) for stride in parameter["strides"]]
    for dim in dims:
        if not 1 <= dim <= 2**32:
            raise LaunchError(f"tensor map '{name}' has an extent of {dim}")
    for stride in strides:
        if stride % 16 or not 0 < stride < 2**40:
            raise LaunchError(f"tensor map '{name}' has a pitch of {stride} bytes; TMA takes multiples of 16")
    return {
        "type": _TENSOR_MAP_TYPES[parameter["type"]],
        "rank": len(dims),
        "dims": dims,
        "strides": strides,
        "box": [evaluate(extent, sizes) for extent in parameter["box"]],
        "element_strides": parameter["element_strides"],
        "interleave": _width_code(parameter["interleave"], 16),
        "swizzle": _width_code(parameter["swizzle"], 32),
        "l2_promotion": _width_code(parameter["l2_promotion"], 64),
        "oob_fill": {"zero": 0, "nan": 1}[parameter["oob_fill"]],
        "offset": evaluate(parameter.get("offset", 0), sizes),
    }


def describe(launch, given_sizes, concurrent):
    """The descriptor's numbers of one launch."""
    sizes = bind_sizes(launch, given_sizes)
    operands = {name: {"type": kind, "shape": shape, "strides": strides, "elements": storage_elements(shape, strides)}
                for name, (kind, shape, strides, _) in operand_layouts(launch, sizes).items()}  # fmt: skip
    parameters = []
    for parameter in launch["parameters"]:
        if parameter["kind"] == "tensor_map":
            parameters.append({"tensor_map": parameter["operand"], **tensor_map_arguments(parameter, sizes)})
        elif parameter["kind"] == "pointer":
            parameters.append({"pointer": parameter["operand"]})
        else:
            parameters.append({"size": evaluate(parameter["value"], sizes)})
    return {"entry": launch["entry"], "ctas": count_ctas(launch, sizes, concurrent), "cluster": launch["cluster"],
            "threads": launch["threads"], "shared_memory": launch["shared_memory"], "operands": operands,
            "parameters": parameters}  # fmt: skip


# ---------------------------------------------------------------------------------------------------------------------
# The driver
# ---------------------------------------------------------------------------------------------------------------------


class _LaunchAttribute(ctypes.Structure):
    """CUlaunchAttribute: a 64-byte union after the id."""

    _fields_ = [("id", ctypes.c_int), ("pad", ctypes.c_char * 4), ("value", ctypes.c_uint32 * 16)]


class _LaunchConfig(ctypes.Structure):
    _fields_ = [
        ("grid", ctypes.c_uint * 3),
        ("block", ctypes.c_uint * 3),
        ("shared_memory", ctypes.c_uint),
        ("stream", ctypes.c_void_p),
        ("attributes", ctypes.POINTER(_LaunchAttribute)),
        ("num_attributes", ctypes.c_uint),
    ]


class Driver:
    """libcuda; error codes become LaunchError."""

    def __init__(self, library="libcuda.so.1"):
        self._library = ctypes.CDLL(library)
        self._library.cuGetErrorString.argtypes = [ctypes.c_int, ctypes.POINTER(ctypes.c_char_p)]

    def call(self, function, *arguments):
        result = getattr(self._library, function)(*arguments)
        if result:
            text = ctypes.c_char_p()
            self._library.cuGetErrorString(result, ctypes.byref(text))
            raise LaunchError(f"{function}: {(text.value or b'?').decode()} ({result})")

    def version(self):
        version = ctypes.c_int()
        self.call("cuDriverGetVersion", ctypes.byref(version))
        return f"{version.value // 1000}.{version.value % 1000 // 10}"


class Module:
    """A loaded cubin or PTX image (bytes)."""

    def __init__(self, driver, image):
        self.driver = driver
        self.handle = ctypes.c_void_p()
        driver.call("cuModuleLoadData", ctypes.byref(self.handle), ctypes.c_char_p(image + b"\0"))

    def function(self, name):
        function = ctypes.c_void_p()
        self.driver.call("cuModuleGetFunction", ctypes.byref(function), self.handle, name.encode())
        return function

    def unload(self):
        """Error: the context is lost. No launch may be pending."""
        self.driver.call("cuModuleUnload", self.handle)


class Kernel:
    """One kernel bound to sizes and addresses, ready to be launched again and again."""

    def __init__(self, driver, image, launch, given_sizes, addresses, multiprocessors):
        """`addresses`: device address of each operand by name."""
        self.driver, self.launch = driver, launch
        self.sizes = bind_sizes(launch, given_sizes)
        self.module = Module(driver, image)
        self.function = self.module.function(launch["entry"])
        self._set(_MAX_DYNAMIC_SHARED_SIZE_BYTES, launch["shared_memory"])
        self.cluster = math.prod(launch["cluster"])
        if self.cluster > 8:
            self._set(_NON_PORTABLE_CLUSTER_SIZE_ALLOWED, 1)
        self._attributes = self._make_attributes()
        self.ctas = count_ctas(launch, self.sizes, self._count_concurrent(multiprocessors))
        self._values = [self._make_value(parameter, addresses) for parameter in launch["parameters"]]
        self._pointers = (ctypes.c_void_p * len(self._values))(*(ctypes.addressof(value) for value in self._values))
        self._config = self._make_config(self.ctas)

    def __call__(self, stream=0):
        """Launches on `stream`, a CUstream as an integer."""
        if self.ctas == 0:
            return
        self._config.stream = stream
        self.driver.call("cuLaunchKernelEx", ctypes.byref(self._config), self.function, self._pointers, None)

    def unload(self):
        self.module.unload()

    def _set(self, attribute, value):
        self.driver.call("cuFuncSetAttribute", self.function, ctypes.c_int(attribute), ctypes.c_int(value))

    def _make_attributes(self):
        attributes = []
        if self.cluster > 1:
            attribute = _LaunchAttribute(id=_ATTRIBUTE_CLUSTER_DIMENSION)
            attribute.value[0:3] = self.launch["cluster"]
            attributes.append(attribute)
        if self.launch.get("programmatic_stream_serialization"):
            attribute = _LaunchAttribute(id=_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION)
            attribute.value[0] = 1
            attributes.append(attribute)
        return (_LaunchAttribute * max(1, len(attributes)))(*attributes), len(attributes)

    def _make_config(self, ctas):
        attributes, count = self._attributes
        return _LaunchConfig(
            grid=(ctas, 1, 1),
            block=(self.launch["threads"], 1, 1),
            shared_memory=self.launch["shared_memory"],
            attributes=attributes,
            num_attributes=count,
        )

    def _count_concurrent(self, multiprocessors):
        if self.cluster == 1:
            return multiprocessors
        clusters = ctypes.c_int()
        config = self._make_config(self.cluster)
        self.driver.call(
            "cuOccupancyMaxActiveClusters", ctypes.byref(clusters), self.function, ctypes.byref(config)
        )
        if clusters.value < 1:
            raise LaunchError(f"not one cluster of {self.cluster} CTAs fits on this device")
        return clusters.value * self.cluster

    def _make_value(self, parameter, addresses):
        """The parameter's value, in memory that the launch reads."""
        if parameter["kind"] == "size":
            value = evaluate(parameter["value"], self.sizes)
            if not -(2**31) <= value < 2**31:
                raise LaunchError(f"parameter '{parameter['name']}' = {value} does not fit 32 bits")
            return ctypes.c_int32(value)
        address = addresses[parameter["operand"]]
        if parameter["kind"] == "pointer":
            return ctypes.c_uint64(address)
        return self._encode(tensor_map_arguments(parameter, self.sizes), parameter["name"], address)

    def _encode(self, arguments, name, address):
        address += arguments["offset"]
        if address % 16:
            raise LaunchError(f"tensor map '{name}': address {address:#x} is not a multiple of 16")
        # A CUtensorMap is 128 bytes, aligned to 64.
        storage = (ctypes.c_uint64 * 24)()
        offset = -ctypes.addressof(storage) % 64
        encoded = (ctypes.c_uint64 * 16).from_buffer(storage, offset)
        rank = arguments["rank"]
        self.driver.call(
            "cuTensorMapEncodeTiled",
            ctypes.byref(encoded),
            ctypes.c_int(arguments["type"]),
            ctypes.c_uint32(rank),
            ctypes.c_void_p(address),
            (ctypes.c_uint64 * rank)(*arguments["dims"]),
            (ctypes.c_uint64 * rank)(*arguments["strides"]),
            (ctypes.c_uint32 * rank)(*arguments["box"]),
            (ctypes.c_uint32 * rank)(*arguments["element_strides"]),
            ctypes.c_int(arguments["interleave"]),
            ctypes.c_int(arguments["swizzle"]),
            ctypes.c_int(arguments["l2_promotion"]),
            ctypes.c_int(arguments["oob_fill"]),
        )
        return encoded


def main(path, *sizes):
    with open(path) as file:
        launch = parse(file.read())
    given = {name: int(value) for name, _, value in (text.partition("=") for text in sizes)}
    for name, value in describe(launch, given, 132).items():
        if not isinstance(value, (dict, list)) or name == "cluster":
            print(f"{name}: {value}")
            continue
        print(f"{name}:")
        for item in value.items() if isinstance(value, dict) else value:
            print(f"  {item[0]}: {item[1]}" if isinstance(item, tuple) else f"  {item}")


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except (LaunchError, OSError, ValueError, TypeError) as error:
        sys.exit(f"launcher.py: error: {error}")
