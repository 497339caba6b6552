#!/usr/bin/env python3
"""Breaks kernels in small ways and lists the faults that the emulator does not notice.

usage: mutate_ptx.py [--bin build/bin] [--seconds 60] [--seed 1] [--seeds 20] [--classes dense,pdl] [--all] [--out FILE]

A mutant is a kernel with one instruction deleted or swapped with its neighbour, the parity of one wait flipped, a byte
count, an arrival count or a number of groups changed by one step, or a fence dropped. Only instructions that synchronise,
copy or access memory are changed; the result checks arithmetic. A mutant counts as noticed if one of the seeds ends in a
hazard, an error or a wrong result, with or without --independent-lanes. Survivors are printed with the reason why they are
equivalent, if REASONS has one. The exit code is 1 if a mutant survives without a reason.
"""
import argparse
import concurrent.futures
import os
import random
import re
import subprocess
import sys
import tempfile
import time

REPOSITORY = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

# One kernel for each class of config. Each is small, but has more K blocks than stages and several tiles for its one CTA or cluster, so the
# ring and the buffer of D are reused.
CLASSES = {
    "dense": "--m=256 --n=128 --k=512 --config=block=128x64,stages=3,warpgroups=2,split_k=1",
    "one": "--m=128 --n=128 --k=512 --config=block=64x64,stages=3,warpgroups=1,split_k=1",
    "waves": "--m=256 --n=192 --k=384 --config=block=256x64,stages=2,warpgroups=2,split_k=1",
    "three": "--m=384 --n=192 --k=384 --config=block=192x96,stages=2,warpgroups=3,split_k=1",
    "pair": "--m=256 --n=128 --k=512 --config=block=64x64,stages=3,warpgroups=1,cluster=2x1",
    "quad": "--m=256 --n=128 --k=384 --config=block=64x64,stages=2,warpgroups=1,cluster=2x2",
    "split": "--m=64 --n=128 --k=1024 --config=block=64x64,stages=3,warpgroups=1,split_k=2",
    "rotated": "--m=256 --n=128 --k=384 --config=block=256x64,stages=2,rotate=true,split_k=1",
    "unrolled": "--m=256 --n=144 --k=640 --config=block=128x144,stages=3,warpgroups=2,unroll=2,split_k=1",
    "early": "--m=256 --n=128 --k=384 --config=block=256x64,stages=2,early_store=true,serpentine=true",
    "wide": "--m=128 --n=512 --k=384 --config=block=128x256,stages=2,warpgroups=2,even_waves=true",
    "turns": "--m=256 --n=128 --k=384 --config=block=64x64,stages=3,pingpong=true",
    "narrow": "--m=64 --n=24 --k=512 --config=block=64x8,stages=3,warpgroups=1,split_k=1",
    "pdl": "--m=128 --n=128 --k=512 --config=block=64x64,stages=3,warpgroups=1 --pdl",
    "generic": "--m=70 --n=57 --k=601 --config=block=64x48,stages=3",
    "contiguous": "--layout=contiguous --m=256 --groups=2 --n=136 --k=400 --row-alignment=128 --config=block=128x64,stages=3",
    "masked": "--layout=masked --m=100 --groups=3 --n=136 --k=400 --config=block=64x64,stages=3",
}

INTERESTING = re.compile(
    r"\b(mbarrier|bar|barrier|fence|wgmma|cp|st|ld|red|atom|griddepcontrol|setmaxnreg|elect|shfl|stmatrix|ldmatrix|mapa)\.")
INSTRUCTION = re.compile(r"^\t(@!?%\w+\s+)?[a-z][\w.:]*[\s;]")
SYNC = re.compile(r"\b(mbarrier|bar|barrier|fence|wgmma|cp|griddepcontrol|setmaxnreg|elect|stmatrix)\.|\bst\.(async|shared)|"
                   r"\bld\.shared")

# (class, kind of mutant, text of its lines, why it is not a fault)
REASONS = [
    ("", "", r"prefetch", "a prefetch is a hint"),
    ("", "", r"griddepcontrol\.launch_dependents", "a hint: the next kernel starts earlier or later, and waits"),
    ("", "delete", r"setmaxnreg\.inc", "PTX registers are virtual: ptxas makes the registers of the entry suffice"),
    ("", "delete", r"setmaxnreg\.dec", "the pool is large enough here without the released registers"),
    ("", "swap", r"^mbarrier\.init.* / mbarrier\.init", "two unrelated mbarriers"),
    ("", "swap", r"^mbarrier\.init.* / fence\.mbarrier_init", "only threads of this CTA use the mbarrier after the fence"),
    ("", "swap", r"^ld\..* / ld\.", "two loads"),
    ("", "swap", r"^ld\..* / wgmma\.(fence|wait)", "the release of the stage orders a load of scales, not wgmma"),
    ("", "swap", r"^cp\.async.*global\.shared::cta.* / cp\.async.*global\.shared::cta", "two stores of one group"),
    ("", "swap", r"^cp\.async\.ca.* / cp\.async\.ca", "two copies of one group"),
    ("", "swap", r"^wgmma\.commit_group.* / shfl\.", "neither waits for the other"),
    ("", "swap", r"^mapa.* / mbarrier\.arrive", "mapa is arithmetic"),
    ("", "swap", r"^mbarrier\.arrive.*cluster.* / mbarrier\.arrive.*cluster", "arrivals at two mbarriers"),
    ("unrolled", "delete", r"wgmma\.fence", "the next wgmma has its own registers, not accessed since the previous fence"),
    ("generic", "delete", r"ld\.global\.nc\.b32", "the second scale of B, of columns past 128, which N = 57 does not have"),
    ("contiguous", "delete", r"ld\.global\.nc\.b32", "it detects tiles of padding, which this problem does not have"),
    ("split", "", r"bar\.sync\s+0,", "the cluster barrier right after it orders the same accesses"),
    ("split", "swap", r"setmaxnreg.* / barrier\.cluster\.wait", "neither waits for the other"),
    ("split", "", r"bar\.warp\.sync", "the arrival at the cluster right after it waits for the warp"),
]


class Mutant:
    def __init__(self, kind, line, text, lines):
        self.kind, self.line, self.text, self.lines = kind, line, text, lines

    def reason(self, name):
        return next((why for where, kind, text, why in REASONS
                     if where in ("", name) and kind in ("", self.kind) and re.search(text, self.text)), None)


def is_instruction(line):
    """True unless the line is a label, directive or branch."""
    return bool(INSTRUCTION.match(line)) and not re.search(r"\b(bra|ret)\b", line)


def defines(line):
    """Registers that an instruction writes."""
    text = re.sub(r"^\t(@!?%\w+\s+)?", "", line)
    if re.match(r"(st|red|bar|barrier|fence|cp|mbarrier\.(init|inval|expect_tx)|stmatrix|griddepcontrol|setmaxnreg|"
                r"prefetch)\b", text):  # fmt: skip
        return set()
    first = re.match(r"\S+\s+(\{[^}]*\}|[^,;]*)", text)
    return set(re.findall(r"%\w+", first[1])) if first else set()


def depend(first, second):
    """True if one writes a register that the other uses."""
    return bool(defines(first) & set(re.findall(r"%\w+", second)) or defines(second) & set(re.findall(r"%\w+", first)))


def commute(first, second):
    """True if the order does not matter: arithmetic, and an instruction that shares no register with it."""
    return not (INTERESTING.search(first) and INTERESTING.search(second)) and not depend(first, second)


def mutants(ptx):
    """All mutants of a kernel."""
    lines = ptx.split("\n")
    for i, line in enumerate(lines):
        if not INTERESTING.search(line) or not is_instruction(line) or "ld.param" in line:
            continue

        def edit(kind, *new, end=i + 1):
            shown = " / ".join(text.strip() for text in lines[i:end])
            return Mutant(kind, i + 1, shown, lines[:i] + list(new) + lines[end:])

        yield edit("delete", "")
        after = lines[i + 1] if i + 1 < len(lines) else ""
        if is_instruction(after) and (SYNC.search(line) or SYNC.search(after)) and not commute(line, after):
            yield edit("swap", after, line, end=i + 2)
        wait = re.search(r"(try_wait\.parity\S* .*, )(%r\d+|\d+);", line)
        if wait:
            yield edit("parity", "\t{", "\t.reg .b32 %flipped;", f"\txor.b32 %flipped, {wait[2]}, 1;",
                       line.replace(wait[2] + ";", "%flipped;"), "\t}")
        groups = re.search(r"wait_group\S*\s+(\d+);", line)
        if groups:
            yield edit("groups", line.replace(groups[1] + ";", f"{int(groups[1]) + 1};"))
        count = re.search(r"(mbarrier\.init|expect_tx|mbarrier\.arrive)\S*\s.*, (%r\d+);", line)
        if count:
            step = 16 if "expect_tx" in line else 1
            for delta in (-step, step):
                yield edit(f"count{delta:+}", "\t{", "\t.reg .b32 %more;", f"\tadd.s32 %more, {count[2]}, {delta};",
                           line.replace(count[2] + ";", "%more;"), "\t}")
        threads = re.search(r"\bbar\.(sync|arrive)\s+(%r\d+|\d+), (\d+);", line)
        if threads:
            for delta in (-32, 32):
                yield edit(f"threads{delta:+}", line.replace(f", {threads[3]};", f", {int(threads[3]) + delta};"))


class Checker:
    def __init__(self, args, folder):
        self.args, self.folder = args, folder
        self.kernels = {}

    def compile(self, name):
        paths = {}
        for stage, suffix in (("ptx", "ptx"), ("launch", "json")):
            paths[suffix] = os.path.join(self.folder, f"{name}.{suffix}")
            subprocess.run([os.path.join(self.args.bin, "dgemm-gen"), *CLASSES[name].split(), f"--emit={stage}", "-o",
                            paths[suffix]], check=True)
        self.kernels[name] = paths
        with open(paths["ptx"]) as file:
            return file.read()

    def run(self, name, kernel, first, seeds, lanes):
        """True if all seeds pass."""
        command = [os.path.join(self.args.bin, "dgemm-run"), "--device=emulator", "--no-time", "--multiprocessors=1",
                   f"--kernel={kernel}",
                   f"--launch={self.kernels[name]['json']}", f"--seed={first}", f"--seeds={seeds}", "--timeout=20"]
        if lanes:
            command.append("--independent-lanes")
        return subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0

    def survives(self, name, index, mutant):
        kernel = os.path.join(self.folder, f"{name}-{index}.ptx")
        with open(kernel, "w") as file:
            file.write("\n".join(mutant.lines))
        # One seed finds most of them.
        lives = self.run(name, kernel, 1, 1, False) and (
            self.args.seeds == 1 or self.run(name, kernel, 2, self.args.seeds - 1, False))
        if lives and self.clean_lanes[name]:
            lives = self.run(name, kernel, 1, self.args.lane_seeds, True)
        os.unlink(kernel)
        return lives

    def check_originals(self):
        """Checks that correct kernels are clean. Returns those that are also clean with independent lanes."""
        self.clean_lanes = {}
        for name, paths in self.kernels.items():
            if not self.run(name, paths["ptx"], 1, self.args.seeds, False):
                sys.exit(f"the kernel of class {name} is not clean before it is changed")
            self.clean_lanes[name] = self.run(name, paths["ptx"], 1, max(self.args.lane_seeds, 10), True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", default=os.path.join(REPOSITORY, "build/bin"), help="folder of the tools (default build/bin)")
    parser.add_argument("--classes", default=",".join(CLASSES), help="names, separated by commas")
    parser.add_argument("--seed", type=int, default=1, help="seed of the draw of mutants (default 1)")
    parser.add_argument("--seeds", type=int, default=20, help="schedules that each mutant is run under (default 20)")
    parser.add_argument("--lane-seeds", type=int, default=3, help="schedules with --independent-lanes (default 3)")
    parser.add_argument("--seconds", type=float, default=60, help="time for which mutants are drawn (default 60)")
    parser.add_argument("--all", action="store_true", help="every mutant, without a time limit")
    parser.add_argument("--out", metavar="FILE", help="also write the survivors to this file")
    args = parser.parse_args()
    names = args.classes.split(",")
    unknown = [name for name in names if name not in CLASSES]
    if unknown:
        parser.error(f"unknown class {unknown[0]}; there are {', '.join(CLASSES)}")
    begin = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        checker = Checker(args, folder)
        work = [(name, index, mutant) for name in names for index, mutant in enumerate(mutants(checker.compile(name)))]
        checker.check_originals()
        total = len(work)
        if not args.all:
            random.Random(args.seed).shuffle(work)

        def attempt(item):
            if not args.all and time.monotonic() - begin > args.seconds:
                return None
            return checker.survives(*item)

        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            results = list(pool.map(attempt, work))
    tried = [item for item, result in zip(work, results) if result is not None]
    lines, open_questions = [], 0
    for (name, _, mutant), result in zip(work, results):
        if result:
            reason = mutant.reason(name)
            open_questions += reason is None
            lines.append(f"{name} {mutant.kind} line {mutant.line}: {mutant.text}  -- {reason or 'NO REASON KNOWN'}")
    lines.sort()
    print("\n".join(lines))
    apart = [name for name, clean in checker.clean_lanes.items() if not clean]
    if apart:
        print(f"not run with --independent-lanes, as the correct kernel is not clean there: {', '.join(apart)}")
    print(f"{len(tried)} of {total} mutants of {len(names)} kernels, {args.seeds} seeds: {len(lines)} survive, "
          f"{open_questions} of them without a known reason ({time.monotonic() - begin:.0f} s)")
    if args.out:
        with open(args.out, "w") as file:
            file.write("\n".join(lines) + "\n")
    return 1 if open_questions else 0


if __name__ == "__main__":
    sys.exit(main())
