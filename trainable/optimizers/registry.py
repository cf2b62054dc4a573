"""The optimizers that there are. A new one is a module in `methods`, and a row here."""

from __future__ import annotations

from collections.abc import Mapping

from shoal.trainable.optimizers.methods import (
    ADAGRAD,
    ADAM,
    ADAMW,
    LEVENBERG_MARQUARDT,
    LION,
    MOMENTUM,
    RMSPROP,
    SGD,
    Optimizer,
)

OPTIMIZERS: Mapping[str, Optimizer] = {
    optimizer.name: optimizer
    for optimizer in (
        SGD,
        MOMENTUM,
        ADAM,
        ADAMW,
        RMSPROP,
        ADAGRAD,
        LION,
        LEVENBERG_MARQUARDT,
    )
}
"""Every optimizer by its name."""
