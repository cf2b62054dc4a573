"""A line on standard error that moves while a command works, and is gone when it has something to
say."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from shoal.search.command.terminal.text import cut, width
from shoal.search.process import lasting

STEPS = "|/-\\"
SECONDS = 0.1
"""Between two steps."""

ERASE = "\r\x1b[K"


@contextmanager
def moving(what: str) -> Iterator[None]:
    """Show a line that moves, on a terminal; elsewhere nothing.

    Args:
        what: the command does, as in ``reading runs/first``.
    """
    stream = lasting(sys.stderr)
    if not stream.isatty():
        yield
        return
    over = threading.Event()

    def show() -> None:
        step = 0
        while True:
            stream.write(f"\r{cut(f'{STEPS[step % len(STEPS)]} {what}', width() - 1)}")
            stream.flush()
            if over.wait(SECONDS):
                return
            step += 1

    thread = threading.Thread(target=show, name="moving", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        stream.write(ERASE)
        stream.flush()
