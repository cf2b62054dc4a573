"""The one writer of a run folder.

Every file is written whole beside its place, inside the writer's lock, and moved from there, so
that a reader never sees half of one, and a writer that has lost the lock changes nothing.
"""

from __future__ import annotations

import errno
import hashlib
import json
import shutil
from collections.abc import Callable, Mapping
from functools import partial
from io import BufferedReader, BufferedWriter
from pathlib import Path
from typing import Any

import pyarrow as pa
import tomli_w

from shoal.search.errors import BadInput, RunFolderError
from shoal.search.folder import ledger
from shoal.search.folder.keeping import Keeping
from shoal.search.folder.reader import RunFolder
from shoal.search.folder.staging import Staging
from shoal.search.folder.tables import FOLDER as KNOWN
from shoal.search.folder.tables import Keys, in_order, known_name, merge, parquet_bytes, rows
from shoal.search.lock import Lock
from shoal.search.request import Request
from shoal.trainable.disk import OddFile

MAX_PARTS = 256
"""Parts are merged at this number at the latest, since clusters count files."""

MIN_MERGE = 1024
"""Rows that are worth a merge; after that, half of what is merged already."""

TABLES = ("curves.parquet", "trials.parquet")
"""In the order in which they are replaced: trials decide."""


class Writer:
    """Writes a run folder, until `close` or this process ends.

    Attributes:
        folder: what it writes.
        keeping: writes fitted parameters.
    """

    def __init__(self, folder: RunFolder, say: Callable[[str], None]) -> None:
        """Become the folder's only writer, and remove what an interrupted merge left twice.

        Args:
            say: told where this takes longer.

        Raises:
            BadInput: another process is writing, or has changed what is asked for.
            RunFolderError: the disk does not take it, or a file is damaged.
        """
        self.folder, self._path = folder, folder.path
        self._lock = Lock.take(folder.path, say)
        self._staging = Staging(folder.path, self._lock)
        self._parts: list[Path] = []
        self._part_rows = 0
        self._merged = Keys(folder.request)
        try:
            self._recover()
            self.keeping = Keeping(folder, self._staging)
        except BaseException:
            self._lock.release()
            raise

    @property
    def number(self) -> int:
        """Which writer of the folder this is; no other has had it."""
        return self._lock.number

    def close(self) -> None:
        """Let others write."""
        self._lock.release()

    def check(self) -> None:
        """Check that this process still is the writer.

        Raises:
            RunFolderError: another one has taken over.
        """
        self._lock.check()

    def add(self, name: str, part: pa.Table, others: int = 0) -> None:
        """Write the rows of one pack, or of a few.

        Args:
            name: of the pack, or of the first.
            others: how many other packs the rows are of.

        Raises:
            RunFolderError: the disk does not take them, or there is another writer.
        """
        content = parquet_bytes(part)
        digest = hashlib.sha256(content).hexdigest()
        file = self._path / "parts" / ledger.part_name(name, others, digest)
        staging = self._staging
        with staging.writing(self._path / "parts" / name), staging.top.folder("parts") as parts:
            staging.put(name, content)
            staging.place(name, parts, file.name)
        self._parts.append(file)
        self._part_rows += len(part)
        if (
            self._part_rows >= max(MIN_MERGE, len(self._merged) // 2)
            or len(self._parts) >= MAX_PARTS
        ):
            self.merge()

    def merge(self) -> None:
        """Merge all parts into the two tables, sorted by trial and replicate.

        Raises:
            RunFolderError: a file is damaged or gone, the disk does not take the tables, or there
                is another writer.
        """
        if not self._parts:
            return
        request = self.folder.request
        parts = [self._own_part(file) for file in self._parts]
        trials, curves = rows.split(request, in_order(pa.concat_tables(parts), request))
        if len(trials):
            self._replace(dict(zip(TABLES, (curves, trials), strict=True)))
            self._merged.add(self._path / "trials.parquet", trials)
        for file in self._parts:
            self._remove_part(file)
        self._parts.clear()
        self._part_rows = 0

    def record(self, request: Request) -> None:
        """Replace ``search.toml``, since something holds from a later round on."""
        self._replace({"search.toml": tomli_w.dumps(request.as_dict())})
        self.folder.request = request

    def amend(self, request: Request, known: bytes = b"") -> None:
        """Replace ``search.toml``, if there is to be more than it says.

        Args:
            known: the table of what the sampler knows from now on; empty: nothing else.
        """
        if request.amendments != self.folder.request.amendments:
            if known:
                self._know(known)
            self.record(request)
            self._merged = self._keys(request)

    def _know(self, known: bytes) -> None:
        """Write a table of what the sampler knows."""
        name, staging = known_name(hashlib.sha256(known).hexdigest()), self._staging
        top = staging.top
        with staging.writing(self._path / KNOWN / name), top.folder(KNOWN, make=True) as folder:
            staging.put(name, known)
            staging.place(name, folder, name)

    def settle(self, request: Request) -> None:
        """Write the tables, whose columns are known now, and with them ``search.toml``."""
        files = {
            **{name: parquet_bytes(table) for name, table in rows.empty(request).items()},
            "search.toml": tomli_w.dumps(request.as_dict()).encode(),
        }
        with self._staging.writing(self._path / "search.toml"):
            digests = ledger.read(self._path)
            for name, content in files.items():
                self._staging.put(name, content)
                now = hashlib.sha256(content).hexdigest()
                digests[name] = [now, *digests.get(name, [])[:1]]
            self._staging.put(ledger.NAME, (json.dumps(digests) + "\n").encode())
            for name in (ledger.NAME, *files):
                self._staging.place(name)
        self.folder.settle(request)

    def note_environment(self, entry: dict[str, Any]) -> list[dict[str, Any]]:
        """Append to ``environment.json``, one entry a run; return the earlier ones.

        Raises:
            RunFolderError: it is damaged, or the disk does not take it.
        """
        file = self._path / "environment.json"
        try:
            earlier = json.loads(self._staging.top.read(file.name))
        except FileNotFoundError:
            earlier = []
        except (OSError, ValueError, RecursionError):
            earlier = None
        if not isinstance(earlier, list) or not all(isinstance(e, dict) for e in earlier):
            raise RunFolderError(
                f"{file} is damaged; remove it (it holds no rows) and run the same command again"
            )
        with self._staging.writing(file):
            self._staging.put(file.name, (json.dumps([*earlier, entry], indent=2) + "\n").encode())
            self._staging.place(file.name)
        return list(earlier)

    def log_error(self, whose: str, details: str) -> Path:
        """Append the traceback of what failed to ``errors.log``; return that file."""
        file = self._path / "errors.log"
        self.check()
        with self._staging.writing(file), self._own_log(file.name) as handle:
            text = f"{whose}\n{details.rstrip()}\n\n"
            handle.write(text.encode(errors="backslashreplace"))
        return file

    def _own_log(self, name: str) -> BufferedWriter:
        """A file to append to; one that has another name elsewhere, as in a backup made of links,
        is left to that name."""
        try:
            return self._staging.top.append(name)
        except OddFile as error:
            if error.errno != errno.EMLINK:
                raise
        with self._staging.top.open(name) as before:
            self._staging.stage(name, lambda out: shutil.copyfileobj(before, out))
        self._staging.place(name)
        return self._staging.top.append(name)

    def _recover(self) -> None:
        now = RunFolder.open(self._path).request
        if now.as_dict() != self.folder.request.as_dict():
            raise BadInput(
                f"{self._path} was changed by another process in this moment; run the same command "
                "again"
            )
        for name in ("parts", "packs"):
            folder, again = self._path / name, "remove it and run the same command again"
            with self._staging.writing(folder):
                try:
                    self._staging.top.folder(name, make=True).close()
                except PermissionError:
                    continue  # told by what reads it
                except OddFile as error:
                    raise RunFolderError(f"{folder}: {error.strerror}; {again}") from error
                except NotADirectoryError as error:
                    raise RunFolderError(f"{folder} is no folder; {again}") from error
        if self.folder.request.open:
            return
        for name in TABLES:
            ledger.checked(self._path, name, ledger.hashed)
        self._merged, known = self._keys(self.folder.request), self._keys(self.folder.request)
        for file in self.folder.part_files():
            part = self.folder.read_part(file)
            if known.add(file, part):
                self._parts.append(file)
                self._part_rows += len(part)
            else:
                self._remove_part(file)

    def _keys(self, request: Request) -> Keys:
        """The lanes of a search that are merged."""
        keys = Keys(request)
        if not request.open:
            file, schema = self._path / "trials.parquet", rows.trials_schema(request)
            keys.add(file, self.folder.read(file.name, schema, [*request.key]))
        return keys

    def _own_part(self, file: Path) -> pa.Table:
        """The rows of a part, which nobody else has merged."""
        rows = self.folder.read_part(file)
        if not len(rows):
            self.check()
            raise RunFolderError(
                f"{file} is gone; run the same command again: its fits are done again"
            )
        return rows

    def _remove_part(self, file: Path) -> None:
        with self._staging.writing(file), self._staging.top.folder("parts") as parts:
            parts.unlink(file.name)

    def _replace(self, contents: Mapping[str, pa.Table | str]) -> None:
        """Replace files that the ledger knows, in this order; a table gets more rows."""
        with self._staging.writing(self._path / next(iter(contents))):
            digests = ledger.read(self._path)
            for name, content in contents.items():
                before = ledger.checked(self._path, name, ledger.hashed)
                if isinstance(content, str):
                    self._staging.put(name, content.encode())
                else:
                    ledger.checked(self._path, name, partial(self._stage_merged, name, content))
                with self._staging.staged(name) as staged:
                    digests[name] = [ledger.hashed(staged), before]
            self._staging.put(ledger.NAME, (json.dumps(digests) + "\n").encode())
            for name in (ledger.NAME, *contents):
                self._staging.place(name)

    def _stage_merged(self, name: str, more: pa.Table, before: BufferedReader) -> None:
        request = self.folder.request
        more = more.cast(rows.described(more.schema, request))
        with self._staging.writing(self._path / name):
            self._staging.stage(name, lambda out: merge(before, more, self._merged, request, out))
