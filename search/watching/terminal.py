"""What the user sees while a search runs: a live line, plain lines, or nothing."""

from __future__ import annotations

import math
import sys
import time
from typing import Any, TextIO

from shoal.search.process import lasting
from shoal.search.watching.notebook import Bar, in_notebook
from shoal.search.watching.observer import Observer, Status
from shoal.search.watching.printable import printable

LIVE_SECONDS, PLAIN_SECONDS = 0.1, 5.0


class Silent(Observer):
    """Shows nothing but messages that matter, on `stream` if there is one."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream

    def say(self, message: str) -> None:
        if self._stream is not None:
            print(printable(message), file=self._stream, flush=True)


class Plain(Observer):
    """A line every few seconds, for logs."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._last = -math.inf
        self._shown = ""

    def status(self, status: Status) -> None:
        now = time.monotonic()
        if now - self._last >= PLAIN_SECONDS and status.done:
            self._last, line = now, status.line()
            if line != self._shown:
                self._shown = line
                self.say(line)

    def say(self, message: str) -> None:
        print(printable(message), file=self._stream, flush=True)


class Live(Observer):
    """One line that changes in place, for terminals."""

    def __init__(self, stream: TextIO) -> None:
        from rich.console import Console
        from rich.live import Live as RichLive
        from rich.spinner import Spinner
        from rich.text import Text

        self._text, self._spinner = Text, Spinner("line", "starting")
        self._console = Console(file=stream)
        self._live: Any = RichLive(self._spinner, console=self._console, refresh_per_second=8)
        self._live.start()
        self._last = -math.inf

    def doing(self, what: str) -> None:
        self._spinner.update(text=what)

    def status(self, status: Status) -> None:
        now = time.monotonic()
        if status.done and now - self._last >= LIVE_SECONDS:
            self._last = now
            line = self._text(status.line(), no_wrap=True, overflow="ellipsis")
            self._live.update(line, refresh=True)

    def say(self, message: str) -> None:
        self._console.print(printable(message), markup=False, highlight=False)

    def end(self) -> None:
        self._live.stop()


def choose(quiet: bool) -> Observer:
    """Return what fits standard error: live on a terminal, a bar in a notebook, plain elsewhere,
    silent if `quiet`."""
    stream = lasting(sys.stderr)
    if quiet:
        return Silent(stream)
    if in_notebook():
        return Bar(stream)
    return Live(stream) if stream.isatty() else Plain(stream)
