"""What the command line prints of a result: text, tables and JSON."""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from shoal.search.driver import Report
from shoal.search.request import shown
from shoal.search.results import Result
from shoal.search.watching import duration, escaped, printable

if TYPE_CHECKING:
    from pathlib import Path

    import pandas

    from shoal.search.fits import Again, Chosen, Refit

INACTIVE = "-"
"""In a table, in the place of a hyperparameter that is not active in a trial."""


def summary_text(result: Result, report: Report) -> str:
    """The end of a search: best row, counts by state, where the time went, where the table is."""
    lines = []
    best = result.best_row
    if best is None:
        lines.append("no trial has ended without failure")
    else:
        values = _values(result, best)
        goal = result.objective.name
        others = [name for name in result.numbers if name != goal]
        more = "".join(f", {name} {_short(best[name])}" for name in others)
        lines.append(
            f"best    {goal} {_short(best[goal])} at {values} (trial {best['trial']}{more})"
        )
        lines.append(f"refit   {_refit(result, best)}")
    counts = ", ".join(f"{count:,} {state}" for state, count in result.states().items() if count)
    lines.append(f"fits    {counts}")
    if result.end is not None:
        lines.append(f"end     {result.end}, after {result.asked // result.fits:,} trials")
    left = result.asked - result.ended
    if left:
        again = f"shoal run --out {shlex.quote(shown(result.path))} goes on"
        lines.append(f"left    {left:,} of {result.asked:,} fits; {again}")
    wall = sum(report.seconds.values())
    spent = [
        f"{name} {seconds / wall:.0%}"
        for name, seconds in report.seconds.items()
        if seconds >= 0.005 * wall
    ]
    if report.fresh:
        lines.append(f"time    {_time(wall)}: {', '.join(spent)}")
    elif left:
        lines.append(f"time    {_time(wall)}, in which no fit came to its end")
    else:
        lines.append("time    nothing was left to do")
    lines.append(f"folder  {result.path}")
    lines.append(f"look    shoal report {shlex.quote(shown(result.path))}")
    lines.append(f'pandas  pandas.read_parquet("{result.path / "trials.parquet"}")')
    return printable("\n".join(lines))


def _refit(result: Result, best: Mapping[str, Any]) -> str:
    """What to type for the best fit itself."""
    run = shlex.quote(shown(result.path))
    folds = " --fold all" if "fold" in best else ""
    made = "again" if result.called else "best.safetensors"
    return f"shoal fit {run} --trial best{folds} --save {made}"


def summary_json(result: Result, report: Report) -> str:
    """The end of a search as one JSON object; what is not finite is null."""
    best = None if result.best_row is None else _row(result.best_row)
    told = json.dumps(
        {
            "folder": shown(result.path),
            "best": best,
            "states": result.states(),
            "engine": report.engine,
            "end": result.end,
            "fresh": report.fresh,
            "left": result.asked - result.ended,
            "seconds": {name: round(value, 3) for name, value in report.seconds.items()},
            "notes": report.notes,
        }
    )
    return escaped(told)


def results_table(result: Result, best: int) -> str:
    """The best trials as a table."""
    goal = result.objective.name
    numbers = [goal, *(name for name in result.numbers if name != goal)]
    of_a_fit = ["state", "steps", "node", "device"] if result.fits == 1 else []
    columns = ["trial", *numbers, *result.space, *of_a_fit]
    ranking = result.ranking
    if ranking.empty:
        return f"{result.path} has no trial that has ended without failure"
    head = ranking.head(best)[columns]
    for name in result.space.conditional:
        head[name] = head[name].astype(object).where(head[name].notna(), INACTIVE)
    text: str = head.to_string(index=False, float_format=lambda value: f"{value:.9g}")
    means = "" if result.fits == 1 else f", means of {result.fits} fits each"
    return printable(f"{text}\n{len(head)} of {len(ranking)} trials{means}, {result.path}")


def refit_text(result: Result, fit: Chosen, again: Refit, save: Path | None) -> str:
    """What came of a trial that was fitted again."""
    lines = [f"trial   {fit.name.removeprefix('trial ')}: {_values(result, fit.row)}"]
    numbers = ", ".join(f"{name} {_short(value)}" for name, value in again.numbers.items())
    lines.append(f"fit     {numbers}, {again.steps} steps")
    pruned = fit.row["state"] == "pruned" and fit.fold is not None
    same = {
        True: "the same numbers, bit for bit",
        False: "other numbers",
        None: f"pruned at step {fit.row['steps']} there"
        if pruned
        else "has no such fit: no rows are left out here",
    }
    lines.append(f"table   {same[again.same]}")
    if save is not None:
        lines.append(f"saved   {save}")
    return printable("\n".join([*lines, again.words]))


def again_text(result: Result, fit: Chosen, again: Again, save: Path | None) -> str:
    """What came of a trial that was called again."""
    numbers = ", ".join(f"{name} {_short(value)}" for name, value in again.numbers.items())
    same = "the same numbers, bit for bit" if again.same else "other numbers"
    lines = [
        again.printed.rstrip(),
        f"trial   {fit.name.removeprefix('trial ')}: {_values(result, fit.row)}",
        f"call    {again.state}, {numbers}, step {again.steps}",
        f"table   {same}",
        "" if save is None else f"saved   {save}",
    ]
    return printable("\n".join(line for line in lines if line))


def _values(result: Result, row: Mapping[str, Any]) -> str:
    """The hyperparameters of a trial; those that are not active in it are left out."""
    has = [name for name in result.space if row[name] is not None]
    return ", ".join(f"{name} {_short(row[name])}" for name in has)


def results_json(rows: pandas.DataFrame) -> str:
    """Rows as a JSON list; what is not finite, or not active, is null."""
    plain = rows.astype(object).where(rows.notna(), None)
    return escaped(json.dumps([_row(row) for row in plain.to_dict("records")]))


def _row(row: Mapping[Any, Any]) -> dict[str, Any]:
    return {str(name): _plain(value) for name, value in row.items()}


def _plain(value: Any) -> Any:
    if hasattr(value, "isoformat"):
        return value.isoformat()
    if hasattr(value, "item"):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _time(seconds: float) -> str:
    """A time: up to a minute with a digit more."""
    return f"{seconds:.1f} s" if seconds < 60 else duration(seconds)


def _short(value: Any) -> str:
    return f"{value:.9g}" if isinstance(value, float) else str(value)
