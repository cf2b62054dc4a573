"""The Gaussian process against its closed form in float64 (Rasmussen and Williams 2006, chapter 2).

With k the Matérn 5/2 covariance of the scaled distances, K that of the trials plus noise, and σ²
the variance of the process at its most likely value:

    mean(x)      = k(x)ᵀ K⁻¹ y
    variance(x)  = σ² (1 - k(x)ᵀ K⁻¹ k(x)),   σ² = yᵀ K⁻¹ y / N
    log p(y)     = -½ yᵀ (σ² K)⁻¹ y - ½ log |σ² K| - ½ N log 2π
"""

from __future__ import annotations

import math
from typing import Any

import numpy
import pytest
from numpy.typing import NDArray

from shoal.search.samplers import gaussian_process
from shoal.search.samplers.gaussian_process import MIN_RISE, NOISES, Surrogate
from shoal.search.space.axes import Axis, apart

Floats = NDArray[numpy.float64]

AXES = (Axis(low=0.0, high=1.0), Axis(low=1e-4, high=1.0, log=True), Axis(choices=3))

NONE = numpy.empty((0, len(AXES)))


def points(count: int, seed: int) -> Floats:
    """Coordinates, evenly over the space."""
    rng = numpy.random.default_rng(seed)
    drawn = rng.random((count, len(AXES)))
    drawn[:, 2] = rng.integers(0, 3, count)
    return drawn


def losses(x: Floats) -> Floats:
    """A smooth valley, another one for each choice."""
    return (x[:, 0] - 0.3) ** 2 + 2 * (x[:, 1] - 0.6) ** 2 + 0.1 * x[:, 2]


def matern(one: Floats, other: Floats, length: Floats) -> Floats:
    """(1 + √5 r + 5 r²/3) exp(-√5 r), r² = Σ (Δⱼ / ℓⱼ)², number by number."""
    found = numpy.empty((len(one), len(other)))
    for i, a in enumerate(one):
        for j, b in enumerate(other):
            apart_ = [a[0] - b[0], a[1] - b[1], float(a[2] != b[2])]
            r = math.sqrt(sum((d / s) ** 2 for d, s in zip(apart_, length, strict=True)))
            s = math.sqrt(5) * r
            found[i, j] = (1 + s + s * s / 3) * math.exp(-s)
    return found


@pytest.fixture(scope="module")
def fitted() -> tuple[Surrogate, Floats, Floats, Floats]:
    """A process of 30 trials; their coordinates by loss, their warped losses y and K."""
    x = points(30, seed=0)
    loss = losses(x)
    surrogate = Surrogate(AXES, x, loss, NONE)
    order = numpy.argsort(loss, kind="stable")
    x, loss = x[order], loss[order]
    K = matern(x, x, surrogate._length) + surrogate._noise * numpy.eye(len(x))
    y = K @ surrogate._alpha
    return surrogate, x, y, K


def test_the_targets_are_the_warped_losses(
    fitted: tuple[Surrogate, Floats, Floats, Floats],
) -> None:
    """log(1 + rise / gap) of one gap, of mean 0 and deviation 1: then exp of them is a line of the
    losses."""
    _, x, y, _ = fitted
    assert y.mean() == pytest.approx(0, abs=1e-9)
    assert y.std() == pytest.approx(1, rel=1e-9)
    rise = losses(x) - losses(x).min()

    def warped(gap: float) -> Floats:
        u = numpy.log1p(rise / gap)
        return numpy.asarray((u - u.mean()) / u.std())

    gaps = [*(numpy.quantile(rise, q) for q in (0.05, 0.2, 0.6)), 10 * rise.max()]
    assert min(float(numpy.abs(warped(gap) - y).max()) for gap in gaps) < 1e-7


def test_mean_and_deviation_are_those_of_the_closed_form(
    fitted: tuple[Surrogate, Floats, Floats, Floats],
) -> None:
    """At trials and between them."""
    surrogate, x, y, K = fitted
    at = numpy.concatenate([points(40, seed=1), x[:5]])
    k = matern(at, x, surrogate._length)
    solved = numpy.linalg.solve(K, numpy.column_stack([y, k.T]))
    variance = float(y @ solved[:, 0]) / len(y)
    mean, deviation, place = surrogate.predict(at)
    assert mean == pytest.approx(k @ solved[:, 0], rel=1e-6, abs=1e-8)
    expected = numpy.sqrt(variance * (1 - numpy.einsum("mn,nm->m", k, solved[:, 1:])))
    assert deviation == pytest.approx(expected, rel=1e-5, abs=1e-8)
    assert place.tolist() == [1.0] * len(at)


def test_the_evidence_is_the_log_marginal_likelihood(
    fitted: tuple[Surrogate, Floats, Floats, Floats],
) -> None:
    """Up to a constant of N: with the process's variance at its best, plus the prior."""
    surrogate, x, y, _ = fitted
    squares = [apart(axis, x[:, j, None], x[:, j]) for j, axis in enumerate(AXES)]
    n = len(y)
    for length in (numpy.array([0.3, 0.5, 1.0]), numpy.array([2.0, 0.1, 4.0])):
        for noise in NOISES:
            K = matern(x, x, length) + noise * numpy.eye(n)
            variance = float(y @ numpy.linalg.solve(K, y)) / n
            quadratic = float(y @ numpy.linalg.solve(variance * K, y))
            _, logdet = numpy.linalg.slogdet(variance * K)
            log_p = -0.5 * (quadratic + logdet + n * math.log(2 * math.pi))
            constant = 0.5 * n * (1 + math.log(2 * math.pi))
            prior = -0.125 * float((numpy.log(length / 0.5) ** 2).sum())
            (found,) = surrogate._evidence(squares, y[:, None], length, noise)
            assert found == pytest.approx(log_p + constant + prior, rel=1e-7)


@pytest.mark.parametrize("gap", [0.01, 0.3, 10.0])
def test_the_slope_of_the_warp_is_its_derivative(gap: float) -> None:
    """Σ log dy/dloss, by central differences of the warp whose mean and deviation stand still."""
    loss = losses(points(20, seed=2))
    y, slope = gaussian_process._warp(loss, gap)
    u = numpy.log1p((loss - loss.min()) / gap)
    assert y == pytest.approx((u - u.mean()) / u.std(), rel=1e-12)
    h = 1e-6

    def moved(by: float) -> Floats:
        return numpy.asarray(numpy.log1p((loss + by - loss.min()) / gap) / u.std())

    derivative = (moved(h) - moved(-h)) / (2 * h)
    assert slope == pytest.approx(float(numpy.log(derivative).sum()), rel=1e-6)


def test_length_scales_are_a_maximum_along_each_axis(
    fitted: tuple[Surrogate, Floats, Floats, Floats],
) -> None:
    """No length that is half or twice as long is more likely."""
    surrogate, x, y, _ = fitted
    squares = [apart(axis, x[:, j, None], x[:, j]) for j, axis in enumerate(AXES)]

    def evidence(length: Floats) -> float:
        return float(surrogate._evidence(squares, y[:, None], length, surrogate._noise)[0])

    best = evidence(surrogate._length)
    other: list[Any] = [
        surrogate._length * [f if i == len(AXES) - 1 else 1 for i in range(3)] for f in (0.5, 2.0)
    ]
    assert all(evidence(length) <= best + 1e-5 for length in other)


def test_running_trials_leave_the_mean_alone_and_narrow_the_deviation() -> None:
    """Desautels et al. 2014: they stand where the mean expects them."""
    x = points(30, seed=0)
    running, at = points(4, seed=5), points(50, seed=6)
    alone, beside = (Surrogate(AXES, x, losses(x), them) for them in (NONE, running))
    mean, deviation, _ = alone.predict(at)
    others_mean, others_deviation, _ = beside.predict(at)
    noise = math.sqrt(alone._noise)
    assert others_mean == pytest.approx(mean, abs=10 * noise)
    assert (others_deviation <= deviation + 1e-9).all()
    narrowed = beside.predict(running)[1] < 0.5 * alone.predict(running)[1] + noise
    assert narrowed.all()


def test_the_edge_lies_between_finite_and_diverged_trials() -> None:
    """1 at a finite trial, 0 at a diverged one, half way a half."""
    axes = (Axis(low=0.0, high=1.0),)
    told = numpy.array([[0.0], [0.1], [0.2], [0.8], [1.0]])
    loss = numpy.array([3.0, 2.0, 1.0, numpy.inf, numpy.inf])
    place = Surrogate(axes, told, loss, numpy.empty((0, 1))).predict(
        numpy.array([[0.2], [0.5], [0.8], [0.35]])
    )[2]
    assert place == pytest.approx([1.0, 0.5, 0.0, 0.75], abs=1e-9)


def test_losses_that_are_almost_equal_are_told_apart() -> None:
    """The least difference that is allowed."""
    assert MIN_RISE < 1e-200
    x = points(12, seed=8)
    mean, deviation, _ = Surrogate(AXES, x, 1.0 + 1e-15 * (x[:, 0] > 0.5), NONE).predict(x)
    assert numpy.isfinite(mean).all()
    assert numpy.isfinite(deviation).all()
