"""The results of a pack's fits (lanes) so far: losses, metrics, states and curves."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch

from shoal.trainable.fitting.selection import NO_STEP
from shoal.trainable.lanes import COMPLETE, DIVERGED, PRUNED, Fitted, Parameters

_COLUMNS = ("loss", "metrics", "best_step", "ended", "steps")

Columns = tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]
"""Lane (int64), step (int64), loss (float64) and metrics (float64, a row each) of the curves."""


class Record:
    """Results of n lanes with M metrics, filled in as they end."""

    def __init__(self, lanes: int, metrics: int) -> None:
        """Begin with none for n = `lanes` lanes with M = `metrics` metrics."""
        self.loss = torch.full((lanes,), math.inf, dtype=torch.float64)
        self.metrics = torch.full((lanes, metrics), math.nan, dtype=torch.float64)
        self.best_step = torch.full((lanes,), NO_STEP)
        self.ended = torch.full((lanes,), COMPLETE)
        self.steps = torch.zeros(lanes, dtype=torch.int64)
        self._curves: list[Columns] = []

    def snapshot(self) -> dict[str, Any]:
        """Return what `restore` needs, on the CPU."""
        columns = {name: getattr(self, name).cpu().clone() for name in _COLUMNS}
        return {**columns, "curves": self._columns()}

    def restore(self, kept: Mapping[str, Any]) -> None:
        """Go on from a snapshot."""
        for name in _COLUMNS:
            setattr(self, name, kept[name].clone())
        self._curves = [tuple(kept["curves"])]

    def report(
        self, lane: torch.Tensor, step: torch.Tensor, loss: torch.Tensor, metrics: torch.Tensor
    ) -> None:
        """Append a point to the curves of some lanes."""
        self._curves.append((lane, step, loss, metrics))

    def complete(self, lane: torch.Tensor, values: torch.Tensor, step: torch.Tensor) -> None:
        """Set what counts for lanes that have ended well.

        Args:
            values: shape (lanes, 1 + M): the loss, and the metrics; step: (lanes,), int64.
        """
        self.loss[lane], self.metrics[lane] = values[:, 0], values[:, 1:]
        self.best_step[lane] = step

    def prune(self, lane: torch.Tensor, values: torch.Tensor) -> None:
        """Mark lanes as pruned, with what they have at their last report (lanes, 1 + M)."""
        self.loss[lane], self.metrics[lane] = values[:, 0], values[:, 1:]
        self.ended[lane] = PRUNED

    def diverge(self, lane: torch.Tensor) -> None:
        """Mark lanes as diverged."""
        self.ended[lane] = DIVERGED

    def fitted(self, parameters: Parameters | None) -> Fitted:
        """Return the results, with curves sorted by lane and step."""
        lane, step, loss, metrics = self._columns()
        order = torch.argsort(lane, stable=True)  # steps of a lane came in order
        return Fitted(
            loss=self.loss,
            metrics=self.metrics,
            best_step=self.best_step,
            state=self.ended,
            steps=self.steps,
            curve_lane=lane[order],
            curve_step=step[order],
            curve_loss=loss[order],
            curve_metrics=metrics[order],
            parameters=parameters,
        )

    @property
    def curves(self) -> Columns:
        """All points so far, in the order in which they came."""
        return self._columns()

    def _columns(self) -> Columns:
        if not self._curves:
            none = torch.zeros(0, dtype=torch.int64)
            return none, none, torch.zeros(0, dtype=torch.float64), self.metrics[:0]
        lane, step, loss, metrics = (
            torch.cat(column) for column in zip(*self._curves, strict=True)
        )
        return lane, step, loss, metrics
