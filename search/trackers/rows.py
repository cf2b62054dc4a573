"""Fits that have ended, one by one, with their curves."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy
import pyarrow as pa

from shoal.search.folder.tables import rows as columns
from shoal.search.request import Request

Key = tuple[int, int, int]
"""Trial, replicate and fold."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """A fit that has ended.

    Attributes:
        values: its row of ``trials.parquet``, by column.
        hyperparameters: those that are active in its trial.
        numbers: the loss and the metrics, or what a call reports; NaN and inf among them.
        curve: ``step`` and each number, a list for each; empty lists where nothing was reported.
    """

    values: Mapping[str, Any]
    hyperparameters: Mapping[str, Any]
    numbers: Mapping[str, float]
    curve: Mapping[str, Sequence[float]]

    @property
    def key(self) -> Key:
        """Trial, replicate and fold, which is 0 where there are no folds."""
        return self.values["trial"], self.values["replicate"], self.values.get("fold", 0)

    @property
    def started(self) -> float:
        """When the fits that ran together began: seconds since 1970, UTC."""
        began: datetime = self.values["started"]
        return began.timestamp()

    @property
    def finite(self) -> dict[str, float]:
        """Those of the numbers that are finite."""
        return {name: n for name, n in self.numbers.items() if math.isfinite(n)}

    def name(self, request: Request) -> str:
        """``trial-000017``; with replicates or folds their numbers follow, ``-replicate-0``."""
        trial, replicate, fold = self.key
        parts = [f"trial-{trial:06d}"]
        parts += [f"replicate-{replicate}"] * (request.replicates > 1 or replicate > 0)
        parts += [f"fold-{fold}"] * (request.folds > 1)
        return "-".join(parts)


def rows_of(part: pa.Table, request: Request) -> Iterator[Row]:
    """Return the fits of rows that came as a part: with lists ``curve_step``, ``curve_NAME``."""
    names = [name for name in part.column_names if name not in request.space]
    curves = {
        name.removeprefix(columns.curve("")): part[name].to_pylist()
        for name in names
        if name.startswith(columns.curve(""))
    }
    numbers = [name for name in curves if name != "step"]
    plain = part.drop_columns([columns.curve(name) for name in curves]).to_pylist()
    for i, values in enumerate(plain):
        yield Row(
            values=values,
            hyperparameters={n: values[n] for n in request.space if values[n] is not None},
            numbers={n: math.nan if values[n] is None else values[n] for n in numbers},
            curve={name: column[i] for name, column in curves.items()},
        )


def part_of(trials: pa.Table, curves: pa.Table, request: Request) -> pa.Table:
    """Return the rows of both tables, in the order of their keys, as a part has them."""
    own, of_points = (
        table["trial"].to_numpy() * request.fits + request.fit_numbers(table)
        for table in (trials, curves)
    )
    ends = numpy.searchsorted(of_points, own, side="right")
    offsets = pa.array(numpy.concatenate([[0], ends]).astype(numpy.int32))
    for name in curves.column_names:
        if name not in request.key:
            lists = pa.ListArray.from_arrays(offsets, curves[name].combine_chunks())
            trials = trials.append_column(columns.curve(name), lists)
    return trials
