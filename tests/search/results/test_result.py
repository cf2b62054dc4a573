"""The result in pandas and as an Optuna study."""

from __future__ import annotations

import math
from pathlib import Path

import numpy
import pandas
import pytest
from optuna.trial import TrialState

import shoal
from shoal.search.request.asked import Asked


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> shoal.Result:
    """A search of 32 trials of three replicates, of which some diverge."""
    return shoal.run(
        "cubic-sine",
        trials=32,
        replicates=3,
        steps=200,
        seed=4,
        space={"lr": "1e-8:1e-4:log", "optimizer": "sgd,momentum"},
        out=tmp_path_factory.mktemp("result") / "out",
        engine="inline",
    )


def test_columns_are_those_that_are_promised(result: shoal.Result) -> None:
    """The columns of both tables, in order."""
    assert list(result.trials) == [
        "trial",
        "replicate",
        "lr",
        "optimizer",
        "loss",
        "state",
        "steps",
        "round",
        "pack",
        "node",
        "device",
        "seconds",
        "started",
        "error",
    ]
    assert list(result.curves) == ["trial", "replicate", "step", "loss"]
    assert str(result.trials["started"].dt.tz) == "UTC"
    assert result.trials["seconds"].gt(0).all()


def test_best_is_the_trial_of_the_lowest_mean_loss(result: shoal.Result) -> None:
    """``best`` has the mean over replicates, and +inf where one of them diverged."""
    means = result.trials.groupby("trial")["loss"].mean()
    assert result.best["trial"] == means.idxmin()
    assert result.best["loss"] == means.min()
    assert math.isfinite(result.best["loss"])
    assert result.ranking["loss"].is_monotonic_increasing
    diverged = result.trials[result.trials["state"] == "diverged"]
    assert len(diverged)
    assert numpy.isposinf(diverged["loss"]).all()
    assert numpy.isposinf(means[diverged["trial"].unique()]).all()
    assert not result.curves["loss"].isna().any()


def test_replicates_start_from_seed_after_seed(result: shoal.Result) -> None:
    """Replicate r of a trial is replicate 0 of the same search with a seed that is r higher."""
    row = result.trials[(result.trials["state"] == "complete") & (result.trials["replicate"] == 2)]
    row = row.iloc[0]
    fit = shoal.fit(
        "cubic-sine", steps=200, seed=4 + 2, report=10, lr=row["lr"], optimizer=row["optimizer"]
    )
    curve = result.curves[
        (result.curves["trial"] == row["trial"]) & (result.curves["replicate"] == 2)
    ]
    assert curve["step"].tolist() == list(range(9, 200, 10))
    assert curve["loss"].tolist() == pytest.approx(fit.curve["loss"].tolist(), rel=1e-5)


def test_the_study_has_every_trial(result: shoal.Result) -> None:
    """``study()`` gives Optuna every trial with parameters, value and curve."""
    study = result.study()
    assert len(study.trials) == 32
    assert study.best_params["lr"] == result.best["lr"]
    assert study.best_value == result.best["loss"]
    assert {trial.state for trial in study.trials} == {TrialState.COMPLETE}
    best = study.best_trial
    curve = result.curves[result.curves["trial"] == result.best["trial"]]
    assert best.intermediate_values == pytest.approx(curve.groupby("step")["loss"].mean().to_dict())
    assert study.trials_dataframe()["params_optimizer"].isin(["sgd", "momentum"]).all()


def test_pandas_alone_reads_the_same_table(result: shoal.Result) -> None:
    """The run folder needs nothing but pandas to be read."""
    trials = pandas.read_parquet(result.path / "trials.parquet")
    pandas.testing.assert_frame_equal(trials, result.trials)


def test_a_fixed_space_gives_the_same_fit_each_time(tmp_path: Path) -> None:
    """One value of each hyperparameter is a search too: every trial the same."""
    result = shoal.run(
        space={"lr": 1e-6}, trials=3, steps=50, out=tmp_path / "out", engine="inline"
    )
    assert result.trials["lr"].tolist() == [1e-6] * 3
    assert result.trials["loss"].nunique() == 1
    assert len(result.study().trials) == 3


FAILING = """
import os, torch

class Failing:
    space = {{"lr": "0.01:0.1", "width": "1,2"}}

    def __init__(self, width=1):
        self.width = width

    def data(self):
        if os.path.exists({flag!r}) and self.width >= {least}:
            raise RuntimeError("the data\\nare gone")
        return torch.ones(3)

    def initial(self, seed):
        return (torch.zeros(()),)

    def loss_and_gradient(self, params, data):
        r = params[0] * data - 1
        return (r * r).sum(), ((2 * r * data).sum(),)
"""


def failing(tmp_path: Path, least: int) -> tuple[str, Path]:
    """A problem that fails in packs of width `least` and more as soon as the flag file exists."""
    flag, problem = tmp_path / "flag", tmp_path / "failing.py"
    problem.write_text(FAILING.format(flag=str(flag), least=least))
    return f"{problem}:Failing", flag


def test_packs_that_fail_are_rows_with_the_error(tmp_path: Path) -> None:
    """Lanes of a pack that fails each time are `failed` rows with the error; the others go on."""
    problem, flag = failing(tmp_path, least=2)
    shoal.run(problem, trials=4, steps=4, out=tmp_path / "whole", engine="inline")
    begun = shoal.run(problem, trials=4, steps=4, out=tmp_path / "other", engine="inline")
    assert begun.states()["failed"] == 0
    from shoal.search.driver.execution import run_prepared
    from shoal.search.engines.options import RunOptions
    from shoal.search.preparation.preparation import prepare
    from shoal.search.watching.terminal import Silent

    prepared = prepare(Asked.of({"problem": problem, "trials": 12, "steps": 4}), None)
    flag.touch()
    folder, _ = run_prepared(
        prepared, tmp_path / "out", RunOptions(engine="inline"), Silent(), began=0.0
    )
    result = shoal.load(folder.path)
    narrow, wide = (result.trials[result.trials["width"] == width] for width in (1, 2))
    assert set(narrow["state"]) == {"complete"}
    assert set(wide["state"]) == {"failed"}
    assert set(wide["error"]) == {"RuntimeError: the data (in full: errors.log)"}
    assert narrow["error"].isna().all()
    assert len(result.ranking) == len(narrow)
    states = [trial.state for trial in result.study().trials]
    assert states.count(TrialState.FAIL) == len(wide)


def test_a_search_in_which_nothing_works_ends_with_the_error(tmp_path: Path) -> None:
    """Where every pack fails the search ends early with that error, and can be run again."""
    problem, flag = failing(tmp_path, least=1)
    from shoal.search.driver.execution import run_prepared
    from shoal.search.engines.options import RunOptions
    from shoal.search.preparation.preparation import prepare
    from shoal.search.watching.terminal import Silent

    prepared = prepare(Asked.of({"problem": problem, "trials": 64, "steps": 4, "pack": 4}), None)
    flag.touch()
    with pytest.raises(shoal.SearchFailed, match="failed; the last with RuntimeError: the data"):
        run_prepared(prepared, tmp_path / "out", RunOptions(engine="inline"), Silent(), began=0.0)
    assert shoal.load(tmp_path / "out").trials.empty
    log = (tmp_path / "out" / "errors.log").read_text()
    assert 'raise RuntimeError("the data' in log
    flag.unlink()
    assert shoal.run(out=tmp_path / "out", engine="inline").states()["complete"] == 64


def test_frames_may_be_sorted_and_changed_in_place(result: shoal.Result) -> None:
    """What a result tells does not come from the frames that it has given away."""
    right = shoal.load(result.path)
    best, study = right.best, right.study().best_trial
    mine = shoal.load(result.path)
    _sort(mine.trials)
    mine.trials.loc[:, ["loss", "lr"]] = 0.0
    mine.curves.loc[:, "loss"] = 0.0
    del mine.trials["optimizer"]
    assert list(mine.trials["loss"].unique()) == [0.0]  # the frame itself stays as it was changed
    pandas.testing.assert_series_equal(mine.best, best)
    pandas.testing.assert_frame_equal(mine.ranking, right.ranking)
    _sort(mine.ranking)
    mine.ranking.loc[:, "loss"] = 0.0
    pandas.testing.assert_series_equal(mine.best, best)
    assert mine.best_row == right.best_row
    assert mine.states() == right.states()
    assert mine.study().best_trial.params == study.params
    assert mine.study().best_trial.intermediate_values == study.intermediate_values


def _sort(frame: pandas.DataFrame) -> None:
    """Turn a frame upside down in place."""
    turned = frame.iloc[::-1].reset_index(drop=True)
    for name in frame:
        frame[name] = turned[name]
