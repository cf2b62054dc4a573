"""The sampler of rounds: Optuna's own tests for samplers, and what a round promises."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable

import numpy
import pyarrow as pa
import pytest
from optuna.samplers import BaseSampler
from optuna.testing.pytest_samplers import (
    BasicSamplerTestCase,
    RelativeSamplerTestCase,
    SingleOnlySamplerTestCase,
)

from shoal.search.samplers.rounds import RoundSampler
from shoal.search.samplers.sampler import Columns, Earlier
from shoal.search.samplers.studies.adapter import RoundTPESampler
from shoal.search.samplers.tpe import START
from shoal.search.space.space import Space, parse

MIXED = {
    "lr": "1e-7:1e-3:log",
    "momentum": "0:0.99",
    "width": "8:256:int:log",
    "degree": "1:5:int",
    "optimizer": "sgd,momentum,adam",
    "batch": "16,32,64",
    "beta": "0.9,0.99",
    "decay": "0.5",
}
"""Every kind of dimension."""


class TestOptunasOwn(BasicSamplerTestCase, RelativeSamplerTestCase, SingleOnlySamplerTestCase):
    """As a sampler of Optuna's it passes the tests that Optuna ships for samplers."""

    @pytest.fixture
    def sampler(self) -> Callable[[], BaseSampler]:
        """Return what makes one."""
        return lambda: RoundTPESampler(seed=0)


def space_of(texts: dict[str, str]) -> Space:
    """The space that texts write."""
    return Space(parse(name, text) for name, text in texts.items())


def search_by(
    texts: dict[str, str],
    trials: int,
    size: int,
    name: str = "tpe",
    seed: int = 0,
    loss: Callable[[Columns], numpy.ndarray] = lambda c: (numpy.log10(c["lr"]) + 5) ** 2,
) -> list[Columns]:
    """Ask for rounds as a search does, one behind; return their values as the results have them."""
    space = space_of(texts)
    sampler = RoundSampler(name, seed, space)
    rounds: list[Columns] = []
    kept: list[Columns] = []
    losses: list[numpy.ndarray] = []
    for k, first in enumerate(range(0, trials, size)):
        count = min(size, trials - first)
        earlier = Earlier(
            columns={
                n: numpy.concatenate([c[n] for c in kept]) if kept else column
                for n, column in sampler.empty(0).items()
            },
            scores=numpy.concatenate(losses[:-1]) if len(losses) > 1 else numpy.empty(0),
        )
        columns = sampler.ask(k, first, count, earlier, threading.Event())
        kept.append(columns)
        rounds.append(sampler.values(columns, count))
        losses.append(loss(rounds[-1]))
    return rounds


@pytest.mark.parametrize("name", ["tpe", "qmc", "random", "optuna-tpe"])
def test_every_value_is_of_the_space(name: str) -> None:
    """Ranges keep their ends, whole numbers are whole, choices are those given, the fixed fixed."""
    space = space_of(MIXED)
    for values in search_by(MIXED, trials=96, size=24, name=name):
        assert list(values) == list(MIXED)
        for dimension in space.values():
            column = values[dimension.name]
            assert len(column) == 24
            if dimension.choices:
                assert set(column.tolist()) <= set(dimension.choices)
            else:
                assert column.dtype == (numpy.int64 if dimension.integer else numpy.float64)
                assert dimension.low <= column.min()
                assert column.max() <= dimension.high


@pytest.mark.parametrize("name", ["tpe", "qmc", "random"])
def test_the_seed_decides(name: str) -> None:
    """The same seed draws the same lanes, bit for bit, and another one others."""
    one, again, other = (search_by(MIXED, 64, 16, name, seed)[-1] for seed in (3, 3, 4))
    assert all(numpy.array_equal(one[n], again[n]) for n in MIXED)
    assert not numpy.array_equal(one["lr"], other["lr"])


def test_columns_come_back_from_the_results_as_they_were() -> None:
    """Each kind of dimension, written as results and read again, is what it was."""
    space = space_of(MIXED)
    sampler = RoundSampler("tpe", 0, space)
    empty = Earlier(columns=sampler.empty(0), scores=numpy.empty(0))
    columns = sampler.ask(0, 0, 50, empty, threading.Event())
    read = sampler.read(pa.table(sampler.values(columns, 50)))
    assert list(read) == [n for n in MIXED if n != "decay"]
    assert all(numpy.array_equal(read[n], columns[n]) for n in read)


def test_a_search_closes_in_on_the_best() -> None:
    """Over eight rounds of 32 the median distance to the best lr falls by ten at least."""
    rounds = search_by({"lr": "1e-7:1e-3:log"}, trials=256, size=32)
    far = [float(numpy.median(numpy.abs(numpy.log10(v["lr"]) + 5))) for v in rounds]
    assert far[-1] < far[0] / 10


def test_the_first_rounds_are_spread_evenly() -> None:
    """Of the first 32 trials of one dimension, each 32nd of the range has one."""
    rounds = search_by({"lr": "1e-7:1e-3:log"}, trials=32, size=16)
    lr = numpy.concatenate([v["lr"] for v in rounds])
    place = numpy.sort(numpy.floor((numpy.log10(lr) + 7) / 4 * 32))
    assert place.tolist() == list(range(32))


@pytest.mark.parametrize("cut", [7, 16, 64])
def test_the_sequence_goes_on_where_a_round_ended(cut: int) -> None:
    """QMC: rounds of any size are pieces of one sequence."""
    whole = search_by(MIXED, 64, 64, "qmc")[0]
    pieces = search_by(MIXED, 64, cut, "qmc")
    for name in MIXED:
        assert numpy.array_equal(numpy.concatenate([v[name] for v in pieces]), whole[name])


def test_no_trial_is_repeated_while_there_are_other_values() -> None:
    """60 values in 60 trials: each once; in 80, each at least once."""
    texts = {"width": "1:20:int", "optimizer": "sgd,momentum,adam"}
    for trials in (60, 80):
        rounds = search_by(texts, trials, 20, loss=lambda c: c["width"] + (c["optimizer"] == "sgd"))
        pairs = [p for v in rounds for p in zip(v["width"], v["optimizer"], strict=True)]
        assert len(set(pairs)) == 60


def test_lanes_of_a_continuous_space_are_all_different() -> None:
    """Also where the loss is a plateau, and where only its edge is good."""
    for edge in (numpy.inf, 1e-5):
        rounds = search_by(
            {"lr": "1e-7:1e-3:log"},
            512,
            64,
            loss=lambda c, edge=edge: numpy.where(c["lr"] < edge, 1.0, numpy.inf),
        )
        assert len(numpy.unique(numpy.concatenate([v["lr"] for v in rounds]))) == 512


def test_a_round_may_know_nothing_but_divergence_and_failure() -> None:
    """All diverged, all failed, or fewer finite losses than it takes: the sequence goes on."""
    for bad in (numpy.inf, numpy.nan):

        def loss(columns: Columns, bad: float = bad) -> numpy.ndarray:
            losses = numpy.full(len(columns["lr"]), bad)
            losses[: START - 1] = 1.0 if math.isinf(bad) else bad
            return losses

        rounds = search_by({"lr": "1e-7:1e-3:log"}, 32, 16, loss=loss)
        sequence = search_by({"lr": "1e-7:1e-3:log"}, 32, 16, "qmc")
        assert numpy.array_equal(rounds[-1]["lr"], sequence[-1]["lr"])


def test_lanes_keep_from_what_diverges() -> None:
    """Where a third of the range diverges, and the best is at its edge, few later lanes diverge."""
    rounds = search_by(
        {"lr": "1e-8:1e-4:log"},
        1024,
        128,
        loss=lambda c: numpy.where(c["lr"] < 3.5e-6, -numpy.log(c["lr"]), numpy.inf),
    )
    diverged = float((rounds[-1]["lr"] >= 3.5e-6).mean())
    assert diverged < 0.5
    best = max(float(v["lr"][v["lr"] < 3.5e-6].max()) for v in rounds)
    assert best > 3.5e-6 * (1 - 1e-4)


@pytest.mark.parametrize("scale", [1e-300, 1e300])
def test_losses_may_be_of_any_size(scale: float) -> None:
    """Losses near the ends of float64 are told from each other, or at least do no harm."""
    rounds = search_by(
        {"lr": "1e-7:1e-3:log"}, 128, 16, loss=lambda c: scale * (numpy.log10(c["lr"]) + 5) ** 2 / 9
    )
    assert numpy.isfinite(numpy.concatenate([v["lr"] for v in rounds])).all()


def test_many_trials_may_be_equally_good() -> None:
    """More than the model takes in: a floor that is reached exactly."""
    flat = search_by(
        {"lr": "1e-8:1e-4:log"},
        600,
        40,
        loss=lambda c: numpy.maximum(numpy.abs(numpy.log10(c["lr"]) + 6) - 1, 0.0),
    )
    assert numpy.concatenate([c["lr"] for c in flat]).size == 600


def test_thousands_of_lanes_cost_little(record_property: Callable[[str, object], None]) -> None:
    """A round of 20,000 after 100,000 trials in three dimensions is drawn whole."""
    texts = {"lr": "1e-7:1e-3:log", "momentum": "0:0.99", "optimizer": "sgd,adam"}
    rounds = search_by(texts, 120_000, 20_000)
    assert sum(len(v["lr"]) for v in rounds) == 120_000
    record_property("measured", f"{len(rounds)} rounds of 20,000")
