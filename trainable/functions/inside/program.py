"""One run of a program: its output is read line by line, and what matches is a report."""

from __future__ import annotations

import os
import re
import selectors
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from shoal.trainable.functions import STEP, Command, ReportError, Superseded
from shoal.trainable.functions.inside.calling import FAILED, STOPPED, End, Watched
from shoal.trainable.functions.inside.given import Given

LOOK_SECONDS = 0.1
"""How soon a program is told to stop."""

LINES = 20
"""Last lines of output that are told of a program that failed."""

MAX_LINE = 1 << 16
"""Bytes of a line that are looked at."""


def run(command: Command, given: Given, watched: Watched) -> End:
    """Run a program until it ends or is to end; all of its output goes to the log too."""
    own: dict[str, Any] = {"seed": given.seed, "checkpoint": given.checkpoint}
    words = command.words({**given.values, **own})
    try:
        program = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
    except OSError as error:
        return End(how=FAILED, error=f"{words[0]} cannot be run: {error.strerror}")
    lines: list[str] = []
    try:
        why = _followed(program, command, watched, lines)
    except ReportError as error:
        return End(how=FAILED, error=str(error))
    except Superseded:
        return End(how=STOPPED)
    finally:
        _end(program)
    if why is not None:
        return watched.ended(why)
    if program.returncode:
        details = "\n".join([f"{' '.join(words)}: {_how(program.returncode)}", *lines])
        return End(how=FAILED, error=f"{words[0]}: {_how(program.returncode)}", details=details)
    if not watched.reports.all:
        reads = ", ".join(f"{name}={pattern}" for name, pattern in command.reads.items())
        return End(how=FAILED, error=f"{words[0]} has printed nothing that matches {reads}")
    return watched.ended(None)


def _followed(
    program: subprocess.Popen[bytes], command: Command, watched: Watched, last: list[str]
) -> str | None:
    """Take the reports of a program; return why it is ended, or None where it ends itself."""
    patterns = {name: re.compile(pattern) for name, pattern in command.reads.items()}
    found: dict[str, float] = {}
    told = False
    for line in _lines(program):
        if watched.stopping() and not told:
            told = True
            os.killpg(0, signal.SIGTERM)  # of which this process takes no notice
        if line is None:
            continue
        last[:] = [*last, line][-LINES:]
        matches = [
            (match.start(), name, match)
            for name, pattern in patterns.items()
            for match in pattern.finditer(line)
        ]
        for _, name, match in sorted(matches, key=lambda one: one[0]):
            found[name] = _number(name, match)
            if len(found) == len(patterns):
                why = watched.add(_report(found), quiet=False)
                found = {}
                if why not in (None, STOPPED):
                    return why
    program.wait()
    return STOPPED if told else None


def _report(found: dict[str, float]) -> dict[str, Any]:
    """What was found, as a report; a step is a whole number."""
    if STEP not in found:
        return dict(found)
    step = found[STEP]
    return {**found, STEP: int(step) if step == int(step) else step}


def _number(name: str, match: re.Match[str]) -> float:
    text = match[1] if match.re.groups else match[0]
    try:
        return float(text)
    except (TypeError, ValueError):
        raise ReportError(f"what matches --read {name} is {text!r}, not a number") from None


def _lines(program: subprocess.Popen[bytes]) -> Iterator[str | None]:
    """Yield the lines of the output, and None where there was none for a moment."""
    assert program.stdout is not None
    out, rest = program.stdout.fileno(), b""
    with selectors.DefaultSelector() as waiting:
        waiting.register(out, selectors.EVENT_READ)
        while True:
            if not waiting.select(LOOK_SECONDS):
                if program.poll() is not None and not waiting.select(0):
                    break  # what it has left running may hold the pipe open
                yield None
                continue
            chunk = os.read(out, 1 << 16)
            if not chunk:
                break
            with suppress(OSError, ValueError):
                sys.stdout.buffer.write(chunk)
                sys.stdout.buffer.flush()
            *whole, rest = re.split(rb"[\r\n]+", (rest + chunk))
            rest = rest[-MAX_LINE:]
            yield from (line.decode(errors="replace") for line in whole)
    if rest:
        yield rest.decode(errors="replace")


def _end(program: subprocess.Popen[bytes]) -> None:
    """Have what is left of a program end: TERM to all of its group, and KILL to the program."""
    with suppress(OSError):
        os.killpg(0, signal.SIGTERM)
    try:
        program.wait(1.0)
    except subprocess.TimeoutExpired:
        program.kill()
        program.wait()
    if program.stdout is not None:
        program.stdout.close()


def _how(code: int) -> str:
    """How a program ended, by its exit code."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:  # a real-time signal
        return f"killed by signal {-code}"
