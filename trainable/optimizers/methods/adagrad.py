"""Adagrad, as torch.optim.Adagrad has it.

Notation, for each tensor of parameters:

    p   parameter          any shape
    g   gradient           shape of p
    s   sum of squares     shape of p
    t   updates done       shape (), before this one
    η   decay of lr        shape ()
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
    return {"sum of squares": zeros(params)}


def _update(
    params: Leaves, gradient: Leaves, state: Named, h: Values, clock: Clock
) -> tuple[Leaves, Named]:
    # g ← g + λ p
    # s ← s + g²,  p ← p - lr / (1 + t η) g / (√s + ε)   (Duchi et al. 2011, figure 1, diagonal)
    gradient = decayed(params, gradient, h)
    lr = h["lr"]
    if "lr_decay" in h:
        lr = lr / (1 + clock.before * h["lr_decay"])
    squares = tuple(s + g * g for s, g in zip(state["sum of squares"], gradient, strict=True))
    directions = tuple(
        g / (torch.sqrt(s) + h["eps"]) for g, s in zip(gradient, squares, strict=True)
    )
    return descended(params, directions, lr), {"sum of squares": squares}


ADAGRAD = Optimizer(
    name="adagrad",
    hyperparameters={"lr": None, "lr_decay": 0.0, "eps": 1e-10, "weight_decay": 0.0},
    off=frozenset({"lr_decay", "weight_decay"}),
    init=_init,
    step=by_gradient(_update),
    clocked=lambda used: "lr_decay" in used,
)
