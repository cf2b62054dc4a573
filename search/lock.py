"""The lock of a run folder: one writer, on any disk, whatever becomes of it.

    .lock/N/owner.json    who the N-th writer is
    .lock/N/beat          a number that changes while it lives
    .lock/N/...           what it is about to move into place

No lock of the system's is used, since network disks have them or have them not. A writer's folder
is made by one rename, which fails where the number is taken. Every file of the run folder is first
written inside it and moved from there, so that a writer whose folder was taken away can change
nothing any more, however late it comes back: it is fenced off, not just told.

A writer is dead if SLURM has started its job again, if its process is gone from this machine, or if
its number does not change for a while. That is looked at, never computed from clocks. The last
folder stays, so that no number is used twice.
"""

from __future__ import annotations

import errno
import json
import os
import secrets
import shutil
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from search.errors import BadInput, RunFolderError

BEAT_SECONDS = 2.0
WATCH_SECONDS = 20.0
"""How long a writer's number may stay the same before it counts as dead."""

TELL_SECONDS = 3.0

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EIO)


def why(error: OSError) -> str:
    """What the system says; pyarrow's errors have a text of their own around it."""
    return os.strerror(error.errno) if error.errno else str(error)


def told(error: OSError) -> str:
    """Why a disk does not take a file, and what to do."""
    mend = "make room" if error.errno in NO_ROOM else "mend that"
    return f"{why(error)}; {mend} and run the same command again: it goes on"


class Lock:
    """What a writer holds. `take` makes one."""

    def __init__(self, folder: Path, number: int) -> None:
        self._folder, self.number = folder, number
        self._place = folder / ".lock" / f"{number:06d}"
        self._ended = threading.Event()
        self._lost = False
        self._thread = threading.Thread(target=self._beat, name="lock", daemon=True)
        self._thread.start()

    @classmethod
    def take(cls, folder: Path, say: Callable[[str], None], watch: float | None = None) -> Lock:
        """Become the writer of a run folder.

        Args:
            say: told where this takes longer, since the last writer may be alive.
            watch: seconds for which its number must stay the same; WATCH_SECONDS if absent.

        Raises:
            BadInput: another process is writing.
            RunFolderError: the disk does not take it.
        """
        locks = folder / ".lock"
        beside = locks / f"new-{secrets.token_hex(8)}"
        try:
            if locks.exists() and not locks.is_dir():
                raise RunFolderError(
                    f"{locks} is no folder; remove it and run the same command again"
                )
            locks.mkdir(exist_ok=True)
            number = 0
            while not number:
                last = _last(locks)
                if last is not None:
                    _await_death(last, folder, say, WATCH_SECONDS if watch is None else watch)
                wanted = 1 if last is None else int(last.name) + 1
                with suppress(FileNotFoundError):  # somebody quicker has tidied up
                    beside.mkdir()
                    (beside / "owner.json").write_text(json.dumps(_identity()) + "\n")
                    (beside / "beat").write_text("0\n")
                    if _rename(beside, locks / f"{wanted:06d}"):
                        number = wanted
                shutil.rmtree(beside, ignore_errors=True)
            for old in locks.iterdir():
                if old.name != f"{number:06d}":
                    _remove(old)
        except OSError as error:
            shutil.rmtree(beside, ignore_errors=True)
            raise RunFolderError(f"cannot write {locks}: {told(error)}") from error
        return cls(folder, number)

    def stage(self, name: str) -> Path:
        """Return where a file is written before it is moved into place."""
        return self._place / name

    def place(self, name: str, target: Path) -> None:
        """Move a staged file to its place.

        Raises:
            RunFolderError: this process is no longer the writer.
            OSError: the disk does not take it.
        """
        try:
            self.stage(name).replace(target)
        except FileNotFoundError:
            self.check()
            raise

    def check(self) -> None:
        """Check that this process still is the writer.

        Raises:
            RunFolderError: it is not.
        """
        if self._lost or not (self._place / "owner.json").exists():
            raise RunFolderError(
                f"{self._folder} has another writer now, which took this one for dead; "
                "nothing more is written here, and nothing is lost"
            )

    def release(self) -> None:
        """Let others write."""
        self._ended.set()
        self._thread.join()
        with suppress(OSError):
            for file in self._place.iterdir():
                if file.name != "owner.json":
                    file.unlink()
            file = self._place / "owner.json"
            if file.exists():
                file.write_text("{}\n")

    def _beat(self) -> None:
        count = 0
        while not self._ended.wait(BEAT_SECONDS):
            count += 1
            try:
                # opened anew, since network disks tell others of a change when a file is closed
                with open(self._place / "beat", "r+", encoding="ascii") as handle:
                    handle.write(f"{count}\n")
            except FileNotFoundError:
                self._lost = True
                return
            except OSError:  # a full disk, say: what writes rows will tell
                continue


def _identity() -> dict[str, Any]:
    life = os.environ.get("SLURM_RESTART_COUNT", "")
    return {
        "process": os.getpid(),
        "host": os.uname().nodename,
        "machine": _machine(),
        "since": _began(os.getpid()),
        "job": os.environ.get("SLURM_JOB_ID"),
        "life": int(life) if life.isdecimal() else 0,
    }


def _machine() -> str | None:
    """This boot of this machine and its space of process numbers; None where none can be told."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return None


def _began(process: object) -> str | None:
    """When a process began, in the kernel's ticks, so that a number used again is told apart."""
    try:
        stat = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    return stat.rpartition(")")[2].split()[19]


def _last(locks: Path) -> Path | None:
    """The folder of the last writer."""
    numbers = [entry for entry in locks.iterdir() if entry.name.isdecimal()]
    return max(numbers, key=lambda entry: int(entry.name), default=None)


def _await_death(last: Path, folder: Path, say: Callable[[str], None], watch: float) -> None:
    """Return when the last writer is known to be dead.

    Raises:
        BadInput: it is alive.
    """
    try:
        owner = json.loads((last / "owner.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        owner = None
    if owner == {}:  # it has released the folder
        return
    if not isinstance(owner, dict):
        owner = {}
    mine = _identity()
    who = "another process"
    if "process" in owner:
        who = f"process {owner['process']} on {owner.get('host')}"
    life = owner.get("life")
    if owner.get("job") is not None and owner["job"] == mine["job"] and isinstance(life, int):
        if life < mine["life"]:
            return
        if life > mine["life"]:
            raise BadInput(f"{folder} is being written by a later life of this job; it stops here")
    if owner.get("machine") is not None and owner.get("machine") == mine["machine"]:
        began = _began(owner.get("process"))
        if began is None or began != owner.get("since"):
            return
    before, since, told = _read(last / "beat"), time.monotonic(), False
    while (passed := time.monotonic() - since) < watch:
        time.sleep(0.2)
        if _read(last / "beat") != before:
            raise BadInput(
                f"{folder} is being written by {who}; wait for it, or choose another --out"
            )
        if passed > TELL_SECONDS and not told:
            told = True
            say(f"waiting up to {watch:.0f} s to see whether {who} still writes {folder}")


def _read(file: Path) -> str | None:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None


def _rename(beside: Path, place: Path) -> bool:
    """Move a folder to a place that must be free; return False where it is taken."""
    try:
        beside.rename(place)
    except OSError:
        if place.exists():
            return False
        raise
    return True


def _remove(old: Path) -> None:
    """Take away an earlier writer's folder: from one moment to the next, it has none."""
    gone = old.with_name(f"gone-{secrets.token_hex(8)}")
    with suppress(FileNotFoundError):
        old.rename(gone)
    shutil.rmtree(gone, ignore_errors=True)
