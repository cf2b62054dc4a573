"""The optimizers and schedules that there are. A new one is a module beside this one, and a row
here."""

from __future__ import annotations

from collections.abc import Mapping

from shoal.trainable.optimizers.adam import ADAM
from shoal.trainable.optimizers.momentum import MOMENTUM
from shoal.trainable.optimizers.optimizer import Optimizer
from shoal.trainable.optimizers.schedule import Schedule
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

CONSTANT = "constant"
"""The schedule where none is named: the learning rate stays as it is."""

SCHEDULES: Mapping[str, Schedule] = {CONSTANT: Schedule(name=CONSTANT, hyperparameters={})}
"""Every schedule by its name."""


def hyperparameters_of(optimizer: str, schedule: str = CONSTANT) -> Mapping[str, float | None]:
    """Return all hyperparameters that a fit with these may have, each with its default; None: it
    has none and must be given."""
    return {**OPTIMIZERS[optimizer].hyperparameters, **SCHEDULES[schedule].hyperparameters}
