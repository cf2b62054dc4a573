"""A search that is to have more than was asked for: more trials, more replicates.

Its table is that of a search of which the same was asked in the same order, whenever it was asked,
and however often it is killed.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy
import pandas
import pytest

import shoal
from shoal.search.folder.placing import create
from shoal.search.folder.reader import RunFolder
from shoal.search.folder.writer import Writer
from shoal.search.preparation.preparation import prepare
from shoal.search.request.asked import Asked
from shoal.trainable.problems.finding import find

Same = Callable[[Path, Path], None]
Search = Callable[..., Path]

ASKED: dict[str, Any] = {
    "problem": "legendre-sine",
    "space": {"lr": "1e-7:1e-3:log", "optimizer": "sgd,adam", "momentum": "0:0.99"},
    "steps": 20,
    "report": 10,
    "seed": 3,
    "keep": 3,
}

FUNCTION = """
def train(x: float, seed: int = 0):
    yield {"loss": (x - 0.3) ** 2 + seed}
"""

CHILD = """
import json, os, signal, sys
import shoal

class Kill(shoal.Observer):
    left = 2

    def rows(self, table):
        self.left -= 1
        if not self.left:
            os.kill(os.getpid(), signal.SIGKILL)

more = json.loads(sys.argv[3])
shoal.extend(sys.argv[1], **more, engine=sys.argv[2], workers=2, observers=[Kill()])
"""

MORE: dict[str, Any] = {
    "trials": 300,
    "stop_when": ["stalled:30"],
    "tries": [{"lr": 2e-5}, {"lr": 1e-5, "optimizer": "sgd", "momentum": 0.5}],
}
"""What a search of 20 trials goes on with, until it is killed; and from another run folder."""


class Stop(shoal.Observer):
    """Interrupts a search as its first rows come."""

    def rows(self, table: Any) -> None:
        os.kill(os.getpid(), signal.SIGINT)


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Search:
    """The run folder of a new search, in one go; not to be changed."""
    made: dict[str, Path] = {}

    def search(**more: Any) -> Path:
        name = repr(sorted(more.items()))
        if name not in made:
            made[name] = tmp_path_factory.mktemp("fresh") / "out"
            shoal.run(**ASKED, **more, out=made[name], engine="inline")
        return made[name]

    return search


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder that others learn from: a search of another range."""
    out = tmp_path_factory.mktemp("old") / "old"
    space = {**ASKED["space"], "lr": "1e-6:1e-4:log"}
    shoal.run(**{**ASKED, "space": space}, trials=12, out=out, engine="inline")
    return out


@pytest.fixture(scope="module")
def steered(tmp_path_factory: pytest.TempPathFactory, old: Path) -> Path:
    """The run folder of a search that went on with `MORE`, in one go; not to be changed."""
    out = tmp_path_factory.mktemp("steered") / "out"
    shoal.run(**ASKED, trials=20, out=out, engine="inline")
    result = shoal.extend(out, **MORE, from_=old, engine="inline")
    assert result.end == "stalled:30"
    assert 50 <= result.asked == result.ended < 300
    tried = result.trials.iloc[20:22]
    assert tried["lr"].tolist() == [2e-5, 1e-5]
    assert tried["momentum"].iloc[1] == 0.5
    return out


def contents(folder: Path) -> dict[Path, bytes]:
    """Every file of a folder."""
    return {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def rows(folder: Path) -> pandas.DataFrame:
    """The trials, without place and time."""
    table = pandas.read_parquet(folder / "trials.parquet")
    return table.drop(columns=["node", "device", "seconds", "started"])


@pytest.mark.parametrize(
    "sampler", ["tpe", "optuna-tpe", "qmc", "random", "optuna.samplers.NSGAIISampler"]
)
def test_more_trials_are_those_of_a_search_that_had_them_at_once(
    tmp_path: Path, same_folder: Same, fresh: Search, sampler: str
) -> None:
    """Finished, it goes on twice, from the middle of a round; the kept parameters too."""
    out, whole = tmp_path / "out", fresh(trials=60, sampler=sampler)
    shoal.run(**ASKED, trials=20, sampler=sampler, out=out, engine="inline")
    before = pandas.read_parquet(out / "trials.parquet")
    assert rows(out).equals(rows(whole).head(20))
    shoal.run(out=out, trials=33, engine="inline")
    result = shoal.extend(out, trials=60, engine="inline", workers=2)
    same_folder(whole, out)
    held = tomllib.loads((out / "search.toml").read_text())
    assert (held["trials"], held["amendments"]) == (20, [{"trials": 33}, {"trials": 60}])
    assert pandas.read_parquet(out / "trials.parquet").head(20).equals(before)  # not done again
    assert (result.asked, result.ended, len(result.study().trials)) == (60, 60, 60)
    assert result.best["trial"] == shoal.load(whole).best["trial"]
    assert set(result.parameters()) == set(shoal.load(whole).parameters())


def test_all_of_a_pack_is_kept_where_it_came_in_two_parts(
    tmp_path: Path, same_folder: Same, fresh: Search
) -> None:
    """One file a pack, as of a search that had it at once; of large packs too."""
    out = tmp_path / "out"
    every = {**ASKED, "keep": "all", "round": 50, "pack": 40}
    shoal.run(**every, trials=13, out=out, engine="inline")
    shoal.extend(out, trials=70, engine="inline")
    shoal.run(**every, trials=70, out=tmp_path / "whole", engine="inline")
    same_folder(tmp_path / "whole", out)
    assert len(shoal.load(out).parameters(69)) == len(shoal.load(out).parameters(3))


def test_a_list_of_more_makes_the_same_table_whenever_it_was_asked(
    tmp_path: Path, same_folder: Same, same_table: Same
) -> None:
    """After each end, or each in the middle of what was asked before. New replicates alone are
    fitted; a trial is judged by all of its fits, and kept with all of them."""
    out, early = tmp_path / "out", tmp_path / "early"
    more: list[dict[str, int]] = [{"replicates": 3}, {"trials": 41}, {"replicates": 4}]
    shoal.run(**ASKED, trials=20, out=out, engine="inline")
    first = pandas.read_parquet(out / "trials.parquet")
    with pytest.raises(shoal.Interrupted, match="interrupted"):
        shoal.run(**ASKED, trials=20, out=early, engine="inline", observers=[Stop()])
    for each in more:
        shoal.extend(out, **each, engine="inline", workers=2)
        if each != more[-1]:
            with pytest.raises(shoal.Interrupted, match="interrupted"):
                shoal.extend(early, **each, engine="inline", observers=[Stop()])
    shoal.extend(early, **more[-1], engine="inline")
    same_table(out, early)
    result = shoal.load(out)
    table = result.trials
    assert len(table) == result.asked == 41 * 4
    old = table.query("trial < 20 and replicate == 0").reset_index(drop=True)
    assert old.equals(first)
    assert table.groupby("trial")["lr"].nunique().eq(1).all()
    assert (result.curves.groupby(["trial", "replicate"]).size() > 0).all()
    mean = table.groupby("trial")["loss"].mean()
    assert result.best["trial"] == mean.idxmin()
    assert set(shoal.load(early).parameters("best", 0)) == set(result.parameters("best", 3))
    assert result.study().best_trial.user_attrs["trial"] == mean.idxmin()


def test_parameters_that_were_kept_are_there_where_there_are_more_replicates(
    tmp_path: Path,
) -> None:
    """Under their new names, also before the search is whole again."""
    out = tmp_path / "out"
    shoal.run(**ASKED, trials=3, out=out, engine="inline")
    before = shoal.load(out).parameters(1)
    with pytest.raises(shoal.Interrupted, match="interrupted"):
        shoal.extend(out, replicates=2, engine="inline", observers=[Stop()])
    assert all(before[n].equal(value) for n, value in shoal.load(out).parameters(1).items())
    shoal.extend(out, replicates=2, engine="inline")
    assert all(before[n].equal(value) for n, value in shoal.load(out).parameters(1).items())
    assert {file.name for file in (out / "parameters").iterdir()} == {
        f"trial-{trial:06d}-replicate-{n}.safetensors"
        for trial in shoal.load(out).ranking.query("state == 'complete'")["trial"]
        for n in (0, 1)
    }


@pytest.mark.parametrize("engine", ["inline", pytest.param("ray", marks=pytest.mark.long)])
@pytest.mark.usefixtures("one_ray")
def test_an_extension_that_is_killed_goes_on_by_the_same_call(
    tmp_path: Path, same_folder: Same, steered: Path, old: Path, engine: str
) -> None:
    """By SIGKILL in the middle of it, in threads and over the workers of a Ray; it ends where it
    would have ended, and needs nothing but its folder."""
    import ray

    out, other = tmp_path / "out", tmp_path / "old"
    shutil.copytree(old, other)
    more = {**MORE, "from_": str(other)}
    shoal.run(**ASKED, trials=20, out=out, engine="inline")
    address = ray.get_runtime_context().gcs_address if engine == "ray" else ""
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(out), engine, json.dumps(more)],
        env={**os.environ, "RAY_ADDRESS": address},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    result = shoal.load(out)
    assert (result.asked, result.end) == (300, None)
    assert 20 < result.ended < 50
    shutil.rmtree(other)
    again = shoal.extend(out, **more, engine=engine, workers=2)
    assert again.end == "stalled:30"
    same_folder(steered, out)


def test_what_has_ended_goes_on_where_there_is_to_be_more(
    tmp_path: Path, same_table: Same, steered: Path, old: Path, shell: Callable[..., Any]
) -> None:
    """As one that nothing has ended; the same end may be given again, and one that would come at
    once is refused. The summary says which end came."""
    out = tmp_path / "out"
    shutil.copytree(steered, out)
    there = shoal.load(out).asked
    done = shell("run", "--out", "out", "--quiet", "--engine", "inline")
    assert f"end     stalled:30, after {there} trials\n" in done.stdout
    before = contents(out)
    with pytest.raises(shoal.BadInput, match=rf"out has {there} trials, {there} asked: there can"):
        shoal.extend(out, trials=there)
    assert contents(out) == before
    result = shoal.extend(out, trials=there + 20, max_updates=1e9, engine="inline")
    assert (result.end, result.ended) == (None, there + 20)
    never = {**MORE, "trials": there + 20, "stop_when": "none", "from_": old}
    shoal.run(**ASKED, trials=20, out=tmp_path / "fresh", engine="inline")
    fresh = shoal.extend(tmp_path / "fresh", **never, engine="inline")
    same_table(fresh.path, out)
    more: dict[str, Any] = {"max_updates": 20 * fresh.ended + 1, "stop_when": ["below:1000000"]}
    again = shoal.extend(out, trials=1000, **more, engine="inline")
    assert again.end == "below:1000000"
    assert there + 20 < again.ended < there + 60  # the round that had begun is whole
    with pytest.raises(
        shoal.BadInput, match="below:1000000 has come already, and would end the sear"
    ):
        shoal.extend(out, trials=1001, **more)
    assert shoal.extend(out, trials=1001, engine="inline").end == "max-updates"


def test_a_kernel_draws_the_trials_of_the_plain_step(tmp_path: Path) -> None:
    """Rounds do not know what runs them; nor how many workers there are."""
    ways: list[dict[str, Any]] = [
        {"program": "compiled"},
        {"program": "eager", "workers": 2},
    ]
    tables = []
    for way in ways:
        asked = {**ASKED, "sampler": "random", "trials": 40, "engine": "inline"}
        shoal.run(**asked, **way, out=tmp_path / way["program"])
        tables.append(rows(tmp_path / way["program"])[["lr", "optimizer", "round", "pack"]])
    pandas.testing.assert_frame_equal(*tables)


def test_calls_of_a_function_have_more_trials_and_replicates_too(
    tmp_path: Path, same_table: Same
) -> None:
    """One call a fit, with the numbers that it would have had."""
    (tmp_path / "mine.py").write_text(FUNCTION)
    asked: dict[str, Any] = {"problem": f"{tmp_path / 'mine.py'}:train", "space": {"x": "0:1"}}
    for name, first, then in (
        ("one", {"trials": 5}, {"trials": 11}),
        ("two", {"trials": 3}, {"trials": 11, "replicates": 2}),
    ):
        shoal.run(**asked, **first, out=tmp_path / name, workers=1)
        shoal.extend(tmp_path / name, **then, workers=1)
    shoal.run(**asked, trials=11, out=tmp_path / "whole", workers=1)
    same_table(tmp_path / "whole", tmp_path / "one")
    two = rows(tmp_path / "two")
    assert len(two) == 22
    assert two.query("replicate == 0")["x"].tolist() == rows(tmp_path / "whole")["x"].tolist()


def test_a_toml_file_asks_for_more_and_a_searchs_own_asks_for_all_it_has(
    tmp_path: Path, shell: Callable[..., Any], same_table: Same
) -> None:
    """By ``--config`` as by the option; the summary counts all fits."""
    words = ("--engine", "inline", "--quiet")
    (tmp_path / "more.toml").write_text("trials = 24\nsteps = 5\n")
    assert shell("run", "--trials", 10, "--steps", 5, "--out", "out", *words).returncode == 0
    done = shell("run", "--config", "more.toml", "--out", "out", *words)
    assert done.returncode == 0, done.stderr
    assert "fits    24 complete" in done.stdout or "complete" in done.stdout
    assert shoal.load(tmp_path / "out").ended == 24
    listed = shell("results", "out", "--best", 3)
    assert "3 of 24 trials" in listed.stdout
    again = shell("run", "--config", "out/search.toml", "--out", "again", *words)
    assert again.returncode == 0, again.stderr
    same_table(tmp_path / "out", tmp_path / "again")


REFUSED = {
    "fewer trials": (
        {"trials": 12},
        "out has 20 trials, 12 asked: there can be more, and not fewer; leave out --trials, or "
        "choose another --out",
    ),
    "fewer replicates": ({"replicates": 1, "trials": 30}, "out has 2 replicates, 1 asked"),
    "other steps": (
        {"trials": 30, "steps": 70},
        "out holds another search (steps is 20 there, 70 asked); choose another --out; with --from "
        "out it begins from what this one has found",
    ),
    "another end of what is asked already": (
        {"replicates": 3, "stop_when": "stalled:7"},
        "out has --stop-when none, --stop-when stalled:7 asked: that can change with more trials; "
        "give --trials, more than 20, or choose another --out",
    ),
    "too many": ({"trials": 2**31 - 1}, "trials times replicates must be at most 100000000"),
    "nothing": (
        {},
        "say what there is to be more of: trials, as trials=4096, replicates, or tries",
    ),
}


@pytest.mark.parametrize("how", REFUSED)
def test_what_is_not_more_is_refused_and_nothing_changes(
    tmp_path: Path, fresh: Search, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """One line says why."""
    out = fresh(trials=20, replicates=2)
    before = contents(out)
    monkeypatch.chdir(out.parent)
    asked, told = REFUSED[how]
    with pytest.raises(shoal.BadInput, match=re.escape(told)) as caught:
        shoal.extend("out", **asked)
    assert "\n" not in str(caught.value)
    assert contents(out) == before


def test_there_must_be_a_search_to_extend(tmp_path: Path) -> None:
    """No new one begins."""
    with pytest.raises(shoal.BadInput, match=r"none does not exist; give a run folder"):
        shoal.extend(tmp_path / "none", trials=4)
    assert list(tmp_path.iterdir()) == []


def test_of_two_who_extend_at_once_the_second_is_told(tmp_path: Path, fresh: Search) -> None:
    """What was read before another process has changed the folder decides nothing."""
    out = tmp_path / "out"
    shoal.run(**ASKED, trials=8, out=out, engine="inline")
    late = RunFolder.open(out)
    shoal.extend(out, trials=12, engine="inline")
    with pytest.raises(shoal.BadInput, match="was changed by another process in this moment"):
        Writer(late, print)
    assert shoal.extend(out, trials=13, engine="inline").ended == 13  # the lock is free


def test_a_space_without_so_many_trials_ends_earlier(tmp_path: Path) -> None:
    """It says so, and what is whole stays whole."""
    space = {"optimizer": "sgd,momentum", "lr": "1e-5,1e-4", "momentum": "0.1,0.5"}
    asked = {**ASKED, "space": {**space, "optimizer": "sgd,adam"}}
    out = tmp_path / "out"
    assert shoal.run(**asked, trials=4, out=out, engine="inline").asked == 4
    assert shoal.extend(out, trials=100, engine="inline").ended == 6
    assert shoal.extend(out, trials=200, engine="inline").ended == 6


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_a_folder_of_an_earlier_format_goes_on_with_the_sizes_it_has(
    tmp_path: Path, same_table: Same, sampler: str
) -> None:
    """Its last round is smaller; more trials are rounds after that, of the same size."""
    space = {"lr": "1e-7:1e-3:log", "optimizer": "adam", "beta1": "0.5:0.9"}
    asked = Asked(**{**ASKED, "space": space, "trials": 20, "sampler": sampler, "program": "eager"})
    made = prepare(asked, None).request
    old = replace(made, form=6, round=8, pack=8, block=8, began=replace(made.began))
    for name in ("out", "early"):
        create(tmp_path / name, old, find(old.problem))
    shoal.run(out=tmp_path / "out", engine="inline")
    shoal.extend(tmp_path / "out", trials=37, engine="inline")
    shoal.extend(tmp_path / "early", trials=37, engine="inline")
    same_table(tmp_path / "out", tmp_path / "early")
    rounds = rows(tmp_path / "out").groupby("round").size().tolist()
    assert rounds == [8, 8, 4, 8, 8, 1]
    assert tomllib.loads((tmp_path / "out" / "search.toml").read_text())["format"] == 6
    assert numpy.isfinite(shoal.load(tmp_path / "out").best["loss"])
