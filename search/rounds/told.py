"""What is told of a search: which lanes have ended, and how well."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from shoal.search.errors import RunFolderError
from shoal.search.request import Request
from shoal.search.request.amendments import Span
from shoal.search.rounds.leaders import Leaders
from shoal.search.rounds.packs import Pack
from shoal.search.rounds.standings import standings_of
from shoal.search.space import Floats


class Told:
    """The memory of what came of a search; eleven bytes a lane.

    Attributes:
        known: which lanes are told, shape (trials, fits).
        left: how many lanes of each round are not, shape (rounds,).
        updates: of the lanes of each round that are told, shape (rounds,), int64.
        done, failures: how many are told, and how many of these as failed.
        leaders: the best trials so far.
        standings: what fits had at each rung; None: none is compared with others.
    """

    def __init__(self, request: Request, curves: Callable[[], pa.Table] | None = None) -> None:
        """Begin with none.

        Args:
            curves: reads the curves that the run folder has; None: there are none.
        """
        self._request, self._layout = request, request.layout
        size = (request.trials, request.fits)
        self._score = numpy.full(size, numpy.nan)  # NaN: not known
        self._failed = numpy.zeros(size, dtype=bool)
        self._pruned = numpy.zeros(size, dtype=bool)
        self.known = numpy.zeros(size, dtype=bool)
        self._lanes, self.left = _lanes(request), _lanes(request)
        self.updates = numpy.zeros(len(self.left), dtype=numpy.int64)
        self.done = self.failures = 0
        self.leaders = Leaders(max(1, request.kept))
        self.standings = standings_of(request, curves)

    def take(self, part: pa.Table) -> None:
        """Note rows; those that are known already take the place of the earlier ones.

        Raises:
            RunFolderError: one is of no round.
        """
        trial: NDArray[numpy.int64] = part["trial"].to_numpy()
        fit = self._request.fit_numbers(part)
        round_ = self._layout.of(trial, part["replicate"].to_numpy())
        if (round_ < 0).any():
            raise RunFolderError("the run folder has rows that are not of its search")
        where = (trial, fit)
        new = numpy.logical_not(self.known[where])
        failed_before = int(self._failed[where].sum())
        goal = self._request.goal
        self._score[where] = goal.scores(part[goal.name].to_numpy())
        self.known[where] = True
        self._failed[where] = pc.equal(part["state"], "failed").to_numpy()
        self._pruned[where] = pc.equal(part["state"], "pruned").to_numpy()
        self.failures += int(self._failed[where].sum()) - failed_before
        told: NDArray[numpy.int64] = numpy.unique(trial)
        lost = self._failed[told] | self._pruned[told]
        whole = told[self.ended(told) & ~lost.any(axis=1)]
        self.leaders.note(whole, self._score[whole].mean(axis=1))
        if self.standings is not None:
            self.standings.take(part)
        numpy.subtract.at(self.left, round_[new], 1)
        steps = part["steps"].fill_null(0).to_numpy()
        numpy.add.at(self.updates, round_[new], steps[new])
        self.done += int(new.sum())

    def begun(self, round_: int) -> bool:
        """Whether a lane of this round is told."""
        return bool(self.left[round_] < self._lanes[round_])

    def cut(self, request: Request, round_: int) -> None:
        """The search has other rounds from this one on, of which nothing is told."""
        self._request, self._layout = request, request.layout
        self._lanes = _lanes(request)
        self.left = numpy.concatenate([self.left[:round_], self._lanes[round_:]])
        self.updates = numpy.resize(self.updates, len(self.left))
        self.updates[round_:] = 0

    def ended(self, trials: NDArray[Any]) -> NDArray[numpy.bool_]:
        """Return which of these trials have ended, with all their fits."""
        ended: NDArray[numpy.bool_] = self.known[trials].all(axis=1)
        return ended

    def scores(self, round_: int) -> Floats:
        """Return the mean score of each trial by the rounds before this one, which are told; NaN
        where a fit has failed, +inf where one has diverged or was pruned.

        More replicates count once the round is told that has them.
        """
        return self._means(round_, numpy.where(self._pruned, numpy.inf, self._score))

    def expected(self, round_: int) -> Floats:
        """Return the same with what pruned fits might have come to: by what is known of others at
        their last rung, or else what they had there."""
        fits = self._layout.known(round_) * self._request.folds
        score, pruned = self._score[: len(fits)], self._pruned[: len(fits)]
        if self.standings is not None:
            counts = numpy.arange(score.shape[1]) < fits[:, None]
            score = self.standings.estimated(score, pruned, counts)
        return self._means(round_, score)

    def judged(self, span: Span, packs: list[tuple[Pack, Pack]]) -> list[Pack]:
        """Return the packs of a round with what is known of others, where fits are judged by it.

        Args:
            packs: each whole, and what is left of it.
        """
        if self.standings is None:
            return [left for _, left in packs]
        before = self._layout.known(max(span.number - 1, 0))
        return list(self.standings.judged(span, packs, before))

    def _means(self, round_: int, score: Floats) -> Floats:
        fits = self._layout.known(round_) * self._request.folds
        found = numpy.empty(len(fits))
        for count in numpy.unique(fits).tolist():
            here = numpy.flatnonzero(fits == count)
            failed = self._failed[here, :count].any(axis=1)
            found[here] = numpy.where(failed, numpy.nan, score[here, :count].mean(axis=1))
        return found


def _lanes(request: Request) -> NDArray[numpy.int64]:
    """How many lanes each round has."""
    return request.layout.trials() * request.layout.replicates() * request.folds
