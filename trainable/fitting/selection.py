"""Which reporting step of each fit counts, and which fits no longer improve.

B       slots of the block
C       columns: the loss after the update, and the metrics (`Plan.columns`)

A score is the objective, negative where a larger one is better: lower is better, and +inf is a
number that is not finite.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch

from shoal.trainable.fitting.plan import Plan
from shoal.trainable.problems import Leaves

NO_STEP = -1

_COLUMNS = ("score", "step", "since", "values")


def scores(values: torch.Tensor, plan: Plan) -> torch.Tensor:
    """Return the score of each row of `values` (B, C)."""
    column = values[:, plan.columns.index(plan.objective)]
    return torch.where(column.isfinite(), -column if plan.maximize else column, math.inf)


def finite(losses: torch.Tensor) -> torch.Tensor:
    """The losses on the CPU in float64, +inf where they are not finite."""
    losses = losses.to("cpu", torch.float64)
    return losses.nan_to_num(nan=math.inf, posinf=math.inf, neginf=math.inf)


class Selection:
    """The best reporting step so far of the lane in each slot.

    Attributes:
        score: shape (B,), float64; step: (B,), int64, `NO_STEP` before the first reporting step;
        since: (B,), int64, reporting steps since then.
        values: shape (B, C), float64, the columns at that step.
        params: each of shape (B, ...), the parameters at that step; (): they are not needed.
    """

    def __init__(self, slots: int, plan: Plan) -> None:
        """Begin with no reporting step of any lane."""
        self._plan = plan
        self.score = torch.full((slots,), math.inf, dtype=torch.float64)
        self.step = torch.full((slots,), NO_STEP)
        self.since = torch.zeros(slots, dtype=torch.int64)
        self.values = torch.full((slots, len(plan.columns)), math.nan, dtype=torch.float64)
        self.params: Leaves = ()

    def snapshot(self) -> dict[str, Any]:
        """Return what `restore` needs, on the CPU."""
        kept: dict[str, Any] = {name: getattr(self, name).clone() for name in _COLUMNS}
        return {**kept, "params": tuple(leaf.cpu().clone() for leaf in self.params)}

    def restore(self, kept: Mapping[str, Any], device: torch.device) -> None:
        """Go on from a snapshot."""
        for name in _COLUMNS:
            setattr(self, name, kept[name].clone())
        self.params = tuple(leaf.to(device) for leaf in kept["params"])

    def better(self, score: torch.Tensor) -> torch.Tensor:
        """Return which scores (B,) are better than the best so far; the first of a lane is."""
        return (score < self.score) | (self.step == NO_STEP)

    def spent(self, better: torch.Tensor) -> torch.Tensor:
        """Return which lanes have not improved for too long (B,), where `better` have now."""
        if not self._plan.patience:
            return torch.zeros_like(better)
        return ~better & (self.since + 1 >= self._plan.patience)

    def take(
        self,
        better: torch.Tensor,
        score: torch.Tensor,
        step: torch.Tensor,
        values: torch.Tensor,
        params: Leaves,
    ) -> None:
        """Be at a reporting step: it is the best so far of the lanes that are `better` (B,).

        Args:
            score, step: shape (B,); values: shape (B, C).
            params: the parameters at that step.
        """
        self.since = torch.where(better, 0, self.since + 1)
        self.score = torch.where(better, score, self.score)
        self.step = torch.where(better, step, self.step)
        self.values = torch.where(better[:, None], values, self.values)
        if self._plan.best and self._plan.keep:
            held = self.params or params
            at = better.to(params[0].device)
            self.params = tuple(
                torch.where(at.view(-1, *[1] * (new.dim() - 1)), new, old)
                for new, old in zip(params, held, strict=True)
            )

    def forget(self, slots: torch.Tensor) -> None:
        """Begin anew in these slots (int64)."""
        self.score[slots], self.step[slots], self.since[slots] = math.inf, NO_STEP, 0
        self.values[slots] = math.nan

    def shrink(self, kept: torch.Tensor) -> None:
        """Drop all slots but these (int64)."""
        for name in _COLUMNS:
            setattr(self, name, getattr(self, name)[kept])
        self.params = tuple(leaf[kept] for leaf in self.params)
