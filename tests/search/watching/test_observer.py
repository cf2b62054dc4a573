"""Who is told while a search runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import shoal
from shoal.search.watching.observer import Observer, Observers, Status


class Notes(Observer):
    """Notes what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.trials: list[int] = []
        self.last: Status | None = None

    def begin(self, request: Any, folder: Path) -> None:
        self.told.append(f"begin {folder.name} {request.trials}")

    def rows(self, part: pa.Table) -> None:
        self.told.append("rows")
        self.trials += part["trial"].to_pylist()
        assert len(part["curve_loss"][0]) > 0

    def status(self, status: Status) -> None:
        self.last = status

    def say(self, message: str) -> None:
        self.told.append(message)

    def end(self) -> None:
        self.told.append("end")


class Broken(Observer):
    """Fails at the first row."""

    def rows(self, part: pa.Table) -> None:
        raise OSError("no network\nhere")


def test_an_observer_is_told_of_every_row_once(tmp_path: Path) -> None:
    """From begin to end, also where another one fails: that is told, and costs nothing."""
    notes = Notes()
    asked: dict[str, Any] = {"steps": 10, "engine": "inline", "program": "eager"}
    result = shoal.run(
        "cubic-sine", trials=8, **asked, out=tmp_path / "out", observers=[Broken(), notes]
    )
    assert notes.told[0] == "begin out 8"
    assert notes.told[-1] == "end"
    assert sorted(notes.trials) == result.trials["trial"].tolist()
    assert "observer Broken is told no more: OSError: no network here" in notes.told
    assert notes.last is not None
    assert notes.last.total == 8


def test_the_end_is_told_where_a_search_fails(tmp_path: Path) -> None:
    """So that an observer can close what it has open."""
    notes = Notes()
    with pytest.raises(shoal.BadInput, match=r"no Ray answers at 127\.0\.0\.1:1"):
        shoal.run(trials=2, steps=2, address="127.0.0.1:1", out=tmp_path / "out", observers=[notes])
    assert notes.told == ["end"]


def test_several_are_told_as_one() -> None:
    """In their order."""
    one, other = Notes(), Notes()
    both = Observers([one, other])
    both.say("a")
    both.end()
    assert one.told == other.told == ["a", "end"]
