"""The loss of a problem, by what it has."""

from __future__ import annotations

from typing import Any

from shoal.trainable.losses.alone import Alone, Squares
from shoal.trainable.losses.by_hand import ByHand
from shoal.trainable.losses.loss import Loss
from shoal.trainable.losses.module import OfModule
from shoal.trainable.problems import Hyperparameters

_KINDS: dict[str, type[Loss]] = {
    "loss_and_gradient": ByHand,
    "loss": Alone,
    "residuals": Squares,
}


def loss_of(problem: Any, declared: Hyperparameters) -> Loss:
    """Return the loss of an instance, by the methods that it has."""
    kind = OfModule if declared.start == "module" else _KINDS[declared.method]
    return kind(problem, declared)
