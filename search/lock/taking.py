"""How a lock is taken: in single steps on the disk, after each of which the process may die.

    .lock/NUMBER-NAME/       the one folder of the last writer
        NAME.json            who it is; gone: it has released the lock
        NAME.beat            a number that changes while it lives
        HEX.staged           what it is about to move into place
        OTHER.json, .beat    a claim: of another that takes it for dead and is about to follow

The folder is never made anew: who follows writes who it is into it and renames it to the next
number and its own name, so of many one succeeds, the one before has lost its place in the same
moment, and no number comes again, however long somebody stops between two steps.

A writer that is taken for dead, and is not, finds the other's claim when it beats, and renames the
folder to the next number itself: who has claimed it then finds nothing to rename. So the claim
comes first, then a last look at the beat, then the renaming.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from shoal.search.lock.held import LOCKS, Held, P, Place, beat_text, named, number_of, rename

_BESIDE = re.compile(r"\.lock-[0-9a-f]{16}")
FIRST = named(0, "")
MAX_BYTES = 1 << 16
"""Of what a writer says of itself."""

LOOKS = 20
"""How often a folder is looked at that seems to have no number: it may be just being renamed."""


class Judge(Protocol):
    """Decides whether a writer is alive."""

    def await_death(self, said: bytes | None, look: Callable[[], bytes | None]) -> None:
        """Return when a writer is dead, or gave no heartbeat for long; raise if it is alive.

        Args:
            said: what it has said of itself; None where that cannot be read.
            look: returns what changes while it lives.
        """

    def pause(self) -> None:
        """Sleep for a moment, while another process is at work."""


class NoNumber(Exception):
    """The folder of the lock contains something, but no writer's folder."""


def take(top: P, me: bytes, judge: Judge, name: Callable[[], str]) -> Held[P]:
    """Take the lock of a run folder.

    Args:
        me: what this writer says of itself.
        name: returns 16 hexadecimal digits that nobody has ever had.

    Raises:
        NoNumber: the lock is damaged.
        OSError: the disk does not take it.
    """
    for _ in range(LOOKS):
        locks = _locks(top, name)
        try:
            while (last := _last(locks)) is not None:
                held = _follow(top, locks, last, me, judge, name())
                if held is not None:
                    with suppress(OSError):
                        _tidy(top)
                    return held
                judge.pause()
        finally:
            locks.close()
        _begin(top, name())
        judge.pause()
    raise NoNumber


def _follow(
    top: P, locks: P, last: tuple[int, str], me: bytes, judge: Judge, name: str
) -> Held[P] | None:
    """Take over from the last writer, if it is dead; None: something changed meanwhile."""
    number, before = last
    try:
        own = locks.folder(named(number, before))
    except FileNotFoundError:
        return None
    held = None
    beat = f"{before}.beat" if before else "beat"
    try:
        seen = _read(own, beat)
        _await_death(own, last, lambda: _read(own, beat), judge)
        own.write(f"{name}.beat", beat_text(0))
        own.write(f"{name}.json", me)
        if _read(own, beat) == seen:
            with suppress(FileNotFoundError):
                rename(locks, named(number, before), named(number + 1, name))
                held = Held(top, own, number + 1, name)
                held.remove([*([f"{before}.json", beat] if before else []), *held.staged()])
    finally:
        if held is None:
            for mine in (f"{name}.json", f"{name}.beat"):
                with suppress(OSError):
                    own.unlink(mine)
            own.close()
    return held


def _await_death(
    own: Place, last: tuple[int, str], look: Callable[[], bytes | None], judge: Judge
) -> None:
    """Return when the last writer is known to be dead, or gave no heartbeat for long."""
    number, name = last
    try:
        said = own.read(f"{name}.json" if name else "owner.json", MAX_BYTES)
    except FileNotFoundError:
        if name or not number:
            return  # it has released the lock, or there was none yet
        said = None
    except OSError:
        said = None
    judge.await_death(said, look)


def _locks(top: P, name: Callable[[], str]) -> P:
    """Return the folder of the lock."""
    while True:
        try:
            return top.folder(LOCKS)
        except FileNotFoundError:
            _begin(top, name())


def _begin(top: Place, name: str) -> None:
    """Create the folder of the lock with its first number inside, unless there is one with a
    number."""
    beside = f"{LOCKS}-{name}"
    top.mkdir(beside)
    try:
        new = top.folder(beside)
        new.mkdir(FIRST)
        new.close()
        top.rename(beside, top, LOCKS)
    except OSError as error:
        _remove_beside(top, beside)
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT):
            raise


def _tidy(top: Place) -> None:
    """Remove what processes left behind that were killed in `_begin`."""
    for name in top.names():
        if _BESIDE.fullmatch(name):
            _remove_beside(top, name)


def _remove_beside(top: Place, name: str) -> None:
    with suppress(OSError):
        place = top.folder(name)
        try:
            with suppress(OSError):
                place.rmdir(FIRST)
        finally:
            place.close()
        top.rmdir(name)


def _last(locks: Place) -> tuple[int, str] | None:
    """Return number and name of the last writer; during a rename, both names or neither may be
    seen."""
    for _ in range(LOOKS):
        found = [last for name in locks.names() if (last := number_of(name)) is not None]
        if found:
            return max(found)
    return None


def _read(own: Place, name: str) -> bytes | None:
    try:
        return own.read(name, MAX_BYTES)
    except OSError:
        return None
