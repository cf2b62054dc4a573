"""Cells of a space with conditions: what is inactive is no difference between two of them.

A branch is one combination of the values that conditions are on. Its cells differ in the other axes
that are active there; the list of all cells has one branch after the other.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy
from numpy.typing import NDArray

from shoal.search.space.activity import active, blanked, first, is_conditional, parents
from shoal.search.space.axes import Axis, Counts, Floats
from shoal.search.space.cells import MAX_COUNTED, Cells

MAX_BRANCHES = 1 << 16
"""Combinations of values that conditions are on. With more, cells are told apart and not listed."""


class Branches(Cells):
    """The cells of some axes of which not all are always active.

    Attributes:
        count: how many there are; where they are not counted, no fewer than there are.
    """

    def __init__(self, axes: Sequence[Axis]) -> None:
        super().__init__(axes)
        self._parents = parents(axes)
        sizes = [axes[j].size for j in self._parents]
        self.counted = all(sizes) and math.prod(sizes) <= MAX_BRANCHES
        if not self.counted:
            return
        combinations = numpy.array(
            list(itertools.product(*map(range, sizes))), dtype=numpy.uint64
        ).reshape(-1, len(sizes))
        ranks = [numpy.zeros(len(combinations), numpy.uint64) for _ in axes]
        for i, j in enumerate(self._parents):
            ranks[j] = combinations[:, i]
        columns = [axis.of_ranks(rank) for axis, rank in zip(axes, ranks, strict=True)]
        where = active(axes, columns)
        # a parent that is itself inactive has its first value
        kept = [
            all(where[i, j] or combinations[i, k] == 0 for k, j in enumerate(self._parents))
            for i in range(len(combinations))
        ]
        self._values = combinations[kept]
        self._sizes = sizes
        self._branch = numpy.cumsum(kept) - 1  # by the number of its combination
        self._own = [
            [j for j in range(len(axes)) if there[j] and j not in self._parents]
            for there in where[kept]
        ]
        self._inner = [Cells([axes[j] for j in own]) if own else None for own in self._own]
        counts = [1 if inner is None else inner.count for inner in self._inner]
        self.count = sum(counts)
        self.counted = self.count <= MAX_COUNTED
        if self.counted:
            self._starts = numpy.array([0, *itertools.accumulate(counts)][:-1], numpy.uint64)

    def numbers(self, columns: Sequence[NDArray[Any]]) -> Counts:
        """Return the number of each row of `columns`: values of each axis, of choices positions."""
        columns = blanked(self.axes, columns)
        if not self.counted:
            return self._hashes(columns)
        code = numpy.zeros(len(columns[0]), dtype=numpy.uint64)
        for j, size in zip(self._parents, self._sizes, strict=True):
            code = code * numpy.uint64(size) + self.axes[j].ranks(columns[j])
        branch = self._branch[code]
        numbers: Counts = self._starts[branch]
        for each, rows in _rows(branch):
            inner, own = self._inner[each], self._own[each]
            if inner is not None:
                numbers[rows] += inner.numbers([columns[j][rows] for j in own])
        return numbers

    def columns(self, numbers: Counts) -> list[NDArray[Any]]:
        """Return the values that numbers stand for, of counted cells; the inverse of `numbers`."""
        branch = numpy.searchsorted(self._starts, numbers, side="right") - 1
        found = [numpy.full(len(numbers), first(axis)) for axis in self.axes]
        for each, rows in _rows(branch):
            for k, j in enumerate(self._parents):
                found[j][rows] = self.axes[j].of_ranks(self._values[each : each + 1, k])[0]
            inner, own = self._inner[each], self._own[each]
            if inner is not None:
                values = inner.columns(numbers[rows] - self._starts[each])
                for j, column in zip(own, values, strict=True):
                    found[j][rows] = column
        return found

    def widths(self, columns: Sequence[NDArray[Any]]) -> Floats:
        """Return how probable rows are before anything is known, to scale: less so, the more axes
        are active in them."""
        where = active(self.axes, columns)
        shares = [
            numpy.where(where[:, j], axis.widths(column) / axis.width, 1.0)
            for j, (axis, column) in enumerate(zip(self.axes, columns, strict=True))
        ]
        product: Floats = numpy.prod(shares, axis=0)
        return product


def _rows(branch: NDArray[Any]) -> list[tuple[int, NDArray[Any]]]:
    """The branches that there are, each with its rows."""
    return [(int(each), numpy.flatnonzero(branch == each)) for each in numpy.unique(branch)]


def cells_of(axes: Sequence[Axis]) -> Cells:
    """Return the cells of axes, whether or not all are always active."""
    return Branches(axes) if is_conditional(axes) else Cells(axes)
