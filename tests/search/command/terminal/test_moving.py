"""The line that moves."""

from __future__ import annotations

import os
import pty
import struct
import sys
import termios
from collections.abc import Callable
from fcntl import ioctl

import pytest

from shoal.search.command.terminal import moving

COLUMNS = 30


def test_a_terminal_sees_a_line_that_moves_and_then_goes(
    monkeypatch: pytest.MonkeyPatch, eventually: Callable[..., None]
) -> None:
    """At once, and several times; never wider than the terminal; at the end it is erased."""
    monkeypatch.delenv("COLUMNS", raising=False)
    reader, writer = pty.openpty()
    ioctl(writer, termios.TIOCSWINSZ, struct.pack("HHHH", 24, COLUMNS, 0, 0))
    with open(writer, "w") as terminal, open(reader, "rb", buffering=0) as reading:
        monkeypatch.setattr(sys, "stderr", terminal)
        monkeypatch.setattr(sys, "__stdout__", terminal)  # whose width is asked for
        os.set_blocking(reader, False)
        seen = b""

        def moved() -> bool:
            nonlocal seen
            seen += reading.read(65536) or b""
            return seen.count(b"\r") >= 3

        with moving("reading " + "x" * 100):
            eventually(moved)
        seen += reading.read(65536) or b""
    text = seen.decode()
    assert text.endswith("\r\x1b[K")
    lines = text.removesuffix("\x1b[K").split("\r")[1:-1]
    assert {line[0] for line in lines} >= {"|", "/", "-"}
    assert {len(line) for line in lines} == {COLUMNS - 1}
    assert all(line.endswith("xx…") for line in lines)


def test_what_is_no_terminal_sees_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    """No log has it."""
    with moving("reading"):
        pass
    assert capfd.readouterr() == ("", "")
