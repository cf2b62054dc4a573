"""A lock that is held: the writer's folder, under its current name."""

from __future__ import annotations

import errno
import re
import stat
from collections.abc import Iterable
from contextlib import suppress
from typing import Generic, Protocol, Self, TypeVar

LOCKS = ".lock"
STAGED = re.compile(r"[0-9a-f]{16}\.staged")
_NAMED = re.compile(r"([0-9]{6,200})(?:-([0-9a-f]{16}))?")


class Place(Protocol):
    """The methods of `shoal.trainable.disk.directory.Directory` that taking a lock needs."""

    def names(self) -> list[str]: ...
    def kind(self, name: str) -> int: ...
    def folder(self, name: str) -> Self: ...
    def read(self, name: str, most: int) -> bytes: ...
    def write(self, name: str, content: bytes) -> None: ...
    def overwrite(self, name: str, content: bytes) -> None: ...
    def mkdir(self, name: str) -> None: ...
    def rename(self, name: str, to: Self, new: str) -> None: ...
    def unlink(self, name: str) -> bool: ...
    def rmdir(self, name: str) -> None: ...
    def close(self) -> None: ...


P = TypeVar("P", bound=Place)


class Held(Generic[P]):
    """A lock that was taken (`shoal.search.lock.taking`).

    Its folder is found from the run folder by its whole path each time: whoever removes ``.lock``,
    or moves it away, takes the lock from this writer. A link on that path leads to nothing, since
    nobody else has a file of such a name.

    Attributes:
        own: the folder itself, whoever has it now.
        number: counts the writers, and the claims that one of them has outlived.
    """

    def __init__(self, top: P, own: P, number: int, name: str) -> None:
        self._top, self.own, self.number, self._name = top, own, number, name
        self._beats = 0

    @property
    def place(self) -> str:
        """The path of the writer's folder, from the run folder."""
        return f"{LOCKS}/{named(self.number, self._name)}"

    def stands(self) -> bool:
        """Whether no other writer has taken over."""
        return stat.S_ISDIR(self._top.kind(self.place))

    def move(self, staged: str, to: P, new: str) -> None:
        """Move a file from the writer's folder to its final place.

        Raises:
            FileNotFoundError: somebody has followed.
        """
        self._top.rename(f"{self.place}/{staged}", to, new)

    def beat(self) -> None:
        """Write a heartbeat; if another process claims the lock as dead, take a new name.

        Raises:
            FileNotFoundError: somebody has followed.
        """
        self._beats += 1
        self._write_beat(f"{self._name}.beat")
        claims = [name for name in self.own.names() if owner_of(name) not in (None, self._name)]
        if not claims:
            return
        rename(self._top, self.place, f"{LOCKS}/{named(self.number + 1, self._name)}")
        self.number += 1
        self.remove(claims)  # who made them has lost its way; a new claim has another name

    def _write_beat(self, name: str) -> None:
        """Write the counter; if a backup has a hard link to the file, into a new file."""
        try:
            self.own.overwrite(name, beat_text(self._beats))
        except OSError as error:
            if error.errno != errno.EMLINK:
                raise
            self.own.unlink(name)
            self.own.write(name, beat_text(self._beats))

    def remove(self, names: Iterable[str]) -> None:
        """Remove files from the writer's folder, unless another writer has taken over."""
        for name in names:
            self._top.unlink(f"{self.place}/{name}")

    def staged(self) -> list[str]:
        """Return the files that are, or were, waiting to be moved to their final place."""
        return [name for name in self.own.names() if STAGED.fullmatch(name)]

    def release(self) -> None:
        """Release the lock, so that others can take it at once."""
        with suppress(OSError):
            self.remove(self.staged())
        for name in (f"{self._name}.beat", f"{self._name}.json"):
            with suppress(OSError):
                self.own.unlink(name)

    def close(self) -> None:
        """Close the writer's folder."""
        self.own.close()


def rename(place: Place, old: str, new: str) -> None:
    """Rename a writer's folder.

    Raises:
        FileNotFoundError: somebody was quicker.
    """
    try:
        place.rename(old, place, new)
    except FileNotFoundError:
        if not place.kind(new):  # a network disk may say so of what it has done
            raise


def named(number: int, name: str) -> str:
    """Return the name of a writer's folder."""
    return f"{number:06d}-{name}" if name else f"{number:06d}"


def number_of(folder: str) -> tuple[int, str] | None:
    """The inverse of `named`: number and name of a writer; None: it is no writer's folder."""
    match = _NAMED.fullmatch(folder)
    told = (int(match[1]), match[2] or "") if match else None
    return told if told and named(*told) == folder else None


def owner_of(file: str) -> str | None:
    """Return the writer, or the claimant, that a file belongs to, by its name; None: none."""
    match = re.fullmatch(r"([0-9a-f]{16})\.(?:json|beat)", file)
    return match[1] if match else None


def beat_text(count: int) -> bytes:
    """Return the content of a heartbeat, always of the same length."""
    return b"%012d\n" % count
