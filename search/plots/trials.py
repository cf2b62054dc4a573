"""The trials of a search as columns of numbers, a row each; and which of many are drawn."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property

import numpy
import pyarrow as pa
from numpy.typing import NDArray

from shoal.search.request import Request
from shoal.trainable.lanes import FAILED, PRUNED, STATES

Indices = NDArray[numpy.int64]
Numbers = NDArray[numpy.float64]

BEST_SHARE = 10
"""One in so many of the trials that are drawn is there since it is among the best."""


class Trials:
    """The trials of which all fits are there, or one has failed.

    Attributes:
        request: what was asked for.
        number: of each trial, ascending, shape (n,), int64.
        score: the mean of the objective over its fits, lower is better; +inf where one of them
            diverged, NaN where one failed. Shape (n,).
        state: position in `STATES`: the worst of its fits'. Shape (n,).
        best_first: where the trials with a finite score stand, the best first.
    """

    def __init__(
        self,
        request: Request,
        rows: pa.Table,
        curves: Callable[[], pa.Table],
        importance: Callable[[], Mapping[str, float]],
    ) -> None:
        """Take the rows of trials in.

        Args:
            rows: of fits, in the order of their keys.
            curves: reads the curves, a row for each fit and reporting step.
            importance: computes the share of each hyperparameter.
        """
        self.request, self.rows, self.curves = request, rows, curves
        self._importance = importance
        of_fit = rows["trial"].to_numpy()
        first = numpy.flatnonzero(numpy.diff(of_fit, prepend=-1))
        count = numpy.diff(first, append=len(of_fit))
        states = _positions(rows["state"])
        worst = numpy.maximum.reduceat(states, first) if len(first) else states
        there = (count == request.fits) | (worst == FAILED)
        self._first, self._count = first, count
        self._there = numpy.flatnonzero(there)
        self.number = of_fit[first[there]]
        self.state = worst[there]
        goal = request.goal
        scores = goal.scores(rows[goal.name].to_numpy().astype(float))
        self.score = numpy.where(self.state == FAILED, numpy.nan, self._means(scores))
        finite = numpy.flatnonzero(numpy.isfinite(self.score) & (self.state != PRUNED))
        self.best_first = finite[numpy.argsort(self.score[finite], kind="stable")]

    def __len__(self) -> int:
        return len(self.number)

    @property
    def best(self) -> int | None:
        """Where the best trial stands; None: no trial has a finite score."""
        return int(self.best_first[0]) if len(self.best_first) else None

    @cached_property
    def importance(self) -> dict[str, float]:
        """The share of each searched hyperparameter, the largest first; they sum to 1 or are 0."""
        return dict(self._importance())

    @property
    def searched(self) -> list[str]:
        """The hyperparameters that have more than one value."""
        return [name for name, axis in self.request.space.items() if not axis.fixed]

    @cached_property
    def ranked(self) -> list[str]:
        """The searched hyperparameters, the most important first."""
        known = self.importance
        return sorted(self.searched, key=lambda name: -known.get(name, 0.0))

    def hyperparameter(self, name: str) -> pa.ChunkedArray:
        """The values of a hyperparameter, a row each trial; null where it is not active."""
        return self.rows[name].take(pa.array(self._first[self._there]))

    def mean(self, name: str) -> Numbers:
        """The mean of a number over the fits of each trial; NaN where one has none."""
        column = self.rows[name].to_numpy().astype(float)
        return self._means(numpy.where(numpy.isfinite(column), column, numpy.nan))

    def sample(self, most: int, among: NDArray[numpy.bool_] | None = None) -> Indices:
        """Where the trials stand that are drawn, ascending: all, or `most` of them, of which some
        are the best and the others are taken evenly.

        Args:
            among: the trials that can be drawn, shape (n,); None: all.
        """
        possible = numpy.arange(len(self)) if among is None else numpy.flatnonzero(among)
        if len(possible) <= most:
            return possible
        best = self.best_first if among is None else self.best_first[among[self.best_first]]
        best = best[: most // BEST_SHARE]
        others = numpy.setdiff1d(possible, best, assume_unique=True)
        evenly = numpy.linspace(0, len(others) - 1, most - len(best)).round().astype(numpy.int64)
        return numpy.union1d(best, others[evenly])

    def _means(self, column: Numbers) -> Numbers:
        """The mean over the fits of each trial that is there."""
        if not len(self._first):
            return column
        sums = numpy.add.reduceat(column, self._first)[self._there]
        means: Numbers = sums / self._count[self._there]
        return means


def _positions(states: pa.ChunkedArray) -> Indices:
    """Where each state stands in `STATES`."""
    coded = states.combine_chunks().dictionary_encode()
    places = numpy.array([STATES.index(word) for word in coded.dictionary.to_pylist()], int)
    found: Indices = places[coded.indices.to_numpy()] if len(states) else numpy.empty(0, int)
    return found
