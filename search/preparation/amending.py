"""What is asked of a search that is there: that it goes on, or that it has more than before."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shoal.search.errors import BadInput
from shoal.search.preparation.beginning import different_trials
from shoal.search.request import Asked, Objective, Request, pruner_text
from shoal.search.request.amendments import MAX_PACK, REPLICATES, TRIALS
from shoal.search.space import Dimension
from shoal.trainable.programs import SINGLE
from shoal.trainable.pruning import NONE

MORE = (TRIALS, REPLICATES)
"""What there may be more of than before."""


def amended(
    asked: Asked, space: Mapping[str, Dimension], request: Request, folder: Path
) -> tuple[Request, tuple[str, ...]]:
    """Return the search that is asked for, of which the folder has the beginning, and what the user
    should know.

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
    most = different_trials(wanted[TRIALS], request.sampler, request.space)
    notes = tuple[str, ...]()
    if most < wanted[TRIALS]:
        notes = (f"the space has {most} different trials: the search ends after these",)
        wanted[TRIALS] = most
    for name in MORE:
        if wanted[name] < now[name]:
            raise BadInput(
                f"{folder} has {now[name]} {name}, {wanted[name]} asked: there can be more, and "
                f"not fewer; leave out --{name}, or choose another --out"
            )
    return request.amended(wanted[TRIALS], wanted[REPLICATES]), notes


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
        if key not in MORE and value != held.get(key, 0)
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
        "block": 1 if request.settled.usual == SINGLE else request.pack or MAX_PACK,
        "report": request.epochs or request.steps,
    }
    if not request.nested and request.round is not None:
        first = request.first
        most["round"] = first[TRIALS]
        most["pack"] = request.round * first[REPLICATES]
    return {n: min(value, most[n]) if n in most else value for n, value in given.items()}
