"""Where a problem's code runs: in the place where its search began, from wherever it goes on."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

import shoal
from shoal.search.command.main import main
from shoal.search.folder.placing import create
from shoal.search.preparation.preparation import prepare
from shoal.search.request.asked import Asked

PROBLEM = """
import os
import torch

# import

class P:
    space = {"lr": "1e-3:1e-1:log"}

    def __init__(self, degree=1):
        self.degree = degree
        # constructor

    def data(self):
        import far  # of a folder that is on sys.path where the search begins

        # data
        with open("number.txt") as file:
            return torch.linspace(0, 1, 10) * float(file.read()) * far.ONE

    def initial(self, seed):
        # initial
        return (torch.ones(()),)

    def loss_and_gradient(self, params, data):
        # loss
        r = params[0] * data - self.degree
        return (r * r).sum(), ((2 * r * data).sum(),)
"""

SMALL: dict[str, Any] = {"trials": 8, "steps": 5, "engine": "inline"}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to stand in, with a problem that opens a file there and imports one from ``lib``."""
    folder = tmp_path / "place"
    (folder / "sub").mkdir(parents=True)
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "far.py").write_text("ONE = 1.0\n")
    (folder / "prob.py").write_text(PROBLEM)
    (folder / "number.txt").write_text("1.0")
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(tmp_path / "lib"))
    monkeypatch.delitem(sys.modules, "far", raising=False)
    return folder


def begun(place: Path, **asked: Any) -> Path:
    """A run folder in which nothing is done yet."""
    prepared = prepare(Asked.of({"problem": "prob.py:P", "trials": 8, "steps": 5, **asked}), None)
    create(place.parent / "out", prepared.request, prepared.source)
    prepared.source.release()
    return place.parent / "out"


def elsewhere(place: Path) -> Path:
    """Stand in another folder, with a file that must not be taken, and forget the library."""
    folder = place.parent / "elsewhere"
    folder.mkdir()
    (folder / "number.txt").write_text("1000.0")
    os.chdir(folder)
    sys.path.remove(str(place.parent / "lib"))
    sys.modules.pop("far", None)
    return folder


def loss(out: Path | str) -> float:
    """The loss of a finished search's first trial."""
    return float(shoal.load(out).trials["loss"][0])


@pytest.mark.parametrize("engine", ["inline", pytest.param("ray", marks=pytest.mark.long)])
def test_a_search_goes_on_where_it_began_from_any_folder(
    place: Path, engine: str, request: pytest.FixtureRequest
) -> None:
    """Relative paths and ``sys.path`` are those of the beginning; the caller's stay as they are."""
    out = begun(place)
    shoal.run("prob.py:P", **SMALL, out="plain")
    there = elsewhere(place)
    if engine == "ray":
        request.getfixturevalue("one_ray")  # which stands somewhere else
    path = list(sys.path)
    shoal.run(out=out, engine=engine, workers=1)
    assert Path.cwd() == there
    assert sys.path == path
    assert loss(out) == loss(place / "plain")


MOVES = {
    "where it is loaded": ("# import", "os.chdir(os.path.dirname(os.path.abspath(__file__)))"),
    "by a relative path": ("# import", "os.chdir('sub')"),
    "in the constructor": ("# constructor", "os.chdir('sub')"),
    "in data": ("# data", "os.chdir('sub')"),
    "in initial": ("# initial", "os.chdir('sub')"),
    "in the loss": ("# loss", "os.chdir('sub')"),
}


@pytest.mark.parametrize("where", MOVES)
def test_a_problem_may_change_the_folder_and_does_no_harm(place: Path, where: str) -> None:
    """The caller stands where it stood, the run folder is where it was asked for, packs that run
    side by side have the rows of packs alone; what the import and the constructor did holds."""
    shoal.run("prob.py:P", **SMALL, pack=1, out="plain")
    mark, line = MOVES[where]
    (place / "prob.py").write_text(PROBLEM.replace(mark, line))
    if where not in ("where it is loaded", "in initial", "in the loss"):
        (place / "number.txt").rename(place / "sub" / "number.txt")
    shoal.run("prob.py:P", **SMALL, pack=1, workers=4, out="runs/moved")
    assert Path.cwd() == place
    made = sorted(file.parent for file in place.rglob("search.toml"))
    assert made == [place / "plain", place / "runs" / "moved"]
    plain, moved = (shoal.load(out).trials for out in ("plain", "runs/moved"))
    assert moved["state"].eq("complete").all()
    assert moved["loss"].tolist() == plain["loss"].tolist()


def test_a_place_that_is_gone_is_not_needed_or_named(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The copies go on with a note; a file that is missed is named, and nothing else is taken for
    it; put back, or named where the problem lies now, the same command goes on."""
    out = begun(place)
    kept = place.rename(place.parent / "kept")
    there = elsewhere(place)
    words = ["run", "--out", str(out), "--engine", "inline"]
    with pytest.raises(SystemExit, match="1"):
        main.main(args=words)
    told = capsys.readouterr().err.splitlines()
    assert f"{place}, where this search began, is not there: it goes on with the copies" in told[0]
    assert f"'{place}/number.txt'" in told[-1]
    assert "put it back, or name the problem again where it is now" in told[-1]
    assert Path.cwd() == there
    os.chdir(kept)
    sys.path.insert(0, str(place.parent / "lib"))
    with pytest.raises(SystemExit, match="0"):
        main.main(args=[*words, "prob.py:P"])
    assert shoal.load(out).states()["complete"] == 8


def test_the_copies_go_on_where_nothing_of_the_place_is_needed(place: Path) -> None:
    """Not even a working folder, by absolute paths."""
    lines = '        with open("number.txt") as file:\n            return '
    text = PROBLEM.replace(lines, "        return ").replace("float(file.read())", "1.0")
    (place / "prob.py").write_text(text)
    out = begun(place)
    there = elsewhere(place)
    sys.path.append(str(place.parent / "lib"))
    shutil.rmtree(place)
    there.joinpath("gone").mkdir()
    os.chdir(there / "gone")
    (there / "gone").rmdir()
    shoal.run(out=out, engine="inline")
    os.chdir(there)
    assert shoal.load(out).states()["complete"] == 8


def test_a_relative_path_needs_a_folder_to_stand_in(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The one line says so, and nothing was made; a command of its own needs one in any case."""
    os.chdir(place / "sub")
    (place / "sub").rmdir()
    with pytest.raises(shoal.BadInput, match=r"out runs/a: the folder where you stand is gone"):
        shoal.run("cubic-sine", **SMALL, out="runs/a")
    for words in (["run", "--out", str(place / "a")], ["fit", "lr=1e-6"]):
        with pytest.raises(SystemExit, match="2"):
            main.main(args=words)
        told = "shoal: the folder where you stand is gone; go to another, by cd\n"
        assert capsys.readouterr().err == told
    os.chdir(place)


@pytest.mark.parametrize("way", ["Python", "command", "TOML"])
def test_a_tilde_is_the_home_folder(place: Path, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    """Of the run folder and of the problem, in Python, TOML and words that no shell has seen."""
    home = place / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    shutil.copy("prob.py", home)
    (home / "c.toml").write_text('problem = "~/prob.py:P"\ntrials = 8\nsteps = 5\n')
    if way == "Python":
        assert shoal.run("~/prob.py:P", **SMALL, out="~/runs/a").path == home / "runs" / "a"
        assert len(shoal.load("~/runs/a").trials) == 8
    else:
        given = ["--config", "~/c.toml"] if way == "TOML" else ["~/prob.py:P", "--trials=8"]
        with pytest.raises(SystemExit, match="0"):
            main.main(args=["run", *given, "--steps=5", "--engine=inline", "--out=~/runs/a"])
        with pytest.raises(SystemExit, match="0"):
            main.main(args=["results", "~/runs/a", "--csv", "~/rows.csv"])
        assert (home / "rows.csv").exists()
    assert not (place / "~").exists()
    with pytest.raises(shoal.BadInput, match=r"out ~nobody-is/a: there is no user nobody-is; for"):
        shoal.run("cubic-sine", **SMALL, out="~nobody-is/a")
