"""The command line: ``shoal run``, ``shoal results``, ``shoal fit``, and those of batch jobs."""

from __future__ import annotations

import gc
import os
import time
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from shoal.search.command import fits, jobs, watch
from shoal.search.command.group import Group, printed
from shoal.search.command.numbered import numbered
from shoal.search.command.options import of_settings
from shoal.search.errors import BadInput
from shoal.search.process import streams
from shoal.search.request import OF_RUN, OF_TABLE, PathGiven, check_standing

if TYPE_CHECKING:
    from shoal.search.request import Asked

BEGAN = time.monotonic()

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
@click.argument("problem", required=False)
@click.option(
    "--space",
    multiple=True,
    metavar="NAME=VALUES",
    help="LOW:HIGH[:STEP][:int][:log], a,b,c or one value, and if CONDITION. Again for each "
    "hyperparameter.",
)
@of_settings(OF_TABLE)
@click.option(
    "--config",
    type=PathGiven(),
    help="TOML file of the same settings; the command line wins.",
)
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
    with _without_collecting(), streams.printing():
        asked = _asked(problem, space, config, settings)

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
        silent = quiet or as_json
        result, report = search(
            asked,
            options,
            out=out,
            trust=trust,
            observers=[choose(silent)],
            told=not silent,
            began=BEGAN,
        )
    show = summary_json if as_json else summary_text
    printed(show(result, report), f"; the search is in {result.path}")


def _asked(
    problem: str | None,
    space: Sequence[str],
    config: Path | None,
    settings: Mapping[str, Any],
) -> Asked:
    """What a TOML file asks for, and the command line, which wins."""
    from shoal.search.request import Asked
    from shoal.search.space import parse_assignments

    given = {name: value for name, value in settings.items() if value is not None}
    typed = Asked.of({**given, "problem": problem} if problem is not None else given)
    if space:
        typed = replace(typed, space=parse_assignments(space))
    return typed.over(Asked.of(numbered(_read_config(config)) if config is not None else {}))


@main.command()
@click.argument("folder", type=PathGiven())
@click.option("--best", type=click.IntRange(min=1), help="Show so many of the best trials.  [10]")
@click.option(
    "--csv",
    "csv_file",
    type=PathGiven(dash=True),
    help="Write the rows to FILE (-: standard output).",
)
@click.option("--json", "as_json", is_flag=True, help="Print rows as JSON and nothing else.")
def results(folder: Path, best: int | None, csv_file: Path | None, as_json: bool) -> None:
    """Show the results of a run folder, finished or not.

    A table of the best trials; with --csv or --json all rows, or the --best.
    """
    from shoal.search.api import load
    from shoal.search.command.summary import results_json, results_table

    result = load(folder)
    rows = result.trials if best is None else result.ranking.head(best)
    if csv_file is not None:
        to_output = str(csv_file) == "-"
        try:
            text = rows.to_csv(None if to_output else csv_file, index=False)
        except OSError as error:
            why = error.strerror or f"there is no folder {csv_file.parent}"  # pandas looks first
            raise BadInput(f"cannot write {csv_file}: {why}") from error
        if to_output:
            printed(str(text).removesuffix("\n"))
    if as_json:
        printed(results_json(rows))
    elif csv_file is None:
        printed(results_table(result, best or 10))


for _command in (fits.fit, fits.predict, *jobs.COMMANDS, watch.status, watch.logs):
    main.add_command(_command)


def _read_config(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadInput(f"cannot read {file}: {error.strerror}") from error
    except ValueError as error:
        raise BadInput(f"{file} is not TOML: {error}") from error
    except RecursionError as error:
        raise BadInput(f"{file} is not TOML: nested too deep") from error
