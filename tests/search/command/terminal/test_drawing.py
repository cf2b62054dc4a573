"""Drawings in text."""

from __future__ import annotations

import numpy
import pytest

from shoal.search.command.terminal import Axis, drawn


@pytest.mark.parametrize("width", [24, 80, 133])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    """With long names and numbers too."""
    x = Axis(
        name="a very long name of a hyperparameter, indeed", values=numpy.linspace(1e-9, 1, 50)
    )
    y = Axis(name="loss" * 40, values=numpy.geomspace(1e-300, 1e300, 50))
    for plain in (False, True):
        lines = drawn(x, y, width, plain).splitlines()
        assert max(map(len, lines)) <= width
        assert len(lines) == 1 + 12 + 2


def test_points_stand_where_their_values_are() -> None:
    """A line that rises: its first dot is at the lower left, its last at the upper right; on a log
    axis, even ratios are even distances."""
    rising = numpy.arange(10.0)
    lines = drawn(
        Axis(name="x", values=rising), Axis(name="y", values=rising), 40, True
    ).splitlines()
    field = [line.partition("|")[2] for line in lines[1:13]]
    assert field[-1][0] == "*"
    assert len(field[0]) == max(map(len, field))
    assert field[0][-1] == "*"
    columns = [min(i for i, c in enumerate(row) if c == "*") for row in field if "*" in row]
    assert columns == sorted(columns, reverse=True)
    powers = 10.0 ** numpy.arange(10)
    logged = drawn(Axis(name="x", values=rising), Axis(name="y", values=powers), 44, True)
    assert [line.partition("|")[2] for line in logged.splitlines()[1:13]] == field
    assert logged.startswith("y, log\n")


def test_what_is_not_finite_is_counted_and_left_out() -> None:
    """Nothing but that is no drawing."""
    values = numpy.array([1.0, numpy.inf, numpy.nan, 2.0])
    text = drawn(Axis(name="x", values=numpy.arange(4)), Axis(name="y", values=values), 40)
    assert text.splitlines()[0].startswith("y (2 of 4 are not finite")
    none = Axis(name="y", values=values[1:3])
    assert drawn(Axis(name="x", values=numpy.arange(2)), none, 60).endswith("\nno points")
    one = drawn(Axis(name="x", values=values[:1]), Axis(name="y", values=values[:1]), 40, True)
    assert one.count("*") == 1
