"""Calls of a function, side by side with Ray Tune and Optuna: trials per second, two at once.

    python benchmarks/calls.py [--trials 2000] [--repeats 3]

Each trial takes 50 ms of a core, so that nobody does more than 40 a second. Each contestant is
timed as a whole process, start-up included, for all trials and for a tenth of them; what lies
between the two is its rate without start-up. It prints a table, the medians over the repeats, and
how shoal's table compares on one, two and four workers.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import sys
import tempfile
from pathlib import Path

import pandas
from measure import timed
from series import BY_KEY, PEERS

HERE = PEERS.parent
MILLISECONDS, WORKERS, PATIENCE = 50, 2, 3600.0
SPINNING = f"{HERE / 'spinning.py'}:train"
PLACE = ["node", "device", "seconds", "started"]


def ours(engine: str, trials: int, folder: Path, workers: int = WORKERS) -> list[str]:
    """Shoal's search, with its defaults."""
    words = ["--trials", trials, "--engine", engine, "--workers", workers, "--out", folder]
    return [sys.executable, "-m", "shoal", "run", SPINNING, *map(str, words), "--json"]


def theirs(key: str, trials: int) -> list[str]:
    """A peer's search: its script with the form spin."""
    script = PEERS / f"{BY_KEY[key].script}.py"
    words = ["--trials", trials, "--workers", WORKERS, "--steps", MILLISECONDS, "--form", "spin"]
    return [sys.executable, str(script), *map(str, words)]


def measured(name: str, trials: int, place: Path) -> tuple[float, float]:
    """The seconds of a search, and of these the CPU's, of all its processes that are waited for.

    Raises:
        RuntimeError: it failed.
    """
    with tempfile.TemporaryDirectory(dir=place) as folder:
        if name.startswith("shoal"):
            command = ours(name.partition(" ")[2], trials, Path(folder, "run"))
        else:
            command = theirs(name, trials)
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        told = timed(command, Path(folder), patience=PATIENCE)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if "error" in told:
        raise RuntimeError(f"{name}: {told['error']}")
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return told["seconds"], spent


def same(trials: int, place: Path) -> bool:
    """Whether the table is the same on one, two and four workers."""
    tables = []
    for workers in (1, 2, 4):
        out = place / f"workers-{workers}"
        told = timed(ours("inline", trials, out, workers), place, patience=PATIENCE)
        if "error" in told:
            raise RuntimeError(told["error"])
        tables.append(pandas.read_parquet(out / "trials.parquet").drop(columns=PLACE))
    return all(table.equals(tables[0]) for table in tables)


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--trials", type=int, default=2000)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    few = max(1, given.trials // 10)
    names = ["shoal inline", "shoal ray", "ray+optuna", "optuna"]
    seconds: dict[str, list[tuple[float, float, float]]] = {name: [] for name in names}
    with tempfile.TemporaryDirectory(prefix="calls-") as folder:
        place = Path(folder)
        for _ in range(given.repeats):
            for name in names:  # in turn, so that a machine that changes changes for all
                whole, spent = measured(name, given.trials, place)
                seconds[name].append((whole, spent, measured(name, few, place)[0]))
        print(f"{given.trials} trials of {MILLISECONDS} ms of a core, {WORKERS} at once")
        print("| search | s | trials/s, start-up included | without start-up | s of CPU |")
        print("| --- | --- | --- | --- | --- |")
        for name, found in seconds.items():
            whole, spent, start = (statistics.median(each) for each in zip(*found, strict=True))
            rate = (given.trials - few) / (whole - start) if whole > start else float("nan")
            cells = f"{whole:.1f} | {given.trials / whole:.1f} | {rate:.1f} | {spent:.1f}"
            print(f"| {name} | {cells} |")
        alike = same(few, place)
        print(f"the same table on 1, 2 and 4 workers ({few} trials): {alike}")


if __name__ == "__main__":
    main()
