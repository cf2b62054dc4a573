"""A pack in a process of its own, for packs that may kill the process that they run in.

A fault in native code (a segmentation fault, say) ends the process. Where packs run in the driver's
own process, that is the whole search; so what was in hand when a driver died runs here, and again
in a new process each time that it dies.
"""

from __future__ import annotations

import io
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection, Pipe

import torch

from trainable.worker import Outcome, Recipe, Task

BLAMED = ("SIGSEGV", "SIGBUS", "SIGABRT", "SIGILL", "SIGFPE")
"""Signals that a process gets for what it does itself, and not from others."""

LOOK_SECONDS = 0.1
"""How soon it is told to stop."""

SAVE_SECONDS = 30.0
"""How long it gets to save its pack."""

_CHILD = """
import sys
sys.path[:] = {path!r}
from trainable.alone import serve
serve({descriptor})
"""


@dataclass(frozen=True)
class Death:
    """How the process of a pack ended that came to no end with it.

    Attributes:
        how: in words.
        counts: whether the pack is to blame.
    """

    how: str
    counts: bool


def run_alone(
    recipe: Recipe, task: Task, stop: Callable[[], bool], at_once: Callable[[], bool]
) -> Outcome | Death:
    """Run a pack in a process of its own, as `trainable.worker.Worker` does in this one.

    Args:
        stop: where it says so, the pack is saved and given back; at_once: as `stop`, unsaved.
    """
    ours, theirs = Pipe()
    with ours:
        child = None
        try:
            with theirs:
                code = _CHILD.format(path=sys.path, descriptor=theirs.fileno())
                child = subprocess.Popen(
                    [sys.executable, "-P", "-c", code],
                    stdin=subprocess.DEVNULL, pass_fds=(theirs.fileno(),),
                )  # fmt: skip
            _send(ours, (recipe, task))
            return _answer(ours, child, stop, at_once) or _unfinished()
        except (EOFError, BrokenPipeError, ConnectionResetError):
            assert child is not None
            return _death(child.wait())
        except OSError as error:  # no process, no descriptor
            return Death(f"it could not start: {error.strerror}", counts=False)
        finally:
            if child is not None:
                child.kill()
                child.wait()


def _answer(
    ours: Connection,
    child: subprocess.Popen[bytes],
    stop: Callable[[], bool],
    at_once: Callable[[], bool],
) -> Outcome | None:
    """What came of it; None where it has not saved in time.

    Raises:
        EOFError: the process died.
    """
    until = float("inf")
    while not ours.poll(LOOK_SECONDS):
        if child.poll() is not None and not ours.poll():
            raise EOFError  # what the problem has started may hold the channel open
        if until == float("inf") and stop():
            ours.send_bytes(b"stop")
            until = time.monotonic() + SAVE_SECONDS
        if at_once() or time.monotonic() > until:
            return None
    outcome: Outcome = torch.load(io.BytesIO(ours.recv_bytes()), weights_only=False)
    return outcome


def _send(ours: Connection, what: tuple[Recipe, Task]) -> None:
    buffer = io.BytesIO()
    torch.save(what, buffer)
    ours.send_bytes(buffer.getbuffer())


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
