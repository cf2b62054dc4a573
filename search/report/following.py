"""A run folder that is being written, followed: what was read once is not read again."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from shoal.search.folder import RunFolder
from shoal.search.folder.tables import Keys, in_order, rows
from shoal.search.results import Result
from shoal.trainable.disk import opened_in

MERGED = "trials.parquet"

Stamp = tuple[int, int, int]


class Following:
    """The rows of a search so far. It reads, and neither writes nor locks.

    New rows come as parts, and each part is read once. Parts are merged after a while into the
    tables, which are read again only if they hold rows that no part had while it was seen.

    Attributes:
        reads: how often the tables were read whole.
    """

    def __init__(self, path: Path) -> None:
        """Read what is there.

        Raises:
            SearchError: it is no run folder, or damaged.
        """
        self._path = path
        self.reads = 0
        self._folder = RunFolder.open(path)
        self._asked_at: Stamp | None = None
        self._merged_at: Stamp | None = None
        self._seen: set[str] = set()
        self._known = Keys(self._folder.request)
        self._trials: list[pa.Table] = []
        self._curves: list[pa.Table] = []
        self._reopen()

    def look(self) -> bool:
        """Read what is new; return whether there is any.

        Raises:
            SearchError: a file is damaged.
        """
        before = self.ended
        stamp = _stamp(self._path / "search.toml")
        if stamp != self._asked_at:
            mark = self._folder.request.mark
            self._folder, self._asked_at = RunFolder.open(self._path), stamp
            if self._folder.request.mark != mark:  # its columns are known now
                self._reopen()
                return True
        if self._folder.request.open:
            return False
        for file in self._folder.part_files():
            if file.name not in self._seen:
                table = self._folder.read_part(file)
                self._seen.add(file.name)
                if self._known.add(file, table):
                    self._take(table)
        merged_at = _stamp(self._path / MERGED)
        if merged_at != self._merged_at:
            self._merged_at = merged_at
            if self._merged_rows() > self.ended:
                self._read()
        return self.ended != before

    @property
    def ended(self) -> int:
        """How many fits have ended."""
        return len(self._known)

    @property
    def result(self) -> Result:
        """What has come of the search so far."""
        request = self._folder.request
        trials, curves = (pa.concat_tables(tables) for tables in (self._trials, self._curves))
        self._trials, self._curves = [trials], [curves]
        return Result(self._folder, (in_order(trials, request), curves))

    def _reopen(self) -> None:
        self._asked_at = _stamp(self._path / "search.toml")
        self._folder = RunFolder.open(self._path)
        self._read()

    def _read(self) -> None:
        """Read the tables, and the parts beside them."""
        self.reads += 1
        self._merged_at = _stamp(self._path / MERGED)
        self._seen = {file.name for file in self._folder.part_files()}
        trials, curves = self._folder.tables()
        self._known = Keys(self._folder.request)
        self._known.add(self._path / MERGED, trials)
        self._trials, self._curves = [trials], [curves]

    def _take(self, part: pa.Table) -> None:
        trials, curves = rows.split(self._folder.request, part)
        self._trials.append(trials)
        self._curves.append(curves)

    def _merged_rows(self) -> int:
        with opened_in(self._path, MERGED) as handle:
            return int(pq.ParquetFile(handle, pre_buffer=False).metadata.num_rows)


def _stamp(file: Path) -> Stamp | None:
    """What changes when a file is replaced; None: it is not there."""
    try:
        stat = file.stat()
    except OSError:
        return None
    return stat.st_ino, stat.st_mtime_ns, stat.st_size
