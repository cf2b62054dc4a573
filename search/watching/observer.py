"""Who is told while a search runs: an observer, and several as one.

An observer is told, in this order: `begin`, once; `doing`; then `rows` and `status`, again and
again, with `say` in between; `end`, once, however the search ends. All calls come from the thread
that runs the search, which waits for them. A new kind is a subclass of `Observer` that overrides
what it needs, given to `shoal.run(observers=[...])`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy
import pyarrow as pa

from shoal.search.request import Objective, Request
from shoal.search.watching.units import duration, rate


class Best:
    """The best trial's objective so far, a mean over its fits, and its learning rate, if any.

    Attributes:
        value: of the objective; None: no trial has ended with a finite one.
    """

    def __init__(self, goal: Objective) -> None:
        self.goal = goal
        self.value: float | None = None
        self.lr: float | None = None
        self._leader: tuple[int, float] | None = None

    def note(self, table: pa.Table, leader: tuple[int, float] | None) -> None:
        """There are more rows; where there is another best trial, the last of its fits is among
        them.

        Args:
            leader: the best trial and its score: lower is better (`Objective.scores`); None: there
                is none.
        """
        if leader is None or leader == self._leader:
            return
        self._leader, (trial, score) = leader, leader
        self.value = self.goal.value(score)
        if "lr" in table.schema.names:
            (at, *_) = numpy.flatnonzero(table["trial"].to_numpy() == trial)
            self.lr = float(table["lr"][int(at)].as_py())


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
        if self.best.value is not None:
            at = f" at lr {self.best.lr:.4g}" if self.best.lr is not None else ""
            parts.append(f"best {self.best.goal.name} {self.best.value:.6g}{at}")
        fresh = self.done - self.begun
        if fresh and self.seconds > 0:
            speed = fresh / self.seconds
            parts.append(rate(speed))
            parts.append(f"{duration((self.total - self.done) / speed)} left")
        return ", ".join(parts)


class Observer:
    """Is told what happens in a search; each method does nothing here.

    Attributes:
        label: what messages call it.
    """

    label = ""

    def begin(self, request: Request, folder: Path) -> None:
        """A search begins, or goes on, in this run folder."""

    def doing(self, what: str) -> None:
        """Something begins that takes seconds, before there is a status: `what`, in a few words."""

    def rows(self, part: pa.Table) -> None:
        """Fits have ended: a row each, as in ``trials.parquet``, and lists:
        ``curve_step``, ``curve_loss``, and ``curve_NAME`` for each metric. They are on disk within
        a second."""

    def status(self, status: Status) -> None:
        """The search is so far; called several times a second."""

    def say(self, message: str) -> None:
        """Something happened that matters to the user, in one line."""

    def end(self) -> None:
        """The search is over, for this run."""


class Observers(Observer):
    """Several observers as one. One that raises is told no more, and the search goes on."""

    def __init__(self, observers: Sequence[Observer]) -> None:
        self._observers = list(observers)

    def begin(self, request: Request, folder: Path) -> None:
        self._each(lambda one: one.begin(request, folder))

    def doing(self, what: str) -> None:
        self._each(lambda one: one.doing(what))

    def rows(self, part: pa.Table) -> None:
        self._each(lambda one: one.rows(part))

    def status(self, status: Status) -> None:
        self._each(lambda one: one.status(status))

    def say(self, message: str) -> None:
        self._each(lambda one: one.say(message))

    def end(self) -> None:
        self._each(lambda one: one.end())

    def _each(self, tell: Callable[[Observer], None]) -> None:
        for one in list(self._observers):
            try:
                tell(one)
            except Exception as error:
                self._observers.remove(one)
                why = " ".join(f"{type(error).__name__}: {error}".split())
                self.say(f"{one.label or f'observer {type(one).__name__}'} is told no more: {why}")
