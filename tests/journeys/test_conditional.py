"""A search over optimizers, each with its own hyperparameters, and one with conditions that are
written: the table, killed and gone on with, by any number of workers, and what is made of it."""

from __future__ import annotations

import functools
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

NET = """
import torch

class Net:
    def __init__(self, layers=1, width2=5, bias=True, kind="plain"):
        self.layers, self.width2, self.bias, self.kind = layers, width2, bias, kind

    def data(self):
        return torch.linspace(-1, 1, 16)

    def initial(self, seed):
        generator = torch.Generator().manual_seed(seed)
        return (torch.randn(self.width2 if self.layers > 1 else 1, generator=generator),)

    def loss(self, params, x, l2=0.0, shift=0.25):
        (w,) = params
        made = w.sum() * x + (shift if self.bias else 0.0)
        made = torch.tanh(made) if self.kind == "tanh" else made
        return ((made - torch.sin(2 * x)) ** 2).mean() + l2 * (w * w).sum()
"""
WRITTEN: dict[str, Any] = {
    "problem": "net.py:Net",
    "space": {
        "lr": "1e-3:1e-1:log",
        "layers": "1:3:int",
        "width2": "2:6:2:int if layers>=2",
        "bias": "True,False if width2 in 2,6 or layers=1",
        "kind": "plain,tanh if bias=False and lr<0.05",
        "l2": {"values": "1e-3:1:log", "if": "lr>=0.01 and layers!=3"},
        "shift": "0:1:0.1 if bias=True",
        "optimizer": "sgd,momentum",
        "momentum": "0,0.5,0.9 if layers>=2",
    },
    "trials": 96,
    "steps": 30,
    "seed": 3,
    "round": 12,
    "pack": 8,
    "program": "eager",
    "engine": "inline",
}
SEARCHES = {"optimizers": ASKED, "written": WRITTEN}
by_search = pytest.mark.parametrize("which", SEARCHES)

Same = Callable[[Path, Path], None]
Made = Callable[[str], Path]


def asked_of(which: str, folder: Path) -> dict[str, Any]:
    """What is asked for, where a problem of the user's lies in `folder`."""
    asked = dict(SEARCHES[which])
    if which == "written":
        (folder / "net.py").write_text(NET)
        asked["problem"] = f"{folder}/{asked['problem']}"
    return asked


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Each search by one worker: its run folder."""

    @functools.cache
    def make(which: str) -> Path:
        out = tmp_path_factory.mktemp(which) / "out"
        shoal.run(**asked_of(which, out.parent), workers=1, out=out)
        return out

    return make


@pytest.fixture(scope="module")
def whole(made: Made) -> Path:
    """The search over optimizers."""
    return made("optimizers")


@pytest.fixture(scope="module")
def written(made: Made) -> Path:
    """The search with conditions that are written."""
    return made("written")


def expected(row: Any) -> set[str]:
    """What a trial of that search has, by a plain reading."""
    has = {"lr", "layers", "optimizer"}
    if row["layers"] >= 2:
        has |= {"width2", "momentum"}
    if row["layers"] == 1 or row["width2"] in (2, 6):
        has |= {"bias"}
    if "bias" in has and not row["bias"] and row["lr"] < 0.05:
        has |= {"kind"}
    if "bias" in has and row["bias"]:
        has |= {"shift"}
    if row["lr"] >= 0.01 and row["layers"] != 3:
        has |= {"l2"}
    return has


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


@pytest.mark.parametrize("which", ["optimizers", pytest.param("written", marks=pytest.mark.long)])
def test_two_workers_make_the_same_table(
    made: Made, which: str, tmp_path: Path, same_table: Same
) -> None:
    """Packs end in another order."""
    whole = made(which)
    shoal.run(**asked_of(which, whole.parent), workers=2, out=tmp_path / "out")
    same_table(whole, tmp_path / "out")


@pytest.mark.long
@pytest.mark.usefixtures("one_ray")
def test_ray_makes_the_same_table(written: Path, tmp_path: Path, same_table: Same) -> None:
    """Over two of its workers."""
    asked = {**asked_of("written", written.parent), "engine": "ray", "workers": 2}
    shoal.run(**asked, out=tmp_path / "out")
    same_table(written, tmp_path / "out")


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


@pytest.mark.long
@pytest.mark.parametrize("which", ["optimizers", "written"])
@pytest.mark.parametrize("packs", [2, 9])
def test_a_killed_search_goes_on_to_the_same_table(
    made: Made, which: str, tmp_path: Path, same_table: Same, packs: int
) -> None:
    """Killed after so many packs, of which some may be lost; the command is given again."""
    out, whole = tmp_path / "out", made(which)
    asked = asked_of(which, whole.parent)
    command = [sys.executable, "-c", KILLED.format(asked=asked), str(out), str(packs)]
    killed = subprocess.run(command, env=dict(os.environ), cwd=tmp_path, check=False, timeout=240)
    assert killed.returncode == -signal.SIGKILL
    assert shoal.load(out).ended < 96
    shoal.run(**asked, workers=1, out=out)
    same_table(whole, out)
    shoal.run(**asked, workers=1, out=out)  # once more: nothing is left to do
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


def test_written_conditions_are_nulls_in_the_table(written: Path) -> None:
    """Where they do not hold, whoever reads it; whole numbers, truth values and words keep their
    types, and no trial comes twice."""
    types = {"width2": "Int64", "bias": "boolean", "kind": "string", "l2": "float64"}
    for trials in (shoal.load(written).trials, pandas.read_parquet(written / "trials.parquet")):
        assert {name: str(trials[name].dtype) for name in types} == types
        for _, row in trials.iterrows():
            has = {name for name in WRITTEN["space"] if not pandas.isna(row[name])}
            assert has == expected(row)
        values = trials[list(WRITTEN["space"])].astype(object)
        assert len(set(map(tuple, values.where(values.notna(), None).to_numpy()))) == 96
        assert set(trials["width2"].dropna()) == {2, 4, 6}
        assert set(trials["shift"].dropna()) <= {i / 10 for i in range(11)}
        for name in WRITTEN["space"]:
            assert trials[name].notna().sum() > 3


def test_a_trial_of_the_study_has_what_is_active(written: Path) -> None:
    """Of each with its distribution, and no more."""
    result = shoal.load(written)
    trials = result.trials.set_index("trial")
    for trial in result.study().trials:
        row = trials.loc[trial.user_attrs["trial"]]
        assert set(trial.params) == set(trial.distributions) == expected(row)
        assert all(trial.params[name] == row[name] for name in trial.params)


def test_what_is_not_active_has_its_default(written: Path) -> None:
    """Each fit is that of its active hyperparameters alone, one at a time: what the others are for
    the fits beside it in a pack makes no difference."""
    trials = shoal.load(written).trials
    some = trials[trials["state"] == "complete"].iloc[::6]
    assert len(some) > 10
    assert some["l2"].isna().any()
    assert some["shift"].isna().any()
    for _, row in some.iterrows():
        values = {name: row[name] for name in expected(row)}
        fit = shoal.fit(f"{written.parent}/net.py:Net", steps=30, seed=3, **values)
        assert fit.loss == pytest.approx(row["loss"], rel=1e-5)
    row = some.iloc[0]
    assert shoal.load(written).refit(int(row["trial"])).same


def test_compiled_fits_are_those_of_plain_torch(tmp_path: Path) -> None:
    """With the same trials, where some of a pack have what others do not."""
    asked = {
        **asked_of("written", tmp_path),
        "space": {
            "lr": "1e-3:1e-1:log",
            "layers": "1,2",
            "width2": "2,3 if layers=2",
            "l2": "1e-3:1:log if lr>=0.01",
            "momentum": "0:0.9 if lr<0.02",
        },
        "sampler": "qmc",
        "trials": 32,
    }
    shoal.run(**asked, out=tmp_path / "plain")
    shoal.run(**{**asked, "program": "compiled"}, out=tmp_path / "compiled")
    plain, compiled = (shoal.load(tmp_path / name).trials for name in ("plain", "compiled"))
    names = list(asked["space"])
    pandas.testing.assert_frame_equal(plain[names], compiled[names])
    numpy.testing.assert_allclose(compiled["loss"], plain["loss"], rtol=1e-4)
    assert 'program = "kernel"' in (tmp_path / "compiled/search.toml").read_text()
    both = plain.groupby("pack")["l2"].agg(lambda column: column.isna().mean())
    assert both.between(0.01, 0.99).any()


CALLED = """
def train(lr, width=32, depth=None, kind="none", *, seed=0):
    return {"loss": lr * width, "width_was": width, "depth_was": -1 if depth is None else depth,
            "length": len(kind)}
"""


def test_a_function_gets_what_is_active(tmp_path: Path) -> None:
    """The rest is as its signature has it; killed or not is the same to it, as to all calls."""
    (tmp_path / "own.py").write_text(CALLED)
    space = {
        "lr": "0:1",
        "width": "8:16:4:int if lr>0.5",
        "depth": "1:3:int if width>=12",
        "kind": {"values": ["a", "bb"], "if": "lr<=0.5"},
    }
    shoal.run(f"{tmp_path}/own.py:train", space=space, trials=24, workers=2, out=tmp_path / "out")
    trials = pandas.read_parquet(tmp_path / "out/trials.parquet")
    types = {"width": "Int64", "depth": "Int64", "kind": "string"}
    assert {name: str(trials[name].dtype) for name in types} == types
    assert (trials["width"].isna() == (trials["lr"] <= 0.5)).all()
    assert (trials["depth"].isna() == ~(trials["width"].fillna(0) >= 12)).all()
    assert (trials["kind"].isna() == (trials["lr"] > 0.5)).all()
    assert (trials["width_was"] == trials["width"].fillna(32)).all()
    assert (trials["depth_was"] == trials["depth"].fillna(-1)).all()
    assert (trials["length"] == trials["kind"].fillna("none").str.len()).all()
    assert trials["depth"].notna().sum() > 2


def test_a_program_gets_what_its_command_says_instead(tmp_path: Path, shell: Any) -> None:
    """`{width=64}` is the width of a trial that has none."""
    command = ["run", "--exec", "echo loss {lr} width {width=64}", "--trials", "12", "--out", "out"]
    command += ["--read", "loss=loss ([0-9.e+-]+)", "--read", "was=width ([0-9]+)"]
    done = shell(*command, "--space", "lr=0:1", "--space", "width=8:32:8:int if lr>0.5")
    assert done.returncode == 0, done.stderr
    trials = pandas.read_parquet(tmp_path / "out/trials.parquet")
    assert (trials["width"].isna() == (trials["lr"] <= 0.5)).all()
    assert (trials["was"] == trials["width"].fillna(64)).all()
    assert 0 < trials["width"].notna().sum() < 12


@pytest.mark.parametrize(
    ("space", "told"),
    [
        (["l2=0.1:1 if layers >> 2", "layers=1,2"], "'layers >> 2' is no comparison; write NAME="),
        (["l2=0.1:1 if layers>=2"], "l2 has a condition on layers, which is not in the space"),
        (
            ["layers=1,2 if l2>0.5", "l2=0:1 if layers=2"],
            "the conditions go in a circle: layers on l2 on layers",
        ),
    ],
)
def test_a_condition_that_says_nothing_is_one_line(
    tmp_path: Path, shell: Any, space: list[str], told: str
) -> None:
    """Exit code 2, and nothing is written."""
    (tmp_path / "net.py").write_text(NET)
    words = [word for each in ["lr=1e-2", *space] for word in ("--space", each)]
    done = shell("run", "net.py:Net", *words, "--trials", "8", "--out", "out")
    assert (done.returncode, done.stdout) == (2, "")
    assert told in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert [file.name for file in tmp_path.iterdir()] == ["net.py"]


def test_the_same_space_with_other_conditions_is_another_search(
    written: Path, tmp_path: Path, shell: Any
) -> None:
    """It is named; the same conditions, written otherwise, go on."""
    words = ["run", "--out", str(written), "--space"]
    other = shell(*words, "width2=2:6:2:int if layers>2")
    assert other.returncode == 2
    assert "width2 is '2:6:2:int if layers>=2' there, '2:6:2:int if layers>2' asked" in other.stderr
    same = shell(*words, "width2 = 2:6:2:int if layers >= 2.0")
    assert same.returncode == 0, same.stderr
    toml = written.parent / "again.toml"  # what a run folder says can be asked for again
    toml.write_text((written / "search.toml").read_text())
    again = shell("run", "--config", str(toml), "--out", str(written))
    assert "nothing was left to do" in again.stdout
