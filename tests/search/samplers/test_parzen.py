"""The Parzen estimator against its closed form in float64, component by component.

With the centre c of a component, its covariance Σ = L Lᵀ (that of its nearest neighbours, with
Scott's bandwidth h = k^(-1/(q+4)) for k components of q ranges), and p the trials near it:

    l(x) / g(x) = (Σ_good w + prior · share) / (Σ_all w + prior)
    w = exp(-½ ((x - p)ᵀ Σ⁻¹ (x - p) + 4 · choices that differ))
"""

from __future__ import annotations

import math

import numpy
import pytest
from numpy.typing import NDArray

from shoal.search.samplers.parzen import LEVELS, MUTATION, OTHER_CHOICE, PRIOR, Mixture
from shoal.search.space.axes import Axis

Floats = NDArray[numpy.float64]

AXES = (Axis(low=0.0, high=1.0), Axis(low=1.0, high=9.0, step=1.0), Axis(choices=3))
RANGES, CHOICE = [0, 1], 2
TRIALS = 30
"""So few that all of them are near."""


def trials(spread: float = 0.5) -> tuple[Floats, Floats]:
    """Coordinates about the middle, and losses: the last three diverged."""
    rng = numpy.random.default_rng(4)
    told = 0.5 + spread * (rng.random((TRIALS, 3)) - 0.5)
    told[:, CHOICE] = rng.integers(0, 3, TRIALS)
    loss = ((told[:, RANGES] - 0.5) ** 2).sum(axis=1) + 0.01 * told[:, CHOICE]
    loss[-3:] = numpy.inf
    return told, loss


def sizes() -> list[int]:
    """How many trials of each level are good."""
    return [min(TRIALS - 3, max(low, min(high, round(q * TRIALS)))) for q, low, high in LEVELS]


def covariance(centres: Floats, i: int) -> Floats:
    """That of component `i` of one level, by a plain loop."""
    k, q = len(centres), len(RANGES)
    offsets = [other[RANGES] - centres[i, RANGES] for other in centres]
    far = [
        float(offset @ offset) + 10.0 * (other[CHOICE] != centres[i, CHOICE])
        for offset, other in zip(offsets, centres, strict=True)
    ]
    m = min(k, max(q + 2, k // 3))
    near = sorted(range(k), key=lambda j: far[j])[:m]
    whole = sum(numpy.outer(offsets[j], offsets[j]) for j in near) / m
    shrunk = whole * m / (m + q)  # few neighbours tell little of how axes go together
    floor = 1e-3 * whole.diagonal().max() + 1e-18
    cells = numpy.array([0.0, 0.5 / 9])
    shrunk[[0, 1], [0, 1]] = whole.diagonal() + floor + cells**2
    return numpy.asarray(shrunk * k ** (-2 / (q + 4)))


@pytest.fixture(scope="module")
def mixture() -> Mixture:
    """That of the trials; one more is running."""
    told, loss = trials()
    return Mixture(AXES, told, loss, numpy.array([[0.5, 0.5, 1.0]]))


def components() -> list[tuple[Floats, Floats, int]]:
    """Centre, covariance and the level's number of good trials of each component."""
    told, loss = trials()
    best = told[numpy.argsort(loss, kind="stable")]
    return [(best[i], covariance(best[:k], i), k) for k in sizes() for i in range(k)]


def test_components_stand_at_the_best_trials_of_each_level(mixture: Mixture) -> None:
    """The few best, more, and many: one component for each."""
    assert mixture.centre.tolist() == [centre.tolist() for centre, _, _ in components()]


def test_candidates_have_the_components_mean_and_covariance(mixture: Mixture) -> None:
    """20,000 draws of each of a few components, at two scales: to five standard errors."""
    count, every = 20_000, components()
    rng = numpy.random.default_rng(0)
    centre = numpy.array([[0.5, 0.5, 2.0]])  # far from the ends: nothing is reflected
    for which in (0, 5, len(every) - 1):
        for scale in (1.0, 0.5):
            points, z = mixture.around(numpy.array([which]), centre, count, scale, rng)
            inside = points[0][:, RANGES]
            expected = scale**2 * every[which][1]
            error = 5 / math.sqrt(count)
            deviation = numpy.sqrt(expected.diagonal())
            assert (abs(inside.mean(axis=0) - 0.5) < error * deviation).all()
            found = numpy.cov(inside.T, bias=True)
            assert (abs(found - expected) < error * 2 * numpy.outer(deviation, deviation)).all()
            assert z[0].std(axis=0) == pytest.approx([scale, scale], rel=5 / math.sqrt(2 * count))
            moved = float((points[0][:, CHOICE] != 2.0).mean())
            chance = MUTATION * 2 / 3  # of three choices, drawn uniformly
            assert abs(moved - chance) < 5 * math.sqrt(chance * (1 - chance) / count)


def test_the_density_ratio_is_that_of_the_closed_form(mixture: Mixture) -> None:
    """For each component, by a loop over all trials."""
    told, loss = trials()
    order = numpy.argsort(loss, kind="stable")
    pool = numpy.concatenate([told[order], [[0.5, 0.5, 1.0]]])  # as they rank, then the running one
    rng = numpy.random.default_rng(1)
    every = components()
    which = numpy.arange(len(every))
    points, z = mixture.around(which, mixture.centre, 3, 0.3, rng)
    found = mixture.ratio(which, points, z)
    for i, (centre, sigma, k) in enumerate(every):
        root = numpy.linalg.cholesky(sigma)
        for c in range(3):
            x = centre[RANGES] + root @ z[i, c]
            good = all_ = 0.0
            for rank, trial in enumerate(pool):
                offset = x - trial[RANGES]
                distance = float(offset @ numpy.linalg.solve(sigma, offset))
                distance += OTHER_CHOICE * float(trial[CHOICE] != points[i, c, CHOICE])
                weight = math.exp(-0.5 * distance)
                all_ += weight
                good += weight * (rank < k)
            expected = (good + PRIOR * k / TRIALS) / (all_ + PRIOR)
            assert found[i, c] == pytest.approx(expected, rel=1e-9)


def test_candidates_beyond_an_end_are_reflected(mixture: Mixture) -> None:
    """Nothing leaves the unit cube, and nothing gathers on its faces."""
    rng = numpy.random.default_rng(2)
    centre = numpy.array([[0.0, 1.0, 0.0]])
    points, _ = mixture.around(numpy.array([len(mixture.centre) - 1]), centre, 10_000, 1.0, rng)
    inside = points[0][:, RANGES]
    two = numpy.array([len(mixture.centre) - 1] * 2)
    ends, _ = mixture.around(two, numpy.repeat(centre, 2, axis=0), 100, 1.0, rng)
    assert numpy.isin(ends[1][:, RANGES], (0, 1)).mean() > 0.4  # but for one lane of some
    assert (inside >= 0).all()
    assert (inside <= 1).all()
    assert ((inside == 0) | (inside == 1)).mean() < 0.01
    # half of a normal distribution: E |x| = σ √(2/π)
    deviation = math.sqrt(components()[-1][1][0, 0])
    assert inside[:, 0].mean() == pytest.approx(deviation * math.sqrt(2 / math.pi), rel=0.05)


def test_lanes_are_shared_equally_among_the_levels(mixture: Mixture) -> None:
    """A third for each level, and within it evenly over its components."""
    lanes = 30_000
    rng = numpy.random.default_rng(3)
    component = mixture.assign((numpy.arange(lanes) + 0.5) / lanes, rng)
    expected = numpy.concatenate([numpy.full(k, lanes / len(LEVELS) / k) for k in sizes()])
    counts = numpy.bincount(component, minlength=len(expected))
    assert (abs(counts - expected) < 5 * numpy.sqrt(expected)).all()


BRANCHED = (
    Axis(low=0.0, high=1.0, when=(((2, (1, 2)),),)),
    Axis(low=0.0, high=1.0),
    Axis(choices=3),
)
"""The first is active where the choice is 1; in z it comes last."""
SHARED, OWN = 1, 0


def branched() -> tuple[Floats, Floats]:
    """As many trials, in an order in which those that have the axis are neither first nor last."""
    rng = numpy.random.default_rng(8)
    told = rng.random((TRIALS, 3))
    told[:, CHOICE] = rng.integers(0, 3, TRIALS)
    told[told[:, CHOICE] != 1, OWN] = 0.5
    loss = (told[:, SHARED] - 0.4) ** 2 + 0.3 * (told[:, OWN] - 0.6 * told[:, SHARED]) ** 2
    loss[told[:, CHOICE] == 2] += 0.05
    loss[-2:] = numpy.inf
    return told, loss


def branched_covariance(centres: Floats, i: int) -> Floats:
    """That of component `i`, of (shared, own), by a plain loop: `own` of the neighbours that have
    it, and where the component has no such neighbour, that of what is uniform."""
    k, has = len(centres), centres[:, CHOICE] == 1
    steps = centres[:, [SHARED, OWN]] - centres[i, [SHARED, OWN]]
    steps[~(has & has[i]), 1] = 0.0
    far = (steps**2).sum(axis=1) + 10.0 * (centres[:, CHOICE] != centres[i, CHOICE])
    near = numpy.argsort(far, kind="stable")[: min(k, max(4, k // 3))]
    m, own = len(near), int((has[near] & has[i]).sum())
    whole = steps[near].T @ steps[near] / m
    if own > 1:
        whole[1, 1] *= m / own
        whole[0, 1] *= math.sqrt(m / own)
        whole[1, 0] = whole[0, 1]
    found = whole * m / (m + 2)
    found[[0, 1], [0, 1]] = whole.diagonal() + 1e-3 * whole.diagonal().max() + 1e-18
    if own < 2:
        found = numpy.diag([found[0, 0], 1 / 12])
    return numpy.asarray(found * k ** (-2 / 6))


def test_an_axis_counts_where_it_is_active_at_both() -> None:
    """The ratio is that of the closed form, in which an axis that one of two trials does not have
    is marginalised out; whatever stands in its place."""
    told, loss = branched()
    running = numpy.array([[0.3, 0.5, 1.0]])
    mixture = Mixture(BRANCHED, told, loss, running)
    order = numpy.argsort(loss, kind="stable")
    pool, best = numpy.concatenate([told[order], running]), told[order]
    levels = [min(TRIALS - 2, max(low, min(high, round(q * TRIALS)))) for q, low, high in LEVELS]
    every = [(best[i], branched_covariance(best[:k], i), k) for k in levels for i in range(k)]
    rng = numpy.random.default_rng(1)
    which = numpy.arange(len(every))
    points, z = mixture.around(which, mixture.centre, 40, 0.1, rng)
    found = mixture.ratio(which, points, z)
    kinds = set()
    for i, (centre, sigma, k) in enumerate(every):
        root = numpy.linalg.cholesky(sigma)
        for c in range(40):
            x, choice = centre[[SHARED, OWN]] + root @ z[i, c], points[i, c, CHOICE]
            if choice == 1:
                assert points[i, c, [SHARED, OWN]] == pytest.approx(reflected(x), abs=1e-12)
            else:
                assert points[i, c, OWN] == 0.5
            kinds.add((bool(centre[CHOICE] == 1), bool(choice == 1)))
            good = all_ = 0.0
            for rank, trial in enumerate(pool):
                both = choice == 1 and trial[CHOICE] == 1
                offset = (x - trial[[SHARED, OWN]])[: 1 + both]
                distance = float(offset @ numpy.linalg.solve(sigma[: 1 + both, : 1 + both], offset))
                weight = math.exp(-0.5 * (distance + OTHER_CHOICE * float(trial[CHOICE] != choice)))
                all_ += weight
                good += weight * (rank < k)
            assert found[i, c] == pytest.approx(
                (good + PRIOR * k / TRIALS) / (all_ + PRIOR), rel=1e-9
            )
    assert len(kinds) == 4


def reflected(x: Floats) -> Floats:
    """Coordinates back in the unit cube."""
    x = abs(x)
    return numpy.clip(numpy.where(x > 1, 2 - x, x), 0, 1)


def test_coordinates_of_inactive_axes_have_no_say() -> None:
    """Of two axes, one of which some trials have without the other, and of more trials than are
    near: whatever stands there, candidates and their ratios are the same."""
    axes = (
        Axis(low=0.0, high=1.0, when=(((3, (2, 3)),),)),
        Axis(low=0.0, high=1.0, when=(((3, (1, 3)),),)),
        Axis(low=0.0, high=1.0),
        Axis(choices=3),
    )
    rng = numpy.random.default_rng(12)
    told = rng.random((160, 4))
    told[:, 3] = rng.integers(0, 3, 160)
    loss = (told[:, 2] - 0.4) ** 2 + numpy.where(
        told[:, 3] > 0, (told[:, 1] - told[:, 2]) ** 2, 0.1
    )
    loss += numpy.where(told[:, 3] == 2, (told[:, 0] - told[:, 1]) ** 2, 0.05)
    mixtures = []
    for _ in range(2):
        told[told[:, 3] < 2, 0] = rng.random((told[:, 3] < 2).sum())
        told[told[:, 3] < 1, 1] = rng.random((told[:, 3] < 1).sum())
        mixtures.append(Mixture(axes, told[:140], loss[:140], told[140:]))
    which = numpy.arange(len(mixtures[0].centre))
    found = []
    for mixture in mixtures:
        points, z = mixture.around(which, mixture.centre, 20, 1.0, numpy.random.default_rng(0))
        found.append((points, mixture.ratio(which, points, z)))
    assert numpy.array_equal(found[0][0], found[1][0])
    assert found[0][1] == pytest.approx(found[1][1], rel=1e-9)
