"""Gradient descent.

Notation, for each tensor of parameters:

    p   parameter          any shape
    g   gradient           shape of p
"""

from __future__ import annotations

from shoal.trainable.optimizers.optimizer import Optimizer, State, Values
from shoal.trainable.problems import Leaves


def _init(params: Leaves) -> State:
    return ()


def _update(params: Leaves, gradient: Leaves, state: State, h: Values) -> tuple[Leaves, State]:
    # p ← p - lr g
    return tuple(p - h["lr"] * g for p, g in zip(params, gradient, strict=True)), state


SGD = Optimizer(name="sgd", hyperparameters={"lr": None}, init=_init, update=_update)
