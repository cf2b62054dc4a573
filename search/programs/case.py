"""A search as its programs are tried: its shapes, and a few fits of each."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch

from shoal.search.space import Searched, Space
from shoal.trainable.columns import FOLD
from shoal.trainable.lanes import Lanes
from shoal.trainable.optimizers import OPTIMIZERS
from shoal.trainable.problems import Folds
from shoal.trainable.programs import Program, program_of, updates

LANES = 8
"""Lanes that a program is tried with."""

MAX_POINTS = 8
"""Values of the hyperparameters that are not of the shape, with which it is tried."""
MAX_COUNTED, MAX_CROSSED = 4096, 1 << 18
"""Combinations of shape hyperparameters that are counted exactly, where some have conditions; and
those that are looked at for that, with the values that conditions tell apart."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """What the programs of a search have in common.

    Attributes:
        points: hyperparameters to try a program with.
        steps: updates of a fit.
        block, unroll: lanes in one tensor operation, and updates of one call of a kernel.
        required: whether every shape must be compiled (``--program compiled``).
        folds: how rows are split; None: they are not.
    """

    problem: type
    defaults: Mapping[str, float]
    points: Sequence[Mapping[str, float]]
    seed: int
    steps: int
    block: int
    unroll: int
    required: bool
    folds: Folds | None = None

    def program(self, shape: Mapping[str, Any], kind: str) -> Program:
        """The program of a shape, run as `kind`."""
        return program_of(
            self.problem,
            shape,
            self.folds,
            defaults=dict(self.defaults),
            block=self.block,
            device="cpu",
            kind=kind,
            unroll=updates(kind, self.unroll),
            steps=self.steps,
            given=self.points[0].keys() - self.defaults.keys(),
        )

    def lanes(self, shape: Mapping[str, Any]) -> Lanes:
        """`LANES` lanes of a shape, with hyperparameters across the space."""
        points = list(itertools.islice(itertools.cycle(self.points), LANES))
        at = torch.arange(LANES)
        values = {
            name: torch.tensor([point[name] for point in points], dtype=torch.float64)
            for name in points[0]
        }
        return Lanes(trial=at, replicate=0 * at, seed=self.seed + at, values=values, shape=shape)


class Begun(NamedTuple):
    """A shape's program whose code is written."""

    shape: Mapping[str, Any]
    program: Program
    codes: list[Any]


def points_of(
    space: Space, names: Sequence[str], defaults: Mapping[str, float]
) -> list[dict[str, float]]:
    """Return values across the space, at most `MAX_POINTS`, to try a step with.

    Args:
        names: the shape hyperparameters, which are left out.
        defaults: values of the hyperparameters that are not in the space.
    """
    numbers = {name: space[name].samples() for name in space if name not in names}
    most = max((len(values) for values in numbers.values()), default=1)
    return [
        {**defaults, **{n: float(values[min(i, len(values) - 1)]) for n, values in numbers.items()}}
        for i in range(min(most, MAX_POINTS))
    ]


def count_of(space: Space, names: Sequence[str]) -> float:
    """Return how many combinations of the shape hyperparameters `names` a trial may have, of which
    one that is not active is another; where that would take long to count, no fewer."""
    most = math.prod(space[name].count + (name in space.conditional) for name in names)
    if most > MAX_COUNTED or not any(name in space.conditional for name in names):
        return most
    searched, values = Searched(space), {name: space[name].every() for name in names}
    if searched.crossed(values) > MAX_CROSSED:
        return math.inf
    return len(searched.combinations(values))


def shapes_of(space: Space, names: Sequence[str], folds: int) -> list[dict[str, Any]]:
    """Return each of these combinations with each fold, as packs have them."""
    values = {name: space[name].every() for name in names}
    parts: list[dict[str, int]] = [{FOLD: fold} for fold in range(folds)] if folds > 1 else [{}]
    return [
        {"optimizer": next(iter(OPTIMIZERS)), **combined, **part}
        for combined in Searched(space).combinations(values)
        for part in parts
    ]
