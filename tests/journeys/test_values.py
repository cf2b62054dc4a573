"""Values from the space to the table: truth values, and numbers of numpy, pandas and torch."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import optuna
import pandas
import pytest
import torch

import shoal

Shell = Callable[..., "subprocess.CompletedProcess[str]"]

PROBLEM = '''
import torch


class P:
    """What it was made with decides the number of its parameters, and its loss."""

    def __init__(self, bias=True, degree=2):
        assert type(bias) is bool and type(degree) is int, (bias, degree)
        self.bias, self.degree = bias, degree

    def data(self):
        return torch.ones(5)

    def initial(self, seed):
        return {"w": torch.zeros(self.degree + (1 if self.bias else 0))}

    def loss_and_gradient(self, params, data, l2=0.0):
        r = params["w"] - (2.0 if self.bias else 1.0) * data[0]
        return (r * r).sum() + 0.0 * l2, {"w": 2 * r}
'''


@pytest.fixture
def problem(tmp_path: Path) -> str:
    """The problem in a file."""
    (tmp_path / "p.py").write_text(PROBLEM)
    return f"{tmp_path / 'p.py'}:P"


def run(problem: str, out: Path, **given: Any) -> shoal.Result:
    """A small search in this process."""
    usual = {"trials": 6, "steps": 1, "seed": 0, "engine": "inline"}
    return shoal.run(problem, out=out, **{**usual, **given})


def loss_of(bias: bool, degree: int = 2) -> float:
    """The loss after one update by 0.25: half of the distance is left."""
    return (degree + bias) * (1.0 if bias else 0.5) ** 2


WAYS: dict[str, Any] = {
    "text": "True,False",
    "lower case": "true,false",
    "list": [True, False],
    "numpy": numpy.array([True, False]),
    "numpy's in a list": [numpy.bool_(True), numpy.bool_(False)],
    "pandas": pandas.Series([True, False]),
    "torch": torch.tensor([True, False]),
    "optuna": optuna.distributions.CategoricalDistribution([True, False]),
}


@pytest.mark.parametrize("way", WAYS)
def test_truth_values_are_what_they_say(way: str, problem: str, tmp_path: Path) -> None:
    """In the constructor, the packs, the table, the study and the folder; the same call goes on."""
    out = tmp_path / "out"
    space = {"lr": 0.25, "bias": WAYS[way]}
    result = run(problem, out, space=space)
    table = pandas.read_parquet(out / "trials.parquet")
    assert table["bias"].dtype == bool
    assert set(table["bias"]) == {True, False}
    assert table["loss"].tolist() == [loss_of(bias) for bias in table["bias"]]
    assert table.groupby(["round", "pack"])["bias"].nunique().eq(1).all()
    assert result.best["bias"] is False or result.best["bias"] == numpy.False_
    assert result.best_row is not None
    assert result.best_row["bias"] is False
    assert {trial.params["bias"] for trial in result.study().trials} == {True, False}
    assert all(type(trial.params["bias"]) is bool for trial in result.study().trials)
    assert 'bias = "True,False"' in (out / "search.toml").read_text()
    again = run(problem, out, space=space)
    pandas.testing.assert_frame_equal(again.trials, result.trials)
    with pytest.raises(shoal.BadInput, match="bias is 'True,False' there, '1,0' asked"):
        run(problem, out, space={"lr": 0.25, "bias": [1, 0]})


@pytest.mark.parametrize("sampler", ["tpe", "optuna-tpe", "qmc", "random"])
def test_every_sampler_knows_truth_values(sampler: str, problem: str, tmp_path: Path) -> None:
    """Over rounds, and where part of the table is read again."""
    space = {"lr": "0.1:0.3", "bias": [True, False], "degree": "1:3:int"}
    result = run(problem, tmp_path / "out", space=space, trials=24, round=4, sampler=sampler)
    assert set(result.trials["bias"]) == {True, False}
    assert (result.trials["state"] == "complete").all()
    left = (2 * (1 - 2 * result.trials["lr"])) ** 2
    expected = (result.trials["degree"] + result.trials["bias"]) * left.where(
        result.trials["bias"], left / 4
    )
    assert result.trials["loss"].tolist() == pytest.approx(expected.tolist(), rel=1e-5)


def test_truth_values_on_the_command_line_and_in_toml(
    problem: str, tmp_path: Path, shell: Shell
) -> None:
    """``--space``, TOML's own booleans, ``shoal fit`` and what is printed, as CSV and as JSON."""
    words = ["--trials", 6, "--steps", 1, "--quiet", "--engine", "inline"]
    done = shell(
        "run", problem, "--space", "lr=0.25", "--space", "bias=true,false", *words, "--out", "a"
    )
    assert done.returncode == 0, done.stderr
    assert "bias False" in done.stdout
    config = f'problem = "{problem}"\n[space]\nlr = 0.25\nbias = [true, false]\n'
    (tmp_path / "c.toml").write_text(config)
    done = shell("run", "--config", "c.toml", *words, "--out", "b")
    assert done.returncode == 0, done.stderr
    one, other = (shoal.load(tmp_path / name).trials for name in "ab")
    assert one["bias"].equals(other["bias"])
    done = shell("results", "a", "--csv", "-", "--json")
    assert ",False," in done.stdout
    assert {row["bias"] for row in json.loads(done.stdout.splitlines()[-1])} == {True, False}
    for bias in (True, False):
        done = shell("fit", problem, "lr=0.25", f"bias={bias}", "--steps", 1)
        assert done.stdout.splitlines()[-1] == f"w = {[0.5 * (1 + bias)] * (2 + bias)}", done.stderr


def test_one_truth_value_is_fixed(problem: str, tmp_path: Path) -> None:
    """``bias=False`` holds for all; so does TOML's ``false``, and numpy's."""
    for number, value in enumerate((False, "false", numpy.bool_(False))):
        result = run(problem, tmp_path / str(number), space={"lr": "0.1:0.3", "bias": value})
        assert result.trials["bias"].dtype == bool
        assert not result.trials["bias"].any()
        assert result.trials["loss"].lt(2.0).all()


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ({"lr": [True, False]}, "lr=True,False: lr takes numbers"),
        ({"lr": True}, "lr=True: lr takes numbers"),
        ({"lr": 0.1, "l2": "False"}, "l2=False: l2 takes numbers"),
        ({"lr": 0.1, "optimizer": True}, "unknown optimizer 'True'; known: sgd"),
        ({"lr": 0.1, "bias": [True, 1]}, "all numbers, all words or all truth values"),
        ({"lr": 0.1, "bias": ["True", "False"]}, "'True' is no word; write True, without quotes"),
    ],
)
def test_truth_values_where_none_can_be_are_refused(
    space: dict[str, Any], message: str, problem: str, tmp_path: Path
) -> None:
    """A lane's own hyperparameter is a number, an optimizer is a word; nothing is made."""
    with pytest.raises(shoal.BadInput, match=message):
        run(problem, tmp_path / "out", space=space)
    assert not (tmp_path / "out").exists()


def test_fit_refuses_a_truth_value_for_a_number(problem: str, shell: Shell) -> None:
    """With exit code 2 and a line."""
    done = shell("fit", problem, "lr=True")
    assert (done.returncode, done.stderr) == (2, "shoal: lr=True: lr takes a number\n")


SPACES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "scalars": (
        {"lr": numpy.float32(0.1), "degree": numpy.int64(3), "l2": torch.tensor(0.5)},
        {"lr": float(numpy.float32(0.1)), "degree": 3, "l2": 0.5},
    ),
    "arrays": (
        {"lr": numpy.linspace(0.1, 0.3, 4), "degree": numpy.array([1, 2], dtype="uint8")},
        {"lr": numpy.linspace(0.1, 0.3, 4).tolist(), "degree": [1, 2]},
    ),
    "pandas": (
        {"lr": pandas.Series([0.1, 0.2], dtype="float32"), "degree": pandas.Index([1, 2])},
        {"lr": [float(numpy.float32(0.1)), float(numpy.float32(0.2))], "degree": [1, 2]},
    ),
    "mixed": (
        {"lr": [numpy.int32(1), 0.5], "l2": [numpy.float64(-0.0), 1], "degree": range(1, 3)},
        {"lr": [1.0, 0.5], "l2": [-0.0, 1.0], "degree": [1, 2]},
    ),
}


@pytest.mark.parametrize("kind", SPACES)
def test_numbers_of_numpy_and_pandas_are_those_of_python(
    kind: str, problem: str, tmp_path: Path
) -> None:
    """The same folder, table and dtypes, and each call goes on with what the other has made."""
    theirs, ours = SPACES[kind]
    numbers = {
        "trials": numpy.int64(6),
        "seed": numpy.uint8(3),
        "steps": numpy.array(2),
        "diverge_factor": numpy.float32(1000),
        "workers": numpy.int64(1),
        "checkpoint": numpy.float64(60),
        "sampler": numpy.str_("tpe"),
    }
    one = run(problem, tmp_path / "a", space=theirs, **numbers)
    other = run(problem, tmp_path / "b", space=ours, steps=2, seed=3)
    texts = [(tmp_path / name / "search.toml").read_text() for name in "ab"]
    assert texts[0] == texts[1]
    assert "np." not in texts[0]
    dropped = ["seconds", "started"]
    pandas.testing.assert_frame_equal(
        one.trials.drop(columns=dropped), other.trials.drop(columns=dropped), check_exact=True
    )
    assert one.trials["degree"].dtype == numpy.int64
    assert one.trials["lr"].dtype == numpy.float64
    assert set(one.trials["lr"]) <= set(numpy.atleast_1d(ours["lr"]).tolist())
    again = run(problem, tmp_path / "b", space=theirs, **numbers)
    pandas.testing.assert_frame_equal(again.trials, other.trials)
    assert len(one.study().trials) == 6


def test_minus_zero_stays_minus_zero(problem: str, tmp_path: Path) -> None:
    """In the table, as it was given."""
    result = run(problem, tmp_path / "out", space={"lr": 0.1, "l2": [-0.0, 1.0]})
    zeros = result.trials["l2"][result.trials["l2"] == 0]
    assert len(zeros)
    assert numpy.signbit(zeros).all()


@pytest.mark.long
def test_a_hundred_thousand_choices_are_searched(problem: str, tmp_path: Path) -> None:
    """And gone on with, and a study made of them."""
    space = {"lr": numpy.linspace(0.1, 0.3, 100_000)}
    result = run(problem, tmp_path / "out", space=space, trials=40)
    assert result.trials["lr"].nunique() == 40
    assert set(result.trials["lr"]) <= set(space["lr"].tolist())
    again = run(problem, tmp_path / "out", space=space, trials=40)
    pandas.testing.assert_frame_equal(again.trials, result.trials)
    assert len(result.study().trials) == 40


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("trials", numpy.float64(4.5)),
        ("trials", numpy.bool_(True)),
        ("seed", numpy.int64(-1)),
        ("diverge_factor", numpy.float32(0.5)),
        ("workers", numpy.float64(2.0)),
        ("workers", numpy.bool_(True)),
        ("steps", numpy.array([3])),
    ],
)
def test_wrong_numbers_of_numpy_are_refused_as_those_of_python(
    name: str, value: Any, problem: str, tmp_path: Path
) -> None:
    """With the setting's name, and without the words of numpy where it is a scalar."""
    with pytest.raises(shoal.BadInput, match=f"{name} must be"):
        run(problem, tmp_path / "out", space={"lr": 0.1}, **{name: value})
    assert not (tmp_path / "out").exists()


def test_a_default_of_numpy_is_a_number(tmp_path: Path) -> None:
    """So that a signature may name a constant of numpy's."""
    text = PROBLEM.replace("l2=0.0", "l2=L2").replace(
        "import torch", "import torch, numpy\n\nL2 = numpy.float32(0.5)", 1
    )
    (tmp_path / "p.py").write_text(text)
    result = run(f"{tmp_path / 'p.py'}:P", tmp_path / "out", space={"lr": 0.25})
    assert (result.trials["state"] == "complete").all()
