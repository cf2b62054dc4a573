"""The objective: how it is written, and how fits are compared by it."""

from __future__ import annotations

import math

import numpy
import pytest

import shoal
from shoal.search.request.objective import Objective


@pytest.mark.parametrize(
    ("text", "name", "maximize"),
    [("accuracy:max", "accuracy", True), ("loss", "loss", False), ("error:min", "error", False)],
)
def test_it_is_written_as_a_name_and_a_direction(text: str, name: str, maximize: bool) -> None:
    """The lowest is searched for where nothing is said."""
    found = Objective.parse(text)
    assert (found.name, found.maximize) == (name, maximize)
    assert Objective.parse(str(found)) == found


def test_a_name_alone_has_the_problems_own_direction() -> None:
    """Where the problem names that metric; the other direction can be said."""
    own = Objective.parse("accuracy:max")
    assert Objective.parse("accuracy", usual=own) == own
    assert not Objective.parse("accuracy:min", usual=own).maximize
    assert not Objective.parse("error", usual=own).maximize


@pytest.mark.parametrize("text", ["accuracy:best", "", ":max", "a b", "accuracy:", "a:max:min", 3])
def test_anything_else_is_refused(text: object) -> None:
    """With what is allowed."""
    with pytest.raises(shoal.BadInput, match="NAME:min or NAME:max"):
        Objective.parse(text)


def test_scores_are_lower_where_fits_are_better() -> None:
    """What is not finite is worst of all, in both directions; values come back from scores."""
    values = numpy.array([1.0, math.nan, 3.0, -2.0, math.inf])
    low, high = Objective.parse("m:min"), Objective.parse("m:max")
    assert low.scores(values).tolist() == [1.0, math.inf, 3.0, -2.0, math.inf]
    assert high.scores(values).tolist() == [-1.0, math.inf, -3.0, 2.0, math.inf]
    assert low.scores(numpy.array([-math.inf])).tolist() == [math.inf]
    assert [goal.value(float(goal.scores(values)[2])) for goal in (low, high)] == [3.0, 3.0]
