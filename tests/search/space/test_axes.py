"""Axes: values become coordinates and ranks, and come back as they were."""

from __future__ import annotations

import math

import numpy
import pytest

from shoal.search.space.axes import Axis, apart, nearest, settle, spread

RANGE = Axis(low=-2.0, high=3.0)
LOG = Axis(low=1e-7, high=1e-1, log=True)
NARROW = Axis(low=1.0, high=1.0 + 2.0**-20, log=True)
WHOLE = Axis(low=1.0, high=5.0, step=1.0)
LOG_WHOLE = Axis(low=8.0, high=256.0, step=1.0, log=True)
QUARTERS = Axis(low=0.0, high=2.0, step=0.25)
TENTHS = Axis(low=-0.3, high=1.1, step=0.1)
CHOICES = Axis(choices=4)

ALL = (RANGE, LOG, NARROW, WHOLE, LOG_WHOLE, QUARTERS, TENTHS, CHOICES)
STEPPED = (WHOLE, LOG_WHOLE, QUARTERS, TENTHS, CHOICES)


def values_of(axis: Axis) -> numpy.ndarray:
    """All values of a stepped axis; of a range many, with its ends."""
    if axis.size:
        return axis.of_ranks(numpy.arange(axis.size, dtype=numpy.uint64))
    rng = numpy.random.default_rng(0)
    return axis.values(numpy.concatenate([[0.0, 1.0], rng.random(500)]))


@pytest.mark.parametrize("axis", STEPPED)
def test_each_value_of_a_stepped_axis_comes_back_from_its_coordinate(axis: Axis) -> None:
    """Exactly, and so does a coordinate anywhere in the value's own cell."""
    values = values_of(axis)
    assert len(set(values.tolist())) == axis.size == axis.count
    assert numpy.array_equal(axis.values(axis.coordinates(values)), values)


@pytest.mark.parametrize("axis", [RANGE, LOG, NARROW])
def test_values_of_a_range_come_back_from_their_coordinates(axis: Axis) -> None:
    """To one part in 2³² of the range, or of its logarithm, and its ends too."""
    values = values_of(axis)
    back = axis.values(axis.coordinates(values))
    assert [back.min(), back.max()] == pytest.approx([axis.low, axis.high], rel=2**-32)
    size = math.log(axis.high / axis.low) if axis is LOG else axis.high - axis.low
    off = abs(numpy.log(back / values)) if axis is LOG else abs(back - values)
    assert off.max() <= 1.01 * size / 2**32


@pytest.mark.parametrize("axis", ALL)
def test_values_come_back_from_their_ranks(axis: Axis) -> None:
    """Exactly, also floats: a rank is how many values are below."""
    values = values_of(axis)
    ranks = axis.ranks(values)
    assert numpy.array_equal(axis.of_ranks(ranks), values)
    assert numpy.array_equal(
        numpy.argsort(ranks, kind="stable"), numpy.argsort(values, kind="stable")
    )
    assert int(ranks.min()) >= 0
    assert int(ranks.max()) < axis.count


@pytest.mark.parametrize("axis", ALL)
def test_coordinates_keep_the_order_and_stay_inside(axis: Axis) -> None:
    """In [0, 1], or the position of a choice."""
    coordinates = axis.coordinates(numpy.sort(values_of(axis)))
    assert (numpy.diff(coordinates) >= 0).all()
    assert coordinates.min() >= 0
    assert coordinates.max() <= max(1, axis.choices - 1)


def test_a_log_range_is_even_on_its_logarithm() -> None:
    """The middle of 1e-7 and 1e-1 is 1e-4; each decade is a sixth."""
    decades = 10.0 ** numpy.arange(-7, 0)
    assert LOG.coordinates(decades) == pytest.approx(numpy.arange(7) / 6, abs=1e-12)
    assert LOG.values(numpy.array([0.5])) == pytest.approx([1e-4], rel=1e-8)


def test_each_value_of_a_stepped_axis_is_in_the_middle_of_a_cell_of_its_own() -> None:
    """Of five values the first is at 0.1; on a logarithm cells are as wide as `widths` says."""
    assert WHOLE.coordinates(values_of(WHOLE)) == pytest.approx([0.1, 0.3, 0.5, 0.7, 0.9])
    rng = numpy.random.default_rng(1)
    drawn = LOG_WHOLE.values(rng.random(200_000))
    values = values_of(LOG_WHOLE)
    widths = LOG_WHOLE.widths(values)
    expected = 200_000 * widths / widths.sum()
    counts = numpy.array([(drawn == value).sum() for value in values])
    assert (abs(counts - expected) < 6 * numpy.sqrt(expected)).all()


def test_steps_have_the_decimals_that_they_are_written_with() -> None:
    """Not those that adding gives; the ends are among them, and are met as often as the others."""
    expected = [-0.3, -0.2, -0.1, 0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1]
    assert values_of(TENTHS).tolist() == expected
    drawn = TENTHS.values(numpy.random.default_rng(0).random(30_000))
    values, counts = numpy.unique(drawn, return_counts=True)
    assert values.tolist() == expected
    assert (abs(counts - 2000) < 6 * math.sqrt(2000)).all()
    thirds = Axis(low=0.0, high=1.0, step=1 / 3)  # as many decimals as there are
    assert values_of(thirds) == pytest.approx([0, 1 / 3, 2 / 3, 1])
    large = Axis(low=1e15, high=1e15 + 8, step=0.5)
    assert values_of(large).tolist() == [1e15 + i / 2 for i in range(17)]


@pytest.mark.parametrize("axis", [WHOLE, LOG_WHOLE, QUARTERS, TENTHS])
def test_how_many_values_are_below_is_counted(axis: Axis) -> None:
    """Below the values themselves, between them and beyond the ends."""
    values = values_of(axis)
    bounds = [*values, *(values + axis.step / 3), values[0] - 9, values[-1] + 9]
    for bound in bounds:
        assert axis.below(bound, included=False) == (values < bound).sum()
        assert axis.below(bound, included=True) == (values <= bound).sum()


@pytest.mark.parametrize("axis", [RANGE, LOG, NARROW])
def test_of_floats_the_rank_says_how_many_are_below(axis: Axis) -> None:
    """Each of them counts; zero has one rank."""
    values = values_of(axis)
    ranks = axis.ranks(values).tolist()
    assert [axis.below(value, included=False) for value in values.tolist()] == ranks
    assert [axis.below(value, included=True) - 1 for value in values.tolist()] == ranks
    assert axis.below(axis.low - 1, included=True) == 0
    assert axis.below(axis.high + 1, included=False) == axis.count
    assert RANGE.below(0.0, included=False) == RANGE.below(-0.0, included=False)


def test_points_settle_once_and_for_all() -> None:
    """On the coordinates of their values; choices are spread evenly first."""
    cube = numpy.random.default_rng(2).random((1000, len(ALL)))
    points = settle(ALL, spread(ALL, cube))
    assert numpy.array_equal(settle(ALL, points), points)
    counts = numpy.bincount(points[:, ALL.index(CHOICES)].astype(int))
    assert (abs(counts - 250) < 5 * math.sqrt(250)).all()


def test_the_nearest_points_are_those_of_a_plain_loop() -> None:
    """Euclid's distance of scaled coordinates; another choice is one apart."""
    axes = (RANGE, LOG, CHOICES)
    rng = numpy.random.default_rng(3)
    points = spread(axes, rng.random((200, 3)))
    focus, scale = points[:5], numpy.array([0.3, 0.1, 1.0])

    def distance(point: numpy.ndarray) -> float:
        return min(
            sum(
                float(a != b) if axis.choices else ((a - b) / s) ** 2
                for axis, a, b, s in zip(axes, point, other, scale, strict=True)
            )
            for other in focus
        )

    by_hand = sorted(sorted(range(200), key=lambda i: distance(points[i]))[:30])
    assert nearest(axes, points, focus, scale, 30).tolist() == by_hand
    assert nearest(axes, points[:20], focus, scale, 30).tolist() == list(range(20))
    assert apart(CHOICES, numpy.array([0.0, 2.0]), numpy.array([0.0, 1.0])).tolist() == [0.0, 1.0]


def test_an_axis_that_one_of_two_points_does_not_have_is_no_distance() -> None:
    """The nearest points are those of a plain loop, whatever stands in the place of what is
    inactive."""
    axes = (
        Axis(low=0.0, high=1.0),
        Axis(choices=3),
        Axis(low=0.0, high=1.0, when=(((1, (1, 2)),),)),
        Axis(choices=2, when=(((1, (1, 3)),),)),
    )
    rng = numpy.random.default_rng(2)
    points = rng.random((200, 4))
    points[:, 1], points[:, 3] = rng.integers(0, 3, 200), rng.integers(0, 2, 200)
    focus, scale = points[:3], numpy.array([0.3, 1.0, 0.2, 1.0])
    points = points[3:]

    def distance(one: numpy.ndarray, other: numpy.ndarray) -> float:
        far = ((one[0] - other[0]) / 0.3) ** 2 + (one[1] != other[1])
        if one[1] == other[1] == 1:
            far += ((one[2] - other[2]) / 0.2) ** 2
        if one[1] > 0 and other[1] > 0:
            far += one[3] != other[3]
        return float(far)

    far = [min(distance(point, other) for other in focus) for point in points]
    expected = numpy.sort(numpy.argsort(far, kind="stable")[:40])
    assert nearest(axes, points, focus, scale, 40).tolist() == expected.tolist()
