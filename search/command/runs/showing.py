"""``shoal show``: what a run folder is, when and where it came about, with what, and its size."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from shoal.search.command.runs.completing import RunGiven
from shoal.search.command.runs.listing import state
from shoal.search.command.runs.removing import sizes
from shoal.search.command.terminal import moving, printed, short, size
from shoal.search.request import shown
from shoal.search.watching import duration, printable

if TYPE_CHECKING:
    from shoal.search.results import Result

SETTINGS = (
    "sampler",
    "seed",
    "replicates",
    "folds",
    "steps",
    "epochs",
    "select",
    "patience",
    "pruner",
)
"""What is told of what was asked, where it is not as usual."""

USUAL = {"replicates": 1, "folds": 1, "epochs": 0, "select": "last", "patience": 0}


@click.command()
@click.argument("folder", type=RunGiven())
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def show(folder: Path, as_json: bool) -> None:
    """Show what a run folder is: what was asked, what came of it, when, where, with what versions,
    its size, and what its tables say of themselves."""
    with moving(f"reading {folder}"):
        from shoal.search.api import load

        result = load(folder)
        told = described(result)
    if as_json:
        printed(json.dumps(told))
        return
    printed(printable("\n".join(_lines(told))))


def described(result: Result) -> dict[str, Any]:
    """Return what there is to say of a run folder, in plain values."""
    trials, best, goal = result.trials, result.best_row, result.objective
    times = trials["started"].dropna().dt.strftime("%Y-%m-%d %H:%M:%S").agg(["min", "max"])
    began, last = times if len(trials) else (None, None)
    places = (trials["node"].fillna("") + " " + trials["device"].fillna("")).str.strip()
    bytes_of = list(sizes(result.path))
    return {
        "folder": shown(result.path),
        "state": state(result.path, result.ended == result.asked),
        "asked": _asked(result.path),
        "space": result.space.texts(),
        "objective": str(goal),
        "fits": result.ended,
        "of": result.asked,
        "states": {name: count for name, count in result.states().items() if count},
        "best": None if best is None else {"trial": best["trial"], goal.name: best[goal.name]},
        "began": began,
        "last": last,
        "seconds": float(trials["seconds"].sum()),
        "places": {
            str(place): int(count) for place, count in places.value_counts().items() if place
        },
        "runs": _runs(result.path),
        "bytes": sum(bytes_of),
        "files": len(bytes_of),
        "tables": _tables(result.path),
    }


def _lines(told: dict[str, Any]) -> Iterator[str]:
    asked = told["asked"]
    fits = f"{told['fits']:,} of {told['of']:,} fits"
    states = ", ".join(f"{count:,} {name}" for name, count in told["states"].items())
    said = [f"{n} {asked[n]}" for n in SETTINGS if n in asked and asked[n] != USUAL.get(n)]
    yield f"what    {asked['problem']}: {asked['trials']:,} trials; {', '.join(said)}"
    for name, text in told["space"].items():
        yield f"        {name} {text}"
    yield f"state   {told['state']}: {fits}{f' ({states})' if states else ''}"
    if told["best"] is not None:
        name, _, way = told["objective"].partition(":")
        value, trial = short(told["best"][name]), told["best"]["trial"]
        yield f"best    {name} {value}, the {'low' if way == 'min' else 'high'}est, trial {trial}"
    if told["began"] is not None:
        yield (
            f"when    {told['began']} to {told['last']} UTC, "
            f"{duration(told['seconds'])} of work in all"
        )
    for place, count in told["places"].items():
        yield f"where   {place}: {count:,} fits"
    runs = told["runs"]
    if runs:
        last = runs[-1]
        packages = ", ".join(f"{n} {v}" for n, v in last.get("packages", {}).items() if v)
        yield f"with    Python {last.get('python')}, {packages}"
        if len(runs) > 1:
            yield f"runs    {len(runs)}, the first {runs[0].get('started')}"
    yield f"size    {size(told['bytes'])} in {told['files']:,} files, {told['folder']}"
    for name, table in told["tables"].items():
        by = ", ".join(f"{n} {v}" for n, v in table["versions"].items())
        counts = f"{table['rows']:,} rows, {table['columns']} columns"
        yield f"table   {name}: {counts}{f'; {by}' if by else ''}"


def _asked(path: Path) -> dict[str, Any]:
    """What was asked, as ``search.toml`` has it."""
    from shoal.search.folder import RunFolder

    left = ("space", "conditions", "files", "settled", "began", "source", "amendments")
    plain = RunFolder.open(path).request.as_dict()
    return {name: value for name, value in plain.items() if name not in left}


def _runs(folder: Path) -> list[dict[str, Any]]:
    """The entries of ``environment.json``, one a run; none where it is damaged."""
    try:
        found = json.loads((folder / "environment.json").read_bytes())
    except (OSError, ValueError, RecursionError):
        return []
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _tables(folder: Path) -> dict[str, dict[str, Any]]:
    """What the tables say of themselves, for whoever has the file alone."""
    import pyarrow.parquet as pq

    found = {}
    for name in ("trials.parquet", "curves.parquet"):
        if (folder / name).is_file():
            with pq.ParquetFile(folder / name, pre_buffer=False) as file:
                said = file.schema_arrow.metadata or {}
                found[name] = {
                    "rows": file.metadata.num_rows,
                    "columns": file.metadata.num_columns,
                    "asked": json.loads(said.get(b"shoal.asked", b"{}")),
                    "versions": json.loads(said.get(b"shoal.versions", b"{}")),
                }
    return found
