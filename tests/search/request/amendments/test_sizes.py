"""The sizes of rounds and packs, by a trial's number alone."""

from __future__ import annotations

import itertools

import pytest

from shoal.search.request.amendments.sizes import (
    fits_of_pack,
    power_of_two,
    starts_of,
    trials_of_round,
)


@pytest.mark.parametrize(
    ("first", "trials"),
    [(0, 16), (63, 16), (64, 32), (256, 32), (511, 32), (512, 64), (1024, 128), (4000, 256)],
)
def test_a_round_has_an_eighth_of_what_was_there_at_the_last_power_of_two(
    first: int, trials: int
) -> None:
    """And 32 trials at the least, after the first ones."""
    assert trials_of_round(first) == trials


def test_powers_of_two_end_with_a_round() -> None:
    """So that no round of 1,024 trials, or of 4,096, is cut."""
    starts = starts_of(0, 5000, None).tolist()
    assert {64, 128, 256, 512, 1024, 2048, 4096} < set(starts)
    assert starts[0] == 0
    assert starts[-2] < 5000 <= starts[-1]
    assert all(b - a == trials_of_round(a) for a, b in itertools.pairwise(starts))


@pytest.mark.parametrize("stop", [1, 8, 9, 100, 1024, 1025, 4095])
def test_a_longer_search_has_the_rounds_of_a_shorter_one(stop: int) -> None:
    """Whatever the end is."""
    longer = starts_of(0, 10_000, None).tolist()
    assert starts_of(0, stop, None).tolist() == longer[: len(starts_of(0, stop, None))]
    assert starts_of(0, stop, 7).tolist() == list(range(0, stop + 7, 7))[: -(-stop // 7) + 1]


def test_rounds_after_a_cut_one_are_where_they_are_usually() -> None:
    """At multiples of their size."""
    assert starts_of(1000, 1100, None).tolist() == [1000, 1024, 1152]


@pytest.mark.parametrize(
    ("fits", "pack"), [(8, 8), (64, 64), (128, 64), (256, 128), (300, 128), (10**6, 4096)]
)
def test_a_pack_has_half_of_a_round(fits: int, pack: int) -> None:
    """64 fits at the least, where there are so many, and 4,096 at the most."""
    assert fits_of_pack(fits) == pack


def test_powers_of_two() -> None:
    """The largest that is not above a number."""
    assert [power_of_two(n) for n in (0, 1, 2, 3, 4, 1023, 1024)] == [0, 1, 2, 2, 4, 512, 1024]
