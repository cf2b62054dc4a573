"""A loss that a problem writes in several ways: it has to be the same in each."""

from __future__ import annotations

import inspect
from typing import Any

import torch

from shoal.trainable.checking.trial import First, Trial
from shoal.trainable.problems import LOSSES, NOISE, STEP, called

TOLERANCE = {torch.float32: 1e-3, torch.float64: 1e-7}
"""How far two ways may be apart, relative to the loss: they may add up in another order."""


def check_several(trial: Trial, first: First) -> None:
    """Check that ``loss`` and ``residuals`` say what the method says that is used.

    Raises:
        ContractError: one says something else.
    """
    for method in LOSSES:
        if method == trial.method or not hasattr(trial.cls, method):
            continue
        other = trial.guard(method, lambda method=method: _loss(trial, first, method))  # type: ignore[misc]  # a lambda
        if not isinstance(other, torch.Tensor) or other.shape != ():
            trial.fail(method, "does not give a loss of shape (); see docs/problem.md")
        apart = abs(float(other) - float(first.loss))
        size = max(abs(float(other)), abs(float(first.loss)))
        if apart > TOLERANCE.get(first.loss.dtype, 1e-2) * size:
            said = "the sum of its squares is" if method == "residuals" else "gives"
            trial.fail(
                method,
                f"{said} {float(other):g} where {trial.method} gives the loss "
                f"{float(first.loss):g}; they have to say the same, or leave one of them out",
            )


def _loss(trial: Trial, first: First, method: str) -> Any:
    """The first loss as another method says it."""
    taken = inspect.signature(getattr(trial.problem, method)).parameters
    zero = torch.zeros((), dtype=first.loss.dtype)
    given = {**first.own, STEP: zero, NOISE: trial.update.noise}
    own = {name: value for name, value in given.items() if name in taken}
    with torch.no_grad():
        found = called(trial.problem, method, first.params, trial.update.data, **own)
    return (found * found).sum() if method == "residuals" else found
