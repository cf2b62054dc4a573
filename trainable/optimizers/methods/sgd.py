"""Stochastic gradient descent, alone and with momentum, as torch.optim.SGD has it.

Notation, for each tensor of parameters:

    p   parameter          any shape
    g   gradient           shape of p
    v   velocity           shape of p; where ``momentum`` is used
    μ   momentum           shape ()
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
    return {"velocity": zeros(params)} if "momentum" in used else {}


def _update(
    params: Leaves, gradient: Leaves, state: Named, h: Values, clock: Clock
) -> tuple[Leaves, Named]:
    # g ← g + λ p,  p ← p - lr g
    gradient = decayed(params, gradient, h)
    if "momentum" not in h:
        return descended(params, gradient, h["lr"]), state
    # v ← μ v + g,  p ← p - lr v   (Polyak 1964, as torch.optim.SGD writes it)
    pairs = zip(state["velocity"], gradient, strict=True)
    velocity = tuple(h["momentum"] * v + g for v, g in pairs)
    directions = velocity
    if "nesterov" in h:
        # p ← p - lr (g + μ v)   (Nesterov 1983, as Sutskever et al. 2013, equation 7)
        directions = tuple(
            torch.where(h["nesterov"] != 0, g + h["momentum"] * v, v)
            for g, v in zip(gradient, velocity, strict=True)
        )
    return descended(params, directions, h["lr"]), {"velocity": velocity}


SGD = Optimizer(
    name="sgd",
    hyperparameters={"lr": None, "momentum": 0.0, "nesterov": 0.0, "weight_decay": 0.0},
    off=frozenset({"momentum", "nesterov", "weight_decay"}),
    init=_init,
    step=by_gradient(_update),
)

MOMENTUM = Optimizer(
    name="momentum",
    hyperparameters={"lr": None, "momentum": 0.9},
    init=_init,
    step=by_gradient(_update),
)
