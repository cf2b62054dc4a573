"""Rounds: asks the sampler ahead of the workers, cuts lanes into packs, keeps what is told.

Round k is asked once round k-2 is whole, with round k-1 as running, whatever of it has ended; so
two rounds are in flight, and what is asked depends on finished rows alone. A thread asks, while
workers fit.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import Any

import numpy
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from shoal.search.errors import RunFolderError
from shoal.search.request import Request
from shoal.search.rounds.leaders import Leaders
from shoal.search.rounds.packs import Pack, cut
from shoal.search.samplers import Column, Columns, Earlier, RoundSampler
from shoal.trainable.lanes import Lanes

STOP_SECONDS = 10.0
"""How long an ask may take to notice that it is to stop; its thread ends with the process."""


class Rounds:
    """The source of packs, and the memory of what came of them. Safe to use from two threads."""

    def __init__(self, request: Request, shape_names: tuple[str, ...], finished: pa.Table) -> None:
        """Begin, or go on.

        Args:
            finished: the rows there are already, as ``trials.parquet`` has them.
        """
        self._request, self._shape_names = request, shape_names
        self._sampler = RoundSampler(request.sampler, request.seed, request.space)
        size = (request.trials, request.fits)
        self._score = numpy.full(size, numpy.nan)  # told values; NaN: not known
        self._known = numpy.zeros(size, dtype=bool)
        self._failed = numpy.zeros(size, dtype=bool)
        self._columns = self._sampler.empty(request.trials if self._sampler.learns else 0)
        self._ready: deque[Pack] = deque()
        self._changed = threading.Condition()
        self._out = 0
        self._asked = 0  # rounds
        self._asking = self._all_asked = self._halted = False
        self._stop = threading.Event()
        self.error: BaseException | None = None  # what ended the asking
        self.warning: str | None = None  # what the user should know
        self._leaders = Leaders(max(1, request.kept))
        self._finished = finished
        # lanes not known yet of each round, and counters: all are asked for all the time
        ends = numpy.arange(1, request.rounds + 1) * request.round
        self._left = numpy.diff(numpy.minimum(ends, request.trials), prepend=0)
        self._left *= request.fits
        self._done = self._failures = 0
        self._tell(finished)
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
            self._tell(part)
            self._changed.notify_all()

    @property
    def best(self) -> list[int]:
        """The best trials so far, the best first: as many as parameters are kept of."""
        found: list[int] = self._leaders.trials[: self._request.kept].tolist()
        return found

    @property
    def leader(self) -> tuple[int, float] | None:
        """The best trial so far and its score, if there is one."""
        return self._leaders.first

    def contends(self, trials: NDArray[Any]) -> NDArray[numpy.bool_]:
        """Return which of some trials may be among the best in the end: those that are now, and
        those with fits that have not ended."""
        with self._changed:
            ended = self._known[trials].all(axis=1)
            may: NDArray[numpy.bool_] = numpy.isin(trials, self._leaders.trials) | ~ended
            return may

    def stays(self, trial: int) -> bool:
        """Whether what a trial has left is kept, as far as is known: it is one of the best, or has
        not ended."""
        with self._changed:
            if not 0 <= trial < self._request.trials:
                return False
            return trial in self.best or not bool(self._known[trial].all())

    @property
    def ready(self) -> int:
        """Packs that wait for a worker."""
        return len(self._ready)

    @property
    def whole(self) -> bool:
        """Whether every lane is told."""
        return self._done == self._known.size

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

    @property
    def asking(self) -> bool:
        """Whether the sampler is at work."""
        return self._asking

    @property
    def done(self) -> int:
        """Lanes told."""
        return self._done

    @property
    def failed(self) -> int:
        """Lanes told as failed."""
        return self._failures

    def _ask_all(self) -> None:
        try:
            for round_ in range(self._request.rounds):
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
                    self._all_asked = round_ == self._request.rounds - 1
                    self._changed.notify_all()
        except BaseException as error:  # it is raised again where packs are taken
            with self._changed:
                self._asking, self.error = False, error
                self._changed.notify_all()

    def _may_ask(self, round_: int) -> bool:
        return round_ < 2 or not self._left[round_ - 2]

    def _span(self, round_: int) -> slice:
        first = round_ * self._request.round
        return slice(first, min(first + self._request.round, self._request.trials))

    def _ask(self, round_: int) -> list[Pack]:
        span = self._span(round_)
        count = span.stop - span.start
        if not self._left[round_]:
            if self._sampler.learns:
                rows = self._rows_of(span)
                first = pa.array(self._request.fit_numbers(rows) == 0)
                self._keep(span, self._read(rows.filter(first)))
            return []
        columns = self._sampler.ask(round_, span.start, count, self._earlier(round_), self._stop)
        if self._stop.is_set():
            return []
        self._put_back(span, columns)
        if self._sampler.learns:
            self._keep(span, columns)
        values = self._sampler.values(columns, count)
        packs = cut(self._request, self._shape_names, round_, span.start, values)
        left = [pack.only(~self._known[self._key(pack.lanes)]) for pack in packs]
        return [pack for pack in left if len(pack.lanes)]

    def _keep(self, span: slice, columns: Columns) -> None:
        for name, column in columns.items():
            self._columns[name][span] = column

    def _earlier(self, round_: int) -> Earlier:
        """Rounds up to `round_` - 2 as told, `round_` - 1 as running."""
        if not self._sampler.learns:
            return Earlier(columns={}, scores=numpy.empty(0))
        first, told = self._span(round_).start, self._span(max(round_ - 1, 0)).start
        failed = self._failed[:told].any(axis=1)
        columns = {name: column[:first] for name, column in self._columns.items()}
        return Earlier(
            columns=columns,
            scores=numpy.where(failed, numpy.nan, self._score[:told].mean(axis=1)),
            active=self._sampler.active(columns, first),
        )

    def _rows_of(self, span: slice) -> pa.Table:
        """The rows of a round that were there at first, by trial."""
        trial = self._finished["trial"]
        inside = pc.and_(pc.greater_equal(trial, span.start), pc.less(trial, span.stop))
        return self._finished.filter(inside).sort_by("trial")

    def _read(self, rows: pa.Table) -> Columns:
        try:
            return self._sampler.read(rows)
        except ValueError as error:
            raise RunFolderError(f"the run folder is of another search: {error}") from error

    def _put_back(self, span: slice, columns: Columns) -> None:
        """In the place of what is asked again, put the rows that an unfinished round has."""
        rows = self._rows_of(span)
        place, held = rows["trial"].to_numpy() - span.start, self._read(rows)
        for name, column in columns.items():
            if not numpy.array_equal(column[place], held[name]):
                self.warning = (
                    "another version of shoal, or another kind of processor, began this search: "
                    "what is left of it is not what it would have tried there"
                )
            column[place] = held[name]

    def _tell(self, part: pa.Table) -> None:
        """Note rows; those that are known already take the place of the earlier ones."""
        trial = part["trial"].to_numpy()
        where = (trial, self._request.fit_numbers(part))
        new = trial[~self._known[where]]
        failed_before = int(self._failed[where].sum())
        goal = self._request.goal
        self._score[where] = goal.scores(part[goal.name].to_numpy())
        self._known[where] = True
        self._failed[where] = pc.equal(part["state"], "failed").to_numpy()
        self._failures += int(self._failed[where].sum()) - failed_before
        told = numpy.unique(trial)
        whole = told[self._known[told].all(axis=1) & ~self._failed[told].any(axis=1)]
        self._leaders.note(whole, self._score[whole].mean(axis=1))
        numpy.subtract.at(self._left, new // self._request.round, 1)
        self._done += len(new)

    def _key(self, lanes: Lanes) -> tuple[Column, Column]:
        folds = self._request.folds
        return lanes.trial.numpy(), lanes.replicate.numpy() * folds + lanes.fold
