"""Rounds: asks the sampler ahead of the workers, cuts lanes into packs, keeps what is told.

Round k is asked once round k-2 is whole, with round k-1 as running, whatever of it has ended; so
two rounds are in flight, and what is asked depends on finished rows alone. A thread asks, while
workers fit.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from shoal.search.errors import RunFolderError
from shoal.search.request import Request
from shoal.search.request.amendments import Span
from shoal.search.rounds.packs import Pack, cut
from shoal.search.rounds.standings import standings_of
from shoal.search.rounds.told import Told
from shoal.search.samplers import Columns, Earlier, RoundSampler
from shoal.trainable.lanes import Lanes

STOP_SECONDS = 10.0
"""How long an ask may take to notice that it is to stop; its thread ends with the process."""


class Rounds:
    """The source of packs, and the memory of what came of them. Safe to use from two threads."""

    def __init__(
        self,
        request: Request,
        shape_names: tuple[str, ...],
        finished: pa.Table,
        curves: Callable[[], pa.Table] | None = None,
    ) -> None:
        """Begin, or go on.

        Args:
            finished: the rows there are already, as ``trials.parquet`` has them.
            curves: reads their curves, which count where fits are pruned; None: there are none.
        """
        self._request, self._shape_names = request, shape_names
        self._layout, self._told = request.layout, Told(request)
        self._sampler = RoundSampler(
            request.sampler, request.seed, request.space, new_first=request.nested
        )
        # of no use to a sampler that does not learn, but for more replicates
        self._keeps = self._sampler.learns or not self._layout.asks
        self._columns = self._sampler.empty(request.trials if self._keeps else 0)
        self._ready: deque[Pack] = deque()
        self._changed = threading.Condition()
        self._out = 0
        self._asked = 0  # rounds
        self._asking = self._all_asked = self._halted = False
        self._stop = threading.Event()
        self.error: BaseException | None = None  # what ended the asking
        self.warning: str | None = None  # what the user should know
        self._finished = finished
        self._told.take(finished)
        self._standings = standings_of(request, curves)
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
            if self._standings is not None:
                self._standings.take(part)
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
            for round_ in range(len(self._layout)):
                with self._changed:
                    self._changed.wait_for(lambda k=round_: self._stop.is_set() or self._may_ask(k))  # type: ignore[misc]  # a lambda
                    if self._stop.is_set():
                        return
                    self._asking = True
                packs = self._ask(round_)
                with self._changed:
                    self._asking = False
                    if self._halted:
                        return
                    self._ready.extend(packs)
                    self._asked = round_ + 1
                    self._all_asked = round_ == len(self._layout) - 1
                    self._changed.notify_all()
        except BaseException as error:  # it is raised again where packs are taken
            with self._changed:
                self._asking, self.error = False, error
                self._changed.notify_all()

    def _may_ask(self, round_: int) -> bool:
        return round_ < 2 or not self._told.left[round_ - 2]

    def _ask(self, round_: int) -> list[Pack]:
        span = self._layout[round_]
        if not self._told.left[round_]:
            if self._keeps and span.drawn:
                rows = self._rows_of(span)
                first = pa.array(self._request.fit_numbers(rows) == 0)
                self._keep(span, self._read(rows.filter(first)))
            return []
        if span.drawn:
            earlier = self._earlier(span)
            columns = self._sampler.ask(round_, span.first, span.drawn, earlier, self._stop)
            if self._stop.is_set():
                return []
            self._put_back(span, columns)
            if self._keeps:
                self._keep(span, columns)
        else:
            columns = {name: column[span.trials] for name, column in self._columns.items()}
        values = self._sampler.values(columns, span.drawn or span.stop - span.first)
        packs = cut(self._request, self._shape_names, span, values)
        left = [pack.only(self._wanted(pack.lanes, span.stop)) for pack in packs]
        pairs = [(pack, own) for pack, own in zip(packs, left, strict=True) if len(own.lanes)]
        if self._standings is None:
            return [own for _, own in pairs]
        return list(self._standings.judged(span, pairs))

    def _wanted(self, lanes: Lanes, stop: int) -> NDArray[numpy.bool_]:
        """Which lanes of a pack are not known yet, and of trials below `stop`."""
        trial = lanes.trial.numpy()
        fit = lanes.replicate.numpy() * self._request.folds + lanes.fold
        wanted: NDArray[numpy.bool_] = trial < stop
        wanted[wanted] = ~self._told.known[trial[wanted], fit[wanted]]
        return wanted

    def _keep(self, span: Span, columns: Columns) -> None:
        for name, column in columns.items():
            self._columns[name][span.trials] = column[: span.stop - span.first]

    def _earlier(self, span: Span) -> Earlier:
        """The rounds before that before this one as told, that one as running."""
        if not self._sampler.learns:
            return Earlier(columns={}, scores=numpy.empty(0))
        columns = {name: column[: span.first] for name, column in self._columns.items()}
        return Earlier(
            columns=columns,
            scores=self._told.scores(max(span.number - 1, 0), self._standings),
            active=self._sampler.active(columns, span.first),
        )

    def _rows_of(self, span: Span) -> pa.Table:
        """The rows of a round's trials that were there at first, by trial."""
        trial = self._finished["trial"]
        inside = pc.and_(pc.greater_equal(trial, span.first), pc.less(trial, span.stop))
        return self._finished.filter(inside).sort_by("trial")

    def _read(self, rows: pa.Table) -> Columns:
        try:
            return self._sampler.read(rows)
        except ValueError as error:
            raise RunFolderError(f"the run folder is of another search: {error}") from error

    def _put_back(self, span: Span, columns: Columns) -> None:
        """In the place of what is asked again, put the rows that an unfinished round has."""
        rows = self._rows_of(span)
        place, held = rows["trial"].to_numpy() - span.first, self._read(rows)
        for name, column in columns.items():
            if not numpy.array_equal(column[place], held[name]):
                self.warning = (
                    "another version of shoal, or another kind of processor, began this search: "
                    "what is left of it is not what it would have tried there"
                )
            column[place] = held[name]
