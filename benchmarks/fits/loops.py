"""Plain loops of one fit: what a torch expert writes who has no shoal.

A loop has its data prepared before it, computes the loss only where it is reported, and moves
parameters in place. Each file beside this one gives `descend` its gradient: by hand where that is a
few lines, else by torch.autograd.

    params    tensors of one fit
    gradient  of (params, wanted, step): the loss, where wanted, and a tensor for each of params
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from shoal.trainable.feeding.batches import Batches

Params = Sequence[torch.Tensor]
Gradient = Callable[[Params, bool, int], tuple[Any, Params]]
Update = Callable[[Params, Params], None]


def descend(
    gradient: Gradient, params: Params, update: Update, steps: int, report: int
) -> list[float]:
    """Fit; return the losses before updates `report`, 2 `report`, …"""
    losses = []
    for step in range(steps):
        wanted = (step + 1) % report == 0
        loss, moved_by = gradient(params, wanted, step)
        if wanted:
            losses.append(float(loss))
        update(params, moved_by)
    return losses


def by_hand(
    gradient: Gradient, params: Params, update: Update, steps: int, report: int
) -> list[float]:
    """The reported losses and the last, of a gradient that needs no graph."""
    with torch.inference_mode():
        losses = descend(gradient, params, update, steps, report)
        return [*losses, float(gradient(params, True, steps)[0])]


def by_autograd(
    loss: Callable[[Params], torch.Tensor], params: Params, update: Update, steps: int, report: int
) -> list[float]:
    """The reported losses and the last, of a loss alone."""
    leaves = [tensor.requires_grad_() for tensor in params]

    def gradient(params: Params, wanted: bool, step: int) -> tuple[torch.Tensor, Params]:
        value = loss(params)
        return value.detach(), torch.autograd.grad(value, leaves)

    losses = descend(gradient, leaves, update, steps, report)
    with torch.no_grad():
        return [*losses, float(loss(leaves))]


def sgd(lr: float, momentum: float = 0.0, weight_decay: float = 0.0) -> Update:
    """v ← μ v + g + λ p, p ← p - lr v."""
    velocity: list[torch.Tensor] = []

    @torch.no_grad()
    def update(params: Params, gradient: Params) -> None:
        if weight_decay:
            gradient = torch._foreach_add(list(gradient), list(params), alpha=weight_decay)
        if momentum:
            if velocity:
                torch._foreach_mul_(velocity, momentum)
                torch._foreach_add_(velocity, list(gradient))
            else:
                velocity.extend(tensor.clone() for tensor in gradient)
            gradient = velocity
        torch._foreach_add_(list(params), list(gradient), alpha=-lr)

    return update


def adam(lr: float, weight_decay: float = 0.0) -> Update:
    """Adam as torch.optim has it, with its usual betas and eps."""
    beta1, beta2, eps, t = 0.9, 0.999, 1e-8, 0
    first: list[torch.Tensor] = []
    second: list[torch.Tensor] = []

    @torch.no_grad()
    def update(params: Params, gradient: Params) -> None:
        nonlocal t
        if not first:
            first.extend(torch.zeros_like(tensor) for tensor in params)
            second.extend(torch.zeros_like(tensor) for tensor in params)
        t += 1
        gradient = list(gradient)
        if weight_decay:
            gradient = torch._foreach_add(gradient, list(params), alpha=weight_decay)
        torch._foreach_lerp_(first, gradient, 1 - beta1)
        torch._foreach_mul_(second, beta2)
        torch._foreach_addcmul_(second, gradient, gradient, 1 - beta2)
        below = torch._foreach_sqrt(second)
        torch._foreach_mul_(below, (1 - beta2**t) ** -0.5)
        torch._foreach_add_(below, eps)
        torch._foreach_addcdiv_(list(params), first, below, -lr / (1 - beta1**t))

    return update


def batches(rows: int, size: int) -> Batches:
    """Which rows each update takes: those that a fit of shoal takes."""
    return Batches(rows=rows, size=size)
