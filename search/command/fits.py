"""The commands for one fit: ``shoal fit`` and ``shoal predict``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from shoal.search.command.arguments import Numbered, OrWord
from shoal.search.command.runs import RunGiven
from shoal.search.command.terminal import moving, printed
from shoal.search.errors import BadInput, SearchError
from shoal.search.process import streams
from shoal.search.request import PathGiven, check_standing
from shoal.slurm import wire

if TYPE_CHECKING:
    from shoal.search.fits import Call

_FILE = re.compile(r"\.py:\w+$")
"""Ends a problem's ``file.py:Class``, whose path may have a ``=``, and no value."""


def _of_a_folder(command: Any) -> Any:
    """Options that say which fit of a run folder is meant."""
    for option in (
        click.option("--trust", is_flag=True, help="Run code that may be another user's."),
        click.option(
            "--fold", type=OrWord("all"), help="Which of its folds; all: with no rows left out."
        ),
        click.option("--replicate", type=int, default=None, help="Which of its replicates.  [0]"),
        click.option("--trial", type=OrWord("best"), help="Number of a trial, or best."),
    ):
        command = option(command)
    return command


@click.command()
@click.argument("words", nargs=-1, metavar="[PROBLEM] NAME=VALUE... | RUN")
@click.option("--steps", type=int, help="Updates.  [2000]")
@click.option("--epochs", type=int, help="Instead of updates, times through the rows.")
@click.option(
    wire.SEED_OPTION, type=Numbered(int), default=None, help="Seed of the initial parameters.  [0]"
)
@click.option(
    "--report",
    type=int,
    help="Updates between two printed losses; with --epochs, epochs (then 1).  [100]",
)
@_of_a_folder
@click.option(
    "--save",
    type=PathGiven(),
    help="Write the parameters to FILE, as safetensors; the checkpoint of a call to a folder.",
)
def fit(
    words: tuple[str, ...],
    steps: int | None,
    epochs: int | None,
    seed: int | None,
    report: int | None,
    trial: int | str | None,
    replicate: int | None,
    fold: int | str | None,
    trust: bool,
    save: Path | None,
) -> None:
    """Fit once, without Ray: print the loss as it falls, and the result.

    For example: shoal fit cubic-sine lr=1e-6 --seed 0; or one call of a function: shoal fit
    own.py:train lr=1e-3

    With a run folder and --trial, fit a trial of it again, with the same numbers: shoal fit
    runs/mine --trial best --save best.safetensors

    Where the search has called a function or a program, that is called again.
    """
    check_standing()
    if trial is not None:
        typed = {"--steps": steps, "--epochs": epochs, wire.SEED_OPTION: seed, "--report": report}
        given = [option for option, value in typed.items() if value is not None]
        if given:
            raise BadInput(f"{given[0]} is that of the search; leave it out, or leave out --trial")
        if len(words) != 1:
            raise BadInput("--trial is of one run folder: shoal fit runs/mine --trial best")
        _fit_again(words[0], trial, replicate or 0, fold, trust, save)
        return
    of_folder = {"--replicate": replicate, "--fold": fold, "--save": save, "--trust": trust or None}
    for option, value in of_folder.items():
        if value is not None:
            raise BadInput(f"{option} is of a trial of a run folder; add --trial, as --trial best")
    with moving("starting"):
        from shoal.search.fits import call_once, fit_once, function_of
        from shoal.search.space import parse_assignments

    problems = [word for word in words if "=" not in word or _FILE.search(word)]
    if len(problems) > 1:
        raise BadInput(f"one problem at a time, not {' and '.join(problems)}")
    values = [word for word in words if word not in problems]
    problem = problems[0] if problems else "cubic-sine"
    if Path(problem, "search.toml").exists():
        raise BadInput(f"{problem} is a run folder: say which trial of it, as --trial best")
    with moving("starting"):
        function = function_of(problem) if ":" in problem else None
    if function is not None:
        for option, value in {"--steps": steps, "--epochs": epochs, "--report": report}.items():
            if value is not None:
                raise BadInput(f"{option} is of problems that shoal fits, and this is a function")
        with moving(f"calling {problem}"), streams.printing():
            _show(call_once(problem, function, parse_assignments(values), seed or 0))
        return
    made = fit_once(
        problem,
        parse_assignments(values),
        steps=steps,
        epochs=epochs,
        seed=0 if seed is None else seed,
        report=report,
        say=streams.tell,
        reported=_reported,
    )
    click.echo(made.description)


def _show(call: Call) -> None:
    """Print what a call has printed, and its reports.

    Raises:
        SearchError: it has failed.
    """
    if call.printed.strip():
        printed(call.printed.rstrip())
    if call.error is not None:
        raise SearchError(call.error)
    for step, numbers in call.reports:
        printed(" ".join(map(str, [step, *(f"{name} {n}" for name, n in numbers.items())])))
    last = ", ".join(f"{name} {number:.9g}" for name, number in call.numbers.items())
    printed(f"{call.state}: {last}")


def _reported(step: int, loss: float, metrics: dict[str, float]) -> None:
    told = (f"{name} {value}" for name, value in metrics.items())
    click.echo(" ".join(map(str, [step, loss, *told])))


def _fit_again(
    run: str,
    trial: int | str,
    replicate: int,
    fold: int | str | None,
    trust: bool,
    save: Path | None,
) -> None:
    with moving(f"reading {run}"):
        from shoal.search.api import load
        from shoal.search.command.summary import again_text, refit_text
        from shoal.search.fits import Again, check_new, saved

        check_new(save)
        result = load(run)
        fit = result.fit(trial, replicate, fold)
    with moving(f"fitting {fit.name} again"), streams.printing():
        again = result.refit(fit.trial, replicate, fold, trust=trust, save=save)
    for note in again.notes:
        streams.tell(note)
    if isinstance(again, Again):
        printed(again_text(result, fit, again, save))
        return
    if save is not None:
        saved(save, again.one, fit)
    printed(refit_text(result, fit, again, save))


@click.command()
@click.argument("folder", type=RunGiven())
@_of_a_folder
@click.option(
    "--input", "rows", type=PathGiven(), required=True, help="Rows: FILE.parquet or FILE.csv."
)
@click.option(
    "--output", type=PathGiven(), required=True, help="Where: FILE.parquet or FILE.csv, new."
)
def predict(
    folder: Path,
    trial: int | str | None,
    replicate: int | None,
    fold: int | str | None,
    trust: bool,
    rows: Path,
    output: Path,
) -> None:
    """Predict for new rows by a fitted model of a run folder.

    The columns of the input are taken by name, as the problem's `inputs` lists them; the output has
    a row for each, in the same order.
    """
    check_standing()
    with moving(f"reading {folder}"):
        from shoal.search.api import load
        from shoal.search.fits import check_new, read_table, write_table

        check_new(output, table=True)
        result = load(folder)
        fit = result.fit("best" if trial is None else trial, replicate or 0, fold)
        table = read_table(rows)
    with moving(f"predicting by {fit.name}"), streams.printing():
        made = result.predict(fit.trial, table, replicate or 0, fold, trust=trust)
    write_table(output, made)
    printed(f"{len(table)} rows by {fit.name}, {output}")
