"""Searches that end fits early: the same table on any number of workers, however often killed."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas
import pytest

import shoal

Same = Callable[[Path, Path], None]

ASKED: dict[str, Any] = {
    "problem": "legendre-sine",
    "space": {"lr": "1e-7:1e-3:log", "optimizer": "sgd,adam", "momentum": "0:0.99"},
    "trials": 64,
    "replicates": 2,
    "steps": 60,
    "report": 5,
    "seed": 3,
    "round": 16,
    "pack": 12,
    "block": 5,
    "keep": 3,
    "pruner": "halving:factor=2,start=5",
}

CHILD = """
import os, signal, sys
import shoal

class Kill(shoal.Observer):
    left = 3

    def rows(self, table):
        self.left -= 1
        if not self.left:
            os.kill(os.getpid(), signal.SIGKILL)

shoal.run(out=sys.argv[1], engine=sys.argv[2], workers=2, observers=[Kill()])
"""


class Stop(shoal.Observer):
    """Interrupts a search as some of its rows come."""

    left = 2

    def rows(self, table: Any) -> None:
        self.left -= 1
        if not self.left:
            os.kill(os.getpid(), signal.SIGINT)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run folder of the search, by one thread and in one go."""
    out = tmp_path_factory.mktemp("whole") / "out"
    shoal.run(**ASKED, out=out, engine="inline", workers=1)
    return out


def test_fits_that_are_behind_end_early_and_are_told_as_pruned(whole: Path) -> None:
    """Rows, curves, ranking, study, parameters, and fitted again."""
    result = shoal.load(whole)
    trials, curves = result.trials, result.curves
    pruned = trials.query("state == 'pruned'")
    assert len(trials) == 128
    assert 20 < len(pruned) < 110
    assert set(pruned["steps"]) <= {5, 10, 20, 40}
    assert pruned["loss"].notna().all()
    points = curves.groupby(["trial", "replicate"]).size()
    assert (points[pd_keys(pruned)].to_numpy() * 5 == pruned["steps"].to_numpy()).all()
    of_trial = trials.groupby("trial")["state"].agg(set)
    ranked = result.ranking["trial"]
    assert set(ranked) == set(of_trial[of_trial.map(lambda states: "pruned" not in states)].index)
    states = [trial.state.name for trial in result.study().trials]
    assert states.count("PRUNED") == sum("pruned" in each for each in of_trial)
    assert set(result.parameters())
    assert result.best["state"] == "complete"
    number = int(pruned.iloc[0]["trial"])
    again = result.refit(number, int(pruned.iloc[0]["replicate"]))
    assert again.steps == 60
    assert re.match(rf"trial {number}.* was pruned at step", again.notes[0])
    best = int(result.best["trial"])
    assert result.refit(best).same is True


def pd_keys(rows: pandas.DataFrame) -> list[tuple[int, int]]:
    """The keys of rows."""
    return list(zip(rows["trial"], rows["replicate"], strict=True))


@pytest.mark.parametrize(
    "way",
    [
        {"engine": "inline", "workers": 4},
        {"engine": "inline", "block": 3},
        pytest.param({"engine": "ray", "workers": 1}, marks=pytest.mark.long),
        pytest.param({"engine": "ray", "workers": 4}, marks=pytest.mark.long),
    ],
    ids=lambda way: " ".join(map(str, way.values())),
)
@pytest.mark.usefixtures("one_ray")
def test_no_engine_no_worker_and_no_block_changes_who_is_pruned(
    tmp_path: Path, same_folder: Same, whole: Path, way: dict[str, Any]
) -> None:
    """Neither does the order in which packs end."""
    shoal.run(**{**ASKED, **way}, out=tmp_path / "out")
    same_folder(whole, tmp_path / "out")


@pytest.mark.parametrize("engine", ["inline", "ray"])
@pytest.mark.usefixtures("one_ray")
def test_a_search_killed_in_the_middle_goes_on_to_the_same_table(
    tmp_path: Path, same_folder: Same, whole: Path, engine: str
) -> None:
    """Interrupted first, then by SIGKILL of the driver, in threads and over the workers of a
    Ray."""
    import ray

    out = tmp_path / "out"
    with pytest.raises(shoal.Interrupted, match="interrupted"):
        shoal.run(**ASKED, out=out, engine="inline", observers=[Stop()])
    address = ray.get_runtime_context().gcs_address if engine == "ray" else ""
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(out), engine],
        env={**os.environ, "RAY_ADDRESS": address},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert shoal.load(out).ended < 128
    shoal.run(out=out, engine=engine, workers=2)
    same_folder(whole, out)


def test_a_longer_search_begins_with_the_shorter_one(
    tmp_path: Path, same_folder: Same, same_table: Same, whole: Path
) -> None:
    """From the middle of a pack; more replicates are judged among themselves, whenever asked."""
    for name, first in (("out", 37), ("other", 37)):
        shoal.run(**{**ASKED, "trials": first}, out=tmp_path / name, engine="inline")
    shoal.extend(tmp_path / "out", trials=64, engine="inline", workers=2)
    same_folder(whole, tmp_path / "out")
    shoal.extend(tmp_path / "out", replicates=3, engine="inline")
    with pytest.raises(shoal.Interrupted, match="interrupted"):
        shoal.extend(tmp_path / "other", trials=64, engine="inline", observers=[Stop()])
    shoal.extend(tmp_path / "other", replicates=3, engine="inline", workers=2)
    same_table(tmp_path / "out", tmp_path / "other")
    new = shoal.load(tmp_path / "out").trials.query("replicate == 2")
    assert 5 < (new["state"] == "pruned").sum() < 60


REFUSED = {
    "one report": (
        {"report": 60},
        "pruner halving judges fits at reports before their last, and each has one report alone; "
        "give --report below 60",
    ),
    "too late": (
        {"pruner": "median:start=60"},
        "pruner median judges no fit: start must be at most 55, the last report before the end, "
        "not 60",
    ),
    "unknown": (
        {"pruner": "hyperband"},
        "unknown pruner 'hyperband'; known: halving, median, threshold, none",
    ),
    "no such parameter": (
        {"pruner": "halving:eta=3"},
        "pruner halving has factor, start, each written once as halving:factor=3, not 'eta=3'",
    ),
    "twice": ({"pruner": "halving:factor=3,factor=2"}, "as halving:factor=3, not twice"),
    "no number": (
        {"pruner": "median:known=few"},
        "known of pruner median must be a whole number, not 'few'",
    ),
    "out of bounds": (
        {"pruner": "halving:factor=1"},
        "factor of pruner halving must be at least 2, not 1",
    ),
    "needed": (
        {"pruner": "threshold"},
        "pruner threshold needs worst, as in threshold:worst=0.5",
    ),
    "no text": ({"pruner": 3}, "pruner must be text, as halving:factor=3, not 3"),
}


@pytest.mark.parametrize("how", REFUSED)
def test_what_prunes_nothing_is_refused(tmp_path: Path, how: str) -> None:
    """In one line, and no folder is made."""
    asked, told = REFUSED[how]
    with pytest.raises(shoal.BadInput, match=re.escape(told)) as caught:
        shoal.run(**{**ASKED, **asked}, out=tmp_path / "out")
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_another_pruner_is_another_search(tmp_path: Path, whole: Path) -> None:
    """The same, written otherwise, is none."""
    same = {**ASKED, "pruner": "halving:start=5,factor=2.0"}
    assert shoal.run(**same, out=whole, engine="inline").ended == 128
    with pytest.raises(shoal.BadInput, match=r"pruner is 'halving:factor=2,start=5' there, 'none'"):
        shoal.run(**{**ASKED, "pruner": "none"}, out=whole, engine="inline")


def test_on_the_command_line_the_summary_counts_them(
    tmp_path: Path, shell: Callable[..., Any]
) -> None:
    """And the file of settings has it."""
    (tmp_path / "mine.toml").write_text('pruner = "median"\nsteps = 40\ntrials = 24\n')
    done = shell("run", "--config", "mine.toml", "--engine", "inline", "--out", "out", "--quiet")
    assert done.returncode == 0, done.stderr
    assert re.search(r"fits    .*\d+ pruned", done.stdout)
    assert 'pruner = "median:known=5,start=0"' in (tmp_path / "out/search.toml").read_text()


FUNCTION = '''
import pathlib

def train(lr, *, seed, checkpoint):
    """Ten reports; it says what becomes of it."""
    file = checkpoint / "state"
    epoch, loss = 0, 1.0
    if file.exists():
        first, second = file.read_text().split()
        epoch, loss = int(first), float(second)
    try:
        while epoch < 10:
            epoch += 1
            loss *= 1 - lr * (1 + seed)
            file.write_text(f"{epoch} {loss!r}")
            yield {"step": epoch, "loss": loss}
    finally:
        print("closed after", epoch)
'''

CALLED: dict[str, Any] = {
    "space": {"lr": "0.01:0.4"},
    "trials": 30,
    "replicates": 2,
    "keep": 2,
    "seed": 3,
    "pruner": "halving:factor=2,start=1",
}


@pytest.fixture(scope="module")
def called(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run folder of a search that calls a function, one call at a time."""
    folder = tmp_path_factory.mktemp("called")
    (folder / "own.py").write_text(FUNCTION)
    shoal.run(f"{folder}/own.py:train", **CALLED, workers=1, out=folder / "out")
    return folder / "out"


def test_calls_that_are_behind_are_closed_between_two_reports(called: Path) -> None:
    """Each is judged by rounds that have ended; the first two are never pruned."""
    result = shoal.load(called)
    trials = result.trials
    pruned = trials.query("state == 'pruned'")
    assert 8 < len(pruned) < 48
    assert set(pruned["steps"]) <= {1, 2, 4, 8}
    assert pruned["loss"].notna().all()
    assert trials.query("trial < 8")["state"].eq("complete").all()
    last = pruned.iloc[-1]
    number, copy = int(last["trial"]), int(last["replicate"])
    name = f"{number}-{copy}.log" if copy else f"{number}.log"
    logs = {file.name: file.read_text() for file in (called / "logs").iterdir()}
    if name in logs:  # those of the last trials are kept
        assert logs[name] == f"closed after {last['steps']}\n"
    assert any(text.startswith("closed after") for text in logs.values())
    assert result.checkpoint("best").is_dir()
    places = {file.name.partition("-")[0] for file in (called / "checkpoints").iterdir()}
    assert places == {str(number) for number in result.ranking["trial"].head(2)}


def test_calls_have_one_table_however_many_run_at_once(
    tmp_path: Path, same_table: Same, called: Path
) -> None:
    """Also where it was interrupted, and had fewer trials at first."""
    problem = f"{called.parent}/own.py:train"
    with pytest.raises(shoal.Interrupted, match="interrupted"):
        shoal.run(
            problem,
            **{**CALLED, "trials": 13},
            workers=4,
            out=tmp_path / "out",
            observers=[Stop()],
        )
    shoal.extend(tmp_path / "out", trials=30, workers=4)
    same_table(called, tmp_path / "out")


def test_a_call_that_was_pruned_comes_to_its_end_where_it_is_called_again(
    called: Path, shell: Callable[..., Any]
) -> None:
    """It says so."""
    pruned = shoal.load(called).trials.query("state == 'pruned' and replicate == 0")
    number, step = int(pruned.iloc[0]["trial"]), int(pruned.iloc[0]["steps"])
    done = shell("fit", called, "--trial", number)
    assert done.returncode == 0, done.stderr
    assert f"trial {number} was pruned at step {step}: it is called to its end here" in done.stderr
    assert "complete" in done.stdout
