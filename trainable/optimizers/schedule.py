"""A schedule: what the learning rate is multiplied by, update after update."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """A schedule of the learning rate.

    Attributes:
        hyperparameters: its own, each with its default (None: it has none and must be given).
    """

    name: str
    hyperparameters: Mapping[str, float | None]
