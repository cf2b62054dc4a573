"""Judging fits at a rung: how many of those before them by number are better.

A fit is compared with fits of its own replicate and fold, which begin with the same parameters and
have the same rows: with those of rounds up to the one before the last, and with those of its pack
that have a lower trial number, as far as they have reached the rung. Which these are is known when
it gets there itself: of a pack's fits the ones with lower numbers begin first, and all go at one
pace, however many are side by side. So a judgement depends on no clock and on no block.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy
from numpy.typing import NDArray

from shoal.trainable.pruning.pruner import Pruner

Floats = NDArray[numpy.float64]
Ints = NDArray[numpy.int64]
Mask = NDArray[numpy.bool_]


@dataclass(frozen=True, kw_only=True)
class Known:
    """What is known of others when a pack is asked for.

    Attributes:
        earlier: of each replicate, the scores at each rung of the fits of earlier rounds that have
            reached it, ascending.
        trial, replicate: shape (m,), fits of the pack itself that have ended before.
        scores: shape (m, rungs), what these had at each rung; NaN where they have not reached it.
    """

    earlier: Mapping[int, tuple[Floats, ...]] = field(default_factory=dict)
    trial: Ints = field(default_factory=lambda: numpy.zeros(0, dtype=numpy.int64))
    replicate: Ints = field(default_factory=lambda: numpy.zeros(0, dtype=numpy.int64))
    scores: Floats = field(default_factory=lambda: numpy.zeros((0, 0)))

    def __repr__(self) -> str:  # Ray Tune formats what passes through it, arrays in full
        return f"Known({len(self.trial)})"


class Judge:
    """Judges the n lanes of a pack."""

    def __init__(
        self,
        pruner: Pruner,
        rungs: tuple[int, ...],
        *,
        maximize: bool,
        best: bool,
        trial: Ints,
        replicate: Ints,
        known: Known | None = None,
    ) -> None:
        """Begin.

        Args:
            rungs: the reports at which fits are judged.
            best: whether a fit counts by its best report so far, and not by the one at the rung.
            trial, replicate: shape (n,), of the lanes.
        """
        known = known or Known()
        self._pruner, self._best = pruner, best
        self._limit = pruner.limit(maximize)
        self._place = {report: place for place, report in enumerate(rungs)}
        self._last = numpy.array(rungs, dtype=numpy.int64)
        self._earlier, self._before = known.earlier, len(known.trial)
        self._trial = numpy.concatenate([known.trial, trial])
        self._replicate = numpy.concatenate([known.replicate, replicate])
        self._so_far = numpy.full(len(trial), numpy.inf)
        self._reached = numpy.full((len(rungs), len(self._trial)), numpy.nan)
        if self._before:
            self._reached[:, : self._before] = known.scores.T

    def looks(self, reports: Ints) -> bool:
        """Whether any fit with this many reports is judged."""
        return bool(numpy.isin(reports, self._last).any())

    def note(self, lane: Ints, reports: Ints, scores: Floats) -> None:
        """These lanes report: the last of so many reports has these scores."""
        so_far = numpy.minimum(self._so_far[lane], scores) if self._best else scores
        self._so_far[lane] = so_far
        for report in numpy.unique(reports[numpy.isin(reports, self._last)]).tolist():
            here = reports == report
            self._reached[self._place[report], self._before + lane[here]] = so_far[here]

    def behind(self, lane: Ints, reports: Ints) -> Mask:
        """Return which of these lanes are pruned at the report that `note` was told of last."""
        found = numpy.zeros(len(lane), dtype=bool)
        for report in numpy.unique(reports[numpy.isin(reports, self._last)]).tolist():
            here = numpy.flatnonzero(reports == report)
            found[here] = self._behind(self._place[report], self._before + lane[here])
        return found

    def _behind(self, place: int, at: Ints) -> Mask:
        """Which lanes are behind at a rung.

        Args:
            at: where they stand among the fits that are known.
        """
        reached = self._reached[place]
        scores = reached[at]
        over: Mask = scores > self._limit
        if not self._pruner.compares:
            return over
        better, others = (numpy.zeros(len(at), dtype=numpy.int64) for _ in range(2))
        there = numpy.flatnonzero(~numpy.isnan(reached))
        before = self._trial[there] < self._trial[at][:, None]
        before &= self._replicate[there] == self._replicate[at][:, None]
        others += before.sum(axis=1)
        better += (before & (reached[there] < scores[:, None])).sum(axis=1)
        for replicate in numpy.unique(self._replicate[at]).tolist():
            if replicate in self._earlier:
                own, earlier = self._replicate[at] == replicate, self._earlier[replicate][place]
                others[own] += len(earlier)
                better[own] += numpy.searchsorted(earlier, scores[own], side="left")
        return over | (better >= self._pruner.places(others))
