"""Trackers: each fit once, whatever was struck, and never at the cost of the search."""

from __future__ import annotations

import json
import re
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import shoal
from shoal.search.folder import RunFolder
from shoal.search.trackers import registry, tracking
from shoal.search.trackers.rows import Row
from shoal.search.trackers.tracker import NotHandedOver
from shoal.search.trackers.tracking import Tracking

OWN = """
def train(lr, width=8, *, seed=0):
    if lr > 0.75:
        raise ValueError("too large")
    for epoch in range(3):
        bad = lr > 0.55 and epoch == 2
        yield {"loss": float("inf") if bad else lr / (epoch + 1), "twice": 2 * width}
"""

OBSERVER = """
import shoal

class Counting(shoal.Observer):
    def begin(self, request, folder):
        self.file, self.count = folder.parent / "count", 0

    def rows(self, part):
        self.count += len(part)

    def end(self):
        self.file.write_text(str(self.count))

class Needs(shoal.Observer):
    def __init__(self, place):
        pass

class NoObserver:
    pass
"""

ASKED: dict[str, Any] = {"engine": "inline", "sampler": "random", "space": {"lr": "0:1"}}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to stand in, with a function and observers."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.py").write_text(OWN)
    (tmp_path / "my.py").write_text(OBSERVER)
    return tmp_path


def lines(file: Path) -> list[dict[str, Any]]:
    """The lines of a file of JSON lines."""
    return [json.loads(line) for line in file.read_text().splitlines()]


def keys(found: Sequence[dict[str, Any]]) -> list[tuple[int, int]]:
    """Trial and replicate of each, sorted."""
    return sorted((each["trial"], each["replicate"]) for each in found)


def test_each_fit_has_one_line_however_often_a_search_is_struck(place: Path) -> None:
    """Half a line is taken away, what is missing comes from the run folder, and what a kill has
    left in the file alone is not written again."""
    file = place / "runs" / "out.jsonl"
    asked = {**ASKED, "out": "runs/out", "track": "jsonl"}
    shoal.run("own.py:train", trials=8, replicates=2, **asked)
    first = lines(file)
    assert keys(first) == [(trial, replicate) for trial in range(8) for replicate in range(2)]
    file.write_bytes(file.read_bytes()[:-30])
    shutil.copytree("runs/out", "earlier")
    shoal.run(trials=12, **asked)
    table = shoal.load("runs/out").trials
    assert keys(lines(file)) == keys(table.to_dict("records"))
    shutil.rmtree("runs/out")
    Path("earlier").rename("runs/out")  # the file is ahead of the run folder
    shoal.run(trials=12, **asked)
    found = {(each["trial"], each["replicate"]): each for each in lines(file)}
    assert len(found) == len(lines(file)) == 24
    states = set()
    for row in table.to_dict("records"):
        line = found[row["trial"], row["replicate"]]
        states.add(line["state"])
        assert (line["lr"], line["state"], line["run"]) == (row["lr"], row["state"], "out")
        assert line["loss"] == (row["loss"] if line["state"] == "complete" else None)
        if line["state"] == "complete":
            assert line["curve"]["step"] == [1, 2, 3]
            assert line["curve"]["loss"][-1] == row["loss"]
    assert states == {"complete", "diverged", "failed"}


def test_searches_share_a_file_and_others_lines_are_left_alone(place: Path) -> None:
    """By the field `search`; a file of something else is not touched, which costs a note."""
    notes = Notes()
    for out in ("a", "b", "a"):
        shoal.run("own.py:train", trials=4, **ASKED, out=out, track=["jsonl:all.jsonl"])
    found = lines(place / "all.jsonl")
    assert sorted(each["run"] for each in found) == ["a"] * 4 + ["b"] * 4
    assert len({each["search"] for each in found}) == 2
    (place / "other.jsonl").write_text('{"a": 1}\n')
    result = shoal.run(
        "own.py:train", trials=4, **ASKED, out="c", track="jsonl:other.jsonl", observers=[notes]
    )
    assert result.ended == 4
    assert (place / "other.jsonl").read_text() == '{"a": 1}\n'
    (told,) = notes.said
    assert "tracker jsonl is told no more: NotHandedOver: other.jsonl has lines of" in told


class Notes(shoal.Observer):
    """Notes what is said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, message: str) -> None:
        self.said.append(message)


def test_an_observer_of_a_file_is_told_beside_a_tracker(
    place: Path, shell: Callable[..., Any]
) -> None:
    """Typed, again and again, or in a TOML file; what is typed wins."""
    (place / "search.toml").write_text(
        'problem = "own.py:train"\ntrials = 4\ntrack = ["my.py:Counting", "jsonl:x.jsonl"]\n'
        'space = {lr = "0:1"}\n'
    )
    words = ["run", "--config", "search.toml", "--engine", "inline", "--sampler", "random"]
    done = shell(*words, "--out", "a")
    assert done.returncode == 0, done.stderr
    assert (place / "count").read_text() == "4"
    assert len(lines(place / "x.jsonl")) == 4
    assert "a line of JSON for each fit: x.jsonl" in done.stderr
    (place / "count").unlink()
    done = shell(*words, "--out", "b", "--track", "jsonl", "--track", "jsonl:y.jsonl", "--json")
    assert done.returncode == 0, done.stderr
    assert not (place / "count").exists()
    assert len(lines(place / "b.jsonl")) == len(lines(place / "y.jsonl")) == 4
    assert json.loads(done.stdout)["left"] == 0


@pytest.mark.parametrize(
    ("track", "told"),
    [
        ("aim", "unknown tracker 'aim'; known: jsonl, mlflow, tensorboard, wandb, and file.py:"),
        ("my.py", "unknown tracker 'my.py'; known"),
        ("none.py:Own", "track none.py:Own: there is no file none.py"),
        ("my.py:None_", "track my.py:None_: module 'shoal_track_my' has no attribute 'None_'"),
        ("my.py:Needs", "track my.py:Needs: TypeError: Needs.__init__.. missing 1 required"),
        ("my.py:NoObserver", "NoObserver must be a subclass of shoal.Observer"),
        (3, "track must be text, or a list of texts, not 3"),
        ("wandb", "tracker wandb needs a package: pip install 'shoal.wandb.'"),
    ],
)
def test_a_wrong_tracker_is_told_before_anything_is_made(
    place: Path, monkeypatch: pytest.MonkeyPatch, track: Any, told: str
) -> None:
    """In one line."""
    monkeypatch.setattr(registry.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(shoal.BadInput, match=told):
        shoal.run("own.py:train", trials=4, **ASKED, out="out", track=track)
    assert not (place / "out").exists()


class Slow:
    """A tracker that takes what it is given, or never comes back."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.gate = threading.Event()
        self.stuck = False

    def begin(self, search: Any) -> None:
        """Nothing is there."""

    def add(self, rows: Sequence[Row]) -> None:
        """Take them, or wait."""
        if self.stuck:
            self.gate.wait()
        self.rows += rows

    def end(self, result: shoal.Result, rows: Iterator[Row]) -> None:
        """Nothing is left."""

    def told(self) -> str:
        """Nothing."""
        return ""


def test_fits_are_handed_over_while_a_search_runs_and_each_once(
    finished: Path, eventually: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that were there, and those that come, which may be among them."""
    monkeypatch.setattr(tracking, "PERIOD_SECONDS", 0.01)
    slow, folder = Slow(), RunFolder.open(finished)
    made = Tracking("slow", lambda: slow, "", print)
    made.begin(folder.request, finished)
    eventually(lambda: len(slow.rows) == 8)
    part = tracking.part_of(*folder.tables(), folder.request)
    later = part.slice(0, 2).set_column(0, "trial", pa.array([6, 8]))
    made.rows(later)
    eventually(lambda: len(slow.rows) == 9)
    made.end()
    assert [row.key[0] for row in slow.rows] == list(range(9))
    assert slow.rows[0].curve["loss"] == part["curve_loss"][0].as_py()


def test_a_search_does_not_wait_for_a_tracker_that_hangs(
    finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told, with what to do."""
    monkeypatch.setattr(tracking, "PATIENCE_SECONDS", 0.1)
    slow = Slow()
    slow.stuck = True
    made = Tracking("slow", lambda: slow, "", print)
    made.begin(RunFolder.open(finished).request, finished)
    with pytest.raises(NotHandedOver, match="it has taken nothing for 0 s; the same command hands"):
        made.end()
    slow.gate.set()


def test_a_library_that_ends_the_process_ends_no_search(place: Path) -> None:
    """SystemExit of its thread is a note."""
    (place / "my.py").write_text("")
    notes = Notes()

    def leave() -> Any:
        raise SystemExit(3)

    known = registry.Known(module="jsonlines", cls="JsonLines")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry.Known, "make", lambda self: leave())
        patch.setitem(registry.TRACKERS, "jsonl", known)
        result = shoal.run(
            "own.py:train", trials=4, **ASKED, out="out", track="jsonl", observers=[notes]
        )
    assert result.ended == 4
    assert [re.sub(r":.*", "", told) for told in notes.said] == ["tracker jsonl is told no more"]
