"""The run folder as it is read: everything a search leaves behind, and all it needs to go on.

Rows come as parts, a file for one pack or for the few of a second, and are merged into
``trials.parquet`` and ``curves.parquet`` as they grow. ``trials.parquet`` decides: a part whose
rows it has is merged already, and curves of lanes that it lacks are of a merge that did not end.
Every file is whole or absent, and is what the ledger says. `shoal.search.folder.writer` writes it.
"""

from __future__ import annotations

import hashlib
import tomllib
from contextlib import suppress
from io import BufferedReader
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from shoal.search.errors import BadInput, RunFolderError
from shoal.search.folder import ledger
from shoal.search.folder.older import READ, Form
from shoal.search.folder.parameters import FOLDER, OF_PACK, One, Stack, file_names
from shoal.search.folder.starting import stands
from shoal.search.folder.tables import Keys, in_order, rows
from shoal.search.request import Request
from shoal.trainable.disk import Directory, opened_in, read_in
from shoal.trainable.modules import digest, path_read
from shoal.trainable.problems import Source, of_copies

MAX_PARTS = 10_000
"""Files that are looked at; a search leaves a few hundred at the most (`search.folder.writer`)."""

PROBLEM = "problem"
"""The folder of the copies of the user's own files."""


class RunFolder:
    """A run folder."""

    def __init__(self, path: Path, request: Request, form: Form | None = None) -> None:
        self.path = path
        self.request = request
        self._form = form or Form.of(request.as_dict())

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
            plain = tomllib.loads(read_in(path, file.name).decode())
        except OSError as error:
            raise RunFolderError(f"{file} cannot be read: {error.strerror}") from error
        except (ValueError, RecursionError) as error:
            raise RunFolderError(
                f"{file} is damaged: {error}; put it back, or choose another --out"
            ) from error
        if type(plain.get("format")) is not int or plain["format"] not in READ:
            raise BadInput(
                f"{file} has format {plain.get('format')!r}; this version of shoal reads "
                f"{READ[0]} to {READ[-1]}"
            )
        plain = ledger.checked(path, "search.toml", tomllib.load)
        form = Form.of(plain)
        try:
            return cls(path, Request.from_dict(form.upgraded(plain)), form)
        except (BadInput, TypeError, KeyError, AttributeError, ValueError) as error:
            raise RunFolderError(
                f"{file} is damaged: {error}; put it back, or choose another --out"
            ) from error

    def settle(self, request: Request) -> None:
        """The columns of the tables are known now."""
        self.request, self._form = request, Form.of(request.as_dict())

    @property
    def earlier(self) -> int | None:
        """The format, if an earlier version of shoal wrote it: it is read, and not written."""
        return None if self._form.written else self._form.version

    @property
    def packs(self) -> Path:
        """Where workers leave checkpoints."""
        return (self.path / "packs").absolute()

    @property
    def copies(self) -> Path:
        """Where copies of the user's own files lie."""
        return (self.path / PROBLEM).absolute()

    def source(self) -> Source | None:
        """Return the problem's source from the folder's own copies, or None if it has none.

        Raises:
            RunFolderError: ``search.toml`` does not fit together.
        """
        request = self.request
        if not request.files:
            return None
        if digest(request.files) != request.source:
            raise RunFolderError(
                f"{self.path / 'search.toml'} is damaged: files and source do not fit together; "
                "put it back, or choose another --out"
            )
        return of_copies(path_read(request.problem), request.files, self.copies, request.began)

    @property
    def whole(self) -> bool:
        """Whether every row is there, as far as the folder can be read."""
        try:
            return len(self.trials()) == self.request.lanes
        except RunFolderError:  # told by whoever writes
            return False

    def tables(self) -> tuple[pa.Table, pa.Table]:
        """Return trials and curves as they stand, merged or not, each row once.

        Raises:
            RunFolderError: a file is damaged, missing or foreign; the message names it.
        """
        return self._tables(curves=True)

    def trials(self) -> pa.Table:
        """Return trials as they stand; the curves are not read.

        Raises:
            RunFolderError: a file is damaged, missing or foreign; the message names it.
        """
        return self._tables(curves=False)[0]

    def curves(self) -> pa.Table:
        """Return curves as they stand, as `tables` does."""
        return self._tables(curves=True)[1]

    def _tables(self, curves: bool) -> tuple[pa.Table, pa.Table]:
        """Trials and curves, or no curves."""
        request = self.request
        schema, curves_schema = rows.trials_schema(request), rows.curves_schema(request)
        if request.open:  # nothing is written yet
            return schema.empty_table(), curves_schema.empty_table()
        wanted = None if curves else schema.names
        parts = [(file, self.read_part(file, wanted)) for file in self.part_files()]
        trials = self.read("trials.parquet", schema)
        if curves:
            points = self.read("curves.parquet", curves_schema)
        else:  # damage is told, also where it is not to be read
            points = curves_schema.empty_table()
            ledger.checked(self.path, "curves.parquet", ledger.hashed)
        known = Keys(request)
        known.add(self.path / "trials.parquet", trials)
        if curves:
            points = known.only(points)
        fresh = [part for file, part in parts if known.add(file, part)]
        if fresh:
            more = in_order(pa.concat_tables(fresh), request)
            if curves:
                more, more_points = rows.split(request, more)
                points = pa.concat_tables([points, more_points])
            trials = pa.concat_tables([trials, more])
        return in_order(trials, request), in_order(points, request) if curves else points

    def parameters(self, trial: int, replicate: int, fold: int) -> One | None:
        """Return the fitted parameters of a fit; None: they are not kept.

        Raises:
            RunFolderError: they are damaged.
        """
        names = file_names(self.request, trial, replicate, fold)
        for _ in range(2):  # between the two, those of packs may become those of fits
            digests = ledger.read(self.path)
            for name in (f"{FOLDER}/{name}" for name in names):
                if name in digests:
                    return ledger.checked(
                        self.path,
                        name,
                        lambda handle: One.from_bytes(handle.read()),
                        mend=f"put it back; shoal fit --trial {trial} makes it again",
                    )
            for file in self.parameter_files():
                stack = self.stack(file)
                index = None if stack is None else stack.at(trial, replicate, fold)
                if stack is not None and index is not None:
                    return stack.one(index)
        return None

    def parameter_files(self) -> list[str]:
        """The names of the files with parameters of packs."""
        try:
            with Directory.at(self.path) as top, top.folder(FOLDER) as folder:
                return sorted(name for name in folder.names() if OF_PACK.fullmatch(name))
        except FileNotFoundError:
            return []
        except OSError as error:
            raise RunFolderError(
                f"{self.path / FOLDER} cannot be read: {error.strerror}"
            ) from error

    def stack(self, name: str) -> Stack | None:
        """Return the parameters in one of these files; None: it is gone.

        Raises:
            RunFolderError: it is damaged.
        """
        file, named = self.path / FOLDER / name, OF_PACK.fullmatch(name)
        try:
            with opened_in(self.path, f"{FOLDER}/{name}") as handle:
                raw = handle.read()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise RunFolderError(f"{file} cannot be read: {error.strerror}") from error
        if named is not None and hashlib.sha256(raw).hexdigest().startswith(named[2]):
            with suppress(ValueError):
                return Stack.from_bytes(raw)
        raise RunFolderError(
            f"{file} is damaged; remove it (it holds no rows): shoal fit makes parameters again"
        )

    def part_files(self) -> list[Path]:
        """The files among the parts, whatever they are.

        Raises:
            RunFolderError: their folder cannot be read.
        """
        parts = self.path / "parts"
        try:
            with Directory.at(self.path) as top, top.folder("parts") as folder:
                names = folder.names(MAX_PARTS)
        except FileNotFoundError:  # with it, rows went that are done again
            return []
        except OSError as error:
            raise RunFolderError(f"{parts} cannot be read: {error.strerror}") from error
        return [parts / name for name in sorted(names) if name[0] not in "._"]

    def read_part(self, file: Path, columns: list[str] | None = None) -> pa.Table:
        """Return the rows of a part, or some columns of them; none if it is gone.

        Raises:
            RunFolderError: it is damaged or foreign.
        """
        schema = rows.part_schema(self.request)
        table = ledger.checked_part(
            file, lambda handle: self._parquet(handle, file, schema, columns)
        )
        schema = _only(schema, columns)
        if table is None:  # merged in this moment: its rows are in the tables
            return schema.empty_table()
        if (table.schema.metadata or {}).get(rows.SEARCH) != self._form.mark:
            raise RunFolderError(f"{file} is of another search; move it away")
        return table.cast(schema)

    def read(self, name: str, schema: pa.Schema, columns: list[str] | None = None) -> pa.Table:
        """Return one of the two tables as it lies there, or some columns of it.

        Raises:
            RunFolderError: it is missing or damaged.
        """
        file = self.path / name
        table = ledger.checked(
            self.path, name, lambda handle: self._parquet(handle, file, schema, columns)
        )
        return table.cast(_only(schema, columns))

    def _parquet(
        self, handle: BufferedReader, file: Path, schema: pa.Schema, columns: list[str] | None
    ) -> pa.Table:
        """The table in an open file, or some columns of it, under today's names.

        Without arrow's own threads: one of them may still hold a piece of what Python has read when
        the interpreter ends, and aborts the process then.
        """
        names = _only(schema, columns).names
        held = self._form.columns(names)
        try:
            there = pq.ParquetFile(handle, pre_buffer=False)
            known = there.schema_arrow.names == self._form.columns(schema.names)
            table = there.read(held, use_threads=False).select(held) if known else None
        except (OSError, pa.ArrowException) as error:
            raise RunFolderError(f"{file} cannot be read: {error}") from error
        if table is None:
            raise RunFolderError(f"{file} has other columns than this search's; move it away")
        return table.rename_columns(names).replace_schema_metadata(table.schema.metadata)


def _only(schema: pa.Schema, columns: list[str] | None) -> pa.Schema:
    """The fields of these columns, in their order."""
    return schema if columns is None else pa.schema([schema.field(name) for name in columns])
