"""``shoal list``: the run folders that are here, a line each."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import click

from shoal.search.command.terminal import age, moving, printed, table, width
from shoal.search.errors import SearchError
from shoal.search.lock import writing
from shoal.search.process import streams
from shoal.search.request import PathGiven, shown
from shoal.search.watching import printable

HEAD = ("run", "state", "trials", "best", "age")

MAX_FOLDERS = 10_000
"""Entries of a folder that are looked at."""


@click.command("list")
@click.argument("places", type=PathGiven(), nargs=-1, metavar="[FOLDER]...")
def list_(places: tuple[Path, ...]) -> None:
    """List run folders: state, trials that have ended, best objective, age.

    Those in the folders given; else those in the working folder and in its runs/.
    """
    looked = places or (Path.cwd(), Path.cwd() / "runs")
    with moving("looking for run folders"):
        found = {folder: None for place in looked for folder in run_folders(place)}
        rows = [HEAD, *(_row(folder) for folder in found)]
    if not found:
        streams.tell(f"no run folder in {' or '.join(shown(place) for place in looked)}")
        return
    most = width() if streams.output().isatty() else None
    printed(printable(table(rows, left=2, most=most)))


def run_folders(place: Path) -> Iterator[Path]:
    """The run folders in a folder, and itself if it is one, by name."""
    if (place / "search.toml").is_file():
        yield place
        return
    with suppress(OSError), os.scandir(place) as entries:
        names = [entry.name for _, entry in zip(range(MAX_FOLDERS), entries, strict=False)]
        for name in sorted(names):
            if not name.startswith(".") and (place / name / "search.toml").is_file():
                yield place / name


def _row(folder: Path) -> tuple[str, ...]:
    from shoal.search.folder import RunFolder
    from shoal.search.results import Result

    name = shown(folder)
    try:
        result = Result(RunFolder.open(folder))
        ended, best = result.ended, result.best_row
    except SearchError as error:
        return name, f"damaged: {error}", "", "", _age(folder)
    fits = result.fits
    trials = (
        f"{ended // fits:,}"
        if ended == result.asked
        else f"{ended // fits:,} of {result.asked // fits:,}"
    )
    goal = result.objective.name
    value = "" if best is None else f"{goal} {best[goal]:.6g}"
    return name, state(folder, ended == result.asked), trials, value, _age(folder)


def state(folder: Path, whole: bool) -> str:
    """Return what becomes of a run folder, in a word, without asking SLURM.

    Args:
        whole: whether every fit is done.
    """
    writer = writing.writer(folder, 0)
    if writer is not None and writer.lives:
        return "running"
    if whole:
        return "done"
    return "stopped" if writer is None or writer.lives is False else "elsewhere"


def _age(folder: Path) -> str:
    """Since rows were written last."""
    times = [0.0]
    for name in ("trials.parquet", "parts", "search.toml"):
        with suppress(OSError):
            times.append((folder / name).stat().st_mtime)
    return age(time.time() - max(times))
