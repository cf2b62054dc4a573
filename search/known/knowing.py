"""What comes with a request: points to be tried, and what its sampler knows from then on.

What is known is kept in the run folder, in ``known/``: a table for each request that brought some,
with the columns of the space and the score, named by its own sha256. So the folders that it came
from need not stay.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy

from shoal.search.errors import BadInput
from shoal.search.folder.tables import known_bytes
from shoal.search.known.folders import trials_of
from shoal.search.known.points import checked
from shoal.search.request import Asked, Request, given_path
from shoal.search.request.amendments import Point, same
from shoal.search.samplers import learns


@dataclass(frozen=True, kw_only=True)
class Known:
    """What comes with a request.

    Attributes:
        tries: points; from_: run folders that were read.
        content: the table of what the sampler knows, as bytes; empty: there is none.
        notes: what the user should know.
    """

    tries: tuple[Point, ...] = ()
    from_: tuple[str, ...] = ()
    content: bytes = b""
    notes: tuple[str, ...] = ()

    @property
    def more(self) -> dict[str, Any]:
        """What of it stands in the request, by name; nothing where nothing comes."""
        digest = hashlib.sha256(self.content).hexdigest() if self.content else ""
        every = {"tries": self.tries, "from_": self.from_, "known": digest}
        return {name: value for name, value in every.items() if value}

    def run(self, aim: str) -> int:
        """How many of the points are trials: those whose objective `aim` is not known."""
        return sum(aim not in point for point in self.tries)


def known_with(asked: Asked, request: Request, out: Path | None) -> Known:
    """Return what comes with what is asked for, that a request does not have already.

    Args:
        request: the search that is there, or a new one without points.
        out: its run folder; None: a new one.

    Raises:
        BadInput: a point is not in the space, or a folder cannot be learned from.
    """
    goal = request.goal
    held = request.every_try
    points = [checked(point, request.space, goal) for point in asked.given.get("tries", ())]
    tries = tuple(point for point in points if not any(same(point, other) for other in held))
    told = [point for point in tries if goal.name in point]
    notes: list[str] = []
    paths = [path for path in asked.given.get("from_", ()) if path not in request.every_from]
    for path in (given_path("--from", path) for path in paths):
        if out is not None and path == out:
            raise BadInput(f"--from {path}: that is the run folder itself, which its sampler knows")
        found, note = trials_of(path, request.space, goal)
        told += found
        notes.append(note)
    if told and not learns(request.sampler):
        raise BadInput(
            f"the sampler {request.sampler} learns from no trial, so that there is nothing for it "
            "to know: choose --sampler tpe, or leave out --from and points with their objective"
        )
    return Known(
        tries=tries,
        from_=tuple(paths),
        content=_content(told, request),
        notes=tuple(notes),
    )


def _content(told: Sequence[Point], request: Request) -> bytes:
    """The table of points whose objective is known."""
    if not told:
        return b""
    goal = request.goal
    columns = {
        name: [d.choices[0] if d.fixed else point.get(name) for point in told]
        for name, d in request.space.items()
    }
    values = numpy.array([point[goal.name] for point in told], dtype=numpy.float64)
    return known_bytes(request, columns, goal.scores(values))
