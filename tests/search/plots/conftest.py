"""Searches that are made up: a request, and rows that no fit has made."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy
import pyarrow as pa
import pytest

from shoal.search.folder.tables.rows import curves_schema, trials_schema
from shoal.search.plots import Trials
from shoal.search.request import Request
from shoal.search.results.importance import importance
from shoal.search.space import Space, of_names

MadeUp = Callable[..., Trials]


def request(
    space: Mapping[str, Any], conditions: Any = None, trials: int = 8, **asked: Any
) -> Request:
    """Return what was asked for, with usual settings."""
    usual: dict[str, Any] = {
        "problem": "made-up",
        "source": "",
        "sampler": "random",
        "replicates": 1,
        "steps": 10,
        "report": 1,
        "seed": 0,
        "round": 8,
        "pack": 8,
        "block": 8,
        "program": "eager",
        "unroll": 1,
        "lane_seconds": 0.0,
        "diverge_factor": 1000.0,
    }
    dimensions = Space(of_names(space).values(), conditions)
    return Request(space=dimensions, trials=trials, **{**usual, **asked})


def rows(asked: Request, columns: Mapping[str, Sequence[Any]]) -> pa.Table:
    """Return rows of fits, all there unless `columns` has fewer; what is not said is plain."""
    count = len(columns[asked.goal.name])
    fit = numpy.arange(count)
    usual: dict[str, Any] = {
        "trial": fit // asked.fits,
        "replicate": fit % asked.fits,
        "loss": numpy.ones(count),
        "state": numpy.full(count, "complete"),
        "steps": numpy.full(count, asked.steps),
        "round": fit // asked.round,
        "pack": fit // asked.pack,
        "node": numpy.full(count, "host"),
        "device": numpy.full(count, "cpu"),
        "seconds": numpy.full(count, 0.5),
        "started": (fit // asked.pack * 4_000_000).astype("datetime64[us]"),
        "error": [None] * count,
    }
    schema = trials_schema(asked)
    arrays = []
    for field in schema:
        column = columns[field.name] if field.name in columns else usual[field.name]
        arrays.append(pa.array(column).cast(field.type))
    return pa.Table.from_arrays(arrays, schema=schema)


def points(asked: Request, columns: Mapping[str, Sequence[Any]]) -> pa.Table:
    """Return rows of curves; replicates are 0 unless they are given."""
    count = len(columns["step"])
    known = {"replicate": numpy.zeros(count, int), "loss": numpy.ones(count), **columns}
    schema = curves_schema(asked)
    return pa.Table.from_arrays(
        [pa.array(known[field.name]).cast(field.type) for field in schema], schema=schema
    )


@pytest.fixture
def made_up() -> MadeUp:
    """Makes the trials of a search up."""

    def make(
        space: Mapping[str, Any],
        columns: Mapping[str, Sequence[Any]],
        curves: Mapping[str, Sequence[Any]] | None = None,
        **asked: Any,
    ) -> Trials:
        goal = str(asked.get("objective", "loss")).partition(":")[0]
        fits = asked.get("replicates", 1)
        asked.setdefault("trials", -(-len(columns[goal]) // fits))
        search = request(space, **asked)
        none: dict[str, list[Any]] = {name: [] for name in curves_schema(search).names}
        trials = Trials(
            search,
            rows(search, columns),
            lambda: points(search, none if curves is None else curves),
            lambda: importance(trials),
        )
        return trials

    return make
