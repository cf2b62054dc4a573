"""What is asked of a search that is there: that it goes on, or that it has more than before."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shoal.search.errors import BadInput
from shoal.search.known import Known
from shoal.search.preparation.beginning import different_trials
from shoal.search.request import Asked, Objective, Request, pruner_text
from shoal.search.request.amendments import (
    MAX_PACK,
    MAX_UPDATES,
    REPLICATES,
    STALLED,
    STOP_WHEN,
    TRIALS,
    UPDATES,
)
from shoal.search.space import Dimension
from shoal.trainable.programs import ONE_BY_ONE
from shoal.trainable.pruning import NONE

MORE = (TRIALS, REPLICATES)
"""What there may be more of than before."""

APART = (*MORE, STOP_WHEN, MAX_UPDATES, "tries", "from_")
"""What makes no other search of it."""


def amended(
    asked: Asked, space: Mapping[str, Dimension], request: Request, folder: Path, known: Known
) -> tuple[Request, tuple[str, ...]]:
    """Return the search that is asked for, of which the folder has the beginning, and what the user
    should know.

    Args:
        known: what comes with it that the folder does not have.

    Raises:
        BadInput: it is another search, or one of less.
    """
    if different := _different(asked, space, request):
        raise BadInput(
            f"{folder} holds another search ({'; '.join(different)}); choose another --out; with "
            f"--from {folder} it begins from what this one has found"
        )
    now = {name: getattr(request, name) for name in MORE}
    wanted = {**now, **{name: n for name, n in asked.given.items() if name in MORE}}
    points = known.run(request.goal.name)
    if points and TRIALS not in asked.given:
        wanted[TRIALS] = request.there + points
    most = different_trials(wanted[TRIALS], request.sampler, request.space)
    notes = tuple[str, ...]()
    if most < wanted[TRIALS]:
        notes = (f"the space has {most} different trials: the search ends after these",)
        wanted[TRIALS] = most
    there = {**now, TRIALS: request.there}
    for name in MORE:
        if wanted[name] < now[name] and wanted[name] <= there[name]:
            raise BadInput(
                f"{folder} has {there[name]} {name}, {wanted[name]} asked: there can be more, and "
                f"not fewer; leave out --{name}, or choose another --out"
            )
    more = wanted[TRIALS] != now[TRIALS]
    if known.more and wanted[TRIALS] < (least := there[TRIALS] + max(points, 1)):
        what = f"{points} new points to try" if points else "what the sampler is to know"
        raise BadInput(
            f"{folder} has {there[TRIALS]} trials, and {what} comes after these: give --trials "
            f"{least} or more"
        )
    ends = _other_ends(asked, request, more)
    if ends and wanted[TRIALS] <= there[TRIALS]:
        ((name, value), *_) = ends.items()
        held = getattr(request.ends(len(request.amendments)), name)
        raise BadInput(
            f"{folder} has {_shown(name, held)}, {_shown(name, value)} asked: that can change with "
            f"more trials; give --trials, more than {there[TRIALS]}, or choose another --out"
        )
    request.goal.check_ends(ends.get(STOP_WHEN, ()))
    return request.amended(wanted[TRIALS], wanted[REPLICATES], **ends, **known.more), notes


def _other_ends(asked: Asked, request: Request, more: bool) -> dict[str, Any]:
    """What is asked to end the search, where that is another than what ends it without being said.

    Args:
        more: whether there are to be more trials, for which an end that has come does not hold.

    Raises:
        BadInput: it has come already, and would end them at once.
    """
    last = len(request.amendments)
    held = request.ends(last)
    come = [text for each in request.ended if each.request == last for text in each.ends]
    left = held.without(come) if more else held
    other = {
        name: asked.given[name]
        for name in (STOP_WHEN, MAX_UPDATES)
        if asked.given.get(name, getattr(left, name)) != getattr(left, name)
    }
    again = [text for text in other.get(STOP_WHEN, ()) if text in come and STALLED not in text]
    if UPDATES in come and 0 < other.get(MAX_UPDATES, 0) <= held.max_updates:
        again.append(f"{UPDATES} {other[MAX_UPDATES]:,}")
    if again:
        raise BadInput(
            f"{again[0]} has come already, and would end the search at once; leave it out, or give "
            "another"
        )
    return other


def _shown(name: str, value: Any) -> str:
    """What ends a search, as it is typed."""
    words = value if name == STOP_WHEN else [f"{value:,}"] if value else []
    return f"--{name.replace('_', '-')} {' '.join(words) or 'none'}"


def _different(asked: Asked, space: Mapping[str, Dimension], request: Request) -> list[str]:
    """In what the search that is asked for is another one."""
    held = {"pruner": NONE, **request.as_dict()}
    given = _as_resolved(asked.given, request)
    if asked.objective is not None:
        given["objective"] = str(Objective.parse(asked.objective, usual=request.goal))
    if asked.pruner is not None:
        given["pruner"] = pruner_text(asked.pruner)
    different = [
        f"{key} is {held.get(key, 0)!r} there, {value!r} asked"
        for key, value in given.items()
        if key not in APART and value != held.get(key, 0)
    ]
    for name, dimension in space.items():
        there = request.space.get(name)
        if there != dimension:
            text = repr(there.shown) if there else "absent"
            different.append(f"{name} is {text} there, {dimension.shown!r} asked")
    return different


def _as_resolved(given: Mapping[str, Any], request: Request) -> dict[str, Any]:
    """What is asked for as a search of this request has it: of a size that is larger than what it
    is a part of, all there is."""
    most = {
        "block": 1 if request.settled.usual in ONE_BY_ONE else request.pack or MAX_PACK,
        "report": request.epochs or request.steps,
    }
    if not request.nested and request.round is not None:
        first = request.first
        most["round"] = first[TRIALS]
        most["pack"] = request.round * first[REPLICATES]
    return {n: min(value, most[n]) if n in most else value for n, value in given.items()}
