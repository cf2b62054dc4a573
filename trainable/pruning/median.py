"""The median stopping rule: a fit ends that is worse than most fits were at the same report.

Golovin et al. 2017 (Vizier).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch

from shoal.trainable.pruning.pruner import Bounds, Pruner, before_the_last

GROWTH = 1.1
"""Ratio of a judged report's number to the one before, from the tenth on."""


@dataclass(frozen=True, kw_only=True)
class Median(Pruner):
    """The pruner ``median``.

    Attributes:
        known: others that have to be there at a report before any fit is pruned.
    """

    name: ClassVar[str] = "median"
    parameters: ClassVar[Mapping[str, Bounds]] = {
        "known": Bounds(1, whole=True),
        **Pruner.parameters,
    }

    known: int = 5

    def rungs(self, report: int, steps: int) -> tuple[int, ...]:
        """Return the reports at which fits are judged: each at first, later a tenth apart."""
        found, number = list[int](), self.first(report)
        while number <= before_the_last(report, steps):
            found.append(number)
            number = max(number + 1, round(number * GROWTH))
        return tuple(found)

    def places(self, others: torch.Tensor) -> torch.Tensor:
        """Return how many of so many others (int64) have to be better for a fit to be pruned."""
        return torch.where(others < self.known, others + 1, others // 2 + 1)
