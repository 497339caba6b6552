import ctypes
import json
import os
import re
import unittest

import launcher

DESCRIPTOR = {
    "version": 3,
    "entry": "gemm",
    "target": "sm_90a",
    "layout": "dense",
    "config": "block = 128x128x128, stages = 6",
    "sizes": {"M": "?", "N": 7168, "K": 512},
    "operands": [
        {"name": "scale_a", "type": "f32", "shape": [4, "M"], "strides": [["*", ["ceildiv", "M", 4], 4], 1], "output": False},
        {"name": "d", "type": "bf16", "shape": ["M", 7168], "strides": [7168, 1], "output": True},
    ],
    "threads": 384,
    "cluster": [2, 1, 1],
    "shared_memory": 201728,
    "grid": {"rule": "persistent", "tiles": ["*", ["ceildiv", "M", 128], 56]},
    "parameters": [
        {"kind": "tensor_map", "name": "map_d", "operand": "d", "type": "bf16", "dims": [7168, "M"], "strides": [14336],
         "box": [64, 128], "element_strides": [1, 1], "swizzle": 128, "interleave": 0, "l2_promotion": 256, "oob_fill": "zero"},
        {"kind": "pointer", "name": "scale_a", "operand": "scale_a"},
        {"kind": "size", "name": "m", "type": "i32", "value": "M"},
    ],
}  # fmt: skip


class FakeDriver:
    """Notes the calls; every cluster query finds room for 60 clusters."""

    def __init__(self):
        self.calls = []

    def call(self, function, *arguments):
        self.calls.append((function, arguments))
        if function == "cuOccupancyMaxActiveClusters":
            arguments[0]._obj.value = 60

    def only(self, function):
        (arguments,) = [arguments for name, arguments in self.calls if name == function]
        return arguments


class ExpressionTest(unittest.TestCase):
    def test_values(self):
        sizes = {"M": 130}
        for expression, value in [(7, 7), ("M", 130), (["ceildiv", "M", 128], 2), (["floordiv", "M", 128], 1),
                                  (["mod", "M", 128], 2), (["+", "M", 1], 131), (["min", "M", 5], 5), (["max", "M", 5], 130),
                                  (["*", ["ceildiv", "M", 4], 4], 132)]:  # fmt: skip
            self.assertEqual(launcher.evaluate(expression, sizes), value, expression)

    def test_errors(self):
        for expression in ["N", ["-", 1, 1], ["mod", 4, 0], ["*", 2**40, 2**40], [1, 2], 1.5, None, True]:
            with self.assertRaises(launcher.LaunchError, msg=expression):
                launcher.evaluate(expression, {"M": 1})


class DescriptorTest(unittest.TestCase):
    def test_refuses_what_it_does_not_know(self):
        for change in [{"version": 1}, {"grid": {"rule": "fixed", "tiles": 1}}, {"parameters": [{"kind": "texture"}]}]:
            with self.assertRaises(launcher.LaunchError, msg=change):
                launcher.parse(json.dumps({**DESCRIPTOR, **change}))

    def test_sizes(self):
        self.assertEqual(launcher.bind_sizes(DESCRIPTOR, {"M": 5}), {"M": 5, "N": 7168, "K": 512})
        with self.assertRaisesRegex(launcher.LaunchError, "size M is not given"):
            launcher.bind_sizes(DESCRIPTOR, {})
        with self.assertRaisesRegex(launcher.LaunchError, "compiled for N = 7168, not 128"):
            launcher.bind_sizes(DESCRIPTOR, {"M": 5, "N": 128})
        with self.assertRaisesRegex(launcher.LaunchError, "M = 5 is not a multiple of 8"):
            launcher.bind_sizes({**DESCRIPTOR, "divisors": {"M": 8}}, {"M": 5})

    def test_operands(self):
        layouts = launcher.operand_layouts(DESCRIPTOR, {"M": 5})
        self.assertEqual(layouts["scale_a"], ("f32", [4, 5], [8, 1], False))
        self.assertEqual(launcher.storage_elements([4, 5], [8, 1]), 32)

    def test_grid(self):
        self.assertEqual(launcher.count_ctas(DESCRIPTOR, {"M": 4096}, 132), 132)
        self.assertEqual(launcher.count_ctas(DESCRIPTOR, {"M": 4096}, 131), 130)
        self.assertEqual(launcher.count_ctas(DESCRIPTOR, {"M": 1}, 132), 56)
        self.assertEqual(launcher.count_ctas(DESCRIPTOR, {"M": 0}, 132), 0)
        self.assertEqual(launcher.count_ctas({**DESCRIPTOR, "grid": {"tiles": 1}}, {}, 132), 2)
        even = {**DESCRIPTOR, "grid": {"tiles": 352, "even_waves": True}}
        self.assertEqual(launcher.count_ctas(even, {}, 132), 118)

    def test_tensor_map(self):
        arguments = launcher.tensor_map_arguments(DESCRIPTOR["parameters"][0], {"M": 5})
        self.assertEqual((arguments["dims"], arguments["strides"], arguments["rank"]), ([7168, 5], [14336], 2))
        self.assertEqual((arguments["swizzle"], arguments["l2_promotion"], arguments["interleave"]), (3, 3, 0))
        with self.assertRaisesRegex(launcher.LaunchError, "pitch of 100 bytes"):
            launcher.tensor_map_arguments({**DESCRIPTOR["parameters"][0], "strides": [100]}, {"M": 5})
        with self.assertRaisesRegex(launcher.LaunchError, "extent of 0"):
            launcher.tensor_map_arguments(DESCRIPTOR["parameters"][0], {"M": 0})


class DocumentationTest(unittest.TestCase):
    """The example of docs/launch-descriptor.md can be launched, as far as it is shown."""

    def test_example(self):
        path = os.path.join(os.path.dirname(__file__), "../../docs/launch-descriptor.md")
        with open(path) as file:
            text = next(block for block in re.findall(r"```json\n(.*?)```", file.read(), re.DOTALL) if '"version"' in block)
        plan = launcher.describe(launcher.parse(text), {"M": 130, "K": 512}, 132)
        self.assertEqual((plan["entry"], plan["ctas"], plan["threads"]), ("gemm_fp8", 112, 384))
        self.assertEqual(plan["operands"]["scale_a"]["strides"], [132, 1])
        self.assertEqual(plan["parameters"][0]["dims"], [512, 130])
        self.assertEqual(plan["parameters"][1]["strides"], [132 * 4])
        self.assertEqual(plan["parameters"][2:], [{"pointer": "scale_b"}, {"size": 130}])


class KernelTest(unittest.TestCase):
    def make(self, m=4096, **changes):
        driver = FakeDriver()
        addresses = {"scale_a": 0x1000, "d": 0x2000}
        return driver, launcher.Kernel(driver, b"\x7fELF", {**DESCRIPTOR, **changes}, {"M": m}, addresses, 132)

    def test_launches_clusters_that_fit_at_a_time(self):
        driver, kernel = self.make()
        kernel(stream=0x77)
        config = driver.only("cuLaunchKernelEx")[0]._obj
        self.assertEqual((list(config.grid), list(config.block)), ([120, 1, 1], [384, 1, 1]))
        self.assertEqual((config.shared_memory, config.stream, config.num_attributes), (201728, 0x77, 1))
        self.assertEqual((config.attributes[0].id, list(config.attributes[0].value)[:3]), (4, [2, 1, 1]))

    def test_structures_have_the_sizes_of_cuda(self):
        self.assertEqual(ctypes.sizeof(launcher._LaunchAttribute), 72)
        self.assertEqual(ctypes.sizeof(launcher._LaunchConfig), 56)

    def test_parameters(self):
        driver, kernel = self.make()
        arguments = driver.only("cuTensorMapEncodeTiled")
        self.assertEqual(ctypes.addressof(arguments[0]._obj) % 64, 0)
        self.assertEqual((arguments[1].value, arguments[2].value, arguments[3].value), (9, 2, 0x2000))
        self.assertEqual([list(array) for array in arguments[4:8]], [[7168, 4096], [14336, 0], [64, 128], [1, 1]])
        self.assertEqual([argument.value for argument in arguments[8:]], [0, 3, 3, 0])
        kernel(0)
        pointers = driver.only("cuLaunchKernelEx")[2]
        self.assertEqual(pointers[0], ctypes.addressof(arguments[0]._obj))
        self.assertEqual(ctypes.c_uint64.from_address(pointers[1]).value, 0x1000)
        self.assertEqual(ctypes.c_int32.from_address(pointers[2]).value, 4096)

    def test_without_cluster_or_work(self):
        driver, kernel = self.make(cluster=[1, 1, 1])
        kernel(0)
        self.assertEqual(driver.only("cuLaunchKernelEx")[0]._obj.num_attributes, 0)
        self.assertEqual(kernel.ctas, 132)
        driver, kernel = self.make(grid={"rule": "persistent", "tiles": 0})
        kernel(0)
        self.assertNotIn("cuLaunchKernelEx", [name for name, _ in driver.calls])

    def test_unaligned_address(self):
        with self.assertRaisesRegex(launcher.LaunchError, "not a multiple of 16"):
            launcher.Kernel(FakeDriver(), b"", DESCRIPTOR, {"M": 1}, {"scale_a": 0, "d": 8}, 132)


if __name__ == "__main__":
    unittest.main()
