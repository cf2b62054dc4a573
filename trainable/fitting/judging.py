"""Which lanes of a block are pruned: the judge of a pack, by what they report."""

from __future__ import annotations

import torch

from shoal.trainable.fitting.plan import Plan
from shoal.trainable.fitting.record import Columns
from shoal.trainable.fitting.selection import scores
from shoal.trainable.lanes import Lanes
from shoal.trainable.pruning import Judge, Known


class Judging:
    """Judges the lanes of a pack as they report; where nothing prunes, none is.

    What lanes have reported counts as their curves have it: so that of other packs is read.
    """

    def __init__(self, lanes: Lanes, plan: Plan, known: Known | None) -> None:
        """Begin.

        Args:
            known: what others have reported; None: nothing is known of others.
        """
        self._plan, self._judge = plan, None
        if plan.pruner is not None:
            self._judge = Judge(
                plan.pruner,
                plan.rungs,
                maximize=plan.maximize,
                best=plan.best,
                trial=lanes.trial.numpy(),
                replicate=lanes.replicate.numpy(),
                known=known,
            )

    def behind(
        self, lane: torch.Tensor, age: torch.Tensor, loss: torch.Tensor, metrics: torch.Tensor
    ) -> torch.Tensor:
        """Return which of b lanes are pruned (b,); told the same again, it says the same.

        Args:
            lane: shape (b,), int64; age: (b,), int64, updates that they have done.
            loss: shape (b,), float64, before the last of them; metrics: (b, M), float64, after it.
        """
        if self._judge is None:
            return torch.zeros_like(lane, dtype=torch.bool)
        reports = self._note(self._judge, lane, age, loss, metrics)
        return torch.from_numpy(self._judge.behind(lane.numpy(), reports.numpy()))

    def restore(self, curves: Columns) -> None:
        """Go on from what lanes have reported."""
        if self._judge is None:
            return
        lane, step, loss, metrics = curves
        for age in torch.unique(step).tolist():  # for a lane, in their order
            at = step == age
            self._note(self._judge, lane[at], step[at] + 1, loss[at], metrics[at])

    def _note(
        self,
        judge: Judge,
        lane: torch.Tensor,
        age: torch.Tensor,
        loss: torch.Tensor,
        metrics: torch.Tensor,
    ) -> torch.Tensor:
        """Tell the judge; return which report it is of each lane (b,)."""
        reports = torch.div(age + self._plan.report - 1, self._plan.report, rounding_mode="floor")
        score = scores(torch.cat([loss[:, None], metrics], dim=1), self._plan)
        judge.note(lane.numpy(), reports.numpy(), score.numpy())
        return reports
