"""Levenberg and Marquardt's method for sums of squares.

Notation, for one fit:

    p    all parameters           shape (p,), one after the other
    r    residuals                shape (n,); L = Σ r² is the loss
    J    Jacobian ∂r/∂p           shape (n, p)
    D    scale of each parameter  shape (p,): the largest |J's column| so far
    μ    damping                  shape (), relative to D²
    ν    growth of the damping    shape ()
    δ    step                     shape (p,)
    ρ    gain ratio               shape (): decrease of L over the linear model's
"""

from __future__ import annotations

from collections.abc import Callable, Collection

import torch

from shoal.trainable.optimizers.methods.least_squares import damped
from shoal.trainable.optimizers.methods.optimizer import (
    Clock,
    Function,
    Named,
    Optimizer,
    Values,
    zeros,
)
from shoal.trainable.private import pushed_forward
from shoal.trainable.problems import Leaves

_MAX_DAMPING = 1e12
"""Bound on the damping over its first value: where nothing lowers the loss any more, it grows."""


def _init(params: Leaves, used: Collection[str]) -> Named:
    one = torch.ones((), dtype=params[0].dtype, device=params[0].device)
    return {"scale": zeros(params), "damping": (one,), "growth of the damping": (2 * one,)}


def _step(
    function: Function, params: Leaves, state: Named, h: Values, clock: Clock
) -> tuple[torch.Tensor, Leaves, Named]:
    whole = _flat(params)

    def residuals(flat: torch.Tensor) -> torch.Tensor:
        return function.residuals(_parts(flat, params))

    r = residuals(whole)
    jacobian = _jacobian(residuals, whole, len(r))
    loss = (r * r).sum()
    # D ← max(D, |J's columns|)   (Moré 1978, section 3); 1 where nothing depends on a parameter
    scale = torch.maximum(_flat(state["scale"]), torch.sqrt((jacobian * jacobian).sum(0)))
    divisor = torch.where(scale == 0, torch.ones_like(scale), scale)
    # δ = -(JᵀJ + μ D²)⁻¹ Jᵀ r, as the least squares of |J δ + r|² + μ |D δ|²   (Marquardt 1963)
    (factor,), (growth,) = state["damping"], state["growth of the damping"]
    damping = h["damping"] * factor
    z = damped(jacobian / divisor, r, damping)
    delta = z / divisor
    moved = whole + delta
    after = residuals(moved)
    # ρ = (L - L(p + δ)) / (|J δ|² + 2 μ |D δ|²)   (Moré 1978, equation 4.2)
    slope = (jacobian * delta).sum(1)
    expected = (slope * slope).sum() + 2 * damping * (z * z).sum()
    gain = (loss - (after * after).sum()) / expected
    # accepted: μ ← μ max(1/3, 1 - (2 ρ - 1)³), ν ← 2;  rejected: μ ← μ ν, ν ← 2 ν
    # (Nielsen 1999, equation 2.4; Madsen, Nielsen & Tingleff 2004, algorithm 3.16)
    accepted = gain > 0  # false where that is no number
    ratio = 2 * gain - 1
    shrunk = factor * torch.clamp(1 - ratio * ratio * ratio, min=1 / 3)
    grown = torch.clamp(factor * growth, max=_MAX_DAMPING)
    two, doubled = torch.full_like(growth, 2.0), torch.clamp(2 * growth, max=_MAX_DAMPING)
    flat = torch.where(accepted, moved, whole)
    new = {
        "scale": _parts(scale, params),
        "damping": (torch.where(accepted, shrunk, grown),),
        "growth of the damping": (torch.where(accepted, two, doubled),),
    }
    return loss, _parts(flat, params), new


def _flat(params: Leaves) -> torch.Tensor:
    return torch.cat([p.reshape(-1) for p in params])


def _parts(flat: torch.Tensor, like: Leaves) -> Leaves:
    """A vector of all parameters in their shapes."""
    pieces, first = [], 0
    for p in like:
        pieces.append(flat[first : first + p.numel()].reshape(p.shape))
        first += p.numel()
    return tuple(pieces)


def _jacobian(
    residuals: Callable[[torch.Tensor], torch.Tensor], at: torch.Tensor, rows: int
) -> torch.Tensor:
    """The Jacobian, shape (n, p): by the shorter of its sides, as torch.func.jacfwd and jacrev make
    it, but of operations that kernels have."""
    side = min(len(at), rows)
    basis = torch.eye(side, dtype=at.dtype, device=at.device)
    if len(at) <= rows:
        columns: torch.Tensor = torch.vmap(lambda to: pushed_forward(residuals, at, to))(basis)
        return columns.T
    pulled: Callable[..., Leaves] = torch.func.vjp(residuals, at)[1]
    made: torch.Tensor = torch.vmap(lambda cotangent: pulled(cotangent)[0])(basis)
    return made


LEVENBERG_MARQUARDT = Optimizer(
    name="lm",
    hyperparameters={"damping": 1e-3},
    of_fit=frozenset({"damping", "growth of the damping"}),
    init=_init,
    step=_step,
    needs_residuals=True,
)
