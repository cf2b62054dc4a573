"""What the doctor finds: a level and a line, which travel from a node to the batch host."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

GOOD, WARNING, BAD = "ok", "warning", "bad"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What one check found.

    Attributes:
        level: ``ok``, ``warning`` (works, but look) or ``bad`` (a search will not work).
        text: what is so, and what to do about it.
    """

    check: str
    level: str
    text: str


def finding(check: str, level: str, text: str) -> Finding:
    """Return what was found, its text in one line."""
    return Finding(check=check, level=level, text=" ".join(text.split()))


def as_line(findings: list[Finding]) -> str:
    """Findings as one line of JSON, for another process."""
    return json.dumps([asdict(found) for found in findings])


def from_line(line: str) -> list[Finding]:
    """The findings of `as_line`."""
    return [Finding(**values) for values in json.loads(line)]
