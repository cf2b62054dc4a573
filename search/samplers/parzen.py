"""The Parzen estimator: Gaussian components about good trials, and the density ratio l / g.

Each trial of a level is a component whose covariance is that of its nearest neighbours in the
level, so that components follow a valley, and shrink as trials draw together. Candidates are
weighed in the component's own metric, so that g is as fine as l: good trials near a candidate over
all trials near it, where trials that run or diverged are not good.

An axis tells how far apart two points are where it is active at both of them. Axes that are not
always active come last in z, so that leaving them out is marginalising: z of the others does not
depend on them. A component at which an axis is inactive, or is the only one of its neighbours that
has it, knows nothing of it: there the axis is drawn uniformly, and weighed with the deviation of
what is uniform.

Notation:

    K, d, q     components of all levels, axes, axes that are ranges
    c           shape (K, d)        centres
    L           shape (K, q, q)     roots of the covariances, L Lᵀ
    z           shape (..., q)      standard coordinates: x = c + L z
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy
from numpy.typing import NDArray

from shoal.search.space import Axis, Floats, active_at, centred, deviations, is_conditional, nearest

Ints = NDArray[numpy.int64]

LEVELS = ((0.05, 4, 16), (0.12, 6, 32), (0.25, 8, 64))
"""Quantile of the trials that counts as good (γ of TPE), with the least and the largest number."""

MAX_NEIGHBOURS = 40
"""Trials nearest to a component, over which the densities at a candidate are summed."""

MAX_POOL = 1024
"""Trials among which the neighbours are sought: of the best, of the others and of the running ones
so many each."""

MUTATION = 0.15
"""Probability that a candidate draws its choice uniformly instead of keeping the component's."""

AT_ENDS = 16
"""Of so many lanes one, the second, has what is drawn beyond an end at the end itself, where the
best value may be; all others have it reflected, so that a round does not gather there."""

OTHER_CHOICE = 4.0
"""Squared distance between two choices, in standard coordinates."""

UNIFORM = 12**-0.5
"""Standard deviation of what is uniform over a range."""

PRIOR = 0.1
"""Weight of the level's share of all trials in l / g."""


class Mixture:
    """Gaussian components of all levels.

    Attributes:
        centre: shape (K, d), of each component.
    """

    def __init__(self, axes: Sequence[Axis], told: Floats, loss: Floats, running: Floats) -> None:
        """Build them.

        Args:
            told: shape (n, d); loss: shape (n,), some finite, +inf: it diverged.
            running: shape (m, d).
        """
        self._axes = axes
        ranges = [j for j, axis in enumerate(axes) if not axis.choices]
        self._ranges = sorted(ranges, key=lambda j: not axes[j].always)
        self._conditional = is_conditional(axes)
        self._choices = [j for j, axis in enumerate(axes) if axis.choices]
        order = numpy.argsort(loss, kind="stable")
        finite = int(numpy.isfinite(loss).sum())
        sizes = [
            min(finite, max(least, min(most, round(share * len(loss)))))
            for share, least, most in LEVELS
        ]
        best = order[: max(sizes)]
        scale = deviations(axes, told[best]) + 1e-3
        others = order[MAX_POOL:]
        near = others[nearest(axes, told[others], told[best[:16]], scale, MAX_POOL)]
        beside = running[nearest(axes, running, told[best[:16]], scale, MAX_POOL)]
        pool = numpy.concatenate([told[order[:MAX_POOL]], told[near], beside])
        levels = [self._level(told[best[:size]], pool) for size in sizes]
        self.centre, self._root, self._near, self._near_choices, self._good, self._near_active = (
            numpy.concatenate(parts) for parts in zip(*levels, strict=True)
        )
        self._sizes = numpy.array(sizes)
        self._share = numpy.repeat(self._sizes / len(loss), sizes)

    def _level(self, centre: Floats, pool: Floats) -> tuple[NDArray[Any], ...]:
        """One level: centres, roots, and the trials near each; the pool begins with the level."""
        k, q = len(centre), len(self._ranges)
        here, there = self._active(centre), self._active(pool)
        offset = centre[None, :, self._ranges] - centre[:, None, self._ranges]
        away = pool[None, :, self._ranges] - centre[:, None, self._ranges]
        if self._conditional:
            both = here[None] & here[:, None]
            shared = there[None] & here[:, None]
            offset[~both] = 0.0
            away[:, ~there] = 0.0
        other = self._other(centre[None], centre[:, None])
        distance = (offset**2).sum(axis=2) + 10.0 * other  # far: another choice
        m = min(k, max(q + 2, k // 3))
        close = numpy.argsort(distance, axis=1, kind="stable")[:, :m, None]
        steps = numpy.take_along_axis(offset, close, axis=1)
        covariance = numpy.einsum("kmi,kmj->kij", steps, steps) / m
        known = numpy.ones((k, q), dtype=bool)
        if self._conditional:  # of the neighbours that have the axis
            own = numpy.take_along_axis(both, close, axis=1).sum(axis=1)
            always = [self._axes[j].always for j in self._ranges]
            known = (own > 1) | numpy.array(always, dtype=bool)
            share = numpy.sqrt(m / numpy.maximum(own, 1))
            covariance *= share[:, :, None] * share[:, None, :]
        # few neighbours tell little of how axes go together
        variance = numpy.einsum("kii->ki", covariance).copy()
        covariance *= m / (m + q)
        cell = numpy.array([1 / (self._axes[j].size or numpy.inf) for j in self._ranges])
        floor = 1e-3 * variance.max(axis=1, initial=0.0, keepdims=True) + 1e-18
        index = numpy.arange(q)
        spread = variance + floor + (0.5 * cell) ** 2
        covariance[:, index, index] = numpy.where(known, spread, UNIFORM**2)
        root = numpy.linalg.cholesky(covariance) * k ** (-1 / (q + 4))

        inverse = numpy.linalg.inv(root)
        z = numpy.einsum("kij,knj->kni", inverse, away)
        squares = z**2
        if self._conditional:
            squares[~shared] = 0.0
        distance = squares.sum(axis=2) + OTHER_CHOICE * self._other(pool[None], centre[:, None])
        near = numpy.argsort(distance, axis=1, kind="stable")[:, : min(MAX_NEIGHBOURS, len(pool))]
        choices = pool[near][:, :, self._choices]
        z = numpy.take_along_axis(z, near[:, :, None], axis=1)
        return centre, root, z, choices, near < k, there[near]

    def _active(self, points: Floats) -> NDArray[numpy.bool_]:
        """Where each range is active, shape (n, q)."""
        return active_at(self._axes, points)[:, self._ranges]

    def _other(self, one: Floats, two: Floats) -> NDArray[numpy.int64]:
        return numpy.asarray(
            _differ(one[:, :, self._choices], two[:, :, self._choices]).sum(axis=2)
        )

    def assign(self, place: Floats, rng: numpy.random.Generator) -> Ints:
        """Return the component of each lane: an equal share for each level, and within it evenly.

        Args:
            place: shape (lanes,), evenly in [0, 1).
        """
        level, inside = numpy.divmod(place * len(self._sizes), 1.0)
        level = numpy.minimum(level.astype(numpy.int64), len(self._sizes) - 1)
        ends = numpy.cumsum(self._sizes)
        within = (inside + rng.random(len(place))) % 1.0 * self._sizes[level]
        return numpy.asarray(ends[level] - self._sizes[level] + within.astype(numpy.int64))

    def around(
        self, component: Ints, centre: Floats, count: int, scale: float, rng: numpy.random.Generator
    ) -> tuple[Floats, Floats]:
        """Draw `count` candidates for each lane, from its component moved to `centre` and scaled.

        Returns:
            points, shape (lanes, count, d), reflected at the ends, or of a few lanes at them; z,
            shape (lanes, count, q).
        """
        size = (len(component), count)
        z = rng.standard_normal((*size, len(self._ranges))) * scale
        points = numpy.empty((*size, len(self._axes)))
        root = self._root[component]
        for i, j in enumerate(self._ranges):
            x = numpy.repeat(centre[:, j, None], count, axis=1)
            for m in range(i + 1):
                x += root[:, i, m, None] * z[:, :, m]
            points[:, :, j] = _reflected(x)
            points[1::AT_ENDS, :, j] = numpy.clip(x[1::AT_ENDS], 0.0, 1.0)
        for j in self._choices:
            anew = rng.integers(0, self._axes[j].choices, size)
            points[:, :, j] = numpy.where(rng.random(size) < MUTATION, anew, centre[:, j, None])
        if self._conditional:
            self._activate(points, z, component, centre, rng)
        return points, z

    def _activate(
        self,
        points: Floats,
        z: Floats,
        component: Ints,
        centre: Floats,
        rng: numpy.random.Generator,
    ) -> None:
        """Draw what is active at a candidate and was not at its centre; take out what is not."""
        flat, size = points.reshape(-1, points.shape[2]), points.shape[:2]
        before, now = active_at(self._axes, centre), active_at(self._axes, flat)
        new = now.reshape(points.shape) & ~before[:, None]
        for j, axis in enumerate(self._axes):
            if axis.always:
                continue
            anew = rng.random(size)
            if axis.choices:
                anew = numpy.minimum(numpy.floor(anew * axis.choices), axis.choices - 1)
            points[:, :, j] = numpy.where(new[:, :, j], anew, points[:, :, j])
        points[:] = centred(self._axes, flat).reshape(points.shape)
        for i, j in enumerate(self._ranges):
            deviation = self._root[component, i, i, None]
            own = (points[:, :, j] - self.centre[component, j, None]) / deviation
            z[:, :, i] = numpy.where(new[:, :, j], own, z[:, :, i])

    def ratio(self, component: Ints, points: Floats, z: Floats) -> Floats:
        """Return the share of good trials among those near each candidate, shape (lanes, count)."""
        size = z.shape[:2]
        good, every = numpy.zeros(size), numpy.zeros(size)
        kept = (self._near, self._near_choices, self._good, self._near_active)
        near, choices, is_good, active = (array[component] for array in kept)
        here = numpy.ones(z.shape, dtype=bool)
        if self._conditional:
            here = self._active(points.reshape(-1, points.shape[2])).reshape(z.shape)
        for p in range(near.shape[1]):
            distance = numpy.zeros(size)
            for i, j in enumerate(self._ranges):
                square = (z[:, :, i] - near[:, p, i, None]) ** 2
                if not self._axes[j].always:
                    square *= here[:, :, i] & active[:, p, i, None]
                distance += square
            for i, j in enumerate(self._choices):
                distance += OTHER_CHOICE * _differ(points[:, :, j], choices[:, p, i, None])
            weight = numpy.exp(-0.5 * distance)
            every += weight
            good += weight * is_good[:, p, None]
        share: Floats = (good + PRIOR * self._share[component, None]) / (every + PRIOR)
        return share


def _reflected(x: Floats) -> Floats:
    """Return coordinates reflected at the ends of a range."""
    x = numpy.abs(x)
    inside: Floats = numpy.clip(numpy.where(x > 1, 2 - x, x), 0.0, 1.0)
    return inside


def _differ(one: Floats, two: Floats) -> NDArray[numpy.bool_]:
    """Where two choices differ that are active both."""
    return numpy.asarray((one != two) & (one >= 0) & (two >= 0))
