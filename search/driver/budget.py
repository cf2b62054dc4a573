"""Where the time went: shares of the wall time that sum to it.

The time of the slots (workers) is divided; what all slots did for a second counts a second.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager


class Budget:
    """Adds up the wall time of a search by what the slots did."""

    def __init__(self, began: float | None = None, *, label: str) -> None:
        """Begin at `began` (of ``time.monotonic()``), or now.

        Args:
            label: what hands packs over, which takes a part of the time.
        """
        self._handing = label
        parts = ("start-up", "sampling", "fitting", self._handing, "run folder", "waiting")
        self._began = self._last = time.monotonic() if began is None else began
        self._seconds = dict.fromkeys(parts, 0.0)
        self._slots, self._busy = 1, 0
        self._started = False
        self._writing = False
        self._guard = threading.Lock()
        self.asking = False

    def tick(self) -> None:
        """Count the time since the last call."""
        with self._guard:
            now = time.monotonic()
            passed, self._last = now - self._last, now
            if not self._started:
                self._seconds["start-up"] += passed
                return
            busy = min(1.0, self._busy / self._slots)
            self._seconds["fitting"] += passed * busy
            idle = "run folder" if self._writing else "sampling" if self.asking else "waiting"
            self._seconds[idle] += passed * (1 - busy)

    def slots(self, count: int) -> None:
        """There are `count` slots from now on."""
        self.tick()
        self._slots = max(1, count)

    def take(self) -> None:
        """A slot takes a pack; the first ends the start-up."""
        self.tick()
        self._started = True
        self._busy += 1

    def give(self, fitted: float, held: float, first: bool) -> None:
        """A slot gives its pack back, held for `held` seconds, of which `fitted` were fitting.

        Args:
            first: whether the slot's worker had to start for it.
        """
        self.tick()
        self._busy -= 1
        over = min(max(0.0, held - fitted) / self._slots, self._seconds["fitting"])
        self._seconds["fitting"] -= over
        self._seconds["start-up" if first else self._handing] += over

    @contextmanager
    def writing(self) -> Iterator[None]:
        """The driver writes the run folder."""
        self.tick()
        self._writing = True
        try:
            yield
        finally:
            self.tick()
            self._writing = False

    def seconds(self) -> dict[str, float]:
        """Seconds of each part so far; they sum to the wall time."""
        self.tick()
        return dict(self._seconds)

    @property
    def wall(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self._began
