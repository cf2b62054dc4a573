"""What fits had at each rung: by it others are judged, and the sampler is told of those that were
pruned."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy
import pyarrow as pa
import torch
from numpy.typing import NDArray

from shoal.search.folder.tables import rows
from shoal.search.request import Request, pruning_of
from shoal.search.request.amendments import Span
from shoal.search.rounds.packs import Pack
from shoal.search.space import Floats
from shoal.trainable.pruning import Known, heading

Ints = NDArray[numpy.int64]
Mask = NDArray[numpy.bool_]
Earlier = dict[int, tuple[torch.Tensor, ...]]

CHUNK = 4096
"""Curves that are looked at together, which bounds memory."""


def standings_of(
    request: Request, curves: Callable[[], pa.Table] | None = None
) -> Standings | None:
    """Return what fits had at each rung; None: none is compared with others.

    Args:
        curves: reads those that are there; None: there are none.
    """
    pruner, rungs = pruning_of(request)
    if pruner is None or not pruner.compares:
        return None
    found = Standings(request, rungs, pruner.ahead)
    if curves is not None:
        found.take_all(curves())
    return found


class Standings:
    """The measures of each lane at each rung; eight bytes each.

    Attributes:
        scores: shape (trials, fits, rungs, measures), the score and, where the pruner looks ahead,
            where it is heading; NaN where a lane has not reached the rung, or is not told.
    """

    def __init__(self, request: Request, rungs: Sequence[int], ahead: bool) -> None:
        """Begin with none.

        Args:
            rungs: the reports at which fits are judged, from 1 on.
            ahead: whether the pruner looks ahead.
        """
        self._request, self._rungs = request, numpy.array(rungs, dtype=numpy.int64)
        size = (request.trials, request.fits, len(self._rungs), 1 + ahead)
        self.scores = numpy.full(size, numpy.nan)

    def take(self, part: pa.Table) -> None:
        """Note the curves of rows that have come as a part; rows without curves say nothing."""
        if rows.curve(self._request.goal.name) not in part.schema.names:
            return
        values = part[rows.curve(self._request.goal.name)].combine_chunks()
        lengths = numpy.asarray(values.value_lengths())
        self._note(part, lengths, values.flatten().to_numpy())

    def take_all(self, curves: pa.Table) -> None:
        """Note the curves that the run folder has, in the order of their keys."""
        keys = [curves[name].to_numpy() for name in self._request.key]
        new = numpy.zeros(len(curves), dtype=bool)
        for key in keys:
            new |= numpy.diff(key, prepend=-1) != 0
        first = numpy.flatnonzero(new)
        lengths = numpy.diff(first, append=len(curves))
        values = curves[self._request.goal.name].to_numpy()
        self._note(curves.take(pa.array(first)), lengths, values)

    def _note(self, keys: pa.Table, lengths: Ints, values: NDArray[Any]) -> None:
        """Note curves one after the other.

        Args:
            keys: a row for each; lengths: how many of the `values` are of each.
        """
        trial, fit = keys["trial"].to_numpy(), self._request.fit_numbers(keys)
        scores, ends = self._request.goal.scores(values), numpy.cumsum(lengths)
        for begin in range(0, len(trial), CHUNK):
            at = slice(begin, begin + CHUNK)
            own, starts = lengths[at], ends[at] - lengths[at]
            most = min(int(own.max(initial=0)), int(self._rungs[-1]))
            place = numpy.arange(most)
            there = place < own[:, None]
            curve = numpy.full(there.shape, numpy.inf)
            curve[there] = scores[(starts[:, None] + place)[there]]
            if self._request.select == "best":
                numpy.minimum.accumulate(curve, axis=1, out=curve)
            for number, rung in enumerate(self._rungs[self._rungs <= most] - 1):
                measures = numpy.full((len(own), self.scores.shape[-1]), numpy.nan)
                measures[:, 0] = numpy.where(there[:, rung], curve[:, rung], numpy.nan)
                if measures.shape[1] > 1:
                    half = curve[:, (rung + 1) // 2 - 1] if rung else measures[:, 0]
                    pair = measures[:, 0].copy(), half.copy()
                    measures[:, 1] = heading(*map(torch.from_numpy, pair))
                self.scores[trial[at], fit[at], number] = measures

    def judged(self, span: Span, packs: list[tuple[Pack, Pack]], before: Ints) -> Iterator[Pack]:
        """Yield the packs of a round with what is known of others: of rounds up to the one before
        the last, and of their own fits that have ended already.

        Args:
            packs: each whole, and what is left of it.
            before: how many replicates each trial has of these rounds.
        """
        earlier: dict[int, Earlier] = {}
        for whole, left in packs:
            fold = whole.lanes.fold
            if fold not in earlier:
                earlier[fold] = dict(self._earlier(span, fold, before))
            yield left.knowing(self._known(whole, left, earlier[fold]))

    def estimated(self, scores: Floats, pruned: Mask, known: Mask) -> Floats:
        """Return scores of lanes, those of pruned ones as what they might have come to, by rank.

        Of the lanes that have reached the same rung and came to their end, as many are better at
        the end as were better at the rung; beyond the worst of them it is as much worse as it was
        there. What a pruned lane had itself is of fewer steps: it would say that whatever goes
        slowly at first is bad, and worse than all that has ended.

        Args:
            scores: shape (trials, fits), of the first trials: at the end of a lane, or where it was
                pruned; pruned: of the same shape.
            known: of the same shape, which lanes count.
        """
        found = scores.copy()
        for fit in range(scores.shape[1]):
            had, lost = self.scores[: len(scores), fit, :, 0], pruned[:, fit] & known[:, fit]
            ended = known[:, fit] & ~lost & numpy.isfinite(scores[:, fit])
            last = (~numpy.isnan(had)).sum(axis=1) - 1
            for rung in numpy.unique(last[lost]).tolist():
                at, others = lost & (last == rung), ended & numpy.isfinite(had[:, rung])
                found[at, fit] = _ranked(had[at, rung], had[others, rung], scores[others, fit])
        return found

    def _earlier(
        self, span: Span, fold: int, before: Ints
    ) -> Iterator[tuple[int, tuple[torch.Tensor, ...]]]:
        """Of each replicate of a round, what earlier fits of it had at each rung, ascending."""
        for replicate in range(span.low, span.high):
            trials = numpy.flatnonzero(before > replicate)
            found = self.scores[trials, replicate * self._request.folds + fold]
            rungs = (each[~numpy.isnan(each[:, 0])].T for each in found.swapaxes(0, 1))
            yield (
                replicate,
                tuple(torch.from_numpy(numpy.sort(each, axis=1).copy(order="C")) for each in rungs),
            )

    def _known(self, whole: Pack, left: Pack, earlier: Earlier) -> Known:
        lanes = whole.lanes
        trial, replicate = lanes.trial.numpy(), lanes.replicate.numpy()
        going = set(zip(left.lanes.trial.tolist(), left.lanes.replicate.tolist(), strict=True))
        ended = numpy.array(
            [key not in going for key in zip(trial.tolist(), replicate.tolist(), strict=True)]
        )
        ended &= trial < len(self.scores)
        trial, replicate = trial[ended], replicate[ended]
        scores = self.scores[trial, replicate * self._request.folds + lanes.fold]
        own = {"trial": trial, "replicate": replicate, "scores": scores}
        return Known(earlier=earlier, **{n: torch.from_numpy(column) for n, column in own.items()})


def _ranked(scores: Floats, had: Floats, came: Floats) -> Floats:
    """Return what has the rank among `came` that a score has among `had`; beyond the worst, as much
    worse; where these are none, the scores themselves."""
    if not len(had):
        return scores
    had, came = numpy.sort(had), numpy.sort(came)
    beyond = numpy.where(scores > had[-1], scores - had[-1], 0.0)
    found: Floats = numpy.interp(scores, had, came) + beyond
    return found
