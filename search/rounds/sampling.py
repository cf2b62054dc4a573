"""Sampling: the trials of a round, asked of the sampler or there already, and its packs."""

from __future__ import annotations

import threading
from collections.abc import Mapping

import numpy
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from shoal.search.errors import RunFolderError
from shoal.search.folder.tables import SCORE
from shoal.search.request import Request
from shoal.search.request.amendments import Span
from shoal.search.rounds.packs import Pack, cut
from shoal.search.rounds.told import Told
from shoal.search.samplers import Columns, Earlier, RoundSampler
from shoal.trainable.lanes import Lanes


class Sampling:
    """Asks the sampler for round after round, and remembers the trials where that is of use.

    Attributes:
        warning: what the user should know.
    """

    def __init__(
        self,
        request: Request,
        shape_names: tuple[str, ...],
        finished: pa.Table,
        known: Mapping[int, pa.Table],
        told: Told,
        stop: threading.Event,
    ) -> None:
        """Begin, or go on.

        Args:
            finished: the rows there are already, as ``trials.parquet`` has them.
            known: what the sampler knows from without, by the number of the request with which it
                came.
            told: what is told meanwhile; stop: set where no answer is waited for any more.
        """
        self._request, self._shape_names, self._finished = request, shape_names, finished
        self._told, self._stop = told, stop
        self._sampler = RoundSampler(
            request.sampler, request.seed, request.space, new_first=request.nested
        )
        # of no use to a sampler that does not learn, but for more replicates
        self._keeps = self._sampler.learns or not request.layout.asks
        self._columns = self._sampler.empty(request.trials if self._keeps else 0)
        self._known = {number: self._knowledge(table) for number, table in known.items()}
        self.warning: str | None = None

    def packs(self, span: Span) -> list[Pack]:
        """Return the packs of a round, without the lanes that are known; none once `stop` is set.

        Raises:
            RunFolderError: the rows of the folder are not of this search.
        """
        if not self._told.left[span.number]:
            if span.drawn and self._sampler.replays:
                self._asked(span)
            if self._keeps and span.drawn:
                rows = self._rows_of(span)
                first = pa.array(self._request.fit_numbers(rows) == 0)
                self._keep(span, self._read(rows.filter(first)))
            return []
        if span.drawn:
            columns = self._asked(span)
            if self._stop.is_set():
                return []
            if span.given:
                number = self._request.request_of(span)
                columns = self._sampler.put(columns, self._request.tried(number))
            self._put_back(span, columns)
            if self._keeps:
                self._keep(span, columns)
        else:
            columns = {name: column[span.trials] for name, column in self._columns.items()}
        values = self._sampler.values(columns, span.drawn or span.stop - span.first)
        packs = cut(self._request, self._shape_names, span, values)
        left = [pack.only(self._wanted(pack.lanes, span.stop)) for pack in packs]
        pairs = [(pack, own) for pack, own in zip(packs, left, strict=True) if len(own.lanes)]
        return self._told.judged(span, pairs)

    def _asked(self, span: Span) -> Columns:
        """What the sampler answers for a round."""
        earlier = self._earlier(span)
        return self._sampler.ask(span.number, span.first, span.drawn, earlier, self._stop)

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
        number = self._request.request_of(span)
        known = [each for each in sorted(self._known) if each <= number]
        told = [self._known[each] for each in known]
        columns = {
            name: numpy.concatenate([*(each.columns[name] for each in told), column[: span.first]])
            for name, column in self._columns.items()
        }
        scores = self._told.expected(max(span.number - 1, 0))
        without = sum(len(each.scores) for each in told)
        return Earlier(
            columns=columns,
            scores=numpy.concatenate([*(each.scores for each in told), scores]),
            active=self._sampler.active(columns, without + span.first),
            without=without,
        )

    def _knowledge(self, table: pa.Table) -> Earlier:
        """What the sampler knows from without."""
        return Earlier(columns=self._read(table), scores=table[SCORE].to_numpy())

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
