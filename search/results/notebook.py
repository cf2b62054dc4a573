"""A result as a notebook shows it: a small table, in the notebook's own colours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from shoal.search.request import Objective
from shoal.search.watching import printable


def summary(
    path: str,
    goal: Objective,
    best: Mapping[str, Any] | None,
    names: Sequence[str],
    states: Mapping[str, int],
    asked: int,
) -> str:
    """Return the result of a search as HTML; text of the user is no markup in it.

    Args:
        best: the row of the best trial, or None.
        names: of the hyperparameters, and of the numbers other than the objective.
        states: how many fits ended in which state. asked: how many were asked for.
    """
    rows: list[tuple[str, str]] = []
    if best is None:
        rows.append(("best", "no trial has ended without failure"))
    else:
        rows.append((f"best {goal.name}", f"{shown(best[goal.name])} (trial {best['trial']})"))
        rows += [(name, shown(best[name])) for name in names if best[name] is not None]
    ended = sum(states.values())
    counts = ", ".join(f"{count:,} {state}" for state, count in states.items() if count)
    rows.append(("fits", counts or "none has ended"))
    if ended < asked:
        rows.append(("left", f"{asked - ended:,} of {asked:,} fits"))
    rows.append(("folder", path))
    cells = "".join(
        f"<tr><th style='text-align:left'>{escape(printable(name))}</th>"
        f"<td style='text-align:left'>{escape(printable(value))}</td></tr>"
        for name, value in rows
    )
    return f"<table>{cells}</table>"


def shown(value: Any) -> str:
    """A value with as many digits as a reader needs."""
    return f"{value:.9g}" if isinstance(value, float) else str(value)
