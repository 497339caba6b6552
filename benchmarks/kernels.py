"""Compiles kernels with dgemm-gen in parallel into a folder that serves as a cache. Needs no GPU.

FOLDER/GENERATOR/ROW/CONFIG/kernel.{cubin,json}: GENERATOR is a hash of the dgemm-gen that made them, so a new
compiler never uses old kernels. A folder from another machine works without dgemm-gen if it has only one generator.
"""
import concurrent.futures
import dataclasses
import hashlib
import os
import re
import shutil
import subprocess
import time


class CompileError(Exception):
    """dgemm-gen failed, or a kernel is not compiled and there is no dgemm-gen."""


@dataclasses.dataclass
class CompiledKernel:
    image: bytes
    launch: str
    # Wall time of its compilation; None if it was found in the folder.
    seconds: float | None


def config_slug(config):
    """The folder name of the config."""
    return re.sub(r"[^A-Za-z0-9]+", "_", config).strip("_") or "default"


class KernelStore:
    """`gen`: path of dgemm-gen, or None to use only kernels of `folder`."""

    def __init__(self, folder, gen=None, jobs=None):
        self.gen = gen
        if gen and not os.access(gen, os.X_OK):
            raise CompileError(f"'{gen}' is not an executable dgemm-gen")
        self.folder = os.path.join(folder, self._hash_generator() if gen else self._find_generator(folder))
        self._pool = concurrent.futures.ThreadPoolExecutor(jobs or os.cpu_count())
        self._pending = {}

    def close(self):
        """Cancels compilations that have not started; waits for the others."""
        self._pool.shutdown(cancel_futures=True)

    def wait_for_all(self):
        """Waits for all compilations. Returns [(row, config, CompileError)] of those that failed."""
        failed = []
        for row, config in list(self._pending):
            try:
                self.get(row, config)
            except CompileError as error:
                failed.append((row, config, error))
        return failed

    def list_configs(self, row, fields=""):
        """Every legal config with the given fields, in the order of the cost model."""
        return self._run(row.flags() + self._config_flag(fields) + ["--list-configs"]).splitlines()

    def list_neighbours(self, row, config, fields=""):
        """The legal configs with the given fields that are one step away from a whole `config`."""
        return self._run(row.flags() + self._config_flag(fields) + [f"--list-neighbours={config}"]).splitlines()

    def list_orders(self, config):
        """Variants of a whole `config` in the order of tiles and K blocks alone, which lists of configs do not vary."""
        return self._run([f"--list-orders={config}"]).splitlines()

    def submit(self, row, config=""):
        """Starts to compile, if that is not done. `config`: fields to take as given; the compiler chooses the rest."""
        key = (row, config)
        if key not in self._pending:
            self._pending[key] = self._pool.submit(self._compile, row, config)
        return self._pending[key]

    def get(self, row, config=""):
        """The compiled kernel; waits for it. Error: CompileError with what dgemm-gen said."""
        future = self.submit(row, config)
        try:
            return future.result()
        finally:
            self._pending.pop((row, config), None)

    def generator_version(self):
        return self._run(["--version"]).strip().splitlines()[0] if self.gen else None

    def _compile(self, row, config):
        target = os.path.join(self.folder, row.slug, config_slug(config))
        seconds = None
        if not os.path.exists(os.path.join(target, "kernel.json")):
            start = time.monotonic()
            self._generate(row, config, target)
            seconds = time.monotonic() - start
        with open(os.path.join(target, "kernel.cubin"), "rb") as image, open(os.path.join(target, "kernel.json")) as launch:
            return CompiledKernel(image.read(), launch.read(), seconds)

    def _generate(self, row, config, target):
        if not self.gen:
            raise CompileError(f"no kernel of {row} with config '{config}' in {self.folder}, and no dgemm-gen to make it")
        partial = f"{target}.partial"
        shutil.rmtree(partial, ignore_errors=True)
        os.makedirs(partial)
        self._run(row.flags() + self._config_flag(config) + [f"--output-dir={partial}"])
        os.remove(os.path.join(partial, "kernel.ptx"))
        os.rename(partial, target)

    @staticmethod
    def _config_flag(config):
        return [f"--config={config}"] if config else []

    def _run(self, flags):
        if not self.gen:
            raise CompileError("this needs dgemm-gen")
        done = subprocess.run([self.gen, *flags], capture_output=True, text=True)
        if done.returncode:
            message = done.stderr.strip() or f"exit code {done.returncode}"
            raise CompileError(f"dgemm-gen {' '.join(flags)}: {message}")
        return done.stdout

    def _hash_generator(self):
        with open(self.gen, "rb") as binary:
            return hashlib.file_digest(binary, "sha256").hexdigest()[:12]

    @staticmethod
    def _find_generator(folder):
        found = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
        if len(found) != 1:
            raise CompileError(f"'{folder}' holds kernels of {len(found)} compilers, expected 1; or name a dgemm-gen")
        return found[0]
