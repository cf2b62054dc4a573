"""The hyperparameters of a space that are searched, as axes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy
from numpy.typing import NDArray

from shoal.search.space.activity import Mask, When, centred, holds, parents
from shoal.search.space.axes import Axis, Floats
from shoal.search.space.branches import cells_of
from shoal.search.space.conditions import NEVER, Alternatives, Condition
from shoal.search.space.dimension import Dimension
from shoal.search.space.plain import Value
from shoal.search.space.space import Space


class Searched:
    """The hyperparameters of a space that have several values, and are active somewhere.

    Attributes:
        dimensions: by name; axes: the same as coordinates, in the same order.
    """

    def __init__(self, space: Space) -> None:
        self.dimensions: Mapping[str, Dimension] = {
            name: dimension
            for name, dimension in space.items()
            if not dimension.fixed and space.when(name) != NEVER
        }
        self._places = {name: j for j, name in enumerate(self.dimensions)}
        self._plain = [_axis(dimension) for dimension in self.dimensions.values()]
        self._when = {name: self._linked(space.when(name)) for name in space.conditional}
        self.axes: Sequence[Axis] = [
            _axis(dimension, self._when.get(name)) for name, dimension in self.dimensions.items()
        ]

    @property
    def count(self) -> int | None:
        """How many different trials there are; None: more than can be counted."""
        if not self.axes:
            return 1
        cells = cells_of(self.axes)
        return cells.count if cells.counted else None

    @property
    def order(self) -> list[str]:
        """The names, each after those that conditions of its own are on."""
        names = list(self.dimensions)
        found: dict[str, None] = {}
        while len(found) < len(names):
            known = {self._places[name] for name in found}
            ready = (
                name
                for name, axis in zip(names, self.axes, strict=True)
                if name not in found and set(parents([axis])) <= known
            )
            found[next(ready)] = None
        return list(found)

    def place(self, name: str, value: Value) -> Value:
        """Return a value as columns have it: a choice's position, else the value."""
        choices = self.dimensions[name].choices
        return choices.index(value) if choices else value

    def points(self, columns: Mapping[str, NDArray[Any]]) -> Floats:
        """Return trials as coordinates, shape (n, d)."""
        coordinates = [
            axis.coordinates(columns[name])
            for axis, name in zip(self.axes, self.dimensions, strict=True)
        ]
        return centred(self.axes, numpy.stack(coordinates, axis=1))

    def active(self, columns: Mapping[str, NDArray[Any]], count: int) -> dict[str, Mask]:
        """Return where hyperparameters are active, shape (count,); of those that always are,
        nothing.

        Args:
            columns: of the searched ones: a range's values, a choice's positions.
        """
        used = {j for when in self._when.values() for each in when for j, _ in each}
        ranks = {
            j: self.axes[j].ranks(columns[name]) for name, j in self._places.items() if j in used
        }
        return {name: holds(when, ranks, count) for name, when in self._when.items()}

    def _linked(self, alternatives: Alternatives) -> When:
        """Conditions on axes instead of names."""
        return tuple(
            tuple((self._places[each.parent], self._ranks(each)) for each in alternative)
            for alternative in alternatives
        )

    def _ranks(self, condition: Condition) -> frozenset[int]:
        """The ranks of the values that a condition allows."""
        dimension = self.dimensions[condition.parent]
        if dimension.choices:
            return frozenset(
                i for i, value in enumerate(dimension.choices) if condition.allows(value)
            )
        given = [value for value in condition.values if not isinstance(value, str)]
        inside = [value for value in given if dimension.low <= value <= dimension.high]
        values = numpy.array(inside, dtype=numpy.float64)
        return frozenset(self._plain[self._places[condition.parent]].ranks(values).tolist())


def _axis(dimension: Dimension, when: When | None = None) -> Axis:
    more: dict[str, Any] = {} if when is None else {"when": when}
    if dimension.choices:
        return Axis(choices=len(dimension.choices), **more)
    return Axis(
        low=dimension.low,
        high=dimension.high,
        log=dimension.log,
        step=1.0 if dimension.integer else 0.0,
        **more,
    )
