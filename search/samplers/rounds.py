"""Asking for a round of trials, all of them at once.

Each round is drawn from the finished rows, the seed and the round's number alone, so that a search
that goes on is given the same lanes. Columns of the searched hyperparameters are kept as numbers: a
range's values, a choice's position.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping

import numpy
import pyarrow as pa
import pyarrow.compute as pc

from shoal.search.samplers.sampler import (
    Column,
    Columns,
    Earlier,
    Question,
    Sampler,
    Searched,
    round_seed,
    sampler_class,
)
from shoal.search.space import Axis, Dimension, Space


class RoundSampler:
    """Asks for the trials of one round after the other, from the same arguments always the same.

    Attributes:
        learns: whether finished trials change what is asked.
    """

    def __init__(self, name: str, seed: int, space: Space) -> None:
        self._seed, self._space = seed, space
        self._searched = {n: d for n, d in space.items() if not d.fixed}
        self._axes = [_axis(dimension) for dimension in self._searched.values()]
        self._choices = {n: numpy.array(d.choices) for n, d in space.items() if d.choices}
        kind = sampler_class(name)
        self.learns = kind.learns
        self._sampler: Sampler | None = None
        if self._axes:
            self._sampler = kind(Searched(dimensions=self._searched, axes=self._axes), seed)

    def empty(self, count: int) -> Columns:
        """Return columns for `count` trials."""
        return {n: numpy.empty(count, _dtype(d)) for n, d in self._searched.items()}

    def ask(
        self, round_: int, first: int, count: int, earlier: Earlier, stop: threading.Event
    ) -> Columns:
        """Return `count` values of each searched hyperparameter, or fewer if `stop` is set.

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
        return {
            name: column.astype(_dtype(dimension))
            for column, (name, dimension) in zip(columns, self._searched.items(), strict=True)
        }

    def values(self, columns: Mapping[str, Column], count: int) -> Columns:
        """Return the columns of a round as the results have them, the fixed ones with them."""
        found: Columns = {}
        for name, dimension in self._space.items():
            if dimension.choices:
                place = columns.get(name, numpy.zeros(count, numpy.intp))
                found[name] = self._choices[name][place]
            else:
                found[name] = columns[name]
        return found

    def read(self, rows: pa.Table) -> Columns:
        """Return the columns of rows of the results.

        Raises:
            ValueError: a value is not of the space.
        """
        found: Columns = {}
        for name, dimension in self._searched.items():
            column = rows[name]
            if dimension.choices:
                choices = pa.array(dimension.choices).cast(column.type)
                column = pc.index_in(column, value_set=choices)
            if column.null_count:
                raise ValueError(f"a value of {name} is none of {dimension.shown}")
            found[name] = column.to_numpy().astype(_dtype(dimension))
        return found


def _axis(dimension: Dimension) -> Axis:
    if dimension.choices:
        return Axis(choices=len(dimension.choices))
    return Axis(
        low=dimension.low,
        high=dimension.high,
        log=dimension.log,
        step=1.0 if dimension.integer else 0.0,
    )


def _dtype(dimension: Dimension) -> type[numpy.generic]:
    if dimension.choices:
        return numpy.int32
    return numpy.int64 if dimension.integer else numpy.float64
