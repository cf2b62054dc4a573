"""Adam.

Notation, for each tensor of parameters:

    p   parameter          any shape
    g   gradient           shape of p
    m,s running moments    shape of p
    t   updates done       shape ()
"""

from __future__ import annotations

import torch

from shoal.trainable.optimizers.optimizer import Optimizer, State, Values
from shoal.trainable.problems import Leaves


def _init(params: Leaves) -> State:
    zeros = tuple(torch.zeros_like(p) for p in params)
    return (torch.zeros((), dtype=params[0].dtype, device=params[0].device), *zeros, *zeros)


def _update(params: Leaves, gradient: Leaves, state: State, h: Values) -> tuple[Leaves, State]:
    # m ← β₁ m + (1 - β₁) g,  s ← β₂ s + (1 - β₂) g²
    # p ← p - lr (m / (1 - β₁ᵗ)) / (√(s / (1 - β₂ᵗ)) + ε)   (Kingma & Ba 2015, algorithm 1)
    n = len(params)
    t = state[0] + 1
    beta1, beta2 = h["beta1"], h["beta2"]
    first = tuple(
        beta1 * m + (1 - beta1) * g for m, g in zip(state[1 : n + 1], gradient, strict=True)
    )
    second = tuple(
        beta2 * s + (1 - beta2) * g * g for s, g in zip(state[n + 1 :], gradient, strict=True)
    )
    scale1, scale2 = 1 - beta1**t, 1 - beta2**t
    moved = tuple(
        p - h["lr"] * (m / scale1) / (torch.sqrt(s / scale2) + h["eps"])
        for p, m, s in zip(params, first, second, strict=True)
    )
    return moved, (t, *first, *second)


ADAM = Optimizer(
    name="adam",
    hyperparameters={"lr": None, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8},
    init=_init,
    update=_update,
)
