"""Adam and AdamW, as torch.optim has them.

Notation, for each tensor of parameters:

    p   parameter          any shape
    g   gradient           shape of p
    m,s running moments    shape of p
    t   updates done       shape (), this one included
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
    zeros,
)
from shoal.trainable.problems import Leaves


def _init(params: Leaves, used: Collection[str]) -> Named:
    return {"first moment": zeros(params), "second moment": zeros(params)}


def _update(
    params: Leaves, gradient: Leaves, state: Named, h: Values, clock: Clock
) -> tuple[Leaves, Named]:
    # g ← g + λ p   (where λ is used)
    # m ← β₁ m + (1 - β₁) g,  s ← β₂ s + (1 - β₂) g²
    # p ← p - lr (m / (1 - β₁ᵗ)) / (√(s / (1 - β₂ᵗ)) + ε)   (Kingma & Ba 2015, algorithm 1)
    gradient = decayed(params, gradient, h)
    t = clock.after
    beta1, beta2 = h["beta1"], h["beta2"]
    first = tuple(
        beta1 * m + (1 - beta1) * g for m, g in zip(state["first moment"], gradient, strict=True)
    )
    second = tuple(
        beta2 * s + (1 - beta2) * g * g
        for s, g in zip(state["second moment"], gradient, strict=True)
    )
    scale1, scale2 = 1 - beta1**t, 1 - beta2**t
    moved = tuple(
        p - h["lr"] * (m / scale1) / (torch.sqrt(s / scale2) + h["eps"])
        for p, m, s in zip(params, first, second, strict=True)
    )
    return moved, {"first moment": first, "second moment": second}


def _decoupled(
    params: Leaves, gradient: Leaves, state: Named, h: Values, clock: Clock
) -> tuple[Leaves, Named]:
    # p ← (1 - lr λ) p, then as Adam   (Loshchilov & Hutter 2019, algorithm 2, as torch writes it)
    kept = 1 - h["lr"] * h["weight_decay"]
    own = {name: value for name, value in h.items() if name != "weight_decay"}
    return _update(tuple(kept * p for p in params), gradient, state, own, clock)


ADAM = Optimizer(
    name="adam",
    hyperparameters={"lr": None, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "weight_decay": 0.0},
    off=frozenset({"weight_decay"}),
    init=_init,
    step=by_gradient(_update),
    clocked=lambda used: True,
)

ADAMW = Optimizer(
    name="adamw",
    hyperparameters={"lr": None, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "weight_decay": 0.01},
    init=_init,
    step=by_gradient(_decoupled),
    clocked=lambda used: True,
)
