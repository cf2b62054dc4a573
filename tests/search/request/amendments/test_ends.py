"""What ends a search before it has all of its trials."""

from __future__ import annotations

import math
from typing import Any

import numpy
import pytest

from shoal.search.errors import BadInput
from shoal.search.request.amendments.amendment import Amendment, ends_at, stages_of
from shoal.search.request.amendments.ends import UPDATES, End, Ended, Ends, ended_of, ends_of
from shoal.search.request.objective import Objective

FALLS = [3.0, math.nan, 2.0, math.inf, 2.0]
"""Two trials after the best one, of which one is as good."""


@pytest.mark.parametrize(
    ("text", "scores", "since", "come"),
    [
        ("stalled:2", FALLS, 0, True),
        ("stalled:3", FALLS, 0, False),
        ("stalled:2", FALLS, 4, False),  # one trial of this request is there
        ("stalled:1", FALLS, 4, True),
        ("stalled:3", [math.nan, math.inf, math.nan], 0, True),
        ("stalled:1", [], 0, False),
        ("below:2", FALLS, 0, False),
        ("below:2.5", FALLS, 9, True),
        ("above:-2", FALLS, 0, False),  # scores of what is maximised: -2 is the best
        ("above:-2.5", FALLS, 0, True),
        ("below:0", [math.inf, math.nan], 0, False),
    ],
)
def test_an_end_comes(text: str, scores: list[float], since: int, come: bool) -> None:
    """By the trials in their order; what has failed or diverged is never the best."""
    assert End.parse(text).come(numpy.array(scores), since) is come


def test_updates_end_a_search_too() -> None:
    """And all that has come at once is told."""
    ends = Ends(stop_when=("below:2.5", "stalled:9"), max_updates=100, since=0)
    assert ends.come(numpy.array(FALLS), 99) == ("below:2.5",)
    assert ends.come(numpy.array(FALLS), 100) == ("below:2.5", UPDATES)
    assert not Ends(stop_when=(), max_updates=0, since=0)


def test_ends_are_written_in_one_way() -> None:
    """In one order, each once."""
    assert ends_of(["stalled:20", "below:8.820", "stalled:2e1"]) == ("below:8.82", "stalled:20")
    assert ends_of("below:-1e-3") == ("below:-0.001",)
    assert ends_of("none") == ends_of(()) == ()


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("patience:3", "an end of --stop-when is stalled:N, below:X or above:X, as stalled:200"),
        ("below", "not 'below'"),
        ("below:inf", "not 'below:inf'"),
        ("stalled:few", "not 'stalled:few'"),
        ("stalled:0", "stalled must have a number of trials, from 1 on, not 0"),
        ("stalled:1.5", "from 1 on, not 1.5"),
        ([3], "not 3"),
        (3, r"stop_when must be a list of ends, as \['stalled:200'\], not 3"),
    ],
)
def test_what_is_no_end_is_refused(given: Any, told: str) -> None:
    """One line."""
    with pytest.raises(BadInput, match=told):
        ends_of(given)


def test_an_end_of_the_worst_trials_is_refused() -> None:
    """With what to write."""
    with pytest.raises(BadInput, match=r"below:0.9 would end .* accuracy:max .* write above:0.9"):
        Objective.parse("accuracy:max").check_ends(["below:0.9"])
    with pytest.raises(BadInput, match="write below:1"):
        Objective.parse("loss").check_ends(["stalled:3", "above:1"])


def test_what_has_come_is_dropped_where_there_is_more() -> None:
    """Unless it is given again; what has not come stays, and `stalled` counts from there on."""
    first = Ends(stop_when=("below:1", "stalled:9"), max_updates=50, since=0)
    more = (
        Amendment(name="trials", before=100, number=200),
        Amendment(name="trials", before=200, number=300, stop_when=("stalled:9",)),
    )
    ended = [
        Ended(request=0, trials=48, ends=("stalled:9", UPDATES)),
        Ended(request=1, trials=128, ends=("below:1",)),
    ]
    stages = stages_of(300, 1, more, ended)
    assert stages == ((48, 1, 0), (128, 1, 0), (300, 1, 0))
    assert ends_at(first, (), stages, ended) == first
    now = ends_at(first, more[:1], stages, ended)
    assert now == Ends(stop_when=("below:1",), max_updates=0, since=0)
    now = ends_at(first, more, stages, ended)
    assert now == Ends(stop_when=("stalled:9",), max_updates=0, since=128)


def test_what_has_ended_is_read_as_it_is_written() -> None:
    """And nothing else is."""
    ended = (Ended(request=0, trials=48, ends=("stalled:9", UPDATES)),)
    plain = [each.as_dict() for each in ended]
    assert ended_of(plain) == ended
    for wrong in (
        [{**plain[0], "trials": -1}],
        [{**plain[0], "ends": []}],
        [*plain, *plain],
        [{**plain[0], "ends": ["soon"]}],
        [{**plain[0], "request": "0"}],
    ):
        with pytest.raises(ValueError, match=r"each is a request|an end of --stop-when"):
            ended_of(wrong)
    with pytest.raises(TypeError, match="must be a list"):
        ended_of("stalled:9")
