"""Putting a new run folder in its place, whole or not at all."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

from search.starting import filling

ENTRIES = {
    "parts", "packs", "problem", "environment.json", "trials.parquet", "curves.parquet",
    "digests.json",
}  # fmt: skip
"""What a new run folder holds besides ``search.toml``, by which it is known."""


def reserved(path: Path) -> bool:
    """Whether a batch job has made this run folder, and no search has begun in it yet."""
    try:
        entries = {entry.name for entry in path.iterdir()}
    except OSError:
        return False
    return "slurm" in entries and entries <= ENTRIES | {"slurm"}


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
    for entry in sorted(beside.iterdir(), key=lambda entry: entry.name == "search.toml"):
        target = path / entry.name
        if target.is_dir():  # left by a search that was killed in this very moment
            shutil.rmtree(target)
        entry.rename(target)
    beside.rmdir()
