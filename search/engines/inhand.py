"""Notes on disk about the packs that run in the driver's own process, for when it crashes.

One file a worker slot, ``packs/hand-N-SLOT``, of one line that is rewritten in place: N is the
number of the writer (`search.lock.lock`), so that each writer knows its own notes from those of the
dead. They are written thousands of times and read once, after a death; the disk is not waited for,
since they outlive the process anyway and after a power cut nobody is to blame.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Set
from contextlib import suppress
from io import BufferedWriter
from pathlib import Path
from types import TracebackType

from shoal.trainable.disk import Directory

WIDTH = 64
"""Bytes of a note, always as many, so that a full disk takes each but the first."""

_NAME = re.compile(r"hand-\d+-\d+")
_PACK = re.compile(r"r\d+-p\d+")


class InHand:
    """The notes of one driver; when it ends, only those of suspects stay.

    Args:
        folder: ``packs/`` of the run folder.
        number: of the writer.
        slots: how many packs run at once.
        suspects: names of packs that may have killed a driver before.
    """

    def __init__(self, folder: Path, number: int, slots: int, suspects: Set[str]) -> None:
        self._suspects, self._folder = suspects, folder
        self._number, self._slots = number, slots
        self._handles: dict[int, BufferedWriter] = {}
        self._noted = [""] * slots

    def __enter__(self) -> InHand:
        with suppress(OSError), _opened(self._folder) as packs:
            for slot in range(self._slots):
                with suppress(OSError):  # a disk that takes none costs a death more
                    self._handles[slot] = _new(packs, self._name(slot))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        made = list(self._handles)
        for slot in made:
            with suppress(OSError):
                self._handles.pop(slot).close()
        with suppress(OSError), _opened(self._folder) as packs:
            for slot in made:
                with suppress(OSError):
                    packs.unlink(self._name(slot))
            for slot, pack in enumerate(sorted(self._suspects)):
                with suppress(OSError), _new(packs, self._name(slot)) as file:
                    file.write(pack.encode())

    def _name(self, slot: int) -> str:
        return f"hand-{self._number}-{slot}"

    def note(self, slot: int, pack: str) -> None:
        """Note the pack that a slot runs now; empty: none."""
        if slot in self._handles and self._noted[slot] != pack:
            self._noted[slot] = pack
            with suppress(OSError):
                os.pwrite(self._handles[slot].fileno(), pack.encode().ljust(WIDTH), 0)


def _opened(folder: Path) -> Directory:
    with Directory.at(folder.parent) as above:
        return above.folder(folder.name)


def _new(packs: Directory, name: str) -> BufferedWriter:
    """Create a new file in the place of an old one; fail if something else than a file is there."""
    packs.unlink(name)
    return packs.create(name)


def left_behind(folder: Path, number: int) -> set[str]:
    """Return the names of packs that were running when drivers died, and remove the notes.

    Args:
        folder: ``packs/`` of the run folder; number: of the writer, whose own notes stay.
    """
    names: set[str] = set()
    with suppress(OSError):
        for entry in list(os.scandir(folder)):
            own = entry.name.startswith(f"hand-{number}-")
            if not own and _NAME.fullmatch(entry.name):
                names |= _read(Path(entry.path))
    return names


def _read(file: Path) -> set[str]:
    """Return the pack of one note and remove it; a link or an odd file stays, and is ignored."""
    with suppress(OSError):
        handle = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                return set()
            text = os.read(handle, WIDTH).decode("ascii", "replace").strip()
        finally:
            os.close(handle)
        file.unlink()
        if _PACK.fullmatch(text):
            return {text}
    return set()
