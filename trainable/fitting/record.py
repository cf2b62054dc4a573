"""The results of a pack's fits (lanes) so far: losses, states and loss curves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from shoal.trainable.lanes import COMPLETE, DIVERGED, Fitted

_COLUMNS = ("loss", "ended", "steps")

Columns = tuple[torch.Tensor, torch.Tensor, torch.Tensor]
"""Lane (int64), step (int64) and loss (float64) of each point of the curves."""


class Record:
    """Results of n lanes, filled in as they end."""

    def __init__(self, lanes: int) -> None:
        """Begin with none for n = `lanes` lanes."""
        self.loss = torch.full((lanes,), float("inf"), dtype=torch.float64)
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

    def report(self, lane: torch.Tensor, step: torch.Tensor, loss: torch.Tensor) -> None:
        """Append a point to the curves of some lanes."""
        self._curves.append((lane, step, loss))

    def complete(self, lane: torch.Tensor, loss: torch.Tensor) -> None:
        """Set the losses of lanes that have done all their updates."""
        self.loss[lane] = loss

    def diverge(self, lane: torch.Tensor) -> None:
        """Mark lanes as diverged."""
        self.ended[lane] = DIVERGED

    def fitted(self) -> Fitted:
        """Return the results, with curves sorted by lane and step."""
        lane, step, loss = self._columns()
        order = torch.argsort(lane, stable=True)  # steps of a lane came in order
        return Fitted(
            loss=self.loss,
            state=self.ended,
            steps=self.steps,
            curve_lane=lane[order],
            curve_step=step[order],
            curve_loss=loss[order],
        )

    def _columns(self) -> Columns:
        if not self._curves:
            none = torch.zeros(0, dtype=torch.int64)
            return none, none, torch.zeros(0, dtype=torch.float64)
        lane, step, loss = (torch.cat(column) for column in zip(*self._curves, strict=True))
        return lane, step, loss
