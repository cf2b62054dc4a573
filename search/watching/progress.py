"""What the user sees while a search runs: a live line, plain lines, or nothing."""

from __future__ import annotations

import math
import sys
import time
from dataclasses import dataclass
from typing import Any, Protocol, TextIO

import numpy
import pyarrow as pa

from shoal.search.process import lasting
from shoal.search.watching.printable import printable

LIVE_SECONDS, PLAIN_SECONDS = 0.1, 5.0


class Best:
    """The best loss so far (+inf: none), and its learning rate, if there is one."""

    def __init__(self) -> None:
        self.loss = math.inf
        self.lr: float | None = None

    def note(self, table: pa.Table) -> None:
        """There are more rows."""
        loss = table["loss"].to_numpy()
        at = int(numpy.argmin(loss)) if len(loss) else 0
        if len(loss) and loss[at] < self.loss:
            self.loss = float(loss[at])
            if "lr" in table.schema.names:
                self.lr = float(table["lr"][at].as_py())


@dataclass(frozen=True, kw_only=True)
class Status:
    """How far a search is.

    Attributes:
        done, total: lanes.
        begun: lanes that were done before this process began.
        unit: what to call them: trials, where each has one lane.
        best: the best so far.
        seconds: since the first pack began (0: none did).
    """

    done: int
    total: int
    begun: int
    unit: str
    best: Best
    seconds: float

    def line(self) -> str:
        """The status in one line."""
        parts = [f"{self.done:,}/{self.total:,} {self.unit}"]
        if math.isfinite(self.best.loss):
            at = f" at lr {self.best.lr:.4g}" if self.best.lr is not None else ""
            parts.append(f"best loss {self.best.loss:.6g}{at}")
        fresh = self.done - self.begun
        if fresh and self.seconds > 0:
            rate = fresh / self.seconds
            parts.append(f"{rate:,.0f} lanes/s")
            parts.append(f"{_duration((self.total - self.done) / rate)} left")
        return ", ".join(parts)


class Progress(Protocol):
    """Shows a status now and then, and messages at once."""

    def update(self, status: Status) -> None:
        """The search is at `status`."""

    def say(self, message: str) -> None:
        """Tell the user something that matters."""

    def end(self) -> None:
        """The search is over."""


class Silent:
    """Shows nothing but messages that matter, on `stream` if there is one."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream

    def update(self, status: Status) -> None:
        return

    def say(self, message: str) -> None:
        if self._stream is not None:
            print(printable(message), file=self._stream, flush=True)

    def end(self) -> None:
        return


class Plain:
    """A line every few seconds, for logs."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._last = -math.inf
        self._shown = ""

    def update(self, status: Status) -> None:
        now = time.monotonic()
        if now - self._last >= PLAIN_SECONDS and status.done:
            self._last, line = now, status.line()
            if line != self._shown:
                self._shown = line
                self.say(line)

    def say(self, message: str) -> None:
        print(printable(message), file=self._stream, flush=True)

    def end(self) -> None:
        return


class Live:
    """One line that changes in place, for terminals."""

    def __init__(self, stream: TextIO) -> None:
        from rich.console import Console
        from rich.live import Live as RichLive
        from rich.text import Text

        self._text = Text
        self._console = Console(file=stream)
        self._live: Any = RichLive("starting", console=self._console, auto_refresh=False)
        self._live.start()
        self._last = -math.inf

    def update(self, status: Status) -> None:
        now = time.monotonic()
        if now - self._last >= LIVE_SECONDS:
            self._last = now
            line = status.line() if status.done else "starting"
            self._live.update(self._text(line), refresh=True)

    def say(self, message: str) -> None:
        self._console.print(printable(message), markup=False, highlight=False)

    def end(self) -> None:
        self._live.stop()


def choose(quiet: bool) -> Progress:
    """Return what fits standard error: live on a terminal, plain elsewhere, silent if `quiet`."""
    stream = lasting(sys.stderr)
    if quiet:
        return Silent(stream)
    return Live(stream) if stream.isatty() else Plain(stream)


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(int(minutes), 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {seconds:02d} s" if minutes else f"{seconds} s"
