"""Writing parquet: rows that came lately merged into a table that is too large to be held whole."""

from __future__ import annotations

import math
from io import BufferedIOBase, BufferedReader

import pyarrow as pa
import pyarrow.parquet as pq

from shoal.search.folder.tables.keys import Keys, in_order
from shoal.search.request import Request

GROUP_ROWS = 1 << 17
"""Rows of a row group: what is in memory at a time of what was merged before."""


def parquet_bytes(table: pa.Table) -> pa.Buffer:
    """Return a table as a parquet file."""
    out = pa.BufferOutputStream()
    with _writer(out, table.schema) as writer:
        writer.write_table(table)
    return out.getvalue()


def merge(
    before: BufferedReader, more: pa.Table, known: Keys, request: Request, out: BufferedIOBase
) -> None:
    """Write the rows of two tables by their keys, each of which has them in order.

    Lanes come nearly in the order of their numbers, so most of what was merged before is passed
    through a row group at a time; what comes after the first of `more` is sorted anew.

    Args:
        before: a parquet file, of which rows of lanes not in `known` are left out.
        more: rows of lanes that `before` lacks; may be none, since failed lanes have no curve.
        out: an open file.
    """
    file = pq.ParquetFile(before, pre_buffer=False)
    first = more["trial"][0].as_py() if len(more) else math.inf
    tail: list[pa.Table] = []
    with _writer(out, more.schema) as writer:
        for i in range(file.num_row_groups):
            group = known.only(file.read_row_group(i, use_threads=False)).cast(more.schema)
            if not len(group):
                continue
            if not tail and group["trial"][-1].as_py() < first:
                writer.write_table(group)
            else:
                tail.append(group)
        writer.write_table(
            in_order(pa.concat_tables([*tail, more]), request), row_group_size=GROUP_ROWS
        )


def _writer(out: BufferedIOBase | pa.NativeFile, schema: pa.Schema) -> pq.ParquetWriter:
    """Only columns whose values repeat are worth a dictionary, which is looked up row by row."""
    repeated = [f.name for f in schema if f.name != "trial" and not pa.types.is_floating(f.type)]
    return pq.ParquetWriter(out, schema, use_dictionary=repeated)
