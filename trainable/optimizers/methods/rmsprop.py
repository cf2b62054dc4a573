"""RMSprop, as torch.optim.RMSprop has it; not centred.

Notation, for each tensor of parameters:

    p   parameter          any shape
    g   gradient           shape of p
    s   mean of squares    shape of p
    v   velocity           shape of p; where ``momentum`` is used
    α   smoothing          shape ()
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
    state = {"mean of squares": zeros(params)}
    return {**state, "velocity": zeros(params)} if "momentum" in used else state


def _update(
    params: Leaves, gradient: Leaves, state: Named, h: Values, clock: Clock
) -> tuple[Leaves, Named]:
    # g ← g + λ p
    # s ← α s + (1 - α) g²,  d = g / (√s + ε)   (Tieleman & Hinton 2012, lecture 6.5)
    gradient = decayed(params, gradient, h)
    squares = tuple(
        h["alpha"] * s + (1 - h["alpha"]) * g * g
        for s, g in zip(state["mean of squares"], gradient, strict=True)
    )
    directions = tuple(
        g / (torch.sqrt(s) + h["eps"]) for g, s in zip(gradient, squares, strict=True)
    )
    if "momentum" not in h:
        return descended(params, directions, h["lr"]), {"mean of squares": squares}
    # v ← μ v + d,  p ← p - lr v
    pairs = zip(state["velocity"], directions, strict=True)
    velocity = tuple(h["momentum"] * v + d for v, d in pairs)
    moved = descended(params, velocity, h["lr"])
    return moved, {"mean of squares": squares, "velocity": velocity}


RMSPROP = Optimizer(
    name="rmsprop",
    hyperparameters={
        "lr": None,
        "alpha": 0.99,
        "eps": 1e-8,
        "momentum": 0.0,
        "weight_decay": 0.0,
    },
    off=frozenset({"momentum", "weight_decay"}),
    init=_init,
    step=by_gradient(_update),
)
