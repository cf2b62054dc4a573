"""Any sampler of Optuna's, asked for rounds, and asked again where a search goes on."""

from __future__ import annotations

import re
import threading
from pathlib import Path
from typing import Any

import numpy
import optuna
import pytest

import shoal
from shoal.search.errors import SearchError
from shoal.search.samplers.rounds import RoundSampler
from shoal.search.samplers.sampler import Columns, Earlier
from shoal.search.samplers.studies.adapter import RoundTPESampler
from shoal.search.samplers.studies.loading import name_of
from shoal.search.space.space import Space, parse

SPACE = Space(
    parse(name, text)
    for name, text in {
        "lr": "1e-5:1e-1:log",
        "width": "4:64:int",
        "optimizer": "sgd,adam",
        "momentum": "0:0.99 if optimizer=sgd",
    }.items()
)
ROUND = 8
NAMES = ["NSGAIISampler", "TPESampler", "QMCSampler", "RandomSampler"]

by_name = pytest.mark.parametrize("name", [f"optuna.samplers.{name}" for name in NAMES])

OWN = """
import optuna

def make(seed):
    return optuna.samplers.TPESampler(seed=seed, multivariate=True, group=True)

def constrained(seed):
    return optuna.samplers.TPESampler(seed=seed, constraints_func=lambda trial: (0.0,))

def seedless():
    return optuna.samplers.RandomSampler()

class Odd(optuna.samplers.RandomSampler):
    def sample_independent(self, study, trial, name, distribution):
        raise ValueError("no such thing")

class Late(optuna.samplers.RandomSampler):
    def sample_independent(self, study, trial, name, distribution):
        if trial.number > 15:
            raise ValueError("no more of them")
        return super().sample_independent(study, trial, name, distribution)
"""

FUNCTION = """
def train(x: float, seed: int = 0):
    return {"loss": (x - 0.3) ** 2}
"""


def earlier(sampler: RoundSampler, rounds: list[Columns], sign: float = 1.0) -> Earlier:
    """These rounds, and losses of all but the last: some diverged, one failed."""
    empty = sampler.empty(0)
    joined = {n: numpy.concatenate([empty[n], *(c[n] for c in rounds)]) for n in empty}
    told = ROUND * max(0, len(rounds) - 1)
    loss = sign * numpy.log(joined["lr"][:told]) ** 2
    loss[1::7], loss[3:4] = numpy.inf, numpy.nan
    active = sampler.active(joined, ROUND * len(rounds))
    return Earlier(columns=joined, scores=loss, active=active)


def asked(name: str, seed: int = 3, count: int = 5, sign: float = 1.0) -> list[Columns]:
    """The first rounds of a search."""
    sampler, found = RoundSampler(name, seed, SPACE), list[Columns]()
    for k in range(count):
        known = earlier(sampler, found, sign)
        found.append(sampler.ask(k, k * ROUND, ROUND, known, threading.Event()))
    return found


def same(one: list[Columns], other: list[Columns]) -> bool:
    """Whether all trials are the same."""
    return all(
        bool((a[name] == b[name]).all()) for a, b in zip(one, other, strict=True) for name in a
    )


@by_name
def test_it_answers_the_same_where_it_is_asked_the_same_again(name: str) -> None:
    """From the seed alone; values are of the space."""
    rounds = asked(name)
    assert same(rounds, asked(name))
    if name != "optuna.samplers.QMCSampler":  # which draws its own sequence first
        assert not same(rounds, asked(name, seed=4))
    for columns in rounds:
        assert ((columns["lr"] >= 1e-5) & (columns["lr"] <= 1e-1)).all()
        assert set(columns["optimizer"]) <= {0, 1}
        assert (columns["momentum"][columns["optimizer"] == 1] == 0).all()


def test_a_sampler_that_learns_is_told_what_came_of_its_trials() -> None:
    """And only of them where it was asked for these."""
    name = "optuna.samplers.TPESampler"
    assert not same(asked(name), asked(name, sign=-1.0))
    assert same(
        asked("optuna.samplers.RandomSampler"), asked("optuna.samplers.RandomSampler", sign=-1.0)
    )


def test_what_is_known_and_what_was_put_in_its_place_is_told_too() -> None:
    """As trials that it was not asked for."""
    sampler = RoundSampler("optuna.samplers.TPESampler", 3, SPACE)
    known = asked("random", count=2)
    two = {name: numpy.concatenate([c[name] for c in known]) for name in known[0]}
    scores = numpy.abs(numpy.log10(two["lr"]) + 2)
    active = sampler.active(two, 2 * ROUND)
    told = Earlier(columns=two, scores=scores, active=active, without=2 * ROUND)
    first = sampler.ask(0, 0, ROUND, told, threading.Event())
    put = sampler.put(first, [{"lr": 1e-2}, {"lr": 2e-2}])
    both = {name: numpy.concatenate([two[name], put[name]]) for name in two}
    told = Earlier(
        columns=both,
        scores=numpy.concatenate([scores, numpy.zeros(ROUND)]),
        active=sampler.active(both, 3 * ROUND),
        without=2 * ROUND,
    )
    sampler.ask(1, ROUND, ROUND, told, threading.Event())
    study: optuna.Study = sampler._sampler._study  # type: ignore[union-attr]  # of this kind
    complete = study.get_trials(states=[optuna.trial.TrialState.COMPLETE])
    assert len(complete) == 3 * ROUND
    assert {1e-2, 2e-2} <= {trial.params["lr"] for trial in complete}
    assert all(("momentum" in t.params) == (t.params["optimizer"] == "sgd") for t in complete)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a function and makers of samplers, where the process stands."""
    (tmp_path / "own.py").write_text(FUNCTION)
    (tmp_path / "my.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def search(sampler: Any, **more: Any) -> shoal.Result:
    """A search of the function."""
    return shoal.run(
        "own.py:train", space={"x": "0:1"}, sampler=sampler, out="out", workers=1, **more
    )


def test_a_function_of_a_file_makes_a_sampler_and_has_to_stay_the_same(place: Path) -> None:
    """It is named by its path; a search that goes on with another is refused."""
    first = search("my.py:make", trials=6)
    assert first.ended == 6
    held = (place / "out" / "search.toml").read_text()
    assert f'sampler = "{place}/my.py:make"' in held
    assert search("my.py:make", trials=8).ended == 8
    (place / "my.py").write_text(OWN + "\n# changed")
    with pytest.raises(shoal.BadInput, match=r"out was begun with another version of the sampler"):
        shoal.extend("out", trials=10)
    assert search("my.py:make").ended == 8  # there is nothing left to do


@pytest.mark.parametrize(
    ("sampler", "told"),
    [
        (
            "optuna.samplers.Nope",
            "there is no sampler optuna.samplers.Nope; name a class, as optuna",
        ),
        (
            "optuna.samplers.GridSampler",
            "cannot be used: TypeError: GridSampler.__init__() missing",
        ),
        ("optuna.samplers.BruteForceSampler", "cannot be used: ValueError: FloatDistribution.step"),
        ("my.py:constrained", "has a constraints_func: a search has no constraints; leave it out"),
        ("my.py:seedless", "cannot be used: TypeError: seedless() takes 0 positional arguments"),
        ("my.py:Odd", "my.py:Odd cannot be used: ValueError: no such thing"),
        ("my.py:other", "other"),
        ("none.py:make", "none.py: No such file or directory"),
        ("os.path.join", "the sampler os.path.join cannot be used: TypeError"),
        ("collections.OrderedDict", "the sampler collections.OrderedDict cannot be used"),
        ("optuna.trial.TrialState", "optuna.trial.TrialState makes no sampler of Optuna"),
        ("best", "unknown sampler 'best'; known: tpe, optuna-tpe, qmc, random, or MODULE.CLASS or"),
        (
            optuna.samplers.RandomSampler(),
            "one that is made already, or that no file has, could not",
        ),
        (lambda seed: None, "a sampler is a name, or a class or function of a module"),
    ],
)
def test_what_is_no_sampler_or_cannot_take_the_space_is_refused(
    place: Path, sampler: Any, told: str
) -> None:
    """One line, and nothing is made."""
    with pytest.raises(shoal.BadInput, match=re.escape(told)) as caught:
        search(sampler, trials=4)
    assert "\n" not in str(caught.value)
    assert not (place / "out").exists()


def test_a_package_that_is_missing_is_named(place: Path) -> None:
    """With what to type; where it is there, the sampler works."""
    try:
        import cmaes  # noqa: F401  # whether it is there
    except ModuleNotFoundError:
        with pytest.raises(shoal.BadInput, match=r"CmaEsSampler needs the package cmaes: pip inst"):
            search("optuna.samplers.CmaEsSampler", trials=4)
    else:
        assert search("optuna.samplers.CmaEsSampler", trials=24).ended == 24


def test_a_sampler_that_fails_later_ends_the_search_with_a_line(place: Path) -> None:
    """What is done stays."""
    with pytest.raises(SearchError, match=r"my.py:Late has failed: ValueError: no more of them"):
        search("my.py:Late", trials=40)
    assert shoal.load("out").ended >= 4


def test_a_class_of_optunas_has_a_name() -> None:
    """The public one."""
    assert name_of(optuna.samplers.NSGAIISampler) == "optuna.samplers.NSGAIISampler"


def test_the_sampler_of_rounds_refuses_constraints_in_a_study() -> None:
    """It would not look at them."""
    study = optuna.create_study(sampler=RoundTPESampler(seed=0))
    trial = study.ask()
    trial.suggest_float("x", 0, 1)
    trial.set_constraint("size", 1.0)
    study.tell(trial, 1.0)
    with pytest.raises(
        ValueError, match=r"takes no constraints \(set_constraint, constraints_func\)"
    ):
        study.ask({"x": optuna.distributions.FloatDistribution(0, 1)})
