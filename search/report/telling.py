"""What a page says in words and tables: what was asked and found, what failed, how to go on."""

from __future__ import annotations

import json
import shlex
from typing import Any

import pyarrow.compute as pc

from shoal.search.report.page import table, words
from shoal.search.request import STUDY, shown
from shoal.search.results import Result
from shoal.search.space import text_of
from shoal.trainable.disk import read_in

MAX_ERRORS, MAX_BEST, MAX_ERROR_LENGTH, MAX_SHOWN = 30, 10, 600, 300


def number(value: Any) -> str:
    """A value with as many digits as a reader needs."""
    if value is None:
        return "–"
    return f"{value:.6g}" if isinstance(value, float) else str(value)[:MAX_SHOWN]


def found(result: Result) -> str:
    """The best trial, how many ended how, and the ten best."""
    best, goal = result.best_row, result.objective
    states = result.states()
    ended = sum(states.values())
    tiles = [(f"{ended:,} of {result.asked:,}", "fits have ended")]
    tiles += [(f"{count:,}", state) for state, count in states.items() if count]
    if best is not None:
        which = "highest" if goal.maximize else "lowest"
        value = f"{best[goal.name]:.9g}"
        tiles.insert(0, (value, f"{which} {goal.name}, trial {best['trial']}"))
    boxes = "".join(
        f"<div class='tile'><b>{words(value)}</b><span>{words(name)}</span></div>"
        for value, name in tiles
    )
    text = f"<div class='tiles'>{boxes}</div>"
    if best is None:
        return f"{text}<p>No trial has ended without failure.</p>"
    others = [name for name in result.numbers if name != goal.name]
    columns = ["trial", goal.name, *others, *result.space]
    rows = result.leading(MAX_BEST)
    lines = [[number(row[name]) for name in columns] for row in rows]
    means = f", means of {result.fits} fits each" if result.fits > 1 else ""
    return f"{text}<h3>The best trials{means}</h3>{table(lines, columns)}"


def asked(result: Result) -> str:
    """The problem, the space and the settings."""
    request = result.drawn.request
    space = [
        (name, dimension.text[:MAX_SHOWN], _when(result, name))
        for name, dimension in result.space.items()
    ]
    rows: list[tuple[str, object]] = [
        ("problem", request.exec or request.problem),
        ("objective", request.objective),
        ("sampler", f"{request.sampler}, seed {request.seed}"),
        ("trials", f"{request.trials:,}"),
    ]
    if request.replicates > 1:
        rows.append(("replicates", request.replicates))
    if request.folds > 1:
        rows.append(("folds", request.folds))
    if not request.called:
        length = ("epochs", request.epochs) if request.epochs else ("steps", request.steps)
        rows += [length, ("select", request.select), ("program", request.program)]
    rows.append(("folder", result.path))
    return (
        f"<div class='pair'><div><h3>Settings</h3>{table(rows)}</div>"
        f"<div><h3>Space</h3>{table(space, ('hyperparameter', 'values', 'where'))}</div></div>"
    )


def environment(result: Result) -> str:
    """Where, when and with what it ran; nothing where that cannot be read."""
    try:
        runs = json.loads(read_in(result.path, "environment.json"))
        lines = []
        for run in runs:
            packages = ", ".join(f"{name} {run['packages'][name]}" for name in run["packages"])
            where = f"{run['host']}, {run['cores']} cores"
            job = f"job {run['slurm_job']}" if run.get("slurm_job") else ""
            lines.append((run["started"], where, job, f"Python {run['python']}, {packages}"))
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return ""
    head = ("started", "host", "SLURM", "versions")
    return f"<h3>Runs</h3>{table(lines[-MAX_ERRORS:], head)}"


def failures(result: Result) -> str:
    """Errors of fits, those that came most often first."""
    states = result.states()
    rows = result.drawn.rows
    failed = rows.filter(pc.equal(rows["state"], "failed")).select(["trial", "error"])
    lines = []
    if len(failed):
        groups = failed.group_by("error").aggregate([("trial", "count"), ("trial", "min")])
        groups = groups.sort_by([("trial_count", "descending"), ("trial_min", "ascending")])
        for row in groups.slice(0, MAX_ERRORS).to_pylist():
            error = (row["error"] or "")[:MAX_ERROR_LENGTH]
            lines.append((error, f"{row['trial_count']:,}", row["trial_min"]))
    text = (
        f"<p>{states['failed']:,} fits failed with an error, {states['diverged']:,} diverged.</p>"
    )
    if not lines:
        return text
    more = len(groups) - len(lines)
    rest = f"<p class='note'>{more:,} more errors are not shown.</p>" if more > 0 else ""
    log = words(shlex.quote(shown(result.path / "errors.log")))
    return (
        f"{text}{table(lines, ('error', 'fits', 'first trial'), 2)}{rest}"
        f"<p class='note'>Tracebacks are in {log}.</p>"
    )


def going_on(result: Result) -> str:
    """Commands and Python for what comes next."""
    plain, request = shown(result.path), result.drawn.request
    folder = shlex.quote(plain)
    told = [] if request.kind == STUDY else _searched(result, plain)
    told.append(("All rows, for a spreadsheet:", f"shoal results {folder} --csv rows.csv"))
    python = f"import shoal\n\nresult = shoal.load({plain!r})\nresult.best\nresult.trials"
    told.append(("In Python:", python))
    return "".join(f"<p>{words(why)}</p><pre>{words(what)}</pre>" for why, what in told)


def _searched(result: Result, plain: str) -> list[tuple[str, str]]:
    """What can be done with a search of shoal's, each with its command."""
    folder, request = shlex.quote(plain), result.drawn.request
    told = []
    left = result.asked - result.ended
    if left:
        told.append((f"{left:,} fits are left. The search goes on:", f"shoal run --out {folder}"))
    if result.best_row is not None:
        again = "Call the best trial again, and keep its checkpoint:"
        again = again if result.called else "Fit the best trial again, and write its parameters:"
        made = "again" if result.called else "best.safetensors"
        fold = " --fold all" if request.folds > 1 else ""
        told.append((again, f"shoal fit {folder} --trial best{fold} --save {made}"))
    more = f"shoal run --out {folder} --trials {2 * request.trials}"
    told.append(("Twice as many trials:", more))
    seed = request.seed + 1
    config, out = (shlex.quote(f"{plain}{end}") for end in ("/search.toml", f"-seed-{seed}"))
    anew = f"shoal run --config {config} --seed {seed} --out {out}"
    told.append(("The same search with another seed:", anew))
    return told


def _when(result: Result, name: str) -> str:
    """When a hyperparameter is active."""
    return text_of(result.space.when(name)) if name in result.space.conditional else "always"
