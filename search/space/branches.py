"""Cells of a space with conditions: what is inactive is no difference between two of them.

The values of an axis that conditions are on fall into parts, in each of which all of these
conditions say the same. A branch is one combination of such parts. Its cells differ in all that is
active there; the list of all cells has one branch after the other.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy
from numpy.typing import NDArray

from shoal.search.space.activity import When, active, blanked, first, is_conditional, parents
from shoal.search.space.axes import Axis, Counts, Floats
from shoal.search.space.cells import MAX_COUNTED, Cells

MAX_BRANCHES = 1 << 16
"""With more, cells are told apart and not listed."""


class Branches(Cells):
    """The cells of some axes of which not all are always active.

    Attributes:
        count: how many there are; where they are not counted, no fewer than there are.
    """

    def __init__(self, axes: Sequence[Axis]) -> None:
        super().__init__(axes)
        self._parents = parents(axes)
        self._parts = [parts_of((a.when for a in axes), j, axes[j].count) for j in self._parents]
        sizes = [len(parts) for parts in self._parts]
        self.counted = math.prod(sizes) <= MAX_BRANCHES
        if not self.counted:
            return
        combinations = numpy.array(
            list(itertools.product(*map(range, sizes))), dtype=numpy.int64
        ).reshape(math.prod(sizes), len(sizes))
        firsts = numpy.zeros((len(combinations), len(axes)), dtype=numpy.uint64)
        for i, (j, parts) in enumerate(zip(self._parents, self._parts, strict=True)):
            firsts[:, j] = parts[combinations[:, i]]
        where = active(axes, [axis.of_ranks(firsts[:, j]) for j, axis in enumerate(axes)])
        # a parent that is itself inactive has its first value
        kept = (where[:, self._parents] | (combinations == 0)).all(axis=1)
        self._branch = numpy.cumsum(kept) - 1  # by the number of its combination
        self._own = [numpy.flatnonzero(there).tolist() for there in where[kept]]
        self._inner = [
            self._cells(own, combination) if own else None
            for own, combination in zip(self._own, combinations[kept], strict=True)
        ]
        counts = [1 if inner is None else inner.count for inner in self._inner]
        self.count = sum(counts)
        self.counted = self.count <= MAX_COUNTED
        if self.counted:
            self._starts = numpy.array([0, *itertools.accumulate(counts)][:-1], numpy.uint64)

    def _cells(self, own: Sequence[int], combination: NDArray[numpy.int64]) -> Cells:
        """The cells of a branch, of the axes that are active in it."""
        spans = {j: (0, self.axes[j].count) for j in own}
        for i, j in enumerate(self._parents):
            ends = [*self._parts[i].tolist(), self.axes[j].count]
            first, last = ends[combination[i]], ends[combination[i] + 1]
            spans[j] = (first, last - first)
        return Cells([self.axes[j] for j in own], [spans[j] for j in own])

    def numbers(self, columns: Sequence[NDArray[Any]]) -> Counts:
        """Return the number of each row of `columns`: values of each axis, of choices positions."""
        columns = blanked(self.axes, columns)
        if not self.counted:
            return self._hashes(columns)
        code = numpy.zeros(len(columns[0]), dtype=numpy.int64)
        for j, parts in zip(self._parents, self._parts, strict=True):
            part = numpy.searchsorted(parts, self.axes[j].ranks(columns[j]), side="right") - 1
            code = code * len(parts) + part
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


def parts_of(conditions: Iterable[When], parent: int, count: int) -> Counts:
    """Return the first rank of each part of an axis: within one, all conditions on it say the same.

    Args:
        parent: the number of the axis; count: of its values.
    """
    bounds = {
        bound
        for when in conditions
        for alternative in when
        for j, ranks in alternative
        if j == parent
        for bound in ranks
        if bound < count
    }
    return numpy.array(sorted({0, *bounds}), dtype=numpy.uint64)


def _rows(branch: NDArray[Any]) -> list[tuple[int, NDArray[Any]]]:
    """The branches that there are, each with its rows."""
    return [(int(each), numpy.flatnonzero(branch == each)) for each in numpy.unique(branch)]


def cells_of(axes: Sequence[Axis]) -> Cells:
    """Return the cells of axes, whether or not all are always active."""
    return Branches(axes) if is_conditional(axes) else Cells(axes)
