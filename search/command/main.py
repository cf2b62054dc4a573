"""The command line: ``shoal run``, ``shoal results``, ``shoal fit``, and those of batch jobs."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import click

from shoal.search.command import explaining, fits, jobs, watch
from shoal.search.command.arguments import asked_of, of_a_search, of_settings, tracked_of
from shoal.search.command.group import Group
from shoal.search.command.pages import report
from shoal.search.command.pages import watch as live
from shoal.search.command.runs import COMMANDS as OF_RUNS
from shoal.search.command.runs import RunGiven
from shoal.search.command.terminal import moving, printed
from shoal.search.errors import BadInput
from shoal.search.process import streams
from shoal.search.request import OF_RUN, PathGiven, check_standing

BEGAN = time.monotonic()

EXCEL: dict[str, Any] = {"encoding": "utf-8-sig", "date_format": "%Y-%m-%d %H:%M:%S"}
"""How a CSV file is written for Excel: with a mark by which it knows UTF-8, and times in UTC in the
form that it takes for times."""

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # the cores are for the workers


@contextmanager
def _without_collecting() -> Iterator[None]:
    """Look for no garbage meanwhile: imports make a hundred thousand objects and hardly any."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="shoal", prog_name="shoal")
def main() -> None:
    """Hyperparameter search for gradient-descent fits.

    Write one fit, run thousands per device.
    """


@main.command()
@of_a_search
@of_settings(OF_RUN)
@click.option("--quiet", is_flag=True, help="Show no progress.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def run(
    problem: str | None,
    space: tuple[str, ...],
    config: Path | None,
    out: Path | None,
    workers: int | None,
    engine: str,
    address: str | None,
    checkpoint: str,
    time_budget: str | None,
    memory: str | None,
    trial_timeout: str | None,
    grace: str,
    fresh: bool,
    track: tuple[str, ...] | None,
    trust: bool,
    quiet: bool,
    as_json: bool,
    **settings: Any,
) -> None:
    """Search, or go on with the search in --out.

    PROBLEM is a name (convnet, cubic-sine, legendre-sine, logistic, matrix-factorisation, mlp,
    mlp-module, nist, poisson, softmax), module:Class or file.py:Class; or file.py:function, or
    --exec, which are called for each trial.
    """
    check_standing()
    silent = quiet or as_json
    with nullcontext() if silent else moving("starting"), _without_collecting(), streams.printing():
        asked = asked_of(problem, space, config, settings)

        from shoal.search.api import search
        from shoal.search.command.summary import summary_json, summary_text
        from shoal.search.engines import RunOptions
        from shoal.search.watching import choose

        options = RunOptions.of(
            engine=engine,
            workers=workers,
            address=address,
            checkpoint=checkpoint,
            time_budget=time_budget,
            memory=memory,
            trial_timeout=trial_timeout,
            grace=grace,
            fresh=fresh,
            patient=False,
            typed=True,
        )
    with streams.printing():
        result, report = search(
            asked,
            options,
            out=out,
            trust=trust,
            observers=[choose(silent)],
            track=tracked_of(config, track),
            told=not silent,
            began=BEGAN,
        )
    show = summary_json if as_json else summary_text
    printed(show(result, report), f"; the search is in {result.path}")


@main.command()
@click.argument("folder", type=RunGiven())
@click.option("--best", type=click.IntRange(min=1), help="Show so many of the best trials.  [10]")
@click.option(
    "--csv",
    "csv_file",
    type=PathGiven(dash=True),
    help="Write the rows to FILE (-: standard output).",
)
@click.option("--json", "as_json", is_flag=True, help="Print rows as JSON and nothing else.")
@click.option("--excel", is_flag=True, help="With --csv: as Excel reads it.")
@click.option("--plot", is_flag=True, help="Draw the best curve, and the losses, in text.")
def results(
    folder: Path,
    best: int | None,
    csv_file: Path | None,
    as_json: bool,
    excel: bool,
    plot: bool,
) -> None:
    """Show the results of a run folder, finished or not.

    A table of the best trials; with --csv or --json all rows, or the --best; with --plot drawings.
    """
    to_output = csv_file is not None and str(csv_file) == "-"
    if excel and (csv_file is None or to_output):
        raise BadInput("--excel is of a file; add one, as in --csv rows.csv")
    if plot and (as_json or to_output):
        raise BadInput("--plot draws for a reader; leave out --json, and give --csv a file")
    with moving(f"reading {folder}"):
        from shoal.search.api import load
        from shoal.search.command.drawings import drawings
        from shoal.search.command.summary import results_json, results_table

        result = load(folder)
        rows = result.trials if best is None else result.ranking.head(best)
    if csv_file is not None:
        try:
            form: dict[str, Any] = EXCEL if excel else {}
            text = rows.to_csv(None if to_output else csv_file, index=False, **form)
        except OSError as error:
            why = error.strerror or f"there is no folder {csv_file.parent}"  # pandas looks first
            raise BadInput(f"cannot write {csv_file}: {why}") from error
        if to_output:
            printed(str(text).removesuffix("\n"))
    if as_json:
        printed(results_json(rows))
    elif plot:
        printed(drawings(result))
    elif csv_file is None:
        printed(results_table(result, best or 10))


for _command in (
    *(explaining.explain, fits.fit, fits.predict, *jobs.COMMANDS, watch.status, watch.logs),
    *(report, live, *OF_RUNS),
):
    main.add_command(_command)
