"""The optimizers that there are. A new one is a module beside this one, and a row here."""

from __future__ import annotations

from collections.abc import Mapping

from shoal.trainable.optimizers.adam import ADAM
from shoal.trainable.optimizers.momentum import MOMENTUM
from shoal.trainable.optimizers.optimizer import Optimizer
from shoal.trainable.optimizers.sgd import SGD

OPTIMIZERS: Mapping[str, Optimizer] = {
    optimizer.name: optimizer
    for optimizer in (
        SGD,
        MOMENTUM,
        ADAM,
    )
}
"""Every optimizer by its name."""
