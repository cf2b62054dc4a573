"""The columns of a run folder: their names, order and types, fixed by the request."""

from __future__ import annotations

import json
from importlib import metadata

import numpy
import pyarrow as pa

from shoal.search.request import Request

SEARCH = b"shoal.search"
"""The name, in a part's own description, of the search that it is of."""

ASKED, VERSIONS = b"shoal.asked", b"shoal.versions"
"""Names, in the tables' own descriptions, of what was asked and of what has written them: JSON."""

BEST_STEP = "best_step"

_NULLABLE = {"int": "Int64", "bool": "boolean", "str": "string"}
"""Types of pandas for columns with nulls: it would make floats and objects of them else."""

TYPES = {"float": pa.float64(), "int": pa.int64(), "bool": pa.bool_(), "str": pa.string()}
"""Of the columns of hyperparameters."""

_AFTER = (
    ("state", pa.string()),
    ("steps", pa.int64()),
    ("round", pa.int64()),
    ("pack", pa.int64()),
    ("node", pa.string()),
    ("device", pa.string()),
    ("seconds", pa.float64()),
    ("started", pa.timestamp("us", tz="UTC")),
    ("error", pa.string()),
)


def curve(name: str) -> str:
    """The column of a part that has a list for each lane: a number at its reporting steps."""
    return f"curve_{name}"


def curves_schema(request: Request) -> pa.Schema:
    """One row per lane and reported step."""
    return pa.schema(
        [
            *((name, pa.int64()) for name in request.key),
            ("step", pa.int64()),
            *((name, pa.float64()) for name in request.columns),
        ]
    )


def trials_schema(request: Request) -> pa.Schema:
    """One row per lane; a column per hyperparameter and metric, under its own name."""
    best = [(BEST_STEP, pa.int64())] if request.select == "best" else []
    space = request.space.items()
    return pa.schema(
        [
            *((name, pa.int64()) for name in request.key),
            *((name, TYPES[dimension.column]) for name, dimension in space),
            *((name, pa.float64()) for name in request.columns),
            *best,
            *_AFTER,
        ]
    )


def part_schema(request: Request) -> pa.Schema:
    """A part of the run folder: rows of trials, each with its own curve as lists."""
    schema = trials_schema(request).append(pa.field(curve("step"), pa.list_(pa.int64())))
    for name in request.columns:
        schema = schema.append(pa.field(curve(name), pa.list_(pa.float64())))
    return schema


def described(schema: pa.Schema, request: Request) -> pa.Schema:
    """Return a table's schema with what was asked, for whoever has the file alone."""
    plain = request.as_dict()
    left = ("source", "files", "began", "settled", "amendments", "halved", "lane_seconds")
    now = {"trials": request.trials, "replicates": request.replicates}
    asked = {name: value for name, value in {**plain, **now}.items() if name not in left}
    versions = {name: metadata.version(name) for name in ("shoal", "torch", "pyarrow")}
    told = {ASKED: json.dumps(asked).encode(), VERSIONS: json.dumps(versions).encode()}
    return schema.with_metadata({**told, **for_pandas(request)})


def for_pandas(request: Request) -> dict[bytes, bytes]:
    """Return what tells pandas, in a table's description, of columns that have nulls; nothing where
    none has some."""
    types = {name: request.space[name].column for name in request.space.conditional}
    columns = [
        {
            "name": name,
            "field_name": name,
            "pandas_type": "unicode" if kind == "str" else kind,
            "numpy_type": _NULLABLE[kind],
            "metadata": None,
        }
        for name, kind in types.items()
        if kind in _NULLABLE
    ]
    plain = {"index_columns": [], "column_indexes": [], "columns": columns}
    return {b"pandas": json.dumps(plain).encode()} if columns else {}


def split(request: Request, parts: pa.Table) -> tuple[pa.Table, pa.Table]:
    """Return the trials and the curves of rows that came as parts."""
    trials = parts.select(trials_schema(request).names)
    schema = curves_schema(request)
    steps = parts[curve("step")].combine_chunks()
    lengths = numpy.asarray(steps.value_lengths())
    keys = [pa.array(numpy.repeat(parts[key].to_numpy(), lengths)) for key in request.key]
    lists = [parts[curve(name)].combine_chunks().flatten() for name in request.columns]
    curves = pa.Table.from_arrays([*keys, steps.flatten(), *lists], schema=schema)
    return trials, curves


def empty(request: Request) -> dict[str, pa.Table]:
    """Return the tables of a search that has no rows yet, by file."""
    schemas = {
        "trials.parquet": trials_schema(request),
        "curves.parquet": curves_schema(request),
    }
    return {name: described(s, request).empty_table() for name, s in schemas.items()}
