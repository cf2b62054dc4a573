"""A threshold: a fit ends whose objective is worse than a number."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch

from shoal.trainable.pruning.pruner import Bounds, Pruner, before_the_last


@dataclass(frozen=True, kw_only=True)
class Threshold(Pruner):
    """The pruner ``threshold``.

    Attributes:
        worst: the objective of a fit that is not pruned yet.
    """

    name: ClassVar[str] = "threshold"
    parameters: ClassVar[Mapping[str, Bounds]] = {"worst": Bounds(-1e300), **Pruner.parameters}
    compares: ClassVar[bool] = False

    worst: float

    def rungs(self, report: int, steps: int) -> tuple[int, ...]:
        """Return the reports at which fits are judged: each from the first on; of calls none, whose
        number nobody knows: `first` and `limit` say it."""
        last = before_the_last(report, steps) if steps else 0
        return tuple(range(self.first(report), last + 1))

    def places(self, others: torch.Tensor) -> torch.Tensor:
        """Return how many of so many others have to be better: more than there are."""
        return others + 1

    def limit(self, maximize: bool) -> float:
        """Return the score above which a fit is pruned."""
        return -self.worst if maximize else self.worst
