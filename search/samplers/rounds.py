"""Asking for a round of trials, all of them at once.

Each round is drawn from the finished rows, the seed and the round's number alone, so that a search
that goes on is given the same lanes. Columns of the searched hyperparameters are kept as numbers: a
range's values, a choice's position.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from shoal.search.samplers.sobol import Unrepeated
from shoal.search.samplers.tpe import draw
from shoal.search.space import Axis, Dimension, Floats, Space, spread

Column = NDArray[Any]
Columns = dict[str, Column]


@dataclass(frozen=True, kw_only=True)
class Earlier:
    """The trials of the rounds before.

    Attributes:
        columns: of all of them, the told ones first, in order.
        loss: of the told ones; +inf: diverged, NaN: failed.
    """

    columns: Mapping[str, Column]
    loss: Floats


class RoundSampler:
    """Asks for the lanes of one round after the other, from the same arguments always the same."""

    def __init__(self, name: str, seed: int, space: Space) -> None:
        self._name, self._seed, self._space = name, seed, space
        self._searched = {n: d for n, d in space.items() if not d.fixed}
        self._axes = [_axis(dimension) for dimension in self._searched.values()]
        self._choices = {n: numpy.array(d.choices) for n, d in space.items() if d.choices}
        if self._axes:
            self._sequence = Unrepeated(self._axes, seed)

    @property
    def learns(self) -> bool:
        """Whether finished trials change what is asked."""
        return self._name in ("tpe", "optuna-tpe")

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
        if not self._axes:
            return {}
        seed = round_seed(self._seed, round_)
        if self._name == "optuna-tpe":
            from shoal.search.samplers.optuna_tpe import ask_tpe

            return ask_tpe(self._searched, earlier.columns, earlier.loss, seed, count, stop)
        if self._name == "random":
            cube = numpy.random.default_rng(seed).random((count, len(self._axes)))
            points = spread(self._axes, cube)
            columns = [axis.values(points[:, j]) for j, axis in enumerate(self._axes)]
        elif self._name == "qmc":
            columns = self._sequence.values(first, count)
        else:
            known = self._points(earlier.columns)
            told, running = known[: len(earlier.loss)], known[len(earlier.loss) :]
            works = ~numpy.isnan(earlier.loss)
            columns = draw(
                self._axes,
                told[works],
                earlier.loss[works],
                running,
                [earlier.columns[name] for name in self._searched],
                first=first,
                count=count,
                seed=self._seed,
                round_seed=seed,
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

    def _points(self, columns: Mapping[str, Column]) -> Floats:
        coordinates = [
            axis.coordinates(columns[name])
            for axis, name in zip(self._axes, self._searched, strict=True)
        ]
        return numpy.stack(coordinates, axis=1)


def round_seed(seed: int, round_: int | str) -> int:
    """The seed of a round's sampler: 32 bits of sha256("seed:round")."""
    digest = hashlib.sha256(f"{seed}:{round_}".encode()).digest()
    return int.from_bytes(digest[:4], "big")


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
