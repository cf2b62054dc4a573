"""Gradient descent with momentum.

Notation, for each tensor of parameters:

    p   parameter          any shape
    g   gradient           shape of p
    v   velocity           shape of p
"""

from __future__ import annotations

import torch

from shoal.trainable.optimizers.optimizer import Optimizer, State, Values
from shoal.trainable.problems import Leaves


def _init(params: Leaves) -> State:
    return tuple(torch.zeros_like(p) for p in params)


def _update(params: Leaves, gradient: Leaves, state: State, h: Values) -> tuple[Leaves, State]:
    # v ← μ v + g,  p ← p - lr v   (Polyak 1964, as torch.optim.SGD writes it)
    velocity = tuple(h["momentum"] * v + g for v, g in zip(state, gradient, strict=True))
    return tuple(p - h["lr"] * v for p, v in zip(params, velocity, strict=True)), velocity


MOMENTUM = Optimizer(
    name="momentum", hyperparameters={"lr": None, "momentum": 0.9}, init=_init, update=_update
)
