"""One core's fits: shoal's against a plain loop of the same numbers, for each problem of fits/.

    python benchmarks/fits.py                       # all, some ten minutes on a quiet core
    python benchmarks/fits.py --only cubic --only k-means
    python benchmarks/fits.py --quick               # whether all work: two turns, few updates
    ATEN_CPU_CAPABILITY=avx2 CXX="g++ -mno-avx512f" python benchmarks/fits.py    # by AVX2 alone

Each row's fits are stacked as a worker of a search has them, by the program that a search of 4,096
trials of 2,000 updates would take. They and the plain loop, one fit after the other, are run in
turn in this process, on one core and one thread, warm; told are medians of five turns, and that of
the ratio of the plain loop's time a fit over shoal's. The losses of four fits, at each report and
after the last update, must be the plain loop's to 1e-4, or the row says that they differ.

Writes results/fits.json (a quick run, or one of some rows: only where --out says). Exit code 1
where losses differ or a row did not work.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from machine import instructions, machine

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE / "fits"))  # the rows, and what their loops have in common

from rows import ROWS, Row  # noqa: E402
from stacked import Ours, Plain  # noqa: E402

RESULTS = HERE / "results" / "fits.json"
TURNS, QUICK_TURNS = 5, 2
COMPARED = 4
TOLERANCE = 1e-4
"""Relative: of float32 over some updates."""

PLAIN_SECONDS = 0.3
"""How long a turn of the plain loop is at the least: as many fits as that takes."""

COMPILE_SECONDS = 300.0
"""After which a row is run eager, as if a search had given up compiling it."""

AVX512, AVX2 = "AVX-512", "AVX2"


@contextmanager
def pinned(core: int) -> Iterator[None]:
    """Keep this thread on one core."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def measure(row: Row, core: int, quick: bool, compile_seconds: float) -> dict[str, Any]:
    """Measure a row."""
    steps, report, turns = row.steps, row.report, TURNS
    if quick:
        turns = QUICK_TURNS
        steps, report = (1, 1) if row.epochs else (min(steps, 10), min(report, 5))
    began = time.perf_counter()
    ours = Ours(row, steps, report, row.fits, compile_seconds)
    per_epoch = ours.updates_of_an_epoch
    plain = Plain(row, steps * per_epoch, report * per_epoch)
    preparing = time.perf_counter() - began
    with pinned(core):
        _, losses = ours.fit()
        compared = range(0, row.fits, row.fits // COMPARED)
        expected = {i: plain.fit(ours.values[i]) for i in compared}
        difference = max(_difference(losses[i], expected[i]) for i in compared)
        count = _fits_of_a_turn(plain, ours.values)
        pairs = []
        for turn in range(turns):
            seconds, _ = ours.fit()
            chosen = [ours.values[(turn * count + i) % row.fits] for i in range(count)]
            began = time.perf_counter()
            for values in chosen:
                plain.fit(values)
            pairs.append((seconds / row.fits, (time.perf_counter() - began) / count))
    return {
        "program": ours.program,
        "metrics": ours.metrics,
        "why": ours.why,
        "block": ours.block,
        "fits": row.fits,
        "steps": steps * per_epoch,
        "preparing_seconds": round(preparing, 2),
        "difference": difference,
        "same": difference <= TOLERANCE,
        "plain_ms": 1e3 * statistics.median(theirs for _, theirs in pairs),
        "shoal_ms": 1e3 * statistics.median(our for our, _ in pairs),
        "ratio": statistics.median(theirs / our for our, theirs in pairs),
        "ratios": sorted(theirs / our for our, theirs in pairs),
    }


def _fits_of_a_turn(plain: Plain, values: Sequence[Mapping[str, float]]) -> int:
    began = time.perf_counter()
    plain.fit(dict(values[0]))
    return min(len(values), math.ceil(PLAIN_SECONDS / (time.perf_counter() - began)))


def _difference(found: Sequence[float], expected: Sequence[float]) -> float:
    """The largest of the relative differences; infinite where one is no number."""
    if len(found) != len(expected):
        return math.inf
    offs = [abs(a - b) / max(abs(b), 1e-30) for a, b in zip(found, expected, strict=True)]
    return max((off if math.isfinite(off) else math.inf for off in offs), default=math.inf)


def verdict(run: Mapping[str, Any], having: str) -> str:
    """What became of a row's goal."""
    if "error" in run:
        return f"**did not work**: {run['error']}"
    if not run["same"]:
        return f"**another loss**, by {run['difference']:.0e}"
    return "met" if run["ratio"] >= _goal(run, having) else "**not met**"


def _goal(run: Mapping[str, Any], having: str) -> float:
    goals: Mapping[str, float] = run["goals"]
    return goals.get(having, goals[AVX2])


def table(record: Mapping[str, Any]) -> str:
    """The whole text, in Markdown, from a record alone."""
    having = record["machine"]["instructions"]
    head = ["fit", "goal", "plain loop / shoal", "", "plain, ms a fit", "shoal, ms a fit"]
    head += ["program", "why it is no kernel"]
    lines = [head, ["---"] * len(head)]
    for run in record["runs"]:
        goal = f"{_goal(run, having):g}"
        if "error" in run:
            lines.append([run["name"], goal, "", verdict(run, having), "", "", "", ""])
            continue
        numbers = [f"{run['plain_ms']:.3g}", f"{run['shoal_ms']:.3g}"]
        ratio = f"{run['ratio']:.3g} ({run['ratios'][0]:.3g} to {run['ratios'][-1]:.3g})"
        why = run["why"].replace("|", "\\|")
        program = run["program"] + (f", metrics {run['metrics']}" if run["metrics"] else "")
        lines.append([run["name"], goal, ratio, verdict(run, having), *numbers, program, why])
    rows = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    on = record["machine"]
    short = " **A quick run: too short for any figure to mean much.**" if record["quick"] else ""
    return (
        f"{on['processor']}, {having}, {on['cores']} cores, load {on['load_before']} before; torch "
        f"{on['versions']['torch']}, commit {on['commit']}, {on['date']}.{short}\n\n{rows}\n"
    )


def write(record: Mapping[str, Any], out: Path) -> None:
    """Write what was measured."""
    out.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(record, indent=1, ensure_ascii=False)
    out.write_text(text + "\n", encoding="utf-8")


def main() -> int:
    """Measure, print and write; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    names = [row.name for row in ROWS]
    parser.add_argument("--only", action="append", choices=names, metavar="NAME", help="a row")
    parser.add_argument("--quick", action="store_true", help="few updates: does it all work?")
    parser.add_argument("--core", type=int, help="the core to measure on  [the last]")
    parser.add_argument("--compile", type=float, default=COMPILE_SECONDS, metavar="SECONDS")
    parser.add_argument("--json", action="store_true", help="print one JSON object only")
    parser.add_argument("--out", type=Path, help=f"where to write  [{RESULTS}, of a whole run]")
    given = parser.parse_args()
    torch.set_num_threads(1)
    core = max(os.sched_getaffinity(0)) if given.core is None else given.core
    out = given.out or (None if given.quick or given.only else RESULTS)
    began, having = time.monotonic(), instructions()
    record: dict[str, Any] = {
        "machine": {**machine(), "instructions": having, "core": core},
        "quick": given.quick,
        "runs": [],
    }
    for row in ROWS:
        if given.only and row.name not in given.only:
            continue
        least = row.goal or (1, 1)
        run = {"name": row.name, "goals": {AVX512: least[0], AVX2: least[1]}}
        try:
            run |= measure(row, core, given.quick, given.compile)
            told = f"{run['ratio']:.3g} ({run['program']}), {verdict(run, having)}"
        except Exception as error:  # a row that does not work does not end the others
            run["error"] = f"{type(error).__name__}: {error}".partition("\n")[0]
            told = run["error"]
        record["runs"].append(run)
        print(
            f"[{time.monotonic() - began:5.0f} s] {row.name}: {told}", file=sys.stderr, flush=True
        )
        record["seconds"] = round(time.monotonic() - began, 1)
        if out is not None:  # after each row: what is measured is kept
            write(record, out)
    print(json.dumps(record, ensure_ascii=False) if given.json else table(record))
    return int(any("error" in run or not run["same"] for run in record["runs"]))


if __name__ == "__main__":
    sys.exit(main())
