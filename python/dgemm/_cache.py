"""The disk cache: one file for each kernel, written whole or not at all, and checked when it is read.

A file is MAGIC, the SHA-256 of all that follows, the length of a JSON header, the header, PTX and cubin. The header holds
the whole key, so that a file that was renamed, or made by another compiler, is not taken for this one.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import secrets
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from . import _env

_MAGIC = b"dgemm kernel 1\n\0"
_DIGEST = 32
_LENGTH = struct.Struct("<I")
SUFFIX = ".dgemm"


class CorruptEntry(Exception):
    """What is wrong with a file of the cache."""


def entry_name(key: dict[str, Any]) -> str:
    """File name of a key."""
    text = json.dumps(key, sort_keys=True)
    return f"{key['entry']}-{hashlib.sha256(text.encode()).hexdigest()[:32]}{SUFFIX}"


def encode(key: dict[str, Any], kernel: dict[str, Any]) -> bytes:
    """The bytes of an entry; `kernel` as _dgemm.compile returns it."""
    ptx = kernel["ptx"].encode()
    header = json.dumps({"key": key, "launch": kernel["launch"], "resources": kernel["resources"],
                         "times_ms": kernel["times_ms"], "ptx": len(ptx), "cubin": len(kernel["cubin"])}).encode()
    body = _LENGTH.pack(len(header)) + header + ptx + kernel["cubin"]
    return _MAGIC + hashlib.sha256(body).digest() + body


def decode(data: bytes, key: dict[str, Any] | None = None) -> tuple[dict[str, Any], dict[str, Any]]:
    """Key and kernel of an entry. Raises CorruptEntry, also for an entry of another key than `key`."""
    start = len(_MAGIC) + _DIGEST
    if not data.startswith(_MAGIC) or len(data) < start + _LENGTH.size:
        raise CorruptEntry("it is no kernel of this version of the cache")
    body = data[start:]
    if hashlib.sha256(body).digest() != data[len(_MAGIC):start]:
        raise CorruptEntry("its checksum is wrong: it is truncated or damaged")
    (length,) = _LENGTH.unpack_from(body)
    header = json.loads(body[_LENGTH.size:_LENGTH.size + length])
    if key is not None and header["key"] != key:
        raise CorruptEntry("it holds another kernel")
    payload = body[_LENGTH.size + length:]
    kernel = {"ptx": payload[:header["ptx"]].decode(), "cubin": payload[header["ptx"]:], "launch": header["launch"],
              "resources": header["resources"], "times_ms": header["times_ms"]}
    return header["key"], kernel


def read(key: dict[str, Any]) -> dict[str, Any] | None:
    """The kernel of `key`; None if there is none, or only a file that is not right."""
    path = _env.cache_dir() / entry_name(key)
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        _complain(path.parent, error)
        return None
    try:
        return decode(data, key)[1]
    except (CorruptEntry, ValueError, KeyError, TypeError) as error:
        _env.debug(f"cache: {path} is compiled anew: {error}")
        return None


def write(key: dict[str, Any], kernel: dict[str, Any]) -> bool:
    """Stores a kernel; False, with one warning in the process, if the folder cannot be written or is full."""
    folder = _env.cache_dir()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _write_whole(folder / entry_name(key), encode(key, kernel))
        return True
    except OSError as error:
        _complain(folder, error)
        return False


def _write_whole(path: Path, data: bytes) -> None:
    """Readers see the old file or all of the new one, also after a crash."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}.tmp")
    try:
        with open(temporary, "xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    with contextlib.suppress(OSError):  # not every file system can
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _complain(folder: Path, error: OSError) -> None:
    reason = errno.errorcode.get(error.errno or 0, "error")
    _env.warn_once(f"cache {folder}", f"the kernel cache in {folder} cannot be used ({reason}: {error.strerror}); "
                                      "kernels are kept in memory only, and each process compiles its own. "
                                      "DGEMM_CACHE_DIR names another folder")


@contextlib.contextmanager
def lock(key: dict[str, Any]) -> Iterator[None]:
    """Holds the lock of `key` against other processes, as long as they live; the kernel releases it if one is killed.

    fcntl's locks also hold between machines on NFS. They do not hold between threads of one process: the caller has a
    lock for those. Without a writable folder there is nothing to guard, and no lock.
    """
    path = _env.cache_dir() / (entry_name(key) + ".lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = open(path, "ab")
    except OSError as error:
        _complain(path.parent, error)
        yield
        return
    with file:
        with contextlib.suppress(OSError):  # ENOLCK: then two processes may compile the same, and either result serves
            fcntl.lockf(file, fcntl.LOCK_EX)
        yield


def entries() -> Iterator[tuple[Path, dict[str, Any] | None, str]]:
    """Each file of the cache, with its key, or None and what is wrong with it."""
    for path in sorted(_env.cache_dir().glob(f"*{SUFFIX}")):
        try:
            yield path, decode(path.read_bytes())[0], ""
        except (CorruptEntry, ValueError, KeyError, TypeError, OSError) as error:
            yield path, None, str(error)


def clear(only_bad: bool = False) -> int:
    """Removes all entries, or those that are damaged, and what killed processes left behind. Returns their number."""
    removed = 0
    for path, key, _ in list(entries()):
        if key is None or not only_bad:
            path.unlink(missing_ok=True)
            removed += 1
    for pattern in (f".*{SUFFIX}.*.tmp",) + (() if only_bad else (f"*{SUFFIX}.lock", "assembler-*.json")):
        for path in _env.cache_dir().glob(pattern):
            path.unlink(missing_ok=True)
    return removed
