"""The command line: ``shoal run``, ``shoal results``, ``shoal fit``, and those of batch jobs."""

from __future__ import annotations

import gc
import os
import re
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from shoal.search.command import jobs, watch
from shoal.search.command.group import Group, printed
from shoal.search.command.numbered import Numbered
from shoal.search.errors import BadInput
from shoal.search.process import streams
from shoal.search.request import PathGiven, check_standing
from shoal.slurm import wire

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

    Write one trial, run thousands per device.
    """


def _setting(flag: str, kind: Any, text: str) -> Callable[..., Any]:
    return click.option(flag, type=kind, default=None, help=text)


@main.command()
@click.argument("problem", required=False)
@click.option(
    "--space",
    multiple=True,
    metavar="NAME=VALUES",
    help="LOW:HIGH[:int][:log], a,b,c or one value. Again for each hyperparameter.",
)
@_setting("--trials", int, "Hyperparameter sets to try.  [1024]")
@_setting("--steps", int, "Updates of each fit.  [2000]")
@_setting(
    wire.SEED_OPTION, Numbered(int), "Decides, with the other arguments, the whole table.  [0]"
)
@_setting("--sampler", str, "tpe, optuna-tpe, qmc or random.  [tpe]")
@_setting("--replicates", int, "Fits of each set, from as many initial seeds.  [1]")
@_setting("--report", int, "Updates between two points of a curve.  [steps / 20]")
@_setting("--round", int, "Trials asked of the sampler at once.  [from trials]")
@_setting("--pack", int, "Lanes that one device runs together.  [from trials]")
@_setting("--block", int, "Lanes in one tensor operation.  [from the device]")
@_setting("--program", str, "auto, eager or compiled (as machine code).  [auto]")
@_setting("--diverge-factor", float, "Loss over its first that counts as diverged.  [1000]")
@click.option(
    "--config",
    type=PathGiven(),
    help="TOML file of the same settings; the command line wins.",
)
@click.option(
    wire.OUT_OPTION,
    type=Numbered(PathGiven()),
    envvar=wire.OUT_VARIABLE,  # set by a batch job, so that search and job share a folder
    help="Run folder, new or to go on with.  [runs/PROBLEM-TIME]",
)
@click.option("--workers", type=int, help="Packs at once.  [one per GPU, else one per core]")
@click.option("--engine", default="auto", help="auto, ray or inline.  [auto]")
@click.option("--address", help="HOST:PORT of a running Ray, or auto.  [$RAY_ADDRESS]")
@click.option("--checkpoint", default="5m", help="Time between checkpoints, or off.  [5m]")
@click.option("--time-budget", help="How long it may take, as in 90s, 10m or 1h30m.")
@click.option("--trust", is_flag=True, help="Go on with a run folder of another user.")
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
    trust: bool,
    quiet: bool,
    as_json: bool,
    **settings: Any,
) -> None:
    """Search, or go on with the search in --out.

    PROBLEM is a name (cubic-sine, legendre-sine), module:Class or file.py:Class.
    """
    check_standing()
    with _without_collecting(), streams.printing():
        from shoal.search.space import named, parse_assignments

        asked = _read_config(config) if config is not None else {}
        asked.update({name: value for name, value in settings.items() if value is not None})
        if problem is not None:
            asked["problem"] = problem
        if space:
            before = asked.get("space", {})
            if not isinstance(before, dict):
                raise BadInput(f"{config}: space must be a table")
            before = {named(name): value for name, value in before.items()}
            asked["space"] = {**before, **parse_assignments(space)}

        from shoal.search.api import new_folder
        from shoal.search.command.summary import summary_json, summary_text
        from shoal.search.driver import run_prepared
        from shoal.search.engines import Means, seconds_of
        from shoal.search.preparation import prepare
        from shoal.search.results import Result
        from shoal.search.watching import choose

        means = Means(
            engine=engine,
            workers=workers,
            address=address,
            checkpoint_seconds=(
                None if checkpoint == "off" else seconds_of("--checkpoint", checkpoint, "off")
            ),
            budget_seconds=(
                None if time_budget is None else seconds_of("--time-budget", time_budget)
            ),
            patient=False,
        )
        prepared = prepare(asked, out, trust, means.meanwhile(BEGAN, told=not (quiet or as_json)))
        place = new_folder(prepared.request.problem) if out is None else out
    with streams.printing():
        folder, report = run_prepared(prepared, place, means, choose(quiet or as_json), BEGAN)
    show = summary_json if as_json else summary_text
    printed(show(Result(folder), report), f"; the search is in {folder.path}")


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


@main.command()
@click.argument("words", nargs=-1, metavar="[PROBLEM] NAME=VALUE...")
@click.option("--steps", type=int, default=2000, help="Updates.  [2000]")
@click.option(
    wire.SEED_OPTION, type=Numbered(int), default=0, help="Seed of the initial parameters.  [0]"
)
@click.option("--report", type=int, default=100, help="Updates between two printed losses.  [100]")
def fit(words: tuple[str, ...], steps: int, seed: int, report: int) -> None:
    """Fit once, without Ray: print the loss as it falls, and the result.

    For example: shoal fit cubic-sine lr=1e-6 --seed 0
    """
    check_standing()
    from shoal.search.preparation import fit_once

    problems = [word for word in words if "=" not in word or _FILE.search(word)]
    if len(problems) > 1:
        raise BadInput(f"one problem at a time, not {' and '.join(problems)}")
    values = [word for word in words if word not in problems]
    problem = problems[0] if problems else "cubic-sine"
    told = fit_once(problem, values, steps=steps, seed=seed, report=report, say=streams.tell)
    for line in told:
        click.echo(line)


_FILE = re.compile(r"\.py:\w+$")
"""Ends a problem's ``file.py:Class``, whose path may have a ``=``, and no value."""

for _command in (*jobs.COMMANDS, watch.status, watch.logs):
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
