"""The run folder: everything a search leaves behind, and all it needs to go on.

Rows come as parts, one file a pack, and are merged into ``trials.parquet`` and ``curves.parquet``
as they grow. ``trials.parquet`` decides: a part whose rows it has is merged already, and curves of
lanes that it lacks are of a merge that did not end. Files that people read are replaced whole.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import tomllib
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import tomli_w

from search import rows
from search.errors import BadInput, RunFolderError
from search.placing import place
from search.request import FORMAT, Request
from trainable.source import Source

MOST_PARTS = 256
"""Parts are merged at this number at the latest, since clusters count files."""

LEAST_MERGE = 1024
"""Rows that are worth a merge; after that, half of what is merged already."""


class RunFolder:
    """A run folder; `create` makes one, `open` reads one, `lock` makes this process its writer."""

    def __init__(self, path: Path, request: Request) -> None:
        self.path = path
        self.request = request
        self._lock: int | None = None
        self._part_rows = 0
        self._merged_rows = 0
        self._parts: list[Path] = []

    @classmethod
    def create(cls, path: Path, request: Request, source: Source) -> RunFolder:
        """Make the folder of a new search, whole or not at all.

        Raises:
            BadInput: something is there already, or the place cannot be written.
        """
        beside = path.parent / f".{path.name}.{os.getpid()}"
        try:
            beside.mkdir(parents=True)
            (beside / "parts").mkdir()
            (beside / "packs").mkdir()
            if source.path is not None:
                shutil.copyfile(source.path, beside / "problem.py")
            (beside / "search.toml").write_text(tomli_w.dumps(request.as_dict()), encoding="utf-8")
            (beside / "environment.json").write_text("[]\n", encoding="utf-8")
            pq.write_table(
                rows.trials_schema(request.space).empty_table(), beside / "trials.parquet"
            )
            pq.write_table(rows.CURVES.empty_table(), beside / "curves.parquet")
            place(beside, path)
        except OSError as error:
            shutil.rmtree(beside, ignore_errors=True)
            raise BadInput(f"cannot make {path}: {error.strerror}; choose another --out") from error
        return cls(path, request)

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """Return the folder at `path`.

        Raises:
            BadInput: there is none, or another version of shoal made it.
        """
        if not path.is_dir():
            what = "is no folder" if path.exists() else "does not exist"
            raise BadInput(f"{path} {what}; give a run folder, as shoal run makes them")
        file = path / "search.toml"
        if not file.exists():
            raise BadInput(f"{path} is not a run folder: it has no search.toml")
        try:
            plain = tomllib.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise BadInput(f"{file} cannot be read: {error}") from error
        if plain.get("format") != FORMAT:
            raise BadInput(
                f"{file} has format {plain.get('format')!r}; this version of shoal reads {FORMAT}"
            )
        try:
            return cls(path, Request.from_dict(plain))
        except BadInput as error:
            raise BadInput(f"{file}: {error}") from error
        except (TypeError, KeyError, AttributeError) as error:
            raise BadInput(f"{file} is damaged: {error}") from error

    def source(self) -> Source | None:
        """Return the problem's source from the folder's own copy, or None if it has none."""
        copy = (self.path / "problem.py").absolute()
        if not copy.exists():
            return None
        cls = self.request.problem.rpartition(":")[2]
        return Source(
            spec=self.request.problem, cls=cls, path=str(copy), sha256=self.request.source
        )

    def lock(self) -> None:
        """Become the folder's only writer, until `unlock` or this process ends.

        Raises:
            BadInput: another process is writing.
        """
        handle = os.open(self.path / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            owner = os.read(handle, 200).decode(errors="replace").strip()
            os.close(handle)
            raise BadInput(
                f"{self.path} is being written by {owner or 'another process'}; "
                "wait for it, or choose another --out"
            ) from error
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"process {os.getpid()} on {os.uname().nodename}\n".encode(), 0)
        self._lock = handle

    def unlock(self) -> None:
        """Let others write."""
        if self._lock is not None:
            os.ftruncate(self._lock, 0)
            os.close(self._lock)
            self._lock = None

    def recover(self) -> None:
        """As the writer: remove what an interrupted merge left twice."""
        trials = self._read("trials.parquet", rows.trials_schema(self.request.space))
        known = _keys(trials)
        for file in self._part_files():
            table = self._read_part(file)
            if len(table) and known.issuperset(_keys(table)):
                file.unlink()
                continue
            self._parts.append(file)
            self._part_rows += len(table)
        self._merged_rows = len(trials)

    def add(self, name: str, part: pa.Table) -> None:
        """Write the rows of one pack.

        Raises:
            RunFolderError: the disk does not take them.
        """
        file = self.path / "parts" / f"{name}.parquet"
        self._replace(file, part)
        self._parts.append(file)
        self._part_rows += len(part)
        if (
            self._part_rows >= max(LEAST_MERGE, self._merged_rows // 2)
            or len(self._parts) >= MOST_PARTS
        ):
            self.merge()

    def merge(self) -> None:
        """Merge all parts into the two tables, sorted by trial and replicate."""
        if not self._parts:
            return
        trials, curves = self.tables()
        self._replace(self.path / "curves.parquet", curves)  # trials last: they decide
        self._replace(self.path / "trials.parquet", trials)
        for file in self._parts:
            file.unlink(missing_ok=True)
        self._parts.clear()
        self._part_rows, self._merged_rows = 0, len(trials)

    def tables(self) -> tuple[pa.Table, pa.Table]:
        """Return trials and curves as they stand, merged or not, each row once.

        Raises:
            RunFolderError: a file is damaged; the message names it.
        """
        space = self.request.space
        parts = [self._read_part(file) for file in self._part_files()]
        trials = self._read("trials.parquet", rows.trials_schema(space))
        curves = self._read("curves.parquet", rows.CURVES)
        known = _keys(trials)
        fresh = [part for part in parts if len(part) and not known.issuperset(_keys(part))]
        curves = _only(curves, trials)
        if fresh:
            more_trials, more_curves = rows.split(space, pa.concat_tables(fresh))
            trials = pa.concat_tables([trials, more_trials])
            curves = pa.concat_tables([curves, more_curves])
        order = [(key, "ascending") for key in rows.KEY]
        return trials.sort_by(order), curves.sort_by([*order, ("step", "ascending")])

    def note_environment(self, entry: dict[str, Any]) -> list[dict[str, Any]]:
        """Append to ``environment.json``, one entry a run; return the earlier ones."""
        file = self.path / "environment.json"
        try:
            earlier = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            earlier = []
        text = json.dumps([*earlier, entry], indent=2) + "\n"
        beside = file.with_name(f".{file.name}.new")
        try:
            beside.write_text(text, encoding="utf-8")
            beside.replace(file)
        except OSError as error:
            raise RunFolderError(f"cannot write {file}: {error.strerror}") from error
        return list(earlier)

    def log_error(self, pack: str, details: str) -> Path:
        """Append a failed pack's traceback to ``errors.log``; return that file."""
        file = self.path / "errors.log"
        try:
            with open(file, "a", encoding="utf-8") as handle:
                handle.write(f"pack {pack}\n{details.rstrip()}\n\n")
        except OSError as error:
            raise RunFolderError(f"cannot write {file}: {error.strerror}") from error
        return file

    def _part_files(self) -> list[Path]:
        return sorted((self.path / "parts").glob("[!._]*.parquet"))

    def _read_part(self, file: Path) -> pa.Table:
        return self._read(f"parts/{file.name}", rows.part_schema(self.request.space))

    def _read(self, name: str, schema: pa.Schema) -> pa.Table:
        try:
            with open(self.path / name, "rb") as handle:  # a path is opened twice, for two files
                table = pq.read_table(handle)
        except FileNotFoundError:
            if name.startswith("parts/"):  # merged in this moment: its rows are in the tables
                return schema.empty_table()
            raise RunFolderError(f"{self.path / name} is missing") from None
        except (OSError, pa.ArrowException) as error:
            raise RunFolderError(f"{self.path / name} cannot be read: {error}") from error
        if table.schema.names != schema.names:
            raise RunFolderError(f"{self.path / name} has other columns than this search's")
        return table.cast(schema)

    def _replace(self, file: Path, table: pa.Table) -> None:
        beside = file.with_name(f".{file.name}.new")
        try:
            with open(beside, "wb") as handle:
                pq.write_table(table, handle)
                handle.flush()
                os.fsync(handle.fileno())
            beside.replace(file)
        except OSError as error:
            beside.unlink(missing_ok=True)
            raise RunFolderError(
                f"cannot write {file}: {error.strerror}; "
                "make room and run the same command again: it goes on"
            ) from error


def _keys(table: pa.Table) -> set[tuple[int, int]]:
    return set(zip(*(table[key].to_pylist() for key in rows.KEY), strict=True))


def _only(curves: pa.Table, trials: pa.Table) -> pa.Table:
    """The curves of lanes that `trials` has."""
    if not len(curves):
        return curves
    width = 1 + max(pc.max(table["replicate"]).as_py() or 0 for table in (curves, trials))

    def code(table: pa.Table) -> Any:
        return pc.add(pc.multiply(table["trial"], width), table["replicate"])

    return curves.filter(pc.is_in(code(curves), value_set=code(trials).combine_chunks()))
