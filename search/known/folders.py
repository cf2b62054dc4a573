"""The trials of another run folder that fit into a space, with the mean objective of their fits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy
from numpy.typing import NDArray

from shoal.search.errors import BadInput
from shoal.search.folder import RunFolder
from shoal.search.known.points import active, value_in
from shoal.search.request import STUDY, Objective, Request
from shoal.search.request.amendments import Point
from shoal.search.space import Space

MAX_TRIALS = 1_000_000
"""Of a folder; a sampler looks at each of them in each round."""


def trials_of(path: Path, space: Space, goal: Objective) -> tuple[list[Point], str]:
    """Return the trials of a run folder that have a value in the space for each hyperparameter
    that is active there, by number; each with its objective, +inf or -inf where it is the worst.

    Those with fits that failed or have not ended are left out, and so are pruned ones.

    Returns:
        the trials, and how many of them fit, in words.

    Raises:
        BadInput: it is no run folder, or none from which this search could learn.
    """
    folder = RunFolder.open(path)
    request = folder.request
    if not any(name in request.space for name, d in space.items() if not d.fixed):
        raise BadInput(
            f"--from {path}: it shares no hyperparameter with this search, which has "
            f"{', '.join(space)}; it has {', '.join(request.space)}"
        )
    column = _column(path, request, goal)
    rows = folder.trials()
    if len(rows) > MAX_TRIALS * request.fits:
        raise BadInput(f"--from {path}: it has more than {MAX_TRIALS:,} trials")
    trial = rows["trial"].to_numpy()
    first, ended = _whole(trial, request.fits)
    good = numpy.isin(rows["state"].to_numpy(zero_copy_only=False), ["complete", "diverged"])
    values = rows[column].to_numpy()
    scores = goal.scores(values)
    found: list[Point] = []
    names = [name for name in request.space if name in space]
    plain = rows.select(names).take(first.tolist()).to_pylist() if len(rows) else []
    for place, count, row in zip(first.tolist(), ended.tolist(), plain, strict=True):
        fits = slice(place, place + count)
        if count != request.fits or not good[fits].all():
            continue
        point = _fitted(row, space)
        if point is not None:
            found.append({**point, goal.name: goal.value(float(scores[fits].mean()))})
    if not found:
        missing = [n for n, d in space.items() if not d.fixed and n not in request.space]
        why = f"it has no {missing[0]}" if missing else "their values are others"
        raise BadInput(f"--from {path}: none of its trials fits into this space ({why})")
    return found, f"{len(found):,} of {len(plain):,} trials of {path} are known to the sampler"


def _column(path: Path, request: Request, goal: Objective) -> str:
    """The column of a folder with the objective."""
    if goal.name in request.columns:
        return goal.name
    if request.kind == STUDY and request.goal.maximize == goal.maximize:
        return request.goal.name
    raise BadInput(
        f"--from {path}: it has no {goal.name}, which this search is for; it has "
        f"{', '.join(request.columns)}"
    )


def _whole(trial: NDArray[Any], fits: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Where the rows of each trial begin, and how many there are."""
    first = numpy.flatnonzero(numpy.diff(trial, prepend=-1))
    return first, numpy.diff(first, append=len(trial))


def _fitted(row: Point, space: Space) -> Point | None:
    """The values of a trial as a space has them; None: it does not fit."""
    found: Point = {}
    for name, dimension in space.items():
        held = row.get(name)
        value = None if held is None else value_in(dimension, held)
        if value is not None:
            found[name] = value
        elif held is not None and dimension.fixed:
            return None
    for name, dimension in space.items():
        there = active(space, name, found)
        if there and name not in found and not dimension.fixed:
            return None
    return {name: value for name, value in found.items() if active(space, name, found)}
