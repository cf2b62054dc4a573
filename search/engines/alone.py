"""Child processes for packs that may crash the process in which they run.

A fault in native code (a segmentation fault, say) ends the process. Where packs run in the driver's
own, that is the whole search; so what was in hand when a driver died runs here, and again in a new
process each time that it dies.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, Pipe

from shoal.trainable.hosts import STOP, received, send
from shoal.trainable.task import Outcome, Recipe, Task

BLAMED = ("SIGSEGV", "SIGBUS", "SIGABRT", "SIGILL", "SIGFPE")
"""Signals that a process gets for what it does itself, and not from others."""

LOOK_SECONDS = 0.1
"""How soon a process is told to stop, and how soon its death is seen."""

SAVE_SECONDS = 30.0
"""How long it gets to save its pack."""

IGNORED = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP)
"""Signals that a terminal or a batch job sends to all processes: the driver tells what to do."""

_CHILD = """
import signal, sys
for number in {ignored!r}:
    signal.signal(number, signal.SIG_IGN)
sys.path[:] = {path!r}
from shoal.trainable.hosts.alone import serve
serve({descriptor})
"""


@dataclass(frozen=True)
class Death:
    """How a process died before its pack was done.

    Attributes:
        how: in words.
        counts: whether the pack is to blame.
    """

    how: str
    counts: bool


class Alone:
    """Runs packs in a child process, one at a time, as `shoal.trainable.worker.Worker` does here.

    Args:
        recipe: what all packs have in common.
    """

    def __init__(self, recipe: Recipe) -> None:
        self._recipe = recipe
        self._held: tuple[subprocess.Popen[bytes], Connection] | None = None

    def run(
        self, task: Task, stop: Callable[[], bool], at_once: Callable[[], bool], *, fresh: bool
    ) -> Outcome | Death:
        """Run a pack.

        Args:
            stop: where it says so, the pack is saved and given back; at_once: as `stop`, unsaved.
            fresh: whether no other pack may have run in the process, and none will.
        """
        if fresh:
            self.close()
        try:
            child, channel = self._held = self._held or self._start()
        except OSError as error:
            return Death(f"it could not start: {error.strerror}", counts=False)
        try:
            send(channel, task)
            outcome = _answer(child, channel, stop, at_once)
        except (EOFError, OSError):
            code = child.wait()
            self.close()
            return _death(code)
        if outcome is None or fresh:
            self.close()
        return outcome or _unfinished()

    def close(self) -> None:
        """Kill the process."""
        if self._held is not None:
            child, channel = self._held
            self._held = None
            channel.close()
            child.kill()
            child.wait()

    def _start(self) -> tuple[subprocess.Popen[bytes], Connection]:
        ours, theirs = Pipe()
        with theirs:
            code = _CHILD.format(
                ignored=tuple(map(int, IGNORED)), path=sys.path, descriptor=theirs.fileno()
            )
            try:
                child = subprocess.Popen(
                    [sys.executable, "-P", "-c", code],
                    stdin=subprocess.DEVNULL,
                    pass_fds=(theirs.fileno(),),
                )
            except OSError:
                ours.close()
                raise
        with suppress(OSError):  # it has died already, which is seen where it is to answer
            send(ours, self._recipe)
        return child, ours


def _answer(
    child: subprocess.Popen[bytes],
    channel: Connection,
    stop: Callable[[], bool],
    at_once: Callable[[], bool],
) -> Outcome | None:
    """Wait for the outcome of a pack; None: it was not saved in time.

    Raises:
        EOFError, OSError: the process died.
    """
    until = float("inf")
    while not channel.poll(LOOK_SECONDS):
        if child.poll() is not None and not channel.poll():
            raise EOFError  # what the problem has started may hold the channel open
        if until == float("inf") and stop():
            channel.send_bytes(STOP)
            until = time.monotonic() + SAVE_SECONDS
        if at_once() or time.monotonic() > until:
            return None
    outcome: Outcome = received(channel.recv_bytes())
    return outcome


def _unfinished() -> Outcome:
    return Outcome(fitted=None, node="", device="", started=time.time(), seconds=0.0, stopped=True)


def _death(code: int) -> Death:
    if code >= 0:
        return Death(f"exit code {code}", counts=False)
    try:
        name = signal.Signals(-code).name
    except ValueError:  # a real-time signal
        name = f"signal {-code}"
    return Death(name, counts=name in BLAMED)
