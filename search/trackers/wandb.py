"""Weights & Biases, offline: one run for the search, in a folder that ``wandb sync`` uploads.

An offline run cannot be gone on with, so it is made at once when the search is whole: a mark beside
it says that it is. One without its mark, of a kill, is removed and made anew.
"""

from __future__ import annotations

import importlib
import shlex
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from shoal.search.request import shown
from shoal.search.results import Result
from shoal.search.trackers.rows import Row
from shoal.search.trackers.tracker import BEST, Tracked

MARK = "shoal-whole"


class WeightsAndBiases:
    """Writes a run: a step for each fit, the best in its summary, the best curves as a table."""

    def begin(self, search: Tracked) -> None:
        """Wait for the end."""
        self._search = search
        self._place = search.place()
        self._told = ""

    def add(self, rows: Sequence[Row]) -> None:
        """Wait for the end: steps are written in their order."""

    def end(self, result: Result, rows: Iterator[Row]) -> None:
        """Write the run, if the search is whole and no such run is there."""
        if result.ended < result.asked:
            return
        identity = f"{self._search.identity}-{result.asked}"
        runs = self._place / "wandb"
        for run in runs.glob(f"offline-run-*-{identity}"):
            if (run / MARK).exists():
                self._told = _command(run)
                return
            shutil.rmtree(run)
        self._place.mkdir(parents=True, exist_ok=True)
        self._told = _command(self._write(result, rows, identity))

    def told(self) -> str:
        """What to type."""
        return self._told

    def _write(self, result: Result, rows: Iterator[Row], identity: str) -> Path:
        wandb: Any = importlib.import_module("wandb")
        others = wandb.run is not None  # of the user's own
        run = wandb.init(
            mode="offline",
            dir=str(self._place),
            project="".join(c if c.isalnum() else "-" for c in self._search.request.problem),
            id=identity,
            name=self._search.name,
            config=self._search.asked(),
            reinit="create_new",
            settings=wandb.Settings(
                silent=True,
                console="off",
                disable_git=True,
                save_code=False,
                x_disable_meta=True,
                x_disable_stats=True,
            ),
        )
        folder = Path(run.dir).parent
        try:
            for step, row in enumerate(rows):
                key = dict(zip(("trial", "replicate", "fold"), row.key, strict=True))
                logged = {**key, **row.hyperparameters, **row.finite, "state": row.values["state"]}
                run.log(logged, step=step)
            best = result.leading(BEST)
            curves = result.curves[result.curves["trial"].isin([row["trial"] for row in best])]
            run.log({"best curves": wandb.Table(dataframe=curves)})
            for name, value in (best[0] if best else {}).items():
                if isinstance(value, (int, float, str)):
                    run.summary[f"best/{name}"] = value
        finally:
            run.finish()
            if not others:
                wandb.teardown()
        (folder / MARK).touch()
        return folder


def _command(run: Path) -> str:
    return f"wandb sync {shlex.quote(shown(run))}"
