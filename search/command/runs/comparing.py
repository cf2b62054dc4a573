"""``shoal compare``: two searches side by side: what was asked, and what came of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from shoal.search.command.runs.completing import RunGiven
from shoal.search.command.runs.showing import described
from shoal.search.command.terminal import moving, printed, short, table, width
from shoal.search.errors import BadInput
from shoal.search.process import streams
from shoal.search.request import BY_NAME
from shoal.search.watching import duration, printable

if TYPE_CHECKING:
    from shoal.search.results import Result

ABSENT = "-"


@click.command()
@click.argument("folders", type=RunGiven(), nargs=-1, metavar="RUN RUN...")
def compare(folders: tuple[Path, ...]) -> None:
    """Compare run folders: what was asked otherwise, what came of each, and whether trials that
    they share have the same numbers."""
    if len(folders) < 2:
        raise BadInput("give two run folders or more, as in: shoal compare runs/one runs/other")
    with moving("reading run folders"):
        from shoal.search.api import load

        results = [load(folder) for folder in folders]
        told = [described(result) for result in results]
        rows = [("", *(f"{folder}" for folder in folders)), *_asked(told), *_came(told, results)]
        shared = [_shared(results[0], other) for other in results[1:]]
    most = width() if streams.output().isatty() else None
    lines = [table(rows, most=most)]
    lines += [f"{folder}: {line}" for folder, line in zip(folders[1:], shared, strict=True)]
    printed(printable("\n".join(lines)))


def _asked(told: list[dict[str, Any]]) -> Iterator[tuple[str, ...]]:
    """The settings and hyperparameters that differ."""
    for part, known in (("asked", ("problem", *BY_NAME)), ("space", None)):
        for name in dict.fromkeys(name for each in told for name in each[part]):
            if known is not None and name not in known:
                continue
            values = [each[part].get(name) for each in told]
            if any(value != values[0] for value in values):
                yield name, *(ABSENT if v is None else str(v) for v in values)


def _came(told: list[dict[str, Any]], results: list[Result]) -> Iterator[tuple[str, ...]]:
    """What came of each."""
    yield "state", *(each["state"] for each in told)
    yield "fits", *(f"{each['fits']:,} of {each['of']:,}" for each in told)
    for name in dict.fromkeys(name for each in told for name in each["states"]):
        yield name, *(f"{each['states'].get(name, 0):,}" for each in told)
    best = [result.best_row or {} for result in results]
    goals = dict.fromkeys(result.objective.name for result in results)
    for name in ("trial", *goals, *dict.fromkeys(n for result in results for n in result.space)):
        values = [row.get(name) for row in best]
        yield f"best {name}", *(ABSENT if v is None else short(v) for v in values)
    yield "work", *(duration(each["seconds"]) for each in told)


def _shared(one: Result, other: Result) -> str:
    """Whether the trials that two searches share have the same numbers."""
    import numpy

    names, goal = list(one.space), one.objective.name
    if list(other.space) != names or other.objective.name != goal or one.fits != other.fits:
        return "other hyperparameters, or another objective: nothing to compare trial by trial"
    keys = [name for name in ("trial", "replicate", "fold") if name in one.trials]
    both = one.trials.merge(other.trials, on=[*keys, *names], suffixes=("", "_other"))
    if not len(both):
        return "no trial in common"
    left, right = both[goal].to_numpy(), both[f"{goal}_other"].to_numpy()
    same = (left == right) | (numpy.isnan(left) & numpy.isnan(right))
    if same.all():
        return f"{len(both):,} fits in common, all with the same {goal}"
    with numpy.errstate(invalid="ignore"):
        apart = numpy.abs(left - right)
    most = apart[numpy.isfinite(apart)].max(initial=0.0)
    other_ones = f"{(~same).sum():,} with another {goal}, by {most:.3g} at most"
    return f"{len(both):,} fits in common, {other_ones}"
