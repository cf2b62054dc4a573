"""What composes with any first-order optimizer: clipping, warm-up, an average of the parameters.

    g   gradient          n tensors of any shapes
    p   parameters        of the shapes of g
    a   average of p      of the shapes of g
    t   updates done      shape (), 0 at the first;  T: updates in all

Each is off at 0, also for one fit among others.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch

from shoal.trainable.optimizers.methods import Values
from shoal.trainable.problems import Leaves

MODIFIERS: Mapping[str, float] = {"clip_value": 0.0, "clip_norm": 0.0, "ema": 0.0, "warmup": 0.0}
"""Their hyperparameters, each with the default that leaves it out.

clip_value   bound on each element of the gradient
clip_norm    bound on the norm of the whole gradient
ema          decay of an exponential moving average of the parameters, which is what is evaluated
warmup       fraction of the updates during which lr grows from 0
"""

_SMALL = 1e-6
"""What torch adds to a norm that it divides by."""


def clipped(gradient: Leaves, h: Values) -> Leaves:
    """Return the gradient, its elements bounded first where both bounds are used."""
    if "clip_value" in h:
        gradient = tuple(_by_value(g, h["clip_value"]) for g in gradient)
    return _by_norm(gradient, h["clip_norm"]) if "clip_norm" in h else gradient


def _by_value(g: torch.Tensor, bound: torch.Tensor) -> torch.Tensor:
    # g ← min(max(g, -c), c)   (as torch.nn.utils.clip_grad_value_)
    return torch.where(bound > 0, torch.minimum(torch.maximum(g, -bound), bound), g)


def _by_norm(gradient: Leaves, bound: torch.Tensor) -> Leaves:
    # g ← g min(1, c / (|g| + 10⁻⁶))   (Pascanu et al. 2013, algorithm 1, as
    # torch.nn.utils.clip_grad_norm_ writes it)
    squares = [(g * g).sum() for g in gradient]
    total = squares[0]
    for square in squares[1:]:
        total = total + square
    factor = (bound / (torch.sqrt(total) + _SMALL)).clamp(max=1.0)
    factor = torch.where(bound > 0, factor, torch.ones_like(factor))
    return tuple(factor * g for g in gradient)


def warmed(t: torch.Tensor, steps: int, h: Values) -> torch.Tensor:
    """Return the factor of lr."""
    # f = min(1, (t + 1) / (w T))   (Goyal et al. 2017, section 2.2: gradual warm-up)
    return ((t + 1) / (h["warmup"] / (1 / steps))).clamp(max=1.0)


def averaged(average: Leaves, params: Leaves, t: torch.Tensor, h: Values) -> Leaves:
    """Return the average, the parameters after this update among it."""
    # a ← p at the first update, then a ← d a + (1 - d) p   (as torch.optim.swa_utils)
    decay = torch.where(t == 0, torch.zeros_like(t), h["ema"])
    return tuple(decay * a + (1 - decay) * p for a, p in zip(average, params, strict=True))
