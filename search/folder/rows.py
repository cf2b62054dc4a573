"""The columns of a run folder: their names, order and types, fixed by the space."""

from __future__ import annotations

import numpy
import pyarrow as pa

from shoal.search.space import Space

KEY = ("trial", "replicate")

SEARCH = b"shoal.search"
"""The name, in a part's own description, of the search that it is of."""

_TYPES = {"float": pa.float64(), "int": pa.int64(), "bool": pa.bool_(), "str": pa.string()}

CURVES = pa.schema(
    [
        ("trial", pa.int64()),
        ("replicate", pa.int64()),
        ("step", pa.int64()),
        ("loss", pa.float64()),
    ]
)
"""One row per lane and reported step."""


def trials_schema(space: Space) -> pa.Schema:
    """One row per lane; a column per hyperparameter, under its own name."""
    return pa.schema(
        [
            ("trial", pa.int64()),
            ("replicate", pa.int64()),
            *((name, _TYPES[dimension.column]) for name, dimension in space.items()),
            ("loss", pa.float64()),
            ("state", pa.string()),
            ("steps", pa.int64()),
            ("round", pa.int64()),
            ("pack", pa.int64()),
            ("node", pa.string()),
            ("device", pa.string()),
            ("seconds", pa.float64()),
            ("started", pa.timestamp("us", tz="UTC")),
            ("error", pa.string()),
        ]
    )


def part_schema(space: Space) -> pa.Schema:
    """A part of the run folder: rows of trials, each with its own curve as lists."""
    return (
        trials_schema(space)
        .append(pa.field("curve_step", pa.list_(pa.int64())))
        .append(pa.field("curve_loss", pa.list_(pa.float64())))
    )


def split(space: Space, parts: pa.Table) -> tuple[pa.Table, pa.Table]:
    """Return the trials and the curves of rows that came as parts."""
    trials = parts.select(trials_schema(space).names)
    steps = parts["curve_step"].combine_chunks()
    losses = parts["curve_loss"].combine_chunks()
    lengths = numpy.asarray(steps.value_lengths())
    keys = [pa.array(numpy.repeat(parts[key].to_numpy(), lengths)) for key in KEY]
    curves = pa.Table.from_arrays([*keys, steps.flatten(), losses.flatten()], schema=CURVES)
    return trials, curves
