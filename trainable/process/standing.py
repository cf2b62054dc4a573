"""The working folder and import path of a problem's code: those where its search began.

A problem's code runs in that working folder, and with that import path, in every engine, on every
host, and whatever folder a search is gone on with from. The process stands there only while that
code runs: a search, its run folder and the program that called it are never moved. Where the code
calls ``os.chdir``,

- the import's holds for all that is called later (as if it stood at the head of a script),
- the constructor's for the methods of that instance,
- a method's until it returns.

The working folder belongs to the whole process. So calls that want the same one run side by side,
in threads, and others wait; a problem that calls ``chdir`` runs one call at a time.

    entered(world)  stands there
    settle(cls, ..) a class was imported: from now on `within` knows where its code belongs
    within(problem) stands where the code of a class, or of its instance, belongs
    made(cls, ..)   makes an instance
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from typing import Any
from weakref import WeakKeyDictionary

from shoal.trainable.disk import private_folder
from shoal.trainable.errors import CompileError
from shoal.trainable.process.generators import alone
from shoal.trainable.process.world import World, entries, standing

LEFT = "_shoal_left"
"""The attribute of an instance that says in which folder its constructor has left it."""


OUTER, NOWHERE = -1, -2
"""In the place of a descriptor: of a call that is in no other, and of a folder without one."""


@dataclass(frozen=True, kw_only=True)
class _Known:
    """The working folder and import path for the code of a class.

    Attributes:
        imported_to: where its import has moved the process; None: it has not.
        moves: whether its code may call ``chdir``.
    """

    world: World
    imported_to: str | None
    moves: bool


_known: WeakKeyDictionary[type, _Known] = WeakKeyDictionary()


class Stand:
    """Tells whether the code within a context has changed the working folder."""

    def __init__(self) -> None:
        self._began = standing()

    def left(self) -> str | None:
        """Return the folder that the code has changed to; None: it has not."""
        now = standing()
        return now if now and now != self._began else None


@contextmanager
def entered(world: World, moves: bool) -> Iterator[Stand]:
    """Run in the working folder and with the import path of `world`.

    Args:
        moves: whether the code within may call ``chdir``, so that nothing may run beside it.
    """
    _turns.enter(world, moves)
    try:
        yield Stand()
    except OSError as error:
        _explain(error, world)
        raise
    finally:
        _turns.leave()


def settle(cls: type, world: World, left: str | None, moves: bool) -> None:
    """Record the working folder and import path for the code of an imported class.

    Args:
        left: where its import has moved the process; None: it has not, or it came before.
        moves: whether its code may call ``chdir``.
    """
    before = _known.get(cls)
    if left is None and before is not None:
        left, moves = before.imported_to, moves or before.moves
    there = world if left is None else replace(world, folder=left)
    _known[cls] = _Known(world=there, imported_to=left, moves=moves or left is not None)


@contextmanager
def within(problem: object, *, draws: bool = False) -> Iterator[Stand]:
    """Run in the working folder and with the import path recorded for the class of `problem`.

    The process stays where it is for a class that no search has imported.

    Args:
        draws: whether the code may use the global generators of random numbers, so that it runs
            `alone` with them (`trainable.process.generators`).
    """
    with alone if draws else nullcontext(), _there(problem) as stand:
        yield stand


@contextmanager
def _there(problem: object) -> Iterator[Stand]:
    cls = problem if isinstance(problem, type) else type(problem)
    known = _known.get(cls)
    if known is None:
        yield Stand()
        return
    left = getattr(problem, LEFT, None)
    world = replace(known.world, folder=left) if isinstance(left, str) else known.world
    with entered(world, known.moves) as stand:
        yield stand


def made(cls: type, shape: Mapping[str, Any]) -> Any:
    """Make an instance from its shape hyperparameters.

    Where the constructor moves the process, the instance's methods run there.
    """
    with within(cls, draws=True) as stand:
        instance = cls(**shape)
        left = stand.left()
    if left is not None:
        known = _known.get(cls)
        if known is not None and not known.moves:  # by what it calls, and not by its own words
            _known[cls] = replace(known, moves=True)
        with suppress(AttributeError, TypeError):  # it has no room for more attributes
            object.__setattr__(instance, LEFT, left)
    return instance


def home() -> str:
    """Return the working folder outside of any problem's code; empty if it no longer exists."""
    return _turns.standing()


def absolute(path: str) -> str:
    """Return an absolute path, relative to the working folder outside of any problem's code."""
    return os.path.abspath(os.path.join(home() or "/", path))


class _Turns:
    """Lets calls that need different working folders and import paths take turns."""

    def __init__(self) -> None:
        self._home = ""
        self._changed = threading.Condition()
        self._guests = 0
        self._world, self._alone = World(), False
        self._back = NOWHERE  # a descriptor of that folder, which serves when it is gone too
        self._added: list[str] = []
        self._thread = threading.local()

    def enter(self, world: World, alone: bool) -> None:
        """Switch to `world`, once no call needs another one."""
        stack: list[int] = self._thread.__dict__.setdefault("stack", [])
        if stack:  # a call within a call, such as of a search that a problem starts
            stack.append(_here())
            if stack[-1] != NOWHERE:
                _go(world.folder)
            return
        with self._changed:
            while self._guests and (alone or self._alone or world != self._world):
                self._changed.wait()
            if not self._guests:
                self._home, self._back = standing(), _here()
                self._world, self._alone = world, alone
                self._added = _add(world)
            self._guests += 1
            if self._back != NOWHERE:
                _go(world.folder)
        stack.append(OUTER)

    def standing(self) -> str:
        """Return the working folder outside of these calls; empty if it no longer exists."""
        with self._changed:
            return self._home if self._guests else standing()

    def leave(self) -> None:
        """Switch back: after the last call, to the working folder and import path from before."""
        inner = self._thread.stack.pop()
        if inner != OUTER:
            _return(inner)
            return
        with self._changed:
            self._guests -= 1
            if self._guests:
                if self._back != NOWHERE:
                    _go(self._world.folder)
                return
            _return(self._back)
            self._home, self._back = "", NOWHERE
            for entry in self._added:
                with suppress(ValueError):  # the code has removed it
                    sys.path.remove(entry)
            self._changed.notify_all()


_turns = _Turns()


def _here() -> int:
    """Open the working folder and return its descriptor, even if it cannot be read or is removed.

    It is `NOWHERE` in a folder that this user may not enter (after ``su``, say): one could not come
    back to it, and stays.
    """
    try:
        return os.open(".", getattr(os, "O_PATH", os.O_RDONLY) | os.O_CLOEXEC)
    except OSError:
        return NOWHERE


def _return(descriptor: int) -> None:
    if descriptor == NOWHERE:
        return
    try:
        if not os.path.samestat(os.stat(descriptor), os.stat(".")):
            os.fchdir(descriptor)
    finally:
        os.close(descriptor)


def _go(folder: str) -> None:
    """Change to a folder; if it does not exist, to an empty one, so that nothing wrong is found."""
    if not folder:
        return
    with suppress(OSError):
        if os.path.samestat(os.stat(folder), os.stat(".")):
            return
    try:
        os.chdir(folder)
    except OSError:
        with suppress(CompileError, OSError):
            empty = private_folder() / "empty"
            empty.mkdir(exist_ok=True)
            os.chdir(empty)


def _explain(error: OSError, world: World) -> None:
    """Put the absolute path into an error about a file, and say if the folder no longer exists."""
    name = error.filename
    if not isinstance(name, (str, bytes)):
        return
    gone = world.gone
    error.filename = path = os.path.join(world.folder if gone else standing(), os.fsdecode(name))
    told = f"(the search began in {world.folder}, which is not there; "
    if gone and path.startswith(world.folder + os.sep) and told not in str(error.strerror):
        error.strerror = (
            f"{error.strerror} {told}put it back, or name the problem again where it is now)"
        )


def _add(world: World) -> list[str]:
    """Add a world's missing entries to ``sys.path``; return them."""
    have = {os.path.abspath(entry) if os.path.isabs(entry) else entry for entry in entries()}
    first = [entry for entry in world.first if entry not in have]
    last = [entry for entry in world.last if entry not in have]
    sys.path[:0] = first
    sys.path.extend(last)
    return [*first, *last]
