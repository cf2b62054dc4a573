"""Lion: steps by the sign of a momentum.

Notation, for each tensor of parameters:

    p   parameter          any shape
    g   gradient           shape of p
    m   momentum           shape of p
    λ   weight decay       shape ()
"""

from __future__ import annotations

from collections.abc import Collection

import torch

from shoal.trainable.optimizers.methods.optimizer import (
    Clock,
    Named,
    Optimizer,
    Values,
    by_gradient,
    decayed,
    descended,
    zeros,
)
from shoal.trainable.problems import Leaves


def _init(params: Leaves, used: Collection[str]) -> Named:
    return {"momentum": zeros(params)}


def _update(
    params: Leaves, gradient: Leaves, state: Named, h: Values, clock: Clock
) -> tuple[Leaves, Named]:
    # c = β₁ m + (1 - β₁) g
    # p ← p - lr (sign(c) + λ p),  m ← β₂ m + (1 - β₂) g   (Chen et al. 2023, algorithm 2)
    beta1, beta2 = h["beta1"], h["beta2"]
    pairs = list(zip(state["momentum"], gradient, strict=True))
    directions = tuple(_sign(beta1 * m + (1 - beta1) * g) for m, g in pairs)
    moved = descended(params, decayed(params, directions, h), h["lr"])
    return moved, {"momentum": tuple(beta2 * m + (1 - beta2) * g for m, g in pairs)}


def _sign(c: torch.Tensor) -> torch.Tensor:
    """The sign; NaN where that is no number, so that a diverged fit does not just stand still."""
    return torch.where(c == c, torch.sign(c), c)


LION = Optimizer(
    name="lion",
    hyperparameters={"lr": None, "beta1": 0.9, "beta2": 0.99, "weight_decay": 0.0},
    off=frozenset({"weight_decay"}),
    init=_init,
    step=by_gradient(_update),
)
