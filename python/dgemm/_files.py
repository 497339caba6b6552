"""Files that this package keeps between processes, in folders that no other user can write to.
Kernels from disk run on the GPU. So a folder is used only if it and its files belong to this user or to root, and no one
else can write to it. All access uses a descriptor of the folder that was checked, so a path that changes its target in
between has no effect.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path

MAX_BYTES = 64 << 20
"""The largest size of a file; a kernel is about 100 KB."""

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_LOCK = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class UntrustedError(PermissionError):
    """Another user could have written the file."""


def _check_owner(status: os.stat_result) -> None:
    if status.st_uid not in (os.geteuid(), 0):
        raise UntrustedError(errno.EPERM, f"it belongs to user {status.st_uid}, not to user {os.geteuid()} or root")
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise UntrustedError(errno.EPERM, f"others can write to it, its mode is {stat.S_IMODE(status.st_mode):04o}; "
                                          "run chmod go-w on it")


@contextlib.contextmanager
def open_folder(path: Path, create: bool = False, trusted: bool = True) -> Iterator[int]:
    """The descriptor of a folder that is ours; `trusted` False skips this check. `create` makes a missing folder, for this user
    alone. OSError if there is no folder, UntrustedError if others can write to it."""
    if create:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if trusted:
            _check_owner(os.fstat(folder))
        yield folder
    finally:
        os.close(folder)


def _check_status(status: os.stat_result, trusted: bool) -> os.stat_result:
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "it is not a regular file")
    if trusted:
        _check_owner(status)
    if status.st_size > MAX_BYTES:
        raise OSError(errno.EFBIG, f"it has {status.st_size} bytes; at most {MAX_BYTES} are read")
    return status


def check(folder: int, name: str, trusted: bool = True) -> os.stat_result:
    """The status of a regular file; `trusted` False also takes a link, and files of others. OSError as for read()."""
    return _check_status(os.stat(name, dir_fd=folder, follow_symlinks=not trusted), trusted)


def read(folder: int, name: str) -> bytes:
    """The content of a regular file that is ours. OSError for a link, a FIFO, a file of others, or one that is too large."""
    with open(os.open(name, _READ, dir_fd=folder), "rb") as file:
        _check_status(os.fstat(file.fileno()), trusted=True)
        return file.read(MAX_BYTES)


def write(folder: int, name: str, data: bytes) -> None:
    """Replaces a file atomically, also in a crash: readers see the old or the new file. A link is replaced, not followed."""
    temporary = f".{name}.{secrets.token_hex(16)}.tmp"
    try:
        with open(os.open(temporary, _CREATE, 0o644, dir_fd=folder), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary, dir_fd=folder)
        raise
    with contextlib.suppress(OSError):  # some file systems cannot
        os.fsync(folder)


@contextlib.contextmanager
def lock(folder: int, name: str) -> Iterator[None]:
    """Holds the lock file `name` against other processes; the operating system releases it if the holder is killed.
    fcntl's locks also work between machines on NFS. They do not work between threads of one process. OSError if the file
    cannot be made or is not ours.
    """
    with open(os.open(name, _LOCK, 0o644, dir_fd=folder), "r+b", buffering=0) as file:
        _check_status(os.fstat(file.fileno()), trusted=False)
        with contextlib.suppress(OSError):  # ENOLCK: two processes may then do the same work, and either result is good
            fcntl.lockf(file, fcntl.LOCK_EX)
        yield
