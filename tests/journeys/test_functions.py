"""Searches whose fits are calls of functions and programs, from what is typed to the table."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas
import pytest

import shoal

Same = Callable[[Path, Path], None]
Shell = Callable[..., "subprocess.CompletedProcess[str]"]
Eventually = Callable[..., None]

STEPS = '''
import os, pathlib, random, signal, time

def train(lr, width=2, *, seed, checkpoint):
    """Ten steps; a file beside the function says what happens in the middle of some trials."""
    here = pathlib.Path("happens")
    file = checkpoint / "state"
    epoch, loss = 0, 1.0
    if file.exists():
        first, second = file.read_text().split()
        epoch, loss = int(first), float(second)
        print("goes on from", epoch)
    while epoch < 6:
        epoch += 1
        loss *= 1 - lr / width
        if epoch == 4 and here.exists() and lr > 0.2:
            what = here.read_text()
            once = pathlib.Path(f"once-{lr}-{seed}" if what == "dies" else "once")
            if what == "waits":
                pathlib.Path("waiting").touch()
                time.sleep(600)
            if not once.exists():
                once.touch()
                whom = {"dies": os.getpid(), "loses its worker": os.getppid()}[what]
                os.kill(whom, signal.SIGKILL)
        file.write_text(f"{epoch} {loss!r}")
        yield {"step": epoch, "loss": loss + seed, "left": 6 - epoch}
'''
ASKED: dict[str, Any] = {
    "space": {"lr": "0.01:0.5", "width": [1, 2]},
    "trials": 10,
    "replicates": 2,
    "keep": 2,
    "seed": 3,
}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of the user's, with the function of most tests."""
    folder = tmp_path / "place"
    folder.mkdir()
    monkeypatch.chdir(folder)
    (folder / "own.py").write_text(STEPS)
    return folder


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run folder of a search in which nothing happens, by one worker."""
    folder = tmp_path_factory.mktemp("reference")
    (folder / "own.py").write_text(STEPS)
    shoal.run(f"{folder}/own.py:train", **ASKED, workers=1, out=folder / "out")
    return folder / "out"


def kept(out: Path) -> dict[str, str]:
    """What is left of checkpoints: by trial and replicate, what they hold."""
    files = sorted((out / "checkpoints").glob("*/*/files/state"))
    return {file.parts[-4]: file.read_text() for file in files}


def test_the_table_has_what_was_reported(reference: Path) -> None:
    """A row for each fit, a curve with each report, and the checkpoints of the best alone."""
    result = shoal.load(reference)
    trials = result.trials
    assert len(trials) == 20
    assert list(trials.columns[:6]) == ["trial", "replicate", "lr", "width", "loss", "left"]
    assert set(trials["state"]) == {"complete"}
    assert set(trials["steps"]) == {6}
    expected = (1 - trials["lr"] / trials["width"]) ** 6 + 3 + trials["replicate"]
    assert (trials["loss"] - expected).abs().max() < 1e-9
    assert len(result.curves) == 120
    assert result.curves.groupby("step")["left"].unique().map(list).to_dict() == {
        step: [6 - step] for step in range(1, 7)
    }
    best = result.ranking["trial"].head(2).tolist()
    assert set(kept(reference)) == {f"{trial}-{r}" for trial in best for r in (0, 1)}
    assert (result.checkpoint("best", 1) / "state").read_text().startswith("6 ")
    with pytest.raises(shoal.BadInput, match="is not kept"):
        result.checkpoint(int(result.ranking["trial"].iloc[-1]))
    with pytest.raises(shoal.BadInput, match="shoal has no parameters"):
        result.parameters()


@pytest.mark.parametrize("way", [{"workers": 3}, {"fresh": True, "workers": 2}])
def test_workers_do_not_change_the_table(
    place: Path, same_table: Same, reference: Path, way: dict[str, Any]
) -> None:
    """Nor do new processes."""
    shoal.run("own.py:train", **ASKED, **way, out="out")
    same_table(reference, place / "out")
    assert kept(place / "out") == kept(reference)


def test_a_process_that_is_killed_changes_no_table(
    place: Path, same_table: Same, reference: Path
) -> None:
    """Under several trials, each once: they go on from their checkpoints."""
    (place / "happens").write_text("dies")
    shoal.run("own.py:train", **ASKED, workers=2, out="out")
    same_table(reference, place / "out")
    assert len(list(place.glob("once-*"))) > 3
    logs = "".join(file.read_text() for file in (place / "out/logs").iterdir())
    assert "goes on from 3\n" in logs


@pytest.mark.usefixtures("one_ray")
def test_ray_has_the_same_table_also_where_a_worker_is_killed(
    place: Path, same_table: Same, reference: Path
) -> None:
    """With the process that it has started."""
    asked = {**ASKED, "engine": "ray", "workers": 2}
    (place / "happens").write_text("loses its worker")
    shoal.run("own.py:train", **asked, out="out")
    same_table(reference, place / "out")
    assert (place / "once").exists()
    assert kept(place / "out") == kept(reference)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_driver_that_is_killed_or_stopped_goes_on_to_the_same_table(
    place: Path, same_table: Same, reference: Path, number: int, eventually: Eventually
) -> None:
    """Its calls end with it, or within their grace."""
    (place / "happens").write_text("waits")
    words = ["own.py:train", "--space=lr=0.01:0.5", "--space=width=1,2", "--trials=10"]
    words += ["--replicates=2", "--keep=2", "--seed=3", "--out=out", "--workers=2", "--grace=1s"]
    driver = subprocess.Popen([sys.executable, "-m", "shoal", "run", *words])
    eventually((place / "waiting").exists)
    driver.send_signal(number)
    assert driver.wait() in (-number, 128 + number)
    (place / "happens").unlink()
    shoal.run(out="out", workers=2)
    same_table(reference, place / "out")
    assert kept(place / "out") == kept(reference)


@pytest.fixture
def written(place: Path) -> Callable[[str], str]:
    """Write a function; return its name for a search."""

    def write(text: str) -> str:
        (place / "own.py").write_text(textwrap.dedent(text))
        return "own.py:train"

    return write


def test_columns_are_those_of_the_first_trial_that_reports(
    place: Path, written: Callable[[str], str]
) -> None:
    """Whichever ends first; others that report other numbers have failed, and say why."""
    order = [2, 4, 0, 1, 3]
    name = written(f"""
        import time

        def train(lr, number):
            place = {order}.index(number)
            if place == 0:
                raise ValueError("no report")
            if place == 1:
                time.sleep(0.5)
                return {{"accuracy": 0.5, "loss": lr}}
            return {{"loss": lr, "accuracy": 0.5, **({{"more": 1}} if place == 2 else {{}})}}
        """)
    space = {"lr": 1.0, "number": "0:4:int"}
    shoal.run(name, space=space, sampler="qmc", trials=5, round=5, workers=2, out="out")
    trials = pandas.read_parquet("out/trials.parquet")
    assert trials["number"].tolist() == order, "the sampler has another order now: write that"
    assert [name for name in trials if name in ("loss", "accuracy", "more")] == ["accuracy", "loss"]
    states = ["failed", "complete", "failed", "complete", "complete"]
    assert trials["state"].tolist() == states
    assert "ValueError: no report" in trials["error"][0]
    assert trials["error"][2] == (
        "its reports have more too many; those of other trials have accuracy, loss"
    )


def test_where_nothing_works_the_search_ends_and_writes_no_table(
    place: Path, written: Callable[[str], str]
) -> None:
    """The same command goes on once the function is mended; so it does where the objective is none
    of the numbers, which the message says."""
    name = written("def train(lr):\n    return lrr\n")
    with pytest.raises(shoal.SearchFailed, match="NameError: name 'lrr' is not defined"):
        shoal.run(name, space={"lr": "0:1"}, trials=50, out="out")
    assert not (place / "out/trials.parquet").exists()
    assert len(shoal.load("out").trials) == 0
    assert shoal.load("out").best_row is None
    name = written("def train(lr):\n    return {'accuracy': lr}\n")
    with pytest.raises(shoal.SearchFailed, match="--objective accuracy:max"):
        shoal.run(name, space={"lr": "0:1"}, trials=50, out="other")
    result = shoal.run(
        name, space={"lr": "0:1"}, trials=8, objective="accuracy:max", out="third", engine="inline"
    )
    assert result.best["accuracy"] == result.trials["lr"].max()
    assert "loss" not in result.trials


@pytest.mark.parametrize("declared", ["", "train.metrics = ['loss']"])
@pytest.mark.parametrize("ends", ["return", "yield"])
def test_a_pruner_that_has_nothing_to_judge_is_told(
    place: Path, written: Callable[[str], str], ends: str, declared: str
) -> None:
    """Which nobody knows before the first trial has ended."""
    name = written(f"def train(lr):\n    {ends} {{'loss': lr}}\n{declared}\n")
    said: list[str] = []

    class Listens(shoal.Observer):
        def say(self, message: str) -> None:
            said.append(message)

    asked: dict[str, Any] = {"space": {"lr": "0:1"}, "trials": 6, "engine": "inline"}
    told = r"trial \d gave one report: pruner median.* judges between reports, and stops none; .*"
    shoal.run(name, **asked, pruner="median", out="out", observers=[Listens()])
    assert [bool(re.fullmatch(told, each)) for each in said] == [True]
    said.clear()
    shoal.run(name, **asked, out="other", observers=[Listens()])
    assert said == []
    twice = written(
        f"def train(lr):\n    yield {{'loss': lr}}\n    yield {{'loss': lr}}\n{declared}\n"
    )
    shoal.run(twice, **asked, pruner="median", out="third", observers=[Listens()])
    assert said == []


def test_a_function_says_its_space_objective_and_metrics(
    place: Path, written: Callable[[str], str]
) -> None:
    """As attributes; what is asked for wins."""
    name = written("""
        def train(lr, width=3, **more):
            return {"score": lr * width + more["own"], "loss": 1}

        train.space = {"lr": "0:1", "own": [1, 2]}
        train.objective = "score:max"
        train.metrics = ["loss", "score"]
        """)
    result = shoal.run(name, space={"own": 2}, trials=6, out="out")
    assert set(result.trials["own"]) == {2}
    assert result.best["score"] == result.trials["score"].max() > 2
    assert list(result.metrics) == ["loss", "score"]


def test_logs_are_kept_of_the_best_the_failed_and_the_last(
    place: Path, written: Callable[[str], str]
) -> None:
    """And none that is empty."""
    name = written("""
        def train(lr, number):
            print("trial", number)
            if number == 1:
                raise ValueError("it fails")
            return number
        """)
    out = place / "out"
    space = {"lr": 1.0, "number": "0:59:int"}
    shoal.run(name, space=space, sampler="qmc", trials=40, keep=2, out=out, workers=1)
    trials = pandas.read_parquet(out / "trials.parquet")
    best = trials[trials["state"] == "complete"].nsmallest(2, "loss")["trial"].tolist()
    failed = trials[trials["state"] == "failed"]["trial"].tolist()
    logs = {int(file.stem) for file in (out / "logs").iterdir()}
    assert failed
    assert {*best, *failed, 39} <= logs
    assert len(logs) < 20


@pytest.fixture
def changed(place: Path) -> Path:
    """A program."""
    program = place / "simulate"
    program.write_text('#!/bin/sh\necho "final: $2"\nprintf model > "$4/model"\n')
    program.chmod(0o755)
    return program


def test_a_program_is_searched_called_again_and_known_by_its_content(
    place: Path, changed: Path, shell: Shell
) -> None:
    """From the command line, in a folder of any name."""
    words = ["./simulate --lr {lr} --out {checkpoint}", "--read", "loss=final: ([0-9.e+-]+)"]
    asked = ["run", "--exec", *words, "--space", "lr=0.1:1:log", "--out", "out", "--quiet"]
    environment = {"PWD": str(place)}
    done = subprocess.run(
        [sys.executable, "-m", "shoal", *asked, "--trials", "6"],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    result = shoal.load("out")
    assert result.trials["loss"].equals(result.trials["lr"])
    assert (result.checkpoint() / "model").read_text() == "model"
    again = subprocess.run(
        [sys.executable, "-m", "shoal", "fit", "out", "--trial", "5", "--save", "saved"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "the same numbers, bit for bit" in again.stdout
    assert again.stdout.startswith("final: 0.")
    assert (place / "saved/model").read_text() == "model"
    changed.write_text("#!/bin/sh\necho final: 1\n")
    with pytest.raises(shoal.BadInput, match="was made with another version of simulate"):
        result.refit(5)
