"""The hyperparameters of a space that are searched, as axes."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy
from numpy.typing import NDArray

from shoal.search.space.activity import Mask, When, centred, holds, parents
from shoal.search.space.axes import Axis, Floats
from shoal.search.space.branches import cells_of, parts_of
from shoal.search.space.conditions import NEVER, Alternatives, by_parent
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
        self._when = {name: self._linked(space.when(name)) for name in space.conditional}
        self.axes: Sequence[Axis] = [
            replace(dimension.axis, when=self._when[name]) if name in self._when else dimension.axis
            for name, dimension in self.dimensions.items()
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
        return self._active(self._when, columns, count)

    def _active(
        self, when: Mapping[str, When], columns: Mapping[str, NDArray[Any]], count: int
    ) -> dict[str, Mask]:
        """Where something is active, by name; of columns those that its conditions are on."""
        used = _parents(when.values())
        ranks = {
            j: self.axes[j].ranks(columns[name]) for name, j in self._places.items() if j in used
        }
        return {name: holds(each, ranks, count) for name, each in when.items()}

    def combinations(
        self, values: Mapping[str, Sequence[Value]], most: int | None = None
    ) -> list[dict[str, Value]]:
        """Return each combination of values that a trial may have, without what is not active.

        Args:
            values: of some hyperparameters of the space those that are combined; of one that
                conditions are on, there are some more where conditions would else not be met.
            most: of how many combinations; None: of all.
        """
        lists = self._lists(values)
        rows = list(itertools.islice(itertools.product(*lists.values()), most))
        columns = {
            name: numpy.array([self.place(name, row[i]) for row in rows])
            for i, name in enumerate(lists)
            if name in self.dimensions
        }
        when = {name: self._when[name] for name in values if name in self._when}
        active = self._active(when, columns, len(rows))
        different: dict[tuple[tuple[str, Value], ...], None] = {}
        for i, row in enumerate(rows):
            pairs = zip(lists, row, strict=True)
            has = (p for p in pairs if p[0] in values and (p[0] not in active or active[p[0]][i]))
            different[tuple(has)] = None
        return [dict(each) for each in different]

    def crossed(self, values: Mapping[str, Sequence[Value]]) -> int:
        """Return how many combinations `combinations` looks at, most of which may be the same."""
        return math.prod(map(len, self._lists(values).values()))

    def _lists(self, values: Mapping[str, Sequence[Value]]) -> dict[str, Sequence[Value]]:
        """Values to combine: the given ones, and of what conditions on these are on one of each
        part in which the conditions say the same."""
        lists: dict[str, Sequence[Value]] = dict(values)
        conditions = [self._when[name] for name in values if name in self._when]
        used = _parents(conditions)
        for name, j in self._places.items():
            if j in used:
                found = self.dimensions[name].at(parts_of(conditions, j, self.axes[j].count))
                have = lists.get(name, ())
                lists[name] = [*have, *(value for value in found if value not in have)]
        return lists

    def _linked(self, alternatives: Alternatives) -> When:
        """Conditions on axes instead of names."""
        return tuple(
            tuple(
                (self._places[parent], self.dimensions[parent].allowed(conditions))
                for parent, conditions in by_parent(alternative).items()
            )
            for alternative in alternatives
        )


def _parents(conditions: Iterable[When]) -> set[int]:
    """The numbers of the axes that conditions are on."""
    return {j for when in conditions for each in when for j, _ in each}
