"""Putting a new run folder in its place, whole or not at all."""

from __future__ import annotations

import errno
import json
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import tomli_w

from shoal.search.errors import BadInput, RunFolderError
from shoal.search.folder import ledger, starting
from shoal.search.folder.reader import PROBLEM, RunFolder
from shoal.search.folder.starting import filling
from shoal.search.folder.tables import FOLDER as KNOWN
from shoal.search.folder.tables import known_name, rows
from shoal.search.lock import NO_ROOM, why
from shoal.search.request import Request
from shoal.slurm import wire
from shoal.trainable.disk import Directory
from shoal.trainable.problems import Source

FOLDERS = ("parts", "packs", "problem")
TABLES = ("trials.parquet", "curves.parquet")
ENTRIES = {*FOLDERS, KNOWN, *TABLES, "environment.json", "digests.json"}
"""What a new run folder holds besides ``search.toml``, by which it is known."""

MAX_ENTRIES = 1000


def create(path: Path, request: Request, source: Source, known: bytes = b"") -> RunFolder:
    """Make the folder of a new search, whole or not at all.

    Args:
        known: the table of what its sampler knows; empty: it knows nothing.

    Raises:
        BadInput: something is there already (`starting.Taken`: a search that was quicker), or the
            place cannot be written.
        RunFolderError: the disk is full.
    """
    made = starting.beside(path)
    missing = [above for above in path.parents if not above.exists()]
    try:
        made.mkdir(parents=True)
        starting.tidy(made, unfinished)
        (made / "parts").mkdir()
        (made / "packs").mkdir()
        for name, content in source.contents().items():  # what was hashed and executed
            copy = made / PROBLEM / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(content)
        if known:
            (made / KNOWN).mkdir()
            (made / KNOWN / known_name(request.known)).write_bytes(known)
        (made / "search.toml").write_text(tomli_w.dumps(request.as_dict()), encoding="utf-8")
        (made / "environment.json").write_text("[]\n", encoding="utf-8")
        empty = {} if request.open else rows.empty(request)
        for name, table in empty.items():
            with open(made / name, "wb") as handle:  # which a failure leaves closed
                pq.write_table(table, handle)
        digests = {n: [ledger.digest_of(made / n)] for n in (*empty, "search.toml")}
        (made / ledger.NAME).write_text(json.dumps(digests) + "\n", encoding="utf-8")
        place(made, path)
    except BaseException as error:  # Ctrl-C too
        shutil.rmtree(made, ignore_errors=True)
        with suppress(OSError):
            for above in missing:
                above.rmdir()
        if not isinstance(error, OSError):
            raise
        if isinstance(error, FileExistsError) and error.filename == str(path):
            raise starting.Taken(f"{path} is there already; choose another --out") from error
        if error.errno in NO_ROOM:
            raise RunFolderError(
                f"cannot make {path}: {why(error)}; make room and run the same command again"
            ) from error
        raise BadInput(f"cannot make {path}: {why(error)}; choose another --out") from error
    return RunFolder(path, request)


def reserved(path: Path) -> bool:
    """Whether a batch job has made this run folder, and no search has begun in it yet.

    Besides the job's own files there is what a search leaves that was killed while it moved its
    folder here: nothing that has a row in it.
    """
    try:
        with Directory.at(path) as folder:
            names = set(folder.names(MAX_ENTRIES))
            return (
                wire.SLURM_FOLDER in names
                and names <= ENTRIES | {wire.SLURM_FOLDER}
                and all(_is_new(folder, name) for name in names)
            )
    except (OSError, pa.ArrowException):
        return False


def unfinished(path: Path) -> bool:
    """Whether a folder is as a start leaves it that is killed while it makes it: nothing that has a
    row in it, and no entry of another name."""
    try:
        with Directory.at(path) as folder:
            names = set(folder.names(MAX_ENTRIES))
            return names <= {*ENTRIES, "search.toml"} and all(
                _is_new(folder, name)
                for name in names
                if not (name in TABLES and _is_torn(folder, name, names))
            )
    except (OSError, pa.ArrowException):
        return False


def _is_torn(folder: Directory, name: str, names: set[str]) -> bool:
    """Whether a table is half-written, in a folder that was never whole."""
    if "digests.json" in names:
        return False
    try:
        with folder.open(name) as handle:
            pq.read_metadata(handle)
    except pa.ArrowException:
        return True
    return False


def _is_new(folder: Directory, name: str) -> bool:
    """Whether an entry is as a search makes it that begins."""
    mode = folder.kind(name)
    if name in (wire.SLURM_FOLDER, "problem", KNOWN):
        return stat.S_ISDIR(mode)
    if name in FOLDERS:
        with folder.folder(name) as inner:
            return not inner.names(MAX_ENTRIES)
    if name in TABLES:
        with folder.open(name) as handle:
            return bool(pq.read_metadata(handle).num_rows == 0)
    return stat.S_ISREG(mode)


def place(beside: Path, path: Path) -> None:
    """Move the whole new run folder `beside` to `path`, once the disk has it: after a power cut a
    folder would be there else whose files are empty.

    Raises:
        FileExistsError: another search was put there meanwhile.
        OSError: something else is there, or the place cannot be written.
    """
    _on_disk(beside)
    if not reserved(path):
        try:
            beside.rename(path)
        except OSError:
            _check_free(path)
            raise
        return
    with filling(path):
        _check_free(path)
        _fill(beside, path)


def _on_disk(folder: Path) -> None:
    """Wait until the disk has all that is in a folder."""
    for above, _, files in os.walk(folder, topdown=False):
        for name in (*files, "."):
            handle = os.open(os.path.join(above, name), os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fsync(handle)
            except OSError as error:
                if error.errno != errno.EINVAL:  # a disk that has no such word for folders
                    raise
            finally:
                os.close(handle)


def _check_free(path: Path) -> None:
    """Raise FileExistsError where a search has its folder already."""
    if (path / "search.toml").exists():
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))


def _fill(beside: Path, path: Path) -> None:
    with Directory.at(beside) as new, Directory.at(path) as there:
        names = sorted(new.names(), key=lambda name: name == "search.toml")
        left = [name for name in names if stat.S_ISDIR(there.kind(name))]
        for do in (_check, _empty):  # what a search has left that was killed in this moment
            for name in left:
                with new.folder(name) as mine, there.folder(name) as theirs:
                    do(theirs, mine)
        for name in left:
            there.rmdir(name)
        for name in names:
            new.rename(name, there, name)
    beside.rmdir()


def _check(theirs: Directory, mine: Directory) -> None:
    """Check that a folder holds nothing but what ours holds too.

    Raises:
        OSError: it holds something else.
    """
    for name, theirs_below, mine_below in _folders(theirs, mine):
        if theirs_below is not None and mine_below is not None:
            _check(theirs_below, mine_below)
        elif not stat.S_ISREG(mine.kind(name)) or not _same(theirs, mine, name):
            raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY))


def _empty(theirs: Directory, mine: Directory) -> None:
    """Remove what a folder holds, which is what ours holds."""
    for name, theirs_below, mine_below in _folders(theirs, mine):
        if theirs_below is not None and mine_below is not None:
            _empty(theirs_below, mine_below)
            theirs.rmdir(name)
        else:
            theirs.unlink(name)


def _folders(
    theirs: Directory, mine: Directory
) -> Iterator[tuple[str, Directory | None, Directory | None]]:
    """Names of the first folder, each with the folders that have it in both, if both have it."""
    for name in theirs.names(MAX_ENTRIES):
        if stat.S_ISDIR(theirs.kind(name)) and stat.S_ISDIR(mine.kind(name)):
            with theirs.folder(name) as theirs_below, mine.folder(name) as mine_below:
                yield name, theirs_below, mine_below
        else:
            yield name, None, None


def _same(one: Directory, other: Directory, name: str) -> bool:
    with one.open(name) as left, other.open(name) as right:
        return left.read() == right.read()
