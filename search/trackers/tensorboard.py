"""TensorBoard: a folder for each fit, with its curves and hyperparameters.

tensorboardX, which Ray Tune needs too, writes them: TensorBoard itself only looks at them.
Each has one file of events that is written whole and renamed into place, under a name that follows
from the fit; one that is there is left as it is.
"""

from __future__ import annotations

import importlib
import os
import shlex
from collections.abc import Iterator, Sequence
from typing import Any

from shoal.search.request import shown
from shoal.search.results import Result
from shoal.search.trackers.rows import Row
from shoal.search.trackers.tracker import BEST, Tracked

MAX_FITS = 1000
"""Of a search: TensorBoard is slow with more folders. At the end the best trials join them."""

FILE = "events.out.tfevents.0.shoal"
"""TensorBoard takes a file of this form for one of events."""


class TensorBoard:
    """Writes what the tabs of scalars and of hyperparameters show."""

    def begin(self, search: Tracked) -> None:
        """Find out how many fits are there."""
        self._search = search
        self._folder = search.place("tensorboard") / search.name
        self._folder.mkdir(parents=True, exist_ok=True)
        self._count = sum(1 for _ in self._folder.glob(f"*/{FILE}"))

    def add(self, rows: Sequence[Row]) -> None:
        """Write fits, as long as there are few enough."""
        for row in rows:
            if self._count < MAX_FITS and self._write(row):
                self._count += 1

    def end(self, result: Result, rows: Iterator[Row]) -> None:
        """Write those of the best trials that are missing."""
        if self._count < MAX_FITS:
            return
        best = {row["trial"] for row in result.leading(BEST)}
        for row in rows:
            if row.key[0] in best:
                self._write(row)

    def told(self) -> str:
        """What to type."""
        left = ""
        if self._count >= MAX_FITS:
            left = f" (the first {MAX_FITS} fits, and those of the {BEST} best trials)"
        return f"tensorboard --logdir {shlex.quote(shown(self._folder.parent))}{left}"

    def _write(self, row: Row) -> bool:
        """Write the file of a fit if it is not there; whether it was not."""
        file = self._folder / row.name(self._search.request) / FILE
        if file.exists():
            return False
        file.parent.mkdir(exist_ok=True)
        beside = file.with_name("_writing")
        records: Any = importlib.import_module("tensorboardX.record_writer")
        writer = records.RecordWriter(str(beside))
        for event in _events(row):
            writer.write(event.SerializeToString())
        writer.close()
        os.replace(beside, file)
        return True


def _events(row: Row) -> Iterator[Any]:
    """The hyperparameters of a fit, its curves, and the numbers that count as ``final/NAME``."""
    protos: Any = importlib.import_module("tensorboardX.proto.event_pb2")
    summary: Any = importlib.import_module("tensorboardX.summary")
    began, seconds = row.started, row.values["seconds"] or 0.0
    yield protos.Event(wall_time=began, file_version="brain.Event:2")
    final = {f"final/{name}": value for name, value in row.finite.items()}
    for part in summary.hparams(dict(row.hyperparameters), final):
        yield protos.Event(wall_time=began, summary=part)
    steps = row.curve["step"]
    for at, step in enumerate(steps):
        when = began + seconds * (at + 1) / len(steps)
        for name, column in row.curve.items():
            if name != "step" and column[at] is not None:
                made = summary.scalar(name, column[at])
                yield protos.Event(wall_time=when, step=step, summary=made)
    for name, value in final.items():
        made = summary.scalar(name, value)
        yield protos.Event(wall_time=began + seconds, step=row.values["steps"], summary=made)
