"""Putting a new run folder in its place, whole or not at all."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from search.starting import filling
from trainable.directory import Directory

FOLDERS = ("parts", "packs", "problem")
TABLES = ("trials.parquet", "curves.parquet")
ENTRIES = {*FOLDERS, *TABLES, "environment.json", "digests.json"}
"""What a new run folder holds besides ``search.toml``, by which it is known."""

MOST_ENTRIES = 1000


def reserved(path: Path) -> bool:
    """Whether a batch job has made this run folder, and no search has begun in it yet.

    Besides the job's own files there is what a search leaves that was killed while it moved its
    folder here: nothing that has a row in it.
    """
    try:
        with Directory.at(path) as folder:
            names = set(folder.names(MOST_ENTRIES))
            return (
                "slurm" in names
                and names <= ENTRIES | {"slurm"}
                and all(_is_new(folder, name) for name in names)
            )
    except (OSError, pa.ArrowException):
        return False


def _is_new(folder: Directory, name: str) -> bool:
    """Whether an entry is as a search makes it that begins."""
    mode = folder.kind(name)
    if name in ("slurm", "problem"):
        return stat.S_ISDIR(mode)
    if name in FOLDERS:
        with folder.folder(name) as inner:
            return not inner.names(MOST_ENTRIES)
    if name in TABLES:
        with folder.open(name) as handle:
            return bool(pq.read_metadata(handle).num_rows == 0)
    return stat.S_ISREG(mode)


def place(beside: Path, path: Path) -> None:
    """Move the whole new run folder `beside` to `path`.

    Raises:
        FileExistsError: another search was put there meanwhile.
        OSError: something else is there, or the place cannot be written.
    """
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


def _check_free(path: Path) -> None:
    """Raise FileExistsError where a search has its folder already."""
    if (path / "search.toml").exists():
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))


def _fill(beside: Path, path: Path) -> None:
    with Directory.at(beside) as new, Directory.at(path) as there:
        for name in sorted(new.names(), key=lambda name: name == "search.toml"):
            if stat.S_ISDIR(there.kind(name)):  # left by a search that was killed in this moment
                with new.folder(name) as mine:
                    _empty(there, name, mine)
            new.rename(name, there, name)
    beside.rmdir()


def _empty(there: Directory, name: str, mine: Directory) -> None:
    """Remove a folder that holds nothing but what ours holds too.

    Raises:
        OSError: it holds something else, which stays.
    """
    with there.folder(name) as theirs:
        names = theirs.names(MOST_ENTRIES)
        for each in names:
            if stat.S_ISDIR(theirs.kind(each)) and stat.S_ISDIR(mine.kind(each)):
                with mine.folder(each) as below:
                    _empty(theirs, each, below)
            elif stat.S_ISREG(mine.kind(each)) and _same(theirs, mine, each):
                theirs.unlink(each)
            else:
                raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY))
    there.rmdir(name)


def _same(one: Directory, other: Directory, name: str) -> bool:
    with one.open(name) as left, other.open(name) as right:
        return left.read() == right.read()
