"""Which axes are active at a point, and what stands in the place of those that are not.

Values of an inactive axis mean nothing, so all of them are one: its first value in columns, and in
points the middle of a range, or for a choice a position that no choice has.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy
from numpy.typing import NDArray

if TYPE_CHECKING:
    from shoal.search.space.axes import Axis

Ranks = tuple[int, ...]
"""A set of ranks (`Axis.ranks`) as ascending bounds: a rank is in it where an odd number of bounds
is not above it, so (2, 5) is 2, 3 and 4."""

When = tuple[tuple[tuple[int, Ranks], ...], ...]
"""When an axis is active: where all conditions of one alternative hold; a condition is the number
of another axis, and the ranks of the values that it may have."""

ALWAYS: When = ((),)

MIDDLE, NO_CHOICE = 0.5, -1.0
"""Coordinates of an inactive range, and of an inactive choice."""

Mask = NDArray[numpy.bool_]


def ranks_from(ranges: Iterable[tuple[int, int]]) -> Ranks:
    """Return the ranks that an odd number of ranges has, each from a first one to a last one, which
    it does not have itself."""
    found: set[int] = set()
    for first, last in ranges:
        found ^= {first} ^ {last}  # where one ends and the next begins there is no bound
    return tuple(sorted(found))


def common(one: Ranks, other: Ranks) -> Ranks:
    """Return the ranks that are in both."""
    found: list[int] = []
    for bound in sorted({*one, *other}):
        inside = bisect_right(one, bound) % 2 == bisect_right(other, bound) % 2 == 1
        if inside != bool(len(found) % 2):
            found.append(bound)
    return tuple(found)


def is_conditional(axes: Iterable[Axis]) -> bool:
    """Whether some axis is not active at every point."""
    return not all(axis.always for axis in axes)


def parents(axes: Iterable[Axis]) -> list[int]:
    """Return the numbers of the axes that conditions are on, ascending."""
    return sorted({j for axis in axes for alternative in axis.when for j, _ in alternative})


def holds(when: When, ranks: Mapping[int, NDArray[Any]], count: int) -> Mask:
    """Return where something is active, shape (count,).

    Args:
        ranks: of the values of each axis that a condition is on, shape (count,).
    """
    active = numpy.zeros(count, dtype=bool)
    for alternative in when:
        every = numpy.ones(count, dtype=bool)
        for parent, allowed in alternative:
            bounds = numpy.array(allowed, dtype=numpy.uint64)
            every &= numpy.searchsorted(bounds, ranks[parent], side="right") % 2 == 1
        active |= every
    return active


def active(axes: Sequence[Axis], columns: Sequence[NDArray[Any]]) -> Mask:
    """Return where each axis is active, shape (n, d), given the values of each, shape (n,)."""
    ranks = {j: axes[j].ranks(columns[j]) for j in parents(axes)}
    count = len(columns[0])
    return numpy.stack([holds(axis.when, ranks, count) for axis in axes], axis=1)


def active_at(axes: Sequence[Axis], points: NDArray[numpy.float64]) -> Mask:
    """Return the same for points, shape (n, d)."""
    ranks = {j: axes[j].ranks(axes[j].values(points[:, j])) for j in parents(axes)}
    return numpy.stack([holds(axis.when, ranks, len(points)) for axis in axes], axis=1)


def blanked(axes: Sequence[Axis], columns: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
    """Return columns with the first value of its axis where one is inactive."""
    if not is_conditional(axes):
        return list(columns)
    where = active(axes, columns)
    return [
        column if axis.always else numpy.where(where[:, j], column, first(axis))
        for j, (axis, column) in enumerate(zip(axes, columns, strict=True))
    ]


def first(axis: Axis) -> Any:
    """Return the first value of an axis; of a choice its position."""
    return axis.of_ranks(numpy.zeros(1, numpy.uint64))[0]


def centred(
    axes: Sequence[Axis], points: NDArray[numpy.float64], rest: NDArray[numpy.float64] | None = None
) -> NDArray[numpy.float64]:
    """Return points whose inactive coordinates are all one.

    Args:
        rest: that one along each axis, shape (d,); None: as the module has it.
    """
    if not is_conditional(axes):
        return points
    return numpy.where(active_at(axes, points), points, _rest(axes) if rest is None else rest)


def middles(axes: Sequence[Axis], points: NDArray[numpy.float64]) -> NDArray[numpy.float64]:
    """Return the mean coordinate along each range, of the points at which it is active, and for a
    choice the position that no choice has."""
    rest = _rest(axes)
    for j, own in enumerate(_active_coordinates(axes, points)):
        if len(own) and not axes[j].choices:
            rest[j] = own.mean()
    return rest


def _rest(axes: Sequence[Axis]) -> NDArray[numpy.float64]:
    return numpy.array([NO_CHOICE if axis.choices else MIDDLE for axis in axes])


def _active_coordinates(
    axes: Sequence[Axis], points: NDArray[numpy.float64]
) -> list[NDArray[numpy.float64]]:
    """The coordinates along each axis, of the points at which it is active."""
    where = active_at(axes, points)
    return [points[where[:, j], j] for j in range(len(axes))]


def deviations(
    axes: Sequence[Axis], points: NDArray[numpy.float64], usual: float | None = None
) -> NDArray[numpy.float64]:
    """Return the standard deviation along each axis, of the points at which it is active.

    Args:
        usual: what stands for it where these are fewer than two; None: 0.
    """
    found: NDArray[numpy.float64] = points.std(axis=0)
    if is_conditional(axes):
        for j, own in enumerate(_active_coordinates(axes, points)):
            if not axes[j].always:
                found[j] = own.std() if len(own) > 1 else usual or 0.0
    return found
