"""A round that has more trials than are left in the space begins with those that are new."""

from __future__ import annotations

import threading

import numpy
import pytest

from shoal.search.samplers import Earlier, RoundSampler
from shoal.search.space import Space, parse

NEVER = threading.Event()


def asked(sampler: RoundSampler, round_: int, earlier: list[int]) -> list[int]:
    """A round of 16 trials of one choice, after those of the same round as running."""
    columns = {"x": numpy.array(earlier, dtype=numpy.int32)}
    known = Earlier(columns=columns, scores=numpy.empty(0))
    return [int(x) for x in sampler.ask(round_, len(earlier), 16, known, NEVER)["x"]]


@pytest.mark.parametrize("name", ["tpe", "qmc"])
@pytest.mark.parametrize("seed", range(5))
def test_of_a_space_of_three_all_come_before_one_comes_again(name: str, seed: int) -> None:
    """A search may end after three, though sixteen are asked."""
    space = Space([parse("lr", "3e-3"), parse("x", "0,1,100")])
    assert sorted(asked(RoundSampler(name, seed, space, new_first=True), 0, [])[:3]) == [0, 1, 2]


@pytest.mark.parametrize("seed", range(5))
def test_what_is_left_after_a_round_comes_first_in_the_next(seed: int) -> None:
    """Four of twenty."""
    space = Space([parse("x", ",".join(map(str, range(20))))])
    sampler = RoundSampler("tpe", seed, space, new_first=True)
    first = asked(sampler, 0, [])
    assert len(set(first)) == 16
    assert sorted({*first, *asked(sampler, 1, first)[:4]}) == list(range(20))


def test_where_enough_are_left_nothing_is_moved() -> None:
    """The trials are those that the sampler gave, in its order; so are those of a search that an
    earlier version has begun."""
    space = Space([parse("x", ",".join(map(str, range(32))))])
    new, plain = (RoundSampler("tpe", 0, space, new_first=new) for new in (True, False))
    assert asked(new, 0, []) == asked(plain, 0, [])
    few = Space([parse("x", "0,1,100")])
    assert any(
        sorted(asked(RoundSampler("tpe", seed, few), 0, [])[:3]) != [0, 1, 2] for seed in range(5)
    )
