"""The fitted parameters of a pack's best trials.

A trial counts by the mean score of its fits (lanes), if all of them have one that is finite. Where
a pack has not got all fits of a trial, it cannot know whether that is among the best, and keeps it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch

from shoal.trainable.fitting.plan import Plan
from shoal.trainable.lanes import Lanes
from shoal.trainable.problems import Leaves


class Kept:
    """Parameters of m fits, the best so far.

    Attributes:
        lane: shape (m,), int64, positions of the fits among the pack's.
        score: shape (m,), float64 (`selection.scores`).
        params: each of shape (m, ...), on the CPU; (): there are none.
    """

    def __init__(self, lanes: Lanes, plan: Plan) -> None:
        """Begin with none."""
        self._plan, self._trial = plan, lanes.trial
        self.lane = torch.zeros(0, dtype=torch.int64)
        self.score = torch.zeros(0, dtype=torch.float64)
        self.params: Leaves = ()

    def snapshot(self) -> dict[str, Any]:
        """Return what `restore` needs."""
        return {"lane": self.lane, "score": self.score, "params": self.params}

    def restore(self, kept: Mapping[str, Any]) -> None:
        """Go on from a snapshot."""
        self.lane, self.score = kept["lane"].clone(), kept["score"].clone()
        self.params = tuple(kept["params"])

    def add(self, lane: torch.Tensor, score: torch.Tensor, params: Leaves) -> None:
        """These lanes have ended; all of the same length.

        Args:
            lane: positions, int64; score: float64; params: each with a row for each lane.
        """
        if not self._plan.keep:
            return
        chosen = score < math.inf
        if self._plan.fits == 1 and len(self.lane) >= self._plan.keep:  # most are no candidates
            chosen &= score <= self.score.max()
        if not bool(chosen.any()):
            return
        lane, score = lane[chosen], score[chosen]
        given = tuple(leaf[chosen.to(leaf.device)].cpu() for leaf in params)
        self.lane, self.score = torch.cat([self.lane, lane]), torch.cat([self.score, score])
        held = zip(self.params, given, strict=True) if self.params else ((leaf,) for leaf in given)
        self.params = tuple(torch.cat(pair) for pair in held)
        if self._plan.fits == 1 and len(self.lane) > self._plan.keep:
            self._only(self._best(ended=False))

    def end(self) -> None:
        """All lanes have ended: put what is kept in their order."""
        best = self._best(ended=True)
        self._only(best[torch.argsort(self.lane[best])])

    def _only(self, chosen: torch.Tensor) -> None:
        self.lane, self.score = self.lane[chosen], self.score[chosen]
        self.params = tuple(leaf[chosen] for leaf in self.params)

    def _best(self, ended: bool) -> torch.Tensor:
        """Which are kept (int64): of the best trials, and of those that are not all here.

        Args:
            ended: whether no lane is to come.
        """
        trials, where, count = torch.unique(
            self._trial[self.lane], return_inverse=True, return_counts=True
        )
        whole = count == self._plan.fits
        lost = torch.zeros_like(whole)
        if ended:  # a fit of it has no finite score
            every, lanes = torch.unique(self._trial, return_counts=True)
            lost = ~whole & (lanes[torch.searchsorted(every, trials)] == self._plan.fits)
        means = torch.full((len(count),), -math.inf, dtype=torch.float64)  # not all here: first
        if bool(whole.any()):
            order = torch.argsort(self.lane)
            order = order[torch.argsort(where[order], stable=True)]  # by trial, and then by lane
            own = order[whole[where[order]]]
            means[whole] = _means(self.score[own].view(-1, self._plan.fits))
        ranked = torch.argsort(means, stable=True)
        chosen = torch.zeros_like(whole)
        chosen[ranked[: self._plan.keep + int((~whole).sum())]] = True
        return torch.nonzero((chosen & ~lost)[where]).flatten()


def _means(scores: torch.Tensor) -> torch.Tensor:
    """The mean of each row by numpy's sum, by which trials are ranked: torch's differs."""
    return torch.from_numpy(scores.numpy().mean(axis=1))
