"""How a server starts: it compiles all kernels that its layers can need, in parallel, before it takes requests.

usage: server.py [--cache FOLDER]     the folder may lie in an image or on a network disk; a second start finds the kernels there
"""

import argparse
import os
import tempfile
import time

# N, K of each block-quantised layer, and the largest batch. Small here, so that the example ends soon.
LAYERS = [(512, 256), (256, 512)]
EXPERTS = {"n": 256, "k": 256, "groups": 4, "max_m": 128}
MAX_ROWS = 512


def start():
    import dgemm

    begin = time.monotonic()
    kernels = []
    for n, k in LAYERS:
        # Scales as a quantiser writes them ("k"), as TMA likes them ("mn"), or whatever comes ("any").
        kernels += dgemm.precompile(n, k, m=(1, MAX_ROWS), scale_a="k", progress=False)
    kernels += dgemm.precompile(EXPERTS["n"], EXPERTS["k"], layout="masked", groups=EXPERTS["groups"], max_m=EXPERTS["max_m"],
                                m=(1, 64), scale_a="k", progress=False)
    compiled = sum(kernel.origin == "compiled" for kernel in kernels)
    print(f"ready after {time.monotonic() - begin:.1f} s: {len(kernels)} kernels, {compiled} compiled now, the others from disk")
    return compiled


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--cache")
    folder = parser.parse_args().cache
    with tempfile.TemporaryDirectory() as temporary:
        os.environ["DGEMM_CACHE_DIR"] = folder or temporary
        start()
        if not folder:
            import dgemm

            # What a second process would see: it knows no kernel and finds all of them on disk.
            dgemm._jit._kernels.clear()
            assert start() == 0


if __name__ == "__main__":
    main()
