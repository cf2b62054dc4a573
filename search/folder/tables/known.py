"""What a sampler knows from without its search: a table of hyperparameters and scores."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from shoal.search.errors import RunFolderError
from shoal.search.folder.tables.merging import parquet_bytes
from shoal.search.folder.tables.rows import TYPES
from shoal.search.request import Request
from shoal.trainable.disk import read_in

FOLDER = "known"
"""Of a run folder: where these tables are."""

SCORE = "score"
"""Its last column: lower is better, +inf: diverged."""


def known_name(digest: str) -> str:
    """The name of a table with this sha256."""
    return f"{digest[:16]}.parquet"


def known_bytes(request: Request, columns: Mapping[str, Any], scores: Any) -> bytes:
    """Return a table as parquet.

    Args:
        columns: a list of values for each hyperparameter of the space; None: it is not active.
        scores: of each trial, as `shoal.search.request.Objective` has them.
    """
    schema = _schema(request)
    arrays = [pa.array(columns[name], schema.field(name).type) for name in request.space]
    table = pa.Table.from_arrays([*arrays, pa.array(scores, pa.float64())], schema=schema)
    return bytes(parquet_bytes(table))


def known_tables(folder: Path, request: Request) -> dict[int, pa.Table]:
    """Return what the sampler of a run folder's search knows from without it, by the number of the
    request that brought it.

    Raises:
        RunFolderError: a table is missing, or not what was written.
    """
    found = {}
    for number, sha256 in request.knowing.items():
        name = f"{FOLDER}/{known_name(sha256)}"
        try:
            content = read_in(folder, name)
            if hashlib.sha256(content).hexdigest() != sha256:
                raise ValueError("it is not what shoal has written")
            file = pq.ParquetFile(pa.BufferReader(content), pre_buffer=False)
            found[number] = file.read(use_threads=False).cast(_schema(request))
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or error
            raise RunFolderError(
                f"{folder / name} cannot be read: {why}; put it back, or choose another --out"
            ) from error
    return found


def _schema(request: Request) -> pa.Schema:
    fields = [(name, TYPES[dimension.column]) for name, dimension in request.space.items()]
    return pa.schema([*fields, (SCORE, pa.float64())])
