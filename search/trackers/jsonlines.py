"""JSON lines: a file with a line for each fit, which any tool reads."""

from __future__ import annotations

import fcntl
import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, BinaryIO

from shoal.search.request import shown
from shoal.search.results import Result
from shoal.search.trackers.rows import Key, Row
from shoal.search.trackers.tracker import NotHandedOver, Tracked


class JsonLines:
    """Adds a line for each fit to a file, which searches may share.

    A line has ``search`` and ``run``, the columns of ``trials.parquet``, and ``curve``, an object
    with a list for each column of ``curves.parquet``. What is not finite or not active is null. The
    lines that are there tell which fits have one; half a line, of a kill, is taken away.
    """

    def begin(self, search: Tracked) -> None:
        """Read which fits have a line."""
        self._file = search.place(f"{search.name}.jsonl")
        self._own = {"search": search.identity, "run": search.name}
        self._known: set[Key] = set()
        with self._opened() as file:
            try:
                self._known.update(_keys(file, search.identity))
            except (ValueError, KeyError, TypeError) as error:
                told = f"{shown(self._file)} has lines of something else; choose another file"
                raise NotHandedOver(told) from error

    def add(self, rows: Sequence[Row]) -> None:
        """Add the lines that are missing, in one write."""
        fresh = [row for row in rows if row.key not in self._known]
        lines = [json.dumps(_plain({**self._own, **r.values, "curve": r.curve})) for r in fresh]
        with self._opened() as file:
            file.seek(0, os.SEEK_END)
            file.write("".join(f"{line}\n" for line in lines).encode())
            file.flush()
            os.fsync(file.fileno())
        self._known.update(row.key for row in fresh)

    def end(self, result: Result, rows: Iterator[Row]) -> None:
        """All lines are there."""

    def told(self) -> str:
        """Where the file is."""
        return f"a line of JSON for each fit: {shown(self._file)}"

    @contextmanager
    def _opened(self) -> Iterator[BinaryIO]:
        """The file, which ends with a whole line, and nobody else's meanwhile."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with open(self._file, "a+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            _cut(file)
            file.seek(0)
            yield file


def _keys(file: BinaryIO, identity: str) -> Iterator[Key]:
    """The fits of a search that have a line."""
    for line in file:
        there = json.loads(line)
        if there["search"] == identity:
            yield there["trial"], there["replicate"], there.get("fold", 0)


def _cut(file: BinaryIO) -> None:
    """Cut half a line away at the end."""
    end = size = file.seek(0, os.SEEK_END)
    while end:
        begin = max(0, end - 2**16)
        file.seek(begin)
        line_end = file.read(end - begin).rfind(b"\n")
        if line_end >= 0:
            end = begin + line_end + 1
            break
        end = begin
    if end < size:
        file.truncate(end)


def _plain(value: Any) -> Any:
    """A value as JSON has it."""
    if isinstance(value, Mapping):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    if hasattr(value, "isoformat"):
        return value.isoformat()
    return None if isinstance(value, float) and not math.isfinite(value) else value
