"""shoal against its peers and against the machine: what ``make benchmark`` runs.

    python benchmarks/run.py            # all, under 15 minutes on two cores
    python benchmarks/run.py --quick    # whether everything works, in a few minutes

Writes table.md, table.json (all that was measured) and cost.svg into benchmarks/results/ (a quick
run: into a folder that is told). Leave the machine alone meanwhile.
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import series
from environments import NotInstalled, python_with
from machine import machine, version_in
from measure import Measured, timed
from picture import draw
from record import Record, best
from table import render

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results"
PATIENCE_SECONDS = 240.0
SMALL, MIDDLE, LARGE = 64, 1024, 32768
MOMENTUM_STEPS = 100
MOMENTUM_PEER = "optuna, tuned fit"
MOMENTUM_TRIALS = 512
MOMENTUM_SEEDS = 3


@dataclass(frozen=True)
class Entry:
    """A search to measure `turns` times, with as many seeds."""

    key: str
    trials: int
    turns: int = 1


PLAN = (
    Entry("shoal", SMALL, 3),
    Entry("optuna", SMALL, 3),
    Entry("optuna, tuned fit", SMALL, 3),
    Entry("ray", 4),
    Entry("ray", 16),
    Entry("shoal", MIDDLE, 3),
    Entry("optuna, tuned fit", MIDDLE, 2),
    Entry("syne", 4),
    Entry("syne", 16),
    Entry("shoal", 256),
    Entry("optuna", 256),
    Entry("ray+optuna", 32),
    Entry("ray+optuna", 128),
    Entry("deephyper", 32),
    Entry("deephyper", 256),
    Entry("shoal", LARGE, 3),
    Entry("ray+optuna, tuned fit", SMALL),
    Entry("ray+optuna, tuned fit", MIDDLE),
    Entry("deephyper, tuned fit", SMALL),
    Entry("deephyper, tuned fit", MIDDLE),
    Entry("deephyper random, tuned fit", SMALL),
    Entry("deephyper random, tuned fit", MIDDLE, 2),
    Entry("shoal", 4096),
    Entry("shoal", 131072),
)


def turns(plan: tuple[Entry, ...]) -> Iterator[tuple[Entry, int]]:
    """Turn about: what has several turns has one in each pass, the rest is spread over them."""
    passes = max(entry.turns for entry in plan)
    for turn in range(passes):
        single = 0
        for entry in plan:
            if entry.turns > 1 and turn < entry.turns:
                yield entry, turn
            elif entry.turns == 1:
                if single % passes == turn:
                    yield entry, 0
                single += 1


class Benchmark:
    """One run: measures, and keeps all in `record`."""

    def __init__(self, folder: Path, steps: int, sizes: list[int], quick: bool) -> None:
        self._folder, self._steps, self._large = folder, steps, max(sizes)
        self._began = time.monotonic()
        self._warm = folder / "cache"
        self._warm.mkdir(mode=0o700)
        self.record: dict[str, Any] = {
            "machine": machine(),
            "settings": {
                "workers": series.WORKERS,
                "steps": steps,
                "quick": quick,
                "sizes": sizes,
                "momentum_steps": MOMENTUM_STEPS,
            },
            "peer_versions": {},
            "runs": [],
            "loop": [],
            "peak": [],
            "ceiling": {},
            "cluster": {},
        }

    def install(self) -> None:
        """Make the peers' environments, so that no search waits for one."""
        for package in sorted({p.package for p in series.BY_KEY.values() if p.package}):
            try:
                found = version_in(python_with(package), package)
                self.record["peer_versions"][package] = found
            except NotInstalled as error:
                self._say(f"{package} does not install: {error}")

    def search(self, entry: Entry, turn: int, cache: Path | None = None) -> None:
        """Measure one search of the default space; then the bare loop, where it is the large."""
        out = self._folder / "out"
        measured = self._shoal_or_peer(
            entry.key, entry.trials, self._steps, "course", turn, out, cache
        )
        self._keep(
            entry.key, entry.trials, "course", turn, measured, "warm" if cache is None else "cold"
        )
        warm = cache is None and "told" in measured
        if warm and entry.key == "shoal" and entry.trials == self._large:
            self._limits(out)
        shutil.rmtree(out, ignore_errors=True)

    def cold(self, trials: int) -> None:
        """Measure a search with an empty cache, and leave what it compiled to all others."""
        cache = self._folder / f"cold-{trials}"
        cache.mkdir(mode=0o700)
        self.search(Entry("shoal", trials), 0, cache)
        for file in cache.iterdir():
            if not (self._warm / file.name).exists():
                shutil.copy2(file, self._warm)

    def momentum(self, seed: int, trials: int, most: int) -> None:
        """A peer on three hyperparameters; then shoal for as long."""
        out = self._folder / "momentum"
        command = series.shoal(most, MOMENTUM_STEPS, "momentum", seed, out)
        if seed == 0:
            self._timed(command, self._warm)  # compiles, where it compiles
            shutil.rmtree(out, ignore_errors=True)
        peer = self._shoal_or_peer(MOMENTUM_PEER, trials, MOMENTUM_STEPS, "momentum", seed)
        self._keep(MOMENTUM_PEER, trials, "momentum", seed, peer)
        budget = ["--time-budget", f"{max(1, math.floor(peer['seconds']))}s"]
        ours = self._timed([*command, *budget], self._warm)
        self._keep("shoal", most, "momentum", seed, ours)
        shutil.rmtree(out, ignore_errors=True)

    def script(self, name: str, *words: str) -> None:
        """Run a script of this folder and keep what it tells."""
        told = self._timed([sys.executable, str(HERE / f"{name}.py"), *words], self._warm)
        self.record[name] = told
        self._say(f"{name}: {told.get('told', told.get('error'))}")

    def write(self, results: Path) -> None:
        """Write the three files."""
        self.record["seconds"] = round(time.monotonic() - self._began, 1)
        results.mkdir(parents=True, exist_ok=True)
        text = json.dumps(self.record, indent=1, ensure_ascii=False)
        (results / "table.json").write_text(text + "\n", encoding="utf-8")
        record = Record(self.record)
        (results / "table.md").write_text(render(record), encoding="utf-8")
        (results / "cost.svg").write_text(draw(record), encoding="utf-8")

    def _limits(self, out: Path) -> None:
        """The bare loop over the lanes of a search, and the cores' peak, one after the other."""
        words = {"loop": [str(out)], "peak": []}
        for name, more in words.items():
            command = [sys.executable, str(HERE / f"{name}.py"), *more]
            told = self._timed([*command, "--workers", str(series.WORKERS)], self._warm)
            self.record[name].append(told)
            self._say(f"{name}: {told.get('told', told.get('error'))}")

    def _shoal_or_peer(
        self,
        key: str,
        trials: int,
        steps: int,
        space: str,
        seed: int,
        out: Path | None = None,
        cache: Path | None = None,
    ) -> Measured:
        if key == "shoal":
            assert out is not None
            return self._timed(series.shoal(trials, steps, space, seed, out), cache or self._warm)
        try:
            command = series.BY_KEY[key].command(trials, steps, space, seed)
        except NotInstalled as error:
            return {"seconds": 0.0, "error": f"it does not install: {error}"}
        return self._timed(command, self._warm)

    def _timed(self, command: list[str], cache: Path) -> Measured:
        environment = {"SHOAL_CACHE": str(cache)}
        return timed(command, self._folder, patience=PATIENCE_SECONDS, environment=environment)

    def _keep(
        self, key: str, trials: int, space: str, seed: int, measured: Measured, cache: str = "warm"
    ) -> None:
        run = {"key": key, "space": space, "trials": trials, "seed": seed, "cache": cache}
        self.record["runs"].append({**run, **measured})
        what = measured.get("error") or f"best {best(measured)}"
        self._say(
            f"{key}, {trials:,} trials, {space}, {cache}: {measured['seconds']:.1f} s, {what}"
        )

    def _say(self, line: str) -> None:
        print(f"[{time.monotonic() - self._began:5.0f} s] {line}", file=sys.stderr, flush=True)


def shrunk(trials: int) -> int:
    """A size of the plan in a quick run: the same order, and small."""
    return 2 * [4, 16, 32, 64, 128, 256, 1024, 4096, 32768, 131072].index(trials) + 2


def main() -> None:
    """Measure everything and write it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="small numbers: does it all work?")
    parser.add_argument("--out", type=Path, help=f"where to write  [{RESULTS}]")
    given = parser.parse_args()
    plan, sizes, steps, seeds = PLAN, [SMALL, MIDDLE, LARGE], series.STEPS, MOMENTUM_SEEDS
    if given.quick:
        plan = tuple(replace(entry, trials=shrunk(entry.trials), turns=1) for entry in PLAN)
        sizes, steps, seeds = [shrunk(size) for size in sizes], 200, 1
    results = given.out or (Path(tempfile.mkdtemp()) if given.quick else RESULTS)
    with tempfile.TemporaryDirectory(prefix="benchmark-", dir="/tmp") as folder:
        run = Benchmark(Path(folder), steps, sizes, given.quick)
        run.install()
        run.cold(sizes[2])
        run.cold(sizes[1])
        for entry, turn in turns(plan):
            run.search(entry, turn)
        for seed in range(seeds):
            run.momentum(seed, 16 if given.quick else MOMENTUM_TRIALS, sizes[2])
        run.script("ceiling", "--json", *(["--most", "20000"] if given.quick else []))
        if not given.quick:
            run.script("cluster", "--trials", str(2 * LARGE))
        run.write(results)
    print(f"{results}/table.md, table.json, cost.svg")


if __name__ == "__main__":
    main()
