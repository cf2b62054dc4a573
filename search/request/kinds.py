"""Kinds of problems: what a search asks of each fit, and what its request has of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

STACKED, FUNCTION, PROGRAM, STUDY = "stacked", "function", "program", "study"
"""Fits that shoal itself does, side by side; a function, or a program, that is called for each; and
a study of Optuna's, whose trials were called by others: it is read alone."""

KINDS = (STACKED, FUNCTION, PROGRAM, STUDY)

OWN = ("kind", "exec", "read", "asks", "cpus", "gpus")
"""What only functions and programs have."""

LEFT_OUT: Mapping[str, Any] = {
    "steps": 1,
    "epochs": 0,
    "report": 1,
    "pack": 1,
    "block": 1,
    "program": "eager",
    "unroll": 1,
    "lane_seconds": 0.0,
    "diverge_factor": 1000.0,
    "folds": 1,
}
"""What means nothing to these, and stands in no ``search.toml`` of theirs; with the values that are
in its place."""

ROUND = 4
"""Trials of a round of calls, where nobody says it."""
