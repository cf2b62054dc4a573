"""Asking for a round of trials, all of them at once.

Each round is drawn from the finished rows, the seed and the round's number alone, so that a search
that goes on is given the same lanes. Columns of the searched hyperparameters are kept as numbers: a
range's values, a choice's position.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence

import numpy
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from shoal.search.samplers.sampler import (
    Column,
    Columns,
    Earlier,
    Question,
    Sampler,
    round_seed,
    sampler_class,
)
from shoal.search.space import Dimension, Searched, Space, Value, blanked

Mask = NDArray[numpy.bool_]


class RoundSampler:
    """Asks for the trials of one round after the other, from the same arguments always the same.

    Attributes:
        learns: whether finished trials change what is asked.
        replays: whether every round has to be asked for again where a search goes on.
    """

    def __init__(self, name: str, seed: int, space: Space, new_first: bool = False) -> None:
        """Begin.

        Args:
            new_first: whether trials that are new come first in a round, where the sampler repeats
                none while others are left.
        """
        self._seed, self._space = seed, space
        self._searched = Searched(space)
        self._choices = {n: numpy.array(d.choices) for n, d in space.items() if d.choices}
        kind = sampler_class(name)
        self.learns, self.replays = kind.learns, kind.replays
        self._new = new_first and not kind.repeats
        self._sampler: Sampler | None = None
        if self._searched.axes:
            self._sampler = kind(self._searched, seed)

    def empty(self, count: int) -> Columns:
        """Return columns for `count` trials."""
        return {n: numpy.empty(count, _dtype(d)) for n, d in self._searched.dimensions.items()}

    def ask(
        self, round_: int, first: int, count: int, earlier: Earlier, stop: threading.Event
    ) -> Columns:
        """Return `count` values of each searched hyperparameter, or fewer if `stop` is set; where
        one is not active, its first value.

        Args:
            first: number of the round's first trial.
            earlier: what is not looked at unless the sampler learns.
        """
        if self._sampler is None:
            return {}
        columns = self._sampler.ask(
            Question(
                first=first,
                count=count,
                seed=round_seed(self._seed, round_),
                earlier=earlier,
                stop=stop,
            )
        )
        columns = blanked(self._searched.axes, columns)
        if self._new:
            columns = self._new_first(columns, first, earlier)
        found: Columns = {}
        for column, (name, dimension) in zip(
            columns, self._searched.dimensions.items(), strict=True
        ):
            if (
                dimension.step
            ):  # as they are written: 0.3, where others add up to 0.30000000000000004
                column = dimension.axis.of_ranks(dimension.axis.ranks(column))
            found[name] = column.astype(_dtype(dimension))
        return found

    def put(self, columns: Columns, points: Sequence[Mapping[str, Value]]) -> Columns:
        """Return columns with what points say of their trials, the first ones.

        Args:
            points: values by name, of some hyperparameters that are active there.
        """
        found = {name: column.copy() for name, column in columns.items()}
        for place, point in enumerate(points):
            for name in point.keys() & found.keys():
                found[name][place] = self._searched.place(name, point[name])
        names = list(self._searched.dimensions)
        blank = blanked(self._searched.axes, [found[name] for name in names])
        return {
            name: column.astype(found[name].dtype)
            for name, column in zip(names, blank, strict=True)
        }

    def _new_first(self, columns: Sequence[Column], first: int, earlier: Earlier) -> list[Column]:
        """Put trials that are new before those that repeat one, where a round has more trials than
        are left in the space: a search may end within the round."""
        count, left = len(columns[0]), self._searched.count
        if left is None or left >= earlier.without + first + count:
            return list(columns)
        axes = zip(self._searched.dimensions, self._searched.axes, columns, strict=True)
        ranks = []
        for name, axis, column in axes:
            held = earlier.columns.get(name, column[:0])
            ranks.append(numpy.concatenate([axis.ranks(held), axis.ranks(column)]))
        known = len(ranks[0]) - count
        places = numpy.unique(numpy.stack(ranks), axis=1, return_index=True)[1]
        new = numpy.zeros(count, dtype=bool)
        new[places[places >= known] - known] = True
        order = numpy.argsort(~new, kind="stable")
        return [column[order] for column in columns]

    def active(self, columns: Mapping[str, Column], count: int) -> dict[str, Mask]:
        """Return in which of `count` trials hyperparameters are active; of those that always are,
        nothing."""
        return self._searched.active(columns, count)

    def values(self, columns: Mapping[str, Column], count: int) -> Columns:
        """Return the columns of a round as the results have them, the fixed ones with them; a
        masked array where the hyperparameter is not active in every trial."""
        found: Columns = {}
        active = self.active(columns, count)
        for name, dimension in self._space.items():
            if dimension.choices:
                place = columns.get(name, numpy.zeros(count, numpy.intp))
                found[name] = self._choices[name][place]
            else:
                found[name] = columns.get(name, numpy.zeros(count, _dtype(dimension)))
            if name in active:
                found[name] = numpy.ma.array(found[name], mask=~active[name])
        return found

    def read(self, rows: pa.Table) -> Columns:
        """Return the columns of rows of the results.

        Raises:
            ValueError: a value is not of the space.
        """
        found: Columns = {}
        missing: dict[str, Mask] = {}
        for name, dimension in self._searched.dimensions.items():
            column = rows[name]
            empty = column.is_null().to_numpy()
            if dimension.choices:
                choices = pa.array(dimension.choices).cast(column.type)
                column = pc.index_in(column, value_set=choices)
            missing[name] = column.is_null().to_numpy()
            if (missing[name] & ~empty).any():
                raise ValueError(f"a value of {name} is none of {dimension.shown}")
            first = 0 if dimension.choices else _dtype(dimension)(dimension.low).item()
            found[name] = column.fill_null(first).to_numpy().astype(_dtype(dimension))
        active = self.active(found, len(rows))
        for name in dict.fromkeys([*missing, *active]):
            empty = missing[name] if name in missing else rows[name].is_null().to_numpy()
            there = active.get(name, numpy.ones(len(rows), dtype=bool))
            if (empty & there).any():
                raise ValueError(f"a value of {name} is none of {self._space[name].shown}")
            if not (empty | there).all():
                raise ValueError(f"{name} has a value in a trial that has no {name}")
        return found


def _dtype(dimension: Dimension) -> type[numpy.generic]:
    if dimension.choices:
        return numpy.int32
    return numpy.int64 if dimension.integer else numpy.float64
