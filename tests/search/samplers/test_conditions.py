"""Samplers where hyperparameters hang on numbers, on truth values, on several and on each other."""

from __future__ import annotations

import threading

import numpy
import pyarrow as pa
import pytest

from shoal.search.samplers.rounds import RoundSampler
from shoal.search.samplers.sampler import SAMPLERS, Columns, Earlier, may_repeat
from shoal.search.space.searched import Searched
from shoal.search.space.space import Space, parse

TEXTS = {
    "lr": "1e-4:1:log",
    "layers": "1:4:int",
    "bias": "True,False",
    "width2": "8:64:8:int if layers>=2",
    "gain": "0:1:0.1 if layers>=2 and lr<0.1",
    "depth": "1,2,3 if width2>=32 or bias=False",
}

by_name = pytest.mark.parametrize("name", SAMPLERS)
learning = pytest.mark.parametrize("name", ["tpe", "optuna-tpe"])


def space_of(texts: dict[str, str] = TEXTS) -> Space:
    """A space as it is written."""
    return Space(parse(*item) for item in texts.items())


def rows_of(space: Space, table: Columns) -> list[dict[str, object]]:
    """The trials of a table, without what is not active in them."""
    count = len(table["lr"])
    return [
        {name: table[name][i] for name in space if table[name][i] is not numpy.ma.masked}
        for i in range(count)
    ]


def loss_of(rows: list[dict[str, object]]) -> numpy.ndarray:
    """Best with lr 0.01, three layers and a gain of 0.3, at 0."""
    return numpy.array(
        [
            abs(numpy.log10(row["lr"]) + 2)
            + abs(row["layers"] - 3)
            + (abs(row["gain"] - 0.3) if "gain" in row else 1.0)
            for row in rows
        ]
    )


def searched(
    space: Space, trials: int, size: int, name: str, seed: int = 0
) -> tuple[Columns, list[dict[str, object]], numpy.ndarray]:
    """Search as a search does; return what samplers see, the trials and the losses."""
    sampler = RoundSampler(name, seed, space)
    columns, losses = sampler.empty(0), numpy.empty(0)
    rows: list[dict[str, object]] = []
    for k, first in enumerate(range(0, trials, size)):
        active = sampler.active(columns, first)
        earlier = Earlier(columns=columns, scores=losses[: max(0, first - size)], active=active)
        count = min(size, trials - first)
        new = sampler.ask(k, first, count, earlier, threading.Event())
        columns = {n: numpy.concatenate([columns[n], new[n]]) for n in columns}
        found = rows_of(space, sampler.values(new, count))
        rows += found
        losses = numpy.append(losses, loss_of(found))
    return columns, rows, losses


def expected(row: dict[str, object]) -> set[str]:
    """What a trial has, by a plain reading of the conditions."""
    has = {"lr", "layers", "bias"}
    if row["layers"] >= 2:
        has |= {"width2"}
        if row["lr"] < 0.1:
            has |= {"gain"}
    if row.get("width2", 0) >= 32 or not row["bias"]:
        has |= {"depth"}
    return has


@by_name
def test_a_trial_has_what_its_conditions_say(name: str) -> None:
    """And each value is one of those that are written."""
    space = space_of()
    _, rows, _ = searched(space, 96, 24, name)
    assert all(set(row) == expected(row) for row in rows)
    assert {row["width2"] for row in rows if "width2" in row} <= set(range(8, 65, 8))
    assert {row["gain"] for row in rows if "gain" in row} <= {i / 10 for i in range(11)}
    branches = {frozenset(row) for row in rows}
    assert len(branches) >= 4


@by_name
def test_what_a_sampler_sees_is_never_no_number(name: str) -> None:
    """Where a hyperparameter is not active stands its first value, and a mask says so."""
    space = space_of()
    columns, rows, _ = searched(space, 48, 12, name)
    masks = RoundSampler(name, 0, space).active(columns, 48)
    assert set(masks) == {"width2", "gain", "depth"}
    for conditional, first in (("width2", 8), ("gain", 0.0), ("depth", 0)):
        assert masks[conditional].tolist() == [conditional in row for row in rows]
        assert (columns[conditional][~masks[conditional]] == first).all()
    assert all(numpy.isfinite(column.astype(float)).all() for column in columns.values())


@by_name
def test_the_table_is_read_back_as_it_was(name: str) -> None:
    """With nulls, and steps."""
    space = space_of()
    columns, _, _ = searched(space, 48, 12, name)
    sampler = RoundSampler(name, 0, space)
    table = {n: pa.array(column) for n, column in sampler.values(columns, 48).items()}
    read = sampler.read(pa.table(table))
    assert all(numpy.array_equal(read[n], columns[n]) for n in columns)


@learning
def test_what_is_inactive_has_no_say(name: str) -> None:
    """Whatever stands in the place of what hangs on numbers, the next round is the same; and what
    is active has one."""
    space = space_of()
    columns, _, losses = searched(space, 96, 24, name)
    sampler, rng = RoundSampler(name, 0, space), numpy.random.default_rng(1)
    active = sampler.active(columns, 96)

    def next_round(of: Columns) -> Columns:
        earlier = Earlier(columns=of, scores=losses[:72], active=active)
        return sampler.ask(4, 96, 24, earlier, threading.Event())

    def with_other(name: str, where: numpy.ndarray) -> Columns:
        new = {
            "width2": 8 * rng.integers(1, 9, 96),
            "gain": rng.integers(0, 11, 96) / 10,
            "depth": rng.integers(0, 3, 96),
        }[name]
        changed = numpy.where(where, new, columns[name])
        assert not numpy.array_equal(changed, columns[name])
        return {**columns, name: changed}

    before = next_round(columns)
    for conditional in ("gain", "depth"):  # nothing hangs on these
        same = next_round(with_other(conditional, ~active[conditional]))
        assert all(numpy.array_equal(before[n], same[n]) for n in before)
        other = next_round(with_other(conditional, active[conditional]))
        assert not all(numpy.array_equal(before[n], other[n]) for n in before)


SPACES = {
    "whole numbers": ({"lr": "0.1,0.2", "n": "1:6:int", "m": "1,2,3 if n>=5"}, 2 * (4 + 2 * 3)),
    "steps": ({"lr": "0.1", "g": "0:1:0.1", "m": "1:5:int if g>0.3 and g!=0.7"}, 5 + 6 * 5),
    "nested": (
        {"lr": "0.1", "n": "1:4:int", "m": "1:4:int if n>2", "k": "a,b if m in 2,3"},
        2 + 2 * (2 + 2 * 2),
    ),
    "or": (
        {"lr": "0.1,0.2", "b": "True,False", "n": "1:3:int", "m": "1:9:int if b=True or n=3"},
        2 * (3 * 9 + 2 + 9),
    ),
    "a parent of thousands": ({"lr": "0.1", "n": "1:3000:int:log", "m": "1,2 if n>2998"}, 3002),
    "of a few floats": (
        {"lr": "1:1.0000000000000009", "m": "1,2,3 if lr>1.0000000000000002"},
        2 + 9,
    ),
}


@pytest.mark.parametrize("name", [name for name in SAMPLERS if not may_repeat(name)])
@pytest.mark.parametrize("which", SPACES)
def test_no_fit_is_done_twice(which: str, name: str) -> None:
    """Two trials that differ in what is not active are one: each different one comes once, and
    there are so many."""
    texts, count = SPACES[which]
    space = space_of(texts)
    assert Searched(space).count == count
    sampler = RoundSampler(name, 0, space)
    columns, size = sampler.empty(0), max(1, count // 5)
    losses = numpy.arange(count) % 7.0
    for k, first in enumerate(range(0, count, size)):
        earlier = Earlier(
            columns=columns,
            scores=losses[: max(0, first - size)],
            active=sampler.active(columns, first),
        )
        new = sampler.ask(k, first, min(size, count - first), earlier, threading.Event())
        columns = {n: numpy.concatenate([columns[n], new[n]]) for n in columns}
    rows = rows_of(space, sampler.values(columns, count))
    assert len({tuple(row.items()) for row in rows}) == count


def test_a_branch_with_few_trials_beside_one_with_more_than_can_be_counted() -> None:
    """Its trials come once each all the same, though they are the best by far."""
    texts = {"lr": "0.1", "eps": "1e-8:1e-3:log", "k": "1,2 if eps>=1e-5", "n": "1,2 if eps<1e-5"}
    texts["kind"] = "sgd,adam"
    texts["eps"] += " if kind=adam"
    space = space_of(texts)
    sampler = RoundSampler("tpe", 0, space)
    columns, losses = sampler.empty(0), numpy.empty(0)
    for k, first in enumerate(range(0, 64, 8)):
        earlier = Earlier(
            columns=columns,
            scores=losses[: max(0, first - 8)],
            active=sampler.active(columns, first),
        )
        new = sampler.ask(k, first, 8, earlier, threading.Event())
        columns = {n: numpy.concatenate([columns[n], new[n]]) for n in columns}
        losses = numpy.append(losses, 1.0 * new["kind"])
    rows = rows_of(space, sampler.values(columns, 64))
    assert sum(row["kind"] == "sgd" for row in rows) == 1
    assert len({tuple(row.items()) for row in rows}) == 64


@pytest.mark.parametrize("name", ["tpe", "optuna-tpe"])
def test_a_search_closes_in_on_what_hangs_on_numbers(name: str) -> None:
    """With three layers, a learning rate below a tenth, and the step of the gain that is best."""
    least = [searched(space_of(), 96, 12, name, seed=s)[2].min() for s in range(5)]
    rather = [searched(space_of(), 96, 12, "random", seed=s)[2].min() for s in range(5)]
    assert numpy.median(least) < numpy.median(rather) / 2
