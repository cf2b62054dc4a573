"""Successive halving: of the fits that reach a rung, one in `factor` goes on to the next.

Jamieson and Talwalkar 2016; the rungs of Li et al. 2020 (ASHA), which lets a fit go on as soon as
it is among the best of those that are there. Here these are the fits before it by number, whoever
has run first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch

from shoal.trainable.pruning.pruner import Bounds, Pruner


@dataclass(frozen=True, kw_only=True)
class Halving(Pruner):
    """The pruner ``halving``.

    Attributes:
        factor: the share of the fits that goes on is 1 / `factor`; each rung is about so many times
            as far as the one before.
    """

    name: ClassVar[str] = "halving"
    parameters: ClassVar[Mapping[str, Bounds]] = {"factor": Bounds(2), **Pruner.parameters}

    factor: float = 3.0

    def rungs(self, report: int, last: int) -> tuple[int, ...]:
        """Return the reports at which fits are judged, ascending."""
        found, step = list[int](), float(max(self.start, report))
        while (number := max(1, -int(-step // report))) <= last:
            if number not in found:
                found.append(number)
            step *= self.factor
        return tuple(found)

    def places(self, others: torch.Tensor) -> torch.Tensor:
        """Return how many of so many others (int64) have to be better for a fit to be pruned."""
        return ((others + 1).double() / self.factor).floor().long().clamp(min=1)
