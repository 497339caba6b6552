"""python -m dgemm: precompile, cache, info, install-ptxas, bench, tune."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys

import dgemm
from dgemm import _assembler, _bench, _cache, _device, _dgemm, _env, _jit
from dgemm._problem import ACCURACIES, FP8_DTYPES, GRANULARITIES, OUT_DTYPES


def _range(text: str) -> tuple[int, int]:
    """"4096" or "1:8192"."""
    first, _, last = text.partition(":")
    try:
        return int(first), int(last or first)
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is neither a number nor FIRST:LAST") from None


def _count(text: str) -> int:
    """A positive number."""
    if text.isdigit() and int(text) > 0:
        return int(text)
    raise argparse.ArgumentTypeError(f"'{text}' is not a positive number")


def _add_problem(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--n", type=int, required=True, help="columns of D, rows of B")
    parser.add_argument("--k", type=int, required=True, help="columns of A and B")
    parser.add_argument("--layout", choices=("dense", "contiguous", "masked", "offsets", "k_grouped", "batched"), default="dense")
    parser.add_argument("--groups", type=int, help="number of groups, where there are any")


def _precompile(arguments: argparse.Namespace) -> int:
    kernels = dgemm.precompile(arguments.n, arguments.k, m=arguments.m, layout=arguments.layout,
                               groups=arguments.groups, max_m=arguments.max_m, scale_a=arguments.scale_a,
                               scale_b=arguments.scale_b, recipe_a=arguments.recipe_a, recipe_b=arguments.recipe_b,
                               a_type=arguments.a_type, b_type=arguments.b_type, out=arguments.out,
                               accuracy=arguments.accuracy,
                               row_alignment=arguments.row_alignment, lda=arguments.lda, ldb=arguments.ldb,
                               ldd=arguments.ldd, workers=arguments.jobs, progress=not arguments.quiet)
    lost = sum(_cache.read(_jit.disk_key(kernel.problem, kernel.config, kernel.assembler)) is None for kernel in kernels)
    if lost:
        print(f"error: {lost} of {len(kernels)} kernels could not be stored in {_env.cache_dir() or 'a cache folder'}, and "
              "end with this process", file=sys.stderr)
        return 1
    if not arguments.quiet:
        compiled = sum(kernel.origin == "compiled" for kernel in kernels)
        print(f"{len(kernels)} kernels, {compiled} compiled now, in {_env.cache_dir()}")
    return 0


def _cache_command(arguments: argparse.Namespace) -> int:
    folder = _env.cache_dir()
    if folder is None:
        raise ValueError("there is no home directory, so there is no kernel cache; DGEMM_CACHE_DIR can name a folder")
    if arguments.action == "path":
        print(folder)
    elif arguments.action == "clear":
        print(f"{_cache.clear()} kernels removed from {folder}")
    elif arguments.action == "verify":
        bad = [(path, why) for path, key, _, why in _cache.entries() if key is None]
        for path, why in bad:
            print(f"{path}: {why}")
        print(f"{len(bad)} damaged" + (f", {_cache.clear(only_bad=True)} removed" if arguments.repair else ""))
        return 1 if bad and not arguments.repair else 0
    else:
        total = count = 0
        for path, key, size, why in _cache.entries():
            count += bool(key and not why)
            total += size
            print(f"{size:9d}  " + (f"{key['problem']}  {key['config']}  {key['assembler']}" + ("  not used: ptxas spills or serialises it"
                                    if why else "") if key else f"{path.name}: {why}"))
        print(f"{count} kernels, {total} bytes in {folder}")
    return 0


def _describe_cache() -> str:
    folder = _env.cache_dir()
    try:
        return f"{folder}, {sum(1 for _, key, _, why in _cache.entries() if key and not why)} kernels" if folder else "none: there is no home directory"
    except OSError as error:
        return f"{folder}, not used: {error.strerror}"


def _info(_: argparse.Namespace) -> int:
    print(f"dgemm      {dgemm.__version__}, build {_dgemm.build_id[:16]}, {_dgemm.__file__}")
    print(f"python     {sys.version.split()[0]}")
    try:
        print(f"assembler  {_assembler.find().describe()}")
    except dgemm.CompileError as error:
        print(f"assembler  none: {error}")
    try:
        version = _dgemm.driver_version()
        print(f"driver     CUDA {version // 1000}.{version % 1000 // 10}")
        for device in range(_dgemm.device_count()):
            info = _dgemm.device_info(device)
            major, minor = info["capability"]
            usable = "" if (major, minor) == (9, 0) else "; not supported, dgemm kernels run only on sm_90a"
            print(f"GPU {device}      {info['name']}, sm_{major}{minor}, {info['multiprocessors']} multiprocessors{usable}")
    except RuntimeError as error:
        print(f"driver     none: {error}")
    print(f"cache      {_describe_cache()}")
    return 0


def _install_ptxas(_: argparse.Namespace) -> int:
    # Without its dependencies: ptxas needs none of them, and NVVM alone is twice its size.
    return subprocess.run([sys.executable, "-m", "pip", "install", "--no-deps", _assembler.PTXAS_PACKAGE]).returncode


def _time(arguments: argparse.Namespace) -> int:
    try:
        import torch
    except ImportError:
        raise SystemExit("error: bench needs torch for its tensors; dgemm-run needs only a GPU") from None
    if not torch.cuda.is_available():
        raise SystemExit("error: bench needs a GPU, but torch finds none")
    if arguments.plot:
        try:
            import matplotlib  # noqa: F401: before minutes of measuring
        except ImportError:
            raise SystemExit("error: --plot needs matplotlib: pip install matplotlib") from None
    print(f"{torch.cuda.get_device_name()}, median of {arguments.repeat}, cold L2, with launch")
    results = _bench.run(torch, arguments.m, arguments.n, arguments.k, arguments.repeat, print)
    if arguments.plot:
        title = f"N={arguments.n} K={arguments.k}, {torch.cuda.get_device_name()}"
        _bench.draw(results, _device.machine(torch.cuda.current_device()), title, arguments.plot)
        print(f"drawn into {arguments.plot}")
    return 0


def _tune(arguments: argparse.Namespace) -> int:
    for m in arguments.m:
        ranked = dgemm.tune(arguments.n, arguments.k, m, layout=arguments.layout, groups=arguments.groups,
                            config=("", *arguments.config), best=arguments.best, table=arguments.table,
                            workers=arguments.jobs, progress=not arguments.quiet)
        for index, (microseconds, config) in enumerate(ranked):
            print(f"{'*' if index == 0 else ' '} M={m} N={arguments.n} K={arguments.k}  {microseconds:9.2f} us  {config}")
    print(f"kept in {arguments.table or _env.tuned_table()}")
    return 0


_EPILOG = """\
examples:
  python -m dgemm info                                          which assembler, driver and GPUs are used
  python -m dgemm precompile --n=4096 --k=7168 --m=1:8192       all kernels of a layer
  python -m dgemm bench --n=4096 --k=7168 --m 1 16 64 512       needs a Hopper GPU and torch; --plot=speed.svg draws it
  python -m dgemm cache verify --repair

exit codes:
  0  done
  1  an error (see standard error), or a damaged cache
  2  the command line is wrong
"""


def _make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m dgemm", description="FP8 GEMM kernels for NVIDIA Hopper.", epilog=_EPILOG,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--version", action="version", version=f"dgemm {dgemm.__version__}")
    commands = parser.add_subparsers(dest="command", required=True)

    precompile = commands.add_parser("precompile", help="compile all kernels of a layer into the cache")
    _add_problem(precompile)
    precompile.add_argument("--m", type=_range, default=(1, 8192), help="FIRST:LAST rows, 1:8192 by default; masked: "
                            "expected rows of a group")
    precompile.add_argument("--row-alignment", type=int, metavar="ROWS", help="contiguous: groups start at its multiples, "
                            "128 by default")
    for name, matrix in (("lda", "A"), ("ldb", "B"), ("ldd", "D")):
        precompile.add_argument(f"--{name}", type=int, default=0, metavar="ELEMENTS", help=f"from row to row of {matrix}, "
                                "if rows are padded")
    precompile.add_argument("--max-m", type=int, help="masked: rows that each group has memory for")
    precompile.add_argument("--scale-a", choices=("mn", "k", "any"), default="any", help="innermost order of A's scales")
    precompile.add_argument("--scale-b", choices=("mn", "k", "any"), default="any", help="the same for B's, if each row has "
                            "scales")
    for letter, default in (("a", "1x128"), ("b", "128x128")):
        precompile.add_argument(f"--recipe-{letter}", choices=GRANULARITIES, default=default, help=f"what of "
                                f"{letter.upper()} one scale belongs to, {default} by default")
        precompile.add_argument(f"--{letter}-type", choices=tuple(FP8_DTYPES), default="e4m3", help=f"elements of "
                                f"{letter.upper()}, e4m3 by default")
    precompile.add_argument("--out", choices=tuple(OUT_DTYPES), default="bf16", help="elements of D, bf16 by default")
    precompile.add_argument("--accuracy", choices=ACCURACIES, default="exact", help="fast: the tensor cores sum along all of K, "
                            "for scales that do not vary along it")
    precompile.add_argument("-j", "--jobs", type=int, help="compilations at a time; the number of cores by default")
    precompile.add_argument("-q", "--quiet", action="store_true", help="no progress")
    precompile.set_defaults(run=_precompile)

    cache = commands.add_parser("cache", help="list, verify or clear the kernel cache")
    cache.add_argument("action", choices=("list", "path", "verify", "clear"), nargs="?", default="list")
    cache.add_argument("--repair", action="store_true", help="verify: remove damaged files")
    cache.set_defaults(run=_cache_command)

    info = commands.add_parser("info", help="version, assembler, driver, GPUs and cache")
    info.set_defaults(run=_info)

    install_ptxas = commands.add_parser("install-ptxas", help=f"pip install {_assembler.PTXAS_PACKAGE}, without the 75 MB of "
                                        "NVVM that it depends on")
    install_ptxas.set_defaults(run=_install_ptxas)

    bench = commands.add_parser("bench", help="time dense shapes on the GPU, together with torch and DeepGEMM if these are installed")
    bench.add_argument("--n", type=_count, required=True, help="columns of D, rows of B")
    bench.add_argument("--k", type=_count, required=True, help="columns of A and B")
    bench.add_argument("--m", type=_count, nargs="+", required=True, help="rows, several for a curve")
    bench.add_argument("--repeat", type=_count, default=50, help="samples of each, 50 by default")
    bench.add_argument("--plot", metavar="FILE", help="draw TFLOPS, the roofline and the speed relative to each peer into this .svg or .png "
                       "(needs matplotlib)")
    bench.set_defaults(run=_time)

    tune = commands.add_parser("tune", help="measure configs on the GPU, with torch, and store the fastest for later calls")
    _add_problem(tune)
    tune.add_argument("--m", type=int, nargs="+", required=True, help="rows to tune for, one table entry each; contiguous: "
                      "of all groups together, masked: of each group")
    tune.add_argument("--config", action="append", default=[], metavar="FIELDS", help="also try the best configs with these "
                      "fields, such as 'split_k = 4'; may be repeated")
    tune.add_argument("--best", type=int, default=40, help="configs to try for each set of fields, 40 by default")
    tune.add_argument("--table", help="file of the table; by default the one that calls use (DGEMM_TUNED_TABLE)")
    tune.add_argument("-j", "--jobs", type=int, help="compilations at a time; the number of cores by default")
    tune.add_argument("-q", "--quiet", action="store_true", help="no progress")
    tune.set_defaults(run=_tune)
    return parser


def main(argv: list[str] | None = None) -> int:
    arguments = _make_parser().parse_args(argv)
    try:
        status = arguments.run(arguments)
        sys.stdout.flush()  # here, where a closed pipe can be handled
        return status
    except BrokenPipeError:
        # As in "cache list | head". Buffered output is discarded, so that Python does not write to the closed pipe at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        print(f"error: {error.filename or _env.cache_dir()}: {error.strerror}", file=sys.stderr)
        return 1
    except (ValueError, TypeError, ArithmeticError, dgemm.CompileError, dgemm.DeviceError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
