"""Amendments as search.toml holds them."""

from __future__ import annotations

from typing import Any

import pytest

from shoal.search.request.amendments.amendment import (
    amendments_of,
    first_of,
    stages_of,
    totals,
)

FIRST = {"trials": 8, "replicates": 1}
LISTED: list[Any] = [
    {"trials": 16},
    {"replicates": 3},
    {"trials": 20, "stop_when": ["stalled:4"], "max_updates": 0, "tries": [{"lr": 1.0}]},
]


def test_a_list_is_read_as_it_is_written() -> None:
    """With how many there were before each."""
    found = amendments_of(LISTED, FIRST)
    assert [each.as_dict() for each in found] == LISTED
    assert [each.before for each in found] == [8, 1, 16]
    assert [each[:2] for each in stages_of(20, 3, found)] == [(8, 1), (16, 1), (16, 3), (20, 3)]
    assert first_of(20, 3, found) == FIRST
    assert stages_of(8, 1, (), given=[2]) == ((8, 1, 2),)


def test_a_config_that_was_a_search_asks_for_all_that_it_had() -> None:
    """Of a file that a user has written nothing is taken."""
    wanted: dict[str, Any] = {
        "trials": 20,
        "replicates": 3,
        "stop_when": ["stalled:4"],
        "max_updates": 0,
    }
    wanted["tries"] = [{"lr": 2.0}, {"lr": 1.0}]
    assert totals({**FIRST, "tries": [{"lr": 2.0}], "amendments": LISTED}) == wanted
    ended = [{"request": 0, "trials": 12, "ends": ["below:1", "max-updates"]}]
    held = {**FIRST, "stop_when": ["below:1", "stalled:9"], "ended": ended}
    left = {"trials": 16, "stop_when": ["stalled:9"], "max_updates": 0}
    assert totals({**held, "amendments": LISTED[:1]}) == left
    assert totals({**held, "amendments": []}) == {}
    assert totals(FIRST) == {}
    assert totals({"amendments": "nonsense"}) == {}


@pytest.mark.parametrize(
    ("plain", "told"),
    [
        ("more", "must be a list"),
        ([16], "each is trials or replicates, not 16"),
        ([{"steps": 16}], "each is trials or replicates"),
        ([{"trials": 16, "replicates": 3}], "each is trials or replicates"),
        ([{"trials": 8}], "trials must be more than 8, not 8"),
        ([{"trials": 16}, {"trials": 12}], "trials must be more than 16, not 12"),
        ([{"replicates": True}], "replicates must be more than 1, not True"),
        ([{"trials": "16"}], "trials must be more than 8, not '16'"),
        ([{"trials": 16, "max_updates": 1.5}], "max_updates must be a whole number, not 1.5"),
        ([{"trials": 16, "stop_when": ["soon"]}], "an end of --stop-when"),
        ([{"stop_when": []}], "each is trials or replicates"),
    ],
)
def test_what_is_no_list_of_them_is_refused(plain: Any, told: str) -> None:
    """The message says what is wrong."""
    with pytest.raises((TypeError, ValueError), match=told):
        amendments_of(plain, FIRST)
