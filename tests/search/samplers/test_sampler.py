"""What every sampler keeps to, each row of the table alike."""

from __future__ import annotations

import threading

import numpy
import pytest

from shoal.search.request.settings import BY_NAME
from shoal.search.samplers.rounds import RoundSampler
from shoal.search.samplers.sampler import SAMPLERS, Columns, Earlier
from shoal.search.space.space import Space, parse

TEXTS = {
    "lr": "1e-5:1e-1:log",
    "momentum": "0:0.99",
    "width": "4:64:int",
    "depth": "1:1024:int:log",
    "optimizer": "sgd,momentum,adam",
    "decay": "0.5",
}
SPACE = Space(parse(name, text) for name, text in TEXTS.items())
ROUND = 16

by_name = pytest.mark.parametrize("name", SAMPLERS)


def earlier(sampler: RoundSampler, columns: list[Columns]) -> Earlier:
    """All these rounds, and losses of all but the last: some diverged, one failed."""
    empty = sampler.empty(0)
    joined = {n: numpy.concatenate([empty[n], *(c[n] for c in columns)]) for n in empty}
    told = ROUND * max(0, len(columns) - 1)
    loss = numpy.log(joined["lr"][:told] + 1e-3) ** 2
    loss[1::7], loss[3:4] = numpy.inf, numpy.nan
    return Earlier(columns=joined, scores=loss)


def rounds(name: str, seed: int, count: int = 4) -> list[Columns]:
    """The first rounds of a search."""
    sampler, found = RoundSampler(name, seed, SPACE), list[Columns]()
    for k in range(count):
        known = earlier(sampler, found)
        found.append(sampler.ask(k, k * ROUND, ROUND, known, threading.Event()))
    return found


def test_each_sampler_can_be_asked_for() -> None:
    """The setting's choices are the table's rows."""
    assert set(BY_NAME["sampler"].choices) == set(SAMPLERS)


@by_name
def test_values_are_of_the_space(name: str) -> None:
    """So many of each searched hyperparameter, within its bounds, of its type."""
    for columns in rounds(name, seed=3):
        assert list(columns) == [n for n in TEXTS if n != "decay"]
        assert {len(column) for column in columns.values()} == {ROUND}
        assert ((columns["lr"] >= 1e-5) & (columns["lr"] <= 1e-1)).all()
        assert ((columns["momentum"] >= 0) & (columns["momentum"] <= 0.99)).all()
        for integer, low, high in (("width", 4, 64), ("depth", 1, 1024)):
            assert columns[integer].dtype == numpy.int64
            assert ((columns[integer] >= low) & (columns[integer] <= high)).all()
        assert set(columns["optimizer"]) <= {0, 1, 2}


@by_name
def test_the_same_seed_gives_the_same_trials_and_another_seed_others(name: str) -> None:
    """Whichever process asks, and in whatever order: a round by itself too."""
    one, same, other = rounds(name, 3), rounds(name, 3), rounds(name, 4)
    for columns, again in zip(one, same, strict=True):
        for key in columns:
            assert (columns[key] == again[key]).all()
    assert any((a["lr"] != b["lr"]).any() for a, b in zip(one, other, strict=True))
    alone = RoundSampler(name, 3, SPACE)
    known = earlier(alone, one[:3])
    last = alone.ask(3, 3 * ROUND, ROUND, known, threading.Event())
    assert all((last[key] == one[3][key]).all() for key in last)


@by_name
def test_what_learns_says_so(name: str) -> None:
    """Losses change the trials of a sampler that learns, and of no other."""
    sampler = RoundSampler(name, 3, SPACE)
    found = rounds(name, 3)
    known = earlier(sampler, found[:3])
    turned = Earlier(columns=known.columns, scores=-known.scores)
    now = threading.Event()
    as_told = sampler.ask(3, 3 * ROUND, ROUND, known, now)
    otherwise = sampler.ask(3, 3 * ROUND, ROUND, turned, now)
    changed = any((as_told[key] != otherwise[key]).any() for key in as_told)
    assert changed == sampler.learns
