"""What a call is told of others: from which scores on it is behind at a report.

It is said once, when the call begins, so that the process of the call judges by itself, between two
reports. Needs no torch, as `reports` does not.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Cutoffs:
    """Scores above which a call is pruned: of the objective, lower is better.

    Attributes:
        at: by the number of a report, that of the score and, where the pruner looks ahead, that of
            where it is heading: it is behind where it is above each of them.
        first, limit: from the report `first` on, whatever others have.
    """

    at: Mapping[int, tuple[float, ...]] = field(default_factory=dict)
    first: int = 1
    limit: float = math.inf

    def behind(self, scores: Sequence[float]) -> bool:
        """Return whether a call with these reports is behind at the last of them."""
        count = len(scores)
        if not count:
            return False
        now = scores[-1]
        if count >= self.first and now > self.limit:
            return True
        cutoffs = self.at.get(count, ())
        measures = now, heading(now, scores[count // 2 - 1] if count > 1 else now)
        pairs = list(zip(measures, cutoffs, strict=False))
        return bool(pairs) and all(measure > cutoff for measure, cutoff in pairs)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, exact."""
        return {
            "at": [[report, [c.hex() for c in cutoffs]] for report, cutoffs in self.at.items()],
            "first": self.first,
            "limit": self.limit.hex(),
        }

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Cutoffs:
        """The inverse of `as_dict`."""
        at = {report: tuple(map(float.fromhex, texts)) for report, texts in plain["at"]}
        return cls(at=at, first=plain["first"], limit=float.fromhex(plain["limit"]))


def heading(score: float, half: float) -> float:
    """Return what a score would be at twice the reports, as `shoal.trainable.pruning.heading` of
    many."""
    return 2 * score - half if math.isfinite(score) and math.isfinite(half) else score
