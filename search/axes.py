"""Axes: the searched hyperparameters as coordinates that samplers reckon with.

A range is mapped onto [0, 1], a log range by its logarithm; a range of n equally distant values
(or of n whole numbers on a logarithm) has each in the middle of its own cell. A choice is its
position. Points are matrices of shape (trials, axes), float64.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy
from numpy.typing import NDArray

Floats = NDArray[numpy.float64]
Columns = Mapping[str, NDArray[Any]]

FINE = 2.0**32
"""A coordinate is a whole number of so many parts, so that what another processor's logarithm has
in its last bit does not show."""


@dataclass(frozen=True, kw_only=True)
class Axis:
    """One hyperparameter.

    Attributes:
        low, high: ends of a range, included; step: distance of its values, 0 if continuous.
        choices: how many, 0 for a range.
    """

    low: float = 0.0
    high: float = 0.0
    log: bool = False
    step: float = 0.0
    choices: int = 0

    @property
    def size(self) -> int:
        """How many values there are; 0: as many as floats are."""
        if self.choices:
            return self.choices
        return round((self.high - self.low) / self.step) + 1 if self.step else 0

    @property
    def _ends(self) -> tuple[float, float]:
        half = self.step / 2
        low, high = self.low - half, self.high + half
        return (math.log(low), math.log(high)) if self.log else (low, high)

    def coordinates(self, values: NDArray[Any]) -> Floats:
        """Return the coordinates of values (of a choice: of positions)."""
        values = values.astype(numpy.float64)
        if self.choices:
            return values
        low, high = self._ends
        if self.log:
            values = numpy.log(values)
        return numpy.clip((values - low) / (high - low), 0.0, 1.0)

    def values(self, coordinates: Floats) -> NDArray[Any]:
        """Return the values at coordinates, floats; of whole steps, the nearest one."""
        if self.choices:
            return coordinates.astype(numpy.int64)
        low, high = self._ends
        values = low + numpy.round(coordinates * FINE) / FINE * (high - low)
        if self.log:
            values = _rounded(numpy.exp(values))
        if self.step:
            values = self.low + numpy.round((values - self.low) / self.step) * self.step
        return numpy.clip(values, self.low, self.high)


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
    """Return points moved to the coordinates of the values that they stand for."""
    settled = [
        axis.coordinates(axis.values(points[:, j])) if axis.step else points[:, j]
        for j, axis in enumerate(axes)
    ]
    return numpy.stack(settled, axis=1)


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

    Args:
        scale: shape (d,), what is far along a range.
    """
    if len(points) <= count:
        return numpy.arange(len(points))
    least = numpy.full(len(points), numpy.inf)
    for point in focus:
        distance = numpy.zeros(len(points))
        for j, axis in enumerate(axes):
            square = apart(axis, points[:, j], point[j])
            distance += square if axis.choices else square / scale[j] ** 2
        numpy.minimum(least, distance, out=least)
    return numpy.sort(numpy.argsort(least, kind="stable")[:count])


def keys(axes: Sequence[Axis], points: Floats) -> NDArray[numpy.uint64]:
    """Return a number for each point, the same for points of the same values."""
    mixed = numpy.zeros(len(points), dtype=numpy.uint64)
    for j, axis in enumerate(axes):
        parts = 1.0 if axis.choices else float(axis.size or FINE)
        cell = numpy.floor(points[:, j] * parts) if axis.size else numpy.round(points[:, j] * parts)
        mixed ^= cell.astype(numpy.uint64)
        # a step of splitmix64: neighbouring cells are to be far apart
        mixed += numpy.uint64(0x9E3779B97F4A7C15)
        mixed = (mixed ^ (mixed >> numpy.uint64(30))) * numpy.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> numpy.uint64(27))) * numpy.uint64(0x94D049BB133111EB)
    return mixed
