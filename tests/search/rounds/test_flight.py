"""How many packs rounds keep in flight, and what the user is told of workers without any."""

from __future__ import annotations

from typing import Any

import pytest

from shoal.search.preparation.preparation import prepare
from shoal.search.request.asked import Asked
from shoal.search.rounds.flight import idle, in_flight

USUAL: dict[str, Any] = {"trials": 64, "replicates": 3, "round": 8, "pack": 5}


@pytest.mark.parametrize(
    ("asked", "packs"),
    [
        (USUAL, 10),  # 48 fits by 5
        ({**USUAL, "trials": 9}, 6),  # all 27
        ({"trials": 8}, 1),
        ({"trials": 40}, 2),
        ({"trials": 1024}, 2),  # of 64 trials each
        ({"trials": 4096}, 4),
        ({"trials": 4096, "replicates": 2}, 4),
        ({"trials": 1000}, 2),  # the last one is cut
    ],
)
def test_two_rounds_are_in_flight(asked: dict[str, Any], packs: int) -> None:
    """The last two, which are the largest, of a search that has as many fits."""
    assert in_flight(prepare(Asked.of(asked), None).request) == packs


def test_workers_without_work_are_told_and_how_to_have_some() -> None:
    """By sizes as they are at the end."""
    request = prepare(Asked.of({"trials": 1024}), None).request
    assert idle(request, 2) == ""
    assert idle(request, 6) == (
        "4 of 6 workers will stand idle: there is work for 2 at a time; a smaller --pack than 64 "
        "or a larger --round than 64 helps"
    )
