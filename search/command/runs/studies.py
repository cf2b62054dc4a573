"""``shoal export`` and ``shoal import``: run folders and stored studies of Optuna's."""

from __future__ import annotations

from pathlib import Path

import click

from shoal.search.command.runs.completing import RunGiven, complete_storage
from shoal.search.command.terminal import moving, printed
from shoal.search.process import streams
from shoal.search.request import PathGiven
from shoal.search.watching import printable
from shoal.slurm import wire

STORAGE = "journal:FILE or sqlite:///FILE"


@click.command()
@click.argument("folder", type=RunGiven())
@click.option(
    "--storage",
    required=True,
    metavar="STORAGE",
    shell_complete=complete_storage,
    help=f"Where, a new file: {STORAGE}.",
)
@click.option("--study", help="Name of the study.  [that of the run folder]")
@click.option("--best", type=click.IntRange(min=1), help="So many of the best trials.  [all]")
@click.option(
    "--reports",
    type=click.IntRange(min=0),
    help="Intermediate values of a trial at the most, evenly spread.  [all]",
)
def export(
    folder: Path, storage: str, study: str | None, best: int | None, reports: int | None
) -> None:
    """Write the trials of a run folder as a study that Optuna and its dashboard open.

    For example: shoal export runs/first --storage sqlite:///first.db
    """
    with moving(f"reading {folder}"):
        from shoal.search.api import load
        from shoal.search.results import export as exported

        result = load(folder)
    with moving(f"writing {storage}"):
        count = exported(result, storage, study, best, reports)
    printed(printable(f"{count:,} trials in study {study or folder.name!r} of {storage}"))


@click.command("import")
@click.argument("storage", shell_complete=complete_storage)
@click.option("--study", help="Name of the study.  [the only one]")
@click.option(wire.OUT_OPTION, type=PathGiven(), required=True, help="The run folder, a new one.")
@click.option("--objective", help="Name of the objective's column.  [value]")
def import_(storage: str, study: str | None, out: Path, objective: str | None) -> None:
    """Make a run folder of a study of Optuna's, to be read, compared and begun from.

    STORAGE is journal:FILE or sqlite:///FILE. For example:
    shoal import sqlite:///mine.db --out runs/imported
    """
    with moving(f"reading {storage}"):
        from shoal.search.api import load
        from shoal.search.studies import import_study

        path, notes = import_study(storage, out, study, objective)
        count = load(path).ended
    for note in notes:
        streams.tell(printable(note))
    printed(printable(f"{count:,} trials in {out}"))
