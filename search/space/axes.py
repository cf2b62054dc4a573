"""Axes: the searched hyperparameters as coordinates that samplers reckon with.

A range is mapped onto [0, 1], a log range by its logarithm; a range of n equally distant values
(or of n whole numbers on a logarithm) has each in the middle of its own cell. A choice is its
position. Points are matrices of shape (trials, axes), float64.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy
from numpy.typing import NDArray

from shoal.search.space.activity import ALWAYS, When, active_at, centred, is_conditional

Floats = NDArray[numpy.float64]
Counts = NDArray[numpy.uint64]
FINE = 2.0**32
"""A coordinate is a whole number of so many parts, so that what another processor's logarithm has
in its last bit does not show."""

NARROW = 1 + 2.0**-12
"""Where the ends of a log range are nearer than this, its values are drawn uniformly: that is the
same to one part in 8,192, and a logarithm could not tell them apart."""

MAX_DECIMALS = 15
"""Of values with a step: with more they are what adding gives."""


@dataclass(frozen=True, kw_only=True)
class Axis:
    """One hyperparameter.

    Attributes:
        low, high: ends of a range, included; step: distance of its values, 0 if continuous.
        choices: how many, 0 for a range.
        when: where it is active (`shoal.search.space.activity`).
    """

    low: float = 0.0
    high: float = 0.0
    log: bool = False
    step: float = 0.0
    choices: int = 0
    when: When = ALWAYS

    @property
    def always(self) -> bool:
        """Whether it is active at every point."""
        return self.when == ALWAYS

    @property
    def size(self) -> int:
        """How many values there are; 0: as many as floats are."""
        if self.choices:
            return self.choices
        return round((self.high - self.low) / self.step) + 1 if self.step else 0

    @property
    def count(self) -> int:
        """How many values there are, those of floats counted too."""
        if self.size:
            return self.size
        low, high = _places(numpy.array([self.low, self.high])).tolist()
        return int(high) - int(low) + 1

    def ranks(self, values: NDArray[Any]) -> Counts:
        """Return how many values of the axis are below each of `values`."""
        if self.choices:
            return values.astype(numpy.uint64)
        if self.step:
            ranks = numpy.round((values.astype(numpy.float64) - self.low) / self.step)
            return numpy.clip(ranks, 0, self.size - 1).astype(numpy.uint64)
        places = _places(values.astype(numpy.float64)).astype(numpy.uint64)
        return places - _places(numpy.array([self.low])).astype(numpy.uint64)

    def of_ranks(self, ranks: Counts) -> NDArray[Any]:
        """Return the values of ranks; the inverse of `ranks`."""
        if self.choices:
            return ranks.astype(numpy.int64)
        if self.step:
            return self._stepped(ranks.astype(numpy.float64))
        low = _places(numpy.array([self.low])).astype(numpy.uint64)
        return _floats((ranks + low).astype(numpy.int64))

    def widths(self, values: NDArray[Any]) -> Floats:
        """Return how probable values are, to scale, where a range is drawn from as it is written:
        on a logarithm, small steps of large values are less so."""
        if not (self.step and self._curved):
            return numpy.ones(len(values))
        half = self.step / 2
        widths: Floats = numpy.log((values + half) / (values - half))
        return widths

    @property
    def width(self) -> float:
        """The sum of `widths` over all values."""
        if not (self.step and self._curved):
            return float(self.count)
        half = self.step / 2
        return math.log((self.high + half) / (self.low - half))

    @property
    def _curved(self) -> bool:
        return self.log and self.high / self.low > NARROW

    @property
    def _ends(self) -> tuple[float, float]:
        half = self.step / 2
        low, high = self.low - half, self.high + half
        return (math.log(low), math.log(high)) if self._curved else (low, high)

    def coordinates(self, values: NDArray[Any]) -> Floats:
        """Return the coordinates of values (of a choice: of positions)."""
        values = values.astype(numpy.float64)
        if self.choices:
            return values
        low, high = self._ends
        if self._curved:
            values = numpy.log(values)
        if math.isinf(high - low):
            values, low, high = values / 2, low / 2, high / 2
        return numpy.clip((values - low) / (high - low), 0.0, 1.0)

    def values(self, coordinates: Floats) -> NDArray[Any]:
        """Return the values at coordinates, floats; of whole steps, the nearest one."""
        if self.choices:
            return coordinates.astype(numpy.int64)
        low, high = self._ends
        places = numpy.round(coordinates * FINE) / FINE
        if math.isinf(high - low):  # from -1e308 to 1e308, say
            values = low * (1 - places) + high * places
        else:
            values = low + places * (high - low)
        if self._curved:
            values = _rounded(numpy.exp(values))
        if self.step:
            return self._stepped(numpy.round((values - self.low) / self.step))
        values = numpy.where(places >= 1, self.high, numpy.where(places <= 0, self.low, values))
        return numpy.clip(values, self.low, self.high)

    def _stepped(self, steps: Floats) -> Floats:
        """The values so many steps above the low end, with the decimals that they are written with:
        0.3, where three times 0.1 is 0.30000000000000004."""
        values = self.low + steps * self.step
        if self._decimals:
            values = numpy.round(values, self._decimals)
        return numpy.clip(values, self.low, self.high)

    @functools.cached_property
    def _decimals(self) -> int:
        """Decimals of the low end and the step, as they are written; 0: they are whole, or have too
        many."""
        places = [Decimal(repr(value)).as_tuple().exponent for value in (self.low, self.step)]
        found = max(-int(place) for place in places)
        largest = max(abs(self.low), abs(self.high))
        return found if 0 < found <= MAX_DECIMALS and largest * 10.0**found < 2.0**53 else 0

    def below(self, bound: float, *, included: bool) -> int:
        """Return how many values of a range are below a number, or equal to it where `included`."""
        if not self.step:
            low, place = _places(numpy.array([self.low, bound])).tolist()
            return min(max(int(place) - int(low) + included, 0), self.count)

        def is_below(rank: int) -> bool:
            value = float(self.of_ranks(numpy.array([rank], numpy.uint64))[0])
            return value < bound or (included and value == bound)

        rank = int(min(max((bound - self.low) / self.step, 0.0), float(self.size)))
        while rank and not is_below(rank - 1):
            rank -= 1
        while rank < self.size and is_below(rank):
            rank += 1
        return rank


def _places(values: Floats) -> NDArray[numpy.int64]:
    """Whole numbers in the order of the floats, the next float one more; 0 for 0.0 and -0.0."""
    bits = numpy.ascontiguousarray(values).view(numpy.int64)
    return numpy.where(bits < 0, -(bits & numpy.int64(2**63 - 1)), bits)


def _floats(places: NDArray[numpy.int64]) -> Floats:
    """The inverse of `_places`."""
    floats: Floats = numpy.abs(places).view(numpy.float64)
    return numpy.where(places < 0, -floats, floats)


def _rounded(values: Floats) -> Floats:
    """Values to 33 bits: two exponentials may differ in their last one."""
    mantissa, exponent = numpy.frexp(values)
    rounded: Floats = numpy.ldexp(numpy.round(mantissa * 2.0**33), exponent - 33)
    return rounded


def spread(axes: Sequence[Axis], cube: Floats) -> Floats:
    """Return points of the unit cube as coordinates: evenly over choices."""
    points = cube.copy()
    for j, axis in enumerate(axes):
        if axis.choices:
            points[:, j] = numpy.minimum(numpy.floor(cube[:, j] * axis.choices), axis.choices - 1)
    return points


def settle(axes: Sequence[Axis], points: Floats) -> Floats:
    """Return points moved to the coordinates of the values that they stand for, and inactive ones
    to the one that stands for all."""
    settled = [
        axis.coordinates(axis.values(points[:, j])) if axis.step else points[:, j]
        for j, axis in enumerate(axes)
    ]
    return centred(axes, numpy.stack(settled, axis=1))


def apart(axis: Axis, one: Floats, other: Floats) -> Floats:
    """Return the squared distance of coordinates; between two choices 1."""
    if axis.choices:
        return numpy.not_equal(one, other).astype(numpy.float64)
    offset: Floats = one - other
    offset *= offset
    return offset


def nearest(
    axes: Sequence[Axis], points: Floats, focus: Floats, scale: Floats, count: int
) -> NDArray[numpy.int64]:
    """Return which `count` points, ascending, are the nearest to any of `focus`.

    An axis that is inactive at one of two points tells nothing of how near they are.

    Args:
        scale: shape (d,), what is far along a range.
    """
    if len(points) <= count:
        return numpy.arange(len(points))
    least = numpy.full(len(points), numpy.inf)
    conditional = is_conditional(axes)
    here, there = (active_at(axes, p) if conditional else None for p in (points, focus))
    for i, point in enumerate(focus):
        distance = numpy.zeros(len(points))
        for j, axis in enumerate(axes):
            square = apart(axis, points[:, j], point[j])
            if here is not None and there is not None:
                square = square * (here[:, j] & there[i, j])
            distance += square if axis.choices else square / scale[j] ** 2
        numpy.minimum(least, distance, out=least)
    return numpy.sort(numpy.argsort(least, kind="stable")[:count])
