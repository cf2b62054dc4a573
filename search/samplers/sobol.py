"""The scrambled Sobol' sequence, with random access.

Sobol' 1967; scrambled as Matoušek 1998 has it; as ``torch.quasirandom`` writes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy
import torch
from numpy.typing import NDArray

from shoal.search.samplers.sampler import Column, Question
from shoal.search.space import Axis, Gaps, Searched, blanked, cells_of, repeats, spread
from shoal.trainable.private import sobol_engine

WINDOW = 1024
"""Points of the sequence that are drawn and filtered together."""

MIN_NEW = 32
"""If fewer points of a window are new, the repeated ones move to the nearest unused values."""

MIN_FLOATS = 2.0**52
"""A range with so many floats needs no filter: the ends are a factor of two apart, and no point of
the sequence repeats another's value."""

Columns = list[NDArray[Any]]


def sequence(axes: int, first: int, count: int, seed: int) -> NDArray[numpy.float64]:
    """Return points `first` to `first` + `count` of the sequence of `seed`.

    Returns:
        shape (count, axes), in [0, 1).
    """
    engine = sobol_engine(axes, seed)
    if first:
        engine.fast_forward(first)
    points: NDArray[numpy.float64] = engine.draw(count, dtype=torch.float64).numpy()
    return points


class Unrepeated:
    """A Sobol' sequence without repeated trials, while there are other values.

    What is skipped depends on the seed and the axes alone, so trials are the same in rounds of any
    size. Once all values were there, it begins anew with the point where it is.
    """

    def __init__(self, axes: Sequence[Axis], seed: int) -> None:
        """Start at the first point.

        Args:
            axes: at least one.
        """
        self._axes, self._seed = axes, seed
        self._cells = cells_of(axes)
        self._plenty = any(
            not axis.size and axis.count >= MIN_FLOATS and axis.always for axis in axes
        )
        self._used = numpy.empty(0, numpy.uint64)
        self._first = 0  # number of the first trial of those that are ready
        self._ready: Columns = []
        self._restart()

    def values(self, first: int, count: int) -> Columns:
        """Return the values of trials `first` to `first` + `count`, each axis's, shape (count,)."""
        if self._plenty:
            return self._values(sequence(len(self._axes), first, count, self._seed))
        if first < self._first:
            self._restart()
        while self._first + len(self._ready[0]) < first + count:
            new = self._window()
            keep = max(0, first - self._first)
            both = [numpy.concatenate(pair) for pair in zip(self._ready, new, strict=True)]
            self._first += min(keep, len(both[0]))
            self._ready = [column[keep:] for column in both]
        skip = first - self._first
        return [column[skip : skip + count].copy() for column in self._ready]

    def _restart(self) -> None:
        self._sobol = sobol_engine(len(self._axes), self._seed)
        self._used = numpy.empty(0, numpy.uint64)
        self._first = 0
        self._ready = self._values(numpy.empty((0, len(self._axes))))

    def _values(self, cube: NDArray[numpy.float64]) -> Columns:
        points = spread(self._axes, cube)
        columns = [axis.values(points[:, j]) for j, axis in enumerate(self._axes)]
        return blanked(self._axes, columns)

    def _window(self) -> Columns:
        """The values of the trials that the next window gives, one at least, in order."""
        columns = self._values(self._sobol.draw(WINDOW, dtype=torch.float64).numpy())
        numbers = self._cells.numbers(columns)
        again = repeats(numbers, self._used)
        keep = numpy.ones(WINDOW, dtype=bool)
        keep[again] = False
        if self._cells.counted and WINDOW - len(again) < MIN_NEW:
            gaps = Gaps(numpy.concatenate([self._used, numbers[keep]]), self._cells.count)
            moved = numpy.array(gaps.take(numbers[again].tolist()), numpy.uint64)
            again = again[: len(moved)]
            for column, values in zip(columns, self._cells.columns(moved), strict=True):
                column[again] = values
            numbers[again], keep[again] = moved, True
        self._used = numpy.union1d(self._used, numbers[keep])
        if len(self._used) >= self._cells.count or not keep.any():
            self._used = numpy.empty(0, numpy.uint64)
        return [column[keep] for column in columns]


class Qmc:
    """The sampler ``qmc``: trial after trial of a Sobol' sequence."""

    learns: ClassVar[bool] = False
    replays: ClassVar[bool] = False
    repeats: ClassVar[bool] = False

    def __init__(self, searched: Searched, seed: int) -> None:
        self._sequence = Unrepeated(searched.axes, seed)

    def ask(self, question: Question) -> list[Column]:
        """Return a column for each hyperparameter."""
        return self._sequence.values(question.first, question.count)
