"""An observer that hands fits over to a tracker, on a thread of its own.

Nothing is handed over in the first half minute: a short search has its cores for itself, and what
it has done is handed over at its end. Fits that an earlier run of the search has done come first,
from the run folder, so that none is missing after a kill.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from itertools import islice
from pathlib import Path

import pyarrow as pa

from shoal.search.folder import RunFolder
from shoal.search.request import Request
from shoal.search.results import Result
from shoal.search.trackers.rows import Key, Row, part_of, rows_of
from shoal.search.trackers.tracker import NotHandedOver, Tracked, Tracker
from shoal.search.watching import Observer

PERIOD_SECONDS = 30.0
"""Between two times that fits are handed over."""

PATIENCE_SECONDS, HASTE_SECONDS = 120.0, 5.0
"""How long the end of a search waits for a tracker that does not get on: of one that is whole, and
of one that ended early, whose fits are handed over when it goes on."""

BATCH = 500
"""Fits that are handed over at once."""


class Tracking(Observer):
    """Hands the fits of a search over to one tracker."""

    def __init__(
        self, name: str, make: Callable[[], Tracker], where: str, say: Callable[[str], None]
    ) -> None:
        """Begin nothing yet.

        Args:
            name: what the user typed; where: what of it is not the tracker's name.
            make: returns the tracker, and may import its library.
            say: tells the user something, in one line.
        """
        self.label = f"tracker {name}"
        self._make, self._where, self._say = make, where, say
        self._lock, self._ending = threading.Lock(), threading.Event()
        self._parts: list[pa.Table] = []
        self._taken = 0
        self._error: Exception | None = None
        self._told = ""
        self._folder = Path()
        self._thread: threading.Thread | None = None

    def begin(self, request: Request, folder: Path) -> None:
        self._folder = folder.absolute()
        search = Tracked(request=request, folder=self._folder, where=self._where)
        self._thread = threading.Thread(
            target=self._work, args=[search], name=self.label, daemon=True
        )
        self._thread.start()

    def rows(self, part: pa.Table) -> None:
        self._check()
        with self._lock:
            self._parts.append(part)

    def end(self) -> None:
        if self._thread is None:
            return
        self._ending.set()
        whole = RunFolder.open(self._folder).whole
        patience = PATIENCE_SECONDS if whole else HASTE_SECONDS
        taken = -1
        while self._thread.is_alive() and taken != self._taken:
            taken = self._taken
            self._thread.join(patience)
        self._check()
        if self._thread.is_alive():
            raise NotHandedOver(
                f"it has taken nothing for {patience:.0f} s; the same command hands over what is "
                "missing"
            )
        if self._told:
            self._say(self._told)

    def _check(self) -> None:
        """Raise what the tracker has raised."""
        if self._error is not None:
            raise self._error

    def _work(self, search: Tracked) -> None:
        try:
            self._ending.wait(PERIOD_SECONDS)
            self._hand_over(search)
        except Exception as error:
            self._error = error
        except BaseException as error:  # a library that ends the process
            self._error = NotHandedOver(f"{type(error).__name__}: {error}")

    def _hand_over(self, search: Tracked) -> None:
        tracker = self._make()
        tracker.begin(search)
        folder = RunFolder.open(search.folder)
        known: set[Key] = set()
        self._add(
            tracker, known, rows_of(part_of(*folder.tables(), folder.request), search.request)
        )
        over = False
        while not over:
            over = self._ending.wait(PERIOD_SECONDS)
            with self._lock:
                parts, self._parts = self._parts, []
            for part in parts:
                self._add(tracker, known, rows_of(part, search.request))
        folder = RunFolder.open(search.folder)
        tables = folder.tables()
        rows = rows_of(part_of(*tables, folder.request), folder.request)
        tracker.end(Result(folder, tables), rows)
        self._told = tracker.told()

    def _add(self, tracker: Tracker, known: set[Key], rows: Iterable[Row]) -> None:
        """Hand over those that were not yet."""
        fresh = (row for row in rows if row.key not in known)
        while some := list(islice(fresh, BATCH)):
            tracker.add(some)
            known.update(row.key for row in some)
            self._taken += 1
