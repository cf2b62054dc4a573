"""Schedules: what the learning rate is multiplied by, update after update."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from shoal.trainable.optimizers.registry import OPTIMIZERS


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """A schedule of the learning rate.

    Attributes:
        hyperparameters: its own, each with its default (None: it has none and must be given).
    """

    name: str
    hyperparameters: Mapping[str, float | None]


CONSTANT = "constant"
"""The schedule where none is named: the learning rate stays as it is."""

SCHEDULES: Mapping[str, Schedule] = {CONSTANT: Schedule(name=CONSTANT, hyperparameters={})}
"""Every schedule by its name."""


def hyperparameters_of(optimizer: str, schedule: str = CONSTANT) -> Mapping[str, float | None]:
    """Return all hyperparameters that a fit with these may have, each with its default; None: it
    has none and must be given."""
    return {**OPTIMIZERS[optimizer].hyperparameters, **SCHEDULES[schedule].hyperparameters}
