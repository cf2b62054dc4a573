"""Samplers where hyperparameters are active in some trials only."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy
import optuna
import pyarrow as pa
import pytest

from shoal.search.samplers.gaussian_process import Surrogate
from shoal.search.samplers.parzen import Mixture
from shoal.search.samplers.rounds import RoundSampler
from shoal.search.samplers.sampler import SAMPLERS, Columns, Earlier, may_repeat
from shoal.search.samplers.studies.adapter import RoundTPESampler
from shoal.search.space.conditions import Condition
from shoal.search.space.searched import Searched
from shoal.search.space.space import Space, parse

TEXTS = {
    "lr": "1e-5:1:log",
    "optimizer": "sgd,momentum,adam",
    "momentum": "0:0.99",
    "beta1": "0.5,0.9,0.99",
    "eps": "1e-8",
    "width": "1:64:int:log",
}
OF = {"momentum": "momentum", "beta1": "adam", "eps": "adam", "width": "adam"}
"""Which optimizer has them."""

Loss = Callable[[Columns], numpy.ndarray]

by_name = pytest.mark.parametrize("name", SAMPLERS)
learning = pytest.mark.parametrize("name", ["tpe", "optuna-tpe"])


def space_of(texts: dict[str, str], conditional: bool = True) -> Space:
    """The space of texts, where some are of one optimizer only."""
    conditions = {
        name: ((Condition(parent="optimizer", values=frozenset({owner})),),)
        for name, owner in OF.items()
        if name in texts and conditional
    }
    return Space((parse(*item) for item in texts.items()), conditions)


def known(sampler: RoundSampler, columns: Columns, losses: numpy.ndarray) -> Earlier:
    """What is known after some trials, of which the last have no loss yet."""
    count = len(next(iter(columns.values())))
    return Earlier(columns=columns, scores=losses, active=sampler.active(columns, count))


def searched(
    space: Space, trials: int, size: int, loss: Loss, name: str = "tpe", seed: int = 0
) -> tuple[Columns, Columns, numpy.ndarray]:
    """Search as a search does; return what samplers see, what the table has, and the losses."""
    sampler = RoundSampler(name, seed, space)
    columns, losses = sampler.empty(0), numpy.empty(0)
    for k, first in enumerate(range(0, trials, size)):
        earlier = known(sampler, columns, losses[: max(0, first - size)])
        count = min(size, trials - first)
        asked = sampler.ask(k, first, count, earlier, threading.Event())
        columns = {n: numpy.concatenate([columns[n], asked[n]]) for n in columns}
        losses = numpy.append(losses, loss(sampler.values(asked, count)))
    return columns, sampler.values(columns, trials), losses


def number(columns: Columns, name: str) -> numpy.ndarray:
    """A column as floats, 0 where it is not active."""
    return numpy.ma.filled(numpy.ma.asarray(columns[name]).astype(float), 0.0)


def valley(columns: Columns) -> numpy.ndarray:
    """Each optimizer has a learning rate of its own; momentum is the best at 0.95, and adam at a
    beta1 of 0.9; sgd diverges at large ones."""
    lr, optimizer = numpy.log10(columns["lr"]), numpy.asarray(columns["optimizer"])
    sgd = numpy.where(lr > -0.3, numpy.inf, 0.5 + (lr + 0.5) ** 2)
    momentum = 20 * (number(columns, "momentum") - 0.95) ** 2 + (lr + 2) ** 2
    adam = 0.2 + (lr + 3) ** 2 + 0.5 * (number(columns, "beta1") != 0.9)
    return numpy.select([optimizer == "sgd", optimizer == "momentum"], [sgd, momentum], adam)


@by_name
def test_a_trial_has_what_its_optimizer_has(name: str) -> None:
    """And nothing else: null in the table, the first value for a sampler."""
    columns, table, _ = searched(space_of(TEXTS), 120, 24, valley, name)
    for each, owner in OF.items():
        assert (table[each].mask == (table["optimizer"] != owner)).all()
        if each in columns:
            inactive = columns[each][table[each].mask]
            assert set(inactive.tolist()) <= {0, 1}
            assert len(set(inactive.tolist())) == 1
    assert set(table["optimizer"]) == {"sgd", "momentum", "adam"}
    assert not isinstance(table["lr"], numpy.ma.MaskedArray)
    assert len(set(table["momentum"].compressed())) > 10
    assert set(table["beta1"].compressed()) == {0.5, 0.9, 0.99}


@by_name
def test_the_table_is_read_back_as_it_was(name: str) -> None:
    """Nulls and all, as arrow has them."""
    space = space_of(TEXTS)
    columns, table, _ = searched(space, 60, 20, valley, name)
    arrow = pa.table({n: pa.array(column) for n, column in table.items()})
    assert arrow["eps"].null_count == int((table["optimizer"] != "adam").sum())
    read = RoundSampler(name, 0, space).read(arrow)
    assert list(read) == list(columns)
    assert all(numpy.array_equal(read[n], columns[n]) for n in columns)
    assert all(read[n].dtype == columns[n].dtype for n in columns)


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"optimizer": "sgd", "momentum": 0.5}, "momentum has a value in a trial that has no mom"),
        ({"optimizer": "momentum", "momentum": None}, "a value of momentum is none of 0.0:0.99"),
        ({"optimizer": "adam", "beta1": None, "eps": 1e-8, "width": 3}, "a value of beta1 is none"),
        ({"optimizer": "adam", "beta1": 0.5, "eps": None, "width": 3}, "a value of eps is none of"),
        ({"optimizer": "adam", "beta1": 0.7, "eps": 1e-8, "width": 3}, "a value of beta1 is none"),
        ({"optimizer": "sgd", "lr": None}, "a value of lr is none of"),
    ],
)
def test_a_table_of_another_search_is_told(row: dict[str, Any], told: str) -> None:
    """What has a value where it is not active, or none where it is."""
    types = {"optimizer": pa.string(), "width": pa.int64()}
    schema = pa.schema([(name, types.get(name, pa.float64())) for name in TEXTS])
    empty: dict[str, Any] = dict.fromkeys(TEXTS)
    rows = pa.Table.from_pylist([{**empty, "lr": 0.1, **row}], schema=schema)
    with pytest.raises(ValueError, match=f"^{told}"):
        RoundSampler("tpe", 0, space_of(TEXTS)).read(rows)


@learning
def test_what_is_inactive_has_no_say(name: str) -> None:
    """Whatever stands there, NaN too, the next round is the same."""
    space = space_of(TEXTS)
    columns, _, losses = searched(space, 96, 24, valley, name)
    sampler, rng = RoundSampler(name, 0, space), numpy.random.default_rng(1)
    active = sampler.active(columns, 96)
    other = dict(columns)
    other["momentum"] = numpy.where(active["momentum"], columns["momentum"], rng.random(96))
    other["momentum"][numpy.flatnonzero(~active["momentum"])[0]] = numpy.nan
    other["beta1"] = numpy.where(active["beta1"], columns["beta1"], rng.integers(0, 3, 96))
    assert not numpy.array_equal(other["beta1"], columns["beta1"])
    one, same = (
        sampler.ask(4, 96, 24, Earlier(columns=c, scores=losses[:72], active=active), now())
        for c in (columns, other)
    )
    assert all(numpy.array_equal(one[n], same[n]) for n in one)


def now() -> threading.Event:
    """What is not stopped."""
    return threading.Event()


SPACES = {
    "three": ({"optimizer": "sgd,momentum", "momentum": "0.5,0.9", "lr": "0.1"}, 3),
    "choices": ({"optimizer": "sgd,momentum,adam", "momentum": "0,0.5,0.9", "lr": "0.1,0.2"}, 10),
    "integers": ({"lr": "1e-3,1e-2", "optimizer": "sgd,adam", "width": "1:64:int:log"}, 130),
    "thousands": ({"lr": "0.1,0.2", "optimizer": "sgd,adam", "width": "1:3000:int:log"}, 6002),
    "all of adam's": (
        {
            "lr": "0.1",
            "optimizer": "sgd,adam",
            "beta1": "0.5,0.9",
            "eps": "1e-8",
            "width": "1:4:int",
        },
        9,
    ),
}


@pytest.mark.parametrize("name", [name for name in SAMPLERS if not may_repeat(name)])
@pytest.mark.parametrize("which", SPACES)
def test_no_fit_is_done_twice(which: str, name: str) -> None:
    """Each different trial once, whatever is inactive in it; and there are so many."""
    texts, count = SPACES[which]
    space = space_of(texts)
    assert Searched(space).count == count

    def loss(columns: Columns) -> numpy.ndarray:
        rest = numpy.arange(len(columns["lr"])) % 5
        return rest + 3.0 * (numpy.asarray(columns["optimizer"]) == "sgd")

    _, table, _ = searched(space, count, max(1, count // 7), loss, name)
    trials = set(zip(*(column.tolist() for column in table.values()), strict=True))
    assert len(trials) == count


def test_a_space_with_floats_has_more_trials_than_can_be_counted() -> None:
    """So a search of it ends when it is told to."""
    assert Searched(space_of(TEXTS)).count is None


def test_an_optimizer_without_hyperparameters_is_tried_once_where_all_else_is_fixed() -> None:
    """All later trials are of the others, though it is by far the best."""
    texts = {"lr": "0.1", "optimizer": "sgd,momentum", "momentum": "0:0.99"}
    for name in ("tpe", "qmc"):
        _, table, _ = searched(
            space_of(texts), 64, 8, lambda c: 1.0 * (numpy.asarray(c["optimizer"]) != "sgd"), name
        )
        assert (table["optimizer"] == "sgd").sum() == 1
        assert len(set(table["momentum"].compressed())) == 63


def test_rounds_of_any_size_are_pieces_of_one_sequence() -> None:
    """QMC, with what is inactive left out."""
    whole = searched(space_of(TEXTS), 64, 64, valley, "qmc")[0]
    pieces = searched(space_of(TEXTS), 64, 7, valley, "qmc")[0]
    assert all(numpy.array_equal(whole[n], pieces[n]) for n in whole)


def test_the_process_knows_nothing_of_inactive_coordinates() -> None:
    """Its mean, deviation and edge are the same for any; finite also where an axis has one trial or
    none."""
    axes = Searched(space_of(TEXTS)).axes
    rng = numpy.random.default_rng(3)
    told = rng.random((60, 5))
    told[:, 1], told[:, 3] = rng.integers(0, 3, 60), rng.integers(0, 3, 60)
    told[told[:, 1] == 2, 1] = 0  # no adam
    told[:5, 1] = 1
    told[5:, 1] = 0
    told[0, 1] = 2  # but one
    loss = (told[:, 0] - 0.3) ** 2 + 0.1 * told[:, 1]
    loss[40:] = numpy.inf
    other = numpy.where(numpy.arange(60)[:, None] > 4, rng.random((60, 5)), told)
    other[:, :2], other[:, 3] = told[:, :2], told[:, 3]
    points = rng.random((50, 5))
    points[:, 1], points[:, 3] = rng.integers(0, 3, 50), rng.integers(0, 3, 50)
    moved = points.copy()
    moved[:, 2] = numpy.where(points[:, 1] == 1, points[:, 2], rng.random(50))
    moved[:, 4] = numpy.where(points[:, 1] == 2, points[:, 4], rng.random(50))
    first = Surrogate(axes, told, loss, told[:3]).predict(points)
    again = Surrogate(axes, other, loss, told[:3]).predict(moved)
    for one, two in zip(first, again, strict=True):
        assert numpy.isfinite(one).all()
        assert numpy.array_equal(one, two)


def test_candidates_are_of_their_branch() -> None:
    """Where a candidate has another optimizer than its component, what that brings is drawn
    uniformly, and what it does not have is the coordinate that stands for all."""
    axes = Searched(space_of({n: TEXTS[n] for n in ("lr", "optimizer", "momentum")})).axes
    rng = numpy.random.default_rng(5)
    told = rng.random((40, 3))
    told[:, 1] = 0.0  # sgd alone
    told[:, 2] = 0.5
    mixture = Mixture(axes, told, (told[:, 0] - 0.4) ** 2, told[:0])
    component = mixture.assign((numpy.arange(400) + 0.5) / 400, rng)
    points, z = mixture.around(component, mixture.centre[component], 50, 1.0, rng)
    flat = points.reshape(-1, 3)
    has = flat[:, 1] == 1
    assert 0.02 < has.mean() < 0.08  # a third of the mutations
    assert set(flat[~has, 2]) == {0.5}
    counts, _ = numpy.histogram(flat[has, 2], bins=10, range=(0, 1))
    assert counts.min() > 0.6 * counts.mean()
    ratio = mixture.ratio(component, points, z)
    assert numpy.isfinite(ratio).all()
    # sgd's trials tell nothing of momentum
    elsewhere = z.copy()
    elsewhere[:, :, 1] = rng.standard_normal(z.shape[:2])
    assert numpy.array_equal(mixture.ratio(component, points, elsewhere), ratio)


@pytest.mark.parametrize("best", ["sgd", "momentum"])
def test_a_search_closes_in_on_the_best_of_its_branch(best: str) -> None:
    """Whichever optimizer it is of; the median of ten seeds, and of most seeds."""

    def loss(columns: Columns) -> numpy.ndarray:
        return valley(columns) + 2.0 * (numpy.asarray(columns["optimizer"]) != best)

    floor = {"sgd": 0.5, "momentum": 0.0}[best]
    least = [searched(space_of(TEXTS), 128, 16, loss, seed=s)[2].min() - floor for s in range(10)]
    assert numpy.median(least) < 2e-3
    assert max(least) < 0.1


def test_a_search_is_not_misled_by_values_that_mean_nothing() -> None:
    """With as many trials it comes nearer to the best of sgd than one that takes what sgd does not
    have for something: the median of ten seeds, by five at least."""

    def loss(columns: Columns) -> numpy.ndarray:
        return valley(columns) + 2.0 * (numpy.asarray(columns["optimizer"]) != "sgd") - 0.5

    least = [
        [searched(space_of(TEXTS, conditional), 64, 8, loss, seed=s)[2].min() for s in range(10)]
        for conditional in (True, False)
    ]
    assert numpy.median(least[0]) < numpy.median(least[1]) / 5


def test_an_optuna_study_may_be_conditional() -> None:
    """The sampler of rounds, asked by a study that is defined by running it."""

    def objective(trial: optuna.Trial) -> float:
        lr = trial.suggest_float("lr", 1e-5, 1, log=True)
        loss = abs(float(numpy.log10(lr)) + 2)
        if trial.suggest_categorical("optimizer", ["sgd", "momentum"]) == "momentum":
            return loss + abs(trial.suggest_float("momentum", 0, 1) - 0.9)
        return loss + 1.0

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=RoundTPESampler(seed=1))
    study.optimize(objective, n_trials=80)
    for trial in study.trials:
        assert ("momentum" in trial.params) == (trial.params["optimizer"] == "momentum")
    assert study.best_value < 0.1
