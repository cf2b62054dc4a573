"""Named axes: union-find over the dimensions of a traced function's tensors."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from shoal.trainable.fused.loops.operators import NotLowered


@dataclass(frozen=True)
class Axis:
    """An axis as one tensor has it; `Axes` knows which are the same."""

    number: int
    size: int


_TWICE = "one axis twice in a tensor, as in a diagonal"

Dim = tuple[Axis, ...]
"""A dimension of a tensor: no axis where its size is 1, several where a view has joined them."""


class Axes:
    """Disjoint sets of equal axes (union-find), some of which stay apart: those of one tensor."""

    def __init__(self) -> None:
        self._same: dict[Axis, Axis] = {}
        self._apart: dict[Axis, set[Axis]] = {}  # by representatives
        self._count = 0

    def new(self, size: int) -> Dim:
        """Return a dimension with a new axis."""
        if size == 1:
            return ()
        self._count += 1
        return (Axis(self._count, size),)

    def find(self, axis: Axis) -> Axis:
        """Return the representative of an axis."""
        while axis in self._same:
            axis = self._same[axis]
        return axis

    def unify(self, a: Dim, b: Dim) -> Dim:
        """Merge two dimensions that are broadcast against each other; return the result.

        Raises:
            NotLowered: one has joined axes where the other has not, or a tensor has both.
        """
        if not a or not b:
            return a or b
        if [axis.size for axis in a] != [axis.size for axis in b]:
            raise NotLowered("an operation across dimensions that a reshape has merged")
        for one, other in zip(a, b, strict=True):
            if not self.may_be_one(one, other):
                raise NotLowered(_TWICE)
            self._merge(self.find(one), self.find(other))
        return a

    def _merge(self, one: Axis, other: Axis) -> None:
        if one == other:
            return
        self._same[other] = one
        for axis in self._apart.pop(other, ()):
            self._apart[axis].discard(other)
            self._apart[axis].add(one)
            self._apart.setdefault(one, set()).add(axis)

    def may_be_one(self, a: Axis, b: Axis) -> bool:
        """Whether two axes are one or can become one: no tensor has both."""
        return self.find(b) not in self._apart.get(self.find(a), ())

    def are_one(self, a: Axis | None, b: Axis | None) -> bool:
        """Whether two axes are in one set."""
        return a is not None and b is not None and self.find(a) == self.find(b)

    def check(self, axes: Iterable[Axis]) -> None:
        """Check that no axis occurs twice, and keep them apart from now on.

        Raises:
            NotLowered: one is.
        """
        found = [self.find(axis) for axis in axes]
        if len(set(found)) < len(found):
            raise NotLowered(_TWICE)
        for axis in found:
            self._apart.setdefault(axis, set()).update(set(found) - {axis})


def flat(dims: Iterable[Dim]) -> tuple[Axis, ...]:
    """The axes of some dimensions, in order."""
    return tuple(axis for dim in dims for axis in dim)
