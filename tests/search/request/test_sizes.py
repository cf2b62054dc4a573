"""Rounds: how many trials are drawn at once, and how many packs that keeps in flight."""

from __future__ import annotations

import pytest

from shoal.search.preparation.preparation import prepare
from shoal.search.request.asked import Asked
from shoal.search.request.sizes import in_flight, lanes_of_a_round


@pytest.mark.parametrize(
    ("trials", "fused", "unfused"),
    [(1, 4, 16), (64, 4, 16), (256, 8, 16), (1024, 32, 64), (2048, 64, 128), (32768, 2048, 2048)],
)
def test_rounds_are_many_where_they_are_cheap(trials: int, fused: int, unfused: int) -> None:
    """By the number of trials alone; a kernel takes few lanes as cheaply as many."""
    assert lanes_of_a_round(trials, fused=True) == fused
    assert lanes_of_a_round(trials, fused=False) == unfused


def test_two_rounds_are_in_flight() -> None:
    """Of a search that has as many lanes."""
    usual = {"trials": 64, "replicates": 3, "round": 8, "pack": 5}
    assert in_flight(prepare(Asked.of(usual), None).request) == 10  # 48 lanes by 5
    assert in_flight(prepare(Asked.of({**usual, "trials": 9}), None).request) == 6  # all 27
