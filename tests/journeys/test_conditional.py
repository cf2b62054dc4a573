"""A search over optimizers, each with its own hyperparameters: the table, killed and gone on with,
by any number of workers, and what is made of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pandas
import pyarrow.parquet as pq
import pytest

import shoal

ASKED: dict[str, Any] = {
    "problem": "legendre-sine",
    "space": {
        "lr": "1e-7:1e-3:log",
        "optimizer": "sgd,momentum,adam",
        "momentum": "0:0.99",
        "beta1": "0.5,0.9,0.99",
        "eps": "1,2",
    },
    "trials": 96,
    "steps": 40,
    "seed": 3,
    "program": "eager",
    "engine": "inline",
}
HAS = {"momentum": ("sgd", "momentum"), "beta1": ("adam",), "eps": ("adam",)}
"""Which optimizer has them; eps is whole numbers here."""

Same = Callable[[Path, Path], None]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The search by one worker."""
    out = tmp_path_factory.mktemp("conditional") / "out"
    shoal.run(**ASKED, workers=1, out=out)
    return out


def test_the_table_has_nulls_where_a_hyperparameter_is_not_active(whole: Path) -> None:
    """And no trial twice."""
    result = shoal.load(whole)
    trials = result.trials
    for name, optimizer in HAS.items():
        assert (trials[name].isna() == ~trials["optimizer"].isin(optimizer)).all()
    assert set(trials["optimizer"]) == {"sgd", "momentum", "adam"}
    values = trials[list(ASKED["space"])].astype(object)
    assert len(set(map(tuple, values.where(values.notna(), None).to_numpy()))) == 96
    schema = pq.read_schema(whole / "trials.parquet")
    assert [str(schema.field(name).type) for name in HAS] == ["double", "double", "int64"]


def test_pandas_reads_whole_numbers_as_whole_numbers(whole: Path) -> None:
    """With shoal and without."""
    for trials in (shoal.load(whole).trials, pandas.read_parquet(whole / "trials.parquet")):
        assert str(trials["eps"].dtype) == "Int64"
        assert str(trials["momentum"].dtype) == "float64"
        assert str(trials["trial"].dtype) == "int64"
        assert set(trials["eps"].dropna()) == {1, 2}


def test_a_trial_tells_what_it_has(whole: Path) -> None:
    """The best one, and each of the Optuna study."""
    result = shoal.load(whole)
    best = result.best
    for name, optimizer in HAS.items():
        assert (name in best.index) == (best["optimizer"] in optimizer)
    trials = result.trials.set_index("trial")
    for trial in result.study().trials:
        row = trials.loc[trial.user_attrs["trial"]]
        has = {name for name, optimizer in HAS.items() if row["optimizer"] in optimizer}
        assert set(trial.params) == set(trial.distributions) == {"lr", "optimizer", *has}
        assert all(trial.params[name] == row[name] for name in trial.params)


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam"])
def test_a_trial_is_fitted_again(whole: Path, optimizer: str) -> None:
    """Bit for bit, whatever its optimizer lacks."""
    result = shoal.load(whole)
    good = result.trials.query("optimizer == @optimizer and state == 'complete'")
    assert result.refit(int(good["trial"].iloc[0])).same


def test_what_is_printed_leaves_out_what_is_not_active(whole: Path, shell: Any) -> None:
    """A trial's line; a table has a dash, JSON null, CSV nothing."""
    result = shoal.load(whole)
    row = result.trials.query("optimizer == 'sgd' and state == 'complete'").iloc[0]
    told = shell("fit", whole, "--trial", row["trial"]).stdout.splitlines()
    assert told[0] == (
        f"trial   {row['trial']}: lr {row['lr']:.9g}, optimizer sgd, momentum {row['momentum']:.9g}"
    )
    rows = json.loads(shell("results", whole, "--json").stdout)
    for row, trial in zip(rows, result.trials.to_dict("records"), strict=True):
        for name, optimizer in HAS.items():
            expected = trial[name] if trial["optimizer"] in optimizer else None
            assert row[name] == expected
            assert not isinstance(row["eps"], float)
    table = shell("results", whole, "--best", "96").stdout.splitlines()
    names = table[0].split()
    for line in table[1:-1]:
        cells = dict(zip(names, line.split(), strict=True))
        for name, optimizer in HAS.items():
            assert (cells[name] == "-") == (cells["optimizer"] not in optimizer)
    csv = shell("results", whole, "--csv", "-").stdout.splitlines()
    place = csv[0].split(",").index("eps")
    assert {line.split(",")[place] for line in csv[1:]} == {"", "1", "2"}


def test_two_workers_make_the_same_table(whole: Path, tmp_path: Path, same_table: Same) -> None:
    """Packs end in another order."""
    shoal.run(**ASKED, workers=2, out=tmp_path / "out")
    same_table(whole, tmp_path / "out")


KILLED = """
import os, signal, sys
import shoal

class Killer(shoal.Observer):
    told = 0

    def rows(self, part):
        self.told += 1
        if self.told == int(sys.argv[2]):
            os.kill(os.getpid(), signal.SIGKILL)

shoal.run(**{asked!r}, workers=2, out=sys.argv[1], observers=[Killer()])
"""


@pytest.mark.parametrize("packs", [2, 20])
def test_a_killed_search_goes_on_to_the_same_table(
    whole: Path, tmp_path: Path, same_table: Same, packs: int
) -> None:
    """Killed after so many packs, of which some may be lost; the command is given again."""
    out = tmp_path / "out"
    command = [sys.executable, "-c", KILLED.format(asked=ASKED), str(out), str(packs)]
    killed = subprocess.run(command, env=dict(os.environ), cwd=tmp_path, check=False, timeout=240)
    assert killed.returncode == -signal.SIGKILL
    assert shoal.load(out).ended < 96
    shoal.run(**ASKED, workers=1, out=out)
    same_table(whole, out)
    shoal.run(**ASKED, workers=1, out=out)  # once more: nothing is left to do
    same_table(whole, out)


def test_a_small_space_is_searched_once(tmp_path: Path, shell: Any) -> None:
    """adagrad has no momentum: three trials; the same command has nothing left to do."""
    words = ["legendre-sine", "--steps", 20, "--trials", 64, "--engine", "inline"]
    space = ["lr=1e-5", "optimizer=adagrad,momentum", "momentum=0.5,0.9"]
    command = ["run", *words, *(w for s in space for w in ("--space", s)), "--out", "out"]
    first, again = shell(*command), shell(*command)
    assert "the space has 3 different trials: the search ends after these" in first.stderr
    assert "fits    3 complete" in first.stdout
    assert "nothing was left to do" in again.stdout
    trials = shoal.load(tmp_path / "out").trials
    assert trials["momentum"].fillna(0).sort_values().tolist() == [0, 0.5, 0.9]
    assert numpy.isnan(trials["momentum"].to_numpy()).sum() == 1
    other = shell(*command[:-1], "out", "--trials", 2)
    assert "out has 3 trials, 2 asked: there can be more, and not fewer" in other.stderr
