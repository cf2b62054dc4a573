"""Putting a new run folder in its place, whole or not at all."""

from __future__ import annotations

import shutil
from pathlib import Path

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
        OSError: something else is there, or the place cannot be written.
    """
    if not reserved(path):
        beside.rename(path)
        return
    for entry in sorted(beside.iterdir(), key=lambda entry: entry.name == "search.toml"):
        target = path / entry.name
        if target.is_dir():  # left by a search that was killed in this very moment
            shutil.rmtree(target)
        entry.rename(target)
    beside.rmdir()
