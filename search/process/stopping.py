"""When a search ends early: by a signal, a time limit or a time budget.

    SIGINT    once: save what is in flight and end; twice: end at once (exit code 130)
    SIGTERM   as SIGINT once (143)
    SIGHUP    as SIGINT once (129): the terminal was closed
    SIGUSR1   as SIGINT once; whoever sent it starts the search again (75, or 76: nothing gained)

The exit codes are the command's. In a Python program SIGINT ends in KeyboardInterrupt, and the
others, once all is saved, in what they would have done without a search: they end the program. A
signal for which the program has a handler of its own is left to it (`search.process.handlers`).

SHOAL_END in the environment, in seconds since 1970, is when a batch job's time limit ends: it is as
if SIGUSR1 came shortly before. SHOAL_END_FILE names a file that says it too, and is looked at now
and then, since the limit of a job may be moved while it runs.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from enum import Enum
from pathlib import Path

from shoal.search.process.handlers import Taken, stand_for_default
from shoal.slurm import wire

LOOK_SECONDS = 10.0
"""How often that file is looked at."""

NEAR_SECONDS = 600.0
"""How long before its time limit a job is warned by SIGUSR1 at the most; before that the signal is
somebody's own, or another job wants the nodes."""

LIMIT_SECONDS = 45.0
"""How long before a job's time limit the search saves by itself, where no signal has come."""

BUDGET_SHARE, MAX_BUDGET_SECONDS = 0.1, 5.0
"""The share of a time budget that is kept for saving and merging, and the most of it."""


class Reason(Enum):
    """Why a search ends early."""

    INTERRUPT = "interrupted"
    TERMINATE = "told to end"
    HANGUP = "the terminal was closed"
    SAVE = "told to save"
    LIMIT = "the time limit is near"
    BUDGET = "the time budget is used"


class Stop:
    """Whether a search is to save unfinished fits and end. Cheap to ask, from any thread.

    Attributes:
        reason: why it is to end, or None; number: the signal that has said so, if one has.
        due: why it ends when its time is over.
    """

    def __init__(self, began: float, budget: float | None) -> None:
        """Begin.

        Args:
            began: when the search began, of ``time.monotonic()``.
            budget: seconds that it may take, or None.
        """
        self.reason: Reason | None = None
        self.number: signal.Signals | None = None
        self._ends = {Reason.LIMIT: float("inf")}
        if budget is not None:
            kept = min(MAX_BUDGET_SECONDS, BUDGET_SHARE * budget)
            self._ends[Reason.BUDGET] = began + budget - kept
        self._look()

    @property
    def told(self) -> str:
        """What the user is told of it, where there is a reason."""
        again = "; Ctrl-C again: at once" if self.reason is Reason.INTERRUPT else ""
        why = self.reason.value if self.reason is not None else ""
        return f"{why}: saving what is in flight{again}"

    def ask(self, reason: Reason, number: signal.Signals | None = None) -> None:
        """Ask the search to end; only the first reason counts."""
        if self.reason is None:
            self.reason, self.number = reason, number

    def hear(self, number: int) -> None:
        """Ask the search to end because of a signal; why SIGUSR1 was sent, only its time tells."""
        known = signal.Signals(number)
        near = self._ends[Reason.LIMIT] + LIMIT_SECONDS - time.monotonic() < NEAR_SECONDS
        limit = near and known is signal.SIGUSR1
        self.ask(Reason.LIMIT if limit else _SIGNALS[known], known)

    def asked(self) -> bool:
        """Whether the search is to end."""
        now = time.monotonic()
        if now >= self._again:
            self._look()
        if self.reason is None and now >= self._end:
            self.ask(self.due)
        return self.reason is not None

    def fits(self, seconds: float) -> bool:
        """Whether something that takes so many seconds ends in time."""
        return time.monotonic() + seconds < self._end

    def _look(self) -> None:
        self._again = time.monotonic() + LOOK_SECONDS
        self._ends[Reason.LIMIT] = _limit()
        self.due, self._end = min(self._ends.items(), key=lambda item: item[1])


def _limit() -> float:
    """Return when to save for the job's time limit, by ``time.monotonic()``; inf: there is none."""
    told = os.environ.get(wire.END_VARIABLE, "")
    with suppress(OSError, ValueError, KeyError):
        told = Path(os.environ[wire.END_FILE_VARIABLE]).read_text(encoding="ascii")
    try:
        end = float(told)
    except ValueError:
        return float("inf")
    return time.monotonic() + end - time.time() - LIMIT_SECONDS


@contextmanager
def listening(stop: Stop) -> Iterator[Callable[[], None]]:
    """Let signals ask `stop`; yield a function that sets the handlers again, after Ray Tune set its
    own.

    Signals that are not at their defaults are left as they are, and all of them in another thread
    than the main one.
    """
    interrupts = 0

    def hear(number: int, frame: object) -> None:
        nonlocal interrupts
        interrupts += number == signal.SIGINT
        if interrupts > 1 and number == signal.SIGINT:
            raise KeyboardInterrupt
        stop.hear(number)

    taken = Taken(_SIGNALS, hear)
    try:
        yield taken.again
    finally:
        taken.put_back()


_SIGNALS = {
    signal.SIGINT: Reason.INTERRUPT,
    signal.SIGTERM: Reason.TERMINATE,
    signal.SIGHUP: Reason.HANGUP,
    signal.SIGUSR1: Reason.SAVE,
}


def listen_early() -> None:
    """Until a search begins, end on SIGTERM, SIGHUP and SIGUSR1 as on Ctrl-C, even in the user's
    code."""

    def end(number: int, frame: object) -> None:
        raise KeyboardInterrupt(number)

    stand_for_default(end)
    Taken((signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1), end)
