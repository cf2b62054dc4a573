"""Starting at the same moment: names that nobody else has, and what killed starts have left.

A new run folder is made whole beside its place, under a hidden name that tells whose it is, so that
it can be told later whether its process still lives.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shutil
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from shoal.search.errors import BadInput
from shoal.search.process import processes

OLD_SECONDS = 3600.0
"""From this age on, by the disk's own clock, what another machine's start has left is removed."""

WAIT_SECONDS = 5.0
"""How long another start may fill a folder, which takes milliseconds."""

_BESIDE = re.compile(r"\..+\.(\d+)-([0-9a-f]{8})-(\d+)-[0-9a-f]{4}")
_EARLIER = re.compile(r"\..+\.(\d+)")  # as earlier versions named it


class Taken(BadInput):
    """Another start has put a run folder into the place meanwhile."""


def beside(path: Path) -> Path:
    """Return where the run folder `path` is made before it is moved into place."""
    process = os.getpid()
    whose = f"{process}-{_machine()}-{processes.began(process) or 0}-{secrets.token_hex(2)}"
    return path.with_name(f".{path.name}.{whose}")


def free(path: Path) -> Path:
    """Return a path that is not there yet: this one, or with a number behind it."""
    number, found = 1, path
    while os.path.lexists(found):
        number += 1
        found = path.with_name(f"{path.name}-{number}")
    return found


def tidy(mine: Path, unfinished: Callable[[Path], bool]) -> None:
    """Remove what starts that were killed have left beside `mine`, which has just been made.

    Args:
        unfinished: whether a folder has nothing but what a new run folder has; else it is not ours.
    """
    with suppress(OSError):
        now = mine.stat().st_mtime
        for entry in list(os.scandir(mine.parent)):
            if (
                entry.name != mine.name
                and _is_dead(entry, now)
                and _is_ours(entry)
                and unfinished(Path(entry.path))
            ):
                shutil.rmtree(entry.path, ignore_errors=True)


@contextmanager
def filling(path: Path) -> Iterator[None]:
    """Fill a folder that is there already, as no other start does meanwhile."""
    claim, seen, since = path.with_name(f".{path.name}.filling"), -1, time.monotonic()
    while True:
        try:
            claim.mkdir()
            break
        except FileExistsError:
            there = _inode(claim)
            if there != seen:
                seen, since = there, time.monotonic()
            elif time.monotonic() - since > WAIT_SECONDS:  # it was killed meanwhile
                gone = claim.with_name(f"{claim.name}-{secrets.token_hex(4)}")
                with suppress(OSError):
                    claim.rename(gone)
                    gone.rmdir()
            time.sleep(0.02)
    try:
        yield
    finally:
        with suppress(OSError):
            claim.rmdir()


def _inode(path: Path) -> int:
    try:
        return path.lstat().st_ino
    except OSError:
        return -1


def _is_dead(entry: os.DirEntry[str], now: float) -> bool:
    """Whether an entry has the name of a folder that is being made, and nobody makes it."""
    earlier = _EARLIER.fullmatch(entry.name)
    if earlier is not None:
        process = int(earlier[1])
        return process == os.getpid() or processes.began(process) is None
    made = _BESIDE.fullmatch(entry.name)
    if made is None:
        return False
    if made[2] == _machine():
        return processes.began(int(made[1])) != made[3]
    return now - entry.stat(follow_symlinks=False).st_mtime > OLD_SECONDS


def _is_ours(entry: os.DirEntry[str]) -> bool:
    """Whether it is a folder that shoal alone names so, or has made so far as to tell."""
    if not stat.S_ISDIR(entry.stat(follow_symlinks=False).st_mode):
        return False
    return _BESIDE.fullmatch(entry.name) is not None or "parts" in os.listdir(entry.path)


def _machine() -> str:
    """The boot of the machine and its space of process numbers, in eight letters."""
    told = processes.machine() or os.uname().nodename
    return hashlib.sha256(told.encode()).hexdigest()[:8]


def stands(path: Path) -> bool:
    """Whether something is there.

    Raises:
        BadInput: that cannot be told.
    """
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}; choose another") from error
    return True
