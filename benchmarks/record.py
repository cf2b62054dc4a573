"""What was measured, and what follows from it by arithmetic alone.

A record is the `table.json` of a run: `runs` is a list of measured searches, each with its `key`
(shoal or a peer), `trials`, `turn`, `space`, `cache` (warm or cold), `seconds`, and `told` or
`error`; beside it stand `loop`, `peak`, `ceiling` and `cluster`.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

FLOOR = 8.817165410
"""The least loss of the default problem, from its normal equations in float64."""


@dataclass(frozen=True)
class Line:
    """Seconds against trials of one peer: through its smallest and its largest size."""

    small: int
    small_seconds: float
    large: int
    large_seconds: float

    @property
    def rate(self) -> float:
        """Trials a second between the two sizes: start-up aside."""
        return (self.large - self.small) / max(1e-9, self.large_seconds - self.small_seconds)

    @property
    def start_up(self) -> float:
        """Seconds before the first trial, were all at that rate."""
        return max(0.0, self.small_seconds - self.small / self.rate)

    def seconds(self, trials: int) -> float:
        """Seconds of so many trials, start-up included, at that rate.

        A sampler that slows down as trials come in is flattered beyond the largest size.
        """
        return self.large_seconds + (trials - self.large) / self.rate


class Record:
    """The runs of a record."""

    def __init__(self, record: dict[str, Any]) -> None:
        self.all = record
        self.runs: list[dict[str, Any]] = record["runs"]
        self.sizes_of_goals: list[int] = record["settings"]["sizes"]
        self.small, self.middle, self.large = self.sizes_of_goals

    def of(
        self, key: str, trials: int | None = None, *, space: str = "course", cache: str = "warm"
    ) -> list[dict[str, Any]]:
        """The runs of a search that ended well."""
        return [
            run
            for run in self.runs
            if (run["key"], run["space"], run["cache"]) == (key, space, cache)
            and (trials is None or run["trials"] == trials)
            and "told" in run
        ]

    def error(self, key: str) -> str | None:
        """Why a search has no run, or None."""
        return next((r["error"] for r in self.runs if r["key"] == key and "error" in r), None)

    def sizes(self, key: str) -> list[int]:
        """The numbers of trials that were run."""
        return sorted({run["trials"] for run in self.of(key)})

    def seconds(self, key: str, trials: int, cache: str = "warm") -> float | None:
        """The median of whole processes, start-up included."""
        return median(run["seconds"] for run in self.of(key, trials, cache=cache))

    def excess(self, key: str, trials: int, space: str = "course") -> float | None:
        """The median of the best loss minus the floor."""
        return median(best(run) - FLOOR for run in self.of(key, trials, space=space))

    def line(self, key: str) -> Line | None:
        """Seconds against trials, or None for a peer without two sizes."""
        sizes = self.sizes(key)
        if len(sizes) < 2:
            return None
        small, large = (self.seconds(key, size) for size in (sizes[0], sizes[-1]))
        assert small is not None
        assert large is not None
        return Line(sizes[0], small, sizes[-1], large) if large > small else None

    def peer_seconds(self, key: str, trials: int) -> float | None:
        """As measured where it was; else by the peer's line."""
        seconds, line = self.seconds(key, trials), self.line(key)
        if seconds is not None:
            return seconds
        return None if line is None else line.seconds(trials)

    def best_peer(self, keys: Iterable[str], trials: int) -> tuple[str, float] | None:
        """The peer that is done first, and its seconds."""
        found = [(key, s) for key in keys if (s := self.peer_seconds(key, trials)) is not None]
        return min(found, key=lambda pair: pair[1], default=None)


def best(run: dict[str, Any]) -> float:
    """The best loss of a search, shoal's or a peer's; inf where nothing was fitted in its time."""
    told = run["told"]["best"]
    if told is None:
        return math.inf
    return float(told["loss"] if isinstance(told, dict) else told)


def median(values: Iterable[float]) -> float | None:
    """The median, or None of nothing."""
    listed = list(values)
    return statistics.median(listed) if listed else None
