"""A pruner: at which reports fits are judged, and how many others have to be better.

A fit is judged at rungs, which are numbers of its reports from 1 on. There it is compared with the
fits that have reached the same rung before it by number (`shoal.trainable.pruning.judge`), by the
score of the objective: lower is better. All that a pruner says is how many have to be better, so
that it depends on no scale. A new one is a module, and a row in
`shoal.trainable.pruning.registry`.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch

MOST_REPORTS = 1 << 31
"""Of a call, of which nobody knows how many it will give."""

MAX_SHORT = 1e15
"""Whole numbers below it are written with all digits."""


class Bounds(NamedTuple):
    """What a parameter may be.

    Attributes:
        least: its smallest value; whole: whether it is a whole number.
    """

    least: float
    whole: bool = False


@dataclass(frozen=True, kw_only=True)
class Pruner(ABC):
    """What all pruners have.

    Attributes:
        name: what it is called; parameters: what each of its parameters may be.
        compares: whether it compares fits with others.
        ahead: whether a fit goes on too that is not behind by where it is heading.
        start: steps before which no fit is judged: epochs where these are given, reports of
            functions and programs. 0: the first report is judged already.
    """

    name: ClassVar[str]
    parameters: ClassVar[Mapping[str, Bounds]] = {"start": Bounds(0, whole=True)}
    compares: ClassVar[bool] = True
    ahead: ClassVar[bool] = False

    start: int = 0

    @abstractmethod
    def rungs(self, report: int, steps: int) -> tuple[int, ...]:
        """Return the reports at which fits are judged, ascending; the last is none of them.

        Args:
            report: steps between two reports; steps: of a whole fit, 0: nobody knows.
        """

    @abstractmethod
    def places(self, others: torch.Tensor) -> torch.Tensor:
        """Return how many of so many others (int64) have to be better for a fit to be pruned."""

    def limit(self, maximize: bool) -> float:
        """Return the score above which a fit is pruned, whatever others have."""
        return math.inf

    def first(self, report: int) -> int:
        """The first report that is judged."""
        return max(1, -(-self.start // report))

    def __str__(self) -> str:
        values = ",".join(f"{name}={_short(getattr(self, name))}" for name in self.parameters)
        return f"{self.name}:{values}"


def _short(value: float) -> str:
    """A number as one writes it, exact: 3 for 3.0."""
    return f"{value:.0f}" if value == int(value) and abs(value) < MAX_SHORT else repr(value)


def before_the_last(report: int, steps: int) -> int:
    """Return the number of the last report before the end of a fit; 0: there is none.

    Args:
        steps: of the fit; 0: nobody knows.
    """
    return -(-steps // report) - 1 if steps else MOST_REPORTS
