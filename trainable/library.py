"""Compiled libraries: functions as machine code, made once a machine and kept.

    <cache>/KEY.so      what a compiler made of a function
    <cache>/KEY.lock    held by the process that makes it; all others wait for it

The cache is ``$SHOAL_CACHE``, or ``shoal`` in ``$XDG_CACHE_HOME`` or ``~/.cache``. KEY is a hash of
the function and the processor, so that a shared home folder serves unlike nodes. A library is code
that is run: it is taken from a folder alone that belongs to this user and that nobody else can
write to. It is made in a process of its own, which ends with the one that waits for it.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

from trainable.building import Build, Code, Run
from trainable.compiler import compiler, processor
from trainable.errors import CompileError, one_line

POLL_SECONDS = 0.01


def make_all(libraries: Sequence[Library], stop: Callable[[], bool]) -> bool:
    """See to it that the libraries are there; return whether they are, or `stop` came first.

    Those that nobody makes yet are made at the same time, for those of others it waits.

    Raises:
        CompileError: one cannot be made.
    """
    with ExitStack() as builds:
        mine: dict[Library, Build] = {}
        while missing := [library for library in libraries if not library.there]:
            if stop():
                return False
            for library in missing:
                if library in mine:
                    mine[library].check()
                elif (build := library.build(builds)) is not None:
                    mine[library] = build
            time.sleep(POLL_SECONDS)
    return True


class Library:
    """A function, compiled for this processor."""

    def __init__(self, code: Code) -> None:
        """Name it; `make_all` makes it.

        Raises:
            CompileError: there is no place for it.
        """
        self._code = code
        text = f"{processor()}\n{code.key()}"
        name = hashlib.sha256(text.encode()).hexdigest()[:32]
        self._file = cache_folder() / f"{name}.so"

    @property
    def there(self) -> bool:
        """Whether it has been made."""
        return self._file.exists()

    def build(self, builds: ExitStack) -> Build | None:
        """Begin to make it, in a process that ends with `builds`; None where another makes it.

        Raises:
            CompileError: there is no compiler.
        """
        with ExitStack() as held:
            lock = held.enter_context(open(self._file.with_suffix(".lock"), "ab"))
            if not _taken(lock.fileno()) or self.there:
                return None
            if compiler() is None:
                raise CompileError("there is no C++ compiler (looked for $CXX, then g++)")
            build = held.enter_context(Build.begun(self._file, self._code))
            builds.push(held.pop_all())
        return build

    def load(self) -> Run:
        """Return the function, which takes and gives lists of tensors.

        Raises:
            CompileError: it is not to be trusted, or does not load.
        """
        _trust(self._file)
        try:
            os.utime(self._file)
            return self._code.load(self._file)
        except (OSError, RuntimeError) as error:
            with suppress(OSError):
                self._file.unlink()  # the next search makes it anew
            raise CompileError(f"{self._file} does not load ({one_line(error)})") from error


def cache_folder() -> Path:
    """Return the folder of the libraries, made if need be.

    Raises:
        CompileError: it cannot be made, or others can write to it.
    """
    given = os.environ.get("SHOAL_CACHE")
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    folder = Path(given) if given else Path(home, "shoal")
    if not given and home.startswith("~"):
        raise CompileError("there is no home folder to keep libraries in; set SHOAL_CACHE")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise CompileError(f"cannot make {folder} ({error.strerror}); set SHOAL_CACHE") from error
    _trust(folder)
    return folder.absolute()


def _trust(path: Path) -> None:
    """Check that `path` is this user's, and that nobody else can write to it."""
    try:
        found = path.stat()
    except OSError as error:
        raise CompileError(f"cannot read {path} ({error.strerror})") from error
    if found.st_uid != os.geteuid() or found.st_mode & 0o022:
        raise CompileError(
            f"{path} is another user's, or others can write to it; set SHOAL_CACHE to a folder "
            "of your own"
        )


def _taken(lock: int) -> bool:
    """Whether the lock is ours now; where locks are not to be had, it is."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True
