#!/usr/bin/env python3
"""Writes random unrelated functions and one with a dgemm.gemm, and checks that a pipeline does not change the unrelated ones.

usage: foreign_functions.py write --count=200 --seed=1 > in.mlir
       foreign_functions.py compare before.mlir after.mlir

`before.mlir` is in.mlir as dgemm-opt prints it, `after.mlir` the output of the pipeline. Every function of the former, except
the one with the gemm, has to be in the latter byte by byte.
"""
import argparse
import random
import re
import sys

GEMM = """
func.func @layer(%p: i1, %a: memref<64x256xf8E4M3FN>, %sa: memref<2x64xf32>, %b: memref<64x256xf8E4M3FN>, %sb: memref<1x2xf32>, %d: memref<64x64xbf16>) {
  scf.if %p {
    dgemm.gemm dense lhs(%a scaled %sa by [1, 128]) rhs(%b scaled %sb by [128, 128]) out(%d)
        : (memref<64x256xf8E4M3FN>, memref<2x64xf32>, memref<64x256xf8E4M3FN>, memref<1x2xf32>, memref<64x64xbf16>)
  }
  return
}
"""
TYPES = ["i1", "i8", "i32", "i64", "index", "f16", "bf16", "f32", "f64", "memref<?xf32>", "memref<8x16xi64>",
         "memref<4x?xbf16, strided<[?, 1], offset: ?>>"]  # fmt: skip
SCALARS = TYPES[:9]
INTEGERS = TYPES[1:5]
FLOATS = TYPES[5:9]


class Function:
    """One function: values that are in scope, by type, and the text so far."""

    def __init__(self, rng, name, earlier):
        self.rng, self.name, self.earlier = rng, name, earlier
        self.count, self.lines, self.scopes = 0, [], [{}]
        self.arguments = [rng.choice(TYPES) for _ in range(rng.randrange(6))]
        self.results = [rng.choice(SCALARS) for _ in range(rng.randrange(3))]

    def new(self, type):
        name = f"%v{self.count}"
        self.count += 1
        self.scopes[-1].setdefault(type, []).append(name)
        return name

    def emit(self, line):
        self.lines.append("  " * (len(self.scopes)) + line)

    def value(self, type):
        """A value in scope, or a new constant or buffer."""
        known = [name for scope in self.scopes for name in scope.get(type, [])]
        if known and self.rng.random() < 0.8:
            return self.rng.choice(known)
        if type == "memref<?xf32>":
            size = self.value("index")
            name = self.new(type)
            self.emit(f"{name} = memref.alloc({size}) : {type}")
        elif type == "memref<8x16xi64>":
            name = self.new(type)
            self.emit(f"{name} = memref.alloca() : {type}")
        elif type.startswith("memref"):
            size = self.value("index")
            name, base = self.new(type), f"%v{self.count}"
            self.count += 1
            self.emit(f"{base} = memref.alloc({size}) : memref<4x?xbf16>")
            self.emit(f"{name} = memref.cast {base} : memref<4x?xbf16> to {type}")
        else:
            name = self.new(type)
            text = {"i1": "true", "i8": str(self.rng.randrange(-128, 128)), "index": str(self.rng.randrange(1 << 40))}
            number = f"{self.rng.randrange(64)}.5" if type in FLOATS else text.get(type, str(self.rng.randrange(1 << 31)))
            self.emit(f"{name} = arith.constant {number}" + ("" if type == "i1" else f" : {type}"))
        return name

    def arithmetic(self):
        rng = self.rng
        kind = rng.randrange(6)
        if kind == 0:
            type = rng.choice(INTEGERS)
            x, y = self.value(type), self.value(type)
            op = rng.choice(["addi", "muli", "subi", "andi", "xori", "shli", "divui", "minsi", "maxui"])
            self.emit(f"{self.new(type)} = arith.{op} {x}, {y} : {type}")
        elif kind == 1:
            type = rng.choice(FLOATS)
            x, y = self.value(type), self.value(type)
            self.emit(f"{self.new(type)} = arith.{rng.choice(['addf', 'mulf', 'divf', 'maximumf'])} {x}, {y} : {type}")
        elif kind == 2:
            type = rng.choice(INTEGERS)
            x, y = self.value(type), self.value(type)
            self.emit(f"{self.new('i1')} = arith.cmpi {rng.choice(['slt', 'ult', 'eq', 'ne'])}, {x}, {y} : {type}")
        elif kind == 3:
            type = rng.choice(SCALARS)
            p, x, y = self.value("i1"), self.value(type), self.value(type)
            self.emit(f"{self.new(type)} = arith.select {p}, {x}, {y} : {type}")
        elif kind == 4:
            x = self.value("index")
            type = rng.choice(["i32", "i64"])
            self.emit(f"{self.new(type)} = arith.index_cast {x} : index to {type}")
        else:
            x = self.value("bf16")
            self.emit(f"{self.new('f32')} = arith.extf {x} : bf16 to f32")

    def memory(self):
        rng = self.rng
        type = rng.choice(TYPES[9:])
        buffer, rank = self.value(type), 1 if "<?x" in type else 2
        element = re.search(r"x([bfi]+[0-9]+)[,>]", type).group(1)
        indices = ", ".join(self.value("index") for _ in range(rank))
        kind = rng.randrange(3)
        if kind == 0:
            self.emit(f"{self.new(element)} = memref.load {buffer}[{indices}] : {type}")
        elif kind == 1:
            value = self.value(element)
            self.emit(f"memref.store {value}, {buffer}[{indices}] : {type}")
        else:
            i = self.value("index")
            self.emit(f"{self.new('index')} = memref.dim {buffer}, {i} : {type}")

    def block(self, depth):
        self.scopes.append({})
        for _ in range(self.rng.randrange(1, 5)):
            self.statement(depth + 1)

    def loop(self, depth):
        begin, end, step = (self.value("index") for _ in range(3))
        type = self.rng.choice(SCALARS)
        init = self.value(type)
        result, i, carried = f"%v{self.count}", f"%v{self.count + 1}", f"%v{self.count + 2}"
        self.count += 3
        self.emit(f"{result} = scf.for {i} = {begin} to {end} step {step} iter_args({carried} = {init}) -> ({type}) {{")
        self.block(depth)
        self.scopes[-1].setdefault(type, []).append(carried)
        self.scopes[-1].setdefault("index", []).append(i)
        self.arithmetic()
        self.emit(f"scf.yield {self.value(type)} : {type}")
        self.scopes.pop()
        self.emit("}")
        self.scopes[-1].setdefault(type, []).append(result)

    def branch(self, depth):
        condition = self.value("i1")
        self.emit(f"scf.if {condition} {{")
        self.block(depth)
        self.scopes.pop()
        self.emit("} else {")
        self.block(depth)
        self.scopes.pop()
        self.emit("}")

    def call(self):
        if not self.earlier:
            return self.arithmetic()
        callee = self.rng.choice(self.earlier)
        operands = [self.value(type) for type in callee.arguments]
        result = f"%v{self.count}"
        self.count += 1
        prefix = f"{result}{f':{len(callee.results)}' if len(callee.results) > 1 else ''} = " if callee.results else ""
        types = ", ".join(callee.results)
        self.emit(f"{prefix}func.call @{callee.name}({', '.join(operands)}) : ({', '.join(callee.arguments)}) -> ({types})")
        if len(callee.results) == 1:
            self.scopes[-1].setdefault(callee.results[0], []).append(result)

    def statement(self, depth):
        choice = self.rng.random()
        if choice < 0.5:
            self.arithmetic()
        elif choice < 0.7:
            self.memory()
        elif choice < 0.8:
            self.call()
        elif depth < 3:
            self.rng.choice([self.loop, self.branch])(depth)

    def write(self):
        arguments = ", ".join(f"{self.new(type)}: {type}" for type in self.arguments)
        for _ in range(self.rng.randrange(1, 12)):
            self.statement(0)
        results = [self.value(type) for type in self.results]
        self.emit(f"return {', '.join(results)} : {', '.join(self.results)}" if results else "return")
        private = "private " if self.rng.random() < 0.2 else ""
        attributes = ' attributes {my.attr = "x", my.number = 3 : i64}' if self.rng.random() < 0.2 else ""
        head = f"func.func {private}@{self.name}({arguments}) -> ({', '.join(self.results)}){attributes} {{"
        return "\n".join([head, *self.lines, "}"])


def write(count, seed):
    rng, functions = random.Random(seed), []
    place = rng.randrange(count)
    for i in range(count):
        if i == place:
            print(GEMM)
        functions.append(Function(rng, f"foreign_{i}", functions[-8:]))
        print(functions[-1].write())


def compare(before, after):
    texts = []
    for path in (before, after):
        with open(path) as file:
            texts.append(file.read())
    functions = re.findall(r"^  func\.func .*?^  }\n", texts[0], flags=re.MULTILINE | re.DOTALL)
    foreign = [function for function in functions if "@foreign_" in function.split("\n", 1)[0]]
    changed = [function for function in foreign if function not in texts[1]]
    print(f"{len(foreign)} functions, {len(changed)} changed")
    if changed:
        print("the first function that changed:\n" + changed[0])
    if "dgemm.gemm" not in texts[0] or "dgemm.gemm" in texts[1]:
        sys.exit("the pipeline did not lower the gemm")
    return 1 if changed or not foreign else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    writer = commands.add_parser("write")
    writer.add_argument("--count", type=int, default=200)
    writer.add_argument("--seed", type=int, default=1)
    comparer = commands.add_parser("compare")
    comparer.add_argument("before")
    comparer.add_argument("after")
    args = parser.parse_args()
    if args.command == "write":
        return write(args.count, args.seed)
    return compare(args.before, args.after)


if __name__ == "__main__":
    sys.exit(main())
