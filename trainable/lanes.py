"""Lanes in, rows out: what a pack is given and what it gives back, as columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from shoal.trainable.columns import FOLD
from shoal.trainable.transport import Sent

STATES = ("complete", "diverged", "pruned", "failed")
"""The states of a lane; columns hold the position in this tuple."""

COMPLETE, DIVERGED, PRUNED, FAILED = range(len(STATES))


@dataclass(frozen=True, kw_only=True)
class Lanes(Sent):
    """The lanes of one pack, n of them.

    Attributes:
        trial, replicate: shape (n,), int64; together the key of a lane.
        seed: shape (n,), int64; each lane's initial parameters come from it.
        values: each hyperparameter that is a number, shape (n,), float64; NaN where it is not
            active: there the fit has the default.
        shape: the shape hyperparameters that are active, one value of each for the whole pack; with
            folds, `FOLD` is one of them.
    """

    trial: torch.Tensor
    replicate: torch.Tensor
    seed: torch.Tensor
    values: Mapping[str, torch.Tensor]
    shape: Mapping[str, Any]

    @property
    def fold(self) -> int:
        """The fold of all of them; 0 where there are none."""
        return int(self.shape.get(FOLD, 0))

    def __len__(self) -> int:
        return len(self.trial)

    def __repr__(self) -> str:  # Ray Tune formats what passes through it, arrays in full
        return f"Lanes({len(self)})"


@dataclass(frozen=True, kw_only=True)
class Parameters(Sent):
    """The fitted parameters of m lanes.

    Attributes:
        lane: shape (m,), int64, ascending; the position of each lane among the pack's.
        named: each parameter by its name, shape (m, ...).
        prepared: what the problem has learnt from its data before all fits.
    """

    lane: torch.Tensor
    named: Mapping[str, torch.Tensor]
    prepared: Mapping[str, torch.Tensor]

    def __repr__(self) -> str:
        return f"Parameters({len(self.lane)})"


@dataclass(frozen=True, kw_only=True)
class Fitted(Sent):
    """What fitting n lanes gave.

    What counts is at the step that the plan selects: after the last update, or at the reporting
    step with the best objective.

    Attributes:
        loss: shape (n,), float64, the loss that counts; +inf where not complete.
        metrics: shape (n, M), float64, the metrics that count; NaN where not complete.
        best_step: shape (n,), int64, the reporting step that counts; -1 where not complete.
        state: shape (n,), int64, positions in `STATES`.
        steps: shape (n,), int64, updates done.
        curve_lane, curve_step: shape (m,), int64, ascending; position of the lane, and step.
        curve_loss: shape (m,), float64, the loss before that step's update; +inf if not finite.
        curve_metrics: shape (m, M), float64, the metrics after that step's update.
        parameters: of the fits that are kept, or None.
        names: of the metrics, where the fits themselves say what they report, the loss among them;
            then `loss` and `curve_loss` are not taken.
    """

    loss: torch.Tensor
    metrics: torch.Tensor
    best_step: torch.Tensor
    state: torch.Tensor
    steps: torch.Tensor
    curve_lane: torch.Tensor
    curve_step: torch.Tensor
    curve_loss: torch.Tensor
    curve_metrics: torch.Tensor
    parameters: Parameters | None = None
    names: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Fitted({len(self.loss)})"
