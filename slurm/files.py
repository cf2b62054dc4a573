"""Files of a run folder that other users may have tampered with: no link, pipe or device is opened.

(`trainable.disk.directory` does the same for a search; this package knows neither of the others.)
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

MAX_TEXT_BYTES = 64 << 20
"""Maximum length of a text that is read whole; of a longer one the end is read."""

APPEND = os.O_WRONLY | os.O_APPEND | os.O_CREAT

_SAFE = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def opened(path: Path, flags: int = os.O_RDONLY, mode: int = 0o644) -> int:
    """Open a regular file; return its descriptor.

    Raises:
        OSError: it is not there, or no file.
    """
    try:
        if not stat.S_ISREG(path.lstat().st_mode):  # opening a device may do something
            raise OSError(errno.EINVAL, f"it is no file: {path}")
    except FileNotFoundError:
        if not flags & os.O_CREAT:
            raise
    descriptor = os.open(path, flags | _SAFE, mode)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, f"it is no file: {path}")
    return descriptor


def read_text(path: Path, max_bytes: int = MAX_TEXT_BYTES) -> str:
    """Return the text of a file, or its last `max_bytes`; what is not UTF-8 is replaced.

    Raises:
        OSError: it cannot be read.
    """
    with os.fdopen(opened(path), "rb") as handle:
        handle.seek(max(0, os.fstat(handle.fileno()).st_size - max_bytes))
        return handle.read().decode(errors="replace")


def read_plain(path: Path) -> bytes | None:
    """Return the first MiB of a file; None where there is none, or something else."""
    try:
        with os.fdopen(opened(path), "rb") as handle:
            return handle.read(1 << 20)
    except OSError:
        return None


def touch(path: Path) -> None:
    """Create a file, or set its modification time to the disk's."""
    descriptor = opened(path, os.O_WRONLY | os.O_CREAT)
    try:
        os.utime(descriptor)
    finally:
        os.close(descriptor)


def own_folder(path: Path) -> None:
    """Make a folder, with those above it, that is closed to others; it and the one above are no
    links.

    Raises:
        OSError: something else is there.
    """
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    for each in (path.parent, path):
        if not stat.S_ISDIR(each.lstat().st_mode):
            raise OSError(errno.ENOTDIR, f"{each} is a link")
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | _SAFE)
    try:
        os.fchmod(descriptor, 0o700)
    finally:
        os.close(descriptor)
