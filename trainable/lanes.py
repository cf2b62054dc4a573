"""Lanes in, rows out: what a pack is given and what it gives back, as columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

STATES = ("complete", "diverged", "stopped", "failed")
"""The states of a lane; columns hold the position in this tuple."""

COMPLETE, DIVERGED, STOPPED, FAILED = range(len(STATES))


@dataclass(frozen=True, kw_only=True)
class Lanes:
    """The lanes of one pack, n of them.

    Attributes:
        trial, replicate: shape (n,), int64; together the key of a lane.
        seed: shape (n,), int64; each lane's initial parameters come from it.
        values: each hyperparameter that is a number, shape (n,), float64.
        shape: the shape hyperparameters, one value of each for the whole pack.
    """

    trial: torch.Tensor
    replicate: torch.Tensor
    seed: torch.Tensor
    values: Mapping[str, torch.Tensor]
    shape: Mapping[str, Any]

    def __len__(self) -> int:
        return len(self.trial)

    def __repr__(self) -> str:  # Ray Tune formats what passes through it, arrays in full
        return f"Lanes({len(self)})"


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """What fitting n lanes gave.

    Attributes:
        loss: shape (n,), float64, the loss after the last update; +inf where not complete.
        state: shape (n,), int64, positions in `STATES`.
        steps: shape (n,), int64, updates done.
        curve_lane, curve_step: shape (m,), int64, ascending; position of the lane, and step.
        curve_loss: shape (m,), float64, the loss before that step's update; +inf if not finite.
    """

    loss: torch.Tensor
    state: torch.Tensor
    steps: torch.Tensor
    curve_lane: torch.Tensor
    curve_step: torch.Tensor
    curve_loss: torch.Tensor

    def __repr__(self) -> str:
        return f"Fitted({len(self.loss)})"
