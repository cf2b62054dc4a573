"""Conditions: what they say once fixed parents and nesting are put in, and how they are written."""

from __future__ import annotations

import itertools
import tomllib
from collections.abc import Mapping
from typing import Any

import numpy
import pytest
import tomli_w

from shoal.search.errors import BadInput
from shoal.search.space.conditions import (
    ALWAYS,
    NEVER,
    Alternatives,
    Condition,
    as_plain,
    of_plain,
)
from shoal.search.space.searched import Searched
from shoal.search.space.space import Space, parse

TEXTS = {
    "optimizer": "sgd,momentum,adam",
    "momentum": "0:0.9",
    "schedule": "constant,cosine",
    "nesterov": "0,1",
    "warmup": "0.1",
    "degree": "1:4:int",
    "width": "8:64:int",
    "kind": "wide",
    "lr": "1e-3:1:log",
}


def of(parent: str, *values: Any) -> Condition:
    """A condition."""
    return Condition(parent=parent, values=frozenset(values))


CONDITIONS: Mapping[str, Alternatives] = {
    "momentum": ((of("optimizer", "momentum"),),),
    "nesterov": ((of("degree", 4), of("warmup", 0.1)),),
    "warmup": ((of("schedule", "cosine"),), (of("optimizer", "adam"),)),
    "width": ((of("degree", 2, 3), of("kind", "wide")),),
}


def space_of(conditions: Mapping[str, Alternatives]) -> Space:
    """The space with conditions."""
    return Space((parse(*item) for item in TEXTS.items()), conditions)


def test_without_conditions_all_is_active() -> None:
    """Nothing is conditional, and there is no mask."""
    space = space_of({})
    assert space.conditional == ()
    assert space.when("lr") == ALWAYS
    assert Searched(space).active(dict.fromkeys(TEXTS, numpy.zeros(3)), 3) == {}


def test_a_condition_on_what_is_fixed_holds_or_does_not() -> None:
    """It is not said any more."""
    assert space_of(CONDITIONS).when("width") == ((of("degree", 2, 3),),)
    assert space_of({"width": ((of("kind", "wide"),),)}).when("width") == ALWAYS
    never = space_of({"width": ((of("kind", "deep"),),), "lr": ((of("width", 8),),)})
    assert never.when("width") == never.when("lr") == NEVER
    assert list(Searched(never).dimensions) == [
        "optimizer",
        "momentum",
        "schedule",
        "nesterov",
        "degree",
    ]


def test_a_condition_says_what_its_parent_needs_too() -> None:
    """The parent here is fixed, and active under one of two conditions."""
    assert space_of(CONDITIONS).when("nesterov") == (
        (of("degree", 4), of("schedule", "cosine")),
        (of("degree", 4), of("optimizer", "adam")),
    )


def test_masks_are_those_of_a_plain_reading() -> None:
    """Of every combination of values."""
    space = space_of(CONDITIONS)
    searched = Searched(space)
    rows = list(itertools.product(range(3), range(2), range(1, 5)))
    columns = {name: numpy.zeros(len(rows)) for name in searched.dimensions}
    columns |= {
        name: numpy.array(column)
        for name, column in zip(
            ("optimizer", "schedule", "degree"), zip(*rows, strict=True), strict=True
        )
    }
    found = searched.active(columns, len(rows))
    for i, (optimizer, schedule, degree) in enumerate(rows):
        warm = schedule == 1 or optimizer == 2
        assert {name: bool(mask[i]) for name, mask in found.items()} == {
            "momentum": optimizer == 1,
            "warmup": warm,
            "nesterov": degree == 4 and warm,
            "width": degree in (2, 3),
        }


def test_parents_come_before_what_hangs_on_them() -> None:
    """In the order in which a sampler that asks one by one has to go."""
    chain = {
        "optimizer": ((of("schedule", "cosine"),),),
        "schedule": ((of("degree", 2),),),
        "degree": ((of("width", 8),),),
    }
    order = Searched(space_of(chain)).order
    assert sorted(order) == sorted(n for n in TEXTS if n not in ("warmup", "kind"))
    places = [order.index(name) for name in ("width", "degree", "schedule", "optimizer")]
    assert places == sorted(places)


@pytest.mark.parametrize(
    ("conditions", "told"),
    [
        ({"lr": ((of("speed", 1),),)}, "lr has a condition on speed, which is not in the space"),
        ({"speed": ((of("lr", 1),),)}, "there is a condition for speed, which is not in the space"),
        ({"lr": ((of("lr", 1),),)}, "the conditions go in a circle: lr on lr"),
        (
            {
                "lr": ((of("width", 8),),),
                "width": ((of("degree", 1),),),
                "degree": ((of("lr", 1),),),
            },
            "the conditions go in a circle: degree on lr on width on degree",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(conditions: Any, told: str) -> None:
    """In one line."""
    with pytest.raises(BadInput, match=f"^{told}"):
        space_of(conditions)


def test_conditions_are_written_as_toml_and_read_again() -> None:
    """All of them, in an order that does not change."""
    plain = as_plain(CONDITIONS)
    assert tomllib.loads(tomli_w.dumps(plain)) == plain
    assert of_plain(plain) == CONDITIONS
    assert plain["momentum"] == [{"optimizer": ["momentum"]}]


@pytest.mark.parametrize(
    ("plain", "told"),
    [
        ([], "must be a table of names"),
        ({"lr": {"optimizer": ["sgd"]}}, "each with a list of alternatives"),
        ({"lr": ["sgd"]}, "an alternative is a table"),
        ({"lr": [{"optimizer": []}]}, "the values of optimizer must be a list"),
        ({"lr": [{"optimizer": [[1]]}]}, "the values of optimizer must be a list"),
        ({"lr": [{"optimizer": ["sgd", 1]}]}, "the values of optimizer must be of one kind"),
    ],
)
def test_what_is_no_condition_is_refused(plain: Any, told: str) -> None:
    """In a damaged file."""
    with pytest.raises(TypeError, match=told):
        of_plain(plain)
