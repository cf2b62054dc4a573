"""Trials that are fitted again, and what their models predict."""

from __future__ import annotations

import json
import math
import textwrap
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy
import pandas
import pyarrow as pa
import pytest
import torch
from safetensors.torch import load_file

import shoal
from shoal.search.fits.chosen import Chosen
from shoal.search.fits.refit import _is, _same, _with
from shoal.trainable.compiling import compiler
from shoal.trainable.lanes import Fitted

PROBLEM = textwrap.dedent(
    """
    import torch

    class Classes:
        objective = "accuracy:max"
        inputs = ("u", "v", "w")
        stratify = 1
        space = {"lr": "1e-3:30:log", "l2": "1e-6:1:log", "scale": [1, 3]}

        def __init__(self, scale=1):
            self.scale = scale

        def _all(self):
            generator = torch.Generator().manual_seed(0)
            x = 2 + 3 * torch.randn(90, 3, generator=generator)
            z = x @ torch.tensor([1.0, -2.0, 0.5]) + torch.randn(90, generator=generator)
            return x, (z > 0).float()

        def prepare(self):
            x, _ = self._all()
            return {"mean": x[:60].mean(0), "std": x[:60].std(0) * self.scale}

        def _rows(self, rows):
            x, y = self._all()
            return (x[rows] - self.prepared["mean"]) / self.prepared["std"], y[rows]

        def data(self):
            return self._rows(slice(0, 60))

        def validation(self):
            return self._rows(slice(60, None))

        def initial(self, seed):
            generator = torch.Generator().manual_seed(seed)
            return {"w": torch.randn(3, generator=generator), "b": torch.zeros(())}

        def loss_and_gradient(self, params, data, l2=0.0):
            x, y = data
            z = x @ params["w"] + params["b"]
            loss = (z.clamp(min=0) - y * z + torch.log1p(torch.exp(-z.abs()))).mean()
            loss = loss + l2 * (params["w"] ** 2).sum()
            r = (torch.sigmoid(z) - y) / len(y)
            return loss, {"w": x.T @ r + 2 * l2 * params["w"], "b": r.sum()}

        def metrics(self, params, rows):
            x, y = rows
            z = x @ params["w"] + params["b"]
            loss = (z.clamp(min=0) - y * z + torch.log1p(torch.exp(-z.abs()))).mean()
            return {"accuracy": ((z > 0) == (y > 0.5)).float().mean(), "log_loss": loss}

        def predict(self, params, x):
            x = (x - self.prepared["mean"]) / self.prepared["std"]
            return torch.sigmoid(x @ params["w"] + params["b"])

        def describe(self, params):
            return f"intercept {float(params['b']):.3f}"
    """
)

KINDS = {
    "eager": {"program": "eager"},
    "kernel": {"program": "compiled"},
    "folds": {"program": "eager", "folds": 3, "objective": "log_loss", "trials": 12},
    "replicates": {"program": "eager", "replicates": 2, "select": "best", "patience": 3},
}


@pytest.fixture(scope="module", params=KINDS)
def result(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A search, of which some fits diverge."""
    if request.param == "kernel" and compiler() is None:
        pytest.skip("needs a C++ compiler")
    place = tmp_path_factory.mktemp("place")
    (place / "classes.py").write_text(PROBLEM)
    asked: dict[str, Any] = {"trials": 24, "steps": 60, "report": 6, "keep": 3, "pack": 8}
    return shoal.run(
        f"{place / 'classes.py'}:Classes",
        **{**asked, **KINDS[request.param]},
        seed=2,
        engine="inline",
        out=place / "out",
    )


def test_ten_trials_fitted_again_have_their_rows_numbers(result: shoal.Result) -> None:
    """Bit for bit, kept or not, whatever fold and replicate."""
    rows = result.trials[result.trials["state"] == "complete"]
    chosen = rows.sample(10, random_state=0)
    for _, row in chosen.iterrows():
        fold = int(row["fold"]) if "fold" in row else None
        again = result.refit(int(row["trial"]), int(row["replicate"]), fold)
        assert again.same is True
        assert again.notes == ()
        assert again.numbers == {name: row[name] for name in ("loss", "accuracy", "log_loss")}
        assert again.steps == row["steps"]
        assert again.words.startswith("intercept ")


def test_the_best_trials_parameters_are_kept_and_no_others(result: shoal.Result) -> None:
    """As files under the problem's names; the same that fitting again gives."""
    best = result.ranking["trial"].head(3).tolist()
    fits = result.trials[result.trials["trial"].isin(best)]
    folder = result.path / "parameters"
    several = result.trials["replicate"].any()
    names = [
        f"trial-{row.trial:06d}"
        + (f"-replicate-{row.replicate}" if several else "")
        + (f"-fold-{row.fold}" if hasattr(row, "fold") else "")
        + ".safetensors"
        for row in fits.itertuples()
    ]
    assert sorted(file.name for file in folder.iterdir()) == sorted(names)
    for row in fits.itertuples():
        fold = getattr(row, "fold", None)
        named = result.parameters(row.trial, row.replicate, fold)
        again = result.refit(row.trial, row.replicate, fold).one.named
        assert set(named) == {"w", "b"}
        for name, values in named.items():
            assert torch.equal(values, torch.from_numpy(numpy.array(again[name])))
    file = sorted(folder.iterdir())[0]
    assert set(load_file(file)) == {"w", "b", "prepared/mean", "prepared/std"}
    other = next(n for n in result.ranking["trial"] if n not in best)
    with pytest.raises(shoal.BadInput, match=rf"trial {other}.* are not kept \(keep=3\)"):
        result.parameters(other, fold=0)


def test_predictions_are_the_problems_own(result: shoal.Result) -> None:
    """For a tensor, an array and a DataFrame alike; its columns are taken by name."""
    fold = 1 if "fold" in result.trials else None
    x = torch.tensor([[1.0, 2.0, 3.0], [-4.0, 0.5, 2.0]])
    named = result.parameters("best", fold=fold)
    row = result.best
    generator = torch.Generator().manual_seed(0)
    every = 2 + 3 * torch.randn(90, 3, generator=generator)
    mean, std = every[:60].mean(0), every[:60].std(0) * int(row["scale"])
    expected = torch.sigmoid((x - mean) / std @ named["w"] + named["b"])
    found = result.predict("best", x, fold=fold)
    assert found == pytest.approx(expected.numpy())
    assert numpy.array_equal(found, result.predict("best", x.numpy(), fold=fold))
    frame = pandas.DataFrame({"w": x[:, 2], "name": ["a", "b"], "v": x[:, 1], "u": x[:, 0]})
    assert numpy.array_equal(found, result.predict("best", frame, fold=fold))


class Pair:
    """Parameters as a tuple, which predict() takes apart in order."""

    space = {"lr": "1e-3:1e-1:log"}

    def data(self) -> torch.Tensor:
        return torch.linspace(-1, 1, 9)

    def initial(self, seed: int) -> Any:
        return torch.tensor(3.0 + seed), torch.tensor([1.0, 2.0]), torch.tensor(5.0)

    def loss_and_gradient(self, params: Any, data: Any) -> Any:
        a, b, c = params
        r = a * data + b[0] + c
        zero = torch.zeros(())
        gradient = (2 * (r * data).sum(), torch.stack([2 * r.sum(), zero]), 2 * r.sum())
        return (r * r).sum(), gradient

    def predict(self, params: Any, x: torch.Tensor) -> torch.Tensor:
        a, b, c = params
        return a * x + b[0] + c


def test_parameters_come_in_the_problems_own_order(tmp_path: Path) -> None:
    """A tuple is one again; safetensors itself gives its tensors in any order."""
    result = shoal.run(f"{__file__}:Pair", trials=4, steps=3, engine="inline", out=tmp_path / "out")
    for _ in range(3):
        named = shoal.load(tmp_path / "out").parameters("best")
        assert list(named) == ["0", "1", "2"]
        x = torch.arange(3.0)
        expected = named["0"] * x + named["1"][0] + named["2"]
        assert result.predict("best", x) == pytest.approx(expected.numpy())
        assert result.predict("best", numpy.arange(3)) == pytest.approx(expected.numpy())


def test_a_search_with_folds_wants_to_know_which(result: shoal.Result) -> None:
    """Or that none is: then the model has seen all rows, and the table has no such fit."""
    if "fold" not in result.trials:
        with pytest.raises(shoal.BadInput, match="has no folds, so none is 1; leave out the fold"):
            result.parameters("best", fold=1)
        return
    with pytest.raises(shoal.BadInput, match="a fold left out of each: say which, --fold 0 to 2"):
        result.parameters("best")
    again = result.refit("best", fold="all")
    assert again.same is None
    assert result.predict("best", torch.ones(2, 3), fold="all").shape == (2,)
    losses = [result.refit("best", fold=fold).numbers["loss"] for fold in range(3)]
    assert again.numbers["loss"] not in losses
    assert math.isclose(again.numbers["loss"], sum(losses) / 3, rel_tol=0.3)


def test_a_fit_to_all_rows_that_nothing_judges_goes_to_its_last_step(tmp_path: Path) -> None:
    """Its metrics are of the rows that it was fitted to, and that is told."""
    lines = PROBLEM.splitlines()
    at = next(i for i, line in enumerate(lines) if "def validation" in line)
    (tmp_path / "classes.py").write_text("\n".join(lines[:at] + lines[at + 2 :]) + "\n")
    result = shoal.run(
        f"{tmp_path / 'classes.py'}:Classes",
        space={"lr": 1.0, "l2": 1e-3, "scale": 1},
        trials=1,
        steps=60,
        report=6,
        folds=3,
        patience=1,
        select="best",
        engine="inline",
        out=tmp_path / "out",
    )
    assert (result.trials["steps"] < 60).any()
    again = result.refit(0, fold="all")
    assert again.steps == 60
    plain = shoal.fit(f"{tmp_path / 'classes.py'}:Classes", lr=1.0, l2=1e-3, scale=1, steps=60)
    assert again.numbers["loss"] == pytest.approx(plain.loss, rel=1e-6)
    assert plain.loss < plain.curve["loss"].min()  # so no earlier step counts
    assert "the metrics are of the rows that were fitted to" in again.notes[0]


def test_the_ranking_is_by_the_objective(result: shoal.Result) -> None:
    """Its mean over a trial's fits; a trial of which one has diverged comes last."""
    goal = result.objective
    signed = result.trials[goal.name] * (-1 if goal.maximize else 1)
    means = signed.fillna(math.inf).groupby(result.trials["trial"]).mean()
    order = means.sort_values(kind="stable").index.tolist()
    assert result.ranking["trial"].tolist() == order
    assert result.best[goal.name] == pytest.approx(abs(means.min()))
    study = result.study()
    assert study.best_trial.user_attrs["trial"] in means.index[means == means.min()]
    assert study.best_value == pytest.approx(abs(means.min()))


def test_metrics_are_null_where_a_fit_is_not_complete(result: shoal.Result) -> None:
    """And are those of the step that counts; curves have them at each reporting step."""
    trials, curves = result.trials, result.curves
    complete = trials["state"] == "complete"
    assert trials["accuracy"].isna().equals(~complete)
    assert (~complete).any()
    key = [name for name in ("trial", "replicate", "fold") if name in trials]
    step = "best_step" if "best_step" in trials else None
    last = curves.groupby(key).tail(1)
    at = curves.merge(trials, left_on=[*key, "step"], right_on=[*key, step]) if step else None
    joined = at if at is not None else last.merge(trials, on=key)
    joined = joined[joined["state"] == "complete"]
    assert len(joined) == complete.sum()
    assert joined["accuracy_x"].equals(joined["accuracy_y"])
    assert joined["log_loss_x"].equals(joined["log_loss_y"])


def test_a_fit_that_diverged_has_no_parameters(result: shoal.Result) -> None:
    """One line says so."""
    row = result.trials[result.trials["state"] == "diverged"].iloc[0]
    fold = int(row["fold"]) if "fold" in row else None
    with pytest.raises(shoal.SearchError, match="diverged by step"):
        result.refit(int(row["trial"]), int(row["replicate"]), fold)


def test_a_folder_that_was_moved_predicts_without_its_data(
    result: shoal.Result, tmp_path: Path
) -> None:
    """By the copies of its code and what prepare() had learnt."""
    import shutil

    fold = 0 if "fold" in result.trials else None
    before = result.predict("best", numpy.ones((2, 3)), fold=fold)
    shutil.copytree(result.path, tmp_path / "moved")
    moved = shoal.load(tmp_path / "moved")
    assert numpy.array_equal(moved.predict("best", numpy.ones((2, 3)), fold=fold), before)


ODD = """
import os
from pathlib import Path

import torch


class Odd:
    space = {"lr": "1e-3:1e2:log"}

    def data(self):
        left = Path(os.environ["ODD_TIMES"])
        times = int(left.read_text())
        left.write_text(str(max(0, times - 1)))
        return torch.linspace(0, 1, 10) * (1.5 if times else 1.0)

    def initial(self, seed):
        return (torch.ones(()),)

    def loss_and_gradient(self, params, data):
        r = params[0] * data - 2
        return (r * r).mean(), ((2 * r * data).mean(),)
"""


@pytest.fixture
def odd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A search in which trial 0 has diverged, and how to make its data other ones for so many
    times."""
    left = tmp_path / "times"
    left.write_text("0")
    monkeypatch.setenv("ODD_TIMES", str(left))
    (tmp_path / "odd.py").write_text(ODD)
    asked: dict[str, Any] = {"trials": 8, "steps": 9, "seed": 2, "keep": 0, "report": 3}
    result = shoal.run(f"{tmp_path / 'odd.py'}:Odd", **asked, engine="inline", out=tmp_path / "out")
    assert result.trials["state"][0] == "diverged"
    return result, lambda times: left.write_text(str(times))


def test_a_fit_that_has_other_numbers_alone_is_fitted_with_those_that_ran_with_it(odd: Any) -> None:
    """And then has its own parameters: it is neither the first of them nor the best."""
    result, other = odd
    trial = int(result.ranking["trial"].iloc[2])
    usual = result.refit(trial)
    assert usual.same is True
    other(1)
    again = result.refit(trial)
    assert again.same is True
    assert again.notes == ()
    assert (again.numbers, again.steps) == (usual.numbers, usual.steps)
    assert again.one.named["0"] == usual.one.named["0"]


def test_numbers_that_are_not_the_tables_are_told(odd: Any) -> None:
    """With what was other where the table was made, if that is known."""
    result, other = odd
    trial = int(result.ranking["trial"].iloc[2])
    held = float(result.trials["loss"][trial])
    other(99)
    again = result.refit(trial)
    assert again.same is False
    assert again.numbers["loss"] != held
    ours = again.numbers["loss"]
    assert again.notes == (
        f"trial {trial} has loss {held!r} in the table, and {ours!r} here",
        f"it ran on {result.trials['node'][trial]}: another kind of processor, perhaps",
    )
    file = result.path / "environment.json"
    entries = json.loads(file.read_text())
    entries[-1]["packages"]["torch"] = "2.0"
    file.write_text(json.dumps(entries))
    told = result.refit(trial).notes
    assert told[0].startswith("the search ran with torch 2.0 -> ")
    assert told[0].endswith(": last digits may differ")
    assert told[1:] == again.notes[:1]


def test_the_fits_that_ran_together_are_those_of_a_round_and_a_pack() -> None:
    """Of a table with two rounds of two packs."""
    rows = pa.table(
        {
            "trial": list(range(8)),
            "replicate": [0] * 8,
            "fold": [0, 1] * 4,
            "round": [0, 0, 0, 0, 1, 1, 1, 1],
            "pack": [0, 0, 1, 1, 0, 0, 1, 1],
        }
    )
    folder: Any = SimpleNamespace(trials=lambda: rows)
    fit = Chosen(trial=5, replicate=0, fold=1, row={"round": 1, "pack": 0})
    assert _with(folder, fit)["trial"].to_pylist() == [4, 5]
    twice = pa.table({"trial": [5, 5, 5], "replicate": [0, 1, 0], "fold": [0, 1, 1]})
    assert _is(twice, fit).tolist() == [False, False, True]
    assert _is(twice.drop_columns(["fold"]), fit).tolist() == [True, False, True]


@pytest.mark.parametrize(
    ("other", "same"),
    [({}, True), ({"steps": 5}, False), ({"loss": 1.5}, False), ({"m": 0.5}, False)],
)
def test_a_fit_is_the_tables_if_loss_metrics_and_steps_are(
    other: dict[str, Any], same: bool
) -> None:
    """A metric that is null there is NaN here."""
    none = torch.zeros(0, dtype=torch.int64)
    fitted = Fitted(
        loss=torch.tensor([9.0, 1.0], dtype=torch.float64),
        metrics=torch.tensor([[0.5], [math.nan]], dtype=torch.float64),
        best_step=torch.tensor([0, 3]),
        state=torch.tensor([0, 0]),
        steps=torch.tensor([1, 4]),
        curve_lane=none,
        curve_step=none,
        curve_loss=torch.zeros(0),
        curve_metrics=torch.zeros(0, 1),
    )
    row = {"loss": 1.0, "m": None, "steps": 4, **other}
    assert _same(fitted, 1, Chosen(trial=0, replicate=0, fold=None, row=row), ("m",)) is same
