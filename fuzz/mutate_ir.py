#!/usr/bin/env python3
"""Mutates IR and tuned tables, and runs the compiler on them: no pass and no tool may crash, hang or fail without a message.

usage: mutate_ir.py [--bin build/bin] [--seconds 60] [--seed 1] [--out out/fuzz/ir]

The first inputs are those of the lit tests and of fuzz/corpus/ir, and dgemm-gen's IR of a few problems at each level. A
mutant is one of them with lines, numbers, types, attributes or names deleted, duplicated or exchanged. Each pass alone, the
whole pipeline, upstream passes between ours, and dgemm-gen run on it. Where the plugin is built, passes on tensors run by the
distribution's mlir-opt on the tests of test/Plugin and test/Runner.

A fault is: a signal or an exit code other than 0 and 1, the text of an assertion or a sanitizer, more than 20 s, more than
4 GB, exit code 1 without a message, or output that does not parse. Faults are distinguished by where they end, reduced,
and written to --out with the command that shows them. The exit code is 1 if there is any.
The same seed makes the same mutants; their number depends on the time.
"""
import argparse
import collections
import concurrent.futures
import glob
import hashlib
import os
import random
import re
import resource
import subprocess
import sys
import time

REPOSITORY = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SECONDS, BYTES = 20, 4 << 30
BATCH = 32
SEPARATOR = "\n// -----\n"
WORDS = re.compile(r"PLEASE submit a bug|Assertion .* failed|UNREACHABLE executed|LLVM ERROR|Sanitizer|runtime error:")
# Crashes of LLVM 22's own parsers, which mlir-opt-22 has too: an index of llvm.insertvalue or llvm.extractvalue out of range.
UPSTREAM = re.compile(r"MLIR Parser: custom op parser 'llvm\.(insert|extract)value'")
STOCK = ["canonicalize", "cse", "loop-invariant-code-motion", "control-flow-sink", "sccp", "symbol-dce"]
PROBLEMS = ["--m=? --n=64 --k=256", "--m=100 --n=129 --k=200", "--m=? --n=? --k=? --config=block=64x64,split_k=2",
            "--layout=contiguous --m=? --groups=4 --n=72 --k=384 --row-alignment=64 --config=block=64x64,cluster=2x1",
            "--layout=masked --m=200 --groups=? --n=136 --k=512 --config=block=128x256,early_store=true",
            "--m=? --n=512 --k=1024 --config=block=128x128,unroll=4,rotate=true",
            "--m=? --n=512 --k=1024 --scale-a=row --scale-b=row --accuracy=fast --config=block=128x128,pingpong=true"]  # fmt: skip
MLIR_OPT = "/usr/lib/llvm-22/bin/mlir-opt"
TENSORS = {"raise": "dgemm-raise", "fuse-epilogue": "dgemm-fuse-epilogue", "both": "dgemm-raise,dgemm-fuse-epilogue",
           "bufferize": "dgemm-raise,dgemm-fuse-epilogue,one-shot-bufferize{bufferize-function-boundaries allow-unknown-ops}"}
LEVELS = ["problem", "configured", "tiled", "promoted", "specialized", "tma", "wgmma"]


def find_passes():
    """Our passes, as the options of dgemm-opt that run them."""
    names = []
    for path in glob.glob(os.path.join(REPOSITORY, "include/dgemm/*/Passes.td")):
        with open(path) as file:
            names += re.findall(r'Pass<"([\w-]+)"', file.read())
    return sorted(names)


def split_ops(text):
    """The top-level operations, each with the aliases that it may use: an error in one would hide the others."""
    aliases, ops, lines = [], [], []
    for line in text.split("\n"):
        if re.match(r"[#!]\w+ = ", line):
            aliases.append(line)
            continue
        lines.append(line)
        if line.startswith("}"):
            ops.append(lines)
            lines = []
    return ["\n".join(aliases + op) + "\n" for op in ops] if len(ops) > 1 and not "".join(lines).strip() else [text]


def read_inputs(bin_dir):
    """The first inputs, and those of them that the verifier must refuse. A split test file gives several inputs."""
    texts, refused = [], set()
    for path in sorted(glob.glob(os.path.join(REPOSITORY, "test/**/*.mlir"), recursive=True) +
                       glob.glob(os.path.join(REPOSITORY, "fuzz/corpus/ir/*.mlir"))):  # fmt: skip
        with open(path) as file:
            for part in re.split(r"^// -----.*\n", file.read(), flags=re.MULTILINE):
                part = re.sub(r"^\s*//.*\n", "", part, flags=re.MULTILINE).strip()
                if part:
                    texts += split_ops(part + "\n")
                if part and os.path.basename(path).startswith("invalid-"):
                    refused.update(split_ops(part + "\n"))
    for flags in PROBLEMS:
        for level in LEVELS:
            command = [os.path.join(bin_dir, "dgemm-gen"), *flags.split(), f"--emit={level}"]
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode == 0:
                texts.append(done.stdout)
    return texts, refused


def read_tensors():
    """IR with ops of linalg. dgemm-opt does not know them."""
    texts = []
    for path in sorted(glob.glob(os.path.join(REPOSITORY, "test/Plugin/*.mlir")) + glob.glob(os.path.join(REPOSITORY, "test/Runner/*.mlir"))):
        with open(path) as file:
            for part in re.split(r"^// -----.*\n", file.read(), flags=re.MULTILINE):
                texts += split_ops(re.sub(r"^\s*//.*\n", "", part, flags=re.MULTILINE).strip() + "\n")
    return [text for text in texts if text.strip()]


def read_tables():
    """Tuned tables of a few entries."""
    with open(os.path.join(REPOSITORY, "lib/Analysis/TunedTables/h100.json")) as file:
        lines = file.read().split("\n")
    start, entries, end = lines[:5], [line.rstrip(",") for line in lines[5:-3]], lines[-3:]
    return ["\n".join(start + [",\n".join(entries[place : place + 3])] + end) for place in range(0, len(entries), 3)]


class Mutator:
    """Textual changes that often still parse."""

    NUMBERS = [0, 1, -1, 2, 3, 7, 8, 63, 64, 65, 127, 128, 129, 256, 1024, 4096, 2**31 - 1, 2**31, 2**32, 2**63 - 1, -(2**63)]
    TYPES = ["f32", "bf16", "f8E4M3FN", "i32", "i64", "index", "i1", "memref<?x?xf32>", "memref<?x128xf8E4M3FN>", "vector<4xf32>",
             "!dgemm.frag<64x64xf32>", "!dgemm.tile<64x128xf8E4M3FN>", "tensor<4xf32>", "!llvm.ptr"]  # fmt: skip

    def __init__(self, draw, inputs, refused=()):
        """Mutants of `refused` are refused as well, so few are made."""
        self.draw, self.refused = draw, refused
        lines = [line for text in inputs for line in text.split("\n") if line.strip()]
        self.lines = lines
        self.attributes = sorted(set(re.findall(r"[\w.]+ = [\w\"#.]+(?:<[^<>]*>)?", "\n".join(lines))))
        self.changes = [self.delete_line, self.double_line, self.exchange_lines, self.move_line, self.insert_line,
                        self.change_number, self.change_numbers, self.change_numbers, self.change_type, self.change_name,
                        self.change_attribute, self.delete_attribute, self.exchange_ops, self.change_value]  # fmt: skip

    def mutate(self, texts):
        """A mutant of one of `texts`."""
        text = self.draw.choice(texts)
        while text in self.refused and self.draw.random() < 0.9:
            text = self.draw.choice(texts)
        lines = text.split("\n")
        for _ in range(self.draw.choice([1, 1, 1, 1, 2, 2, 3])):
            self.draw.choice(self.changes)(lines)
        return "\n".join(lines)

    def _place(self, lines):
        return self.draw.randrange(len(lines))

    def _replace(self, lines, pattern, make):
        """Replaces one match of `pattern` in a random line that has one."""
        places = [place for place, line in enumerate(lines) if re.search(pattern, line)]
        if not places:
            return
        place = self.draw.choice(places)
        match = self.draw.choice(list(re.finditer(pattern, lines[place])))
        lines[place] = lines[place][: match.start()] + make(match) + lines[place][match.end() :]

    def delete_line(self, lines):
        if len(lines) > 1:
            del lines[self._place(lines)]

    def double_line(self, lines):
        place = self._place(lines)
        lines.insert(place, lines[place])

    def exchange_lines(self, lines):
        a, b = self._place(lines), self._place(lines)
        lines[a], lines[b] = lines[b], lines[a]

    def move_line(self, lines):
        if len(lines) > 1:
            line = lines.pop(self._place(lines))
            lines.insert(self._place(lines), line)

    def insert_line(self, lines):
        lines.insert(self._place(lines), self.draw.choice(self.lines))

    def change_number(self, lines):
        def make(match):
            value = int(match[0])
            return str(self.draw.choice([self.draw.choice(self.NUMBERS), value + 1, value - 1, value * 2, value // 2, -value]))

        self._replace(lines, r"(?<![\w%.#])\d+(?=\D|$)", make)

    def change_numbers(self, lines):
        """Changes one number everywhere, so that types still match."""
        numbers = re.findall(r"(?<![\w%.#])\d+(?=\D|$)", "\n".join(lines))
        if numbers:
            old = self.draw.choice(numbers)
            new = str(self.draw.choice([self.draw.choice(self.NUMBERS), int(old) + 1, int(old) * 2, int(old) // 2]))
            lines[:] = [re.sub(rf"(?<![\w%.#]){old}(?=\D|$)", new, line) for line in lines]

    def change_type(self, lines):
        pattern = r"memref<[^<>]*(?:<[^<>]*>)?[^<>]*>|![\w.]+<[^<>]*>|\b(?:f32|bf16|f8E4M3FN|i32|i64|index|i1)\b"
        others = re.findall(pattern, "\n".join(lines))
        self._replace(lines, pattern, lambda match: self.draw.choice(others + self.TYPES))

    def change_name(self, lines):
        names = re.findall(r'"[^"]*"|@[\w$.]+', "\n".join(lines)) + ['""', '"a b"', '"\\00"', '"M"', '"a"', "@x", '@"a b"']
        self._replace(lines, r'"[^"]*"|@[\w$.]+', lambda match: self.draw.choice(names))

    def change_attribute(self, lines):
        self._replace(lines, r"[\w.]+ = [\w\"#.]+(?:<[^<>]*>)?", lambda match: self.draw.choice(self.attributes))

    def delete_attribute(self, lines):
        self._replace(lines, r",? ?[\w.]+ = [\w\"#.]+(?:<[^<>]*>)?", lambda match: "")

    def exchange_ops(self, lines):
        names = re.findall(r"\b(?:dgemm|arith|scf|memref|nvvm|llvm|func|gpu)\.[\w.]+", "\n".join(lines))
        if names:
            self._replace(lines, r"\b(?:dgemm|arith|scf|memref|nvvm|llvm|func|gpu)\.[\w.]+", lambda match: self.draw.choice(names))

    def change_value(self, lines):
        values = re.findall(r"%[\w#]+", "\n".join(lines))
        if values:
            self._replace(lines, r"%[\w#]+", lambda match: self.draw.choice(values))


def limit_memory():
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if not os.environ.get("DGEMM_FUZZ_SANITIZED"):  # a limit of the address space does not work under a sanitizer
        resource.setrlimit(resource.RLIMIT_AS, (BYTES, BYTES))


Outcome = collections.namedtuple("Outcome", "fault code output errors")


def run(command, text, allow_silence=False):
    """Runs the command on the text; `fault` describes a wrong end, or is None."""
    environment = dict(os.environ, LLVM_DISABLE_SYMBOLIZATION="1")
    try:
        done = subprocess.run(command, input=text, capture_output=True, text=True, errors="replace", timeout=SECONDS,
                              preexec_fn=limit_memory, env=environment)  # fmt: skip
    except subprocess.TimeoutExpired:
        return Outcome("takes more than 20 s", None, "", "")
    fault = None
    if done.returncode < 0 and UPSTREAM.search(done.stderr):
        return Outcome(None, 1, "", done.stderr)
    if done.returncode not in (0, 1):
        fault = f"ends with signal {-done.returncode}" if done.returncode < 0 else f"ends with exit code {done.returncode}"
    elif WORDS.search(done.stderr):
        fault = "prints " + WORDS.search(done.stderr)[0]
    elif done.returncode == 1 and "error" not in done.stderr and not allow_silence:
        fault = "fails without a message"
    return Outcome(fault, done.returncode, done.stdout, done.stderr)


def find_signature(outcome):
    """Where a run ended: the text of an assertion, or the innermost frames of the stack that LLVM prints. A frame without a
    symbol is identified by its offset in a page, which does not depend on the address of the library."""
    words = re.search(r"(Assertion .*|UNREACHABLE.*|LLVM ERROR.*|.*SUMMARY.*)", outcome.errors)
    frames = re.findall(r"^ *\d+ +(\S+) +0x[0-9a-f]+([0-9a-f]{3})(?: (.*?))?(?: \+ \d+)?$", outcome.errors, flags=re.MULTILINE)
    frames = [name or f"{module}+{place}" for module, place, name in frames if not module.startswith("libc.so")]
    return " ".join([outcome.fault, words[1] if words else "", *frames[3:7]])


class Target:
    """A command line that reads IR, or a tuned table, from its standard input. Its first `parses` words read its output."""

    def __init__(self, name, command, splits=False, reads="ir", parses=1):
        self.name, self.command, self.splits, self.reads, self.parser = name, command, splits, reads, command[:parses]

    def check(self, text):
        """(Outcome, signature) of a fault, or None."""
        outcome = run(self.command, text)
        if outcome.fault:
            return outcome, find_signature(outcome)
        if self.splits and outcome.code == 0:
            again = run(self.parser, outcome.output)
            if again.code != 0:
                return Outcome("writes IR that does not parse", again.code, outcome.output, again.errors), (
                    f"{self.name} writes IR that does not parse: " + re.sub(r"^.*?error: ", "", again.errors.split("\n")[0]))
        return None

    def check_batch(self, texts):
        """[(text, Outcome, signature)] of those that show a fault. One process reads all; bisection finds the faulty one."""
        if len(texts) == 1 or not self.splits:
            found = [(text, self.check(text)) for text in texts]
            return [(text, *fault) for text, fault in found if fault]
        outcome = run(self.command + ["--split-input-file"], SEPARATOR.join(texts), allow_silence=True)
        if not outcome.fault and outcome.code == 1 and outcome.errors:
            return []
        if not outcome.fault and outcome.code == 0 and not run([*self.parser, "--split-input-file"], outcome.output).code:
            return []
        if outcome.code is None:  # the others need not wait again for one that hangs
            return [fault for text in texts for fault in self.check_batch([text])]
        half = len(texts) // 2
        return self.check_batch(texts[:half]) + self.check_batch(texts[half:])


def make_targets(bin_dir):
    opt, gen = (os.path.join(bin_dir, tool) for tool in ("dgemm-opt", "dgemm-gen"))
    passes = find_passes()
    targets = [Target(name, [opt, f"--{name}"], splits=True) for name in ["dgemm-to-nvvm", *passes]]
    targets += [Target(f"stock+{name}", [opt, *[f"--{stock}" for stock in STOCK], f"--{name}"], splits=True) for name in passes]
    targets += [Target(f"gen-{stage}", [gen, "-", f"--emit={stage}"]) for stage in ("ptx", "launch")]
    table = "--m=64 --n=576 --k=7168 --emit=configured --tuned-table=/dev/stdin"
    targets.append(Target("tuned-table", [gen, *table.split()], reads="table"))
    plugin = os.path.join(bin_dir, "../lib/DGemmPlugin.so")
    if os.path.exists(MLIR_OPT) and os.path.exists(plugin):
        load = [MLIR_OPT, f"--load-dialect-plugin={plugin}", f"--load-pass-plugin={plugin}", "--allow-unregistered-dialect"]
        targets += [Target(f"tensors-{name}", [*load, f"--pass-pipeline=builtin.module({passes})"], True, "tensors", len(load))
                    for name, passes in TENSORS.items()]  # fmt: skip
    return targets


def reduce(target, text, signature, seconds=30):
    """Fewer lines with the same fault."""
    end, size = time.monotonic() + seconds, 8
    lines = text.split("\n")
    while size >= 1:
        place = 0
        while place < len(lines) and time.monotonic() < end:
            rest = lines[:place] + lines[place + size :]
            fault = target.check("\n".join(rest)) if rest else None
            if fault and fault[1] == signature:
                lines = rest
            else:
                place += size
        size //= 2
    return "\n".join(lines)


def write_fault(out, target, text, outcome, signature):
    name = f"{target.name}-{hashlib.sha256(signature.encode()).hexdigest()[:8]}.mlir"
    command = " ".join([os.path.basename(target.command[0]), *target.command[1:]])
    with open(os.path.join(out, name), "w") as file:
        said = [line for line in outcome.errors.split("\n") if line.strip()][:12]
        file.write(f"// {command} < {name}: {outcome.fault}\n" + "".join(f"//   {line[:200]}\n" for line in said) + text.rstrip() + "\n")
    return name


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", default=os.path.join(REPOSITORY, "build/bin"), help="folder of dgemm-opt and dgemm-gen")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--out", default=os.path.join(REPOSITORY, "out/fuzz/ir"), help="where faults go")
    parser.add_argument("--no-mutants", action="store_true", help="only the unchanged first inputs")
    parser.add_argument("--only", default="", help="targets whose names contain this")
    args = parser.parse_args()
    os.makedirs(args.out, exist_ok=True)
    targets = [target for target in make_targets(args.bin) if args.only in target.name]
    if not targets:
        parser.error(f"no target has '{args.only}' in its name")
    texts, refused = read_inputs(args.bin)
    inputs = {"ir": texts, "table": read_tables(), "tensors": read_tensors()}
    draw = random.Random(args.seed)
    mutators = {kind: Mutator(draw, texts, refused) for kind, texts in inputs.items()}
    # An input that crashes the parser would crash before every pass.
    parse = Target("parse", [os.path.join(args.bin, "dgemm-opt")], splits=True)
    found = {signature: (parse, text, outcome) for text, outcome, signature in parse.check_batch(inputs["ir"])}
    bad = {text for _, text, _ in found.values()}
    inputs["ir"] = [text for text in inputs["ir"] if text not in bad]
    end, tried = time.monotonic() + args.seconds, 0

    def batches():
        """Unchanged first inputs and mutants in turn, then mutants without end."""
        whole = [(target, texts[place : place + BATCH]) for target in targets for texts in [list(inputs[target.reads])]
                 for place in range(0, len(texts), BATCH)]  # fmt: skip
        draw.shuffle(whole)
        while whole or not args.no_mutants:
            if whole:
                yield whole.pop()
            if not args.no_mutants:
                target = draw.choice(targets)
                texts = inputs[target.reads]
                yield target, [mutators[target.reads].mutate(texts) for _ in range(BATCH)]

    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        running, source = {}, batches()
        while True:
            while len(running) < 2 * args.jobs and time.monotonic() < end:
                batch = next(source, None)
                if not batch:
                    break
                running[pool.submit(batch[0].check_batch, batch[1])] = batch
            if not running:
                break
            done, _ = concurrent.futures.wait(running, return_when=concurrent.futures.FIRST_COMPLETED)
            for future in done:
                target, batch = running.pop(future)
                tried += len(batch)
                for text, outcome, signature in future.result():
                    if signature not in found:
                        found[signature] = (target, text, outcome)
                    if text in inputs[target.reads]:  # its mutants would show the same fault
                        inputs[target.reads].remove(text)
    print(f"{tried} inputs, seed {args.seed}: {len(found)} faults")
    for signature, (target, text, outcome) in sorted(found.items()):
        name = write_fault(args.out, target, reduce(target, text, signature), outcome, signature)
        print(f"{os.path.join(args.out, name)}: {target.name} {outcome.fault}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
