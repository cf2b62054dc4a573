"""Judging fits at a rung: how many of those before them by number are better.

A fit is compared with fits of its own replicate and fold, which begin with the same parameters and
have the same rows: with those of rounds up to the one before the last, and with those of its pack
that have a lower trial number, as far as they have reached the rung. Which these are is known when
it gets there itself: of a pack's fits the ones with lower numbers begin first, and all go at one
pace, however many are side by side. So a judgement depends on no clock and on no block.

What is compared are one or two measures of a fit at the rung: its score and, for a pruner that
looks ahead, where that is heading (`heading`). It is behind where it is by each of them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch

from shoal.trainable.pruning.pruner import Pruner
from shoal.trainable.transport import Sent


def _none() -> torch.Tensor:
    return torch.zeros(0, dtype=torch.int64)


@dataclass(frozen=True, kw_only=True)
class Known(Sent):
    """What is known of others when a pack is asked for.

    Attributes:
        earlier: of each replicate, at each rung, the measures of the fits of earlier rounds that
            have reached it: shape (measures, fits), float64, ascending in each row.
        trial, replicate: shape (m,), int64, fits of the pack itself that have ended before.
        scores: shape (m, rungs, measures), float64, what these had at each rung; NaN where they
            have not reached it.
    """

    earlier: Mapping[int, tuple[torch.Tensor, ...]] = field(default_factory=dict)
    trial: torch.Tensor = field(default_factory=_none)
    replicate: torch.Tensor = field(default_factory=_none)
    scores: torch.Tensor = field(default_factory=lambda: torch.zeros(0, 0, 0, dtype=torch.float64))

    def __repr__(self) -> str:  # Ray Tune formats what passes through it, arrays in full
        return f"Known({len(self.trial)})"


def heading(score: torch.Tensor, half: torch.Tensor) -> torch.Tensor:
    """Return what a score would be at twice the reports, were it to change as much as it has since
    half of them; where one of both is not finite, the score."""
    known = score.isfinite() & half.isfinite()
    return torch.where(known, 2 * score - half, score)


class Judge:
    """Judges the n lanes of a pack."""

    def __init__(
        self,
        pruner: Pruner,
        rungs: tuple[int, ...],
        *,
        maximize: bool,
        best: bool,
        trial: torch.Tensor,
        replicate: torch.Tensor,
        known: Known | None = None,
    ) -> None:
        """Begin.

        Args:
            rungs: the reports at which fits are judged.
            best: whether a fit counts by its best report so far, and not by the one at the rung.
            trial, replicate: shape (n,), int64, of the lanes.
        """
        known = known or Known()
        self._pruner, self._best = pruner, best
        self._limit = pruner.limit(maximize)
        self._place = {report: place for place, report in enumerate(rungs)}
        self._earlier, self._before = known.earlier, len(known.trial)
        self._trial = torch.cat([known.trial, trial])
        self._replicate = torch.cat([known.replicate, replicate])
        self._so_far = torch.full((len(trial),), math.inf, dtype=torch.float64)
        shape = (len(rungs), 1 + pruner.ahead, len(self._trial))
        self._reached = torch.full(shape, math.nan, dtype=torch.float64)
        self._half = torch.full((len(rungs), len(trial)), math.nan, dtype=torch.float64)
        if self._before:
            self._reached[:, :, : self._before] = known.scores.permute(1, 2, 0)

    def note(self, lane: torch.Tensor, reports: torch.Tensor, scores: torch.Tensor) -> None:
        """These b lanes report: the last of so many reports has these scores.

        Args:
            lane, reports: shape (b,), int64; scores: (b,), float64.
        """
        so_far = torch.minimum(self._so_far[lane], scores) if self._best else scores
        self._so_far[lane] = so_far
        if self._pruner.ahead:
            for rung, place in self._place.items():
                here = reports == rung // 2
                self._half[place, lane[here]] = so_far[here]
        for place, here in self._rungs(reports):
            own, score = self._before + lane[here], so_far[here]
            self._reached[place, 0, own] = score
            if self._pruner.ahead:
                self._reached[place, 1, own] = heading(score, self._half[place, lane[here]])

    def behind(self, lane: torch.Tensor, reports: torch.Tensor) -> torch.Tensor:
        """Return which of these lanes are pruned (b,) at the report that `note` was told last."""
        found = torch.zeros_like(lane, dtype=torch.bool)
        for place, here in self._rungs(reports):
            found[here] = self._behind(place, self._before + lane[here])
        return found

    def _rungs(self, reports: torch.Tensor) -> list[tuple[int, torch.Tensor]]:
        """The rungs that are reached now, each with a mask (b,) of those that reach it."""
        there = torch.unique(reports).tolist()
        return [(self._place[n], reports == n) for n in there if n in self._place]

    def _behind(self, place: int, at: torch.Tensor) -> torch.Tensor:
        """Which lanes are behind at a rung.

        Args:
            at: where they stand among the fits that are known, int64.
        """
        reached = self._reached[place]
        over = reached[0, at] > self._limit
        if not self._pruner.compares:
            return over
        there = torch.nonzero(~reached[0].isnan()).flatten()
        before = self._trial[there] < self._trial[at][:, None]
        before &= self._replicate[there] == self._replicate[at][:, None]
        others = before.sum(dim=1)
        better = (before & (reached[:, None, there] < reached[:, at, None])).sum(dim=2)
        replicates = self._replicate[at]
        for replicate in torch.unique(replicates).tolist():
            if replicate in self._earlier:
                own = replicates == replicate
                earlier, mine = self._earlier[replicate][place], reached[:, at[own]].contiguous()
                others[own] += earlier.shape[1]
                better[:, own] += torch.searchsorted(earlier, mine)
        return over | (better >= self._pruner.places(others)).all(dim=0)
