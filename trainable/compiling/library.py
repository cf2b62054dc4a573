"""Compiled libraries: functions as machine code, made once a machine and kept.

    <cache>/KEY-DIGEST.so   what a compiler made of a function, by the hash of its bytes
    <cache>/KEY.lock        held by the process that makes it; all others wait for it

The cache is ``$SHOAL_CACHE``, or ``shoal`` in ``$XDG_CACHE_HOME`` or ``~/.cache``. KEY is a hash of
the function, the compiler with its version and options, and the processor, so that a shared home
folder serves unlike nodes. A library is code that is run: it is taken from a folder alone that
nobody else can change (`shoal.trainable.disk.trust`), and what is checked is what is loaded
(`loading`). It is made in a process of its own, which ends with the one that waits for
it. A folder that cannot be written serves what is in it.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

from shoal.trainable.compiling.building import ELSEWHERE, Build, Code, Run
from shoal.trainable.compiling.loading import Library
from shoal.trainable.compiling.toolchain import identity, processor
from shoal.trainable.disk import check_folder, private_folder
from shoal.trainable.errors import CompileError, CompilerHangs
from shoal.trainable.process import absolute

POLL_SECONDS = 0.01

LONGER_SECONDS = 60.0
"""How much longer another process may take over a library than its compiler may."""


class Place:
    """Where the library of a function is, or is to be."""

    def __init__(self, code: Code, folder: Path, compiler: str) -> None:
        """Name it.

        Args:
            folder: a cache; compiler: the identity of the one that makes it, or has made it.
        """
        self.code, self.folder, self._compiler = code, folder, compiler
        text = f"{processor()}\n{compiler}\n{code.key()}"
        self._stem = folder / hashlib.sha256(text.encode()).hexdigest()[:32]
        self._waited: float | None = None

    @property
    def name(self) -> str:
        """KEY."""
        return self._stem.name

    def find(self) -> Library | None:
        """Return the library, if there is a good one; one that is damaged is removed."""
        for file in sorted(self.folder.glob(f"{self.name}-*.so")):
            try:
                library = Library.read(file)
            except OSError:
                continue
            except CompileError:
                with suppress(OSError):
                    file.unlink()
                continue
            with suppress(OSError):  # it may be read alone
                os.utime(file)
            return library
        return None

    def build(self, builds: ExitStack) -> Build | None:
        """Begin to make it, in a process that ends with `builds`; None where another makes it, or
        has made it.

        Raises:
            CompileError: there is no such compiler, no room, or another takes too long over it.
        """
        here = identity()
        if here != self._compiler:
            raise CompileError(f"the compiler here is {here}, not {self._compiler}")
        try:
            with ExitStack() as held:
                lock = held.enter_context(open(self._stem.with_suffix(".lock"), "ab"))
                taken, alone = _taken(lock.fileno())
                if not taken:
                    self._wait()
                    return None
                if self.find() is not None:
                    return None
                os.utime(lock.fileno())  # what is old is removed
                build = held.enter_context(Build.begun(self._stem, self.code, alone))
                builds.push(held.pop_all())
        except OSError as error:
            raise CompileError(
                f"cannot write to {self.folder} ({error.strerror}); {ELSEWHERE}"
            ) from error
        return build

    def _wait(self) -> None:
        """Wait on for another process, but not for ever: it may stand still."""
        now = time.monotonic()
        self._waited = now if self._waited is None else self._waited
        if now - self._waited > self.code.seconds + LONGER_SECONDS:
            raise CompileError(f"another process keeps {self._stem}.lock and makes nothing")


def make(
    places: Sequence[Place], stop: Callable[[], bool], most: int
) -> dict[Place, Library | CompileError] | None:
    """Return the libraries of `places`, and why one cannot be had; None where `stop` came first.

    Those that nobody makes yet are made, `most` at once; for those of others it waits.
    """
    found: dict[Place, Library | CompileError] = {}
    with ExitStack() as builds:
        mine: dict[Place, tuple[Build, ExitStack]] = {}
        while True:
            for place in places:
                if place in found:
                    continue
                try:
                    if place in mine:
                        build, own = mine[place]
                        if not build.done():
                            continue
                        del mine[place]
                        own.close()
                    if (library := place.find()) is not None:
                        found[place] = library
                    elif len(mine) < most:
                        own = builds.enter_context(ExitStack())
                        if (begun := place.build(own)) is not None:
                            mine[place] = begun, own
                except CompileError as error:
                    found[place] = error
                    if place in mine:
                        mine.pop(place)[1].close()
            if len(found) == len(places):
                return found
            if stop():
                return None
            time.sleep(POLL_SECONDS)


def functions(
    codes: Sequence[Code], compiler: str | None, stop: Callable[[], bool], private: bool
) -> tuple[list[Run], list[str]] | None:
    """Return the functions of `codes`, and what the user should know; None where `stop` came first.

    Args:
        compiler: identity of the one that makes them, or has made them; None: the one here.
        private: whether, if the cache does not serve, they are made in a folder of this process.

    Raises:
        CompileError: one cannot be had.
    """
    compiler = identity() if compiler is None else compiler
    try:
        runs = _functions(codes, cache_folder(), compiler, stop)
        return None if runs is None else (runs, [])
    except CompilerHangs:
        raise
    except CompileError as error:
        if not private:
            raise
        try:
            runs = _functions(codes, private_folder(), compiler, stop)
        except CompileError as again:
            more = f"; in a temporary folder: {again}" if str(again) != str(error) else ""
            raise CompileError(f"{error}{more}") from error
        note = f"{error}; what it needs of it was made in a temporary folder"
        return None if runs is None else (runs, [note])


def _functions(
    codes: Sequence[Code], folder: Path, compiler: str, stop: Callable[[], bool]
) -> list[Run] | None:
    places = [Place(code, folder, compiler) for code in codes]
    made = make(places, stop, most=len(places))
    return None if made is None else [loaded(place, made[place]) for place in places]


def loaded(place: Place, made: Library | CompileError) -> Run:
    """Return the function of a library; one that does not load is removed.

    Raises:
        CompileError: it cannot be had.
    """
    if isinstance(made, CompileError):
        raise made
    try:
        return made.load(place.code)
    except CompileError:
        with suppress(OSError):
            made.file.unlink()  # the next search makes it anew
        raise


def cache_folder() -> Path:
    """Return the folder of the libraries, made if need be.

    Raises:
        CompileError: it cannot be made, or others can write to it.
    """
    given = os.environ.get("SHOAL_CACHE")
    home = os.environ.get("XDG_CACHE_HOME") or (
        "~" if os.environ.get("HOME") == "" else os.path.expanduser("~/.cache")
    )
    folder = Path(absolute(os.path.expanduser(given) if given else os.path.join(home, "shoal")))
    if not given and home.startswith("~"):
        raise CompileError("there is no home folder to keep libraries in; set SHOAL_CACHE")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise CompileError(f"cannot make {folder} ({error.strerror}); set SHOAL_CACHE") from error
    check_folder(folder)
    return folder


def _taken(lock: int) -> tuple[bool, bool]:
    """Whether the lock is ours now, and whether it keeps others out; where locks are not to be
    had, it is ours and does not."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False, True
    except OSError:
        return True, False
    return True, True
