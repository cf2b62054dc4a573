"""Points of a user's, as a search has them."""

from __future__ import annotations

import math
from typing import Any

import pytest

from shoal.search.errors import BadInput
from shoal.search.known.points import checked, value_in
from shoal.search.request.amendments.points import points_of
from shoal.search.request.objective import Objective
from shoal.search.space.dimension import Dimension
from shoal.search.space.space import Space, parse

SPACE = Space(
    parse(name, text)
    for name, text in {
        "lr": "1e-6:1e-2:log",
        "optimizer": "sgd,adam",
        "momentum": "0:0.9:0.1 if optimizer=sgd",
        "width": "8:64:int",
        "bias": "True,False",
        "degree": 3,
    }.items()
)


def test_points_are_text_or_tables() -> None:
    """Of plain values, each once, in their order."""
    wanted = ({"lr": 1e-6, "width": 16}, {"bias": True}, {"bias": 1})
    given = ["lr=1e-6, width=16", {"bias": True}, {"lr": "1e-6", "width": 16}, {"bias": 1}]
    assert points_of(given) == wanted
    assert points_of("lr=1e-6") == points_of({"lr": 1e-6}) == ({"lr": 1e-6},)
    assert points_of([]) == ()


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("lr", "'lr' is no point to try; write --try NAME=VALUE,NAME=VALUE, as --try lr=2e-6"),
        ("lr=1,", "is no point to try"),
        ("lr=1,lr=2", "the point 'lr=1,lr=2' names a hyperparameter twice"),
        ([{}], "{} is no point to try"),
        ([{"lr": [1, 2]}], r"a point to try has lr=\[1, 2\]: that is no value"),
        (3, "tries must be a list of points"),
    ],
)
def test_what_is_no_point_is_refused(given: Any, told: str) -> None:
    """One line."""
    with pytest.raises(BadInput, match=told):
        points_of(given)


def test_a_point_has_values_of_the_space_in_its_order() -> None:
    """Of its own types; the objective last."""
    found = checked(
        {"width": 16.0, "loss": 2, "lr": 0.01, "optimizer": "adam", "bias": True},
        SPACE,
        Objective(),
    )
    assert list(found.items()) == [
        ("lr", 0.01),
        ("optimizer", "adam"),
        ("width", 16),
        ("bias", True),
        ("loss", 2.0),
    ]
    assert [type(found[name]) for name in ("width", "loss")] == [int, float]
    found = checked({"momentum": 0.1 + 0.2, "optimizer": "sgd", "degree": 3}, SPACE, Objective())
    assert found == {"optimizer": "sgd", "momentum": 0.3, "degree": 3}


@pytest.mark.parametrize(
    ("point", "told"),
    [
        ({"rate": 1}, "the point rate=1 has rate, which is not in the space; known: lr, optimizer"),
        ({"lr": 1e-7}, "the point lr=1e-07 is not in the space: lr is 1e-06:0.01:log"),
        ({"width": 8.5}, "width is 8:64:int"),
        ({"width": "wide"}, "width is 8:64:int"),
        ({"bias": 1}, "bias is True,False"),
        ({"momentum": 0.25, "optimizer": "sgd"}, "momentum is 0.0:0.9:0.1"),
        ({"degree": 4}, "degree is 3"),
        ({"degree": 3}, "the point degree=3 names no hyperparameter that is searched"),
        ({"momentum": 0.1}, "has no momentum where optimizer=sgd does not hold; name that too"),
        ({"momentum": 0.1, "optimizer": "adam"}, "has no momentum where optimizer=sgd"),
        ({"lr": 1e-3, "loss": math.nan}, "loss must be a number"),
        ({"lr": 1e-3, "loss": "low"}, "loss must be a number"),
        (
            {"lr": 1e-3, "loss": 2.0, "optimizer": "sgd", "width": 9, "bias": True},
            "has a loss, and so needs a value of each hyperparameter: momentum is missing",
        ),
    ],
)
def test_a_point_outside_the_space_is_refused(point: Any, told: str) -> None:
    """With what is allowed."""
    with pytest.raises(BadInput, match=told):
        checked(point, SPACE, Objective())


def test_the_ends_of_a_range_are_in_it() -> None:
    """And nothing beyond."""
    lr: Dimension = SPACE["lr"]
    assert (value_in(lr, 1e-6), value_in(lr, 1e-2)) == (1e-6, 1e-2)
    assert value_in(lr, math.nextafter(1e-2, 1)) is None
    assert value_in(lr, True) is None
