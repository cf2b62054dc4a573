"""A Gaussian process over the best trials and their neighbours.

Rasmussen and Williams 2006. Its size is bounded, so that a round costs the same after a million
trials as after a thousand; the best trials draw together as a search goes on, and it with them.

* Losses are warped by log(1 + rise / gap), rise over the best one; the gap, and the length scales
  one axis after the other, are those of the largest evidence found.
* Trials that run stand where the mean expects them: that leaves the mean alone, and narrows the
  deviation around them (Desautels et al. 2014), so that a round does not repeat the one before.
* Diverged trials are no losses. Between a finite one and a diverged one lies an edge, where nobody
  knows: `Surrogate.predict` gives the share of the way that a point is from its nearest diverged
  trial to its nearest finite one. Lanes that each draw their own edge divide the gap evenly.
* A coordinate that is inactive at a point is put where the mean of those of its own trials is at
  which it is active. One constant tells nothing, and the covariance stays positive definite; SMAC
  (Lindauer et al. 2022) puts a default there, which far from the best values would part branches
  that are alike (Hutter and Osborne 2013 have a kernel that does so on purpose). That a branch is
  another one is told by the choice that it hangs on, a coordinate too; and an inactive choice is a
  choice of its own.

Notation:

    x   shape (N, d)    coordinates of its trials (`shoal.search.space.axes`)
    y   shape (N,)      their warped losses, of mean 0 and deviation 1
    K   shape (N, N)    Matérn 5/2 of the scaled distances, plus noise;  K = L Lᵀ,  α = K⁻¹ y
"""

from __future__ import annotations

import functools
import math
import sys
from collections.abc import Iterable, Sequence

import numpy

from shoal.search.space import (
    Axis,
    Floats,
    active_at,
    apart,
    centred,
    deviations,
    is_conditional,
    middles,
    nearest,
)

BEST, AROUND, RUNNING, DIVERGED = 80, 40, 40, 60
"""Largest numbers of trials: best ones, others nearest to those, running and diverged ones near."""

MAX_CENTRES = 16
"""Best trials that are the centres of the neighbour selection."""

NOISES = (1e-4, 3e-2)
"""Noise variances tried, relative to the variance of the process."""

WIDTHS = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Length scales first tried, in deviations of the trials along each axis."""

MIN_WIDTH, MAX_WIDTH = 0.05, 64.0
"""Bounds of a length scale, in the same."""

MAX_RATIO = 1e300
"""Bound of rise / gap, against overflow."""

UNIFORM = 12**-0.5
"""Deviation of what is uniform over a range: of an axis at which fewer than two trials are active.
"""

MIN_RISE = 1e-300
"""Losses that differ by no more are taken as equal."""

MAX_LOSS = 1e150
"""Losses beyond are drawn together, since their squares would overflow."""


def tamed(loss: Floats) -> Floats:
    """Return losses of which squares are finite, in their order: beyond `MAX_LOSS` their logarithms
    count, in units of it."""
    loss = numpy.where(loss == -numpy.inf, -sys.float_info.max, loss)
    size = numpy.abs(loss)
    beyond = numpy.isfinite(loss) & (size > MAX_LOSS)
    if not beyond.any():
        return loss
    far = MAX_LOSS * (1 + numpy.log(numpy.where(beyond, size / MAX_LOSS, 1.0)))
    tamed: Floats = numpy.where(beyond, numpy.copysign(far, loss), loss)
    return tamed


class Surrogate:
    """Posterior mean and deviation of the warped loss (`predict`).

    Attributes:
        low, high: shape (d,), ends of the ranges that it knows something of: beyond, where trials
            were too bad to be among its own, all would look unknown. (Of choices: not to be used.)
    """

    def __init__(self, axes: Sequence[Axis], told: Floats, loss: Floats, running: Floats) -> None:
        """Fit it to trials.

        Args:
            told: shape (n, d); loss: shape (n,), two finite ones at least that differ by more than
                `MIN_RISE`, +inf: it diverged. running: shape (m, d).
        """
        self._axes = axes
        order = numpy.argsort(loss, kind="stable")
        finite = int(numpy.isfinite(loss).sum())
        best = order[: min(BEST, finite)]
        focus = told[best[:MAX_CENTRES]]
        scale = deviations(axes, told[best]) + 0.05

        def near(points: Floats, count: int) -> Floats:
            return points[nearest(axes, points, focus, scale, count)]

        rest, lost = order[len(best) : finite], order[finite:]
        around = rest[nearest(axes, told[rest], focus, scale, AROUND)]
        chosen = numpy.concatenate([best, around])
        if loss[chosen].max() - loss[best[0]] <= MIN_RISE:  # many are equally good
            chosen = numpy.append(chosen, order[finite - 1])
        self._rest = middles(axes, told[chosen])
        self._finite, self._lost = len(chosen), self._put(near(told[lost], DIVERGED))
        x, y = self._put(told[chosen]), self._fit(told[chosen], loss[chosen])
        margin = 0.1 * (x.max(axis=0) - x.min(axis=0))
        self.low = numpy.clip(x.min(axis=0) - margin, 0.0, 1.0)
        self.high = numpy.clip(x.max(axis=0) + margin, 0.0, 1.0)
        if is_conditional(axes):
            few = active_at(axes, told[chosen]).sum(axis=0) < 2
            self.low[few], self.high[few] = 0.0, 1.0
        more = self._put(near(running, RUNNING))
        alpha = self._solve(x, y)
        self._deviation = math.sqrt(float(y @ alpha) / len(y))
        if len(more):
            y = numpy.concatenate([y, _matern(self._between(more, x)) @ alpha])
            x = numpy.concatenate([x, more])
            alpha = self._solve(x, y)
        self._x, self._alpha = x, alpha

    def predict(self, points: Floats) -> tuple[Floats, Floats, Floats]:
        """Return the mean and the deviation of the warped loss, and the place between edges.

        Returns:
            three of shape (M,); the last is 1 at a finite trial and 0 at a diverged one.
        """
        points = self._put(points)
        distance = self._between(points, self._x)
        place = numpy.ones(len(points))
        if len(self._lost):
            here = numpy.sqrt(distance[:, : self._finite].min(axis=1))
            there = numpy.sqrt(self._between(points, self._lost).min(axis=1))
            place = (there + 1e-12) / (here + there + 1e-12)
        covariance = _matern(distance)
        mean = covariance @ self._alpha
        explained = (covariance @ self._inverse.T) ** 2
        deviation = numpy.sqrt(numpy.maximum(1 - explained.sum(axis=1), 1e-12))
        return mean, self._deviation * deviation, place

    def _put(self, points: Floats) -> Floats:
        """Points with what stands for inactive coordinates."""
        return centred(self._axes, points, self._rest)

    def _fit(self, x: Floats, loss: Floats) -> Floats:
        """Maximise the marginal likelihood over warp, noise and length scales; return y."""
        base = numpy.maximum(deviations(self._axes, x, usual=UNIFORM), 1e-6)
        x = self._put(x)
        squares = [apart(axis, x[:, j, None], x[:, j]) for j, axis in enumerate(self._axes)]
        base[[bool(axis.choices) for axis in self._axes]] = 1.0
        warps = [_warp(loss, gap) for gap in _gaps(loss)]
        every = numpy.stack([y for y, _ in warps], axis=1)
        slopes = numpy.array([slope for _, slope in warps])
        tried = []
        for width in WIDTHS:
            for noise in NOISES:
                evidences = self._evidence(squares, every, base * width, noise) + slopes
                i = int(evidences.argmax())
                tried.append((float(evidences[i]), width, noise, i))
        evidence, width, self._noise, i = max(tried)
        y, length, evidence = warps[i][0], base * width, evidence - slopes[i]
        for j in [*range(len(base)), *range(len(base))]:
            for factor in (0.5, 2.0):
                while MIN_WIDTH < length[j] * factor / base[j] < MAX_WIDTH:
                    other = length.copy()
                    other[j] *= factor
                    (better,) = self._evidence(squares, y[:, None], other, self._noise)
                    if better <= evidence + 1e-6:
                        break
                    evidence, length = better, other
        self._length = length
        return y

    def _evidence(self, squares: list[Floats], y: Floats, length: Floats, noise: float) -> Floats:
        """Log marginal likelihood of each column of y, shape (N, k), up to a constant.

        The variance of the process is profiled out, σ² = yᵀ K⁻¹ y / N:

            log p = -N/2 log σ² - ½ log |K| + log prior of the length scales
        """
        root = _root(_scaled(squares, length), noise)
        z = numpy.linalg.solve(root, y)
        prior = -0.125 * float((numpy.log(length / 0.5) ** 2).sum())
        scale = numpy.log(numpy.maximum((z * z).sum(axis=0), 1e-300) / len(y))
        evidence: Floats = -0.5 * len(y) * scale - numpy.log(numpy.diag(root)).sum() + prior
        return evidence

    def _solve(self, x: Floats, y: Floats) -> Floats:
        """Return α, and keep L⁻¹."""
        root = _root(self._between(x, x), self._noise)
        self._inverse = numpy.linalg.inv(root)
        alpha: Floats = self._inverse.T @ (self._inverse @ y)
        return alpha

    def _between(self, one: Floats, other: Floats) -> Floats:
        """Squared scaled distances, shape (A, B)."""
        squares = (apart(axis, one[:, j, None], other[:, j]) for j, axis in enumerate(self._axes))
        return _scaled(squares, self._length)


def _scaled(squares: Iterable[Floats], length: Floats) -> Floats:
    """Σ (Δⱼ / ℓⱼ)²; between two choices Δ is 1."""
    return functools.reduce(
        numpy.add, (square / (one * one) for square, one in zip(squares, length, strict=True))
    )


def _root(distance: Floats, noise: float) -> Floats:
    """Cholesky factor of the covariance with noise on its diagonal."""
    K = _matern(distance)
    K[numpy.diag_indices(len(K))] += noise
    return numpy.asarray(numpy.linalg.cholesky(K), dtype=numpy.float64)


def _matern(distance: Floats) -> Floats:
    """Matérn 5/2, (1 + r + r²/3) exp(-r) with r² = 5 `distance`, which is overwritten."""
    r = distance
    r *= 5.0
    numpy.sqrt(r, out=r)
    covariance = r / 3
    covariance += 1
    covariance *= r
    covariance += 1
    numpy.negative(r, out=r)
    numpy.exp(r, out=r)
    covariance *= r
    return covariance


def _gaps(loss: Floats) -> list[float]:
    """Gaps to try: those of a few good trials up to all, and one that leaves losses as they are."""
    rise = loss - loss.min()
    shares = [float(numpy.quantile(rise, q)) for q in (0.05, 0.2, 0.6)]
    return [gap for gap in (*shares, 10 * float(rise.max())) if gap > MIN_RISE]


def _warp(loss: Floats, gap: float) -> tuple[Floats, float]:
    """Return y, and log |dy / dloss| summed over trials, so that evidences compare."""
    y = numpy.log1p(numpy.minimum((loss - loss.min()) / gap, MAX_RATIO))
    deviation = float(y.std())
    return (y - y.mean()) / deviation, -float(y.sum()) - len(y) * (
        math.log(deviation) + math.log(gap)
    )
