"""Keys: which lanes rows are of, as numbers in columns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy
import pyarrow as pa

from shoal.search.errors import RunFolderError
from shoal.search.request import Request


class Keys:
    """The lanes that have been seen among those of a search; a byte each."""

    def __init__(self, request: Request) -> None:
        """Begin with none."""
        self._seen = numpy.zeros(request.lanes, dtype=bool)
        self._request = request

    def __len__(self) -> int:
        return int(numpy.count_nonzero(self._seen))

    def add(self, file: Path, table: pa.Table) -> bool:
        """See the lanes of a table; return whether they are new, all of them.

        A table without rows, or whose lanes are all known, is not.

        Raises:
            RunFolderError: some are known and some are not, or no lanes of this search.
        """
        codes = codes_of(table, self._request)
        if len(codes) and not 0 <= codes.min() <= codes.max() < len(self._seen):
            raise RunFolderError(f"{file} has rows that are not of this search; move it away")
        known = self._seen[codes]
        if known.all():
            return False
        if known.any():
            raise RunFolderError(f"{file} has rows that are there already; move it away")
        self._seen[codes] = True
        return True

    def only(self, table: pa.Table) -> pa.Table:
        """Return the rows of a table that are of lanes seen so far."""
        known = self._seen[codes_of(table, self._request)]
        return table if known.all() else table.filter(pa.array(known))


def codes_of(table: pa.Table, request: Request) -> Any:
    """Return one number for each row, shape (rows,), int64, in the order of the keys."""
    return table["trial"].to_numpy() * request.fits + request.fit_numbers(table)


def in_order(table: pa.Table, request: Request) -> pa.Table:
    """Return a table by its keys; the rows of one lane keep their order."""
    codes = codes_of(table, request)
    if bool((codes[1:] >= codes[:-1]).all()):
        return table
    return table.take(pa.array(numpy.argsort(codes, kind="stable")))
