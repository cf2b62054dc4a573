"""What a notebook shows while a search runs: a bar that grows in its place."""

from __future__ import annotations

import importlib
import math
import sys
import time
from dataclasses import replace
from html import escape
from typing import Any, TextIO

import pyarrow as pa

from shoal.search.watching.observer import Observer, Status
from shoal.search.watching.printable import printable

BAR_SECONDS = 0.25


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return getattr(shell, "kernel", None) is not None


class Bar(Observer):
    """A bar and a line beside it; messages stand below, as text."""

    def __init__(self, stream: TextIO) -> None:
        shown: Any = importlib.import_module("IPython.display")
        self._html, self._stream = shown.HTML, stream
        self._last, self._fresh = -math.inf, 0
        self._status: Status | None = None
        self._place: Any = shown.display(self._html("starting"), display_id=True)

    def rows(self, part: pa.Table) -> None:
        self._fresh += len(part)

    def status(self, status: Status) -> None:
        self._status = status
        if time.monotonic() - self._last >= BAR_SECONDS:
            self._show()

    def say(self, message: str) -> None:
        print(printable(message), file=self._stream, flush=True)

    def end(self) -> None:
        if self._status is not None:  # rows that have come since
            done = self._status.begun + self._fresh
            self._status = replace(self._status, done=max(done, self._status.done))
            self._show()

    def _show(self) -> None:
        self._last, status = time.monotonic(), self._status
        if status is not None:
            bar = f"<progress value='{status.done}' max='{status.total}'></progress>"
            self._place.update(self._html(f"{bar} {escape(printable(status.line()))}"))
