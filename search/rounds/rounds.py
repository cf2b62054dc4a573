"""Rounds: asks the sampler ahead of the workers, cuts lanes into packs, keeps what is told.

Round k is asked once round k-2 is whole, with round k-1 as running, whatever of it has ended; so
two rounds are in flight, and what is asked depends on finished rows alone. A thread asks, while
workers fit.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

import numpy
import pyarrow as pa
from numpy.typing import NDArray

from shoal.search.request import Request
from shoal.search.request.amendments import Ended, Span
from shoal.search.rounds.packs import Pack
from shoal.search.rounds.sampling import Sampling
from shoal.search.rounds.told import Told

STOP_SECONDS = 10.0
"""How long an ask may take to notice that it is to stop; its thread ends with the process."""


class Rounds:
    """The source of packs, and the memory of what came of them. Safe to use from two threads."""

    def __init__(
        self,
        request: Request,
        shape_names: tuple[str, ...],
        finished: pa.Table,
        known: Mapping[int, pa.Table] | None = None,
        curves: Callable[[], pa.Table] | None = None,
    ) -> None:
        """Begin, or go on.

        Args:
            finished: the rows there are already, as ``trials.parquet`` has them.
            known: what the sampler knows from without, by the number of the request with which it
                came.
            curves: reads their curves, which count where fits are pruned; None: there are none.
        """
        self._request = request
        self._layout, self._told = request.layout, Told(request, curves)
        self._ready: deque[Pack] = deque()
        self._changed = threading.Condition()
        self._out = 0
        self._asked = 0  # rounds
        self._asking = self._all_asked = self._halted = False
        self._stop = threading.Event()
        self.error: BaseException | None = None  # what ended the asking
        self._told.take(finished)
        self._sampling = Sampling(
            request, shape_names, finished, known or {}, self._told, self._stop
        )
        self._thread = threading.Thread(target=self._ask_all, name="sampler", daemon=True)

    def start(self) -> None:
        """Begin asking, in a thread of its own."""
        self._thread.start()

    def stop(self) -> None:
        """Ask no more."""
        self._stop.set()
        with self._changed:
            self._changed.notify_all()
        if self._thread.ident is not None:
            self._thread.join(STOP_SECONDS)

    def halt(self) -> None:
        """Ask no more and hand out no more; what is out may still come back."""
        with self._changed:
            self._halted = self._all_asked = True
            self._ready.clear()
            self._stop.set()
            self._changed.notify_all()

    def take(self, timeout: float = 0.0) -> Pack | None:
        """Return the next pack, or None if none is ready within `timeout` seconds.

        Raises:
            RunFolderError: the rows of the folder are not of this search.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._ready or self.error or self.over, timeout)
            if self.error is not None:
                raise self.error
            if not self._ready:
                return None
            self._out += 1
            return self._ready.popleft()

    def give_back(self, pack: Pack) -> None:
        """Put a pack back that did not run; it comes first."""
        with self._changed:
            self._out -= 1
            if not self._halted:
                self._ready.appendleft(pack)
            self._changed.notify_all()

    def finish(self, part: pa.Table) -> None:
        """Tell the rows of a pack that was taken."""
        with self._changed:
            self._out -= 1
            self._told.take(part)
            self._changed.notify_all()

    @property
    def best(self) -> list[int]:
        """The best trials so far, the best first: as many as parameters are kept of."""
        found: list[int] = self._told.leaders.trials[: self._request.kept].tolist()
        return found

    @property
    def leader(self) -> tuple[int, float] | None:
        """The best trial so far and its score, if there is one."""
        return self._told.leaders.first

    def contends(self, trials: NDArray[Any]) -> NDArray[numpy.bool_]:
        """Return which of some trials may be among the best in the end: those that are now, and
        those with fits that have not ended."""
        with self._changed:
            ended = self._told.ended(trials)
            may: NDArray[numpy.bool_] = numpy.isin(trials, self._told.leaders.trials) | ~ended
            return may

    def stays(self, trial: int) -> bool:
        """Whether what a trial has left is kept, as far as is known: it is one of the best, or has
        not ended."""
        with self._changed:
            if not 0 <= trial < self._request.trials:
                return False
            return trial in self.best or not bool(self._told.known[trial].all())

    @property
    def ready(self) -> int:
        """Packs that wait for a worker."""
        return len(self._ready)

    @property
    def whole(self) -> bool:
        """Whether every lane is told."""
        return self.done == self._request.lanes

    @property
    def ended(self) -> tuple[Ended, ...]:
        """The requests that have ended before they had all of their trials."""
        return self._request.ended

    @property
    def warning(self) -> str | None:
        """What the user should know."""
        return self._sampling.warning

    @property
    def halted(self) -> bool:
        """Whether the search ends before it is whole."""
        return self._halted

    @property
    def over(self) -> bool:
        """Whether there is nothing left to wait for."""
        return self.whole or (self._halted and self._out == 0)

    def stuck(self, kept: int) -> bool:
        """Whether nothing can happen any more while `kept` packs that are out do not come back."""
        with self._changed:
            idle = self._out == kept and not self._ready and not self._asking
            return idle and (self._all_asked or not self._may_ask(self._asked))

    @property
    def exhausted(self) -> bool:
        """Whether no pack is left to hand out, now or later, unless one comes back."""
        with self._changed:
            return not self._ready and (self.whole or self._all_asked)

    def unfinished(self, round_: int) -> bool:
        """Whether fits of a round are not told yet."""
        return round_ < len(self._layout) and bool(self._told.left[round_])

    @property
    def asking(self) -> bool:
        """Whether the sampler is at work."""
        return self._asking

    @property
    def done(self) -> int:
        """Lanes told."""
        return self._told.done

    @property
    def failed(self) -> int:
        """Lanes told as failed."""
        return self._told.failures

    def _ask_all(self) -> None:
        try:
            while self._asked < len(self._layout):
                span = self._layout[self._asked]
                with self._changed:
                    self._changed.wait_for(self._asks_next)
                    if self._stop.is_set():
                        return
                    if come := self._come(span):
                        self._end(span, come)
                        continue
                    self._asking = True
                packs = self._sampling.packs(span)
                with self._changed:
                    self._asking = False
                    if self._halted:
                        return
                    self._ready.extend(packs)
                    self._asked += 1
                    self._all_asked = self._asked == len(self._layout)
                    self._changed.notify_all()
        except BaseException as error:  # it is raised again where packs are taken
            with self._changed:
                self._asking, self.error = False, error
                self._changed.notify_all()

    def _asks_next(self) -> bool:
        return self._stop.is_set() or self._may_ask(self._asked)

    def _come(self, span: Span) -> tuple[str, ...]:
        """What ends the search instead of this round; of which nothing is told yet."""
        number = span.number
        if number < 2 or not span.drawn or span.given or self._told.begun(number):
            return ()
        ends = self._request.ends(self._request.request_of(span))
        if not ends:
            return ()
        return ends.come(self._told.scores(number - 1), int(self._told.updates[: number - 1].sum()))

    def _end(self, span: Span, come: tuple[str, ...]) -> None:
        """Ask for no more trials of this request; of a later one there may be more."""
        self._request = self._request.ended_by(span, come)
        self._layout = self._request.layout
        self._told.cut(self._request, span.number)
        self._all_asked = self._asked == len(self._layout)
        self._changed.notify_all()

    def _may_ask(self, round_: int) -> bool:
        return round_ < 2 or not self._told.left[round_ - 2]
