"""An amendment: more of what a search has, from the end of what was asked before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from reprlib import repr as short
from typing import Any

TRIALS, REPLICATES = "trials", "replicates"

NAMES = (TRIALS, REPLICATES)
"""What there may be more of."""


@dataclass(frozen=True, kw_only=True)
class Amendment:
    """More trials, or more replicates of those that are there.

    Attributes:
        name: ``trials`` or ``replicates``.
        before, number: how many there were, and are from now on.
    """

    name: str
    before: int
    number: int

    def as_dict(self) -> dict[str, int]:
        """Plain values, as TOML has them."""
        return {self.name: self.number}


def amendments_of(plain: Any, first: dict[str, int]) -> tuple[Amendment, ...]:
    """The inverse of `Amendment.as_dict`, for a list of them.

    Args:
        first: what the first request asks for, by name.

    Raises:
        TypeError, ValueError: it is none.
    """
    if not isinstance(plain, list):
        raise TypeError(f"must be a list, not {short(plain)}")
    now, found = dict(first), []
    for each in plain:
        if not isinstance(each, dict) or len(each) != 1 or next(iter(each)) not in NAMES:
            raise ValueError(f"each is {' or '.join(NAMES)}, not {short(each)}")
        ((name, number),) = each.items()
        if type(number) is not int or number <= now[name]:
            raise ValueError(f"{name} must be more than {now[name]}, not {short(number)}")
        found.append(Amendment(name=name, before=now[name], number=number))
        now[name] = number
    return tuple(found)


def stages_of(
    trials: int, replicates: int, amendments: Sequence[Amendment]
) -> tuple[tuple[int, int], ...]:
    """Return how many trials and replicates there were, request after request.

    Args:
        trials, replicates: of all requests.
    """
    now = first_of(trials, replicates, amendments)
    stages = [(now[TRIALS], now[REPLICATES])]
    for each in amendments:
        now[each.name] = each.number
        stages.append((now[TRIALS], now[REPLICATES]))
    return tuple(stages)


def first_of(trials: int, replicates: int, amendments: Sequence[Amendment]) -> dict[str, int]:
    """Return what the first request asked for, by name."""
    first = {TRIALS: trials, REPLICATES: replicates}
    return {**first, **{each.name: each.before for each in reversed(amendments)}}


def totals(plain: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a ``search.toml`` has of trials and replicates in the end, where its amendments
    say it."""
    found = {}
    for each in plain.get("amendments") or ():
        if isinstance(each, Mapping):
            found.update({name: each[name] for name in NAMES if name in each})
    return found
