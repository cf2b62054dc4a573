"""The Sobol' sequence: that of torch from any point on, and its equidistribution.

Sobol' 1967: of the first 2ᵐ points each of 2ᵐ equal intervals of an axis has one; of the first two
axes, each of 2ᵐ equal boxes, whatever their shape (a (0, m, 2)-net). Scrambling keeps it.
"""

from __future__ import annotations

import math

import numpy
import pytest
import torch

from shoal.search.samplers.sobol import Unrepeated, sequence
from shoal.search.space.axes import Axis


@pytest.mark.parametrize(("axes", "seed"), [(1, 0), (2, 7), (9, 12345)])
@pytest.mark.parametrize("first", [0, 1, 5, 1000])
def test_it_is_torchs_sequence_from_any_point_on(axes: int, seed: int, first: int) -> None:
    """Bit for bit what ``torch.quasirandom.SobolEngine`` draws in one go."""
    engine = torch.quasirandom.SobolEngine(axes, scramble=True, seed=seed)  # type: ignore[no-untyped-call]  # torch has no types there
    whole = engine.draw(first + 64, dtype=torch.float64).numpy()
    assert numpy.array_equal(sequence(axes, first, 64, seed), whole[first:])


def test_the_default_dtype_of_a_problem_changes_no_point() -> None:
    """Torch makes the first point of its default dtype."""
    usual = sequence(3, 0, 8, seed=1)
    torch.set_default_dtype(torch.float64)
    try:
        assert numpy.array_equal(sequence(3, 0, 8, seed=1), usual)
    finally:
        torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("seed", range(4))
def test_each_interval_of_each_axis_has_one_point(seed: int) -> None:
    """Of the first 256 points, and of each 256 after them."""
    for first in (0, 256, 512):
        cells = numpy.floor(sequence(8, first, 256, seed) * 256).astype(int)
        for axis in range(8):
            assert sorted(cells[:, axis]) == list(range(256))


@pytest.mark.parametrize("seed", range(4))
def test_each_box_of_two_axes_has_one_point(seed: int) -> None:
    """Boxes of 2⁻ᵃ by 2⁻ᵇ with a + b = 8."""
    points = sequence(2, 0, 256, seed)
    for a in range(9):
        sides = numpy.array([2**a, 2 ** (8 - a)])
        boxes = numpy.floor(points * sides).astype(int) @ numpy.array([sides[1], 1])
        assert sorted(boxes) == list(range(256)), f"{a=}"


def test_an_integral_is_found_faster_than_by_random_points() -> None:
    """∫ Π (1 + (xⱼ - ½)) dx = 1: with n = 4,096 far below 1/√n times the integrand's deviation."""
    points = sequence(4, 0, 4096, seed=3)
    deviation = math.sqrt((1 + 1 / 12) ** 4 - 1)
    error = abs(float((1 + (points - 0.5)).prod(axis=1).mean()) - 1)
    assert error < 0.05 * deviation / math.sqrt(4096)


def test_a_small_space_is_passed_through_once_before_a_value_comes_again() -> None:
    """3 × 5 values: each fifteen trials have each of them once."""
    axes = [Axis(choices=3), Axis(low=1.0, high=5.0, step=1.0)]
    columns = Unrepeated(axes, seed=0).values(0, 45)
    pairs = list(zip(*(column.tolist() for column in columns), strict=True))
    for first in range(0, 45, 15):
        assert len(set(pairs[first : first + 15])) == 15
