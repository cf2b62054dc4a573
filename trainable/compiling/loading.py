"""Loading a library: what is checked is what is loaded.

A file is opened once; its owner, its mode and the digest in its name are checked by that
descriptor, and its bytes are loaded from memory (``memfd``), so that nothing that happens to the
file meanwhile, or later, reaches this process: a file that is cut short would end it by SIGBUS.
Where there is no such memory it is loaded by a descriptor, and without ``/proc`` by its path.

glibc takes a name that it has loaded before for the same library, without a look at the file, and
numbers of descriptors come again. So each name is another, though all lead to a descriptor; names
are text, since a ``Path`` would write them all the same.
"""

from __future__ import annotations

import itertools
import os
import stat
import struct
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from shoal.trainable.compiling.building import Code, Run, digest
from shoal.trainable.disk import is_ours
from shoal.trainable.errors import CompileError, one_line

_NUMBERS = itertools.count()

_PT_LOAD = 1


class Library:
    """The bytes of a library, checked, and where they come from."""

    def __init__(self, file: Path, content: bytes) -> None:
        self.file, self._content = file, content

    @classmethod
    def read(cls, file: Path) -> Library:
        """Read ``…-DIGEST.so``.

        Raises:
            OSError: it cannot be read.
            CompileError: it is another user's, others can write to it, or it is damaged.
        """
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        with open(descriptor, "rb") as handle:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode) or not is_ours(found.st_uid):
                raise CompileError(f"{file} is not a file of this user")
            if found.st_mode & 0o022:
                raise CompileError(f"others can write to {file}")
            content = handle.read()
        if digest(content) != file.stem.rpartition("-")[2]:
            raise CompileError(f"{file} is damaged")
        return cls(file, content)

    def load(self, code: Code) -> Run:
        """Return the function in it.

        Raises:
            CompileError: there is none.
        """
        if not whole(self._content):
            raise CompileError(f"{self.file} is not a whole library")
        why: Exception | None = None
        for name in self._names():
            try:
                return code.load(name)
            except (OSError, RuntimeError, AttributeError) as error:
                why = why or error
        told = one_line(why) if why is not None else "it is gone"
        raise CompileError(f"{self.file} does not load ({told})") from why

    def _names(self) -> Iterator[str]:
        """Names that the bytes can be loaded by, the safest first."""
        if hasattr(os, "memfd_create"):
            with suppress(OSError):
                descriptor = os.memfd_create("shoal", os.MFD_CLOEXEC)
                with open(descriptor, "wb") as memory:
                    memory.write(self._content)
                    memory.flush()
                    yield from _by_descriptor(descriptor)
        with suppress(OSError):  # where memory may not be run
            descriptor = os.open(self.file, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
            with open(descriptor, "rb") as handle:
                if handle.read() == self._content:
                    yield from _by_descriptor(descriptor)
        if not os.path.isdir("/proc/self/fd"):
            yield str(self.file)


def _by_descriptor(descriptor: int) -> Iterator[str]:
    """A name that leads to an open file, and that no other has had in this process."""
    if os.path.isdir("/proc/self/fd"):
        steps = "".join("./" if bit == "1" else "/" for bit in f"{next(_NUMBERS):b}")
        yield f"/proc/self/fd/{steps}/{descriptor}"


def whole(content: bytes) -> bool:
    """Whether all that an ELF file says it loads is there; True for a file of another form."""
    if content[:4] != b"\x7fELF":
        return len(content) > 0 and os.uname().sysname != "Linux"
    wide, order = content[4:5] == b"\x02", "<" if content[5:6] == b"\x01" else ">"
    try:
        if wide:
            (table,) = struct.unpack_from(order + "Q", content, 32)
            size, count = struct.unpack_from(order + "HH", content, 54)
        else:
            (table,) = struct.unpack_from(order + "I", content, 28)
            size, count = struct.unpack_from(order + "HH", content, 42)
        for at in range(table, table + size * count, size):
            (kind,) = struct.unpack_from(order + "I", content, at)
            fields = (order + "QQQQ", 8) if wide else (order + "IIII", 4)
            start, _, _, length = struct.unpack_from(fields[0], content, at + fields[1])
            if kind == _PT_LOAD and start + length > len(content):
                return False
    except (struct.error, ValueError):  # cut short, or a table of entries without a size
        return False
    return int(count) > 0
