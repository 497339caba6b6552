"""The disk cache: one file for each kernel, written completely or not at all, and checked when it is read.

A file has MAGIC, the SHA-256 of the rest, the length of a JSON header, the header, PTX and cubin. The header has the complete
key, so a file that was renamed or made by another compiler is not taken for another entry.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import struct
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from . import _env, _files

_MAGIC = b"dgemm kernel 2\n\0"
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
    """The bytes of an entry; `kernel` as _dgemm.compile returns it, or with why ptxas makes it slow as "slow"."""
    ptx = kernel["ptx"].encode()
    header = json.dumps({"key": key, "launch": kernel["launch"], "resources": kernel["resources"],
                         "times_ms": kernel["times_ms"], "ptx": len(ptx), "cubin": len(kernel["cubin"]),
                         "slow": kernel.get("slow", "")}).encode()
    body = _LENGTH.pack(len(header)) + header + ptx + kernel["cubin"]
    return _MAGIC + hashlib.sha256(body).digest() + body


def decode(data: bytes, key: dict[str, Any] | None = None) -> tuple[dict[str, Any], dict[str, Any]]:
    """Key and kernel of an entry. Raises CorruptEntry, also for an entry of another key than `key`."""
    start = len(_MAGIC) + _DIGEST
    if not data.startswith(_MAGIC) or len(data) < start + _LENGTH.size:
        raise CorruptEntry("it is not a kernel of this version of the cache")
    body = data[start:]
    if hashlib.sha256(body).digest() != data[len(_MAGIC):start]:
        raise CorruptEntry("its checksum is wrong: it is truncated or damaged")
    (length,) = _LENGTH.unpack_from(body)
    header = json.loads(body[_LENGTH.size:_LENGTH.size + length])
    if key is not None and header["key"] != key:
        raise CorruptEntry("it holds another kernel")
    payload = body[_LENGTH.size + length:]
    kernel = {"ptx": payload[:header["ptx"]].decode(), "cubin": payload[header["ptx"]:], "launch": header["launch"],
              "resources": header["resources"], "times_ms": header["times_ms"], "slow": header["slow"]}
    return header["key"], kernel


def read(key: dict[str, Any]) -> dict[str, Any] | None:
    """The kernel of `key`; None if there is no file, or if it is damaged or not ours."""
    name = entry_name(key)
    data = read_file(name)
    if data is None:
        return None
    try:
        return decode(data, key)[1]
    except (CorruptEntry, ValueError, KeyError, TypeError) as error:
        _env.debug(f"cache: {name} is compiled anew: {error}")
        return None


def write(key: dict[str, Any], kernel: dict[str, Any]) -> bool:
    """Stores a kernel; False, with one warning in the process, if the folder is not ours, cannot be written or is full."""
    return write_file(entry_name(key), encode(key, kernel))


def read_file(name: str) -> bytes | None:
    """A file of the cache; None if there is none, or if it or the folder cannot be read or trusted, with one warning."""
    if (path := _env.cache_dir()) is None:
        return None
    try:
        with _files.open_folder(path) as folder:
            try:
                return _files.read(folder, name)
            except FileNotFoundError:
                return None
            except OSError as error:
                _env.warn_once(f"file {path}", f"{path / name} in the kernel cache is not read: {_describe(error)}")
                return None
    except FileNotFoundError:
        return None
    except OSError as error:
        _complain(path, error)
        return None


def write_file(name: str, data: bytes) -> bool:
    """Writes a file of the cache completely; False, with one warning, if that fails."""
    if (path := _env.cache_dir()) is None:
        return False
    try:
        with _files.open_folder(path, create=True) as folder:
            _files.write(folder, name, data)
        return True
    except OSError as error:
        _complain(path, error)
        return False


def _describe(error: OSError) -> str:
    return f"{errno.errorcode.get(error.errno or 0, 'error')}: {error.strerror}"


def _complain(folder: Path, error: OSError) -> None:
    _env.warn_once(f"cache {folder}", f"the kernel cache in {folder} cannot be used ({_describe(error)}); "
                                      "kernels are kept in memory only, and each process compiles its own. "
                                      "DGEMM_CACHE_DIR names another folder")


@contextlib.contextmanager
def lock(key: dict[str, Any]) -> Iterator[None]:
    """Holds the lock of `key` against other processes. The caller has a lock for threads of this one.

    Without a writable folder there is nothing to guard, so there is no lock.
    """
    with contextlib.ExitStack() as stack:
        if (path := _env.cache_dir()) is not None:
            try:
                folder = stack.enter_context(_files.open_folder(path, create=True))
                stack.enter_context(_files.lock(folder, entry_name(key) + ".lock"))
            except OSError as error:
                _complain(path, error)
        yield


def _list(pattern: str) -> tuple[Path | None, list[str]]:
    """The cache folder and its files of a pattern; OSError if it is not ours."""
    path = _env.cache_dir()
    if path is None or not path.exists():
        return path, []
    with _files.open_folder(path) as folder:
        return path, sorted(name for name in os.listdir(folder) if fnmatch(name, pattern))


def entries() -> Iterator[tuple[Path, dict[str, Any] | None, int, str]]:
    """Each file of the cache, its key, its bytes and a text: why ptxas makes the kernel slow, or "". A file with a fault has None as
    its key, and the fault as its text. OSError for a folder of others."""
    path, names = _list(f"*{SUFFIX}")
    for name in names:
        try:
            with _files.open_folder(path) as folder:
                data = _files.read(folder, name)
            key, kernel = decode(data)
            yield path / name, key, len(data), kernel["slow"]
        except OSError as error:
            yield path / name, None, 0, _describe(error)
        except (CorruptEntry, ValueError, KeyError, TypeError) as error:
            yield path / name, None, len(data), str(error)


def clear(only_bad: bool = False) -> int:
    """Removes all entries, or only damaged ones, and leftovers of killed processes. Returns their number.
    OSError for a folder of others."""
    bad = [path.name for path, key, *_ in entries() if key is None or not only_bad]
    path, names = _list("*")
    leavings = (f".*{SUFFIX}.*.tmp",) + (() if only_bad else (f"*{SUFFIX}.lock", "assembler-*.json"))
    old = [name for name in names if any(fnmatch(name, pattern) for pattern in leavings)]
    if bad or old:
        with _files.open_folder(path) as folder:
            for name in bad + old:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(name, dir_fd=folder)
    return len(bad)
