"""Which lanes of a block are pruned: the judge of a pack, by what they report."""

from __future__ import annotations

import torch

from shoal.trainable.fitting.plan import Plan
from shoal.trainable.fitting.record import Columns
from shoal.trainable.fitting.selection import scores
from shoal.trainable.fitting.slots import NO_LANE
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
                trial=lanes.trial,
                replicate=lanes.replicate,
                known=known,
            )

    def behind(
        self, lane: torch.Tensor, age: torch.Tensor, loss: torch.Tensor, values: torch.Tensor
    ) -> torch.Tensor:
        """Return which slots have a lane that is pruned (B,); told the same, it says the same.

        Args:
            lane: shape (B,), int64, the lane in each slot, `NO_LANE` where there is none.
            age: shape (B,), int64, updates that it has done.
            loss: shape (B,), float64, before the last of them; values: (B, 1 + M), float64, the
                metrics after it in the columns from 1 on.
        """
        behind = torch.zeros_like(lane, dtype=torch.bool)
        if self._judge is not None:
            here = lane != NO_LANE
            lane, reports = lane[here], self._reports(age[here])
            self._note(self._judge, lane, reports, loss[here], values[here, 1:])
            behind[here] = self._judge.behind(lane, reports)
        return behind

    def restore(self, curves: Columns) -> None:
        """Go on from what lanes have reported."""
        if self._judge is None:
            return
        lane, step, loss, metrics = curves
        number = self._reports(step + 1)
        for report in torch.unique(number).tolist():  # of a lane one after the other
            at = number == report
            self._note(self._judge, lane[at], number[at], loss[at], metrics[at])

    def _reports(self, age: torch.Tensor) -> torch.Tensor:
        """Which report it is after so many updates, from 1 on."""
        return torch.div(age + self._plan.report - 1, self._plan.report, rounding_mode="floor")

    def _note(
        self,
        judge: Judge,
        lane: torch.Tensor,
        reports: torch.Tensor,
        loss: torch.Tensor,
        metrics: torch.Tensor,
    ) -> None:
        score = scores(torch.cat([loss[:, None], metrics], dim=1), self._plan)
        judge.note(lane, reports, score)
