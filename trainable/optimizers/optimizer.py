"""Optimizers: how parameters move. Each is a pure (init, update) pair over the leaves of one lane.

Notation, for each leaf of a lane:

    p   parameter          any shape
    g   gradient           shape of p
    v   velocity           shape of p       (momentum)
    m,s running moments    shape of p       (adam)
    t   updates done       shape ()         (adam)

Hyperparameters are 0-dimensional tensors, so that each lane can have its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch

from shoal.trainable.problems import Leaves

State = tuple[torch.Tensor, ...]
Values = Mapping[str, torch.Tensor]


@dataclass(frozen=True, kw_only=True)
class Optimizer:
    """``init(params)`` gives the state, ``update(params, gradient, state, values)`` moves.

    Attributes:
        hyperparameters: its own, each with its default (None: it has none and must be given).
    """

    name: str
    hyperparameters: Mapping[str, float | None]
    init: Callable[[Leaves], State]
    update: Callable[[Leaves, Leaves, State, Values], tuple[Leaves, State]]


def _sgd_init(params: Leaves) -> State:
    return ()


def _sgd(params: Leaves, gradient: Leaves, state: State, h: Values) -> tuple[Leaves, State]:
    # p ← p - lr g
    return tuple(p - h["lr"] * g for p, g in zip(params, gradient, strict=True)), state


def _momentum_init(params: Leaves) -> State:
    return tuple(torch.zeros_like(p) for p in params)


def _momentum(params: Leaves, gradient: Leaves, state: State, h: Values) -> tuple[Leaves, State]:
    # v ← μ v + g,  p ← p - lr v   (Polyak 1964, as torch.optim.SGD writes it)
    velocity = tuple(h["momentum"] * v + g for v, g in zip(state, gradient, strict=True))
    return tuple(p - h["lr"] * v for p, v in zip(params, velocity, strict=True)), velocity


def _adam_init(params: Leaves) -> State:
    zeros = tuple(torch.zeros_like(p) for p in params)
    return (torch.zeros((), dtype=params[0].dtype, device=params[0].device), *zeros, *zeros)


def _adam(params: Leaves, gradient: Leaves, state: State, h: Values) -> tuple[Leaves, State]:
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


OPTIMIZERS: Mapping[str, Optimizer] = {
    optimizer.name: optimizer
    for optimizer in (
        Optimizer(name="sgd", hyperparameters={"lr": None}, init=_sgd_init, update=_sgd),
        Optimizer(
            name="momentum",
            hyperparameters={"lr": None, "momentum": 0.9},
            init=_momentum_init,
            update=_momentum,
        ),
        Optimizer(
            name="adam",
            hyperparameters={"lr": None, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8},
            init=_adam_init,
            update=_adam,
        ),
    )
}
"""Every optimizer by its name."""
