"""How long to fit, and when to look."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Number of updates, reporting interval, and threshold of divergence.

    Attributes:
        steps: updates of each lane.
        report: updates between two reporting steps.
        diverge_factor: a lane whose loss exceeds this many times its first has diverged.
    """

    steps: int
    report: int
    diverge_factor: float
