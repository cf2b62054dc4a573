"""The run folder as it is read: everything a search leaves behind, and all it needs to go on.

Rows come as parts, one file a pack, and are merged into ``trials.parquet`` and ``curves.parquet``
as they grow. ``trials.parquet`` decides: a part whose rows it has is merged already, and curves of
lanes that it lacks are of a merge that did not end. Every file is whole or absent, and is what the
ledger says. `search.writer` writes it.
"""

from __future__ import annotations

import tomllib
from io import BufferedReader
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from search import ledger, rows
from search.errors import BadInput, RunFolderError
from search.request import FORMAT, Request
from trainable.source import Source


class RunFolder:
    """A run folder."""

    def __init__(self, path: Path, request: Request) -> None:
        self.path = path
        self.request = request

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """Return the folder at `path`.

        Raises:
            BadInput: there is none, or another version of shoal made it.
            RunFolderError: ``search.toml`` is not what was written.
        """
        if not stands(path) or not path.is_dir():
            what = "is no folder" if stands(path) else "does not exist"
            raise BadInput(f"{path} {what}; give a run folder, as shoal run makes them")
        file = path / "search.toml"
        if not stands(file):
            raise BadInput(f"{path} is not a run folder: it has no search.toml")
        try:
            plain = tomllib.loads(file.read_text(encoding="utf-8"))
        except OSError as error:
            raise RunFolderError(f"{file} cannot be read: {error.strerror}") from error
        except (ValueError, RecursionError) as error:
            raise RunFolderError(
                f"{file} is damaged: {error}; put it back, or choose another --out"
            ) from error
        if plain.get("format") != FORMAT:
            raise BadInput(
                f"{file} has format {plain.get('format')!r}; this version of shoal reads {FORMAT}"
            )
        plain = ledger.checked(path, "search.toml", tomllib.load)
        try:
            return cls(path, Request.from_dict(plain))
        except (BadInput, TypeError, KeyError, AttributeError, ValueError) as error:
            raise RunFolderError(
                f"{file} is damaged: {error}; put it back, or choose another --out"
            ) from error

    @property
    def packs(self) -> Path:
        """Where workers leave checkpoints."""
        return (self.path / "packs").absolute()

    def source(self) -> Source | None:
        """Return the problem's source from the folder's own copy, or None if it has none."""
        copy = (self.path / "problem.py").absolute()
        if not copy.exists():
            return None
        cls = self.request.problem.rpartition(":")[2]
        return Source(
            spec=self.request.problem, cls=cls, path=str(copy), sha256=self.request.source
        )

    def tables(self) -> tuple[pa.Table, pa.Table]:
        """Return trials and curves as they stand, merged or not, each row once.

        Raises:
            RunFolderError: a file is damaged, missing or foreign; the message names it.
        """
        space = self.request.space
        parts = [(file, self.read_part(file)) for file in self.part_files()]
        trials = self.read("trials.parquet", rows.trials_schema(space))
        curves = self.read("curves.parquet", rows.CURVES)
        known = keys_of(trials)
        fresh = []
        for file, part in parts:
            keys = keys_of(part)
            if known.issuperset(keys):
                continue
            if not known.isdisjoint(keys):
                raise RunFolderError(f"{file} has rows that are there already; move it away")
            known |= keys
            fresh.append(part)
        curves = _only(curves, trials)
        if fresh:
            more_trials, more_curves = rows.split(space, pa.concat_tables(fresh))
            trials = pa.concat_tables([trials, more_trials])
            curves = pa.concat_tables([curves, more_curves])
        order = [(key, "ascending") for key in rows.KEY]
        return trials.sort_by(order), curves.sort_by([*order, ("step", "ascending")])

    def part_files(self) -> list[Path]:
        """The files among the parts, whatever they are.

        Raises:
            RunFolderError: their folder cannot be read.
        """
        parts = self.path / "parts"
        try:
            return sorted(file for file in parts.iterdir() if file.name[0] not in "._")
        except FileNotFoundError:  # with it, rows went that are done again
            return []
        except OSError as error:
            raise RunFolderError(f"{parts} cannot be read: {error.strerror}") from error

    def read_part(self, file: Path) -> pa.Table:
        """Return the rows of a part, none if it is gone.

        Raises:
            RunFolderError: it is damaged or foreign.
        """
        schema = rows.part_schema(self.request.space)
        table = ledger.checked_part(file, lambda handle: _parquet(handle, file, schema))
        if table is None:  # merged in this moment: its rows are in the tables
            return schema.empty_table()
        if (table.schema.metadata or {}).get(rows.SEARCH) != self._mark:
            raise RunFolderError(f"{file} is of another search; move it away")
        return table.cast(schema)

    def read(self, name: str, schema: pa.Schema) -> pa.Table:
        """Return one of the two tables as it lies there.

        Raises:
            RunFolderError: it is missing or damaged.
        """
        file = self.path / name
        table = ledger.checked(self.path, name, lambda handle: _parquet(handle, file, schema))
        return table.cast(schema)

    @property
    def _mark(self) -> bytes:
        return self.request.mark.encode()


def _parquet(handle: BufferedReader, file: Path, schema: pa.Schema) -> pa.Table:
    """The table in an open file."""
    try:
        table = pq.read_table(handle)
    except (OSError, pa.ArrowException) as error:
        raise RunFolderError(f"{file} cannot be read: {error}") from error
    if table.schema.names != schema.names:
        raise RunFolderError(f"{file} has other columns than this search's; move it away")
    return table


def stands(path: Path) -> bool:
    """Whether something is there.

    Raises:
        BadInput: that cannot be told.
    """
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}; choose another") from error
    return True


def keys_of(table: pa.Table) -> set[tuple[int, int]]:
    """The keys of the lanes in a table."""
    return set(zip(*(table[key].to_pylist() for key in rows.KEY), strict=True))


def _only(curves: pa.Table, trials: pa.Table) -> pa.Table:
    """The curves of lanes that `trials` has."""
    if not len(curves):
        return curves
    width = 1 + max(pc.max(table["replicate"]).as_py() or 0 for table in (curves, trials))

    def code(table: pa.Table) -> Any:
        return pc.add(pc.multiply(table["trial"], width), table["replicate"])

    return curves.filter(pc.is_in(code(curves), value_set=code(trials).combine_chunks()))
