"""An optimizer: how the parameters of a fit move. A pure (init, update) pair, as in optax.

Both functions are written for one fit. Hyperparameters are 0-dimensional tensors, so that each of
the fits that are stacked can have its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch

from shoal.trainable.problems import Leaves

State = tuple[torch.Tensor, ...]
"""What an optimizer keeps from one update to the next."""
Values = Mapping[str, torch.Tensor]
"""Its hyperparameters by name, each of shape ()."""


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
