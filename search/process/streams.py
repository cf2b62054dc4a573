"""The command's standard streams: one that is closed, full or a broken pipe ends no search.

While a search runs, what cannot be written to them is lost. What a command is asked for, though, is
written to standard output or told to be missing, by the exit code too.

Where that is data (``--json``, ``--csv -``), nothing else may be between it: then file descriptor
1 leads to standard error from the beginning, for all that the problem, Ray and their processes
print, and the data alone go where it led before.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, TextIO, cast

STANDARD = (0, 1, 2)

_data: TextIO | None = None  # where the data go, if nothing else may go there


class Lasting:
    """A text stream that never fails: text that cannot be written is dropped."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream: Any = stream

    def write(self, text: str) -> int:
        with suppress(OSError, ValueError, AttributeError):  # full; closed; there is none
            self._stream.write(text)
        return len(text)

    def writelines(self, lines: Sequence[str]) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        with suppress(OSError, ValueError, AttributeError):
            self._stream.flush()

    def isatty(self) -> bool:
        with suppress(OSError, ValueError, AttributeError):
            return bool(self._stream.isatty())
        return False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class Closed:
    """Stands for a standard output that was closed from the beginning."""

    encoding = "utf-8"

    def write(self, text: str) -> int:
        raise OSError(errno.EBADF, "it is closed")

    def flush(self) -> None:
        return

    def isatty(self) -> bool:
        return False


def lasting(stream: TextIO | None) -> TextIO:
    """Return `stream` as one that never fails; None: one that drops everything."""
    return cast(TextIO, stream if isinstance(stream, Lasting) else Lasting(stream))


def tell(message: str) -> None:
    """Write a line to standard error, if possible."""
    print(message, file=lasting(sys.stderr), flush=True)


def begin(data: bool) -> None:
    """Prepare the standard streams of this process.

    Args:
        data: whether standard output is for data alone.
    """
    global _data
    for handle in STANDARD:  # else files would be given their numbers, and what is printed
        try:
            os.fstat(handle)
        except OSError:
            _lose(handle)
    output = cast(TextIO, sys.stdout or Closed())
    if data and sys.stdout is not None:
        sys.stdout.flush()
        kept = os.dup(1)
        os.dup2(2, 1)
        output = open(kept, "w", encoding="utf-8", errors="surrogateescape")  # noqa: SIM115  # to the end
    if data:
        _data = output
    sys.stdout = sys.stdout or output
    sys.stderr = lasting(sys.stderr)


@contextmanager
def printing() -> Iterator[None]:
    """Let no failure to print end a search."""
    before = sys.stdout
    sys.stdout = lasting(before)
    try:
        yield
    finally:
        sys.stdout = before


def output() -> TextIO:
    """Return the stream for a command's results."""
    return _data or sys.stdout


def for_data() -> bool:
    """Whether standard output is for data only."""
    return _data is not None


def end() -> None:
    """Drop text that no stream has accepted; otherwise Python would fail at exit."""
    for stream in (_data, sys.__stdout__, sys.__stderr__):
        if stream is None or isinstance(stream, Closed):
            continue
        try:
            stream.flush()
        except (OSError, ValueError):
            with suppress(OSError, ValueError):
                _lose(stream.fileno())


def _lose(handle: int) -> None:
    """Redirect a file descriptor to ``/dev/null``."""
    nothing = os.open(os.devnull, os.O_RDWR)
    if nothing == handle:
        os.set_inheritable(handle, True)
    else:
        os.dup2(nothing, handle)
        os.close(nothing)
