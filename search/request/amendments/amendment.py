"""An amendment: more of what a search has, from the end of what was asked before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from reprlib import repr as short
from typing import Any, NamedTuple

from shoal.search.request.amendments.ends import UPDATES, Ended, Ends, ends_of
from shoal.search.request.amendments.points import Point, points_of

TRIALS, REPLICATES = "trials", "replicates"

NAMES = (TRIALS, REPLICATES)
"""What there may be more of."""

STOP_WHEN, MAX_UPDATES = "stop_when", "max_updates"
TRIES, FROM, KNOWN = "tries", "from", "known"
"""What may come with more trials."""

WITH_TRIALS = (STOP_WHEN, MAX_UPDATES, TRIES, FROM, KNOWN)


@dataclass(frozen=True, kw_only=True)
class Amendment:
    """More trials, or more replicates of those that are there.

    Attributes:
        name: ``trials`` or ``replicates``.
        before, number: how many were asked for, and are from now on.
        stop_when, max_updates: what holds from now on; None: what held before, but for what has
            come.
        tries, from_, known: points that come with it (`Steered`).
    """

    name: str
    before: int
    number: int
    stop_when: tuple[str, ...] | None = None
    max_updates: int | None = None
    tries: tuple[Point, ...] = ()
    from_: tuple[str, ...] = ()
    known: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Plain values, as TOML has them."""
        plain: dict[str, Any] = {self.name: self.number}
        if self.stop_when is not None:
            plain[STOP_WHEN] = list(self.stop_when)
        if self.max_updates is not None:
            plain[MAX_UPDATES] = self.max_updates
        points = {TRIES: list(self.tries), FROM: list(self.from_), KNOWN: self.known}
        return {**plain, **{name: value for name, value in points.items() if value}}


class Stage(NamedTuple):
    """What there is after one of the requests.

    Attributes:
        trials: how many; replicates: of each.
        given: the first of its new trials, whose points were given.
    """

    trials: int
    replicates: int
    given: int = 0


def amendments_of(
    plain: Any, first: Mapping[str, Any], ended: Sequence[Ended] = ()
) -> tuple[Amendment, ...]:
    """The inverse of `Amendment.as_dict`, for a list of them.

    Args:
        first: what the first request asks for, by name; ended: requests that ended early.

    Raises:
        TypeError, ValueError: it is none.
    """
    if not isinstance(plain, list):
        raise TypeError(f"must be a list, not {short(plain)}")
    cut = {each.request: each.trials for each in ended}
    now = {name: first[name] for name in NAMES}
    there, found = {**now, TRIALS: cut.get(0, now[TRIALS])}, list[Amendment]()
    for number_of, each in enumerate(plain, start=1):
        name = next((name for name in NAMES if isinstance(each, dict) and name in each), None)
        if name is None or set(each) - {name, *WITH_TRIALS}:
            raise ValueError(f"each is {' or '.join(NAMES)}, not {short(each)}")
        number = each[name]
        if type(number) is not int or number <= there[name]:
            raise ValueError(f"{name} must be more than {there[name]}, not {short(number)}")
        ends = ends_of(each[STOP_WHEN]) if STOP_WHEN in each else None
        most = each.get(MAX_UPDATES)
        if most is not None and (type(most) is not int or most < 0):
            raise ValueError(f"{MAX_UPDATES} must be a whole number, not {short(most)}")
        found.append(
            Amendment(
                name=name,
                before=now[name],
                number=number,
                stop_when=ends,
                max_updates=most,
                tries=points_of(each.get(TRIES, [])),
                from_=tuple(map(str, each.get(FROM, []))),
                known=str(each.get(KNOWN, "")),
            )
        )
        now[name] = there[name] = number
        there[TRIALS] = cut.get(number_of, there[TRIALS])
    return tuple(found)


def stages_of(
    trials: int,
    replicates: int,
    amendments: Sequence[Amendment],
    ended: Sequence[Ended] = (),
    given: Sequence[int] = (),
) -> tuple[Stage, ...]:
    """Return what there is, request after request.

    Args:
        trials, replicates: of all requests.
        ended: requests that ended early.
        given: how many trials of each request have points that were given; empty: none.
    """
    cut = {each.request: each.trials for each in ended}
    now = first_of(trials, replicates, amendments)
    stages = []
    for number in range(len(amendments) + 1):
        if number:
            more = amendments[number - 1]
            now[more.name] = more.number
        now[TRIALS] = cut.get(number, now[TRIALS])
        stages.append(Stage(now[TRIALS], now[REPLICATES], given[number] if given else 0))
    return tuple(stages)


def ends_at(
    first: Ends, amendments: Sequence[Amendment], stages: Sequence[Stage], ended: Sequence[Ended]
) -> Ends:
    """Return what ends a search during the last request.

    Args:
        first: what ends the first one; stages: of all requests.
    """
    come = {each.request: each.ends for each in ended}
    now = first
    for number, each in enumerate(amendments):
        now = now.without(come.get(number, ()))
        if each.stop_when is not None:
            now = replace(now, stop_when=each.stop_when, since=stages[number].trials)
        if each.max_updates is not None:
            now = replace(now, max_updates=each.max_updates)
    return now


def first_of(trials: int, replicates: int, amendments: Sequence[Amendment]) -> dict[str, int]:
    """Return what the first request asked for, by name."""
    first = {TRIALS: trials, REPLICATES: replicates}
    return {**first, **{each.name: each.before for each in reversed(amendments)}}


def totals(plain: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a ``search.toml`` has in the end of what its amendments say."""
    found: dict[str, Any] = {}
    dropped = [each for each in plain.get("ended") or () if isinstance(each, Mapping)]
    for number, each in enumerate(plain.get("amendments") or ()):
        if not isinstance(each, Mapping):
            continue
        come = [text for end in dropped if end.get("request") == number for text in end["ends"]]
        if come:
            now = found.get(STOP_WHEN, plain.get(STOP_WHEN, []))
            found[STOP_WHEN] = [text for text in now if text not in come]
            if UPDATES in come:
                found[MAX_UPDATES] = 0
        names = (*NAMES, STOP_WHEN, MAX_UPDATES)
        found.update({name: each[name] for name in names if name in each})
        for name in (TRIES, FROM):
            if each.get(name):
                found[name] = [*found.get(name, plain.get(name, [])), *each[name]]
    return found
