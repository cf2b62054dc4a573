"""Successive halving: of the fits that reach a rung, one in `factor` goes on to the next.

Jamieson and Talwalkar 2016; the rungs of Li et al. 2020 (ASHA), which lets a fit go on as soon as
it is among the best of those that are there. Here these are the fits before it by number, whoever
has run first; and a fit goes on too that is among the best by where it is heading: what ends best
is often slow at first, and the last to overfit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch

from shoal.trainable.pruning.pruner import Bounds, Pruner, before_the_last

TENTH = 0.1
"""Share of a whole fit that is done at the first rung."""


@dataclass(frozen=True, kw_only=True)
class Halving(Pruner):
    """The pruner ``halving``.

    Attributes:
        factor: the share of the fits that goes on is 1 / `factor`; each rung is about so many times
            as far as the one before.
        start: steps of the first rung; 0: a tenth of a whole fit, but not before its second report.
    """

    name: ClassVar[str] = "halving"
    parameters: ClassVar[Mapping[str, Bounds]] = {"factor": Bounds(2), **Pruner.parameters}

    ahead: ClassVar[bool] = True

    factor: float = 5.0

    def rungs(self, report: int, steps: int) -> tuple[int, ...]:
        """Return the reports at which fits are judged, ascending; the last is none of them."""
        last = before_the_last(report, steps)
        usual = min(max(steps * TENTH, 2 * report), last * report)
        found, step = list[int](), float(self.start or usual)
        while 0 < (number := -int(-step // report)) <= last:
            if number not in found:
                found.append(number)
            step *= self.factor
        return tuple(found)

    def places(self, others: torch.Tensor) -> torch.Tensor:
        """Return how many of so many others (int64) have to be better for a fit to be pruned."""
        return ((others + 1).double() / self.factor).floor().long().clamp(min=1)
