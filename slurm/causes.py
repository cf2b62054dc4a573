"""The cause of a failure in a log: its last lines, without stack frames.

Ray's C++ answers a signal with a stack, twice; Python's tracebacks end in the one line that tells,
and may have a dozen frames of Ray's own before it.
"""

from __future__ import annotations

import re

MAX_CHARACTERS = 400
"""Length at which a line is truncated: an error of Ray's may hold a whole page."""

_PREFIX = r"(?:\[[^\]]*\]\s*(?:\(\w+\)\s*)?logging\.cc:\d+:\s*)?"
_SIGNAL = re.compile(_PREFIX + r"\*\*\* (SIG\w+) received at time=.*")
_FATAL = ("SIGSEGV", "SIGBUS", "SIGABRT", "SIGILL", "SIGFPE")

_NOISE = re.compile(
    "|".join(
        (
            _PREFIX + r"(?:PC: )?\s*@\s+(?:0x)?[0-9a-f]+\b.*",  # a frame of C++
            r"\s*\S*\(.*\+0x[0-9a-f]+\)\s*\[0x[0-9a-f]+\].*",
            r".*\*\*\* StackTrace Information \*\*\*.*",
            r"Stack \(most recent call first\):|(?:Current )?[Tt]hread 0x[0-9a-f]+.*",
            r"Extension modules: .*",
            r"\s*Traceback \(most recent call last\):",
            r'\s+File ".*", line \d+.*',
            r"The above exception was the direct cause .*|During handling of the above .*",
            r"[-\d]+ [:\d,]+\s+INFO .*",
            r"\[[^\]]* I \d+ \d+\] .*",
            r"srun: Job step aborted: Waiting up to .*|srun: Terminating StepId=.*",
        )
    )
)
_FILE = re.compile(r'\s+File ".*", line \d+.*')
_CAUSE = re.compile(
    r"(?:[A-Za-z_]\w*\.)*[A-Za-z_]\w*(?:Error|Exception|Exit|Interrupt|Died)\b.*"
    r"|\[[^\]]* [CF] \d+ \d+\] .*|Fatal Python error: .*|shoal: .*|slurmstepd: error: .*|SIG\w+.*"
)
"""A line that names a cause."""


def told(text: str, max_lines: int = 8) -> list[str]:
    """Return the last lines of a log that name a cause, at most `max_lines`.

    The last line that names a cause is among them, also where much was said since.
    """
    lines = _without_frames(text)
    if not lines:
        signals = _SIGNAL.findall(text)
        return [f"{signals[-1]} received"] if signals else []
    last = lines[-max_lines:]
    if not any(_CAUSE.fullmatch(line) for line in last):
        causes = [line for line in lines[:-max_lines] if _CAUSE.fullmatch(line)]
        last = [*causes[-1:], *lines[-(max_lines - 1) :]] if causes else last
    return [line if len(line) <= MAX_CHARACTERS else f"{line[:MAX_CHARACTERS]}…" for line in last]


def _without_frames(text: str) -> list[str]:
    """The lines of a log without stack frames and without repetitions."""
    kept: list[str] = []
    source = False
    for line in text.splitlines():
        frame = _FILE.fullmatch(line) is not None
        quoted = source and line.startswith("    ")  # the line of a file that a frame shows
        source = frame or quoted
        signal = _SIGNAL.fullmatch(line)
        if signal is not None:
            line = f"{signal[1]} received" if signal[1] in _FATAL else ""
        if quoted or not line.strip() or _NOISE.fullmatch(line) or line in kept[-3:]:
            continue
        kept.append(line.rstrip())
    return kept
