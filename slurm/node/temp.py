"""A temp folder on one node, of a job or of a search: closed to others, short, gone at the end.

Who uses it holds a lock on a file in it, which the kernel lets go of when that process ends. Its
process id would not do: in a container it is another, and a living job's folder would be taken for
a dead one's.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import stat
import tempfile
import time
from pathlib import Path

from shoal.slurm.node.processes import end_marked

MAX_TEMP_BYTES = 43
"""Maximum length of the path of Ray's temp folder: of the 107 that Linux allows for a socket 64 are
Ray's own (``/session_DATE_TIME_MICROSECONDS_PID/sockets/plasma_store``)."""

LOCK = "lock"

YOUNG_SECONDS = 3600.0
"""Minimum age of a folder without a lock that is removed: a younger one may be about to get one."""

CLEAR_SECONDS = 5.0

_held: dict[Path, int] = {}


def temp_parent(below_bytes: int) -> Path:
    """Return the system's temp folder; ``/tmp`` where paths of Ray's sockets would be too long.

    Args:
        below_bytes: length of the path of Ray's temp folder below that, from its first slash.
    """
    parent = Path(tempfile.gettempdir())
    fits = len(os.fsencode(parent)) + below_bytes <= MAX_TEMP_BYTES
    return parent if fits else Path("/tmp")


def make(job: str) -> Path:
    """Create a private folder on this node's own disk, short enough for the paths of Ray's sockets.

    Ray opens its temp folder and all below it to everybody, so it gets one inside.
    """
    name = f"shoaljob-{job[-10:]}-{os.getpid()}-"
    parent = temp_parent(len(f"/{name}XXXXXXXX/r"))
    return create(name, parent)


def create(prefix: str, parent: Path) -> Path:
    """Create a private folder whose name begins with `prefix`, and hold its lock.

    The lock is held before it has its name: nobody finds one that is not held yet.
    """
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
    unnamed = folder / f".{LOCK}"
    _held[folder] = os.open(unnamed, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    fcntl.flock(_held[folder], fcntl.LOCK_EX)
    unnamed.rename(folder / LOCK)
    return folder


def remove(folder: Path) -> None:
    """Remove a folder that `make` has created, and release its lock."""
    shutil.rmtree(folder, ignore_errors=True)
    handle = _held.pop(folder, None)
    if handle is not None:
        os.close(handle)


def keep(folder: Path) -> None:
    """Have a folder that `make` made removed when this process ends, be it by SIGKILL, and all that
    was started with its mark ended: by a process in a session of its own that waits for that."""
    reading, writing = os.pipe()
    if os.fork() != 0:
        os.close(reading)  # the other end is closed with this process
        return
    try:
        os.setsid()
        os.close(writing)
        os.close(_held[folder])
        for sign in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1):
            signal.signal(sign, signal.SIG_IGN)
        os.read(reading, 1)
        _clear(folder)
    finally:
        os._exit(0)


def _clear(folder: Path) -> None:
    deadline = time.monotonic() + CLEAR_SECONDS
    while end_marked(str(folder)) and time.monotonic() < deadline:
        time.sleep(0.05)  # they may have started others meanwhile
    shutil.rmtree(folder, ignore_errors=True)


def remove_left_over() -> None:
    """Remove what jobs of this user left on this node because they were killed: folders, and
    processes that were started with them."""
    for parent in {Path(tempfile.gettempdir()), Path("/tmp")}:
        for old in parent.glob("shoaljob-*-*-*"):
            if is_left_over(old):
                _clear(old)


def is_left_over(folder: Path) -> bool:
    """Whether no process holds a folder's lock any more; where that is not certain, False."""
    try:
        told = folder.lstat()
    except OSError:  # somebody else has just removed it
        return False
    if told.st_uid != os.getuid() or not stat.S_ISDIR(told.st_mode):
        return False
    try:
        handle = os.open(folder / LOCK, os.O_RDWR | os.O_NOFOLLOW)
    except FileNotFoundError:  # an older shoal's, or one that is being made
        pid = folder.name.split("-")[-2]
        alive = not pid.isdigit() or Path("/proc", pid).exists()
        return not alive and time.time() - told.st_mtime > YOUNG_SECONDS
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # it is held, or the disk knows no locks
        return False
    finally:
        os.close(handle)
    return True
