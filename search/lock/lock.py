"""The lock of a run folder: one writer at a time, on any disk, also after crashes.

No lock of the system's is used, since network disks have them or have them not. A writer is one by
the name of its folder in ``.lock``, which changes by one rename (`taking`). Every file of
the run folder is first written inside that folder and moved from there by that name, so that a
writer that another has followed can change nothing any more, however late it comes back: it is
fenced off, not just told.

A writer is dead if SLURM has started its job again, if its process is gone from this machine, or if
its number does not change for a while. That is looked at, never computed from clocks.
"""

from __future__ import annotations

import errno
import json
import os
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from io import BufferedReader, BufferedWriter
from pathlib import Path

from shoal.search.errors import BadInput, RunFolderError
from shoal.search.lock.held import LOCKS, Held
from shoal.search.lock.owner import Owner, identity
from shoal.search.lock.taking import NoNumber, take
from shoal.trainable.disk import Directory, OddFile

BEAT_SECONDS = 2.0
WATCH_SECONDS = 20.0
"""How long a writer's number may stay the same before it counts as dead."""

TELL_SECONDS = 3.0

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EIO)


def why(error: OSError) -> str:
    """Return the system's message; pyarrow puts words of its own around it."""
    if isinstance(error, OddFile):
        return str(error.strerror)
    return os.strerror(error.errno) if error.errno else str(error)


def told(error: OSError) -> str:
    """Say why the disk refuses a file, and what to do."""
    mend = "make room" if error.errno in NO_ROOM else "mend that"
    return f"{why(error)}; {mend} and run the same command again: it goes on"


class Lock:
    """The lock of a run folder, held by this process. `take` makes one.

    Attributes:
        folder: the run folder, held open.
        number: which writer of the run folder this is; no other has had it.
    """

    def __init__(self, folder: Directory, held: Held[Directory]) -> None:
        self.folder, self._held = folder, held
        self.number, self._own = held.number, held.own
        self._where = folder.path.absolute()
        self._staged: dict[str, str] = {}
        self._guard = threading.Lock()
        self._ended = threading.Event()
        self._lost = False
        self._thread = threading.Thread(target=self._beat, name="lock", daemon=True)
        self._thread.start()

    @classmethod
    def take(cls, folder: Path, say: Callable[[str], None], watch: float | None = None) -> Lock:
        """Take the lock of a run folder.

        Args:
            say: told where this takes longer, since the last writer may be alive.
            watch: seconds for which its number must stay the same; WATCH_SECONDS if absent.

        Raises:
            BadInput: another process is writing.
            RunFolderError: the disk does not take it.
        """
        judge = _Watch(folder, say, WATCH_SECONDS if watch is None else watch)
        me = json.dumps(identity()).encode()
        try:
            top = Directory.at(folder)
            try:
                return cls(top, take(top, me, judge, lambda: secrets.token_hex(8)))
            except BaseException:
                top.close()
                raise
        except OddFile as error:
            raise RunFolderError(
                f"{folder / LOCKS}: {error.strerror}; remove it and run the same command again"
            ) from error
        except NotADirectoryError as error:
            raise RunFolderError(
                f"{folder / LOCKS} is no folder; remove it and run the same command again"
            ) from error
        except NoNumber as error:
            raise RunFolderError(
                f"{folder / LOCKS} is damaged; remove it and run the same command again"
            ) from error
        except OSError as error:
            raise RunFolderError(f"cannot write {folder / LOCKS}: {told(error)}") from error

    @contextmanager
    def staging(self, name: str) -> Iterator[BufferedWriter]:
        """Open a new file that will be moved to its final place as `name`; it is on disk at the
        end."""
        self._staged[name] = f"{secrets.token_hex(8)}.staged"
        with self._own.create(self._staged[name]) as handle:
            yield handle
            handle.flush()
            os.fsync(handle.fileno())

    def staged(self, name: str) -> BufferedReader:
        """Open a staged file for reading."""
        return self._own.open(self._staged[name])

    def place(self, name: str, to: Directory, new: str | None = None) -> None:
        """Move a staged file to its final place.

        Args:
            new: its name there, if that is another.

        Raises:
            RunFolderError: this process is no longer the writer.
            OSError: the disk does not take it.
        """
        staged = self._staged.pop(name)
        try:
            with self._guard:
                self._held.move(staged, to, new or name)
        except FileNotFoundError:
            self.check()
            raise

    def check(self) -> None:
        """Check that this process still holds the lock.

        Raises:
            RunFolderError: it is not.
        """
        with self._guard:
            held = not self._lost and self._held.stands()
        if not self.folder.stands_at(self._where):
            raise RunFolderError(
                f"{self._where} was moved or removed while a search wrote it; shoal run --out with "
                "its new place goes on"
            )
        if not held:
            raise RunFolderError(
                f"{self.folder.path} has another writer now, which took this one for dead; "
                "nothing more is written here, and nothing is lost"
            )

    def release(self) -> None:
        """Release the lock."""
        self._ended.set()
        self._thread.join()
        with suppress(OSError):
            self._held.release()
        self._held.close()
        self.folder.close()

    def _beat(self) -> None:
        while not self._ended.wait(BEAT_SECONDS):
            try:
                with self._guard:
                    self._held.beat()
            except FileNotFoundError:
                self._lost = True
                return
            except OSError:  # a full disk, say: what writes rows will tell
                continue


class _Watch:
    """Watches a writer that may be alive (`shoal.search.lock.taking.Judge`).

    Args:
        say: told where it takes longer.
        seconds: how long it must stand still.
    """

    def __init__(self, folder: Path, say: Callable[[str], None], seconds: float) -> None:
        self._folder, self._say, self._seconds = folder, say, seconds

    def await_death(self, said: bytes | None, look: Callable[[], bytes | None]) -> None:
        """Return when the writer is known to be dead, or gave no heartbeat for long.

        Raises:
            BadInput: it is alive.
        """
        owner = Owner(said)
        if owner.is_dead():
            return
        if owner.is_later():
            raise BadInput(
                f"{self._folder} is being written by a later life of this job; it stops here"
            )
        before, since, told = look(), time.monotonic(), False
        while (passed := time.monotonic() - since) < self._seconds:
            time.sleep(0.2)
            if look() != before:
                raise BadInput(
                    f"{self._folder} is being written by {owner.name}; wait for it, or choose "
                    "another --out"
                )
            if passed > TELL_SECONDS and not told:
                told = True
                self._say(
                    f"waiting up to {self._seconds:.0f} s to see whether {owner.name} still writes "
                    f"{self._folder}"
                )

    def pause(self) -> None:
        """Sleep for a moment."""
        time.sleep(0.05)
