"""The report of one run of the driver: where the time went, and how it ended."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from dataclasses import dataclass, field

from shoal.search.process import Reason


@dataclass(frozen=True, kw_only=True)
class Report:
    """What a run of the driver did.

    Attributes:
        seconds: where the wall time went; sums to it.
        fresh: lanes that this run added; saved: packs that it left unfinished and saved.
        reason: why it ended early, or None; number: the signal that told it to, if one has.
    """

    engine: str
    seconds: Mapping[str, float]
    fresh: int
    saved: int = 0
    reason: Reason | None = None
    number: signal.Signals | None = None
    notes: list[str] = field(default_factory=list)
