"""The process of calls: gets them one after the other, and tells the reports of each.

The channel is a socket to the worker that has started the process. Messages are JSON, both ways:

    from the worker   first what all calls have in common (`Common`), then calls (`Asked`) and the
                      word to stop the one that runs
    to the worker     where a call begins: reports from before; then reports, and how it ended

Where the worker goes away, the process ends, with all that the user's code has started.
"""

from __future__ import annotations

import json
import os
import queue
import resource
import signal
import sys
import threading
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from shoal.trainable.errors import SourceError
from shoal.trainable.functions import STEP, Asked, Common, Report, Reports, Saving, Unsaved
from shoal.trainable.functions.inside.calling import STOPPED, End, Watched, call
from shoal.trainable.functions.inside.given import Given
from shoal.trainable.functions.inside.program import run
from shoal.trainable.functions.inside.seeding import Seeding
from shoal.trainable.modules import traceback_of
from shoal.trainable.process import entered

IGNORED = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP)
"""Signals that a terminal or a batch job sends to all processes: the driver tells what to do."""


def serve(descriptor: int) -> None:
    """Run the calls that come through the channel, until the worker is gone.

    Args:
        descriptor: of the channel.
    """
    with suppress(OSError, ValueError):  # a death is expected: it need not fill the disk
        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    for number in IGNORED:  # by a handler, which what the user's code starts does not inherit
        signal.signal(number, lambda *_: None)
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError):
            stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # suppressed
    Host(Connection(descriptor)).run()


class Host:
    """Runs calls in the main thread, and listens in another."""

    def __init__(self, channel: Connection) -> None:
        self._channel = channel
        self._common = Common.from_dict(json.loads(channel.recv_bytes()))
        self._calls: queue.SimpleQueue[Asked] = queue.SimpleQueue()
        self._stop = threading.Event()
        self._guard = threading.Lock()
        self._seeding = Seeding(self._common.cpus)

    def run(self) -> None:
        """Run calls until the worker is gone."""
        threading.Thread(target=self._listen, daemon=True).start()
        common = self._common
        if common.command is not None:
            os.chdir(common.source.world.folder or ".")
            while True:
                self._one(self._calls.get(), None)
        with entered(common.source.world, moves=False):
            try:
                function = common.source.function()
            except SourceError as error:
                self._tell(broken=str(error), details=traceback_of(error))
                return
            stands = os.getcwd()
            while True:
                asked = self._calls.get()
                with suppress(OSError):
                    os.chdir(stands)  # where the import left it, whatever a call has done
                self._one(asked, function)

    def _one(self, asked: Asked, function: Any) -> None:
        """Run one call, and tell how it ended."""
        _to_log(asked.log)
        self._seeding.seed(asked.seed)
        saving = None
        try:
            saving = Saving(Path(asked.place)) if asked.place is not None else None
            end = self._followed(asked, function, saving)
        except (OSError, Unsaved) as error:  # the disk's doing, and not the call's
            told = error.strerror if isinstance(error, OSError) else None
            self._tell(broken=told or str(error), details=traceback_of(error))
            return
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError, AttributeError):
                stream.flush()
        if saving is not None:
            saving.end()
        self._tell(end=end.how, error=end.error, details=end.details, memory=_memory())

    def _followed(self, asked: Asked, function: Any, saving: Saving | None) -> End:
        common = self._common
        told = saving.told if saving is not None else []
        self._tell(
            told=[[report.step, dict(report.values)] for report in told],
            before=saving.before if saving is not None else 0.0,
        )
        command = common.command
        reports = Reports(common.aim, told, stepped=saving is not None and command is None)
        watched = Watched(
            reports,
            common.aim,
            saving,
            self._report,
            self._stop.is_set,
            between=command is None or STEP in command.reads,
            cutoffs=asked.cutoffs,
        )
        if saving is not None and saving.done:  # and only its end was not heard
            why = common.aim.verdict(told, asked.cutoffs)
            return watched.ended(None if why == STOPPED else why)
        given = Given(
            values=asked.values,
            seed=asked.seed,
            stop=self._stop.is_set,
            checkpoint=None if saving is None else saving.folder,
        )
        if command is not None:
            return run(command, given, watched)
        return call(function, given, watched)

    def _report(self, report: Report) -> None:
        self._tell(step=report.step, values=dict(report.values))

    def _tell(self, **what: Any) -> None:
        with self._guard, suppress(OSError):
            self._channel.send_bytes(json.dumps(what).encode(errors="backslashreplace"))

    def _listen(self) -> None:
        """Receive messages until the worker is gone; then end everything."""
        with suppress(EOFError, OSError):
            while True:
                message = json.loads(self._channel.recv_bytes())
                if message.get("stop"):
                    self._stop.set()
                else:
                    self._stop.clear()  # the word came too late for the call before
                    self._calls.put(Asked.from_dict(message))
        with suppress(OSError):
            os.killpg(0, signal.SIGKILL)
        os._exit(1)


def _to_log(path: str) -> None:
    """Have all that is printed from now on go to a file."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW
    try:
        handle = os.open(path, flags, 0o666)
    except OSError:
        handle = os.open(os.devnull, os.O_WRONLY)
    for number in (1, 2):
        os.dup2(handle, number)
    os.close(handle)


def _memory() -> int:
    """Bytes of memory that this process has in use; 0: it cannot be told."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return 0
    return pages * resource.getpagesize()
