"""A folder held open by its descriptor: files in it are opened by name, and no link is followed.

Whoever can write to a run folder can put a link, a pipe or a device where a file of shoal's was:
then a file of somebody else's would be read, changed or removed, or an opening would wait for ever.
So each step is taken from the descriptor of the folder before, and what is not a file, or not a
folder where one must be, is refused before it is opened. The folder itself may be a link.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from io import BufferedReader, BufferedWriter
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import cast

MAX_BYTES = 64 << 20
"""Size of a file that is read into memory."""

_KINDS = (
    (stat.S_ISLNK, "it is a symbolic link"),
    (stat.S_ISFIFO, "it is a pipe"),
    (stat.S_ISSOCK, "it is a socket"),
    (stat.S_ISCHR, "it is a device"),
    (stat.S_ISBLK, "it is a device"),
)

_SAFE = os.O_NOFOLLOW | os.O_CLOEXEC


class OddFile(OSError):
    """Something other than the expected file or folder is there; ``strerror`` says what."""


class Directory:
    """A folder that is open until `close`.

    Names are of what lies in it; those of files may have folders before them (``parts/x``).

    Attributes:
        path: how it was named, for messages.
    """

    def __init__(self, descriptor: int, path: Path) -> None:
        self._descriptor, self.path = descriptor, path

    @classmethod
    def at(cls, path: Path) -> Directory:
        """Open the folder at a path; the path itself may be a link.

        Raises:
            OSError: there is none.
        """
        return cls(os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC), path)

    def __enter__(self) -> Directory:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the descriptor."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def __del__(self) -> None:
        with suppress(OSError):
            self.close()

    def folder(self, name: str, make: bool = False) -> Directory:
        """Open a folder inside this one.

        Args:
            make: whether to make it where nothing is.

        Raises:
            OddFile: something else is there.
            OSError: it is not there, or may not be opened.
        """
        if make:
            with suppress(FileExistsError):
                self.mkdir(name)
        self._expect(name, stat.S_ISDIR, errno.ENOTDIR)
        flags = os.O_RDONLY | os.O_DIRECTORY | _SAFE
        return Directory(os.open(name, flags, dir_fd=self._descriptor), self.path / name)

    def open(self, name: str) -> BufferedReader:
        """Open a file for reading.

        Raises:
            OddFile: something else is there.
            OSError: it is not there, or cannot be read.
        """
        with self._last(name) as (folder, last):
            return os.fdopen(folder._open(last, os.O_RDONLY), "rb")

    def read(self, name: str, most: int = MAX_BYTES) -> bytes:
        """Return the content of a file.

        Raises:
            OddFile: something else is there, or it has more than `most` bytes.
            OSError: it is not there, or cannot be read.
        """
        with self.open(name) as handle:
            if os.fstat(handle.fileno()).st_size > most:
                raise OddFile(errno.EFBIG, f"it is larger than {most >> 20} MiB")
            return handle.read()

    def create(self, name: str) -> BufferedWriter:
        """Create a file that does not exist yet, and open it for writing."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _SAFE
        return os.fdopen(os.open(name, flags, 0o666, dir_fd=self._descriptor), "wb")

    def write(self, name: str, content: bytes) -> None:
        """Create a file that does not exist yet, with this content."""
        with self.create(name) as handle:
            handle.write(content)

    def overwrite(self, name: str, content: bytes) -> None:
        """Overwrite the beginning of an existing file; a longer file keeps its length.

        Raises:
            OddFile: something else is there, or a file that has another name besides.
            OSError: it is not there, or may not be written.
        """
        with self._alone(name, os.O_WRONLY, "wb") as handle:
            handle.write(content)

    def append(self, name: str) -> BufferedWriter:
        """Open a file for appending; create it if there is none.

        Raises:
            OddFile: something else is there, or a file that has another name besides.
            OSError: it may not be written.
        """
        try:
            return self.create(name)
        except FileExistsError:
            return self._alone(name, os.O_WRONLY | os.O_APPEND, "ab")

    def names(self, most: int | None = None) -> list[str]:
        """Return the names of the entries, in any order.

        Raises:
            OddFile: there are more than `most`.
        """
        found = []
        with os.scandir(self._descriptor) as entries:
            for entry in entries:
                found.append(entry.name)
                if most is not None and len(found) > most:
                    raise OddFile(errno.EFBIG, f"it holds more than {most} files")
        return found

    def kind(self, name: str) -> int:
        """Return the mode of an entry (of a link, its own); 0: there is none."""
        try:
            return os.lstat(name, dir_fd=self._descriptor).st_mode
        except FileNotFoundError:
            return 0

    def mkdir(self, name: str) -> None:
        """Create a folder inside this one."""
        os.mkdir(name, dir_fd=self._descriptor)

    def rename(self, name: str, to: Directory, new: str) -> None:
        """Move an entry to another folder in one step; an existing file is replaced."""
        os.rename(name, new, src_dir_fd=self._descriptor, dst_dir_fd=to._descriptor)

    def unlink(self, name: str) -> bool:
        """Remove a file; return whether there was one. Other hard links to it stay."""
        if not stat.S_ISREG(self.kind(name)):
            return False
        try:
            os.unlink(name, dir_fd=self._descriptor)
        except FileNotFoundError:
            return False
        return True

    def rmdir(self, name: str) -> None:
        """Remove an empty folder."""
        os.rmdir(name, dir_fd=self._descriptor)

    def stands_at(self, path: Path) -> bool:
        """Whether a path leads to this folder now."""
        try:
            there, here = os.stat(path), os.fstat(self._descriptor)
        except OSError:
            return False
        return (there.st_dev, there.st_ino) == (here.st_dev, here.st_ino)

    @contextmanager
    def _last(self, name: str) -> Iterator[tuple[Directory, str]]:
        """Yield the folder that contains a path's last part, and the name of that part."""
        *above, last = PurePosixPath(name).parts
        folder, opened = self, []
        try:
            for part in above:
                folder = folder.folder(part)
                opened.append(folder)
            yield folder, last
        finally:
            for each in opened:
                each.close()

    def _alone(self, name: str, flags: int, mode: str) -> BufferedWriter:
        """Open a file that is to be changed in place; refuse one with other hard links."""
        descriptor = self._open(name, flags)
        if os.fstat(descriptor).st_nlink > 1:
            os.close(descriptor)
            raise OddFile(errno.EMLINK, "it has another name elsewhere (a hard link)")
        return cast(BufferedWriter, os.fdopen(descriptor, mode))

    def _open(self, name: str, flags: int) -> int:
        """Open a regular file and return its descriptor; opening a pipe or a device could block."""
        self._expect(name, stat.S_ISREG, errno.EISDIR)
        descriptor = os.open(name, flags | os.O_NONBLOCK | _SAFE, dir_fd=self._descriptor)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):  # put there in this very moment
            os.close(descriptor)
            raise OddFile(errno.EINVAL, "it is no file")
        return descriptor

    def _expect(self, name: str, right: Callable[[int], bool], wrong: int) -> None:
        mode = os.lstat(name, dir_fd=self._descriptor).st_mode
        if right(mode):
            return
        for is_kind, what in _KINDS:
            if is_kind(mode):
                raise OddFile(errno.EINVAL, what)
        raise OSError(wrong, os.strerror(wrong))


def read_in(folder: Path, name: str, most: int = MAX_BYTES) -> bytes:
    """Return the content of a file in a folder (`Directory.read`)."""
    with Directory.at(folder) as there:
        return there.read(name, most)


@contextmanager
def opened_in(folder: Path, name: str) -> Iterator[BufferedReader]:
    """Open a file in a folder for reading (`Directory.open`)."""
    with Directory.at(folder) as there, there.open(name) as handle:
        yield handle
