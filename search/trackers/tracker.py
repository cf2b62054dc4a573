"""A tracker: what keeps or shows the fits of searches elsewhere."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from shoal.search.request import Request, mark_of
from shoal.search.results import Result
from shoal.search.trackers.rows import Row

BEST = 10
"""Of how many trials, the best ones, a tracker tells more than of the others."""


class NotHandedOver(Exception):
    """A tracker has not taken all fits."""


@dataclass(frozen=True, kw_only=True)
class Tracked:
    """A search, as a tracker is told of it.

    Attributes:
        request: what was asked; of functions and programs without the names of their numbers, which
            are known once one has ended.
        folder: the run folder, absolute.
        where: an absolute path, or the address of a server; "": the user has said nothing.
    """

    request: Request
    folder: Path
    where: str

    @property
    def name(self) -> str:
        """What the search is called: as its run folder."""
        return self.folder.name

    @property
    def identity(self) -> str:
        """Tells it from all others, 16 hexadecimal digits: the same search in the same place."""
        plain = self.request.as_dict()
        plain.pop("metrics", None)  # of a function they are known after its first call
        text = f"{mark_of(plain)} {self.folder.resolve()}"
        return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:16]

    def place(self, usual: str = "") -> Path:
        """The path that the user has said; else one beside the run folder."""
        return Path(self.where) if self.where else self.folder.parent / usual

    def asked(self) -> dict[str, Any]:
        """What was asked, as plain values by name: the settings, and each hyperparameter's values
        as ``space.NAME``."""
        plain = self.request.as_dict()
        left = ("format", "source", "files", "began", "settled", "amendments", "lane_seconds")
        space = plain.pop("space", {})
        kept = {name: value for name, value in plain.items() if name not in left}
        now = {"trials": self.request.trials, "replicates": self.request.replicates}
        return {**kept, **now, **{f"space.{name}": text for name, text in space.items()}}


class Tracker(Protocol):
    """Keeps the fits of a search; all calls come from one thread, which the search does not wait
    for while it runs. Whatever one raises ends the tracking, and not the search."""

    def begin(self, search: Tracked) -> None:
        """Open what is there, for a search that begins or goes on."""

    def add(self, rows: Sequence[Row]) -> None:
        """Keep fits that have ended. Those of a search that goes on are told again: what is kept
        already is left as it is."""

    def end(self, result: Result, rows: Iterator[Row]) -> None:
        """The search has ended for this run: whole, or with fits that are still to come.

        Args:
            rows: all fits that have ended, in the order of their keys.
        """

    def told(self) -> str:
        """Where the fits are, and how they are looked at: a line for the user, or nothing."""
