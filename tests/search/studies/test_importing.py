"""A stored study as a run folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.study import Study
from optuna.trial import Trial, create_trial

import shoal
from shoal.search.errors import BadInput
from shoal.search.studies import import_study, store
from shoal.search.studies.places import rdb


@pytest.fixture
def stored(tmp_path: Path) -> Callable[..., Study]:
    """Make a study in ``x.db``, by Optuna."""

    def make(**more: Any) -> Study:
        before = optuna.logging.get_verbosity()
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        study = optuna.create_study(storage=rdb(tmp_path / "x.db"), **more)
        optuna.logging.set_verbosity(before)
        return study

    return make


@pytest.mark.parametrize("kind", ["sqlite:///", "journal:"])
def test_what_was_exported_comes_back(tmp_path: Path, searched: Any, kind: str) -> None:
    """Hyperparameters, inactive ones too, states, the objective, times and curves."""
    storage = f"{kind}{tmp_path}/x.store"
    store(storage, "mine", searched.trials, searched.goal)
    path, notes = import_study(storage, tmp_path / "run")
    result = shoal.load(path)
    assert notes == []
    assert str(result.objective) == "loss:min"
    rows = result._rows
    for name in ("trial", "lr", "width", "optimizer", "bias", "beta1", "state", "seconds"):
        assert rows[name].to_pylist() == searched.rows[name].to_pylist(), name
    assert rows["loss"].to_pylist() == [1.5, 0.25, None, None, None]
    assert rows["started"].to_pylist() == searched.rows["started"].to_pylist()
    assert rows["steps"].to_pylist() == [29, 29, 29, 0, 29]
    assert repr(result._curves["loss"].to_pylist()) == repr(searched.curves["loss"].to_pylist())
    assert result._curves["step"].to_pylist() == searched.curves["step"].to_pylist()
    assert result.space.conditional == ("beta1",)
    assert result.best["trial"] == 1
    again = result.study()
    assert [trial.params for trial in again.trials] == [t.params for t in searched.trials()]


def test_it_is_read_and_not_gone_on_with(tmp_path: Path, searched: Any) -> None:
    """No trial of it can be made again; each way to ask for one is told so in a line."""
    store(f"journal:{tmp_path}/x.log", "mine", searched.trials, searched.goal)
    path, _ = import_study(f"journal:{tmp_path}/x.log", tmp_path / "run")
    why = "holds the study 'mine', which was imported: its trials can be read, and none can be made"
    with pytest.raises(BadInput, match=why):
        shoal.run(out=path)
    with pytest.raises(BadInput, match=why):
        shoal.load(path).refit("best")
    with pytest.raises(BadInput, match="holds calls of a study"):
        shoal.load(path).parameters("best")


def test_a_study_of_any_kind_of_hyperparameters_is_held(
    tmp_path: Path, stored: Callable[..., Study]
) -> None:
    """Names that no column may have, choices of several kinds, steps, and ranges that differ
    between trials: each is told."""

    def objective(trial: Trial) -> float:
        low = 0.1 if trial.number else 0.2
        trial.suggest_float("layer-1/drop", low, 0.5)
        trial.suggest_categorical("step", [None, 1, "a,b"])
        trial.suggest_int("units", 8, 64, step=8)
        trial.suggest_float("fixed", 2.0, 2.0)
        trial.report(1.0, 3)
        if trial.number == 2:
            raise optuna.TrialPruned
        if trial.number == 3:
            raise ValueError("no")
        return [1.0, float("inf"), 0.0, 0.0, 0.5][trial.number]

    study = stored(direction="maximize")
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    study.optimize(objective, n_trials=5, catch=ValueError)
    optuna.logging.set_verbosity(before)
    study.ask()  # which does not end
    path, notes = import_study(f"sqlite:///{tmp_path}/x.db", tmp_path / "run")
    result = shoal.load(path)
    assert {name: dimension.text for name, dimension in result.space.items()} == {
        "layer_1_drop": "0.1:0.5",
        "step_": "None,is_1,a_b",
        "units": "8:64:int",
        "fixed": "2.0",
    }
    assert str(result.objective) == "value:max"
    assert result._rows["state"].to_pylist() == [
        "complete",
        "diverged",
        "pruned",
        "failed",
        "complete",
    ]
    assert result._rows["units"].to_pylist() == [
        trial.params["units"] for trial in study.trials[:5]
    ]
    assert result.best["value"] == 1.0
    assert notes == [
        "'layer-1/drop' is called layer_1_drop; layer_1_drop had other ranges in other trials: "
        "0.1 to 0.5 holds them all",
        "'step' is called step_; step_ has choices that are written as words: None, is_1, a_b",
        "units had a step, which is left out",
        "trials that have not ended are left out: 1; those after have other numbers",
    ]


def test_what_cannot_be_imported_is_told_and_leaves_nothing(
    tmp_path: Path, stored: Callable[..., Study]
) -> None:
    """No file, another database, no study, several, an unknown one, none ended, two objectives."""
    storage, out = f"sqlite:///{tmp_path}/x.db", tmp_path / "run"

    def told(what: str, storage: str = storage, **more: Any) -> None:
        with pytest.raises(BadInput, match=what):
            import_study(storage, out, **more)
        assert not out.exists()

    told("x.db is no file; give a storage that Optuna has made")
    (tmp_path / "x.db").write_text("[1]\n")
    told("x.db cannot be read as sqlite:///FILE: file is not a database")
    told("x.db cannot be read as journal:FILE", f"journal:{tmp_path}/x.db")
    (tmp_path / "x.db").unlink()
    rdb(tmp_path / "x.db").engine.dispose()
    told("has no study")
    one = stored(study_name="one")
    told("study 'one' of .* has no trial that has ended")
    stored(study_name="two", directions=["minimize", "maximize"])
    told("has 2 studies; choose one by --study: one, two")
    told("has no study 'three'; known: one, two", name="three")
    told("'two' has 2 objectives", name="two")
    one.add_trial(
        create_trial(
            value=1.0, params={"lr": 1.0}, distributions={"lr": FloatDistribution(1.0, 2.0)}
        )
    )
    told("the objective cannot be called lr", name="one", objective="lr")
    out.mkdir()
    with pytest.raises(BadInput, match="run is there already"):
        import_study(storage, out, name="one")
    assert not list(out.iterdir())
