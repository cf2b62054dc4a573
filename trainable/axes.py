"""Axes: what the dimensions of a traced function's tensors are, and which of them are the same."""

from __future__ import annotations

from dataclasses import dataclass

from trainable.operators import NotLowered


@dataclass(frozen=True)
class Axis:
    """An axis as one tensor has it; `Axes` knows which are the same."""

    number: int
    size: int


Dim = Axis | None
"""A dimension of a tensor; None where its size is 1."""


class Axes:
    """Which axes are the same."""

    def __init__(self) -> None:
        self._same: dict[Axis, Axis] = {}
        self._count = 0

    def new(self, size: int) -> Dim:
        """Return an axis that is no other; none of size 1."""
        if size == 1:
            return None
        self._count += 1
        return Axis(self._count, size)

    def find(self, axis: Axis) -> Axis:
        """Return the one that stands for all that are the same."""
        while axis in self._same:
            axis = self._same[axis]
        return axis

    def unify(self, a: Dim, b: Dim) -> Dim:
        """Make two dimensions that line up one, and return it."""
        if a is None or b is None:
            return a or b
        a, b = self.find(a), self.find(b)
        if a.size != b.size:
            raise NotLowered("sizes that do not line up")
        if a != b:
            self._same[b] = a
        return a

    def are_one(self, a: Dim, b: Dim) -> bool:
        """Whether they are known to be the same."""
        return a is not None and b is not None and self.find(a) == self.find(b)
