"""Cells: the different sets of hyperparameters of a space, each with a number of its own.

Where they can be counted in 63 bits, a number is the place of a cell in the list of all, the axis
with most values being the one that moves first; else it is a hash.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy
from numpy.typing import NDArray

from shoal.search.space.axes import Axis, Counts, Floats

MAX_COUNTED = 2**63


class Cells:
    """The cells of some axes.

    Attributes:
        axes: what they are cells of.
        count: how many there are.
        counted: whether their numbers are places in a list of all.
    """

    def __init__(
        self, axes: Sequence[Axis], parts: Sequence[tuple[int, int]] | None = None
    ) -> None:
        """Count them.

        Args:
            parts: of each axis the first rank, and how many there are; None: all.
        """
        self.axes = axes
        self._firsts = [0] * len(axes) if parts is None else [first for first, _ in parts]
        self._counts = [a.count for a in axes] if parts is None else [count for _, count in parts]
        self.count = math.prod(self._counts)
        self.counted = self.count <= MAX_COUNTED
        # neighbours in the list are to be alike: what has no order between its values moves last
        self._order = sorted(range(len(axes)), key=lambda j: (not axes[j].choices, self._counts[j]))

    def numbers(self, columns: Sequence[NDArray[Any]]) -> Counts:
        """Return the number of each row of `columns`: values of each axis, of choices positions."""
        if not self.counted:
            return self._hashes(columns)
        numbers = numpy.zeros(len(columns[0]), dtype=numpy.uint64)
        for j in self._order:
            numbers *= numpy.uint64(self._counts[j])
            numbers += self.axes[j].ranks(columns[j]) - numpy.uint64(self._firsts[j])
        return numbers

    def _hashes(self, columns: Sequence[NDArray[Any]]) -> Counts:
        numbers = numpy.zeros(len(columns[0]), dtype=numpy.uint64)
        for j in self._order:
            numbers = _mixed(numbers ^ self.axes[j].ranks(columns[j]))
        return numbers

    def columns(self, numbers: Counts) -> list[NDArray[Any]]:
        """Return the values that numbers stand for, of counted cells; the inverse of `numbers`."""
        found: list[NDArray[Any]] = [numbers] * len(self.axes)
        for j in reversed(self._order):
            count = numpy.uint64(self._counts[j])
            found[j] = self.axes[j].of_ranks(numbers % count + numpy.uint64(self._firsts[j]))
            numbers = numbers // count
        return found

    def widths(self, columns: Sequence[NDArray[Any]]) -> Floats:
        """Return how probable rows are before anything is known, to scale."""
        widths = [axis.widths(column) for axis, column in zip(self.axes, columns, strict=True)]
        product: Floats = numpy.prod(widths, axis=0)
        return product


class Gaps:
    """The cells of a list that are not used yet."""

    def __init__(self, used: Counts, count: int) -> None:
        """Begin.

        Args:
            used: numbers of cells, in ascending order.
            count: cells of the list.
        """
        used = numpy.unique(used)
        self._left = count - len(used)
        apart = numpy.flatnonzero(numpy.diff(used) != 1)
        self._first = used[numpy.concatenate([[0], apart + 1])] if len(used) else used
        self._last = used[numpy.concatenate([apart, [-1]])] if len(used) else used
        self._count = count
        self._next: dict[int, dict[int, int]] = {1: {}, -1: {}}

    def take(self, numbers: Iterable[int]) -> list[int]:
        """Return the unused cell that is nearest to each of `numbers`, and count it as used.

        Returns:
            as many as there are.
        """
        taken = []
        for number in numbers:
            if not self._left:
                break
            above, below = self._free(number, 1), self._free(number, -1)
            near = above if below < 0 or above - number <= number - below else below
            if above >= self._count:
                near = below
            taken.append(near)
            self._left -= 1
            self._next[1][near], self._next[-1][near] = near + 1, near - 1
        return taken

    def _free(self, number: int, way: int) -> int:
        """The first unused cell from a number on, up or down; beyond the list, if there is none."""
        jumps, passed = self._next[way], []
        while 0 <= number < self._count:
            beyond = jumps.get(number)
            if beyond is None:
                run = int(numpy.searchsorted(self._first, numpy.uint64(number), "right")) - 1
                if run < 0 or number > int(self._last[run]):
                    break
                beyond = int(self._last[run]) + 1 if way > 0 else int(self._first[run]) - 1
            passed.append(number)
            number = beyond
        jumps.update(dict.fromkeys(passed, number))
        return number


def among(some: Counts, ascending: Counts) -> NDArray[numpy.bool_]:
    """Return which of `some` are in `ascending`."""
    if not len(ascending):
        return numpy.zeros(len(some), dtype=bool)
    place = numpy.searchsorted(ascending, some)
    return numpy.asarray(ascending[numpy.minimum(place, len(ascending) - 1)] == some)


def repeats(numbers: Counts, used: Counts) -> NDArray[numpy.int64]:
    """Return the places of those `numbers` that came before, among themselves or in `used`.

    Args:
        used: in ascending order.
    """
    _, firsts = numpy.unique(numbers, return_index=True)
    again = numpy.ones(len(numbers), dtype=bool)
    again[firsts] = False
    return numpy.flatnonzero(again | among(numbers, used))


def _mixed(numbers: Counts) -> Counts:
    """A step of splitmix64: neighbouring cells are to be far apart."""
    numbers = numbers + numpy.uint64(0x9E3779B97F4A7C15)
    numbers = (numbers ^ (numbers >> numpy.uint64(30))) * numpy.uint64(0xBF58476D1CE4E5B9)
    return (numbers ^ (numbers >> numpy.uint64(27))) * numpy.uint64(0x94D049BB133111EB)
