"""Child processes: all of them end with this one, with cgroups or without.

Those that it starts itself are told to end with it, by the kernel; whatever those have started
carries a mark in its environment, by which what is left is found (`shoal.slurm.node.temp`).
"""

from __future__ import annotations

import ctypes
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from shoal.slurm import wire

LEAVE = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
"""Signals that tell a node's agent to end."""

AGAIN_SECONDS = 0.5
"""After which it is told again that it has to end."""

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36


def adopt_orphans() -> None:
    """Become a child subreaper: orphaned descendants are reparented to this process (Linux)."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)


def ends_with_us(number: signal.Signals) -> Callable[[], None]:
    """Return a ``preexec_fn`` that sets the signal which a child gets when this process ends, be it
    by SIGKILL (Linux)."""
    prctl, parent = ctypes.CDLL(None).prctl, os.getpid()

    def tie() -> None:
        prctl(_PR_SET_PDEATHSIG, int(number))
        if os.getppid() != parent:  # it ended before that was said
            os._exit(1)

    return tie


def end_marked(value: str) -> int:
    """Kill the processes of this user that were started with a mark, but this one; return how many
    there were."""
    entry, count = f"{wire.NODE_TEMP_VARIABLE}={value}".encode(), 0
    for found in Path("/proc").iterdir():
        if found.name.isdigit() and int(found.name) != os.getpid():
            with suppress(OSError):
                mine = found.stat().st_uid == os.getuid()
                if mine and entry in (found / "environ").read_bytes().split(b"\0"):
                    os.kill(int(found.name), signal.SIGKILL)
                    count += 1
    return count


def descendants() -> list[int]:
    """The process ids of all descendants of this process."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError, IndexError, ValueError):
                after_name = (entry / "stat").read_text().rpartition(")")[2].split()
                parents[int(entry.name)] = int(after_name[1])
    own = os.getpid()
    found: list[int] = []
    layer = [own]
    while layer:
        layer = [pid for pid, parent in parents.items() if parent in layer]
        found += layer
    return found


def end_descendants(patience_seconds: float = 5.0) -> None:
    """Kill them all by SIGKILL: what Ray holds is disposable, and after a scancel there may be no
    time for more.

    Args:
        patience_seconds: how long at the most.
    """
    deadline = time.monotonic() + patience_seconds
    while alive := descendants():
        for pid in alive:
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        if time.monotonic() > deadline:
            return
        time.sleep(0.01)


class Leave:
    """Ends this process by SystemExit once a signal tells it to, wherever it is.

    What is raised where nobody can catch it, as in a callback of an import, is lost: so it is
    raised again and again, until `no_more` says that it has come through.
    """

    def __init__(self, tell: Callable[[int], None]) -> None:
        """Begin to listen.

        Args:
            tell: called once, with the number of the signal.
        """
        self._tell = tell
        self._number: int | None = None
        for sign in LEAVE:
            signal.signal(sign, self._hear)
        signal.signal(signal.SIGALRM, self._hear)

    def _hear(self, number: int, frame: object) -> None:
        signal.setitimer(signal.ITIMER_REAL, AGAIN_SECONDS)
        if self._number is None:
            self._number = number
            self._tell(number)
        raise SystemExit(128 + self._number)

    def no_more(self) -> None:
        """Listen no more: the process is about to end."""
        for sign in (*LEAVE, signal.SIGALRM):
            signal.signal(sign, signal.SIG_IGN)
        signal.setitimer(signal.ITIMER_REAL, 0.0)
